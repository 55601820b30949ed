"""Facts with their sources, as data files: providers, DKIM selectors, SMTP replies. Loaded on first use.

The files were compiled for this project from public documentation; each entry names its source.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from deliverkit.names import key, labels, within


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A submission endpoint; ``tls`` is "implicit", "starttls" or "none"."""

    host: str
    port: int
    tls: str
    note: str = ""


@dataclass(frozen=True, slots=True)
class Provider:
    """A mail provider as ``providers.toml`` describes it. ``entry`` is the whole table for rarer fields."""

    id: str
    name: str
    category: str
    aliases: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    mx: tuple[str, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()
    spf_include: str | None = None
    dkim_selectors: tuple[str, ...] = ()
    entry: dict[str, Any] = field(default_factory=dict)


class Selector(NamedTuple):
    """A DKIM selector worth trying. ``deep`` marks those of the deep scan only."""

    name: str
    hint: str
    evidence: str
    deep: bool = False


def _read(name: str) -> str:
    return Path(__file__).with_name(name).read_text("utf-8")  # importlib.resources costs more than the data


@functools.cache
def _entries() -> tuple[str, ...]:
    """The text of each provider's entry, in file order."""
    return tuple(_read("providers.toml").split("\n[[provider]]\n")[1:])


@functools.cache
def _parsed(entry: str) -> Provider:
    import tomllib

    return _provider(tomllib.loads("[[provider]]\n" + entry)["provider"][0])


def providers() -> tuple[Provider, ...]:
    """All providers, in file order."""
    return tuple(_parsed(entry) for entry in _entries())


def _provider(entry: dict[str, Any]) -> Provider:
    return Provider(
        id=entry["id"],
        name=entry["name"],
        category=entry["category"],
        aliases=tuple(entry.get("aliases", ())),
        domains=tuple(entry.get("domains", ())),
        mx=tuple(entry.get("mx", ())),
        endpoints=tuple(Endpoint(e["host"], e["port"], e["tls"], e.get("note", "")) for e in entry.get("endpoint", ())),
        spf_include=entry.get("spf_include"),
        dkim_selectors=tuple(entry.get("dkim_selectors", ())),
        entry=entry,
    )


def provider(word: str) -> Provider | None:
    """A provider by id or alias, case-insensitively."""
    word = word.lower()
    return next((p for p in providers() if word == p.id or word in p.aliases), None)


def recognise(mx_hosts: tuple[str, ...] = (), spf_includes: tuple[str, ...] = ()) -> tuple[Provider, ...]:
    """The providers a domain uses, told by its MX hosts and the include: targets of its SPF record.

    Only entries that hold one of these names are parsed: reading all of the file takes longer than most audits.
    """
    includes = {key(name) for name in spf_includes}
    telling = {f'"{name}"' for name in includes.union(*map(_ancestors, mx_hosts))}
    return tuple(
        p
        for p in (_parsed(entry) for entry in _entries() if any(name in entry for name in telling))
        if any(within(host, suffix) for host in mx_hosts for suffix in p.mx) or p.spf_include in includes
    )


def _ancestors(name: str) -> set[str]:
    """A name, and every name it lies below."""
    parts = labels(name)
    return {".".join(parts[at:]) for at in range(len(parts))}


@functools.cache
def selectors() -> tuple[Selector, ...]:
    """DKIM selectors by priority: the common block first, then those of the deep scan."""
    found: list[Selector] = []
    deep = False
    for line in _read("dkim_selectors.txt").splitlines():
        if line.startswith("#"):
            deep = deep or ("deep scan" in line and line.startswith("# ---"))
            continue
        if line.strip():
            name, hint, evidence = [*line.split("\t"), "", ""][:3]
            found.append(Selector(name, hint, evidence, deep))
    return tuple(found)


@functools.cache
def smtp_replies() -> tuple[dict[str, Any], ...]:
    """The table of SMTP replies and client errors, in file order."""
    import tomllib

    return tuple(tomllib.loads(_read("smtp_replies.toml"))["reply"])
