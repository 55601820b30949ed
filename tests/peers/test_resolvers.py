"""Our DNS door against real servers: Knot with signed zones, Unbound validating them; and whole audits over both."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import dns.dnssec
import dns.message
import dns.query
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from dns.dnssectypes import Algorithm
from dns.rdtypes.ANY.DNSKEY import DNSKEY

from deliverkit.demo.domains import DemoDomain, sound, twin
from deliverkit.demo.domains import zones as zones_of_the_demo
from deliverkit.engine.audit import AuditOptions, audit
from deliverkit.flow import Answer, Question, Status
from deliverkit.report.model import Report
from deliverkit.world import World
from deliverkit.world.values import absolute, presentation
from deliverkit.world.zone import Zone
from tests.peers.addresses import own_network
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
DOMAINS = (sound(), twin())
NOBODY = "$ORIGIN 100.51.198.in-addr.arpa.\n@ 300 SOA ns.example. hostmaster.example. 1 7200 3600 1209600 300\n"
DEMO = [*zones_of_the_demo(*DOMAINS), Zone.parse(NOBODY)]
BODY += "".join(f'big TXT "{n} {"0123456789" * 10}" "{"0123456789" * 10}"\n' for n in range(240))


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Knot, Unbound]]:
    """Knot with a plain zone, a signed one, and a signed one of which Unbound trusts another key; and the demo's zones.

    Unbound believes that Knot has one more zone.
    """
    folder, network = tmp_path_factory.mktemp("dns"), own_network()
    names = ("plain.example.", "signed.example.", "bogus.example.")
    zones = {name: f"$ORIGIN {name}\n{BODY}" for name in names}
    zones |= {absolute(zone.origin): master_text(zone) for zone in DEMO}
    knot = Knot(folder / "knot", zones, f"{network}1", signed=names[1:])
    knot.start()
    stranger = dns.dnssec.make_dnskey(
        ec.generate_private_key(ec.SECP256R1()).public_key(), Algorithm.ECDSAP256SHA256, flags=257
    )
    anchors = [anchor("signed.example.", published_key(knot, "signed.example.")), anchor("bogus.example.", stranger)]
    stubs = dict.fromkeys(zones, (knot.address, knot.port))
    stubs["lame.example.net."] = (knot.address, knot.port)
    unbound = Unbound(folder / "unbound", stubs, host=f"{network}2", anchors=anchors)
    unbound.start()
    yield knot, unbound
    unbound.stop()
    knot.stop()


def master_text(zone: Zone) -> str:
    """A zone as a master file."""
    return "".join(f"{absolute(r.name)} {r.ttl} {r.type} {presentation(r.type, r.value)}\n" for r in zone.records())


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
    assert answer.records == ()


def test_a_lame_delegation_is_no_bogus_zone(servers: tuple[Knot, Unbound]) -> None:
    """The server refuses, the resolver says SERVFAIL: neither bogus nor "no record"."""
    answer = ask(servers[1].address, "lame.example.net", "TXT")
    assert (answer.status, answer.known) == (Status.SERVFAIL, False)


@pytest.mark.parametrize("which", ["knot", "unbound"])
def test_absence_has_three_kinds(which: str, servers: tuple[Knot, Unbound]) -> None:
    """No such name, a name without such a record, and a name that is there because of what stands below it."""
    knot, unbound = servers
    address = unbound.address if which == "unbound" else f"{knot.address}:{knot.port}"
    for origin in ("plain.example", "signed.example"):
        assert ask(address, f"no.{origin}", "TXT").status is Status.NXDOMAIN
        assert ask(address, f"mx.{origin}", "TXT").status is Status.NODATA
        assert ask(address, f"w.{origin}", "TXT").status is Status.NODATA  # an empty non-terminal
        assert ask(address, f"a.w.{origin}", "A").status is Status.NODATA  # the wildcard has TXT only
        wild = ask(address, f"a.b.w.{origin}", "TXT")
        assert (wild.status, wild.texts) == (Status.OK, ("wild",))


@pytest.mark.parametrize("domain", DOMAINS, ids=lambda domain: domain.name)
def test_an_audit_says_the_same_of_file_server_and_resolver(domain: DemoDomain, servers: tuple[Knot, Unbound]) -> None:
    """The demo's domains, from the zone, from Knot and from Unbound: the same findings with the same evidence."""
    knot, unbound = servers

    async def audited(world: World) -> Report:
        async with world:
            options = AuditOptions(selectors=tuple(domain.signing), sends_from=(domain.sends_from,), probe=False)
            return await audit(domain.name, world=world, options=options)

    told = asyncio.run(audited(World.offline(closed=True).with_zone(*DEMO)))
    served = asyncio.run(audited(World.live([f"{knot.address}:{knot.port}"])))
    resolved = asyncio.run(audited(World.live([unbound.address])))
    assert (told.verdict == "fail") is bool(domain.planted)
    assert said(served) == said(told)
    assert said(resolved) == said(told)


def said(report: Report) -> dict[str, Any]:
    """What a report says, without the places that its evidence comes from and the rules about the vantage."""

    def kept(rules: tuple[str, ...]) -> list[str]:
        return [rule for rule in rules if not rule.startswith("VANTAGE")]

    return {
        "verdict": report.verdict,
        "findings": [
            (f.rule, f.severity, f.subject, f.detail, f.fix, [(e.name, e.type, e.value, e.span) for e in f.evidence])
            for f in report.findings
        ],
        "inconclusive": [(i.rule, i.subject, i.decisive) for i in report.inconclusive],
        "passed": kept(report.passed),
        "not applicable": kept(report.not_applicable),
        "not asked": kept(report.not_asked),
    }


def test_an_authoritative_server_can_be_asked_directly(servers: tuple[Knot, Unbound]) -> None:
    """Knot does not recurse: its own names it tells, of others it refuses to speak."""
    knot = servers[0]
    address = f"{knot.address}:{knot.port}"
    assert ask(address, "plain.example", "TXT").texts == ("v=spf1 mx -all",)
    alias = ask(address, "alias.signed.example", "A")
    assert (alias.status, alias.aliases) == (Status.OK, ("mx.plain.example",))
    assert ask(address, "elsewhere.example.net", "TXT").status is Status.REFUSED
