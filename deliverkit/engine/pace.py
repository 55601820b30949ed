"""Works done side by side within a time: which were done, which were not and why, and whether Ctrl-C came.

What this file will not do: know what the works are.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, NamedTuple

from deliverkit.world import World


class Done(NamedTuple):
    """The results of the works that were done in time, and of the others why they were not."""

    results: dict[str, Any]
    late: dict[str, str]
    interrupted: bool


async def side_by_side(
    works: Mapping[str, Callable[[], Coroutine[Any, Any, Any]]], world: World, seconds: float, spent: str
) -> Done:
    """Do works side by side. ``spent`` says why those are missing that were not done in ``seconds``.

    Cancelled in the middle, it ends the works and says so. What was late in a journal is late again in its replay.
    """
    late = {name: why for name in works if (why := world.late(name)) is not None}
    tasks = {name: asyncio.create_task(work()) for name, work in works.items() if name not in late}
    interrupted = False
    try:
        if tasks:
            await asyncio.wait(tasks.values(), timeout=None if world.patient else seconds)
    except asyncio.CancelledError:
        interrupted = True
    for name in [name for name, task in tasks.items() if not task.done()]:
        late[name] = "interrupted" if interrupted else spent
        world.was_late(name, late[name])
        tasks[name].cancel()
    await asyncio.gather(*tasks.values(), return_exceptions=True)
    return Done({name: task.result() for name, task in tasks.items() if name not in late}, late, interrupted)
