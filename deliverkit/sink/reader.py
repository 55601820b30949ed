"""The stream under a session: hands over lines and shows each to the recorder, and collects content in bulk.

While content is due, octets go straight from the transport into a `Content`: no line is cut, no coroutine wakes
until the end of data was seen.

What this file will not do: know a command, a reply or a limit but that of one line.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from deliverkit.smtp.content import Content

LINE_LIMIT = 1 << 16  # of a command line that is still recorded; aiosmtpd answers 500 far below it


class WireReader(asyncio.StreamReader):
    """A StreamReader that reports lines as they are consumed and can collect content.

    ``pending`` counts octets that came and were not consumed; ``consumed`` and ``heard_at`` tell progress.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(limit=LINE_LIMIT, loop=loop)
        self._clock = loop.time
        self._make_future = loop.create_future
        self._collecting: tuple[Content, asyncio.Future[None]] | None = None
        self.on_line: Callable[[bytes], None] = lambda _line: None
        self.pending = 0
        self.consumed = 0
        self.heard_at = loop.time()

    @property
    def collecting(self) -> Content | None:
        """The content under way, if there is one."""
        return self._collecting[0] if self._collecting else None

    def feed_data(self, data: Any) -> None:
        """Take octets from the transport."""
        self.heard_at = self._clock()
        if self._collecting is not None:
            content, done = self._collecting
            rest = content.feed(data)
            if rest is None:
                return
            self._collecting = None
            if not done.done():
                done.set_result(None)
            data = rest
        if data:
            self.pending += len(data)
            super().feed_data(data)

    async def readuntil(self, separator: Any = b"\n") -> bytes:
        """One line, shown to the recorder."""
        line = await super().readuntil(separator)
        self._consume(len(line))
        self.on_line(line)
        return line

    async def read(self, n: int = -1) -> bytes:
        """Octets that are no line (aiosmtpd drops the rest of an over-long one so)."""
        data = await super().read(n)
        self._consume(len(data))
        return data

    def _consume(self, octets: int) -> None:
        self.pending -= octets
        self.consumed += octets

    async def collect(self, content: Content) -> None:
        """Collect until CRLF.CRLF. What a client sent behind it stays in the stream."""
        if self.pending:
            rest = content.feed(await self.read(self.pending))
            if rest is not None:
                if rest:
                    self.pending += len(rest)
                    super().feed_data(rest)
                return
        done: asyncio.Future[None] = self._make_future()
        self._collecting = (content, done)
        try:
            await done
        finally:
            self._collecting = None


class WireProtocol(asyncio.StreamReaderProtocol):
    """Puts a `WireReader` where a StreamReader was to be; stands behind aiosmtpd's SMTP among the bases."""

    def __init__(self, stream_reader: Any, client_connected_cb: Any = None, loop: Any = None) -> None:  # noqa: ARG002
        super().__init__(WireReader(loop), client_connected_cb=client_connected_cb, loop=loop)
