"""Objects that belong to one event loop: sockets, semaphores, tasks.

A `World` may outlive the loop it was first used in (every blocking verb runs its own), so what is bound to a loop is
kept by loop and made anew in the next one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary, ref

T = TypeVar("T")


class PerLoop(Generic[T]):
    """One object a loop, made by ``factory`` when it is first wanted."""

    def __init__(self, factory: Callable[[], T]) -> None:
        self._factory = factory
        self._made: WeakKeyDictionary[asyncio.AbstractEventLoop, T] = WeakKeyDictionary()
        self._latest: tuple[ref[asyncio.AbstractEventLoop], T] | None = None  # one value, so that threads see a pair

    def get(self) -> T:
        """The object of the running loop."""
        loop = asyncio.get_running_loop()
        latest = self._latest
        if latest is not None and latest[0]() is loop:
            return latest[1]
        if loop not in self._made:
            self._made[loop] = self._factory()
        made = self._made[loop]
        self._latest = (ref(loop), made)
        return made

    def pop(self) -> T | None:
        """Forget the object of the running loop, and hand it over to be closed."""
        self._latest = None
        return self._made.pop(asyncio.get_running_loop(), None)
