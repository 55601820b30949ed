"""A whole audit over real sockets: a dead resolver, a fickle one, a hostile record."""

from __future__ import annotations

import asyncio
import itertools
import time

import dns.message
import dns.rcode
import pytest

from deliverkit.demo.nameserver import Nameserver
from deliverkit.engine.audit import AuditOptions, audit
from deliverkit.report.model import Report, Verdict
from deliverkit.world import World
from deliverkit.world.zone import Zone
from tests.loopback.nameservers import Twisted, closed, fail, silent


def audited(nameserver: str, **options: object) -> Report:
    """Audit example.com over one resolver."""

    async def main() -> Report:
        async with World.live([nameserver]) as world:
            return await audit("example.com", world=world, options=AuditOptions(probe=False, **options))  # type: ignore[arg-type]

    return asyncio.run(asyncio.wait_for(main(), 30))


def test_a_dead_resolver_ends_within_twenty_seconds_and_proves_nothing() -> None:
    """Nobody answers: no finding about the domain, every family inconclusive, exit status 3."""
    with silent() as address:
        began = time.monotonic()
        report = audited(address, selectors=tuple(f"s{i}" for i in range(20)), sends_from=("192.0.2.1",))
        assert time.monotonic() - began < 20
    assert [finding for finding in report.findings if finding.rule[:3] != "VAN"] == []
    assert {i.rule[:3] for i in report.inconclusive} >= {"SPF", "DKI", "DMA", "MX0", "PTR"}
    assert all(address in i.reason for i in report.inconclusive if i.rule.startswith("MX"))
    assert report.verdict is Verdict.UNKNOWN
    assert report.exit_status() == 3


@pytest.mark.parametrize("rcode", [dns.rcode.SERVFAIL, dns.rcode.REFUSED], ids=["servfail", "refused"])
def test_a_resolver_that_refuses_proves_nothing_either(rcode: dns.rcode.Rcode) -> None:
    """Told apart from silence, at once, with the same exit status."""
    began = time.monotonic()
    with Twisted(fail(rcode)) as server:
        report = audited(server.address)
    assert time.monotonic() - began < 10
    assert report.exit_status() == 3
    assert not [finding for finding in report.findings if finding.rule[:3] != "VAN"]


def test_a_closed_port_is_told_at_once() -> None:
    """No waiting when the network says no."""
    with closed() as address:
        began = time.monotonic()
        assert audited(address).exit_status() == 3
        assert time.monotonic() - began < 5


def test_one_run_sees_one_answer() -> None:
    """An address that changes with every query and lives 0 s: MX, PTR and SPF still speak of the same one."""
    count = iter(range(1, 250))

    def fickle(server: Twisted, query: dns.message.Message, transport: str) -> bytes:
        number = next(count)
        server.zones = [
            Zone.parse(f"$ORIGIN example.com.\n$TTL 0\n@ SOA a b 1 2 3 4 0\n@ MX 10 mx\nmx A 192.0.2.{number}\n")
        ]
        return server.honest(query, transport)

    async def main(address: str) -> Report:
        async with World.live([address]) as world:
            options = AuditOptions(probe=False, only=("mx", "ptr"))
            return await audit("example.com", world=world, options=options)

    with Twisted(fickle) as server:
        report = asyncio.run(main(server.address))
    mx, ptr = report.facts["mx"], report.facts["ptr"]
    assert [one.address for one in ptr.hosts] == list(mx.hosts[0].addresses)


def test_a_record_that_asks_for_the_world_stays_in_the_budget() -> None:
    """A tree of includes without end and two hundred MX hosts: the audit ends within the budget of questions."""

    def record(path: str) -> str:
        return f'{path} TXT "v=spf1 mx a " "include:{path}a include:{path}b include:{path}c -all"'

    paths = ["i" + "".join(p) for size in range(1, 6) for p in itertools.product("abc", repeat=size)]
    lines = ["$ORIGIN .", "@ SOA a b 1 2 3 4 60", 'example.com TXT "v=spf1 include:ia include:ib include:ic -all"']
    lines += [f"example.com MX {n} m{n}.example.com" for n in range(200)] + [record(path) for path in paths]
    with Nameserver([Zone.parse("\n".join(lines), origin=".")]) as server:
        report = audited(server.address)
        assert 50 < len(set(server.queries)) <= 205
    assert report.findings
