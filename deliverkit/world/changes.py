"""Changes to DNS laid over another door: records taken out and records published, everything else as before.

A `ZoneDoor` knows whole zones; this door knows a few records and asks below for what stands beside them. It follows
RFC 1034 §4.3.2 and RFC 4592 as far as a changed record reaches: the name and the empty names above it exist, a wildcard
answers for names that do not. What this file will not do: choose what is replaced.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from deliverkit.flow import Answer, Flow, Question, Status, adrive, drive
from deliverkit.names import within
from deliverkit.world.doors import DnsDoor, Tell
from deliverkit.world.masterfile import ZoneRecord, parse_master_text
from deliverkit.world.values import TEXT_TYPES, canonical

MAX_ALIASES = 16


@dataclass(frozen=True)
class Changes:
    """What is taken out of DNS and what is published."""

    removed: frozenset[tuple[str, str, Any]]
    added: tuple[ZoneRecord, ...]

    @classmethod
    def read(cls, removed: Iterable[str], added: Iterable[str]) -> Changes:
        """From lines of a master file with absolute names. Raises ZoneError for what could not be published."""
        gone, new = (parse_master_text("\n".join(lines), origin=".").records for lines in (removed, added))
        return cls(frozenset(record_key(r.name, r.type, r.value) for r in gone), new)

    @cached_property
    def names(self) -> frozenset[str]:
        """The names at which something changes."""
        return frozenset(r.name for r in self.added) | frozenset(name for name, _, _ in self.removed)


class NotInHand(LookupError):
    """An answer that would have to be asked for."""


def without_wildcard(known: Mapping[Question, Answer]) -> frozenset[str]:
    """The names directly below which no wildcard stands: it would have answered for a name that does not exist there
    (RFC 4592 §2.2.1)."""
    absent = (a.question.name for a in known.values() if a.status is Status.NXDOMAIN and not a.aliases)
    plain = (name.lower() for name in absent if "\\" not in name)  # an escaped dot parts no labels
    return frozenset(name.partition(".")[2] for name in plain)


class Touched:
    """Answers in hand, so sorted that those which changes can touch are found without looking at all of them."""

    def __init__(self, known: Mapping[Question, Answer]) -> None:
        self.known = known
        self.without_wildcard = without_wildcard(known)
        self._named: dict[str, list[Question]] = {}
        self._absent: dict[str, list[Question]] = {}
        for question, answer in known.items():
            names = canonical(question.name) or question.name, *answer.aliases
            for name in names:
                self._named.setdefault(name, []).append(question)
                if answer.status is Status.NXDOMAIN:
                    self._absent.setdefault(name, []).append(question)

    def by(self, changes: Changes) -> frozenset[Question]:
        """The questions that could be answered differently now: those of the names that change, by an alias too."""
        found: set[Question] = set()
        for changed in changes.names:
            found.update(self._named.get(changed, ()))
            above = changed.partition(".")[2]
            while above:
                found.update(self._absent.get(above, ()))  # RFC 8020: a name exists when one below it does
                above = above.partition(".")[2]
            if changed.startswith("*."):
                below = (asked for name, asked in self._named.items() if name.endswith(changed[1:]))
                found.update(question for asked in below for question in asked)
        return frozenset(found)


def record_key(name: str, type_: str, value: Any) -> tuple[str, str, Any]:
    """A record as it is compared: however a text was cut into strings (RFC 1035 §3.3.14), it is the same text."""
    return name, type_, b"".join(value) if type_ in TEXT_TYPES else value


class ChangedDoor:
    """A DNS door with changes laid over the one below."""

    def __init__(self, changes: Changes, below: DnsDoor) -> None:
        self.below = below
        self.changes = changes
        self._added: dict[tuple[str, str], list[ZoneRecord]] = {}
        for record in changes.added:
            self._added.setdefault((record.name, record.type), []).append(record)
        self._names = changes.names
        self._published = frozenset(name for name, _ in self._added)
        self._wild = sorted((name for name in self._names if name.startswith("*.")), key=len, reverse=True)

    async def ask(self, question: Question) -> Answer:
        """Answer from the changes as far as they reach, and from below."""
        return await adrive(self._answer(question), self.below.ask)

    @property
    def tell(self) -> Tell | None:
        """The same without waiting, where nothing below has to be waited for."""
        below = self.below.tell
        return None if below is None else lambda question: drive(self._answer(question), below)

    def _answer(self, question: Question, followed: int = 0) -> Flow[Answer]:
        name = canonical(question.name)
        if followed > MAX_ALIASES:
            return Answer(question, Status.MALFORMED, detail="an alias loop")
        if name in self._names:
            return (yield from self._changed(question, name, name, followed))
        told: Answer = yield question
        if name is None:
            return told
        if told.status is Status.NXDOMAIN and not told.aliases and any(within(n, name) for n in self._published):
            return replace(told, status=Status.NODATA)  # RFC 8020: something exists below it now
        wild = next((w for w in self._wild if within(name, w[2:]) and name != w[2:]), None)
        if wild and (yield from self._synthesised(told, wild)):
            return (yield from self._changed(question, name, wild, followed))
        return (yield from self._followed(told, followed))

    def _changed(self, question: Question, name: str, owner: str, followed: int) -> Flow[Answer]:
        """The records at a changed name; ``owner`` is the wildcard that answers for the name, or the name itself."""
        told: Answer = yield Question(owner, question.type)
        if not told.known:
            return replace(told, question=question)
        alias = self._added.get((owner, "CNAME"))
        if alias and question.type != "CNAME":  # RFC 1034 §3.6.2
            target: str = alias[0].value
            there: Answer = yield from self._answer(Question(target, question.type), followed + 1)
            return replace(there, question=question, aliases=(target, *there.aliases))
        new = self._added.get((owner, question.type), [])
        rest: tuple[Any, ...] = told.records
        if told.aliases and (new or (owner, "CNAME", told.aliases[0]) in self.changes.removed):
            rest = ()  # RFC 1034 §3.6.2: the alias makes room
        elif told.aliases:
            return replace((yield from self._followed(told, followed)), question=question)
        elif rest and new and name == owner and (yield from self._from_above(told, owner)):
            rest = ()  # RFC 4592 §2.2.1: a name that exists is not answered by a wildcard
        kept = [r for r in rest if record_key(owner, question.type, r) not in self.changes.removed]
        records = (*kept, *(r.value for r in new if r.value not in kept))
        exists = owner in self._published or told.status is not Status.NXDOMAIN
        status = Status.OK if records else Status.NODATA if exists else Status.NXDOMAIN
        same = records == told.records and not told.aliases
        sources = told.sources if same else ()
        return Answer(question, status, records, told.ttl, server=told.server, sources=sources)

    def _from_above(self, told: Answer, name: str) -> Flow[bool]:
        """Whether the records at a name come from a wildcard beside it."""
        parent = name.partition(".")[2]
        if "." not in parent or name.startswith("*."):
            return False
        wild: Answer = yield Question(f"*.{parent}", told.question.type)
        return wild.records == told.records

    def _synthesised(self, told: Answer, wild: str) -> Flow[bool]:
        """Whether a wildcard answers for the name: none stood there, or the one that changes did (RFC 4592 §3.3.1).

        The closest encloser is taken to be the wildcard's parent, as it is at the names mail is looked up at.
        """
        if told.status is Status.NXDOMAIN:
            return True
        before: Answer = yield Question(wild, told.question.type)
        return bool(told.records) and before.records == told.records

    def _followed(self, told: Answer, followed: int) -> Flow[Answer]:
        """An answer whose chain of aliases leads to a changed name goes on there."""
        place = next((i for i, alias in enumerate(told.aliases) if alias in self._names), None)
        if place is None:
            return told
        aliases = told.aliases[: place + 1]
        there: Answer = yield from self._answer(Question(aliases[-1], told.question.type), followed + 1)
        return replace(there, question=told.question, aliases=(*aliases, *there.aliases))

    def in_hand(self, known: Touched, touched: frozenset[Question]) -> Tell:
        """Answers from those that are known and the changes alone, which touch these; raises NotInHand."""

        def hear(question: Question) -> Answer:
            answer = known.known.get(question)
            if answer is not None:
                return answer
            if question.name.startswith("*.") and question.name[2:] in known.without_wildcard:
                return Answer(question, Status.NXDOMAIN)
            raise NotInHand(question)

        def tell(question: Question) -> Answer:
            return drive(self._answer(question), hear) if question in touched else hear(question)

        return tell

    async def aclose(self) -> None:
        """Let go of what lies below."""
        await self.below.aclose()


class KnownDoor:
    """A DNS door that gives answers already in hand again, and asks below for the others."""

    def __init__(self, known: Mapping[Question, Answer], below: DnsDoor) -> None:
        self.known = known
        self.below = below

    async def ask(self, question: Question) -> Answer:
        """The answer in hand, or that from below."""
        return self.known.get(question) or await self.below.ask(question)

    @property
    def tell(self) -> Tell | None:
        """The same without waiting, where nothing below has to be waited for."""
        below = self.below.tell
        return None if below is None else lambda question: self.known.get(question) or below(question)

    async def aclose(self) -> None:
        """Let go of what lies below."""
        await self.below.aclose()
