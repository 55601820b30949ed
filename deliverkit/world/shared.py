"""A DNS door that remembers: each question is asked once.

`SharedDoor` remembers answers (bounded, by TTL) and lets those who ask the same question at the same time wait for one
answer; when one of them is cancelled, the others still get it.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TypeAlias

from deliverkit.flow import Answer, Question, Status
from deliverkit.world.begun import Begun, Done, Outcome, awaited, beginning
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

    __slots__ = ("begun", "over", "waiting")

    def __init__(self) -> None:
        self.begun: Begun | None = None
        self.over = False
        self.waiting: list[_Waiter] = []


class _Waiter:
    """Somebody who waits for a flight; ``question`` is as it was asked."""

    __slots__ = ("_done", "_flight", "_leave", "question")

    def __init__(self, question: Question, done: Done, flight: _Flight, leave: Callable[[_Flight], None]) -> None:
        self.question = question
        self._done = done
        self._flight = flight
        self._leave = leave

    def told(self, outcome: Outcome) -> None:
        self._done(_asked_as(self.question, outcome) if isinstance(outcome, Answer) else outcome)

    def cancel(self) -> None:
        if self in self._flight.waiting:
            self._flight.waiting.remove(self)
            self._leave(self._flight)


class _Answered:
    """A question that was answered at once."""

    def cancel(self) -> None:
        """There is nothing to take back."""


_ANSWERED = _Answered()


def _asked_as(question: Question, answer: Answer) -> Answer:
    """The answer to the question as it was written."""
    if answer.question is question or answer.question == question:
        return answer
    return replace(answer, question=question)


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
        answer = self._remembered((canonical(question.name) or question.name, question.type))
        return await awaited(self, question) if answer is None else _asked_as(question, answer)

    def begin(self, question: Question, done: Done) -> Begun:
        """The same by callback. The last to leave a flight ends it."""
        name = canonical(question.name) or question.name
        key = (name, question.type)
        answer = self._remembered(key)
        if answer is not None:
            done(_asked_as(question, answer))
            return _ANSWERED
        flights = self._flights.get()
        flight = flights.get(key)
        first = flight is None
        if flight is None:
            flight = flights[key] = _Flight()
        waiter = _Waiter(question, done, flight, partial(self._left, flights, key))
        flight.waiting.append(waiter)
        if first:
            asked = question if name == question.name else Question(name, question.type)
            flight.begun = self._below.begin(asked, partial(self._landed, flights, key, flight))
        return waiter

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

    def _landed(self, flights: dict[_Key, _Flight], key: _Key, flight: _Flight, outcome: Outcome) -> None:
        if flights.get(key) is flight:
            del flights[key]
        if isinstance(outcome, Answer):
            self._kept[key] = (time.monotonic() + lifetime(outcome), outcome)
            if len(self._kept) > self.entries:
                self._kept.popitem(last=False)
        self._tell(flight, outcome)

    @staticmethod
    def _left(flights: dict[_Key, _Flight], key: _Key, flight: _Flight) -> None:
        if flight.waiting or flight.over:
            return
        flight.over = True
        if flights.get(key) is flight:
            del flights[key]
        if flight.begun is not None:
            flight.begun.cancel()

    @staticmethod
    def _tell(flight: _Flight, outcome: Outcome) -> None:
        flight.over = True
        waiting, flight.waiting = flight.waiting, []
        for one in waiting:
            one.told(outcome)

    async def aclose(self) -> None:
        """End what is under way, then let go of what lies below."""
        for flight in (self._flights.pop() or {}).values():
            if flight.begun is not None:
                flight.begun.cancel()
            self._tell(flight, asyncio.CancelledError())
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
