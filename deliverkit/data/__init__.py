"""Facts with their sources, as data files: providers, DKIM selectors, SMTP replies. Loaded on first use.

The files were compiled for this project from public documentation; each entry names its source.
"""

from __future__ import annotations

import functools
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deliverkit.names import within


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


@dataclass(frozen=True, slots=True)
class Selector:
    """A DKIM selector worth trying. ``deep`` marks those of the deep scan only."""

    name: str
    hint: str
    evidence: str
    deep: bool = False


def _read(name: str) -> str:
    return Path(__file__).with_name(name).read_text("utf-8")  # importlib.resources costs more than the data


@functools.cache
def providers() -> tuple[Provider, ...]:
    """All providers, in file order."""
    return tuple(_provider(entry) for entry in tomllib.loads(_read("providers.toml"))["provider"])


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
    """The providers a domain uses, told by its MX hosts and the include: targets of its SPF record."""
    includes = {name.lower().rstrip(".") for name in spf_includes}
    return tuple(
        p
        for p in providers()
        if any(within(host, suffix) for host in mx_hosts for suffix in p.mx)
        or (p.spf_include and p.spf_include.lower() in includes)
    )


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
    return tuple(tomllib.loads(_read("smtp_replies.toml"))["reply"])
