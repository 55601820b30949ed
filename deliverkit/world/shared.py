"""A DNS door that remembers: each question is asked once.

`SharedDoor` remembers answers (bounded, by TTL) and lets those who ask the same question at the same time wait for one
answer; when one of them is cancelled, the others still get it.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from dataclasses import replace
from functools import partial
from typing import TypeAlias

from deliverkit.flow import Answer, Question, Status
from deliverkit.world.begun import Begun, Outcome, beginning, settle
from deliverkit.world.doors import DnsDoor
from deliverkit.world.perloop import PerLoop
from deliverkit.world.values import canonical

ENTRIES = 50_000
LEAST_S = 60  # one run sees one answer, even with a TTL of 0: what is judged together was observed once
MOST_S = 3600
NEGATIVE_S = 300  # of a "no" without SOA
FAILURE_S = 10  # a failure is believed for one audit, not for the next
_OK, _NODATA, _NXDOMAIN = Status.OK, Status.NODATA, Status.NXDOMAIN


_Key: TypeAlias = "tuple[str, str]"
"""Canonical name and type."""


class _Flight:
    """A question under way, and who waits for it."""

    __slots__ = ("begun", "outcome", "waiting")

    def __init__(self) -> None:
        self.begun: Begun | None = None
        self.outcome: Outcome | None = None
        self.waiting: list[asyncio.Future[Answer]] = []


class SharedDoor:
    """A cache with single flight."""

    tell = None

    def __init__(self, below: DnsDoor, *, entries: int = ENTRIES) -> None:
        self.below = below
        self.entries = entries
        self._below = beginning(below)
        self._kept: OrderedDict[_Key, tuple[float, Answer]] = OrderedDict()
        self._flights: PerLoop[dict[_Key, _Flight]] = PerLoop(dict)

    async def ask(self, question: Question) -> Answer:
        """The remembered answer, the one under way, or a new one."""
        name = canonical(question.name) or question.name
        key = (name, question.type)
        answer = self._remembered(key)
        if answer is None:
            answer = await self._flown(key, question if name == question.name else Question(name, question.type))
        if answer.question is question or answer.question == question:
            return answer
        return replace(answer, question=question)

    def _remembered(self, key: _Key) -> Answer | None:
        kept = self._kept.get(key)
        if kept is None:
            return None
        until, answer = kept
        if until < time.monotonic():
            del self._kept[key]
            return None
        self._kept.move_to_end(key)
        return answer

    async def _flown(self, key: _Key, question: Question) -> Answer:
        """Join the flight of this question, or start it. The last to leave a flight ends it."""
        flights = self._flights.get()
        flight = flights.get(key)
        if flight is None:
            flight = flights[key] = _Flight()
            flight.begun = self._below.begin(question, partial(self._landed, flights, key, flight))
        waiting: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        if flight.outcome is not None:
            settle(waiting, flight.outcome)
        flight.waiting.append(waiting)
        try:
            return await waiting
        except asyncio.CancelledError:
            flight.waiting.remove(waiting)
            if not flight.waiting and flight.outcome is None and flight.begun is not None:
                if flights.get(key) is flight:
                    del flights[key]
                flight.begun.cancel()
            raise

    def _landed(self, flights: dict[_Key, _Flight], key: _Key, flight: _Flight, outcome: Outcome) -> None:
        flight.outcome = outcome
        if flights.get(key) is flight:
            del flights[key]
        if isinstance(outcome, Answer):
            self._kept[key] = (time.monotonic() + lifetime(outcome), outcome)
            if len(self._kept) > self.entries:
                self._kept.popitem(last=False)
            for waiting in flight.waiting:
                if not waiting.done():
                    waiting.set_result(outcome)
            return
        for waiting in flight.waiting:
            settle(waiting, outcome)

    async def aclose(self) -> None:
        """End what is under way, then let go of what lies below."""
        for flight in (self._flights.pop() or {}).values():
            if flight.begun is not None:
                flight.begun.cancel()
                flight.begun = None
            for waiting in flight.waiting:
                waiting.cancel()
        await self._below.aclose()


def lifetime(answer: Answer) -> float:
    """Seconds an answer is remembered: its TTL within bounds; failures briefly."""
    status, ttl = answer.status, answer.ttl
    if status is _OK:
        default = MOST_S
    elif status is _NODATA or status is _NXDOMAIN:
        default = NEGATIVE_S
    else:
        return FAILURE_S
    if ttl is None:
        return default
    return LEAST_S if ttl < LEAST_S else min(ttl, MOST_S)
