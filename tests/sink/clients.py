"""Clients of the sink's tests: a raw socket that says exactly what it is told, and a plain sender."""

from __future__ import annotations

import asyncio
import contextlib
import smtplib
import ssl
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Self

from deliverkit.sink import CapturedMessage, Sink

MESSAGE = b"From: a@example.com\r\nTo: b@example.org\r\nSubject: hello\r\n\r\nHello\r\n"


class RawClient:
    """A connection on which nothing is added, repaired or waited for unless the test says so."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def connect(cls, address: tuple[str, int], tls: ssl.SSLContext | None = None) -> Self:
        """Connect without hearing the greeting."""
        host, port = address
        reader, writer = await asyncio.open_connection(host, port, ssl=tls, server_hostname=host if tls else None)
        return cls(reader, writer)

    async def hear(self) -> str:
        """One reply, all its lines."""
        lines = []
        while True:
            line = (await asyncio.wait_for(self.reader.readline(), 10)).decode("utf-8", "replace")
            lines.append(line.rstrip("\r\n"))
            if line[3:4] != "-":
                return "\n".join(lines)

    async def say(self, line: bytes) -> str:
        """Send a command with CRLF and hear its reply."""
        self.send(line + b"\r\n")
        return await self.hear()

    def send(self, octets: bytes) -> None:
        """Send octets as they are."""
        self.writer.write(octets)

    async def until_data(self, mail: bytes = b"MAIL FROM:<a@example.com>") -> None:
        """Greeting, EHLO, MAIL, RCPT, DATA."""
        assert (await self.hear()).startswith("220")
        for line in (b"EHLO client.example.com", mail, b"RCPT TO:<b@example.org>"):
            reply = await self.say(line)
            assert reply.startswith("250"), reply
        assert (await self.say(b"DATA")).startswith("354")

    async def closed(self) -> bool:
        """True once the server closed the connection."""
        try:
            while await asyncio.wait_for(self.reader.read(1 << 16), 10):
                pass
        except ConnectionError:
            pass
        return True

    async def close(self) -> None:
        """Close properly."""
        self.writer.close()
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            await self.writer.wait_closed()


async def deliver(address: tuple[str, int], wire: bytes, mail: bytes = b"MAIL FROM:<a@example.com>") -> str:
    """Deliver content as it is (dots not doubled here), end it, and return the reply."""
    client = await RawClient.connect(address)
    await client.until_data(mail)
    client.send(wire + b".\r\n")
    reply = await client.hear()
    assert (await client.say(b"QUIT")).startswith("221")
    await client.close()
    return reply


def in_sink(test: Callable[[Sink], Awaitable[Any]], **options: Any) -> Sink:
    """Run a test's coroutine inside a sink with these options; the sink, closed, for what is asserted afterwards."""

    async def run() -> Sink:
        async with Sink(**options) as sink:
            await asyncio.wait_for(test(sink), 60)
        return sink

    return asyncio.run(run())


def captured(wire: bytes, **options: Any) -> CapturedMessage:
    """The message a sink keeps when this content is sent to it."""
    kept: list[CapturedMessage] = []

    async def test(sink: Sink) -> None:
        assert (await deliver(sink.smtp_address, wire)).startswith("250")
        kept.append(await sink.wait_for())

    in_sink(test, **options)
    return kept[0]


def trusting(authority: Path | None) -> ssl.SSLContext:
    """A client context that trusts the sink's own authority."""
    return ssl.create_default_context(cafile=authority)


def send_with_smtplib(address: tuple[str, int], raw: bytes, *, starttls: ssl.SSLContext | None = None) -> None:
    """Send as an application would. Blocking."""
    with smtplib.SMTP(*address, timeout=20) as client:
        if starttls is not None:
            client.starttls(context=starttls)
        client.sendmail("a@example.com", ["b@example.org"], raw)
