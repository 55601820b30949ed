"""The asyncio driver of flows: each goes on in the very call that brings its answer, without a task of its own.

An audit asks a hundred questions side by side; a task, its context and its wake-ups cost more for each than asking. So
a door that can `begin` a question calls back, and `run_begun` needs one future for a whole flow, however many flows it
runs side by side. What this file will not do: open a socket, or decide in which order doors answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from deliverkit.flow import Answer, Asking, Each, Flow, Question, Together
from deliverkit.world.begun import Begin, Begun

T = TypeVar("T")


async def run_begun(flow: Flow[T], begin: Begin) -> T:
    """Run a flow to its end. Cancelled, it takes back every question that is still open."""
    future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
    strand = begun(flow, begin, partial(_settle, future))
    try:
        return await future
    finally:
        strand.cancel()


def begun(flow: Flow[Any], begin: Begin, done: Callable[[Any], None]) -> Begun:
    """Set a flow going; ``done`` hears its result, or a `Failed`."""
    strand = _Strand(flow, begin, done)
    strand.go_on(None)
    return strand


class Failed:
    """How a flow ended that did not end well: our fault, or somebody closed the door meanwhile."""

    __slots__ = ("error",)

    def __init__(self, error: BaseException) -> None:
        self.error = error


_NOTHING: Any = object()


class _Strand:
    """One flow, and what it waits for."""

    __slots__ = ("_begin", "_done", "_flow", "_heard", "_over", "_starting", "_waits")

    def __init__(self, flow: Flow[Any], begin: Begin, done: Callable[[Any], None]) -> None:
        self._flow = flow
        self._begin = begin
        self._done = done
        self._heard: Any = _NOTHING
        self._starting = False
        self._over = False
        self._waits: Begun | None = None

    def go_on(self, heard: Any) -> None:
        """Run until the flow has to wait. What is answered at once is heard in the same loop: nothing grows deep."""
        while True:
            try:
                asked = self._flow.send(heard)
            except StopIteration as stop:
                self._end(stop.value)
                return
            except Exception as bug:
                self._end(Failed(bug))
                return
            self._heard, self._starting = _NOTHING, True
            try:
                if type(asked) is Together:
                    self._waits = _Several(asked.flows, self._begin, self._told)
                elif type(asked) is Each:
                    self._waits = _Each(asked.questions, self._begin, self._told)
                else:
                    self._waits = self._begin(asked, self._told)  # type: ignore[arg-type]
            finally:
                self._starting = False
            heard = self._heard
            if heard is _NOTHING or self._over:
                return

    def _told(self, outcome: Any) -> None:
        if self._over:
            return
        if isinstance(outcome, (Failed, BaseException)):
            self._end(outcome if isinstance(outcome, Failed) else Failed(outcome))
        elif self._starting:
            self._heard = outcome
        else:
            self._waits = None
            self.go_on(outcome)

    def _end(self, result: Any) -> None:
        self._over, self._waits = True, None
        self._flow.close()
        self._done(result)

    def cancel(self) -> None:
        """Take back what is open."""
        if self._over:
            return
        self._over = True
        if self._waits is not None:
            self._waits.cancel()
        self._flow.close()


class _Several:
    """Flows side by side. The first that fails ends the others."""

    __slots__ = ("_done", "_left", "_open", "_results")

    def __init__(self, flows: tuple[Flow[Any], ...], begin: Begin, done: Callable[[Any], None]) -> None:
        self._done = done
        self._results: list[Any] = [_NOTHING] * len(flows)
        self._left = len(flows) + 1  # one for ourselves: nobody is told before all are begun
        self._open: dict[int, Begun] = {}
        for place, flow in enumerate(flows):
            if self._left <= 0:
                return
            ended = partial(self._ended, place)
            one = begin(flow.question, ended) if type(flow) is Asking else begun(flow, begin, ended)
            if self._results[place] is _NOTHING:
                self._open[place] = one
        self._count()

    def _ended(self, place: int, result: Any) -> None:
        self._open.pop(place, None)
        if self._left <= 0:
            return
        if isinstance(result, (Failed, BaseException)):
            self.cancel()
            self._done(result)
            return
        self._results[place] = result
        self._count()

    def _count(self) -> None:
        self._left -= 1
        if not self._left:
            self._done(tuple(self._results))

    def cancel(self) -> None:
        """Take back what is open."""
        self._left = -1
        waits, self._open = self._open, {}
        for one in waits.values():
            one.cancel()


class _Each:
    """Questions side by side: no more than a place for each answer. The first failure ends the others."""

    __slots__ = ("_answers", "_done", "_left", "_open")

    def __init__(self, questions: tuple[Question, ...], begin: Begin, done: Callable[[Any], None]) -> None:
        self._done = done
        self._answers: list[Any] = [_NOTHING] * len(questions)
        self._left = len(questions) + 1  # one for ourselves: nobody is told before all are begun
        self._open: list[Begun] = []
        told, begun = self._told, self._open
        for place, question in enumerate(questions):
            one = begin(question, partial(told, place))
            if self._left <= 0:  # one failed meanwhile
                one.cancel()
                return
            begun.append(one)
        self._count()

    def _told(self, place: int, outcome: Any) -> None:
        if isinstance(outcome, Answer):
            self._answers[place] = outcome
            self._left -= 1
            if not self._left:
                self._open = []
                self._done(tuple(self._answers))
        elif self._left > 0:
            self.cancel()
            self._done(outcome)

    def _count(self) -> None:
        self._left -= 1
        if not self._left:
            self._open = []
            self._done(tuple(self._answers))

    def cancel(self) -> None:
        """Take back what is open."""
        self._left = -1
        waits, self._open = self._open, []
        for one, answer in zip(waits, self._answers, strict=False):
            if answer is _NOTHING:
                one.cancel()


def _settle(future: asyncio.Future[Any], result: Any) -> None:
    if future.done():
        return
    if not isinstance(result, Failed):
        future.set_result(result)
    elif isinstance(result.error, asyncio.CancelledError):
        future.cancel()
    else:
        future.set_exception(result.error)
