"""What a changed source says, held against what it should say: the old records without those that go, and the new ones.

Every change is read again by the reader that everybody else uses; what comes out otherwise is refused. What this file
will not do: change anything.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from deliverkit.engine.edit.model import CannotApply, SourceFile
from deliverkit.facts.source import SourceFacts, SourceRecord
from deliverkit.protocols.kinds import without_secrets
from deliverkit.world.changes import record_key
from deliverkit.world.masterfile import ZoneError, ZoneRecord, unsaved
from deliverkit.world.sources import read_source
from deliverkit.world.values import TEXT_TYPES

_Key = tuple[Any, ...]


def facts_of(source: SourceFile, changed: Mapping[Path, bytes]) -> tuple[SourceFacts, ...]:
    """What a source says with these files changed. Raises ZoneError."""
    with unsaved(changed):
        return tuple(
            zone.facts for zone in read_source(source.path, kind=source.kind, origin=source.origin, shown=source.shown)
        )


def hold(
    source: SourceFile,
    before: SourceFacts,
    changed: Mapping[Path, bytes],
    removes: Sequence[ZoneRecord],
    records: Sequence[ZoneRecord],
) -> None:
    """Raise CannotApply unless the changed source says what it should and nothing else."""
    try:
        (after,) = facts_of(source, changed)
    except ZoneError as bad:
        raise CannotApply(f"the file would not be readable any more ({bad})") from None
    if (after.origin, after.kind) != (before.origin, before.kind):
        raise CannotApply("the file would be of another zone")
    now = [_key(record) for record in after.records]
    wanted = [_key(record) for record in before.records if not _goes(record, removes)]
    for record in records:
        key = record_key(record.name, record.type, record.value)
        place = next((at for at, (identity, *_) in enumerate(now) if identity == key), None)
        if place is None:
            raise CannotApply(f"{record.name} {record.type} would not be there as it should")
        del now[place]
    if Counter(now) != Counter(wanted):
        odd = next(iter((Counter(now) - Counter(wanted)) + (Counter(wanted) - Counter(now))))
        raise CannotApply(f"another record would change with it: {odd[0][0]} {odd[0][1]}")


def states(record: SourceRecord, gone: ZoneRecord) -> bool:
    """Whether a record of a source is the one that is to go; a report shows no private key, so neither is compared."""
    if (record.name, record.type) != (gone.name, gone.type) or record.value is None:
        return False
    if record_key(record.name, record.type, record.value) == record_key(gone.name, gone.type, gone.value):
        return True
    return record.type in TEXT_TYPES and without_secrets(text_of(record)) == text_of(gone)


def text_of(record: SourceRecord | ZoneRecord) -> str:
    """The text of a TXT record, strings joined."""
    octets: bytes = b"".join(record.value)
    return octets.decode("utf-8", "surrogateescape")


def _goes(record: SourceRecord, removes: Iterable[ZoneRecord]) -> bool:
    return any(states(record, gone) for gone in removes)


def _key(record: SourceRecord) -> _Key:
    value = record.text if record.value is None else record.value
    if record.type in TEXT_TYPES and record.value is not None:
        value = b"".join(record.value)
    identity = record.name, record.type, value
    return identity, record.ttl, record.lasting, tuple(sorted(record.flags)), record.unknown
