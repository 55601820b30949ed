"""A zone: the records at and below an origin, answering as an authoritative server does.

The semantics are those of RFC 1034 §4.3.2 with RFC 4592 (wildcards, empty non-terminals) and RFC 6672 (DNAME). A
`Zone` is pure data: `overlay` lays zones over a world, `deliverkit.demo.nameserver` serves them over sockets.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, Self

from deliverkit.names import labels, within
from deliverkit.world.masterfile import (
    MasterFile,
    ZoneError,
    ZoneRecord,
    parse_master_text,
    read_master_file,
    zone_origin,
)
from deliverkit.world.values import canonical, presentation

if TYPE_CHECKING:
    from deliverkit.facts.vantage import ZoneFault
    from deliverkit.world import World

_BESIDE_CNAME = frozenset({"CNAME", "RRSIG", "NSEC", "NSEC3", "KEY"})  # RFC 4034 §3, RFC 2181 §10.1

__all__ = ["Found", "Outcome", "Zone", "ZoneError", "ZoneRecord", "overlay"]


class Outcome(StrEnum):
    """What a zone says to a question."""

    RECORDS = "records"
    NODATA = "nodata"
    NXDOMAIN = "nxdomain"
    ALIAS = "alias"  # a CNAME, or one made from a DNAME: ask on at ``target``
    DELEGATED = "delegated"  # below a zone cut: somebody else knows
    OUTSIDE = "outside"  # not at or below the origin


class Found(NamedTuple):
    """The answer of one zone; ``wildcard`` names the record that was expanded, if one was."""

    outcome: Outcome
    records: tuple[ZoneRecord, ...] = ()
    target: str | None = None
    wildcard: str | None = None


class Zone:
    """The records of one zone.

    ``cuts`` says whether NS records below the origin delegate; tables of a whole world switch that off.
    ``strays`` are records of the file that lie outside the origin: no server would load them.

    ``unknown`` maps what the source leaves open to the reason, by (name, type): type "*" stands for all types. The name
    "*" (no wildcard: those are written out) stands for a name that is not known either, so that nothing can be said to
    be absent.
    """

    def __init__(
        self,
        origin: str,
        records: Iterable[ZoneRecord],
        *,
        file: str | None = None,
        cuts: bool = True,
        unknown: Mapping[tuple[str, str], str] | None = None,
    ) -> None:
        self.origin = origin
        self.file = file
        self.cuts = cuts
        self._unknown = dict(unknown or {})
        self.strays: tuple[ZoneRecord, ...] = ()
        self._nodes: dict[str, dict[str, list[ZoneRecord]]] = {}
        self._names: set[str] = {origin}
        strays = []
        below = "." + origin
        for record in records:
            if origin == "." or record.name == origin or record.name.endswith(below):
                self._add(record)
            else:
                strays.append(record)
        self.strays = tuple(strays)
        for name, _ in self._unknown:
            if name != "*" and within(name, origin):
                self._exist(name)

    # -- making one -------------------------------------------------------------------------------------

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a master file. Its origin is the SOA's owner or the first ``$ORIGIN``. Raises ZoneError."""
        path = Path(path)
        return cls._made(read_master_file(path), str(path))

    @classmethod
    def parse(cls, text: str, *, origin: str | None = None, file: str = "<text>") -> Self:
        """Read master-file text; ``origin`` is needed when the text has neither SOA nor ``$ORIGIN``."""
        given = canonical(origin) if origin else None
        return cls._made(parse_master_text(text, file=file, origin=given), file, given)

    @classmethod
    def _made(cls, read: MasterFile, file: str, given: str | None = None) -> Self:
        origin = given or zone_origin(read.records, read.first_origin)
        if not read.records:
            raise ZoneError(file, None, "", "holds no record", "give a master file (RFC 1035 §5) with records")
        if origin is None:
            remedy = "begin the file with $ORIGIN example.com. or give it its SOA record"
            raise ZoneError(file, 1, "", "nothing says which zone this is", remedy)
        return cls(origin, read.records, file=file)

    def _add(self, record: ZoneRecord) -> None:
        present = self._nodes.setdefault(record.name, {}).setdefault(record.type, [])
        if present and any(other.value == record.value for other in present[:1000]):
            return  # RFC 2181 §5: a set holds no record twice
        present.append(record)
        self._exist(record.name)

    def _exist(self, name: str) -> None:
        while name not in self._names:  # every name up to the origin exists now (RFC 4592 §2.2.2)
            self._names.add(name)
            name = up(name)

    # -- reading it -------------------------------------------------------------------------------------

    @property
    def unknown(self) -> frozenset[tuple[str, str]]:
        """What the source leaves open, by (name, type)."""
        return frozenset(self._unknown)

    def open(self, name: str, type_: str, found: Found) -> str | None:
        """Why the answer that was found cannot be believed, or None: the source leaves this one open."""
        if not self._unknown:
            return None
        at = found.wildcard or name
        asked = [(at, type_), (at, "*")]
        if found.outcome in (Outcome.NODATA, Outcome.NXDOMAIN):
            asked += [("*", type_), ("*", "*")]
        return next((self._unknown[one] for one in asked if one in self._unknown), None)

    def records(self) -> tuple[ZoneRecord, ...]:
        """Every record, by name in order of appearance."""
        return tuple(record for node in self._nodes.values() for kept in node.values() for record in kept)

    def get(self, name: str, type_: str) -> tuple[ZoneRecord, ...]:
        """The records that stand at a name, without wildcards, aliases or cuts."""
        return tuple(self._nodes.get(name, {}).get(type_, ()))

    def find(self, name: str, type_: str) -> Found:
        """Answer a question as an authoritative server would (RFC 1034 §4.3.2 step 3)."""
        if not within(name, self.origin):
            return Found(Outcome.OUTSIDE)
        for ancestor in self._path(name):
            node = self._nodes.get(ancestor, {})
            if self.cuts and ancestor != self.origin and "NS" in node and not (ancestor == name and type_ == "DS"):
                return Found(Outcome.DELEGATED, tuple(node["NS"]))  # step 3b
            if ancestor != name and "DNAME" in node:  # RFC 6672 §3.2
                return _redirected(name, node["DNAME"][0], type_)
            if ancestor not in self._names:
                return self._by_wildcard(up(ancestor), type_)  # step 3c; RFC 4592 §3.3.1: the closest encloser
        return _at_node(self._nodes.get(name, {}), type_)

    def _path(self, name: str) -> list[str]:
        """The names from the origin down to this one."""
        path = [name]
        while path[-1] != self.origin:
            path.append(up(path[-1]))
        return path[::-1]

    def _by_wildcard(self, encloser: str, type_: str) -> Found:
        source = f"*.{encloser}" if encloser != "." else "*"
        if source not in self._names:
            return Found(Outcome.NXDOMAIN)
        return _at_node(self._nodes.get(source, {}), type_)._replace(wildcard=source)

    def faults(self) -> tuple[ZoneFault, ...]:
        """The records with which a server would not serve this zone as written."""
        from deliverkit.facts.vantage import ZoneFault

        guilty = [("outside", record) for record in self.strays]
        for node in self._nodes.values():
            if "CNAME" in node and (len(node["CNAME"]) > 1 or not _BESIDE_CNAME.issuperset(node)):
                guilty += [("alias", record) for record in node["CNAME"]]
        return tuple(
            ZoneFault(kind, r.name, r.type, presentation(r.type, r.value), r.source.file, r.source.line, self.origin)
            for kind, r in guilty
        )

    def __repr__(self) -> str:
        return f"Zone({self.origin!r}, {len(self.records())} records)"


