"""What `deliverkit fix` needs beside the fixes: sources judged as files that a person names, and changes written.

What this file will not do: read a configuration (a check's judge knows it), or choose a fix.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from deliverkit.engine.audit import AuditOptions, audit
from deliverkit.engine.edit.model import SourceFile
from deliverkit.engine.fix import Fixed, Judge
from deliverkit.engine.sources import judge_source
from deliverkit.report.model import Report
from deliverkit.world import World
from deliverkit.world.masterfile import unsaved
from deliverkit.world.sources import SourceZone, read_source
from deliverkit.world.wholefile import write_whole

NO_DOMAINS = ("in-addr.arpa", "ip6.arpa")
"""Zones that hold no domain with mail."""


class CannotWrite(ValueError):
    """A change that is not written: which file, why, and what to do."""


def judging(
    sources: Sequence[SourceFile],
    below: World,
    options: AuditOptions,
    domains: Sequence[str] = (),
    *,
    progress: Callable[[str], None] | None = None,
) -> Judge:
    """Judges each source by itself and, with all zones laid over the world below, the domains (of all zones)."""

    async def judge(changed: Mapping[Path, bytes]) -> list[Report]:
        with unsaved(changed):
            zones = list(_zones(sources))
        reports = [judge_source(one.facts, vantage=below.vantage, started=below.now()) for one in zones]
        world = below.with_zone(*(one.zone for one in zones))
        for domain in domains or [one.zone.origin for one in zones if is_domain(one.zone.origin)]:
            reports.append(await audit(domain, world=world, options=options, progress=progress))
        return reports

    return judge


def _zones(sources: Sequence[SourceFile]) -> Iterator[SourceZone]:
    """The zones of the sources; of two for one origin the first counts."""
    seen: set[str] = set()
    for source in sources:
        for one in read_source(source.path, kind=source.kind, origin=source.origin, shown=source.shown):
            if one.zone.origin not in seen:
                seen.add(one.zone.origin)
                yield one


def is_domain(origin: str) -> bool:
    """Whether a zone may be a domain that sends or receives mail: no reverse zone, none of single records."""
    if origin == "." or origin.endswith(NO_DOMAINS):
        return False
    return not any(label.startswith("_") for label in origin.split("."))


def write_changes(fixed: Fixed) -> None:
    """Write the changed files, each whole or not at all. Raises CannotWrite, if possible before the first one.

    A file that is not as it was read is somebody else's work by now, and stays; so does one that became a link.
    """
    for path in fixed.after:
        name = fixed.names.get(path, str(path))
        try:
            same = path.resolve() == path and path.read_bytes() == fixed.before[path]
        except OSError as bad:
            raise CannotWrite(f"{name} cannot be read any more ({bad.strerror}); run fix again") from None
        if not same:
            raise CannotWrite(f"{name} changed while it was judged; nothing was written, run fix again")
    for path, octets in fixed.after.items():
        try:
            write_whole(path, octets)
        except OSError as bad:
            name = fixed.names.get(path, str(path))
            raise CannotWrite(f"cannot write {name}: {bad.strerror or bad}; correct its rights and run again") from None
