"""Master files (RFC 1035 §5) as a source of records: what `deliverkit.world.masterfile` reads, with what was written.

What this file will not do: read master-file text itself.
"""

from __future__ import annotations

from pathlib import Path

from deliverkit.facts.source import SourceFacts, SourceRecord
from deliverkit.world.masterfile import ZoneError, read_master_file, zone_origin
from deliverkit.world.rdata import NO_ORIGIN
from deliverkit.world.sources.model import SourceZone
from deliverkit.world.zone import Zone

_GENERATED = frozenset({"generated"})
_NONE: frozenset[str] = frozenset()


def read(path: Path, shown: str, origin: str | None) -> tuple[SourceZone, ...]:
    """The one zone of a master file. Raises ZoneError."""
    try:
        read = read_master_file(path, origin, shown=shown, as_written=True)
    except ZoneError as bad:
        if origin is not None or not bad.why.startswith(NO_ORIGIN):
            raise
        remedy = f'{bad.remedy}, or name the zone in the configuration (origin = "example.com" of this source)'
        raise ZoneError(bad.file, bad.line, bad.text, bad.why, remedy) from None
    own = origin or zone_origin(read.records, read.first_origin)
    if not read.records:
        raise ZoneError(shown, None, "", "holds no record", "give a master file (RFC 1035 §5) with records")
    if own is None:
        remedy = (
            "begin the file with $ORIGIN example.com., give it its SOA record, or name its origin in the configuration"
        )
        raise ZoneError(shown, 1, "", "nothing says which zone this is", remedy)
    records = tuple(
        SourceRecord(
            one.name,
            written.owner,
            one.type,
            written.ttl,
            one.value,
            written.text,
            one.source.file,
            one.source.line,
            written.strings,
            _GENERATED if written.generated else _NONE,
            None,
            one.ttl,
        )
        for one, written in zip(read.records, read.written, strict=True)
    )
    return (SourceZone(Zone(own, read.records, file=shown), SourceFacts(own, "master", shown, records)),)
