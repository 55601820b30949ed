"""What a check asks of each domain, and of whom: a configuration's words as options of audits and as a world.

What this file will not do: read sources, look at a domain, or say what does not count.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deliverkit.config.model import BadConfig, Config, DomainConfig
from deliverkit.engine.audit import AuditOptions, BadOption, checked
from deliverkit.engine.checksources import Places
from deliverkit.facts.checked import Unreadable
from deliverkit.facts.expected import Expectations
from deliverkit.world import World

if TYPE_CHECKING:
    from deliverkit.engine.agreement import Where
    from deliverkit.world.journal import Journal

_NO_DOMAINS = ("in-addr.arpa", "ip6.arpa")


@dataclass(frozen=True)
class CheckOptions:
    """What of a configuration to check, and how.

    ``domains`` and ``paths`` (source files) narrow the check; without a configuration the paths are the sources.
    ``zones`` are sources besides. ``only`` and ``probe`` are those of every domain's audit. ``facts``: reports keep
    what was observed, which a summary does not need and which grows with the domains. ``record`` takes what lies below
    the sources. ``where`` says where the servers of zones are reached, where that is not port 53 of their addresses.
    """

    domains: tuple[str, ...] = ()
    paths: tuple[Path, ...] = ()
    zones: tuple[Path, ...] = ()
    only: tuple[str, ...] = ()
    probe: bool | None = None
    facts: bool = True
    allow_private: bool = False
    record: Journal | None = None
    where: Where | None = None

    @property
    def narrow(self) -> bool:
        """True if not everything is looked at."""
        return bool(self.domains or self.paths or self.only)


def waits(config: Config, options: CheckOptions) -> bool:
    """True if somebody has to be waited for: then the check needs an event loop."""
    if options.record is not None or (config.world == "live" and config.journal is None):
        return True
    return any(_probes(domain, config, options) for domain in (*config.domains, config.defaults))


def opened(config: Config, options: CheckOptions) -> World:
    """The world below the sources. Raises BadConfig."""
    if options.record is None and config.journal is not None:
        return _replayed(config.journal, Places(config.folder).shown(config.journal))
    if options.record is None and config.world != "live":
        return World.offline(closed=config.world == "closed-world")
    try:
        live = World.live(config.nameservers, allow_private=options.allow_private)
    except ValueError as bad:
        raise BadConfig(config.shown, None, str(bad), "correct the nameservers, or check --offline") from None
    if options.record is None:
        return live
    from deliverkit.world.journal_below import recorded_below

    return recorded_below(live, options.record, config.shown)


def _replayed(path: Path, shown: str) -> World:
    from deliverkit.world.journal import JournalError
    from deliverkit.world.journal_below import open_below, replayed_below

    try:
        return replayed_below(open_below(path, shown))
    except JournalError as bad:
        do = f"record it anew with `deliverkit check --record {shown}`"
        what = str(bad).removeprefix(f"{shown} ").removeprefix(f"{shown}: ")
        raise BadConfig(shown, None, what, do) from None


def is_domain(origin: str) -> bool:
    """Whether a zone may be a domain that sends or receives mail: no reverse zone, none of single records."""
    if origin == "." or origin.endswith(_NO_DOMAINS):
        return False
    return not any(label.startswith("_") for label in origin.split("."))


def audit_options(
    domain: DomainConfig,
    config: Config,
    options: CheckOptions,
    places: Places,
    complain: Callable[[Unreadable], None],
) -> AuditOptions:
    """What to ask of a domain. A file that holds no key is told; raises BadConfig for a value that has no meaning."""
    file = None if config.file is None else places.shown(config.file)
    expect = domain.expect
    wanted = AuditOptions(
        selectors=(*domain.selectors, *(name for name in expect.dkim if name not in domain.selectors)),
        dkim_keys=_key_files(domain, places, complain),
        only=options.only or domain.only,
        sends_from=domain.sends_from,
        submission=domain.submission,
        via=domain.via,
        probe=_probes(domain, config, options),
        profile=domain.profile,
        parked=domain.parked,
        severities=config.severities,
        expect=_expectations(domain, file) if expect else None,
    )
    try:
        return checked(wanted)
    except BadOption as bad:
        what = f"{domain.given}: {str(bad).removeprefix('--')}"
        raise BadConfig(file or config.shown, domain.line, what, "correct it") from None


def _probes(domain: DomainConfig, config: Config, options: CheckOptions) -> bool:
    """Whether ports are connected to; a journal of a check holds no conversation."""
    return config.journal is None and (domain.probe if options.probe is None else options.probe)


def _key_files(domain: DomainConfig, places: Places, complain: Callable[[Unreadable], None]) -> dict[str, Path]:
    if not domain.dkim_keys:
        return {}
    from deliverkit.protocols.dkim.keys import BadKeyFile, load_private_key

    held: dict[str, Path] = {}
    for selector, file in domain.dkim_keys.items():
        try:
            load_private_key(file)
        except BadKeyFile as bad:
            if bad.kind in ("unreadable", "not-a-key"):
                what = f"the key of selector {selector}: {bad.why}"
                complain(Unreadable(places.shown(file), None, what, "name the file of a private key"))
                continue
        held[selector] = file
    return held


def _expectations(domain: DomainConfig, file: str | None) -> Expectations:
    expect = domain.expect
    values = {key: getattr(expect, key.replace("-", "_")) for key in expect.lines}
    return Expectations(values, expect.lines, file)
