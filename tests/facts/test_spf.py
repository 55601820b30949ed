"""The SPF facts: near misses, strings that run together, what is asked and what is not asked twice, and the JSON."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliverkit.facts.base import Unobserved
from deliverkit.facts.spf import SpfFacts, observe_spf
from deliverkit.flow import Status, drive
from deliverkit.report.jsonable import jsonable
from tests.protocols.spf.worlds import Zone, hearing


def observed(zone: Zone, *sends_from: str, asked: list[str] | None = None) -> SpfFacts:
    """The facts of example.com in a world of literals."""
    return drive(observe_spf("example.com", sends_from=sends_from), hearing(zone, asked))


def joins(*strings: str) -> list[str]:
    """The record of these strings, cut where a space is lacking."""
    facts = observed({"example.com": {"TXT": [tuple(s.encode() for s in strings)]}})
    text, places = facts.record or "", [0, *facts.joins, None]
    return [text[a:b] for a, b in pairwise(places)]


def test_a_join_between_two_terms_is_seen() -> None:
    """A space is lacking where a whole term ends and another begins."""
    assert joins("v=spf1 include:a.example", "include:b.example -all") == [
        "v=spf1 include:a.example",
        "include:b.example -all",
    ]
    assert joins("v=spf1 mx", "-all") == ["v=spf1 mx", "-all"]
    assert len(joins("v=spf1 ip4:192.0.2.1", "ip4:192.0.2.2", "-all")) == 3


@pytest.mark.parametrize(
    "strings",
    [
        ("v=spf1 include:a.exam", "ple -all"),
        ("v=spf1 ip4:192.0.2.0/2", "4 -all"),
        ("v=spf1 mx ", "include:b.example -all"),
        ("v=spf1 mx", " -all"),
        ("v=spf1 include:mail", "all.example -all"),
        ("v=spf1 exists:%{i}.", "a.example -all"),
        ("v=spf1 include:a.example -al", "l"),
        ("v=spf1 in", "clude:a.example -all"),
    ],
)
def test_a_record_may_break_anywhere(strings: tuple[str, ...]) -> None:
    """Strings are joined as they are: breaking inside a word is no fault."""
    assert len(joins(*strings)) == 1


def test_a_utf8_sequence_may_break_between_two_strings() -> None:
    """The octets are joined before they are read."""
    facts = observed({"example.com": {"TXT": [(b"v=spf1 a:\xc3", b"\xa4.example -all")]}})
    assert facts.record == "v=spf1 a:\u00e4.example -all"
    assert facts.parsed is not None and facts.parsed.faults[0].kind == "non-ascii"


@pytest.mark.parametrize(
    "text", ["google-site-verification=abc", "spf2.0/pra -all", "we use spf", "v=DMARC1; p=none", "v=spfthing"]
)
def test_other_records_are_no_near_misses(text: str) -> None:
    """Texts that were never meant as SPF are left alone."""
    found = observed({"example.com": text}).near_misses
    assert [n.text for n in found] == ([text] if text == "v=spfthing" else [])


def test_checks_ask_nothing_that_the_tree_knows() -> None:
    """The evaluation of sending addresses reuses the answers of the tree."""
    asked: list[str] = []
    zone = {
        "example.com": {"TXT": ["v=spf1 mx include:a.example -all"], "MX": [(10, "mx.example")]},
        "a.example": "v=spf1 a:b.example -all",
        "mx.example": {"A": ["192.0.2.1"]},
        "b.example": {"A": ["192.0.2.2"], "AAAA": ["2001:db8::2"]},
    }
    facts = observed(zone, "192.0.2.1", "192.0.2.2", "2001:db8::2", asked=asked)
    assert [check.result for check in facts.checks] == ["pass", "pass", "pass"]
    assert len(asked) == len(set(asked))


def test_a_dead_resolver_leaves_everything_unobserved() -> None:
    """A timeout is never "no record"."""
    facts = observed({"example.com": Status.TIMEOUT})
    with pytest.raises(Unobserved, match="timeout"):
        _ = facts.record
    assert jsonable(facts)["status"] == "timeout"


def test_includes_are_those_of_the_domain_s_own_records() -> None:
    """Names behind an include of one's own are one's own; those of a provider are the provider's."""
    zone = {
        "example.com": "v=spf1 include:_spf.example.com -all",
        "_spf.example.com": "v=spf1 include:mail.example.net -all",
        "mail.example.net": "v=spf1 include:deep.example.net -all",
        "deep.example.net": "v=spf1 -all",
    }
    assert observed(zone).includes == ("_spf.example.com", "mail.example.net")


def test_json_is_whole() -> None:
    """Record, includes, worst path of each family, tree and checks are all there, and are JSON."""
    zone = {"example.com": "v=spf1 include:a.example ~all", "a.example": "v=spf1 ip4:192.0.2.1 -all"}
    shown = json.loads(json.dumps(jsonable(observed(zone, "192.0.2.1"))))
    assert shown["record"] == "v=spf1 include:a.example ~all"
    assert shown["includes"] == ["a.example"]
    assert shown["worst_path"]["ipv6"]["lookups"] == 1
    assert shown["tree"]["terms"][0]["node"]["record"] == "v=spf1 ip4:192.0.2.1 -all"
    assert shown["checks"][0]["result"] == "pass"


@given(st.lists(st.lists(st.binary(max_size=30), min_size=1, max_size=4).map(tuple), max_size=4))
def test_any_txt_records_can_be_observed(records: list[tuple[bytes, ...]]) -> None:
    """No octets at a name make the observation or its JSON raise."""
    zone = {"example.com": {"TXT": [(b"v=spf1 " + r[0], *r[1:]) if i % 2 else r for i, r in enumerate(records)]}}
    json.dumps(jsonable(observed(zone, "192.0.2.1")))
