"""A fix brought into the sources that state its records: which zone, which file, which octets.

What this file will not do: know how a format is written (the other files of this room do), or choose a fix.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from deliverkit.engine.edit.meaning import facts_of, hold, states
from deliverkit.engine.edit.model import CannotApply, SourceFile, applied
from deliverkit.facts.source import SourceFacts, SourceRecord
from deliverkit.findings import Fix, RecordText
from deliverkit.names import within
from deliverkit.world.masterfile import ZoneError, ZoneRecord, file_octets, parse_master_text, unsaved
from deliverkit.world.zone import up

Texts = dict[Path, bytes]


@dataclass(frozen=True, slots=True)
class Held:
    """A zone of a source, as it is now."""

    source: SourceFile
    facts: SourceFacts


def held(sources: Iterable[SourceFile], changed: Mapping[Path, bytes]) -> dict[str, Held]:
    """The zones of the sources by origin; of two for one origin the first counts. Raises ZoneError."""
    zones: dict[str, Held] = {}
    for source in sources:
        for facts in facts_of(source, changed):
            zones.setdefault(facts.origin, Held(source, facts))
    return zones


def records_of(texts: Iterable[RecordText]) -> tuple[ZoneRecord, ...]:
    """The records that a fix names. Raises CannotApply."""
    try:
        return parse_master_text("\n".join(line for text in texts for line in text.lines), origin=".").records
    except ZoneError as bad:
        raise CannotApply(f"its record cannot be read ({bad})") from None


def brought_in(fix: Fix, zones: Mapping[str, Held], changed: Mapping[Path, bytes], root: Path | None) -> Texts:
    """The files that change when the fix is applied, with what they hold then. Raises CannotApply.

    ``root`` is the folder outside of which nothing is changed, links followed; None stands for that of each source.
    """
    removes, records = records_of(fix.removes), records_of(fix.records)
    made: Texts = {}
    parts: dict[str, tuple[list[ZoneRecord], list[ZoneRecord]]] = {}
    for record in removes:
        parts.setdefault(_zone_of(record, zones, stands=True), ([], []))[0].append(record)
    for record in records:
        parts.setdefault(_zone_of(record, zones, stands=False), ([], []))[1].append(record)
    for origin, (gone, new) in parts.items():
        one = changed_zone(zones[origin], gone, new, {**changed, **made}, root)
        for other in zones.values():
            if other.facts.origin != origin and not files_of(other).keys().isdisjoint(one):
                both = f"{origin} and {other.facts.origin}"
                raise CannotApply(f"{', '.join(map(str, one))} is part of both {both}; change it by hand")
        made |= one
    if all(changed.get(path, _stored(path)) == octets for path, octets in made.items()):
        raise CannotApply("the files say it already, in their own way")
    return made


def _stored(path: Path) -> bytes:
    return file_octets(path, str(path))


def _zone_of(record: ZoneRecord, zones: Mapping[str, Held], *, stands: bool) -> str:
    """The origin of the zone a record belongs to: where it stands, else the deepest at or above its name."""
    if stands:  # an editor that doubles names may leave one in another zone's file
        for origin, zone in zones.items():
            if any(states(one, record) for one in zone.facts.records):
                return origin
    name = record.name
    while name not in zones:
        if name == ".":
            verb = "stands in" if stands else "belongs into"
            raise CannotApply(f"{record.name} {record.type} {verb} none of the files given")
        name = up(name)
    return name


def changed_zone(
    zone: Held,
    removes: Sequence[ZoneRecord],
    records: Sequence[ZoneRecord],
    changed: Mapping[Path, bytes],
    root: Path | None,
) -> Texts:
    """The files of one zone that change, held to say what they should. Raises CannotApply."""
    for record in records:
        if not within(record.name, zone.facts.origin):
            raise CannotApply(f"{record.name} is not in the zone {zone.facts.origin}")
    try:
        with unsaved(changed):
            made = _made(zone, removes, records)
    except ZoneError as bad:  # a step on the way leaves nothing that could be read
        raise CannotApply(f"the file would not be readable any more ({bad})") from None
    inside = (root or zone.source.path.absolute().parent).resolve()
    for path in made:
        if not path.is_relative_to(inside):
            raise CannotApply(f"{path} lies outside {inside}; change it by hand")
    hold(zone.source, zone.facts, {**changed, **made}, removes, records)
    return made


def _made(zone: Held, removes: Sequence[ZoneRecord], records: Sequence[ZoneRecord]) -> Texts:
    if zone.facts.kind == "master":
        from deliverkit.engine.edit.zonescan import scanned
        from deliverkit.engine.edit.zonetext import zone_edits

        edits = zone_edits(scanned(zone.source), removes, records)
        return applied({edit.file: file_octets(edit.file, str(edit.file)) for edit in edits}, edits)
    if zone.facts.kind == "octodns":
        from deliverkit.engine.edit.octodnstext import octodns_changed

        return octodns_changed(zone.source, zone.facts.origin, removes, records)
    raise CannotApply(_by_terraform(zone, removes))


def _by_terraform(zone: Held, removes: Sequence[ZoneRecord]) -> str:
    """Terraform makes the plan, so that the change belongs into its own language."""
    guilty = [record for record in zone.facts.records if any(states(record, gone) for gone in removes)]
    addresses = sorted({address for record in guilty for address in addresses_of(zone.source.path, record)})
    where = f"resource {', '.join(addresses)}" if addresses else "or add the resource"
    return f"{zone.facts.file} is made by Terraform: change {where} in the .tf files"


def addresses_of(plan: Path, record: SourceRecord) -> list[str]:
    """The addresses of the resources in a plan that state a record, as far as its name and its text tell."""
    import json

    try:
        waiting = [json.loads(file_octets(plan, str(plan)))]
    except (ZoneError, ValueError, RecursionError):
        return []
    found: dict[str, bool] = {}
    while waiting:
        one = waiting.pop()
        if isinstance(one, list):
            waiting += one
        elif isinstance(one, dict):
            waiting += one.values()
            address, values = one.get("address"), one.get("values")
            if not isinstance(address, str) or not isinstance(values, dict):
                continue
            if values.get("name") == record.written and values.get("type", record.type) == record.type:
                found[address] = json.dumps(record.text)[1:-1] in json.dumps(values)
    return [address for address, told in found.items() if told] or list(found)


def files_of(zone: Held) -> dict[Path, str]:
    """The files in which records of a zone stand, links followed, with the names that reports use."""
    source = zone.source
    base, called = source.path, Path(source.shown)
    if not base.is_dir():
        base, called = base.resolve().parent if zone.facts.kind == "master" else base.parent, called.parent
    found: dict[Path, str] = {}
    for name in dict.fromkeys(record.file for record in zone.facts.records):
        path = source.path if name == source.shown else base / Path(name).relative_to(called)
        found[path.resolve()] = name
    return found
