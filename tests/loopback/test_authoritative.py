"""The servers of a zone, asked themselves over real sockets; and the reports on whether those who answer agree."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import ExitStack
from typing import Any

import pytest

from deliverkit.demo.nameserver import Nameserver
from deliverkit.engine.agreement import (
    agreement_report,
    authority_of,
    by_its_servers,
    drift,
    mail_questions,
    resolvers_agree,
    server_doors,
    servers_agree,
)
from deliverkit.flow import Question, Status
from deliverkit.world import World
from deliverkit.world.authoritative import ServerDoor, ZoneServer
from deliverkit.world.zone import Zone
from tests.loopback.nameservers import Twisted, garbage, lame, silent

TEXT = """
$ORIGIN example.com.
$TTL 300
@     SOA   ns1 hostmaster {serial} 7200 3600 1209600 60
@     NS    ns1
@     NS    ns2
ns1   A     192.0.2.1
ns2   A     192.0.2.2
@     MX    10 mx
@     TXT   "v=spf1 {spf} -all"
mx    A     192.0.2.25
near  CNAME mx
far   CNAME host.example.net.
sub   NS    ns.example.net.
"""
ABOVE = World.from_records(
    {
        "example.com": {"NS": ["ns1.example.com.", "ns2.example.com."], "TXT": ["v=spf1 old -all"]},
        "ns1.example.com": {"A": "192.0.2.1"},
        "ns2.example.com": {"A": "192.0.2.2"},
        "host.example.net": {"A": "192.0.2.80"},
        "www.sub.example.com": {"A": "192.0.2.81"},
    }
)
"""What resolvers say: where the servers are, and an older record."""


def _zone(serial: int = 1, spf: str = "mx") -> Zone:
    return Zone.parse(TEXT.format(serial=serial, spf=spf))


class _Places:
    """Where the test's servers stand in for the addresses of the zone's."""

    def __init__(self, *servers: Nameserver) -> None:
        self._of = {f"192.0.2.{n}": (s.host, s.port) for n, s in enumerate(servers, 1)}

    def __call__(self, address: str) -> tuple[str, int]:
        return self._of[address]


def _started(stack: ExitStack, servers: Iterable[Nameserver]) -> _Places:
    return _Places(*(stack.enter_context(server) for server in servers))


async def _report(places: _Places) -> Any:
    facts = await servers_agree("example.com", ABOVE, mail_questions("example.com"), where=places)
    return agreement_report(facts, ABOVE)


@pytest.mark.parametrize(
    ("second", "rules"),
    [
        (_zone(), []),
        (_zone(2, "a"), ["AGREE001"]),
        (_zone(2), ["AGREE003"]),
    ],
    ids=["same", "another record", "another serial"],
)
def test_the_servers_of_a_zone_are_compared(second: Zone, rules: list[str]) -> None:
    with ExitStack() as stack:
        places = _started(stack, (Nameserver([zone], recursive=False) for zone in (_zone(), second)))
        report = asyncio.run(_report(places))
    assert [f.rule for f in report.findings] == rules
    assert not report.inconclusive


def test_a_server_that_is_no_authority_is_named() -> None:
    with ExitStack() as stack:
        places = _started(stack, [Nameserver([_zone()], recursive=False), Twisted(lame, [_zone()])])
        report = asyncio.run(_report(places))
    assert [f.rule for f in report.findings] == ["AGREE002"]
    assert "ns2.example.com (127.0.0.1)" in report.findings[0].detail


@pytest.mark.parametrize("twist", [silent, garbage])
def test_whatever_a_server_sends_is_a_value(twist: Any) -> None:
    async def asked(server: Nameserver) -> Status:
        door = ServerDoor(ZoneServer("ns", server.host, server.port), "example.com", patience_s=0.2)
        try:
            return (await door.ask(Question("example.com", "TXT"))).status
        finally:
            await door.aclose()

    with Twisted(twist, [_zone()]) as server:
        assert asyncio.run(asked(server)) in (Status.TIMEOUT, Status.MALFORMED)


def test_the_zone_is_asked_past_every_cache_and_the_rest_below() -> None:
    async def work(places: _Places) -> dict[str, Any]:
        authority = await authority_of("mx.example.com", ABOVE, allow_private=False)
        assert authority.zone == "example.com"
        world = by_its_servers(ABOVE, authority.zone, server_doors(authority, places))
        async with world:
            names = [("example.com", "TXT"), ("near.example.com", "A"), ("far.example.com", "A")]
            names += [("www.sub.example.com", "A"), ("no.example.com", "A"), ("host.example.net", "A")]
            return {name: await world.ask(Question(name, type_)) for name, type_ in names}

    with ExitStack() as stack:
        told = asyncio.run(work(_started(stack, [Nameserver([_zone()], recursive=False), Nameserver([_zone()])])))
    assert told["example.com"].texts == ("v=spf1 mx -all",)  # not what the resolver remembers
    assert told["near.example.com"].records == ("192.0.2.25",)
    assert told["near.example.com"].aliases == ("mx.example.com",)
    assert told["far.example.com"].records == ("192.0.2.80",)
    assert told["far.example.com"].aliases == ("host.example.net",)
    assert told["www.sub.example.com"].records == ("192.0.2.81",)  # referred on
    assert told["no.example.com"].status is Status.NXDOMAIN
    assert told["host.example.net"].records == ("192.0.2.80",)


def test_private_addresses_are_not_asked() -> None:
    world = World.from_records({"example.com": {"NS": ["ns.example.com."]}, "ns.example.com": {"A": "127.0.0.1"}})
    report = agreement_report(asyncio.run(servers_agree("example.com", world, mail_questions("example.com"))), world)
    assert {i.reason for i in report.inconclusive} == {
        "no server of example.com has an address that may be asked from here"
    }
    assert report.findings == ()


def test_resolvers_are_compared() -> None:
    async def work(first: Nameserver, second: Nameserver) -> Any:
        async with World.live([first.address]) as one, World.live([second.address]) as two:
            worlds = {first.address: one, second.address: two}
            return agreement_report(await resolvers_agree("example.com", worlds, mail_questions("example.com")), one)

    with Nameserver([_zone()]) as first, Nameserver([_zone(2, "a")]) as second:
        report = asyncio.run(work(first, second))
    assert [f.rule for f in report.findings] == ["AGREE004"]
    assert {e.server for e in report.findings[0].evidence} == {first.address, second.address}


def test_a_source_is_compared_with_what_is_published() -> None:
    async def work(server: Nameserver) -> Any:
        async with World.live([server.address]) as world:
            return agreement_report(await drift(_zone(2, "a"), world), world)

    with Nameserver([_zone()]) as server:
        report = asyncio.run(work(server))
    assert [(f.rule, f.evidence[0].line) for f in report.findings] == [("AGREE010", 10)]
