"""A small DNS server on loopback that serves `Zone` objects over UDP and TCP, in a thread of its own.

The demo's domains live here, and the tests' faulty servers are made by overriding `Nameserver.respond`. It behaves like
a resolver in front of its zones: it follows aliases between them and answers NXDOMAIN elsewhere. It is no server for
the Internet: no zone transfers, no updates, no DNSSEC.
"""

from __future__ import annotations

import asyncio
import struct
import threading
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Self

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from deliverkit.world.values import absolute, join_labels, presentation
from deliverkit.world.zone import Found, Outcome, Zone, ZoneRecord, depth

MAX_ALIASES = 16
TCP_IDLE_S = 10.0
MAX_UDP = 512  # RFC 1035 §2.3.4, for queries without EDNS


class Nameserver:
    """A DNS server for some zones. Use it as a context manager; ``address`` is "127.0.0.1:PORT" inside.

    ``recursive`` sets the RA flag, as a resolver does. Every query is kept in ``queries`` as (name, type, transport).
    """

    def __init__(
        self, zones: Iterable[Zone], *, host: str = "127.0.0.1", port: int = 0, recursive: bool = True
    ) -> None:
        self.zones = sorted(zones, key=depth, reverse=True)
        self.host = host
        self.port = port
        self.recursive = recursive
        self.queries: list[tuple[str, str, str]] = []
        self._thread: threading.Thread | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: asyncio.Event | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    # -- life -------------------------------------------------------------------------------------------

    @property
    def address(self) -> str:
        """Where it listens, in the form ``--nameserver`` takes."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    def start(self) -> Self:
        """Listen, and return once the server answers. Raises OSError when it cannot listen."""
        ready = threading.Event()
        failure: list[OSError] = []
        self._thread = threading.Thread(target=self._run, args=(ready, failure), name="nameserver", daemon=True)
        self._thread.start()
        ready.wait()
        if failure:
            raise failure[0]
        return self

    def stop(self) -> None:
        """Stop listening, and return once the thread has ended."""
        if self._loop is not None and self._stop is not None:
            self._loop.call_soon_threadsafe(self._stop.set)
        if self._thread is not None:
            self._thread.join()
        self._thread = None

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _run(self, ready: threading.Event, failure: list[OSError]) -> None:
        try:
            asyncio.run(self._serve(ready))
        except OSError as bad:
            failure.append(bad)
        finally:
            ready.set()

    async def _serve(self, ready: threading.Event) -> None:
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        tcp = await self._listen_tcp()
        udp, _ = await self._loop.create_datagram_endpoint(lambda: _Udp(self), local_addr=(self.host, self.port))
        ready.set()
        try:
            await self._stop.wait()
        finally:
            udp.close()
            tcp.close()
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _listen_tcp(self) -> asyncio.Server:
        server = await asyncio.start_server(self._tcp, self.host, self.port)
        self.port = server.sockets[0].getsockname()[1]
        return server

    # -- transports -------------------------------------------------------------------------------------

    def _spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _udp(self, wire: bytes, sender: Any, transport: asyncio.DatagramTransport) -> None:
        for octets in await self._responses(wire, "udp"):
            if not transport.is_closing():
                transport.sendto(octets, sender)

    async def _tcp(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            while True:
                async with asyncio.timeout(TCP_IDLE_S):
                    (length,) = struct.unpack("!H", await reader.readexactly(2))
                    wire = await reader.readexactly(length)
                for octets in await self._responses(wire, "tcp"):
                    writer.write(struct.pack("!H", len(octets)) + octets)
                await writer.drain()
        except (EOFError, TimeoutError, OSError, asyncio.CancelledError):
            pass  # the client is gone, or we stop
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _responses(self, wire: bytes, transport: str) -> list[bytes]:
        try:
            query = dns.message.from_wire(wire)
        except dns.exception.DNSException:
            return []
        if query.question:
            asked = query.question[0]
            self.queries.append((_text(asked.name), dns.rdatatype.to_text(asked.rdtype), transport))
        told = await self.respond(query, transport)
        return [told] if isinstance(told, bytes) else list(told)

    # -- answers ----------------------------------------------------------------------------------------

    async def respond(self, query: dns.message.Message, transport: str) -> bytes | Iterable[bytes]:
        """The octets to send back, none or several where a test wants it so. ``transport`` is "udp" or "tcp"."""
        return self.pack(self.answer(query), query, transport)

    def answer(self, query: dns.message.Message) -> dns.message.Message:
        """The honest response."""
        response = dns.message.make_response(query, recursion_available=self.recursive)
        response.flags |= dns.flags.AA
        if query.opcode() != dns.opcode.QUERY or len(query.question) != 1:
            response.set_rcode(dns.rcode.NOTIMP)
            return response
        asked = query.question[0]
        name, type_ = _text(asked.name), dns.rdatatype.to_text(asked.rdtype)
        for _ in range(MAX_ALIASES):
            zone = next((z for z in self.zones if z.find(name, type_).outcome is not Outcome.OUTSIDE), None)
            found = zone.find(name, type_) if zone else Found(Outcome.NXDOMAIN)
            if found.outcome is not Outcome.ALIAS or found.target is None:
                _conclude(response, zone, name, type_, found)
                break
            _add_alias(response, name, found)
            name = found.target
        return response

    def pack(self, response: dns.message.Message, query: dns.message.Message, transport: str) -> bytes:
        """The response as octets, cut to what the client takes over UDP (RFC 2181 §9, RFC 6891 §6.2.5)."""
        limit = 65535 if transport == "tcp" else max(query.payload, MAX_UDP)
        try:
            return bytes(response.to_wire(max_size=limit))
        except dns.exception.TooBig:
            short = dns.message.make_response(query, recursion_available=self.recursive)
            short.flags |= dns.flags.TC
            return bytes(short.to_wire())


class _Udp(asyncio.DatagramProtocol):
    def __init__(self, server: Nameserver) -> None:
        self.server = server
        self.transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: Any) -> None:
        self.transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if self.transport is not None:
            self.server._spawn(self.server._udp(data, addr, self.transport))

    def error_received(self, exc: Exception) -> None:  # noqa: ARG002 - a client that went away
        return


def _conclude(response: dns.message.Message, zone: Zone | None, name: str, type_: str, found: Found) -> None:
    """Put the end of the chain into the response: records, "no", or a referral (RFC 1034 §4.3.2)."""
    if found.outcome is Outcome.RECORDS:
        response.answer.append(_rrset(name, type_, found.records))
        return
    if found.outcome is Outcome.DELEGATED and response.flags & dns.flags.RA:
        response.set_rcode(dns.rcode.SERVFAIL)  # a resolver that cannot reach the servers below the cut
        return
    if found.outcome is Outcome.DELEGATED:
        response.flags &= ~dns.flags.AA
        response.authority.append(_rrset(found.records[0].name, "NS", found.records))
        return
    if found.outcome is Outcome.NXDOMAIN:
        response.set_rcode(dns.rcode.NXDOMAIN)
    response.authority.append(_soa(zone))


def _soa(zone: Zone | None) -> dns.rrset.RRset:
    """The zone's SOA for a negative answer (RFC 2308 §3), or one of our own."""
    origin = zone.origin if zone else "."
    records = zone.get(origin, "SOA") if zone else ()
    if records:
        return _rrset(origin, "SOA", records)
    text = "ns.invalid. hostmaster.invalid. 1 7200 3600 1209600 60"
    return dns.rrset.from_text(absolute(origin), 60, "IN", "SOA", text)


def _add_alias(response: dns.message.Message, name: str, found: Found) -> None:
    ttl = found.records[0].ttl
    response.answer.append(dns.rrset.from_text(absolute(name), ttl, "IN", "CNAME", absolute(found.target or ".")))


def _rrset(name: str, type_: str, records: Iterable[ZoneRecord]) -> dns.rrset.RRset:
    every = tuple(records)
    texts = [presentation(type_, record.value) for record in every]
    return dns.rrset.from_text_list(absolute(name), min(r.ttl for r in every), "IN", type_, texts)


def _text(name: dns.name.Name) -> str:
    return join_labels([label for label in name.labels if label])
