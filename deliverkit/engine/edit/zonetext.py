"""Master files edited: records taken out and put in, every other octet as it was.

A record takes the place of the one that goes where both belong together, so that owner, TTL, class, columns, comments
and line ends stay. What this file will not do: choose records, or hold the outcome against them (`meaning` does).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from deliverkit.engine.edit.model import CannotApply, Edit, text_edit
from deliverkit.engine.edit.zonedata import Change, folds, new_data
from deliverkit.engine.edit.zoneinsert import inserted
from deliverkit.engine.edit.zonescan import Scan, Stated
from deliverkit.engine.edit.zonewords import Words, aligned, column, is_relative, spelled, words_of
from deliverkit.protocols.kinds import without_secrets
from deliverkit.world.changes import record_key
from deliverkit.world.masterfile import ZoneRecord
from deliverkit.world.values import TEXT_TYPES, absolute

_Fits = Callable[[ZoneRecord, ZoneRecord], bool]
_BELONG: tuple[_Fits, ...] = (
    lambda old, new: record_key(*_three(old)) == record_key(*_three(new)),  # said in another way
    lambda old, new: (old.name, old.type) == (new.name, new.type),
    lambda old, new: old.type == new.type and record_key(*_three(old))[2] == record_key(*_three(new))[2],  # renamed
    lambda old, new: old.name == new.name and "CNAME" in (old.type, new.type),  # an alias that becomes a record
)
"""Which new record takes the place of which old one, the closest way first."""


def _three(record: ZoneRecord) -> tuple[str, str, object]:
    return record.name, record.type, record.value


def zone_edits(scan: Scan, removes: Sequence[ZoneRecord], records: Sequence[ZoneRecord]) -> list[Edit]:
    """The edits that take records out of a zone and put others in. Raises CannotApply."""
    gone = [entry for record in removes for entry in standing(scan, record)]
    gone = list(dict.fromkeys(gone))
    pairs, left = _paired(gone, list(records))
    edits: list[Edit] = []
    for entry, new in pairs:
        changes = _replaced(scan, entry, new)
        if changes is None:
            left.append(new)
        else:
            gone.remove(entry)
            edits += _as_edits(scan, entry, changes)
    edits += _deleted(scan, gone)
    edits += inserted(scan, left, frozenset(gone))
    return edits


def standing(scan: Scan, record: ZoneRecord) -> list[Stated]:
    """The entries that state a record. Raises CannotApply where there is none, or none that could be edited."""
    key = record_key(*_three(record))
    found = [entry for entry in scan.entries if any(record_key(*_three(one)) == key for one in entry.records)]
    if not found and record.type in TEXT_TYPES:  # a report shows no private key
        shown = key[2].decode("utf-8", "surrogateescape")
        found = [
            entry
            for entry in scan.entries
            for one in entry.records
            if (one.name, one.type) == (record.name, record.type) and without_secrets(_text(one)) == shown
        ]
    if not found:
        raise CannotApply(f"{record.name} {record.type} does not stand in {scan.origin}'s files as it is in DNS")
    for entry in found:
        if entry.generated:
            raise CannotApply(f"{entry.place} makes the record by $GENERATE, together with others; change it by hand")
    return found


def _text(record: ZoneRecord) -> str:
    octets: bytes = b"".join(record.value)
    return octets.decode("utf-8", "surrogateescape")


def _paired(gone: Sequence[Stated], new: list[ZoneRecord]) -> tuple[list[tuple[Stated, ZoneRecord]], list[ZoneRecord]]:
    pairs: list[tuple[Stated, ZoneRecord]] = []
    free = list(gone)
    for fits in _BELONG:
        for entry in list(free):
            found = next((record for record in new if fits(entry.records[0], record)), None)
            if found is not None:
                pairs.append((entry, found))
                free.remove(entry)
                new.remove(found)
    return pairs, new


# -- one entry ------------------------------------------------------------------------------------------


def _replaced(scan: Scan, entry: Stated, record: ZoneRecord) -> list[Change] | None:
    """What changes in an entry that states another record from now on; None where it cannot stay in its place."""
    text = scan.texts[entry.file]
    parts = words_of(text, entry)
    old = entry.records[0]
    changes: list[Change] = []
    if old.name != record.name:
        if parts.owner is None or any(one.heir_of is entry for one in scan.entries):
            return None
        owner = spelled(record.name, entry.origin, relative=is_relative(parts.owner))
        changes.append(_in_column(text, parts, owner))
    if old.type != record.type:
        if parts.folded:
            return None
        changes.append((parts.type.start, parts.type.end, record.type))
    if old.name == record.name or old.type != record.type:
        changes += new_data(text, entry, parts, record, fold=folds(scan))
    changes += _comment_in_column(text, entry, parts, changes)
    return [change for change in changes if text[change[0] : change[1]] != change[2]]


def _in_column(text: str, parts: Words, owner: str) -> Change:
    """A new owner; what stands behind keeps its column."""
    assert parts.owner is not None  # the caller looked
    behind = parts.all[1]
    gap = text[parts.owner.end : behind.start]
    if gap.strip(" \t"):
        return parts.owner.start, parts.owner.end, owner
    return parts.owner.start, behind.start, aligned(owner, column(text, behind.start), gap)


def _comment_in_column(text: str, entry: Stated, parts: Words, changes: Sequence[Change]) -> list[Change]:
    """The blanks before a comment at the end of a single line grow or shrink, so that it keeps its column."""
    line = text[entry.start : entry.end].rstrip("\r\n")
    if (
        len(parts.comments) != 1
        or "\n" in line
        or "\r" in line
        or any("\n" in new or "\r" in new for *_, new in changes)
    ):
        return []
    end = parts.comments[0][0]
    start = end
    while text[start - 1] == " ":
        start -= 1
    if end - start < 2:
        return []
    growth = sum(len(new) - (stop - begin) for begin, stop, new in changes)
    return [(start, end, " " * max(1, end - start - growth))]


def _as_edits(scan: Scan, entry: Stated, changes: Iterable[Change]) -> Iterator[Edit]:
    text = scan.texts[entry.file]
    return (text_edit(entry.file, text, start, end, new) for start, end, new in changes)


# -- entries that go ------------------------------------------------------------------------------------


def _deleted(scan: Scan, gone: Sequence[Stated]) -> Iterator[Edit]:
    """Entries taken out whole; the first that took its owner from one of them gets it written."""
    for entry in gone:
        yield text_edit(entry.file, scan.texts[entry.file], entry.start, entry.end, "")
        if entry.indented:
            continue
        written: set[object] = set()
        for heir in scan.entries:
            if heir.heir_of is entry and heir not in gone and heir.file not in written:
                written.add(heir.file)
                yield _with_owner(scan, entry, heir)


def _with_owner(scan: Scan, entry: Stated, heir: Stated) -> Edit:
    text = scan.texts[heir.file]
    if entry.generated:
        raise CannotApply(f"{heir.place} takes its name from a $GENERATE; change it by hand")
    owner = words_of(scan.texts[entry.file], entry).owner
    assert owner is not None  # it is not indented
    same = entry.origin == heir.origin or not is_relative(owner)
    shown = scan.texts[entry.file][owner.start : owner.end] if same else absolute(heir.records[0].name)
    end = heir.start
    while text[end] in " \t\f\v\u00a0":
        end += 1
    blanks = text[heir.start : end]
    gap = blanks if "\t" in blanks else " " * max(1, len(blanks) - len(shown))
    return text_edit(heir.file, text, heir.start, end, shown + gap)
