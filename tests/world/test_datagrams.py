"""Sockets to one DNS server: random ports and ids, sockets that are replaced, and loops that cannot watch them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from deliverkit.world import datagrams
from deliverkit.world.datagrams import QUERIES_A_SOCKET, SOCKETS, Channel
from deliverkit.world.resolvers import Server


class Unwatchable(asyncio.SelectorEventLoop):
    """A loop that watches no sockets of ours, like the Proactor loop of Windows."""

    add_reader = asyncio.AbstractEventLoop.add_reader


LOOPS = pytest.mark.parametrize("loop", [asyncio.SelectorEventLoop, Unwatchable])


class Ear:
    """Notes what it hears."""

    def __init__(self) -> None:
        self.heard: list[bytes] = []
        self.failed: list[str] = []
        self.event = asyncio.Event()

    def hear(self, octets: bytes) -> None:
        self.heard.append(octets)
        self.event.set()

    def fail(self, why: str) -> None:
        self.failed.append(why)
        self.event.set()


@contextmanager
def server() -> Iterator[tuple[socket.socket, Server]]:
    """A socket to be asked."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        sock.settimeout(5)
        yield sock, Server("127.0.0.1", sock.getsockname()[1])


def run(loop: type[asyncio.AbstractEventLoop], work: Callable[[], Awaitable[Any]]) -> Any:
    """Run some work on a loop of that kind."""

    async def main() -> Any:
        return await asyncio.wait_for(work(), 20)

    with asyncio.Runner(loop_factory=loop) as runner:
        return runner.run(main())


BODY = b"\1\0\0\1\0\0\0\0\0\0\1a\0\0\1\0\1"


@LOOPS
def test_queries_leave_by_many_ports_under_many_ids(loop: type[asyncio.AbstractEventLoop]) -> None:
    """Ports and ids are drawn for each query; a response is heard by the one it answers."""
    with server() as (sock, address):

        async def work() -> None:
            channel = Channel(address)
            ears = {}
            for _ in range(100):
                ear, port = Ear(), channel.port()
                ears[port, port.ask(ear, BODY)] = ear
            await asyncio.sleep(0.05)
            seen = [sock.recvfrom(512) for _ in range(100)]
            assert {octets[2:] for octets, _ in seen} == {BODY}
            assert len({octets[:2] for octets, _ in seen}) > 90
            assert SOCKETS // 2 < len({sender for _, sender in seen}) <= SOCKETS
            for octets, sender in seen:
                sock.sendto(octets[:2] + b"\x81\x80" + octets[4:], sender)
            await asyncio.gather(*(ear.event.wait() for ear in ears.values()))
            assert all(ear.heard[0][:2] == ident.to_bytes(2, "big") for (_, ident), ear in ears.items())
            channel.close()
            assert all(ear.failed == ["the socket was closed"] for ear in ears.values())

        run(loop, work)


@LOOPS
def test_what_answers_nothing_is_dropped(loop: type[asyncio.AbstractEventLoop]) -> None:
    """Another id, an echo of the query, a short datagram, and a stranger's datagram to our port."""
    with server() as (sock, address), server() as (stranger, _):

        async def work() -> None:
            channel, ear = Channel(address), Ear()
            port = channel.port()
            port.ask(ear, BODY)
            await asyncio.sleep(0.05)
            octets, sender = sock.recvfrom(512)
            answer = octets[:2] + b"\x81\x80" + octets[4:]
            stranger.sendto(answer, sender)
            for wrong in (bytes([octets[0] ^ 1]) + answer[1:], octets, answer[:11], b""):
                sock.sendto(wrong, sender)
            sock.sendto(answer, sender)
            await ear.event.wait()
            await asyncio.sleep(0.02)
            assert ear.heard == [answer]
            channel.close()

        run(loop, work)


@LOOPS
def test_a_spent_socket_is_replaced_and_closes_with_its_last_query(loop: type[asyncio.AbstractEventLoop]) -> None:
    """No port lives long, and none is closed while somebody listens."""
    with server() as (_, address):

        async def work() -> None:
            channel, ear = Channel(address), Ear()
            channel._number = lambda: 5  # type: ignore[method-assign]  # always the same socket
            first = channel.port()
            numbers = iter(range(QUERIES_A_SOCKET + 1))
            first._number = lambda: next(numbers)
            last = first.ask(ear, BODY)
            while first.left:
                first.release(first.ask(ear, BODY))
            await asyncio.sleep(0.02)
            assert not first.closed
            second = channel.port()
            assert second is not first
            first.release(last)
            assert first.closed
            assert not second.closed
            channel.close()
            assert second.closed
            assert ear.failed == []

        run(loop, work)


@LOOPS
def test_a_refused_port_fails_every_query_on_the_socket(loop: type[asyncio.AbstractEventLoop]) -> None:
    """The kernel says so, and it is told in its words."""
    with server() as (_, address):
        pass

    async def work() -> None:
        channel, ear = Channel(address), Ear()
        channel.port().ask(ear, BODY)
        await ear.event.wait()
        assert ear.failed == ["Connection refused"]
        channel.close()

    run(loop, work)


@LOOPS
def test_closing_tells_who_still_waits(loop: type[asyncio.AbstractEventLoop]) -> None:
    """Once."""
    with server() as (_, address):

        async def work() -> None:
            channel, ear = Channel(address), Ear()
            channel.port().ask(ear, BODY)
            await asyncio.sleep(0.02)
            channel.close()
            channel.close()
            assert ear.failed == ["the socket was closed"]

        run(loop, work)


def test_a_full_send_buffer_delays_a_query() -> None:
    """It is sent a little later, not lost."""
    with server() as (sock, address):

        async def work() -> None:
            channel, ear = Channel(address), Ear()
            port = channel.port()
            send, full = port._send, [True, True]

            def refusing(octets: bytes) -> None:
                if full:
                    full.pop()
                    raise BlockingIOError
                send(octets)

            port._send = refusing
            port.ask(ear, BODY)
            await asyncio.sleep(0.05)
            assert sock.recv(512)[2:] == BODY
            channel.close()

        run(asyncio.SelectorEventLoop, work)


def test_sockets_are_watched_one_by_one_where_there_is_no_epoll(monkeypatch: pytest.MonkeyPatch) -> None:
    """As on macOS."""
    if hasattr(datagrams.select, "epoll"):
        monkeypatch.delattr(datagrams.select, "epoll")
    test_queries_leave_by_many_ports_under_many_ids(asyncio.SelectorEventLoop)
    test_a_refused_port_fails_every_query_on_the_socket(asyncio.SelectorEventLoop)


def test_without_a_descriptor_to_watch_by_the_server_is_unreachable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Too many open files is an answer, never a crash."""

    def refused() -> None:
        raise OSError(24, "Too many open files")

    monkeypatch.setattr(datagrams.select, "epoll", refused, raising=False)

    async def main() -> None:
        with pytest.raises(datagrams.Unreachable, match="Too many open files"):
            Channel(Server("127.0.0.1", 9))

    asyncio.run(main())
