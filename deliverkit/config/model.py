"""What a configuration says, as plain values. Paths are absolute; every part knows the line it stands on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from deliverkit.findings import Severity


class BadConfig(ValueError):
    """A configuration that cannot be used: where, what, and what to do. ``str`` is "file:line: what; do"."""

    def __init__(self, file: str, line: int | None, what: str, do: str) -> None:
        self.file, self.line, self.what, self.do = file, line, what, do
        super().__init__(f"{file if line is None else f'{file}:{line}'}: {what}; {do}")


@dataclass(frozen=True, slots=True)
class Expect:
    """What a domain's owner expects of it; None is not expected. ``lines`` are those of the keys, as written.

    ``spf`` is a result of RFC 7208 §2.6 for each address of ``sends-from`` (without any: "pass" means a record that
    can be evaluated). ``spf_all`` is the qualifier at the end of the record, as "-all". ``mx`` are the hosts, all of
    them; () means none and ("",) a null MX (RFC 7505). ``dmarc`` and ``dmarc_subdomains`` are the least policy that is
    accepted, "absent" that there is none. ``mta_sts`` is "absent", "record" (one that can be used) or the mode of the
    policy that is served.
    """

    spf: str | None = None
    spf_all: str | None = None
    spf_includes: tuple[str, ...] = ()
    lookups_max: int | None = None
    voids_max: int | None = None
    dkim: tuple[str, ...] = ()
    dkim_bits_min: int | None = None
    dmarc: str | None = None
    dmarc_subdomains: str | None = None
    dmarc_rua: tuple[str, ...] = ()
    mx: tuple[str, ...] | None = None
    mta_sts: str | None = None
    tls_rpt: bool | None = None
    bimi: bool | None = None
    lines: Mapping[str, int] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.lines)


@dataclass(frozen=True, slots=True)
class DomainConfig:
    """One domain: what its owner knows of it, and what is expected.

    ``name`` is the A-label form, ``given`` as written. ``dkim_keys`` maps a selector to the file of a private key.
    ``profile`` is one of the audit's ("bulk") or None. ``line`` is where it is named; None where a source names it.
    """

    name: str
    given: str
    line: int | None = None
    selectors: tuple[str, ...] = ()
    dkim_keys: Mapping[str, Path] = field(default_factory=dict)
    sends_from: tuple[str, ...] = ()
    submission: tuple[str, ...] = ()
    via: tuple[str, ...] = ()
    only: tuple[str, ...] = ()
    profile: str | None = None
    parked: bool = False
    probe: bool = False
    expect: Expect = field(default_factory=Expect)


@dataclass(frozen=True, slots=True)
class Ignore:
    """Findings that do not count: of these rules, on subjects that match ``subject`` (fnmatch), until a day.

    ``until`` is the last day on which it holds, by UTC; afterwards the findings come back.
    """

    rules: tuple[str, ...]
    subject: str
    reason: str
    until: date | None
    line: int


@dataclass(frozen=True, slots=True)
class SourcePattern:
    """Files that hold records, by a path or a pattern (``zones/*.zone``), relative to the configuration.

    ``kind`` is "master", "octodns" or "terraform", or None where the file itself tells; ``origin`` the name of the
    zone where the file does not say.
    """

    pattern: str
    kind: str | None
    origin: str | None
    line: int


@dataclass(frozen=True, slots=True)
class Config:
    """A whole configuration, of one environment.

    ``file`` is None where there is no file: paths were given on the command line. ``world`` is "live", "offline" or
    "closed-world". ``seconds`` is the time for the whole check. ``retries`` are further looks at a domain of which
    something decisive could not be told, ``retry_wait`` seconds apart. ``all_zones``: the origin of every source zone
    is a domain to check. ``defaults`` are the settings of domains that nobody named.
    """

    folder: Path
    file: Path | None = None
    shown: str = "the command line"
    environment: str | None = None
    environments: tuple[str, ...] = ()
    sources: tuple[SourcePattern, ...] = ()
    domains: tuple[DomainConfig, ...] = ()
    defaults: DomainConfig = field(default_factory=lambda: DomainConfig("", ""))
    all_zones: bool = True
    world: str = "live"
    nameservers: tuple[str, ...] = ()
    authoritative: bool = False
    drift: bool = False
    journal: Path | None = None
    baseline: Path | None = None
    fail_on: str = "error"
    seconds: float | None = None
    retries: int = 0
    retry_wait: float = 2.0
    severities: Mapping[str, Severity] = field(default_factory=dict)
    severity_lines: Mapping[str, int] = field(default_factory=dict)
    ignores: tuple[Ignore, ...] = ()
