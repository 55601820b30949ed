"""Flows driven by callbacks: the same results as with the other drivers, and nothing left open."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliverkit.flow import Answer, Flow, Question, Status, adrive, ask, drive, each, noting, together
from deliverkit.world.begun import Begun, ByTasks, Done, Outcome
from deliverkit.world.strands import run_begun


def told(question: Question) -> Answer:
    """Answer every question with its own name."""
    return Answer(question, Status.OK, ((question.name.encode(),),))


class Open:
    """A question of `Door`."""

    def __init__(self, door: Door, question: Question, done: Done) -> None:
        self.door, self.question, self.done = door, question, done
        door.open.append(self)

    def answer(self, outcome: Outcome | None = None) -> None:
        """Call back."""
        self.door.open.remove(self)
        self.done(told(self.question) if outcome is None else outcome)

    def cancel(self) -> None:
        """Count what is taken back."""
        if self in self.door.open:
            self.door.open.remove(self)
            self.door.cancelled.append(self.question.name)


class Door:
    """Answers at once, or in the next round of the loop, or never; a name that begins with "x" fails."""

    def __init__(self, at_once: Callable[[Question], bool] = lambda _: False, *, silent: bool = False) -> None:
        self.silent = silent
        self.at_once = at_once
        self.open: list[Open] = []
        self.cancelled: list[str] = []
        self.most = 0

    def begin(self, question: Question, done: Done) -> Begun:
        """Put a question on its way."""
        one = Open(self, question, done)
        self.most = max(self.most, len(self.open))
        failure = RuntimeError("a fault of ours") if question.name.startswith("x") else None
        if self.at_once(question):
            one.answer(failure)
        elif not self.silent:
            asyncio.get_running_loop().call_soon(lambda: one in self.open and one.answer(failure))
        return one


Shape = str | list["Shape"]
shapes: st.SearchStrategy[Shape] = st.recursive(st.sampled_from("abcdef"), lambda inner: st.lists(inner, max_size=4))


def walk(shape: Shape) -> Flow[object]:
    """A flow of any shape: a name is asked, a list is run side by side, and then its names once more, or none."""
    if isinstance(shape, str):
        return (yield from ask(shape, "TXT")).texts[0]
    inner = yield from together(*map(walk, shape))
    names = [Question(one, "A") for one in shape if isinstance(one, str)]
    last = yield from each([*names, Question("z", "A")] if shape else [])
    return (inner, [answer.texts for answer in last])


@given(shape=shapes, quick=st.sets(st.sampled_from("abcdefz")))
def test_every_shape_ends_as_with_the_blocking_driver(shape: Shape, quick: set[str]) -> None:
    """Whatever is answered at once and what later."""
    door = Door(lambda question: question.name in quick)
    heard: dict[Question, Answer] = {}
    expected = drive(noting(walk(shape), heard), told)
    assert asyncio.run(run_begun(walk(shape), door.begin)) == expected
    assert door.open == []

    async def ahear(question: Question) -> Answer:
        assert heard[question] == told(question)
        return told(question)

    assert asyncio.run(adrive(walk(shape), ahear)) == expected


@pytest.mark.parametrize("quick", [True, False])
def test_a_fault_among_many_questions_takes_back_the_rest(quick: bool) -> None:
    door = Door(lambda question: quick and question.name == "x")
    with pytest.raises(RuntimeError, match="a fault of ours"):
        asyncio.run(run_begun(each(Question(name, "A") for name in "axbc"), door.begin))
    assert door.open == []


def test_many_questions_are_taken_back_when_nobody_waits() -> None:
    door = Door(lambda question: question.name == "b", silent=True)

    async def main() -> None:
        task = asyncio.create_task(run_begun(each(Question(name, "A") for name in "abc"), door.begin))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    assert door.cancelled == ["a", "c"] and door.open == []


def test_questions_side_by_side_are_open_at_once() -> None:
    door = Door()
    asyncio.run(run_begun(together(*(ask(name, "A") for name in "abcdef")), door.begin))
    assert door.most == 6


def test_many_answers_at_once_do_not_grow_deep() -> None:
    """A chain of remembered answers is a loop, not a recursion."""

    def long() -> Flow[int]:
        for _ in range(5000):
            yield from ask("a", "A")
        return 5000

    assert asyncio.run(run_begun(long(), Door(lambda _: True).begin)) == 5000


@pytest.mark.parametrize("quick", [True, False])
def test_a_fault_ends_the_whole_flow_and_takes_back_the_rest(quick: bool) -> None:
    door = Door(lambda question: quick and question.name == "x")
    with pytest.raises(RuntimeError, match="a fault of ours"):
        asyncio.run(run_begun(walk(["a", ["b", "x"], "c"]), door.begin))
    assert door.open == []


def test_a_flow_that_raises_raises() -> None:
    def bad() -> Flow[None]:
        yield from ask("a", "A")
        raise ValueError("out of range")

    with pytest.raises(ValueError, match="out of range"):
        asyncio.run(run_begun(together(bad(), walk(["b"])), Door().begin))


def test_cancelled_it_takes_back_what_is_open() -> None:
    door = Door(silent=True)

    async def main() -> None:
        task = asyncio.create_task(run_begun(walk(["a", ["b", "c"]]), door.begin))
        await asyncio.sleep(0)
        opened = [one.question.name for one in door.open]
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert sorted(door.cancelled) == sorted(opened) == ["a", "b", "c"]

    asyncio.run(main())


def test_a_door_that_only_has_coroutines_gets_tasks() -> None:
    class Slow:
        """A door without `begin`."""

        tell = None

        async def ask(self, question: Question) -> Answer:
            await asyncio.sleep(0)
            if question.name == "x":
                raise RuntimeError("a fault of ours")
            return told(question)

        async def aclose(self) -> None:
            """Nothing to let go of."""

    shape: Shape = ["a", "b"]
    assert asyncio.run(run_begun(walk(shape), ByTasks(Slow()).begin)) == drive(walk(shape), told)
    with pytest.raises(RuntimeError, match="a fault of ours"):
        asyncio.run(run_begun(walk(["a", "x"]), ByTasks(Slow()).begin))
