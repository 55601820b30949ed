"""Shorter SPF records: they authorise exactly the same addresses, in the gentlest way that is enough."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import deliverkit
from deliverkit.findings import Finding
from deliverkit.flow import drive
from deliverkit.protocols.spf.evaluate import check_host
from deliverkit.protocols.spf.reach import passing
from deliverkit.protocols.spf.tree import Tree, spf_tree
from deliverkit.world import World
from deliverkit.world.changes import Changes
from tests.protocols.spf.test_reach import CLIENTS, HOSTS, networks4, networks6

PROVIDERS = tuple(f"p{n}.example.net" for n in range(5))
OWN = ("_spf.example.com", "mail.example.com")
NAMES = (*OWN, *PROVIDERS)

hosts = st.sampled_from(["a:h1.example.com", "a:h2.example.net/26", "mx", "a", "exists:%{i}.dnsbl.example.org"])
includes = st.sampled_from([f"include:{name}" for name in NAMES])
tops = st.lists(hosts | includes | includes | networks4, min_size=6, max_size=12)
inner = st.lists(networks4 | networks6 | st.sampled_from(["a:h2.example.net", "-ip4:192.0.2.64/30"]), max_size=5)
deeper = st.builds(lambda body, more: [*body, *more], inner, st.lists(includes, max_size=2))
records = (inner | deeper).map(lambda body: " ".join(["v=spf1", *body, "-all"]))


def world_of(top: list[str], below: dict[str, str], end: str) -> World:
    """A closed world around example.com."""
    table: dict[str, dict[str, Any]] = {name: dict(values) for name, values in HOSTS.items()}
    table["example.com"] = {"TXT": [" ".join(["v=spf1", *top, end]), "other=1"], "A": ["192.0.2.9"]}
    table["example.com"]["MX"] = ["10 mx.example.com."]
    for name, text in below.items():
        table[name] = {"TXT": [text]}
    return World.from_records(table)


def tree_in(world: World) -> Tree:
    """The tree of example.com."""
    tell = world.dns.tell
    assert tell is not None
    return drive(spf_tree("example.com"), tell)


def findings(world: World) -> dict[str, Finding]:
    """The SPF findings of example.com, by rule."""
    return {f.rule: f for f in deliverkit.audit("example.com", world=world, only=["spf"]).findings}


def published(world: World, found: Finding) -> World:
    """The world with the fix applied."""
    removes, records = ([r.line for r in rs] for rs in (found.fix.removes, found.fix.records))
    return world.with_changes(Changes.read(removes, records), {})


@settings(max_examples=120)
@given(tops, st.fixed_dictionaries(dict.fromkeys(NAMES, records)), st.sampled_from(["-all", "~all", "?all"]))
def test_the_same_addresses_are_authorised(top: list[str], below: dict[str, str], end: str) -> None:
    """Whatever was left out, written out or flattened: nobody is lost, and nobody new may send."""
    world = world_of(top, below, end)
    tree = tree_in(world)
    for rule, found in findings(world).items():
        if rule not in ("SPF004", "SPF015", "SPF016") or not found.fix.rejudged:
            continue
        after = tree_in(published(world, found))
        assert after.worst[0].lookup_count < tree.worst[0].lookup_count
        for family in (4, 6):
            assert passing(after.root, family) == passing(tree.root, family)
        tell = published(world, found).dns.tell
        assert tell is not None
        before = passing(tree.root, 4)
        for client in (c for c in CLIENTS if ":" not in c and before is not None):
            passes = any(first <= int(ipaddress.ip_address(client)) <= last for first, last in before or ())
            result = drive(check_host(client, "example.com", "me@example.com", "example.com"), tell).result
            assert passes == (result == "pass")


def providers(number: int, networks: int, *, own: str = "") -> World:
    """example.com with so many includes, each of so many networks that do not touch."""
    top = [own] if own else []
    below = {}
    for n in range(number):
        top.append(f"include:p{n}.example.net")
        spans = " ".join(f"ip4:198.51.{n}.{16 * m}/29" for m in range(networks))
        below[f"p{n}.example.net"] = f"v=spf1 {spans} -all"
    return world_of(top, below, "~all")


def test_own_hosts_are_enough() -> None:
    """Eleven lookups, one of them the domain's own: nobody else's addresses are copied."""
    found = findings(providers(10, 8, own="mx"))["SPF004"]
    assert found.fix.text.startswith("publish this record, with 10 lookups: writes out mx, which you run yourself")
    assert "price" not in found.fix.text
    assert found.fix.effect == "error → warning (SPF016), SPF lookups 11 → 10, verdict fail → risk"


def test_small_includes_come_before_flattening() -> None:
    """Where own hosts are not enough, the fewest addresses of others are copied, and the price is said."""
    found = findings(providers(11, 2))["SPF004"]
    assert len(found.fix.records) == 1 and found.fix.records[0].value.count("include:") == 10
    assert "2 networks of one sender" in found.fix.text and "every day" in found.fix.text


def test_the_flattened_record_is_split_and_its_price_told() -> None:
    """Only large includes: everything is written out over several records that fit an answer of 512 octets."""
    world = providers(12, 8)
    found = findings(world)["SPF004"]
    names = [record.name for record in found.fix.records]
    assert names[0] == "example.com" and names[1:] == [f"_spf{n}.example.com" for n in range(1, len(names))]
    assert len(names) > 3
    assert all(len(record.value) <= 450 for record in found.fix.records)
    assert "96 networks of 12 senders" in found.fix.text and "include:p0.example.net" in found.fix.text
    assert found.fix.effect.startswith("error → pass, SPF lookups 12 → ")
    assert [r.value for r in found.fix.removes] == [world_text(world)]


def world_text(world: World) -> str:
    """The SPF record of example.com."""
    answer = tree_in(world).root.answer
    assert answer is not None
    return next(text for text in answer.texts if text.startswith("v=spf1"))


def test_a_name_in_use_is_not_taken_for_a_part() -> None:
    """_spf1 holds a record of the domain already."""
    below = {
        f"p{n}.example.net": "v=spf1 " + " ".join(f"ip4:198.51.{n}.{8 * m}/30" for m in range(9)) for n in range(10)
    }
    below["_spf1.example.com"] = "v=spf1 exists:%{i}.example.org " + " ".join(
        f"ip4:203.0.113.{8 * m}/30" for m in range(9)
    )
    top = ["include:_spf1.example.com", *(f"include:{name}" for name in below if name.startswith("p"))]
    found = findings(world_of(top, below, "-all"))["SPF004"]
    assert "_spf1.example.com" not in {record.name for record in found.fix.records}


@pytest.mark.parametrize(
    "below",
    [
        {f"p{n}.example.net": "v=spf1 ptr -all" for n in range(12)},
        {f"p{n}.example.net": "v=spf1 exists:%{i}.example.org -all" for n in range(12)},
        {f"p{n}.example.net": "v=spf1 include:%{l}.example.org -all" for n in range(12)},
    ],
)
def test_what_depends_on_the_sender_cannot_be_written_out(below: dict[str, str]) -> None:
    """No record is offered, and the general advice remains."""
    found = findings(world_of([f"include:{name}" for name in below], below, "-all"))["SPF004"]
    assert not found.fix.changes_dns and found.fix.text.startswith("remove includes that no longer send")


def test_headroom_is_won_without_copying_others() -> None:
    """At nine lookups own hosts are written out; includes of others stay what they are."""
    world = world_of(
        ["mx", "a", "include:_spf.example.com", *(f"include:p{n}.example.net" for n in range(5)), "a:h1.example.com"],
        {
            "_spf.example.com": "v=spf1 ip4:192.0.2.33 -all",
            **{f"p{n}.example.net": f"v=spf1 ip4:198.51.{n}.0/24 -all" for n in range(5)},
        },
        "-all",
    )
    found = findings(world)["SPF015"]
    assert found.fix.effect == "note → pass, SPF lookups 9 → 5"
    assert "198.51" not in found.fix.records[0].value and "ip4:192.0.2.33" in found.fix.records[0].value
    assert findings(providers(9, 2))["SPF015"].fix.records == ()


def test_a_dead_include_and_a_covered_one_are_left_out() -> None:
    """What authorises nobody, and what others pass already, goes first."""
    below = {f"p{n}.example.net": f"v=spf1 ip4:198.51.{n}.0/24 -all" for n in range(9)}
    below |= {
        "nobody.example.org": "v=spf1 -all",
        "agency.example.org": "v=spf1 include:p0.example.net ip4:192.0.2.99 -all",
    }
    found = findings(world_of([f"include:{name}" for name in below], below, "-all"))["SPF004"]
    assert "include:nobody.example.org (passes nobody)" in found.fix.text
    assert "include:p0.example.net (other terms pass all its addresses today)" in found.fix.text


def test_a_term_that_is_written_out_keeps_its_place() -> None:
    """It stands again behind a term that fails its addresses; there it would pass nobody."""
    top = ["include:_spf.example.com", "-ip4:192.0.2.64/26", "ip4:192.0.2.65", *(f"include:{p}" for p in PROVIDERS)]
    below = {"_spf.example.com": "v=spf1 ip4:192.0.2.65 include:mail.example.com -all"}
    below |= {"mail.example.com": "v=spf1 ip4:192.0.2.66 -all"}
    below |= dict.fromkeys(PROVIDERS, "v=spf1 a:h2.example.net/26 -all")
    world = world_of(top, below, "-all")
    better = published(world, findings(world)["SPF004"])
    for address, result in (("192.0.2.65", "pass"), ("192.0.2.66", "pass"), ("192.0.2.67", "fail")):
        assert deliverkit.check_host(address, "a@example.com", "mail.example.com", world=better).result == result
