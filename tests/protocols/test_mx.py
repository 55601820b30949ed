"""Where mail goes (RFC 5321 §5.1, RFC 7505), by flow over closed worlds."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliverkit.facts.base import Unobserved
from deliverkit.facts.mx import MxFacts, observe_mx
from deliverkit.flow import Question, adrive
from deliverkit.protocols.mx import MAX_HOSTS, Located, TargetKind, embedded_address, locate, target_kind
from deliverkit.world import World


def located(records: dict[str, Any], failures: dict[tuple[str, str], str] | None = None) -> Located:
    """Run the flow for example.com."""
    return asyncio.run(World.from_records(records, failures).run(locate("example.com")))


def observed(records: dict[str, Any], failures: dict[tuple[str, str], str] | None = None) -> MxFacts:
    """Observe example.com."""
    return asyncio.run(World.from_records(records, failures).run(observe_mx("example.com")))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        (".", TargetKind.NULL),
        ("mx.example.com", TargetKind.HOST),
        ("xn--mnchen-3ya.example", TargetKind.HOST),
        ("mx", TargetKind.HOST),
        ("192.0.2.1", TargetKind.ADDRESS),
        ("[192.0.2.1]", TargetKind.ADDRESS),
        ("2001:db8::1", TargetKind.ADDRESS),
        ("localhost", TargetKind.LOCALHOST),
        ("mail.localhost", TargetKind.LOCALHOST),
        ("localhost.localdomain", TargetKind.LOCALHOST),
        ("0", TargetKind.INVALID),
        ("mail_server.example.com", TargetKind.HOST),
        ("-mx.example.com", TargetKind.INVALID),
        ("a\\032b.example.com", TargetKind.INVALID),
    ],
)
def test_what_a_target_is(name: str, kind: TargetKind) -> None:
    """A host, nothing, an address, ourselves, or no host name."""
    assert target_kind(name) is kind


@given(st.text(max_size=40).filter(lambda text: text.strip(".")))
def test_any_target_has_a_kind(name: str) -> None:
    """Nothing that can stand in an MX record raises."""
    assert target_kind(name) in TargetKind
    assert embedded_address(name, "example.com") is None or target_kind(name) is not TargetKind.NULL


def test_hosts_come_best_first_and_each_once() -> None:
    """Equal preferences are ordered by name, so that reports do not change from run to run."""
    records = {"example.com": {"MX": ["20 c.example", "10 b.example", "10 a.example", "5 c.example"]}}
    found = located(records)
    assert [(h.name, h.preference) for h in found.hosts] == [("c.example", 5), ("a.example", 10), ("b.example", 10)]


def test_without_mx_the_domain_itself_is_the_host() -> None:
    """The implicit MX has preference 0 (RFC 5321 §5.1); without an address there is none."""
    found = located({"example.com": {"A": "192.0.2.80"}})
    assert found.implicit
    assert [(h.name, h.preference) for h in found.hosts] == [("example.com", 0)]
    assert located({"example.com": {"TXT": "x"}}).hosts == ()


def test_a_null_mx_has_no_host() -> None:
    """RFC 7505 §3: one record, the root."""
    found = located({"example.com": {"MX": "0 ."}})
    assert found.null
    assert found.hosts == ()


def test_a_failed_question_is_no_absence() -> None:
    """A timeout makes no implicit MX, and reading the hosts tells why."""
    facts = observed({"example.com": {"A": "192.0.2.80"}}, {("example.com", "MX"): "timeout"})
    with pytest.raises(Unobserved, match="timeout"):
        _ = facts.hosts
    with pytest.raises(Unobserved):
        _ = facts.exists


def test_an_address_family_that_fails_leaves_the_other() -> None:
    """IPv6 answered SERVFAIL: the IPv4 addresses are still known."""
    facts = observed(
        {"example.com": {"MX": "10 mx.example"}, "mx.example": {"A": "192.0.2.1"}}, {("mx.example", "AAAA"): "servfail"}
    )
    (host,) = facts.hosts
    assert host.addresses == host.public == host.v4 == ("192.0.2.1",)
    with pytest.raises(Unobserved, match="servfail"):
        _ = host.v6


def test_hosts_beyond_the_bound_are_not_looked_up() -> None:
    """A hundred MX records cost a bounded number of questions; the rest is unobserved with the reason."""
    asked: list[Question] = []
    world = World.from_records({"example.com": {"MX": [f"{i} h{i}.example" for i in range(100)]}})

    async def hear(question: Question) -> Any:
        asked.append(question)
        return await world.ask(question)

    facts = asyncio.run(adrive(observe_mx("example.com"), hear))
    assert len(facts.hosts) == 100
    assert len(asked) <= 2 * MAX_HOSTS + 2
    with pytest.raises(Unobserved, match="only the best"):
        _ = facts.hosts[-1].addresses
