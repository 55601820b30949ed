"""The doors that share, cap and count."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from deliverkit.flow import Answer, Question, Status, ask, together
from deliverkit.world.budget import BudgetDoor
from deliverkit.world.shared import FAILURE_S, LEAST_S, MOST_S, SharedDoor, lifetime
from deliverkit.world.strands import run_begun

A = Question("example.com", "A")


class Counting:
    """A door that counts, and answers when it is let."""

    def __init__(self, answer: Callable[[Question], Answer] | None = None) -> None:
        self.answer = answer or (lambda question: Answer(question, Status.OK, ("192.0.2.1",), ttl=300))
        self.asked: list[Question] = []
        self.open = 0
        self.most_open = 0
        self.cancelled = 0
        self.closed = False
        self.gate = asyncio.Event()
        self.gate.set()

    async def ask(self, question: Question) -> Answer:
        self.asked.append(question)
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        try:
            await self.gate.wait()
            await asyncio.sleep(0)
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self.open -= 1
        return self.answer(question)

    async def aclose(self) -> None:
        self.closed = True


async def turns(count: int = 5) -> None:
    """Let other tasks run."""
    for _ in range(count):
        await asyncio.sleep(0)


def test_a_question_is_asked_once() -> None:
    """At the same time, later, and in other spellings."""

    async def main() -> None:
        below = Counting()
        door = SharedDoor(below)
        first = await asyncio.gather(*(door.ask(A) for _ in range(10)))
        again = await door.ask(Question("EXAMPLE.com.", "A"))
        assert len(below.asked) == 1
        assert {answer.records for answer in (*first, again)} == {("192.0.2.1",)}
        assert again.question.name == "EXAMPLE.com."

    asyncio.run(main())


def test_an_empty_answer_is_remembered_too() -> None:
    """A cache that forgets "no" is none."""

    async def main() -> None:
        below = Counting(lambda question: Answer(question, Status.NXDOMAIN))
        door = SharedDoor(below)
        await door.ask(A)
        await door.ask(A)
        assert len(below.asked) == 1

    asyncio.run(main())


def test_one_asker_who_leaves_does_not_take_the_answer_along() -> None:
    """The first asker is cancelled; the second still hears. When all have left, the question is dropped."""

    async def main() -> None:
        below = Counting()
        below.gate.clear()
        door = SharedDoor(below)
        first, second = asyncio.create_task(door.ask(A)), asyncio.create_task(door.ask(A))
        await turns()
        first.cancel()
        await turns()
        below.gate.set()
        assert (await second).status is Status.OK
        assert below.cancelled == 0
        below.gate.clear()
        lonely = asyncio.create_task(door.ask(Question("other.example", "A")))
        await turns()
        lonely.cancel()
        await turns()
        assert below.cancelled == 1
        below.gate.set()
        assert (await door.ask(Question("other.example", "A"))).status is Status.OK

    asyncio.run(main())


def test_the_cache_is_bounded() -> None:
    """The oldest answer goes first."""

    async def main() -> None:
        below = Counting()
        door = SharedDoor(below, entries=2)
        for name in ("a.example", "b.example", "a.example", "c.example", "a.example", "b.example"):
            await door.ask(Question(name, "A"))
        assert [q.name for q in below.asked] == ["a.example", "b.example", "c.example", "b.example"]

    asyncio.run(main())


@pytest.mark.parametrize(
    ("status", "ttl", "seconds"),
    [
        (Status.OK, 300, 300),
        (Status.OK, 0, LEAST_S),
        (Status.OK, 999_999, MOST_S),
        (Status.NODATA, 120, 120),
        (Status.NXDOMAIN, None, 300),
        (Status.TIMEOUT, None, FAILURE_S),
        (Status.SERVFAIL, 300, FAILURE_S),
    ],
)
def test_how_long_an_answer_is_remembered(status: Status, ttl: int | None, seconds: float) -> None:
    """By its TTL within bounds; a failure briefly, so that the next run asks again."""
    assert lifetime(Answer(A, status, ttl=ttl)) == seconds


def test_closing_reaches_the_bottom_and_ends_what_is_under_way() -> None:
    """No task survives."""

    async def main() -> None:
        below = Counting()
        below.gate.clear()
        door = SharedDoor(below)
        asked = asyncio.create_task(door.ask(A))
        await turns()
        await door.aclose()
        assert below.closed
        assert below.cancelled == 1
        with pytest.raises(asyncio.CancelledError):
            await asked

    asyncio.run(main())


def test_closing_ends_flows_that_wait_for_several_answers() -> None:
    """Told that one question ended, such a flow takes the others back while the door goes through them."""

    async def main() -> None:
        below = Counting()
        below.gate.clear()
        door = SharedDoor(below)
        flow = together(*(ask(name, "A") for name in ("a.example", "b.example", "c.example")))
        running = asyncio.create_task(run_begun(flow, door.begin))
        await turns()
        await door.aclose()
        assert (below.closed, below.cancelled) == (True, 3)
        with pytest.raises(asyncio.CancelledError):
            await running

    asyncio.run(main())


def test_a_budget_counts_each_question_once() -> None:
    """What is asked again is free; what goes beyond is LIMIT, with the reason."""

    async def main() -> None:
        below = Counting()
        door = BudgetDoor(below, queries=2)
        for name in ("a.example", "a.example", "b.example", "a.example"):
            assert (await door.ask(Question(name, "A"))).status is Status.OK
        over = await door.ask(Question("c.example", "A"))
        assert over.status is Status.LIMIT
        assert "budget of 2 DNS questions" in over.why()
        await door.aclose()
        assert below.closed

    asyncio.run(main())


def test_a_budget_of_seconds_ends_waiting() -> None:
    """A question under way when the time is spent, and every later one, is LIMIT."""

    async def main() -> None:
        below = Counting()
        below.gate.clear()
        door = BudgetDoor(below, seconds=0.05)
        late, later = await asyncio.gather(door.ask(A), door.ask(Question("b.example", "A")))
        assert late.status is later.status is Status.LIMIT
        below.gate.set()
        assert (await door.ask(Question("c.example", "A"))).status is Status.LIMIT
        assert len(below.asked) == 2

    asyncio.run(main())


def test_time_without_open_questions_is_not_charged() -> None:
    """A long conversation elsewhere leaves the DNS budget as it was."""

    async def main() -> None:
        door = BudgetDoor(Counting(), seconds=0.2)
        await door.ask(A)
        spent = door.spent_s
        await asyncio.get_running_loop().run_in_executor(None, lambda: None)
        await turns(50)
        assert door.spent_s == spent
        assert spent < 0.2

    asyncio.run(main())
