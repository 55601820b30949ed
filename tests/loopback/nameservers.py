"""DNS servers that misbehave, each in one way, on `deliverkit.demo.nameserver`."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

import dns.edns
import dns.flags
import dns.message
import dns.rcode

from deliverkit.demo.nameserver import Nameserver
from deliverkit.world.zone import Zone

ZONE = """
$ORIGIN example.com.
$TTL 300
@      SOA   ns hostmaster 1 7200 3600 1209600 60
@      MX    10 mx
@      TXT   "v=spf1 mx -all"
mx     A     192.0.2.1
mx     AAAA  2001:db8::1
alias  CNAME mx
one    CNAME two
two    CNAME one
$GENERATE 1-240 big TXT "$ FILLER" "FILLER"
""".replace("FILLER", "0123456789" * 10)


def zone(text: str = ZONE) -> Zone:
    """The zone these servers serve."""
    return Zone.parse(text)


Respond = Callable[["Twisted", dns.message.Message, str], "bytes | Iterable[bytes]"]


class Twisted(Nameserver):
    """A server whose responses go through ``twist``; ``seen`` counts the queries."""

    def __init__(self, twist: Respond, zones: Iterable[Zone] | None = None) -> None:
        super().__init__([zone()] if zones is None else zones)
        self.twist = twist
        self.seen = 0

    async def respond(self, query: dns.message.Message, transport: str) -> bytes | Iterable[bytes]:
        self.seen += 1
        return self.twist(self, query, transport)

    def honest(self, query: dns.message.Message, transport: str) -> bytes:
        """What an honest server would have sent."""
        return self.pack(self.answer(query), query, transport)


class Slow(Nameserver):
    """A server that answers after ``delay_s``."""

    def __init__(self, delay_s: float, zones: Iterable[Zone] | None = None) -> None:
        super().__init__([zone()] if zones is None else zones)
        self.delay_s = delay_s

    async def respond(self, query: dns.message.Message, transport: str) -> bytes | Iterable[bytes]:
        await asyncio.sleep(self.delay_s)
        return self.pack(self.answer(query), query, transport)


def drop_first(server: Twisted, query: dns.message.Message, transport: str) -> bytes | Iterable[bytes]:
    """Lose the first datagram of every question."""
    name, type_, _ = server.queries[-1]
    again = sum(1 for n, t, _ in server.queries if (n, t) == (name, type_)) > 1
    return server.honest(query, transport) if again else ()


def fail(rcode: dns.rcode.Rcode, code: int | None = None) -> Respond:
    """Answer with an error, and an extended error (RFC 8914) if given."""

    def respond(server: Twisted, query: dns.message.Message, transport: str) -> bytes:
        response = dns.message.make_response(query, recursion_available=True)
        response.set_rcode(rcode)
        if code is not None:
            response.use_edns(0, 0, 1232, options=[dns.edns.EDEOption(code, "told by the test")])
        return server.pack(response, query, transport)

    return respond


def no_edns(server: Twisted, query: dns.message.Message, transport: str) -> bytes:
    """A server of the last century: FORMERR for EDNS, with an empty question section."""
    if query.edns < 0:
        return server.honest(query, transport)
    return struct.pack("!HHHHHH", query.id, 0x8001, 0, 0, 0, 0)


def garbage(server: Twisted, query: dns.message.Message, transport: str) -> bytes:
    """The right id, then noise."""
    return struct.pack("!HH", query.id, 0x8180) + b"\xff" * 60


def liar_first(server: Twisted, query: dns.message.Message, transport: str) -> list[bytes]:
    """A wrong id, another question's answer, and an echo come before the true answer."""
    honest = server.honest(query, transport)
    other = dns.message.make_query("evil.example", "A")
    forged = dns.message.make_response(other)
    forged.id = query.id
    wrong_id = struct.pack("!H", query.id ^ 0xFFFF) + honest[2:]
    return [wrong_id, bytes(forged.to_wire()), bytes(query.to_wire()), b"short", honest]


def lame(server: Twisted, query: dns.message.Message, transport: str) -> bytes:
    """Neither authoritative nor recursive: a referral to the root."""
    response = dns.message.make_response(query, recursion_available=False)
    return server.pack(response, query, transport)


@contextmanager
def silent() -> Iterator[str]:
    """A server that takes every datagram and never says a word; its address."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{deaf.getsockname()[1]}"


@contextmanager
def closed() -> Iterator[str]:
    """A port where nobody listens; its address."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
    yield f"127.0.0.1:{port}"
