"""Compiled records say what a walk term by term says: the same result, counters and trace, in any world."""

from __future__ import annotations

import ipaddress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deliverkit.flow import Question, Status, drive
from deliverkit.protocols.spf import compiled, record
from deliverkit.protocols.spf.address import parse_ip4, parse_ip6, text_of
from deliverkit.protocols.spf.compiled import MASKS4, NOWHERE, Networks, published
from deliverkit.protocols.spf.evaluate import check_host
from deliverkit.protocols.spf.record import LARGEST_KEPT, parse_record
from tests.protocols.spf import reference
from tests.protocols.spf.worlds import hearing

NAMES = [f"{letter}.example" for letter in "abcdef"]
CLIENTS = ["192.0.2.1", "192.0.2.77", "198.51.100.9", "2001:db8::1", "2001:db8:1::77", "::ffff:192.0.2.1"]
SENDERS = ["u@a.example", "\u00fc@a.example", "a.example", "strong-bad@a.example"]
TARGETS = [
    *NAMES,
    "gone.example",
    "slow.example",
    "%{d}",
    "x.%{o}",
    "%{l}.a.example",
    "%{ir}.list.example",
    "%{p}",
    "x",
]

_targets = st.sampled_from(TARGETS)
_qualifiers = st.sampled_from(["", "", "", "", "-", "~", "?", "+"])
_networks = st.builds(
    "{}ip4:{}/{}".format, _qualifiers, st.sampled_from(["192.0.2.1", "192.0.2.77", "198.51.100.0"]), st.integers(0, 32)
) | st.builds("{}ip6:{}/{}".format, _qualifiers, st.sampled_from(["2001:db8::1", "2001:db8:1::"]), st.integers(0, 128))
_asking = (
    st.builds("{}include:{}".format, _qualifiers, _targets)
    | st.builds("{}include:{}".format, _qualifiers, st.sampled_from(NAMES))
    | st.builds("{}a:{}{}".format, _qualifiers, _targets, st.sampled_from(["", "/24", "//64", "/0//0"]))
    | st.builds("{}mx:{}".format, _qualifiers, _targets)
    | st.builds("{}exists:{}".format, _qualifiers, _targets)
    | st.sampled_from(["a", "mx", "a/28", "mx/24//48", "ptr", "ptr:example", "-ptr:a.example"])
)
_ends = st.sampled_from(["", "", "-all", "~all", "all ip4:192.0.2.1"]) | st.builds("redirect={}".format, _targets)
_odd = st.sampled_from(["exp=why.example", "exp=%{p}.example", "x=y", "bad", "ip4:1.2.3", "a: b.example", "all -all"])


@st.composite
def _records(draw: st.DrawFn) -> str:
    terms = draw(st.lists(_networks | _asking | _networks, max_size=9))
    if draw(st.integers(0, 3)) == 0:
        terms.insert(draw(st.integers(0, len(terms))), draw(_odd))
    return " ".join(["v=spf1", *terms, draw(_ends)]).rstrip()


@st.composite
def _worlds(draw: st.DrawFn) -> dict[str, Any]:
    zone: dict[str, Any] = {
        "slow.example": Status.TIMEOUT,
        "why.example": "%{i} of %{s} (%{p}) at %{d}",
        "77.2.0.192.in-addr.arpa": {"PTR": draw(st.sampled_from([["a.example"], ["b.example", "x.a.example"], []]))},
    }
    for name in [*NAMES, "x.a.example", "strong-bad.a.example"]:
        entry: dict[str, Any] = {}
        if name in NAMES and draw(st.integers(0, 7)):
            entry["TXT"] = draw(st.lists(_records(), min_size=1, max_size=2 if draw(st.integers(0, 9)) == 0 else 1))
        entry["A"] = draw(st.lists(st.sampled_from(["192.0.2.1", "192.0.2.77", "no address"]), max_size=2))
        entry["AAAA"] = draw(st.lists(st.just("2001:db8::1"), max_size=1)) if draw(st.booleans()) else Status.SERVFAIL
        hosts = draw(st.lists(st.sampled_from([*NAMES, "gone.example", "slow.example", "."]), max_size=3))
        entry["MX"] = list(enumerate(hosts))
        zone[name] = entry
    return zone


@settings(max_examples=200, deadline=None)
@given(zone=_worlds(), client=st.sampled_from(CLIENTS), sender=st.sampled_from(SENDERS), strict=st.booleans())
def test_result_and_trace_are_those_of_a_walk_term_by_term(
    zone: dict[str, Any], client: str, sender: str, strict: bool
) -> None:
    """Every step, answer, counter, reason and explanation, and the questions in their order."""
    asked: list[str] = []
    expected: list[str] = []
    domain = sender.rpartition("@")[2]
    ours = drive(check_host(client, domain, sender, "h.example", strict_voids=strict), hearing(zone, asked))
    flow = reference.check_host(
        client, domain, f"@{sender}" if "@" not in sender else sender, "h.example", strict_voids=strict
    )
    theirs = drive(flow, hearing(zone, expected))
    assert asked == expected
    assert ours.trace == theirs.trace
    assert (ours.result, ours.reason) == (theirs.trace.result, theirs.trace.reason)
    assert ours.counts == (theirs.lookups, theirs.voids, theirs.voids_strict)
    assert (ours.explanation, ours.matched) == (theirs.explanation, theirs.matched)
    assert ours.unanswered == theirs.unanswered


