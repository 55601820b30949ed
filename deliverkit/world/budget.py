"""A budget of DNS questions and seconds for one domain: what goes beyond it is answered `Status.LIMIT`.

The bounds keep a hostile record from making us a weapon, and a dead resolver from holding an audit for minutes. A
question that was asked already is free. What this file will not do: retry, or decide what an unanswered question means.
"""

from __future__ import annotations

import asyncio
import time

from deliverkit.flow import Answer, Question, Status
from deliverkit.world.begun import Begun, Done, Outcome, awaited, beginning
from deliverkit.world.doors import DnsDoor

QUERIES = 200
SECONDS = 20.0


class BudgetDoor:
    """A DNS door that counts. The clock starts with the first question; waiting elsewhere (probing) is not charged.

    Only seconds in which at least one question is open count, so that a long SMTP conversation between two questions
    leaves the DNS budget as it was. All that are open end at the same moment: one timer does for them.
    """

    tell = None

    def __init__(self, below: DnsDoor, *, queries: int = QUERIES, seconds: float = SECONDS) -> None:
        self.below = below
        self.queries = queries
        self.seconds = seconds
        self._below = beginning(below)
        self._asked: set[Question] = set()
        self._open: set[_Open] = set()
        self._opened_at = 0.0
        self._spent = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def spent_s(self) -> float:
        """Seconds in which questions were open."""
        return self._spent + (time.monotonic() - self._opened_at if self._open else 0.0)

    async def ask(self, question: Question) -> Answer:
        """Ask below while the budget lasts."""
        return await awaited(self, question)

    def begin(self, question: Question, done: Done) -> Begun:
        """Put a question on its way while the budget lasts."""
        one = _Open(self, question, done)
        if question not in self._asked:
            if len(self._asked) >= self.queries:
                done(Answer(question, Status.LIMIT, detail=f"the budget of {self.queries} DNS questions is spent"))
                return one
            self._asked.add(question)
        now = time.monotonic()
        if not self._open:
            self._opened_at = now
        one.left = self.seconds - self._spent - (now - self._opened_at)
        if one.left <= 0:
            done(self._late(question))
            return one
        if not self._open:
            self._timer = asyncio.get_running_loop().call_later(one.left, self._end_all)
        self._open.add(one)
        begun = self._below.begin(question, one.told)
        if one in self._open:
            one.begun = begun
        return one

    def _leave(self, one: _Open) -> bool:
        """True if this question was open; with the last one the clock stops."""
        open_ = self._open
        if one not in open_:
            return False
        open_.remove(one)
        if not open_:
            self._spent += time.monotonic() - self._opened_at
            if self._timer is not None:
                self._timer.cancel()
        return True

    def _end_all(self) -> None:
        """The seconds are spent: whatever is open ends here."""
        for one in list(self._open):
            one.cancel()
            one.done(self._late(one.question, one.left))

    def _late(self, question: Question, elapsed_s: float = 0.0) -> Answer:
        detail = f"the budget of {self.seconds:g} s for DNS is spent"
        return Answer(question, Status.LIMIT, detail=detail, elapsed_s=elapsed_s)

    async def aclose(self) -> None:
        """Let go of what lies below."""
        await self._below.aclose()


class _Open:
    """A question that somebody waits for. ``left`` are the seconds of the budget when it was asked."""

    __slots__ = ("begun", "done", "door", "left", "question")

    def __init__(self, door: BudgetDoor, question: Question, done: Done) -> None:
        self.door = door
        self.question = question
        self.done = done
        self.left = 0.0
        self.begun: Begun | None = None

    def told(self, outcome: Outcome) -> None:
        """It was answered."""
        if self.door._leave(self):
            self.done(outcome)

    def cancel(self) -> None:
        """Nobody waits for it any more, or not for longer."""
        if self.door._leave(self) and self.begun is not None:
            self.begun.cancel()
