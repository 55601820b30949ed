"""Octets to one DNS server and back: UDP over a few sockets with random ports, TCP for what was too long.

Sockets are connected, so that the kernel drops what comes from elsewhere and reports a refused port; ids are random and
never in use twice on one socket (RFC 5452 §9.2). What this file will not do: retry, or read a message beyond its id.
"""

from __future__ import annotations

import asyncio
import random
import secrets
import struct
from typing import Any

from deliverkit.world.dnsmessage import answers
from deliverkit.world.resolvers import Server

SOCKETS = 8  # a server; each has its own random port
QUERIES_A_SOCKET = 256  # then it is replaced, so that no port lives long
MAX_CONNECTIONS = 8  # TCP, a server
_random = random.SystemRandom()


class Unreachable(Exception):
    """The network said no: port closed, no route."""


class _Socket(asyncio.DatagramProtocol):
    """One connected UDP socket and the queries open on it."""

    def __init__(self) -> None:
        self.waiting: dict[int, asyncio.Queue[bytes | Exception]] = {}
        self.used = 0
        self.transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:  # noqa: ARG002
        if len(data) < 12:
            return
        (ident,) = struct.unpack_from("!H", data)
        queue = self.waiting.get(ident)
        if queue is not None and answers(data, ident) and queue.qsize() < 32:
            queue.put_nowait(data)

    def error_received(self, exc: Exception) -> None:
        for queue in self.waiting.values():
            queue.put_nowait(exc)

    def connection_lost(self, exc: Exception | None) -> None:
        self.error_received(exc or ConnectionAbortedError("the socket was closed"))

    def open(self) -> tuple[int, asyncio.Queue[bytes | Exception]]:
        """A fresh id, and the queue in which its responses arrive."""
        ident = secrets.randbelow(65536)
        while ident in self.waiting:
            ident = secrets.randbelow(65536)
        queue: asyncio.Queue[bytes | Exception] = asyncio.Queue()
        self.waiting[ident] = queue
        self.used += 1
        return ident, queue

    def release(self, ident: int) -> None:
        """The query is over; a spent socket closes with its last one."""
        self.waiting.pop(ident, None)
        if self.used >= QUERIES_A_SOCKET and not self.waiting and self.transport:
            self.transport.close()


class Exchange:
    """One UDP query: send with `Exchange.ident`, hear responses until the right one came, then `close`."""

    def __init__(self, socket: _Socket) -> None:
        self._socket = socket
        self.ident, self._queue = socket.open()

    def send(self, octets: bytes) -> None:
        """Send the query. Raises Unreachable."""
        if self._socket.transport is None or self._socket.transport.is_closing():
            raise Unreachable("the socket was closed")
        try:
            self._socket.transport.sendto(octets)
        except OSError as bad:
            raise Unreachable(bad.strerror or str(bad)) from None

    async def hear(self) -> bytes:
        """The next response with our id. Raises Unreachable."""
        heard = await self._queue.get()
        if isinstance(heard, Exception):
            raise Unreachable(getattr(heard, "strerror", None) or str(heard))
        return heard

    def close(self) -> None:
        """Hear no more."""
        self._socket.release(self.ident)


class Channel:
    """The sockets to one server, in one event loop."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._sockets: list[_Socket] = []
        self._connections = asyncio.Semaphore(MAX_CONNECTIONS)

    async def exchange(self) -> Exchange:
        """Open a query on a socket picked at random. Raises Unreachable."""
        self._sockets = [s for s in self._sockets if s.used < QUERIES_A_SOCKET and s.transport is not None]
        fresh = not self._sockets or (len(self._sockets) < SOCKETS and _random.random() < 0.5)
        if fresh:
            loop = asyncio.get_running_loop()
            try:
                _, socket = await loop.create_datagram_endpoint(
                    _Socket, remote_addr=(self.server.address, self.server.port)
                )
            except OSError as bad:
                raise Unreachable(bad.strerror or str(bad)) from None
            self._sockets.append(socket)
        else:
            socket = _random.choice(self._sockets)
        return Exchange(socket)

    async def over_tcp(self, octets: bytes) -> bytes:
        """Ask over TCP (RFC 7766). Raises Unreachable, or EOFError when the server hangs up."""
        async with self._connections:
            try:
                reader, writer = await asyncio.open_connection(self.server.address, self.server.port)
            except OSError as bad:
                raise Unreachable(bad.strerror or str(bad)) from None
            try:
                writer.write(struct.pack("!H", len(octets)) + octets)
                (length,) = struct.unpack("!H", await reader.readexactly(2))
                return await reader.readexactly(length)
            except OSError as bad:
                raise Unreachable(bad.strerror or str(bad)) from None
            finally:
                writer.transport.abort()

    def close(self) -> None:
        """Close every socket."""
        for socket in self._sockets:
            if socket.transport is not None:
                socket.transport.close()
        self._sockets.clear()
