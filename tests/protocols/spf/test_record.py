"""The SPF record parser: terms, faults and their places; whatever people publish, it never raises."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliverkit.protocols.spf.record import Directive, Modifier, Result, is_spf, parse_record, select


def fault(text: str) -> tuple[str, str]:
    """Kind of the one fault of ``v=spf1 text``, and the text at its place."""
    record = parse_record(f"v=spf1 {text}")
    assert len(record.faults) == 1, record.faults
    start, end = record.faults[0].span
    return record.faults[0].kind, record.text[start:end]


def test_terms_in_order() -> None:
    """Qualifiers, mechanisms with their arguments, and modifiers are all there."""
    record = parse_record("v=spf1 ip4:192.0.2.0/24 ~A:mail.example.com/28//64 ?mx -all redirect=x.example.com ra=abuse")
    assert [t.name for t in record.terms] == ["ip4", "a", "mx", "all", "redirect", "ra"]
    first, second, *_ = record.terms
    assert isinstance(first, Directive) and (first.network, first.prefix4) == (0xC0000200, 24)
    assert isinstance(second, Directive) and (second.prefix4, second.prefix6) == (28, 64)
    assert second.spec is not None and second.spec.text == "mail.example.com"
    assert [d.result for d in record.directives] == [Result.PASS, Result.SOFTFAIL, Result.NEUTRAL, Result.FAIL]
    assert isinstance(record.redirect, Modifier) and record.effective_redirect is None
    assert record.faults == ()


@pytest.mark.parametrize(
    ("text", "selected"),
    [
        ("v=spf1", True),
        ("V=SpF1 -all  ", True),
        (" v=spf1 -all", False),
        ("v=spf10", False),
        ("v=spf1;", False),
        ("v=spf1\t-all", False),
        ('"v=spf1 -all"', False),
        ("", False),
    ],
)
def test_selection(text: str, selected: bool) -> None:
    """Exactly v=spf1 in any case, then a space or the end (RFC 7208 §4.5)."""
    assert is_spf(text) is selected
    assert select(["x", text]) == ((1,) if selected else ())


@pytest.mark.parametrize(
    ("text", "kind", "place"),
    [
        ("ip4:192.0.2.1~all", "missing-space", "~all"),
        ("include:example.com~all", "missing-space", "~all"),
        ("mx~all", "missing-space", "~all"),
        ("ip4:192.0.2.1/032", "leading-zero", "032"),
        ("a/00", "leading-zero", "00"),
        ("ip4:192.0.2.1/33", "bad-prefix", "33"),
        ("ip4:192.0.2.1/", "bad-prefix", ""),
        ("a//129", "bad-prefix", "129"),
        ("a/24/64", "bad-prefix", "/24/64"),
        ("ip4:192.0.2", "bad-ip4", "192.0.2"),
        ("ip4:192.0.2.010", "bad-ip4", "192.0.2.010"),
        ("ip4:2001:db8::1", "bad-ip4", "2001:db8::1"),
        ("ip6:fe80::1%25eth0", "bad-ip6", "fe80::1%25eth0"),
        ("ip6:192.0.2.1", "bad-ip6", "192.0.2.1"),
        ("ip4", "missing-argument", "ip4"),
        ("include", "missing-argument", "include"),
        ("include:", "empty-argument", "include:"),
        ("exists:", "empty-argument", "exists:"),
        ("redirect=", "empty-argument", "redirect="),
        ("exp=", "empty-argument", "exp="),
        ("all:example.com", "unexpected-argument", ":example.com"),
        ("include/24", "unexpected-argument", "/24"),
        ("ptr:com", "bad-domain", "com"),
        ("a:example.123", "bad-domain", "example.123"),
        ("a:192.0.2.1", "ip-as-domain", "192.0.2.1"),
        ("mx:2001:db8::1", "ip-as-domain", "2001:db8::1"),
        ("ipv4:192.0.2.1", "unknown-mechanism", "ipv4:192.0.2.1"),
        ("-all;", "stray-punctuation", "-all;"),
        ("192.0.2.0/24", "bare-address", "192.0.2.0/24"),
        ("redirect:example.com", "modifier-with-colon", "redirect:example.com"),
        ("-redirect=example.com", "qualifier-on-modifier", "-redirect=example.com"),
        ("exists:%{c}.example.com", "exp-only-macro", "%{c}"),
        ("exists:%{x}.example.com", "unknown-macro", "%{x}"),
        ("exists:%{d0}.example.com", "macro-syntax", "%{d0}"),
        ("exists:%(ir).example.com", "macro-syntax", "%("),
        ("default=%abc", "macro-syntax", "%a"),
        ("include:\u201cexample.com\u201d", "typographic-quote", "\u201c"),
        ("a:ex\u00e4mple.com", "non-ascii", "\u00e4"),
        ("mx\tptr", "control-character", "\t"),
    ],
)
def test_fatal_faults_and_their_places(text: str, kind: str, place: str) -> None:
    """Each of these makes the record a permerror, and the fault points at the guilty characters."""
    found, shown = fault(text) if "default" not in text else _first(text)
    assert (found, shown) == (kind, place)
    assert parse_record(f"v=spf1 {text}").fatal is not None


def _first(text: str) -> tuple[str, str]:
    record = parse_record(f"v=spf1 {text}")
    assert record.fatal is not None
    return record.fatal.kind, record.text[slice(*record.fatal.span)]


@pytest.mark.parametrize("text", ["include=example.com", "default=pass", "moo.cow-far_out=man:dog/cat"])
def test_unknown_modifiers_are_no_syntax_errors(text: str) -> None:
    """name=value is ignored, also where a mechanism was meant (RFC 7208 §6)."""
    record = parse_record(f"v=spf1 {text} -all")
    assert record.fatal is None and len(record.faults) == 1


def test_every_fault_is_told() -> None:
    """The parser does not stop at the first fault."""
    record = parse_record("v=spf1 ip4:300.1.1.1 ipv6:2001:db8::1 include: a/33 redirect=a.example redirect=b.example")
    kinds = [f.kind for f in record.faults]
    assert kinds == ["bad-ip4", "unknown-mechanism", "empty-argument", "bad-prefix", "repeated-modifier"]


def test_repeated_modifiers_after_all_count() -> None:
    """Modifiers are read wherever they stand (RFC 7208 §6)."""
    assert fault("-all exp=a.example exp=b.example")[0] == "repeated-modifier"


def test_terms_are_matched_whole() -> None:
    """a:mxhost is an a term; mx is no part of it."""
    record = parse_record("v=spf1 a:mxhost.example.com a:include.example.com -all")
    assert [d.name for d in record.directives] == ["a", "a", "all"]


_PIECES = [
    "v=spf1 ", "v=spf1", "include:", "include", "a", "mx/24//64", ":", "/", "//", "=", "%{", "%{d}", "%{ir}", "}", "%%",
    "%", "redirect=", "exp=", "ip4:", "192.0.2.1", "/24", "ip6:", "::1", "-all", "~", "?", "+", "all", "example.com",
    ".", "..", ";", ",", '"', "\u201c", "\u00e4", "\t", "\r\n", "\x00", "\udc80", " ", "  ",
]  # fmt: skip


@given(st.one_of(st.text(), st.lists(st.sampled_from(_PIECES), max_size=40).map("".join)))
def test_never_raises_and_spans_lie_inside(text: str) -> None:
    """Any text gives a record whose terms and faults point into it."""
    record = parse_record(text)
    for start, end in [*(t.span for t in record.terms), *(f.span for f in record.faults)]:
        assert 0 <= start <= end <= len(text)
    for term in record.terms:
        assert text[slice(*term.span)] == term.text
    assert record.fatal is not None or is_spf(text)


@pytest.mark.parametrize(
    "unit",
    [
        "%{",
        "a:",
        ":",
        "/1",
        "a ",
        "~all",
        "1",
        "-",
        "exp=a.b ",
        "ip4:1.1.1.1 ",
        "%{d",
        "include:a.b/",
        "a-a.",
        "\u201c",
    ],
)
def test_hostile_lengths_take_linear_time(unit: str) -> None:
    """60,000 octets of anything are parsed in a moment."""
    began = time.process_time()
    parse_record.__wrapped__(("v=spf1 a:" + unit * 60_000)[:60_000] + "!")
    assert time.process_time() - began < 2
