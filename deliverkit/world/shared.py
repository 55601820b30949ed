"""A DNS door that remembers: each question is asked once.

`SharedDoor` remembers answers (bounded, by TTL) and lets those who ask the same question at the same time wait for one
answer; when one of them is cancelled, the others still get it.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from dataclasses import replace
from typing import TypeAlias, TypeVar

from deliverkit.flow import Answer, Question, Status
from deliverkit.world.begun import Begun, Done, Outcome, awaited, begin_here, beginning
from deliverkit.world.doors import DnsDoor
from deliverkit.world.perloop import PerLoop
from deliverkit.world.values import canonical, is_canonical

ENTRIES = 50_000
LEAST_S = 60  # one run sees one answer, even with a TTL of 0: what is judged together was observed once
MOST_S = 3600
NEGATIVE_S = 300  # of a "no" without SOA
FAILURE_S = 10  # a failure is believed for one audit, not for the next
_OK, _NODATA, _NXDOMAIN = Status.OK, Status.NODATA, Status.NXDOMAIN

T = TypeVar("T")

_Key: TypeAlias = "tuple[str, str]"
"""Canonical name and type."""


class _Here:
    """What belongs to one event loop: the questions under way in it, and the door below as it stands there."""

    def __init__(self, door: SharedDoor) -> None:
        self.open: dict[_Key, _Flight] = {}
        self.keep = door.keep
        self.begin = begin_here(door._below)


class _Flight:
    """A question under way, and who waits for it: most often one alone, whose place the flight itself takes."""

    __slots__ = ("begun", "done", "here", "key", "others", "question")

    def __init__(self, here: _Here, key: _Key, question: Question, done: Done) -> None:
        self.here = here
        self.key = key
        self.question = question
        self.done: Done | None = done  # of the first, while it still waits
        self.others: list[_Waiter] | None = None
        self.begun: Begun | None = None

    def landed(self, outcome: Outcome) -> None:
        """It was answered."""
        self.begun = None  # which knows us: two that know each other would stay until the collector of cycles comes
        here, key = self.here, self.key
        here.open.pop(key, None)
        if type(outcome) is Answer:
            here.keep(key, outcome)
            if self.others is None and self.done is not None and outcome.question is self.question:
                done, self.done = self.done, None
                done(outcome)
                return
        self.tell(outcome)

    def tell(self, outcome: Outcome) -> None:
        """Tell everybody who waits, once."""
        first, self.done = self.done, None
        others, self.others = self.others, None
        if first is not None:
            first(_asked_as(self.question, outcome))
        if others:
            for one in others:
                one.done(_asked_as(one.question, outcome))

    def join(self, question: Question, done: Done) -> Begun:
        """One more waits for the answer."""
        waiter = _Waiter(question, done, self)
        if self.others is None:
            self.others = []
        self.others.append(waiter)
        return waiter

    def cancel(self) -> None:
        """The first waits no more."""
        if self.done is not None:
            self.done = None
            self.left()

    def left(self) -> None:
        """Somebody left; the last to leave ends the flight."""
        open_ = self.here.open
        if self.done is None and not self.others and open_.get(self.key) is self:
            del open_[self.key]
            if self.begun is not None:
                self.begun.cancel()


class _Waiter:
    """Somebody who joined a flight; ``question`` is as it was asked."""

    __slots__ = ("done", "flight", "question")

    def __init__(self, question: Question, done: Done, flight: _Flight) -> None:
        self.question = question
        self.done = done
        self.flight = flight

    def cancel(self) -> None:
        others = self.flight.others
        if others and self in others:
            others.remove(self)
            self.flight.left()


class _Answered:
    """A question that was answered at once."""

    def cancel(self) -> None:
        """There is nothing to take back."""


_ANSWERED = _Answered()


def _asked_as(question: Question, outcome: T) -> T:
    """The answer to the question as it was written; what is no answer stays what it is."""
    if not isinstance(outcome, Answer) or outcome.question is question or outcome.question == question:
        return outcome
    return replace(outcome, question=question)


class SharedDoor:
    """A cache with single flight."""

    tell = None

    def __init__(self, below: DnsDoor, *, entries: int = ENTRIES) -> None:
        self.below = below
        self.entries = entries
        self._below = beginning(below)
        self._kept: OrderedDict[_Key, tuple[float, Answer]] = OrderedDict()
        self._here: PerLoop[_Here] = PerLoop(lambda: _Here(self))

    async def ask(self, question: Question) -> Answer:
        """The remembered answer, the one under way, or a new one."""
        answer = self._remembered((question.name, question.type))
        return await awaited(self, question) if answer is None else _asked_as(question, answer)

    def begin(self, question: Question, done: Done) -> Begun:
        """The same by callback. The last to leave a flight ends it."""
        key, asked = (question.name, question.type), question
        if key not in self._kept and not is_canonical(question.name):
            key = canonical(question.name) or question.name, question.type
            asked = Question(*key)
        if key in self._kept and (answer := self._remembered(key)) is not None:
            done(_asked_as(question, answer))
            return _ANSWERED
        here = self._here.get()
        flight = here.open.get(key)
        if flight is not None:
            return flight.join(question, done)
        flight = here.open[key] = _Flight(here, key, question, done)
        flight.begun = here.begin(asked, flight.landed)
        return flight

    def _remembered(self, key: _Key) -> Answer | None:
        """What is kept under a key, for its time. A name as somebody spelt it is a key if it is canonical."""
        kept = self._kept.get(key)
        if kept is None:
            return None
        until, answer = kept
        if until < time.monotonic():
            del self._kept[key]
            return None
        self._kept.move_to_end(key)
        return answer

    def keep(self, key: _Key, answer: Answer) -> None:
        """Remember an answer for its time."""
        self._kept[key] = (time.monotonic() + lifetime(answer), answer)
        if len(self._kept) > self.entries:
            self._kept.popitem(last=False)

    def forget_failures(self) -> None:
        """Ask again what could not be told: somebody waited, and looks anew."""
        for key in [key for key, (_, answer) in self._kept.items() if not answer.known]:
            del self._kept[key]

    async def aclose(self) -> None:
        """End what is under way, then let go of what lies below."""
        while (here := self._here.pop()) is not None:  # again where somebody asked anew when told
            self._end(here)
        await self._below.aclose()

    @staticmethod
    def _end(here: _Here) -> None:
        for flight in list(here.open.values()):  # to tell one may end another: what waited for both takes it back
            if flight.begun is not None:
                flight.begun.cancel()
            flight.tell(asyncio.CancelledError())


def lifetime(answer: Answer) -> float:
    """Seconds an answer is remembered: its TTL within bounds; failures briefly."""
    status, ttl = answer.status, answer.ttl
    if status is not _OK and status is not _NODATA and status is not _NXDOMAIN:
        return FAILURE_S
    if ttl is None:
        return MOST_S if status is _OK else NEGATIVE_S
    return LEAST_S if ttl < LEAST_S else MOST_S if ttl > MOST_S else ttl
