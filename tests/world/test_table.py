"""Worlds told by literals, and worlds that know nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliverkit.flow import Answer, Question, Status
from deliverkit.smtp.dialogue import Connect, Hangup, Trouble, TroubleKind
from deliverkit.world import World
from deliverkit.world.values import canonical, join_labels, split_labels


def ask(world: World, name: str, type_: str) -> Answer:
    """Ask one question."""
    return asyncio.run(world.ask(Question(name, type_)))


def test_literals_are_what_they_say() -> None:
    """TXT is the joined text, literal; other types are in presentation form; one value needs no list."""
    world = World.from_records(
        {
            "Example.COM.": {"TXT": ['v=spf1 "quoted" \\; mx -all', "x" * 300], "MX": ["10 mx.example.com."]},
            "mx.example.com": {"A": "192.0.2.1", "AAAA": ["2001:db8::1"]},
            "s._domainkey.example.com": {"TXT": [("v=DKIM1; ", b"p=")]},
            "*.wild.example.com": {"MX": (5, "mx.example.com")},
            "_25._tcp.mx.example.com": {"TLSA": "3 1 1 abcd"},
            "caa.example.com": {"CAA": '0 issue "ca.example"'},
        }
    )
    assert ask(world, "example.com", "TXT").texts == ('v=spf1 "quoted" \\; mx -all', "x" * 300)
    assert ask(world, "example.com", "MX").records == ((10, "mx.example.com"),)
    assert ask(world, "s._domainkey.example.com", "TXT").records == ((b"v=DKIM1; ", b"p="),)
    assert ask(world, "a.b.wild.example.com", "MX").records == ((5, "mx.example.com"),)
    assert ask(world, "_25._tcp.mx.example.com", "TLSA").records == ((3, 1, 1, b"\xab\xcd"),)
    assert ask(world, "caa.example.com", "CAA").records == ('0 issue "ca.example"',)


def test_a_table_is_a_closed_world() -> None:
    """What is not there does not exist; what lies between existing names does, without records."""
    world = World.from_records({"a.b.example.com": {"A": "192.0.2.1"}})
    assert ask(world, "b.example.com", "A").status is Status.NODATA
    assert ask(world, "c.example.com", "A").status is Status.NXDOMAIN
    assert ask(world, "a.b.example.com", "TXT").status is Status.NODATA


def test_failures_are_told_by_name_and_type() -> None:
    """A word of Status for one type, or for every type; a failure at the end of an alias counts."""
    world = World.from_records(
        {"ok.example": {"A": "192.0.2.1", "CNAME": "down.example."}, "alias.example": {"CNAME": "down.example."}},
        failures={("ok.example", "TXT"): "timeout", ("down.example", "*"): "servfail"},
    )
    assert ask(world, "ok.example", "A").status is Status.OK
    assert ask(world, "ok.example", "TXT").status is Status.TIMEOUT
    assert ask(world, "alias.example", "MX").status is Status.SERVFAIL
    with pytest.raises(ValueError, match="sleepy"):
        World.from_records({}, failures={("a.example", "A"): "sleepy"})


def test_a_literal_that_is_no_record_is_refused() -> None:
    """With the type, the text and what to write."""
    with pytest.raises(ValueError, match=r"MX 'mx\.example\.com'.*MX 10"):
        World.from_records({"example.com": {"MX": "mx.example.com"}})
    with pytest.raises(ValueError, match="no domain name"):
        World.from_records({"a..b": {"A": "192.0.2.1"}})


def test_the_clock_stands_where_it_was_set() -> None:
    """Also in worlds made from this one."""
    at = datetime(2026, 1, 1, tzinfo=UTC)
    world = World.from_records({}, now=at)
    assert world.now() == world.with_budget().now() == at
    assert World.offline(now=at.replace(tzinfo=None)).now() == at


def test_a_world_without_sockets_never_connects() -> None:
    """Every ask is answered by the same refusal, and the flow ends."""

    def flow() -> Generator[Any, Any, list[Any]]:
        first = yield Connect("192.0.2.1", 25)
        last = yield Hangup()
        return [first, last]

    heard, transcript = asyncio.run(World.offline().converse(flow()))
    assert isinstance(heard[0], Trouble)
    assert heard[0].kind is TroubleKind.NOT_ALLOWED
    assert heard[1] is None
    assert transcript.events == []


@given(st.lists(st.binary(min_size=1, max_size=63), min_size=1, max_size=3))
def test_names_survive_being_written(labels: list[bytes]) -> None:
    """Any octets make a name whose text reads back as the same octets, letters in lower case."""
    found = split_labels(join_labels(labels))
    assert found == tuple(label.lower() for label in labels)


@given(st.text(max_size=80))
def test_any_text_is_a_name_or_none(text: str) -> None:
    """Canonical form is stable, and no text raises."""
    found = canonical(text)
    assert found is None or canonical(found) == found
