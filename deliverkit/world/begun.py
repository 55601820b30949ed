"""DNS doors that begin a question and call back: how the doors of one onion pass questions without a task for each.

A coroutine that waits for another task costs more than a datagram does. So the inner doors also offer `begin`: the
question is on its way when it returns, and ``done`` is called once, perhaps before. A door that only has ``ask`` gets a
task for each question (`ByTasks`), and then means the same.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol, TypeAlias, cast

from deliverkit.flow import Answer, Question
from deliverkit.world.doors import DnsDoor
from deliverkit.world.perloop import PerLoop

Outcome: TypeAlias = "Answer | BaseException"
"""An exception is a fault of ours on its way to whoever asked, or `asyncio.CancelledError` where the door was closed
meanwhile; what the world does is an `Answer`."""

Done: TypeAlias = "Callable[[Outcome], None]"


Begin: TypeAlias = "Callable[[Question, Done], Begun]"
"""Put a question on its way in the running event loop; the callback is called once, perhaps before this returns."""


class Begun(Protocol):
    """A question under way."""

    def cancel(self) -> None:
        """Nobody waits any more: ``done`` will not be called."""


class BeginDoor(Protocol):
    """A DNS door that begins questions."""

    def begin(self, question: Question, done: Done) -> Begun:
        """Put one question on its way, in the running event loop."""

    async def aclose(self) -> None:
        """End what was begun in this loop, and let go of sockets."""


class ByTasks:
    """Any DNS door, begun by a task a question."""

    def __init__(self, door: DnsDoor) -> None:
        self._door = door
        self._open: PerLoop[set[asyncio.Task[Answer]]] = PerLoop(set)

    def begin(self, question: Question, done: Done) -> Begun:
        """Ask in a task of its own."""
        tasks = self._open.get()
        task = asyncio.create_task(self._door.ask(question))
        tasks.add(task)

        one = _ByTask(task)

        def ended(task: asyncio.Task[Answer]) -> None:
            tasks.discard(task)
            if not one.taken_back:
                done(asyncio.CancelledError() if task.cancelled() else task.exception() or task.result())

        task.add_done_callback(ended)
        return one

    async def aclose(self) -> None:
        """Cancel what is under way, wait until it has ended, and let go of what lies below."""
        await end_all(self._open.pop() or set())
        await self._door.aclose()


class _ByTask:
    __slots__ = ("_task", "taken_back")

    def __init__(self, task: asyncio.Task[Answer]) -> None:
        self._task = task
        self.taken_back = False

    def cancel(self) -> None:
        self.taken_back = True
        self._task.cancel()


def beginning(door: DnsDoor) -> BeginDoor:
    """The door itself where it can begin questions, else with tasks."""
    return cast("BeginDoor", door) if hasattr(door, "begin") else ByTasks(door)


def begin_here(door: BeginDoor) -> Begin:
    """What begins the questions of the running loop, for a door that asks once a loop and not once a question.

    A door with sockets of its own in each loop has ``here``; it is good until that door is closed.
    """
    here = getattr(door, "here", None)
    begin: Begin = door.begin if here is None else here().begin
    return begin


def report(task: asyncio.Task[Answer], done: Done) -> None:
    """Tell how a task ended, unless it was cancelled: then nobody waits."""
    if not task.cancelled():
        done(task.exception() or task.result())


async def end_all(tasks: set[asyncio.Task[Answer]]) -> None:
    """Cancel tasks and wait until they have ended."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def settle(future: asyncio.Future[Answer], outcome: Outcome) -> None:
    """Wake who waits."""
    if future.done():
        return
    if isinstance(outcome, asyncio.CancelledError):
        future.cancel()
    elif isinstance(outcome, BaseException):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)


async def awaited(door: BeginDoor, question: Question) -> Answer:
    """Begin a question and wait for its answer; to be cancelled takes the question back."""
    future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
    begun = door.begin(question, lambda outcome: settle(future, outcome))
    try:
        return await future
    finally:
        if not future.done() or future.cancelled():
            begun.cancel()
