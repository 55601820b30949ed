"""Objects that belong to one event loop: sockets, semaphores, tasks.

A `World` may outlive the loop it was first used in (every blocking verb runs its own), so what is bound to a loop is
kept by loop and made anew in the next one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Generic, TypeVar
from weakref import WeakKeyDictionary

T = TypeVar("T")


class PerLoop(Generic[T]):
    """One object a loop, made by ``factory`` when it is first wanted."""

    def __init__(self, factory: Callable[[], T]) -> None:
        self._factory = factory
        self._made: WeakKeyDictionary[asyncio.AbstractEventLoop, T] = WeakKeyDictionary()

    def get(self) -> T:
        """The object of the running loop."""
        loop = asyncio.get_running_loop()
        if loop not in self._made:
            self._made[loop] = self._factory()
        return self._made[loop]

    def pop(self) -> T | None:
        """Forget the object of the running loop, and hand it over to be closed."""
        return self._made.pop(asyncio.get_running_loop(), None)
