"""Mailboxes, Message-IDs and dates."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliverkit.facts.message.addresses import is_message_id, read_addresses, read_date


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("ann@example.com", [("", "ann@example.com", "example.com")]),
        ("Ann <ann@Example.COM>", [("Ann", "ann@Example.COM", "example.com")]),
        (
            '"Lee, Ann" <ann@example.com>, bob@example.org',
            [("Lee, Ann", "ann@example.com", "example.com"), ("", "bob@example.org", "example.org")],
        ),
        ("ann@example.com (Ann Lee)", [("Ann Lee", "ann@example.com", "example.com")]),
        ("A (x (y) z) <ann@example.com>", [("A", "ann@example.com", "example.com")]),
        ('"a@b \\"c\\"" <ann@example.com>', [('a@b "c"', "ann@example.com", "example.com")]),
        (
            "Friends: ann@example.com, bob@example.org;",
            [("", "ann@example.com", "example.com"), ("", "bob@example.org", "example.org")],
        ),
        ("undisclosed-recipients:;", []),
        ("<@relay.example:ann@example.com>", [("", "ann@example.com", "example.com")]),
        ("ann@[192.0.2.1]", [("", "ann@[192.0.2.1]", "[192.0.2.1]")]),
        ("ann@bücher.example", [("", "ann@bücher.example", "xn--bcher-kva.example")]),
        ('"a b"@example.com', [("", '"a b"@example.com', "example.com")]),
        ("=?utf-8?q?Gr=C3=BCn?= <ann@example.com>", [("Grün", "ann@example.com", "example.com")]),
        ("", []),
    ],
)
def test_addresses_as_people_write_them(value: str, found: list[tuple[str, str, str]]) -> None:
    """RFC 5322 §3.4 with comments, groups, quotes, routes and literals: no fault, and the right parts."""
    read = read_addresses(value)
    assert [(m.name, m.address, m.domain) for m in read.mailboxes] == found
    assert read.faults == ()


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("Ann", "no-at"),
        ("Shop, Inc. <a@example.com>", "no-at"),
        ("ann lee@example.com", "bad-local-part"),
        ("@example.com", "bad-local-part"),
        ("ann..lee@example.com", "bad-local-part"),
        (f"{'a' * 65}@example.com", "local-too-long"),
        ("ann@exa mple.com", "bad-domain"),
        ("ann@example..com", "bad-domain"),
        ("ann@example.com.", "bad-domain"),
        ("<ann@example.com", "unclosed-angle"),
        ('"Ann <ann@example.com>', "unclosed-quote"),
        ("(Ann ann@example.com", "unclosed-comment"),
        ("Shop: News <ann@example.com>", "unclosed-group"),
        ("ann@x.example <ann@example.com>", "unquoted-at"),
        ("<ann@example.com> <bob@example.org>", "two-addresses"),
        ("<ann@example.com> Ann", "text-after-address"),
    ],
)
def test_damaged_addresses_are_named(value: str, kind: str) -> None:
    """Each fault has its kind and a place inside the value."""
    faults = read_addresses(value).faults
    assert kind in {fault.kind for fault in faults}
    assert all(0 <= fault.span[0] <= fault.span[1] <= len(value) for fault in faults)


@given(st.text(alphabet='a@.,;:<>()[]"\\ \t=?é\udc80', max_size=300))
def test_anything_can_be_read_as_addresses(value: str) -> None:
    """Never raises; spans lie inside the value."""
    read = read_addresses(value)
    assert all(0 <= m.span[0] <= m.span[1] <= len(value) for m in read.mailboxes)


def test_reading_addresses_is_linear() -> None:
    """Long runs of every special character take no quadratic time."""
    for piece in ("(", '"', "<", "[", "\\", "a,", "a:", "()", '""', "<>", "a@b,", ";", "=?utf-8?q?a?= "):
        value = piece * (100_000 // len(piece))
        began = time.perf_counter()
        read_addresses(value)
        assert time.perf_counter() - began < 5, piece


@pytest.mark.parametrize("value", ["<a@b>", "<1.2@mx.example.com>", '<"a b"@example.com>', "<a@[192.0.2.1]>"])
def test_message_ids(value: str) -> None:
    """msg-id of RFC 5322 §3.6.4."""
    assert is_message_id(value)


@pytest.mark.parametrize(
    "value", ["", "a@b", "<a>", "<a@b", "<a b@c>", "<a@b> <c@d>", "<a@@b>", "<a@b>x", "<" + "a" * 2000 + "@b>"]
)
def test_what_is_no_message_id(value: str) -> None:
    """Everything else."""
    assert not is_message_id(value)


@pytest.mark.parametrize(
    "value",
    [
        "Sun, 22 Nov 2026 10:00:00 +0000",
        "22 Nov 2026 10:00 +0000",
        "Sun, 22 Nov 2026 12:00:00 +0200 (CEST)",
        "Sun, 22 Nov 2026 10:00:00 GMT",
        "Sun,  22 Nov 2026\t10:00:00 +0000",
    ],
)
def test_dates_that_are_sound(value: str) -> None:
    """The forms of RFC 5322 §3.3, and the zone names of §4.3."""
    date = read_date(value)
    assert date.fault is None
    assert date.when == datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "word"),
    [
        ("", "empty"),
        ("tomorrow", "no moment"),
        ("2026-11-22T10:00:00Z", ""),
        ("Mon, 22 Nov 2026 10:00:00 +0000", "no Mon but a Sun"),
        ("So, 22 Nov 2026 10:00:00 +0100", "not of the form"),
        ("Sun, 31 Feb 2026 10:00:00 +0000", "no moment"),
        ("Sun, 22 Nov 2026 10:00:00 +9999", "no moment"),
        ("x" * 10_000, "no date"),
    ],
)
def test_dates_that_are_not(value: str, word: str) -> None:
    """Each says why."""
    fault = read_date(value).fault
    assert fault is not None
    assert word in fault


@given(
    st.one_of(
        st.text(max_size=80),
        st.from_regex(r"[A-Z][a-z]{2}, \d{1,3} [A-Z][a-z]{2} \d{1,6} \d{2}:\d{2}:\d{2} [+-]\d{4}", fullmatch=True),
    )
)
def test_anything_can_be_read_as_a_date(value: str) -> None:
    """Never raises, and a moment is always in UTC."""
    when = read_date(value).when
    assert when is None or when.utcoffset() == UTC.utcoffset(None)
