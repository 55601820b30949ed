"""A budget of DNS questions and seconds for one domain: what goes beyond it is answered `Status.LIMIT`.

The bounds keep a hostile record from making us a weapon, and a dead resolver from holding an audit for minutes. A
question that was asked already is free. What this file will not do: retry, or decide what an unanswered question means.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

from deliverkit.flow import Answer, Question, Status
from deliverkit.world.doors import DnsDoor

QUERIES = 200
SECONDS = 20.0


class BudgetDoor:
    """A DNS door that counts. The clock starts with the first question; waiting elsewhere (probing) is not charged.

    Only seconds in which at least one question is open count, so that a long SMTP conversation between two questions
    leaves the DNS budget as it was.
    """

    tell = None

    def __init__(self, below: DnsDoor, *, queries: int = QUERIES, seconds: float = SECONDS) -> None:
        self.below = below
        self.queries = queries
        self.seconds = seconds
        self._asked: set[Question] = set()
        self._open = 0
        self._opened_at = 0.0
        self._spent = 0.0

    @property
    def spent_s(self) -> float:
        """Seconds in which questions were open."""
        return self._spent + (time.monotonic() - self._opened_at if self._open else 0.0)

    async def ask(self, question: Question) -> Answer:
        """Ask below while the budget lasts."""
        if question not in self._asked:
            if len(self._asked) >= self.queries:
                return Answer(question, Status.LIMIT, detail=f"the budget of {self.queries} DNS questions is spent")
            self._asked.add(question)
        left = self.seconds - self.spent_s
        if left <= 0:
            return self._late(question)
        if not self._open:
            self._opened_at = time.monotonic()
        self._open += 1
        try:
            async with asyncio.timeout(left):
                return await self.below.ask(question)
        except TimeoutError:
            return replace(self._late(question), elapsed_s=left)
        finally:
            self._open -= 1
            if not self._open:
                self._spent += time.monotonic() - self._opened_at

    def _late(self, question: Question) -> Answer:
        return Answer(question, Status.LIMIT, detail=f"the budget of {self.seconds:g} s for DNS is spent")

    async def aclose(self) -> None:
        """Let go of what lies below."""
        await self.below.aclose()
