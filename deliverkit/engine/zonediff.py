"""Two versions of the zones of a repository, compared in what they mean: each side is audited and the reports compared.

What a zone names outside of itself is asked of the world that both lie over: offline it is unknown on both sides, and
then an include counts the one lookup that is certain. What this file will not do: weigh a change (`engine.turns`).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from deliverkit.engine.audit import AuditOptions, audit
from deliverkit.engine.diff import Comparison, compared
from deliverkit.engine.snapshotfile import NotComparable
from deliverkit.engine.sources import selectors_in
from deliverkit.report.jsonable import report_json
from deliverkit.world import World
from deliverkit.world.masterfile import ZoneError
from deliverkit.world.sources import SourceZone, kind_of, read_source
from deliverkit.world.zone import Zone

MOST_FILES = 2_000


def holds_zones(path: Path) -> bool:
    """Whether a path is a source of records, or a folder with some in it."""
    return kind_of(path) is not None or (path.is_dir() and next(_files(path), None) is not None)


def _files(folder: Path) -> Iterator[Path]:
    """The sources below a folder, as git would see it."""
    from deliverkit.engine.sourcetree import DiskTree

    for path in DiskTree(folder).paths[: MOST_FILES * 10]:
        if Path(path).suffix.lower() in (".zone", ".db", ".yaml", ".yml", ".json", "") and kind_of(folder / path):
            yield folder / path


def _zones(path: Path) -> dict[str, Zone]:
    """The zones of a source or of all sources of a folder, by origin. Raises NotComparable."""
    files = [path] if kind_of(path) is not None else list(_files(path))[:MOST_FILES]
    found: dict[str, SourceZone] = {}
    for file in files:
        try:
            found |= {one.zone.origin: one for one in read_source(file)}
        except ZoneError as bad:
            raise NotComparable(str(bad)) from None
    return {origin: one.zone for origin, one in found.items() if not origin.endswith(".arpa")}


async def zones_compared(old: Path, new: Path, *, world: World) -> Comparison:
    """What changed in the meaning of the zones that both sides hold. Raises NotComparable."""
    before, after = _zones(old), _zones(new)
    both = sorted(before.keys() & after.keys())
    if not both:
        raise NotComparable(f"{old} and {new} have no zone in common: {_named(before)} and {_named(after)}")
    selectors = {o: tuple(dict.fromkeys([*selectors_in(before[o]), *selectors_in(after[o])])) for o in both}
    sides = [[await _told(o, side, selectors[o], world) for o in both] for side in (before, after)]
    found = compared(sides[0], sides[1], str(old), str(new))
    alone = [f"{o}: only in {old}" for o in sorted(before.keys() - after.keys())]
    alone += [f"{o}: only in {new}" for o in sorted(after.keys() - before.keys())]
    return replace(found, kind="zones", unknown=(*alone, *found.unknown))


def _named(zones: dict[str, Zone]) -> str:
    return ", ".join(sorted(zones)[:5]) or "none"


async def _told(origin: str, zones: dict[str, Zone], selectors: tuple[str, ...], world: World) -> dict[str, Any]:
    options = AuditOptions(selectors=selectors, probe=False)
    report = await audit(origin, world=world.with_zone(*zones.values()), options=options)
    told: dict[str, Any] = json.loads(json.dumps(report_json(report)))
    return told
