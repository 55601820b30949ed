"""Doors that make many askers gentle: a cap on questions in flight, and a cache in which each question is asked once.

`PoliteDoor` bounds what is open at a time. `SharedDoor` remembers answers (bounded, by TTL) and lets those who ask the
same question at the same time wait for one answer; when one of them is cancelled, the others still get it.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from dataclasses import dataclass

from deliverkit.flow import Answer, Question, Status
from deliverkit.world.doors import DnsDoor
from deliverkit.world.perloop import PerLoop
from deliverkit.world.values import canonical

IN_FLIGHT = 128
ENTRIES = 50_000
LEAST_S = 60  # one run sees one answer, even with a TTL of 0: what is judged together was observed once
MOST_S = 3600
NEGATIVE_S = 300  # of a "no" without SOA
FAILURE_S = 10  # a failure is believed for one audit, not for the next


class PoliteDoor:
    """At most so many questions in flight."""

    tell = None

    def __init__(self, below: DnsDoor, *, in_flight: int = IN_FLIGHT) -> None:
        self.below = below
        self._gate: PerLoop[asyncio.Semaphore] = PerLoop(lambda: asyncio.Semaphore(in_flight))

    async def ask(self, question: Question) -> Answer:
        """Ask when it is our turn."""
        async with self._gate.get():
            return await self.below.ask(question)

    async def aclose(self) -> None:
        """Let go of what lies below."""
        await self.below.aclose()


@dataclass(slots=True)
class _Flight:
    """A question under way, and how many wait for it."""

    task: asyncio.Task[Answer]
    waiting: int = 0


class SharedDoor:
    """A cache with single flight."""

    tell = None

    def __init__(self, below: DnsDoor, *, entries: int = ENTRIES) -> None:
        self.below = below
        self.entries = entries
        self._kept: OrderedDict[Question, tuple[float, Answer]] = OrderedDict()
        self._flights: PerLoop[dict[Question, _Flight]] = PerLoop(dict)

    async def ask(self, question: Question) -> Answer:
        """The remembered answer, the one under way, or a new one."""
        key = Question(canonical(question.name) or question.name, question.type)
        kept = self._remembered(key)
        answer = kept if kept is not None else await self._flown(key)
        return answer if answer.question == question else _for(question, answer)

    def _remembered(self, key: Question) -> Answer | None:
        until, answer = self._kept.get(key, (0.0, None))
        if answer is None or until < time.monotonic():
            self._kept.pop(key, None)
            return None
        self._kept.move_to_end(key)
        return answer

    async def _flown(self, key: Question) -> Answer:
        """Join the flight of this question, or start it. The last to leave a flight ends it."""
        flights = self._flights.get()
        flight = flights.get(key)
        if flight is None:
            flight = flights[key] = _Flight(asyncio.create_task(self._fetch(key)))
            flight.task.add_done_callback(lambda _: flights.pop(key, None))
        flight.waiting += 1
        try:
            return await asyncio.shield(flight.task)
        finally:
            flight.waiting -= 1
            if not flight.waiting and not flight.task.done():
                flights.pop(key, None)
                flight.task.cancel()

    async def _fetch(self, key: Question) -> Answer:
        answer = await self.below.ask(key)
        self._kept[key] = (time.monotonic() + lifetime(answer), answer)
        while len(self._kept) > self.entries:
            self._kept.popitem(last=False)
        return answer

    async def aclose(self) -> None:
        """End what is under way, then let go of what lies below."""
        flights = self._flights.pop() or {}
        tasks = [flight.task for flight in flights.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await self.below.aclose()


def lifetime(answer: Answer) -> float:
    """Seconds an answer is remembered: its TTL within bounds; failures briefly."""
    if not answer.known:
        return FAILURE_S
    default = MOST_S if answer.status is Status.OK else NEGATIVE_S
    return min(max(default if answer.ttl is None else answer.ttl, LEAST_S), MOST_S)


def _for(question: Question, answer: Answer) -> Answer:
    from dataclasses import replace

    return replace(answer, question=question)
