"""Octets to one DNS server and back over UDP: many sockets with random ports, one reader, no task and no timer a query.

Sockets are connected, so that the kernel drops what comes from elsewhere and reports a refused port. Each query leaves
by a socket picked at random, under a random id that is in use once on it (RFC 5452 §9.2); no socket lives long. Reading
goes past asyncio's transports, which cost more than reading a DNS message does: one system call says which sockets have
datagrams, one takes each of them, and all that have come are taken at one waking of the loop. Loops that cannot watch
sockets of ours (the Proactor loop of Windows) get a transport for each socket instead.

What this file will not do: retry, keep time, or read a message beyond its id.
"""

from __future__ import annotations

import array
import asyncio
import itertools
import os
import select
import socket
from collections.abc import Callable
from typing import Any, Protocol, TypeAlias

from deliverkit.world.resolvers import Server

SOCKETS = 32  # a server; each has its own random port
QUERIES_A_SOCKET = 256  # then it is replaced, so that no port lives long
_LARGEST = 65535  # octets of a datagram
_AT_ONCE = 64  # datagrams taken from one socket before the loop gets its turn
_SEND_AGAIN_S = 0.002
_CLOSED = "the socket was closed"


class Unreachable(Exception):
    """The network said no: port closed, no route."""


class Listener(Protocol):
    """Who waits for the response to one query."""

    def hear(self, octets: bytes) -> None:
        """Called with each response that bears the query's id, until the query is released."""

    def fail(self, why: str) -> None:
        """Called once when the network failed; the query is released by then."""


Closing: TypeAlias = "Callable[[Port], None]"


class Port:
    """One connected UDP socket and the queries open on it."""

    __slots__ = ("_closing", "_number", "_outbox", "_send", "closed", "left", "waiting")

    def __init__(
        self, number: Callable[[], int], outbox: Outbox, send: Callable[[bytes], Any], closing: Closing
    ) -> None:
        self.waiting: dict[int, Listener] = {}
        self.left = QUERIES_A_SOCKET
        self.closed = False
        self._number = number
        self._outbox = outbox
        self._send = send
        self._closing = closing

    def ask(self, listener: Listener, query: bytes) -> int:
        """Send a query (given without its id), and return its id."""
        ident, waiting = self._number(), self.waiting
        while ident in waiting:
            ident = self._number()
        waiting[ident] = listener
        self.left -= 1
        outbox = self._outbox
        if not outbox.kept:
            outbox.wake()
        outbox.kept.append((self, ident, query))
        return ident

    def send(self, ident: int, octets: bytes) -> None:
        """Send a datagram now, unless nobody listens any more."""
        if ident not in self.waiting:
            return
        try:
            self._send(octets)
        except BlockingIOError:  # the send buffer is full
            asyncio.get_running_loop().call_later(_SEND_AGAIN_S, self.send, ident, octets)
        except OSError as bad:  # perhaps about a datagram sent before: all that are open here are lost
            self.fail(bad.strerror or str(bad))

    def take(self, octets: bytes) -> None:
        """Hand a datagram to the query it answers; what is no response to any is dropped."""
        if len(octets) >= 12 and octets[2] & 0x80:
            listener = self.waiting.get(octets[0] << 8 | octets[1])
            if listener is not None:
                listener.hear(octets)

    def fail(self, why: str) -> None:
        """The network failed: every query open here is over."""
        waiting = list(self.waiting.values())
        self.waiting.clear()
        for listener in waiting:
            listener.fail(why)
        if self.left <= 0:
            self.close()

    def release(self, ident: int) -> None:
        """The query is over; a spent socket closes with its last one."""
        waiting = self.waiting
        waiting.pop(ident, None)
        if self.left <= 0 and not waiting:
            self.close()

    def close(self) -> None:
        """Close the socket; whoever still waits is told."""
        if not self.closed:
            self.closed = True
            self._closing(self)
            self.fail(_CLOSED)


class Outbox:
    """What is to be sent at the end of this turn of the loop, in one go.

    A server that is woken for each datagram costs both sides more than the datagram: questions asked in one turn of the
    loop leave together.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.kept: list[tuple[Port, int, bytes]] = []  # queries, and the ids under which they leave

    def wake(self) -> None:
        """Send what will be kept by the end of this turn."""
        self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        kept, self.kept = self.kept, []
        for port, ident, query in kept:
            port.send(ident, ident.to_bytes(2, "big") + query)


def random_numbers() -> Callable[[], int]:
    """Draws random numbers of 16 bits, from the system's source; many are fetched at a time."""
    fetched = iter(lambda: array.array("H", os.urandom(2048)), None)
    return itertools.chain.from_iterable(fetched).__next__


class Channel:
    """The sockets to one server, in the running event loop. Raises Unreachable when it cannot watch any."""

    def __init__(self, server: Server) -> None:
        self.server = server
        loop = asyncio.get_running_loop()
        watchable = type(loop).add_reader is not asyncio.AbstractEventLoop.add_reader
        outbox = Outbox(loop)
        self._reader: _Reader = _Watch(loop, outbox) if watchable else _Transports(loop, outbox)
        self._ports: list[Port | None] = [None] * SOCKETS
        self._all: set[Port] = set()
        self._number = random_numbers()

    def port(self) -> Port:
        """A socket picked at random. Raises Unreachable."""
        at = self._number() % SOCKETS
        port = self._ports[at]
        if port is None or port.left <= 0 or port.closed:
            port = self._ports[at] = self._reader.open(self.server, self._number, self._all.discard)
            self._all.add(port)
        return port

    def close(self) -> None:
        """Close every socket."""
        for port in list(self._all):
            port.close()
        self._reader.close()


