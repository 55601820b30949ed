"""Zones laid over another DNS door: names at or below an origin are answered by the zone, others from below.

CNAME chains are followed from one zone into another and out into the world below. `failures` lets a story or a
test say what fails, by (name, type). What this file will not do: read files, or open sockets.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Self

from deliverkit.flow import Answer, Flow, Question, Status, adrive, drive
from deliverkit.world.doors import DnsDoor, Tell
from deliverkit.world.values import canonical
from deliverkit.world.zone import Found, Outcome, Zone, depth, up

MAX_ALIASES = 16
"""CNAMEs followed for one question; a longer chain counts as a loop."""

MOST_TOLD = 16_384
"""Answers kept in a world that is told."""

NO_NAME = "the name cannot exist: labels are 1 to 63 octets, names at most 255 (RFC 1035 §2.3.4)"


class ZoneDoor:
    """A DNS door over zones, failures and the door below."""

    unchanging = True
    """Where it can `tell`, it says the same tomorrow: neither zones nor failures change."""

    def __init__(
        self, zones: Iterable[Zone], below: DnsDoor, failures: Mapping[tuple[str, str], Status] | None = None
    ) -> None:
        self.zones = sorted(zones, key=depth, reverse=True)
        # of twins the first one answers
        self._by_origin: Mapping[str, Zone] = {zone.origin: zone for zone in reversed(self.zones)}
        self.below = below
        self.failures = dict(failures or {})
        self._told: dict[tuple[str, str], Answer] = {}

    @classmethod
    def over(cls, by_origin: Mapping[str, Zone], below: DnsDoor) -> Self:
        """A door over zones that a mapping holds, and perhaps reads when they are asked for."""
        door = cls((), below)
        door._by_origin = by_origin
        return door

    async def ask(self, question: Question) -> Answer:
        """Answer from the zones as far as they know, and from below where they do not."""
        return await adrive(self._answer(question), self.below.ask)

    @property
    def tell(self) -> Tell | None:
        """The same without waiting, where nothing below has to be waited for."""
        return None if self.below.tell is None else self._tell

    def _tell(self, question: Question) -> Answer:
        """Zones do not change, so neither does what they say to a question: it is kept."""
        key = question.name, question.type
        known = self._told.get(key)
        if known is None:
            below = self.below.tell
            assert below is not None  # or we would not be asked
            if len(self._told) >= MOST_TOLD:
                self._told.clear()
            known = self._told[key] = drive(self._answer(question), below)
        return known

    def _answer(self, question: Question) -> Flow[Answer]:
        """Follow the aliases from zone to zone; what no zone knows is asked below."""
        began = time.monotonic()
        name = canonical(question.name)
        if name is None:
            return Answer(question, Status.NXDOMAIN, detail=NO_NAME)
        aliases: list[str] = []
        while len(aliases) <= MAX_ALIASES:
            step = self._step(question, name, aliases)
            if isinstance(step, Answer):
                return step
            if step.outcome is Outcome.ALIAS and step.target is not None:
                if step.target in (*aliases, canonical(question.name)):
                    break
                aliases.append(step.target)
                name = step.target
                continue
            told: Answer = yield Question(name, question.type)
            elapsed = time.monotonic() - began
            return replace(told, question=question, aliases=(*aliases, *told.aliases), elapsed_s=elapsed)
        loop = " -> ".join([question.name, *aliases[:4]])
        return Answer(question, Status.MALFORMED, aliases=tuple(aliases), detail=f"an alias loop: {loop} -> …")

    def _step(self, question: Question, name: str, aliases: list[str]) -> Answer | Found:
        """One name of the chain: an answer, an alias to follow, or a reason to ask below."""
        failure = self.failures.get((name, question.type)) or self.failures.get((name, "*"))
        if failure is not None:
            return Answer(question, failure, aliases=tuple(aliases), detail="as the story tells")
        zone = self._zone_of(name)
        if zone is None:
            return Found(Outcome.OUTSIDE)
        found = zone.find(name, question.type)
        why = zone.open(name, question.type, found)
        if why is not None:
            return Answer(question, Status.UNOBSERVED, aliases=tuple(aliases), detail=why)
        if found.outcome in (Outcome.ALIAS, Outcome.DELEGATED):
            return found
        return _answer(question, found, aliases)

    def _zone_of(self, name: str) -> Zone | None:
        """The zone with the deepest origin at or above a name."""
        while True:
            zone = self._by_origin.get(name)
            if zone is not None or name == ".":
                return zone
            name = up(name)

    async def aclose(self) -> None:
        """Let go of what lies below."""
        await self.below.aclose()


def _answer(question: Question, found: Found, aliases: list[str]) -> Answer:
    status = {Outcome.RECORDS: Status.OK, Outcome.NODATA: Status.NODATA}.get(found.outcome, Status.NXDOMAIN)
    return Answer(
        question,
        status,
        records=tuple(record.value for record in found.records) if status is Status.OK else (),
        ttl=min((record.ttl for record in found.records), default=None),
        aliases=tuple(aliases),
        sources=tuple(record.source for record in found.records) if status is Status.OK else (),
    )
