"""Our DNS door against real servers: Knot with signed zones, Unbound validating them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator

import dns.dnssec
import dns.message
import dns.query
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from dns.rdtypes.ANY.DNSKEY import DNSKEY

from deliverkit.flow import Answer, Question, Status
from deliverkit.world import World
from tests.peers.knot import Knot
from tests.peers.unbound import Unbound

pytestmark = [pytest.mark.peer("knot"), pytest.mark.peer("unbound")]

BODY = """
$TTL 300
@     SOA   ns hostmaster 1 7200 3600 1209600 60
@     NS    ns
ns    A     127.0.0.1
@     MX    10 mx
@     TXT   "v=spf1 mx -all"
mx    A     192.0.2.1
mx    AAAA  2001:db8::1
alias CNAME mx.plain.example.
*.w   TXT   "wild"
"""
BODY += "".join(f'big TXT "{n} {"0123456789" * 10}" "{"0123456789" * 10}"\n' for n in range(240))


def free_port() -> int:
    """A port of loopback that nobody uses now."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Knot, Unbound]]:
    """Knot with a plain zone, a signed one, and a signed one of which Unbound trusts another key."""
    folder = tmp_path_factory.mktemp("dns")
    names = ("plain.example.", "signed.example.", "bogus.example.")
    zones = {name: f"$ORIGIN {name}\n{BODY}" for name in names}
    knot = Knot(folder / "knot", zones, port=free_port(), signed=names[1:])
    knot.start()
    stranger = dns.dnssec.make_dnskey(
        ec.generate_private_key(ec.SECP256R1()).public_key(), dns.dnssec.Algorithm.ECDSAP256SHA256, flags=257
    )
    anchors = [anchor("signed.example.", published_key(knot, "signed.example.")), anchor("bogus.example.", stranger)]
    unbound = Unbound(folder / "unbound", names, (knot.address, knot.port), port=free_port(), anchors=anchors)
    unbound.start()
    yield knot, unbound
    unbound.stop()
    knot.stop()


def published_key(knot: Knot, name: str) -> DNSKEY:
    """The key Knot signs a zone with."""
    query = dns.message.make_query(name, "DNSKEY")
    answer = dns.query.tcp(query, knot.address, port=knot.port, timeout=10)
    key = next(iter(answer.answer[0]))
    assert isinstance(key, DNSKEY)
    return key


def anchor(name: str, key: DNSKEY) -> str:
    """A trust anchor as Unbound takes it."""
    return f"{name} DS {dns.dnssec.make_ds(name, key, 'SHA256').to_text()}"


def ask(address: str, name: str, type_: str) -> Answer:
    """Ask one question."""

    async def main() -> Answer:
        async with World.live([address]) as world:
            return await world.ask(Question(name, type_))

    return asyncio.run(main())


def test_unbound_answers_in_every_way(servers: tuple[Knot, Unbound]) -> None:
    """Records, wildcard, alias, NODATA, NXDOMAIN, and sixty kilobytes over TCP."""
    address = servers[1].address
    assert ask(address, "plain.example", "MX").records == ((10, "mx.plain.example"),)
    assert ask(address, "a.w.plain.example", "TXT").texts == ("wild",)
    alias = ask(address, "alias.signed.example", "A")
    assert (alias.records, alias.aliases) == (("192.0.2.1",), ("mx.plain.example",))
    assert ask(address, "mx.plain.example", "TXT").status is Status.NODATA
    assert ask(address, "no.plain.example", "TXT").status is Status.NXDOMAIN
    assert len(ask(address, "big.plain.example", "TXT").records) == 240


def test_the_ad_bit_tells_signed_from_unsigned(servers: tuple[Knot, Unbound]) -> None:
    """A validated answer is authentic, absence included; an unsigned one is not."""
    address = servers[1].address
    assert ask(address, "signed.example", "MX").authentic
    assert ask(address, "no.signed.example", "MX").authentic
    assert not ask(address, "plain.example", "MX").authentic
    assert not ask(address, "alias.signed.example", "A").authentic  # the chain leaves the signed zone


def test_bogus_is_told_from_broken(servers: tuple[Knot, Unbound]) -> None:
    """A zone signed by a stranger is bogus, with the extended error kept as evidence."""
    answer = ask(servers[1].address, "bogus.example", "MX")
    assert answer.status is Status.BOGUS
    assert answer.extended_errors
    assert "EDE" in answer.why()


def test_an_authoritative_server_can_be_asked_directly(servers: tuple[Knot, Unbound]) -> None:
    """Knot does not recurse: its own names it tells, of others it refuses to speak."""
    knot = servers[0]
    address = f"{knot.address}:{knot.port}"
    assert ask(address, "plain.example", "TXT").texts == ("v=spf1 mx -all",)
    alias = ask(address, "alias.signed.example", "A")
    assert (alias.status, alias.aliases) == (Status.OK, ("mx.plain.example",))
    assert ask(address, "elsewhere.example", "TXT").status is Status.REFUSED
