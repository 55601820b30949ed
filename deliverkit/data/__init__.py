"""Facts with their sources, as data files: providers, DKIM selectors, SMTP replies. Loaded on first use.

The files were compiled for this project from public documentation; each entry names its source.
"""

from __future__ import annotations

import functools
import re
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
    """A mail provider as ``providers.toml`` describes it. ``entry`` is the whole table for rarer fields.

    ``dkim_cname`` are pairs of selector and alias target with placeholders, ``mail_from`` the label and the target of a
    return path below the customer's domain.
    """

    id: str
    name: str
    category: str
    aliases: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    mx: tuple[str, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()
    spf_include: str | None = None
    dkim_selectors: tuple[str, ...] = ()
    spf_others: tuple[str, ...] = ()
    dkim_targets: tuple[str, ...] = ()
    dkim_cname: tuple[tuple[str, str], ...] = ()
    mail_from: tuple[str, str] | None = None
    entry: dict[str, Any] = field(default_factory=dict)

    @property
    def superseded(self) -> tuple[str, ...]:
        """Former names for ``include:``."""
        return tuple(self.entry.get("spf_superseded", ()))

    @property
    def spf_needed(self) -> str:
        """Where an include is needed, in words; empty: in the record of the domain itself."""
        return str(self.entry.get("spf_needed", ""))

    @property
    def spf_advice(self) -> str:
        """`spf_needed` as the end of a sentence: "needed only on …", "not needed when …"; empty without one."""
        needed = self.spf_needed
        if needed.startswith("no: "):
            return f"not needed here: {needed[4:]}"
        return f"not needed {needed[4:]}" if needed.startswith("not ") else f"needed {needed}" if needed else ""

    def confirmed(self, name: str) -> bool:
        """Whether this field of the entry is confirmed."""
        return not self.entry.get("unverified") and name not in self.entry.get("unverified_fields", ())


@dataclass(frozen=True, slots=True)
class Platform:
    """A hosting platform as ``platforms.toml`` describes it: closed ports, and the seconds a function may run.

    ``default_s`` and ``most_s`` are None where a program is not stopped. ``files`` and ``marks`` tell it.
    """

    id: str
    name: str
    files: tuple[str, ...] = ()
    marks: tuple[tuple[str, str], ...] = ()
    blocked: frozenset[int] = frozenset()
    blocked_told: str = ""
    blocked_on_some: frozenset[int] = frozenset()
    blocked_on_some_told: str = ""
    default_s: float | None = None
    most_s: float | None = None
    limit_key: str | None = None
    ephemeral: bool = False


class Selector(NamedTuple):
    """A DKIM selector worth trying. ``deep`` marks those of the deep scan only.

    ``after`` is one of the same provider, without which this one is not published.
    """

    name: str
    hint: str
    evidence: str
    deep: bool = False
    after: str = ""


_HOST = re.compile(r'^\s*host = "([^"]+)"', re.MULTILINE)


@functools.cache
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
        spf_others=(*entry.get("spf_alternatives", ()), *entry.get("spf_superseded", ())),
        dkim_targets=tuple(entry.get("dkim_targets", ())),
        dkim_cname=tuple((selector, target) for selector, target in entry.get("dkim_cname", ())),
        mail_from=tuple(entry["mail_from"]) if "mail_from" in entry else None,
        entry=entry,
    )


def provider(word: str) -> Provider | None:
    """A provider by id or alias, case-insensitively."""
    word = word.lower()
    return next((p for p in providers() if word == p.id or word in p.aliases), None)


def nearest(word: str) -> str | None:
    """The id or alias that was probably meant by a word that is none."""
    from difflib import get_close_matches

    near = get_close_matches(word.lower(), [name for p in providers() for name in (p.id, *p.aliases)], n=1)
    return near[0] if near else None


def provider_hosts() -> frozenset[str]:
    """Every host name of a submission endpoint, without parsing the file; ``{region}`` stands as it is."""
    return frozenset(host for entry in _entries() for host in _HOST.findall(entry))


