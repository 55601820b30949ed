"""iprev (RFC 8601 §3): every result, and the bounds."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from deliverkit.facts.base import Unobserved
from deliverkit.facts.ptr import observe_iprev
from deliverkit.protocols.iprev import MAX_NAMES, Iprev, IprevResult, iprev
from deliverkit.world import World

V4 = "1.2.0.192.in-addr.arpa"
V6 = "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa"


def looked_up(address: str, records: dict[str, Any], failures: dict[tuple[str, str], str] | None = None) -> Iprev:
    """Run the flow."""
    return asyncio.run(World.from_records(records, failures).run(iprev(address)))


def test_pass_over_both_families() -> None:
    """The name has the address: in A for IPv4, in AAAA for IPv6."""
    records = {
        V4: {"PTR": "mx.example."},
        V6: {"PTR": "mx.example."},
        "mx.example": {"A": "192.0.2.1", "AAAA": "2001:db8::1"},
    }
    for address in ("192.0.2.1", "2001:DB8:0::1", "::ffff:192.0.2.1"):
        found = looked_up(address, records)
        assert (found.result, found.name) == (IprevResult.PASS, "mx.example")


def test_fail_when_no_name_leads_back() -> None:
    """Another address, no address and no such name all fail; the reason names them."""
    records = {
        V4: {"PTR": ["a.example.", "b.example.", "c.example."]},
        "a.example": {"A": "192.0.2.9"},
        "b.example": {"TXT": "x"},
    }
    found = looked_up("192.0.2.1", records)
    assert found.result is IprevResult.FAIL
    assert "a.example (192.0.2.9)" in found.reason
    assert "c.example (no address)" in found.reason


def test_permerror_without_ptr() -> None:
    """NXDOMAIN and an empty answer alike (RFC 8601 §2.7.3)."""
    assert looked_up("192.0.2.1", {}).result is IprevResult.PERMERROR
    assert looked_up("192.0.2.1", {V4: {"TXT": "x"}}).result is IprevResult.PERMERROR


def test_temperror_when_somebody_did_not_answer() -> None:
    """In reverse or forward; a name that leads back outweighs one that failed."""
    assert looked_up("192.0.2.1", {}, {(V4, "PTR"): "timeout"}).result is IprevResult.TEMPERROR
    records = {V4: {"PTR": ["a.example.", "b.example."]}, "b.example": {"A": "192.0.2.2"}}
    failures = {("a.example", "A"): "servfail"}
    assert looked_up("192.0.2.1", records, failures).result is IprevResult.TEMPERROR
    records["b.example"] = {"A": "192.0.2.1"}
    assert looked_up("192.0.2.1", records, failures).result is IprevResult.PASS


def test_a_thousand_names_cost_ten_questions() -> None:
    """The names beyond the bound are counted, not asked."""
    found = looked_up("192.0.2.1", {V4: {"PTR": [f"h{i}.example." for i in range(1000)]}})
    assert len(found.names) == MAX_NAMES
    assert found.unasked == 990


def test_the_fact_of_a_temporary_failure_is_unobserved() -> None:
    """Reading the result of what nobody could tell raises, with the reason."""
    world = World.from_records({}, {(V4, "PTR"): "timeout"})
    facts = asyncio.run(world.run(observe_iprev("192.0.2.1")))
    with pytest.raises(Unobserved, match="timeout"):
        _ = facts.result
