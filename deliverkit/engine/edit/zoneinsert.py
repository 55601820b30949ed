"""Records put into master files: beside their set, beside their name, or behind the closest name, as the file writes.

What this file will not do: take anything out (`zonetext` does).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from deliverkit.engine.edit.model import CannotApply, Edit, text_edit
from deliverkit.engine.edit.zonedata import NAMES_AT, data_words, folds
from deliverkit.engine.edit.zonescan import Scan, Stated
from deliverkit.engine.edit.zonewords import Words, aligned, column, is_relative, line_end, spelled, words_of
from deliverkit.world.masterfile import ZoneRecord
from deliverkit.world.values import TEXT_TYPES, absolute, split_labels


def inserted(scan: Scan, records: Sequence[ZoneRecord], gone: Collection[Stated]) -> list[Edit]:
    """The edits that put records in, each behind the entry it is closest to.

    Those without an owner of their own come first, so that none takes the owner of another new one.
    """
    found = list(_inserted(scan, records, gone))
    return [edit for _, edit in sorted(found, key=lambda one: one[0])]


def _inserted(scan: Scan, records: Sequence[ZoneRecord], gone: Collection[Stated]) -> Iterator[tuple[bool, Edit]]:
    for record in records:
        beside = _beside(scan, record, gone)
        last = _last_heir(scan, beside)
        text = scan.texts[last.file]
        end = line_end(text, last)
        line = _line(scan, beside, last.origin, record, end)
        whole = text.endswith(("\n", "\r"), last.start, last.end)
        owned = line[:1] not in (" ", "\t")
        yield owned, text_edit(last.file, text, last.end, last.end, line + end if whole else end + line)


def _beside(scan: Scan, record: ZoneRecord, gone: Collection[Stated]) -> Stated:
    """The entry to stand behind: of the same set, of the same name, of the closest name."""
    able = [entry for entry in scan.entries if entry.records and not entry.generated]
    able = [entry for entry in able if entry not in gone] or able
    if not able:
        raise CannotApply(f"{scan.origin}'s files hold no entry beside which a record could stand")
    wanted = labels(record.name)

    def closeness(place: int) -> tuple[object, ...]:
        entry = able[place]
        one = entry.records[0]
        near = one.name == record.name
        common = 0 if near else _common(labels(one.name), wanted)
        usual = not near and entry.file == scan.main, not near and entry.origin == scan.origin
        return near and one.type == record.type, near, usual, common, place

    return able[max(range(len(able)), key=closeness)]


def labels(name: str) -> tuple[bytes, ...]:
    """The labels of a name, the last one first."""
    return tuple(reversed(split_labels(name) or ()))


def _common(one: Sequence[bytes], other: Sequence[bytes]) -> int:
    return next(
        (at for at, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), min(len(one), len(other))
    )


def _last_heir(scan: Scan, entry: Stated) -> Stated:
    """The entry itself, or the last of those behind it that have their owner from above: they keep it."""
    at = scan.entries.index(entry)
    last = entry
    for follower in scan.entries[at + 1 :]:
        if follower.file != entry.file:
            continue
        if not follower.indented:
            break
        last = follower
    return last


def _line(scan: Scan, beside: Stated, origin: str | None, record: ZoneRecord, end: str) -> str:
    """The new entry, without its line end: owner, TTL, class and columns as the entry beside it has them."""
    text = scan.texts[beside.file]
    parts = words_of(text, beside)
    line = _owner(scan, beside, parts, origin, record)
    at = parts.owner.end if parts.owner else beside.start
    for word in (*parts.before, parts.type):
        if line.strip():
            line = aligned(line, column(text, word.start), _gap(text, at, word.start))
        line += record.type if word is parts.type else word.text
        at = word.end
    data = parts.data[0].start if parts.data else at + 1
    line = aligned(line, column(text, data), _gap(text, at, data))
    words = data_words(record, origin, relative=_relative_targets(scan, record.type))
    if record.type not in TEXT_TYPES or len(words) == 1 or not folds(scan):
        return line + " ".join(words)
    indent = end + " " * max(len(line.expandtabs()), 4)
    return f"{line}( {indent.join(words)} )"


def _gap(text: str, start: int, end: int) -> str:
    gap = text[start:end]
    return gap if not gap.strip(" \t") else " "


def _owner(scan: Scan, beside: Stated, parts: Words, origin: str | None, record: ZoneRecord) -> str:
    """The owner as it is to be written; blanks where it is that of the entry above."""
    if beside.records[0].name != record.name:
        return spelled(record.name, origin, relative=_relative_owners(scan))
    if parts.owner is None:
        text = scan.texts[beside.file]
        blanks = text[beside.start : parts.all[0].start]
        return blanks if not blanks.strip(" \t") else " "
    return parts.owner.text if origin == beside.origin or not is_relative(parts.owner) else absolute(record.name)


def _relative_owners(scan: Scan) -> bool:
    """Whether the zone writes most of its owners relative to the origin."""
    owners = [words_of(scan.texts[e.file], e).owner for e in _some(scan)]
    written = [is_relative(owner) for owner in owners if owner is not None]
    return sum(written) * 2 >= len(written)


def _relative_targets(scan: Scan, type_: str) -> bool:
    """Whether the zone writes the targets of this type relative to the origin."""
    places = NAMES_AT.get(type_, ())
    data = [words_of(scan.texts[e.file], e).data for e in _some(scan) if e.records[0].type == type_]
    written = [is_relative(words[at]) for words in data for at in places if at < len(words)]
    return bool(written) and all(written)


def _some(scan: Scan) -> list[Stated]:
    """Entries enough to tell how the zone is written."""
    return [entry for entry in scan.entries if entry.records and not entry.generated][:200]