def providers_at(host: str) -> tuple[Provider, ...]:
    """The providers whose submission endpoint or other host this is, in file order; a region counts as any region.

    Only entries that name it, or a host for each region, are parsed.
    """
    wanted = host.lower().rstrip(".")
    near = (e for e in _entries() if f'"{wanted}"' in e or "{region}" in e)
    return tuple(p for p in map(_parsed, near) if wanted in _names_of(p) or region_of(p, wanted) is not None)


def mailbox_provider(domain: str) -> Provider | None:
    """The provider of people's mail whose addresses are at this domain (lower case), or None."""
    near = (_parsed(entry) for entry in _entries() if f'"{domain}"' in entry)
    return next((p for p in near if domain in p.domains and p.category == "mailbox" and p.endpoints), None)


def _names_of(p: Provider) -> frozenset[str]:
    return frozenset((*(e.host for e in p.endpoints), *p.entry.get("other_hosts", ())))


def region_of(p: Provider, host: str) -> str | None:
    """What stands for ``{region}`` in a host name (lower case) of a provider's endpoints, or None."""
    for template in {e.host for e in p.endpoints if "{region}" in e.host}:
        before, _, after = template.partition("{region}")
        match = re.fullmatch(re.escape(before) + r"([a-z0-9-]+)" + re.escape(after), host)
        if match is not None:
            return match[1]
    return None


@functools.cache
def platforms() -> tuple[Platform, ...]:
    """All hosting platforms, in file order."""
    import tomllib

    return tuple(_platform(entry) for entry in tomllib.loads(_read("platforms.toml"))["platform"])


def _platform(entry: dict[str, Any]) -> Platform:
    return Platform(
        id=entry["id"],
        name=entry["name"],
        files=tuple(entry.get("files", ())),
        marks=tuple((file, text) for file, text in entry.get("marks", ())),
        blocked=frozenset(entry.get("blocked", ())),
        blocked_told=entry.get("blocked_told", ""),
        blocked_on_some=frozenset(entry.get("blocked_on_some", ())),
        blocked_on_some_told=entry.get("blocked_on_some_told", ""),
        default_s=entry.get("default_s"),
        most_s=entry.get("most_s"),
        limit_key=entry.get("limit_key"),
        ephemeral=entry.get("ephemeral", False),
    )


def recognise(
    mx_hosts: tuple[str, ...] = (), spf_includes: tuple[str, ...] = (), dkim_targets: tuple[str, ...] = ()
) -> tuple[Provider, ...]:
    """The providers a domain uses, told by its MX hosts, the include: targets of its SPF record and its DKIM aliases.

    Only entries that hold one of these names are parsed: reading all of the file takes longer than most audits.
    """
    includes = {key(name) for name in spf_includes}
    telling = includes.union(*map(_ancestors, (*mx_hosts, *dkim_targets)))
    holding = sorted({place for name in telling for place in _holding(name)})
    return tuple(
        p
        for p in (_parsed(_entries()[place]) for place in holding)
        if any(within(host, suffix) for host in mx_hosts for suffix in p.mx)
        or includes & {p.spf_include, *p.spf_others}
        or any(within(target, suffix) for target in dkim_targets for suffix in p.dkim_targets)
    )


@functools.lru_cache(maxsize=4096)
def _holding(name: str) -> tuple[int, ...]:
    """The places of the entries that hold a name; nearly all names stand in none."""
    quoted = f'"{name}"'
    if quoted not in _read("providers.toml"):
        return ()
    return tuple(place for place, entry in enumerate(_entries()) if quoted in entry)


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
            name, hint, evidence, after = [*line.split("\t"), "", "", ""][:4]
            found.append(Selector(name, hint, evidence, deep, after))
    return tuple(found)


@functools.cache
def smtp_replies() -> tuple[dict[str, Any], ...]:
    """The table of SMTP replies and client errors, in file order."""
    import tomllib

    return tuple(tomllib.loads(_read("smtp_replies.toml"))["reply"])


@functools.cache
def nodemailer_services() -> tuple[dict[str, Any], ...]:
    """What Nodemailer's ``service`` option stands for, in file order."""
    import tomllib

    return tuple(tomllib.loads(_read("nodemailer_services.toml"))["service"])
