"""A zone of a source, made from its records: one that answers questions, and facts that are judged.

What this file will not do: read a file.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from deliverkit.facts.source import SourceFacts, SourceRecord
from deliverkit.flow import Source
from deliverkit.world.masterfile import MAX_TTL, ZoneRecord
from deliverkit.world.zone import Zone

ADDRESSES = ("A", "AAAA")


class SourceZone(NamedTuple):
    """One zone of a source: ``zone`` answers questions, ``facts`` are what the rules of family ``source`` judge."""

    zone: Zone
    facts: SourceFacts


def source_zone(facts: SourceFacts, *, default_ttl: int) -> SourceZone:
    """The zone that these records make.

    A value that is not known, an alias of a provider and what a proxy hides leave their questions open: the world then
    says *unobserved* and never "no such record".
    """
    served: list[ZoneRecord] = []
    unknown: dict[tuple[str, str], str] = {}
    for record in facts.records:
        if "lost" in record.flags:  # YAML throws it away before octoDNS sees it
            continue
        why = record.unknown
        types: Iterable[str] = ()
        if why is not None or record.value is None:
            types = ("*",) if record.type == "CNAME" else (record.type,)
        elif record.flags:
            types, why = _hidden(record)
        for type_ in types:
            place = record.file if record.line is None else f"{record.file}:{record.line}"
            unknown.setdefault((record.name, type_), f"{place}: {why or 'not known yet'}")
        if not types:
            automatic = record.ttl is None or (record.ttl == 1 and facts.provider == "cloudflare")
            ttl = default_ttl if automatic or record.ttl is None else min(record.ttl, MAX_TTL)
            served.append(ZoneRecord(record.name, record.type, ttl, record.value, Source(record.file, record.line)))
    return SourceZone(Zone(facts.origin, served, file=facts.file, unknown=unknown), facts)


def _hidden(record: SourceRecord) -> tuple[tuple[str, ...], str]:
    if "alias" in record.flags:
        return ADDRESSES, f"the provider makes the addresses of {record.value} its own"
    if "proxied" in record.flags:
        return ADDRESSES, "proxied: the addresses are the proxy's"
    return (), ""
