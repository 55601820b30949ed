"""A sink in a thread and event loop of its own, for clients that are other programs."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from deliverkit.sink import CapturedMessage, Sink


class BackgroundSink:
    """Use it as a context manager; ``options`` are those of `Sink`. Inside, ``sink`` listens."""

    sink: Sink
    _loop: asyncio.AbstractEventLoop
    _stop: asyncio.Event

    def __init__(self, **options: Any) -> None:
        self._options = options
        self._ready = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._live()), daemon=True)

    async def _live(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        try:
            async with Sink(**self._options) as self.sink:
                self._ready.set()
                await self._stop.wait()
        except BaseException as bad:
            self._failure = bad
            raise
        finally:
            self._ready.set()

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait(20)
        if self._failure is not None:
            raise self._failure
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(30)

    def wait_for(self, wanted: Callable[[CapturedMessage], bool], timeout: float = 20.0) -> CapturedMessage:
        """The first verified message that is wanted."""
        waiting = asyncio.run_coroutine_threadsafe(self.sink.wait_for(wanted, timeout), self._loop)
        return waiting.result(timeout + 10)