class _Reader(Protocol):
    """What opens sockets to servers, and hands what arrives to their ports."""

    def open(self, server: Server, number: Callable[[], int], closed: Closing) -> Port:
        """A port with a fresh socket. Raises Unreachable."""

    def close(self) -> None:
        """Watch no more."""


class _Watch:
    """Sockets of ours, watched by the loop.

    Where the system has epoll, the loop watches one epoll descriptor that watches the sockets: the loop then does the
    work of one callback for however many sockets there is something to read from.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, outbox: Outbox) -> None:
        self._loop = loop
        self._outbox = outbox
        self._watched: dict[int, tuple[Callable[[int], bytes], Port]] = {}
        try:
            self._epoll = select.epoll() if hasattr(select, "epoll") else None
        except OSError as bad:  # such as too many open files
            raise Unreachable(bad.strerror or str(bad)) from None
        if self._epoll is not None:
            loop.add_reader(self._epoll.fileno(), self._readable)

    def open(self, server: Server, number: Callable[[], int], closed: Closing) -> Port:
        sock = _connected(server)
        watched = sock.fileno()

        def closing(port: Port) -> None:
            self._forget(watched)
            sock.close()
            closed(port)

        port = Port(number, self._outbox, sock.send, closing)
        if self._epoll is not None:
            self._watched[watched] = sock.recv, port
            self._epoll.register(watched, select.EPOLLIN)
        else:
            self._loop.add_reader(watched, _drainer(port, sock))
        return port

    def _readable(self) -> None:
        """Take one datagram of each socket that has some, until none has: to try a socket in vain costs more."""
        epoll, watched = self._epoll, self._watched
        assert epoll is not None
        for _ in range(_AT_ONCE):
            readable = epoll.poll(0)
            if not readable:
                return
            for number, _events in readable:
                found = watched.get(number)
                if found is None:  # closed by what another datagram said
                    continue
                receive, port = found
                try:
                    octets = receive(_LARGEST)
                except (BlockingIOError, InterruptedError):
                    continue
                except OSError as bad:
                    port.fail(bad.strerror or str(bad))
                    continue
                port.take(octets)
            if epoll.closed:
                return

    def _forget(self, watched: int) -> None:
        if self._epoll is None:
            self._loop.remove_reader(watched)
        elif self._watched.pop(watched, None) is not None:
            self._epoll.unregister(watched)

    def close(self) -> None:
        if self._epoll is not None and not self._epoll.closed:
            self._loop.remove_reader(self._epoll.fileno())
            self._epoll.close()


def _connected(server: Server) -> socket.socket:
    """A UDP socket on a port the system picks at random. Raises Unreachable."""
    family = socket.AF_INET6 if ":" in server.address else socket.AF_INET
    try:
        sock = socket.socket(family, socket.SOCK_DGRAM)
    except OSError as bad:
        raise Unreachable(bad.strerror or str(bad)) from None
    try:
        sock.setblocking(False)
        sock.connect(_numeric(server, family))
    except OSError as bad:
        sock.close()
        raise Unreachable(bad.strerror or str(bad)) from None
    return sock


def _numeric(server: Server, family: int) -> Any:
    """What `socket.connect` takes; an IPv6 address may have a zone. No name is ever resolved here."""
    return socket.getaddrinfo(server.address, server.port, family, socket.SOCK_DGRAM, flags=socket.AI_NUMERICHOST)[0][4]


def _drainer(port: Port, sock: socket.socket) -> Callable[[], None]:
    """Takes what has come to a socket."""
    receive, take = sock.recv, port.take

    def drain() -> None:
        try:
            for _ in range(_AT_ONCE):
                take(receive(_LARGEST))
                if port.closed:
                    return
        except (BlockingIOError, InterruptedError):
            return
        except OSError as bad:
            port.fail(bad.strerror or str(bad))

    return drain


class _Transports:
    """A transport of the loop for each socket. It opens by and by; until then queries are kept."""

    def __init__(self, loop: asyncio.AbstractEventLoop, outbox: Outbox) -> None:
        self._loop = loop
        self._outbox = outbox
        self._opening: set[asyncio.Task[None]] = set()

    def open(self, server: Server, number: Callable[[], int], closed: Closing) -> Port:
        protocol = _Datagrams(number, self._outbox, closed)
        task = self._loop.create_task(protocol.open(server))
        self._opening.add(task)
        task.add_done_callback(self._opening.discard)
        return protocol.port

    def close(self) -> None:
        for task in self._opening:
            task.cancel()


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, number: Callable[[], int], outbox: Outbox, closed: Closing) -> None:
        self._transport: asyncio.DatagramTransport | None = None
        self._kept: list[bytes] = []
        self._closed = closed
        self.port = Port(number, outbox, self._send, self._closing)

    async def open(self, server: Server) -> None:
        try:
            await asyncio.get_running_loop().create_datagram_endpoint(
                lambda: self, remote_addr=(server.address, server.port)
            )
        except OSError as bad:
            self.port.left = 0
            self.port.fail(bad.strerror or str(bad))

    def _send(self, octets: bytes) -> None:
        if self._transport is None:
            self._kept.append(octets)
        else:
            self._transport.sendto(octets)

    def _closing(self, port: Port) -> None:
        if self._transport is not None:
            self._transport.close()
        self._closed(port)

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        if self.port.closed:
            transport.close()
            return
        kept, self._kept = self._kept, []
        for octets in kept:
            transport.sendto(octets)

    def datagram_received(self, data: bytes, addr: Any) -> None:  # noqa: ARG002
        self.port.take(data)

    def error_received(self, exc: Exception) -> None:
        self.port.fail(getattr(exc, "strerror", None) or str(exc))

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002
        self.port.close()
