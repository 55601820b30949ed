"""Our `Zone` against Knot: the same zones, the same questions, the same answers (RFC 1034 §4.3.2, RFC 4592, RFC 6672).

One zone is made of the known hard cases; the others are made by chance from few labels, so that wildcards, empty
non-terminals, aliases and cuts meet in every way. Each is asked for every name that can be made of those labels.
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from pathlib import Path
from typing import TypeAlias

import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import pytest

from deliverkit.world.values import absolute, canonical, plain_value
from deliverkit.world.zone import Outcome, Zone
from tests.peers.addresses import own_network
from tests.peers.knot import Knot

pytestmark = pytest.mark.peer("knot")

Told: TypeAlias = tuple[str, tuple[str, ...], frozenset[str]]
"""What is said to a question: an outcome, the aliases on the way, and the records at the end."""

APEX = "@ 300 SOA ns.invalid. hostmaster.invalid. 1 7200 3600 1209600 60\n@ 300 NS ns.invalid.\n"
TRICKY = (
    APEX
    + """
host        300 A     192.0.2.1
host        300 TXT   "host"
a.b.c       300 A     192.0.2.2
*           300 TXT   "wild"
*           300 MX    10 host
*.sub       300 A     192.0.2.3
sub         300 TXT   "sub itself"
x.*.odd     300 TXT   "below an asterisk"
*.alias     300 CNAME host
to-wild     300 CNAME any.sub
to-nothing  300 CNAME no.host
to-nodata   300 CNAME a.b
out         300 CNAME www.example.net.
one         300 CNAME two
two         300 CNAME three
three       300 CNAME host
cut         300 NS    ns.cut
cut         300 NS    ns.example.net.
ns.cut      300 A     192.0.2.4
below.cut   300 TXT   "nobody sees this"
*.cut       300 TXT   "nor this"
to-cut      300 CNAME mail.cut
tree        300 DNAME host
tree        300 TXT   "the owner of a DNAME"
other       300 DNAME deep.example.net.
_dmarc.host 300 TXT   "v=DMARC1; p=none"
UPPER.Case  300 TXT   "case"
"""
)
TYPES = ("A", "TXT", "MX", "CNAME", "NS", "DS")
CHANCES = 16
LABELS = ("a", "b", "*")


def tricky_names(origin: str) -> list[str]:
    """Every owner of the tricky zone, what lies above, below and beside it, and some that are nowhere."""
    zone = Zone.parse(TRICKY, origin=origin)
    owners = {record.name for record in zone.records()}
    names = set(owners)
    for owner in owners:
        names |= {f"{label}.{owner}" for label in ("x", "*", "y.x")}
        names.add(owner.partition(".")[2])
    names |= {f"{name}.{origin}" for name in ("no", "a.no", "b.c", "c", "z.b.c", "sub.no", "odd", "y.odd", "cAsE")}
    return sorted(name for name in names if name == origin or name.endswith(f".{origin}"))


def random_zone(seed: int) -> str:
    """A zone of a dozen records that a server loads: a CNAME or a DNAME keeps the rules of its company."""
    chance = random.Random(seed)
    owners = [".".join(labels) for depth in (1, 2, 3) for labels in itertools.product(LABELS, repeat=depth)]
    targets = ["@", *owners, "outside.example.net."]
    lines: list[str] = []
    for owner in chance.sample(owners, 9):
        kind = chance.choice(("A", "A", "TXT", "TXT", "MX", "CNAME", "CNAME", "NS"))
        if kind == "NS" and owner.startswith("*"):
            kind = "A"  # RFC 4592 §4.2 leaves a wildcard cut undefined
        value = {"A": f"192.0.2.{len(lines)}", "TXT": f'"{owner}"', "MX": f"10 {owner}", "NS": "ns.example.net."}
        lines.append(f"{owner} 300 {kind} {value.get(kind) or chance.choice(targets)}")
    return APEX + "\n".join(lines) + "\n"


def random_names(origin: str) -> list[str]:
    """Every name of up to three of the labels, and of one that no zone has."""
    labels = (*LABELS, "c")
    return [origin] + [
        ".".join((*name, origin)) for depth in (1, 2, 3) for name in itertools.product(labels, repeat=depth)
    ]


ZONES = {"tricky.example": TRICKY} | {f"z{seed}.example": random_zone(seed) for seed in range(CHANCES)}


@pytest.fixture(scope="module")
def knot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Knot]:
    """A server of all these zones."""
    zones = {absolute(origin): f"$ORIGIN {origin}.\n{text}" for origin, text in ZONES.items()}
    server = Knot(Path(tmp_path_factory.mktemp("knot")), zones, f"{own_network()}1")
    server.start()
    yield server
    server.stop()


def ours(zone: Zone, name: str, type_: str) -> Told:
    """Our zone's answer, its aliases followed as far as the zone goes."""
    aliases: list[str] = []
    while True:
        found = zone.find(name, type_)
        if found.outcome is not Outcome.ALIAS:
            values = frozenset(map(repr, (record.value for record in found.records)))
            records = found.outcome is Outcome.RECORDS
            return found.outcome.value, tuple(aliases), values if records else frozenset()
        assert found.target is not None
        if found.target in aliases or len(aliases) > 20:
            return "loop", (), frozenset()
        aliases.append(found.target)
        name = found.target


def theirs(knot: Knot, origin: str, name: str, type_: str) -> Told:
    """Knot's answer in the same words."""
    query = dns.message.make_query(absolute(name), type_)
    query.flags &= ~dns.flags.RD
    response = dns.query.udp(query, knot.address, port=knot.port, timeout=10)
    aliases, values = [], frozenset[str]()
    for rrset in response.answer:
        if rrset.rdtype == dns.rdatatype.CNAME and type_ != "CNAME":
            aliases.append(plain_value(rrset[0]))
        elif rrset.rdtype == dns.rdatatype.from_text(type_):
            values = frozenset(repr(plain_value(one)) for one in rrset)
    if len({name, *aliases}) <= len(aliases):
        return "loop", (), frozenset()
    return _outcome(response, origin, aliases, values), tuple(aliases), values


def _outcome(response: dns.message.Message, origin: str, aliases: list[str], values: frozenset[str]) -> str:
    if values:
        return "records"
    if response.rcode() == dns.rcode.NXDOMAIN:
        return "nxdomain"
    assert response.rcode() == dns.rcode.NOERROR, response
    authority = {rrset.rdtype for rrset in response.authority}
    if dns.rdatatype.NS in authority and dns.rdatatype.SOA not in authority:
        return "delegated"
    if aliases and not aliases[-1].endswith(origin):
        return "outside"
    return "nodata"


@pytest.mark.parametrize("origin", ZONES)
def test_our_zone_answers_as_knot_does(origin: str, knot: Knot) -> None:
    """Outcome, aliases and records are the same for every name and type."""
    zone = Zone.parse(ZONES[origin], origin=origin)
    names = tricky_names(origin) if origin == "tricky.example" else random_names(origin)
    questions = [(name, type_) for name in names for type_ in TYPES]
    different = {
        f"{type_} {name}": (mine, knots)
        for name, type_ in questions
        if (mine := ours(zone, canonical(name) or "", type_)) != (knots := theirs(knot, origin, name, type_))
    }
    assert different == {}, ZONES[origin]
