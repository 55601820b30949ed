"""What a source of DNS records says: a zone file, an octoDNS file or a Terraform plan, before any law of DNS.

A server would answer by the zone made of it (`deliverkit.world.zone`); what an editor or a provider makes of the text
is seen only here: names as they were written, strings as they were cut, what is proxied, what is not known yet. What
this file will not do: read a file, or hold an opinion.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from deliverkit.facts.base import Facts


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """One record as it stands in its source.

    ``name`` is absolute and canonical, ``written`` the owner as the source has it. ``value`` is plain, as
    `deliverkit.flow.Answer` documents it; None where it is not known yet. ``text`` is the data as written. ``strings``
    are the pieces of a TXT record as written, without quotation marks, escapes untouched. ``ttl`` is None where the
    source leaves it to others, 1 is Cloudflare's "automatic". ``flags``: "proxied", "alias" (a provider's flattened
    alias record), "generated" (by ``$GENERATE``, so that its line is many records), "lost" (YAML has its key twice, and
    the later one wins), "routed" (one of several answers of a routing policy). ``unknown`` says why the value is not
    known ("known after apply"); a ``name`` or ``type`` that is not known either is "*". ``lasting`` is the TTL that the
    record gets in the end, where the source says it elsewhere. ``entry`` tells what holds the record where a source
    writes whole sets: the address of a resource, the place of an entry in octoDNS; ``name_line`` the line of the name,
    where that is another.
    """

    name: str
    written: str
    type: str
    ttl: int | None
    value: Any
    text: str
    file: str
    line: int | None
    strings: tuple[str, ...] = ()
    flags: frozenset[str] = frozenset()
    unknown: str | None = None
    lasting: int | None = None
    entry: str = ""
    name_line: int | None = None


@dataclass(frozen=True, repr=False)
class SourceFacts(Facts):
    """One zone of a source file.

    ``kind`` is "master", "octodns" or "terraform"; ``provider`` "route53", "cloudflare", "google", "azure" or None
    where the source does not say who serves it. ``records`` are all of its records, duplicates too.
    """

    origin: str
    kind: str
    file: str
    records: tuple[SourceRecord, ...]
    provider: str | None = None

    @property
    def subject(self) -> str:
        return self.origin

    @cached_property
    def by_set(self) -> dict[tuple[str, str], list[SourceRecord]]:
        """The records by (name, type), in order; those that YAML loses are left out."""
        found: dict[tuple[str, str], list[SourceRecord]] = {}
        for record in self.records:
            if "lost" not in record.flags:
                found.setdefault((record.name, record.type), []).append(record)
        return found

    @cached_property
    def names(self) -> frozenset[str]:
        """The names that exist: of records, and all between them and the origin (RFC 4592 §2.2.2)."""
        found = {self.origin}
        for name, _ in self.by_set:
            while name not in found and name.endswith(self.origin) and name != self.origin:
                found.add(name)
                name = name.partition(".")[2]
        return frozenset(found)

    def answers_for(self, name: str) -> bool:
        """True if something in this zone can stand behind a name at or below the origin: its own, a wildcard, a cut."""
        if name in self.names:
            return True
        while name not in self.names:  # up to the closest encloser, which is the origin at last
            if not name:
                return True
            name = name.partition(".")[2]
        if f"*.{name}" in self.names:
            return True
        return name != self.origin and any((name, type_) in self.by_set for type_ in ("NS", "DNAME"))
