"""An SMTP server on loopback that does exactly what a test tells it, faults included.

Its conversation is a coroutine given a `Talk`: ``say`` writes, ``hear`` reads one line, ``start_tls`` shakes hands.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

Conversation = Callable[["Talk"], Awaitable[None]]


class Talk:
    """One connection, from the server's side."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.heard: list[str] = []

    async def say(self, *lines: str | bytes) -> None:
        """Write lines, each ended by CRLF when it is text."""
        for line in lines:
            self.writer.write(line if isinstance(line, bytes) else f"{line}\r\n".encode())
        with contextlib.suppress(ConnectionError):
            await self.writer.drain()

    async def hear(self) -> str:
        """One line of the client's; "" at the end."""
        line = (await self.reader.readline()).decode("latin-1").rstrip("\r\n")
        self.heard.append(line)
        return line

    async def start_tls(self, context: ssl.SSLContext) -> None:
        """Shake hands as the server."""
        await self.writer.start_tls(context)

    async def stall(self) -> None:
        """Say nothing more until the client goes away."""
        with contextlib.suppress(ConnectionError):
            while await self.reader.read(65536):
                pass

    async def serve(self, *keywords: str, greeting: str | None = "220 mx.example.com ESMTP", **answers: str) -> None:
        """A decent server from here on; ``answers`` replaces the reply to a verb."""
        if greeting:
            await self.say(greeting)
        while line := await self.hear():
            verb = line.split()[0].upper() if line.split() else ""
            if verb in answers:
                await self.say(*answers[verb].split("\n"))
            elif verb == "EHLO":
                words = ["mx.example.com", *keywords]
                await self.say(*(f"250{'-' if n < len(words) else ' '}{w}" for n, w in enumerate(words, 1)))
            elif verb == "DATA":
                await self.say("354 go ahead")
                while await self.hear() != ".":
                    pass
                await self.say("250 2.0.0 queued")
            elif verb == "QUIT":
                await self.say("221 2.0.0 bye")
                return
            else:
                await self.say("250 2.0.0 ok")


@contextlib.asynccontextmanager
async def server(
    conversation: Conversation, tls: ssl.SSLContext | None = None, host: str = "127.0.0.1"
) -> AsyncIterator[int]:
    """Run the conversation for every client; gives the port. Ends its connections when the test is over."""
    talks: set[asyncio.Task[None]] = set()

    async def met(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        talks.add(task)
        try:
            await conversation(Talk(reader, writer))
        except (ConnectionError, ssl.SSLError, asyncio.CancelledError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()
            with contextlib.suppress(ConnectionError, ssl.SSLError, asyncio.CancelledError):
                await writer.wait_closed()
            talks.discard(task)

    listener = await asyncio.start_server(met, host, 0, ssl=tls, limit=2**20)
    try:
        yield listener.sockets[0].getsockname()[1]
    finally:
        listener.close()
        for task in tuple(talks):
            task.cancel()
        await asyncio.gather(*talks, return_exceptions=True)
        await listener.wait_closed()


def context(chain: Path, key: Path, *, old: bool = False) -> ssl.SSLContext:
    """A server's TLS context; ``old`` speaks nothing newer than TLS 1.1, and lets weak keys pass."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made.set_ciphers("DEFAULT:@SECLEVEL=0")
    if old:
        with warnings.catch_warnings():  # Python deprecates what this test is about
            warnings.simplefilter("ignore", DeprecationWarning)
            made.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
            made.maximum_version = ssl.TLSVersion.TLSv1_1
    made.load_cert_chain(chain, key)
    return made