def _at_node(node: dict[str, list[ZoneRecord]], type_: str) -> Found:
    """The records of a name: own data before a CNAME, so that the unlawful mixture still answers."""
    if type_ in node:
        return Found(Outcome.RECORDS, tuple(node[type_]))
    if "CNAME" in node:  # step 3a
        return Found(Outcome.ALIAS, tuple(node["CNAME"]), target=node["CNAME"][0].value)
    return Found(Outcome.NODATA)


def _redirected(name: str, dname: ZoneRecord, type_: str) -> Found:
    """The CNAME that a DNAME stands for: followed, or the answer itself when a CNAME was asked for (RFC 6672 §3.1).

    A name that would grow too long is none (§2.2).
    """
    rest = name[: len(name) - len(dname.name) - 1] if dname.name != "." else name
    target = canonical(rest if dname.value == "." else f"{rest}.{dname.value}")
    if target is None:
        return Found(Outcome.NXDOMAIN)
    if type_ == "CNAME":
        return Found(Outcome.RECORDS, (dname._replace(name=name, type="CNAME", value=target),))
    return Found(Outcome.ALIAS, (dname,), target=target)


def up(name: str) -> str:
    """The name one label shorter; the root is above every single label."""
    if "\\" not in name:
        return name.partition(".")[2] or "."
    return _escaped_up(name)


def _escaped_up(name: str) -> str:
    at = 0
    while at < len(name):
        if name[at] == "\\":
            at += 2  # \. and \\ ; of \DDD the digits are no dots anyway
        elif name[at] == ".":
            return name[at + 1 :] or "."
        else:
            at += 1
    return "."


def depth(zone: Zone) -> int:
    """How many labels the origin has: the deepest zone knows best."""
    return len(labels(zone.origin))


def overlay(world: World, zones: Sequence[str | Path | Zone]) -> World:
    """A world in which the zones are authoritative at and below their origins; other names as before."""
    from deliverkit.world import World as Made
    from deliverkit.world.overlay import ZoneDoor

    loaded = [zone if isinstance(zone, Zone) else Zone.load(zone) for zone in zones]
    shown = tuple(zone.file or zone.origin for zone in loaded)
    faults = tuple(fault for zone in loaded for fault in zone.faults())
    vantage = replace(
        world.vantage,
        zones=(*world.vantage.zones, *shown),
        zone_faults=(*world.vantage.zone_faults, *faults),
    )
    return Made(ZoneDoor(loaded, below=world.dns), world.smtp, vantage, world.clock, world.pages)