@given(terms=st.lists(_networks, max_size=30), number=st.integers(0, 2**32 - 1) | st.just(0xC0000201))
def test_tables_name_the_first_network_that_holds_the_client(terms: list[str], number: int) -> None:
    """However many masks there are, the smallest place wins."""
    parsed = parse_record(" ".join(["v=spf1", *terms]))
    program = compiled.program_of(parsed)
    found = min((part.first(True, number) for part in program.parts if isinstance(part, Networks)), default=NOWHERE)
    holding = [
        place
        for place, d in enumerate(parsed.directives)
        if d.name == "ip4" and d.network & MASKS4[d.prefix4] == number & MASKS4[d.prefix4]
    ]
    assert found == (holding[0] if holding else NOWHERE)


@given(st.integers(0, 2**128 - 1) | st.builds(lambda n, s: n << 16 * s, st.integers(0, 2**32), st.integers(0, 6)))
def test_addresses_are_spelt_as_the_standard_library_spells_them(number: int) -> None:
    """RFC 5952, and back again."""
    if number >> 32 != 0xFFFF:  # mapped addresses: Python versions differ, and such a client is an IPv4 one
        assert text_of(number, 6) == str(ipaddress.IPv6Address(number))
    assert parse_ip6(ipaddress.IPv6Address(number).exploded) == parse_ip6(text_of(number, 6)) == number
    assert text_of(number & 0xFFFFFFFF, 4) == str(ipaddress.IPv4Address(number & 0xFFFFFFFF))


@settings(max_examples=200)
@given(
    st.text(alphabet="0123456789abcdefF:.", max_size=20)
    | st.from_regex(r"[0-9a-f:]{2,12}::?[0-9.]{0,12}", fullmatch=True)
)
def test_addresses_are_read_as_the_standard_library_reads_them(text: str) -> None:
    """Never more and never less is an address."""
    for parse, kind in ((parse_ip4, ipaddress.IPv4Address), (parse_ip6, ipaddress.IPv6Address)):
        try:
            expected: int | None = int(kind(text))
        except ValueError:
            expected = None
        assert parse(text) == expected


@settings(max_examples=250)
@given(
    st.lists(
        _networks
        | _asking
        | _ends
        | st.sampled_from(["redirect=a.example", "a:a.example", "-include:b.example", "", "mx", "ip4:192.0.2.1"])
        | st.from_regex(r"[-+~?]?(include|a|mx|exists|all|ptr)[:/]?[a-z0-9_.%/-]{0,9}", fullmatch=True)
        | st.text(alphabet="ip46:/.0129a~-+ %{}=\u00fc\t", max_size=12),
        max_size=6,
    ).map(" ".join)
)
def test_the_short_way_to_read_terms_finds_what_the_long_way_finds(text: str) -> None:
    """A record read with and without the short way is the same record."""
    text = f"v=spf1 {text}"
    usual = record.parse_record(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(record._Reader, "plain", lambda *_: False)
        assert record.parse_record.__wrapped__(text) == usual
    plain = compiled.plain_program(text)
    assert plain is None or plain == compiled.program_of(usual)


def test_what_is_kept_is_bounded() -> None:
    """Strangers write records: giants are read anew, and the table of records is emptied when it is full."""
    compiled.forget()
    giant = (b"v=spf1 " + b"ip4:192.0.2.1 " * (LARGEST_KEPT // 14 + 1),)
    assert published((giant,))[0] == 1
    assert not compiled._kept
    for number in range(compiled.MOST_KEPT + 1):
        published(((b"v=spf1 ip4:10.%d.%d.0/24" % divmod(number, 256),),))
    assert len(compiled._kept) == 1


def test_the_trace_is_made_once_and_only_when_it_is_read() -> None:
    """Who asks for the word alone pays for no trace."""
    found = drive(check_host("192.0.2.1", "a.example", "u@a.example", "h"), hearing({"a.example": "v=spf1 a -all"}))
    assert found.entered.told is None
    assert found.trace is found.trace
    assert [step.outcome for step in found.trace.steps] == ["no match", "match"]


def test_names_that_no_question_carries_are_not_asked() -> None:
    """RFC 1035 §2.3.4: 253 octets in all, labels of 1 to 63."""
    asked: list[str] = []
    zone = {"a.example": f"v=spf1 exists:{'y' * 64}.example a:x..example -all"}
    assert drive(check_host("192.0.2.1", "a.example", "u@a.example", "h"), hearing(zone, asked)).result == "fail"
    assert asked == [str(Question("a.example", "TXT"))]
