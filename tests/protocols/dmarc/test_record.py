"""The DMARC record: what the law makes of a text, and the faults it names."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliverkit.protocols.dmarc.record import is_dmarc, looks_like_dmarc, parse_dmarc

SOUND = "v=DMARC1; p=reject; rua=mailto:dmarc@example.com"


def kinds(text: str) -> list[str]:
    """The kinds of the faults, in order of place."""
    return [fault.kind for fault in parse_dmarc(text).faults]


def test_a_sound_record_has_no_fault() -> None:
    """Every tag is read, and nothing is found fault with."""
    record = parse_dmarc(
        "v=DMARC1; p=quarantine; sp=reject; np=reject; adkim=s; aspf=r; fo=1; psd=n; t=y; "
        "rua=mailto:a@example.com, mailto:b@example.com; ruf=mailto:c@example.com;"
    )
    assert record.faults == ()
    assert (record.p, record.sp, record.np, record.adkim, record.aspf) == ("quarantine", "reject", "reject", "s", "r")
    assert (record.fo, record.psd, record.t) == (("1",), "n", True)
    assert [uri.host for uri in record.rua] == ["example.com", "example.com"]
    assert record.applies and record.policy_valid


def test_defaults() -> None:
    """Absent tags have the values of RFC 9989 §4.7."""
    record = parse_dmarc("v=DMARC1; p=none")
    assert (record.sp, record.np, record.adkim, record.aspf) == (None, None, "r", "r")
    assert (record.fo, record.psd, record.t, record.rua, record.ruf) == (("0",), "u", False, (), ())


@pytest.mark.parametrize(
    ("text", "taken"),
    [
        ("v=DMARC1", True),
        ("v=DMARC1;", True),
        ("V=DMARC1;p=none", True),
        ("v \t=\t DMARC1 ; p=none", True),
        ("v=dmarc1; p=none", False),
        ("v=DMARC2; p=none", False),
        ("v=DMARC1x; p=none", False),
        ("v=DMARC1 p=none", False),
        (" v=DMARC1; p=none", False),
        ('"v=DMARC1; p=none"', False),
        ("p=none; v=DMARC1", False),
        ("v=spf1 -all", False),
        ("", False),
    ],
)
def test_what_receivers_take_for_a_record(text: str, taken: bool) -> None:
    """v=DMARC1 first and to the letter; its name in any case, blanks around the equals sign."""
    assert is_dmarc(text) is taken
    assert parse_dmarc(text).version_ok is taken
    assert ("version" in kinds(text)) is not taken


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("v=dmarc1; p=none", "capitals"),
        ("v=DMARC1 p=none", "no semicolon"),
        ("  v=DMARC1; p=none", "blanks in front"),
        ("p=none; v=DMARC1", "not the first tag"),
        ("\u201cv=DMARC1; p=none\u201d", "does not start"),
        ("v=DMARC1\\; p=none", "not DMARC1"),
        ("v=DMARC; p=none", "not DMARC1"),
    ],
)
def test_a_record_that_is_ignored_says_why(text: str, words: str) -> None:
    """A near miss is recognised as meant, and the fault names the reason."""
    assert looks_like_dmarc(text)
    fault = next(fault for fault in parse_dmarc(text).faults if fault.kind == "version")
    assert fault.fatal and words in fault.detail


@pytest.mark.parametrize("text", ["v=spf1 -all", "some other text", "google-site-verification=p=none", "", "v=BIMI1"])
def test_unrelated_text_is_not_meant(text: str) -> None:
    """Other records at the name are left alone."""
    assert not looks_like_dmarc(text)


def test_p_is_not_found_inside_sp() -> None:
    """sp= holds no p=, whatever the order of the tags; unknown tags around them change nothing."""
    record = parse_dmarc("v=DMARC1; sp=none; x=p=reject; t=y; p=quarantine")
    assert (record.p, record.sp, record.t) == ("quarantine", "none", True)
    assert parse_dmarc("v=DMARC1; sp=reject").p is None


@pytest.mark.parametrize(
    ("text", "kind", "seen"),
    [
        ("v=DMARC1; p=rejct", "invalid-policy", "rejct"),
        ("v=DMARC1; p=", "invalid-policy", "p="),
        ("v=DMARC1; p=none; sp=never", "invalid-policy", "never"),
        ("v=DMARC1; p=none; np=all", "invalid-policy", "all"),
        ("v=DMARC1; p=none; adkim=strict", "invalid-value", "strict"),
        ("v=DMARC1; p=none; aspf=x", "invalid-value", "x"),
        ("v=DMARC1; p=none; psd=yes", "invalid-value", "yes"),
        ("v=DMARC1; p=none; t=1", "invalid-value", "1"),
        ("v=DMARC1; p=none; fo=2; ruf=mailto:a@example.com", "invalid-value", "2"),
        ("v=DMARC1; p=none; fo=1:d:s; ruf=mailto:a@example.com", "fo-combination", "fo=1:d:s"),
        ("v=DMARC1; p=none; fo=1", "fo-without-ruf", "fo=1"),
        ("v=DMARC1; p=none; pct=50", "removed-tag", "pct=50"),
        ("v=DMARC1; p=none; rf=afrf", "removed-tag", "rf=afrf"),
        ("v=DMARC1; p=none; ri=3600", "removed-tag", "ri=3600"),
        ("v=DMARC1; p=none; ruaa=mailto:a@example.com", "unknown-tag", "ruaa=mailto:a@example.com"),
        ("v=DMARC1; rua=mailto:a@example.com; p=none", "policy-not-second", "p=none"),
        ("v=DMARC1; p=none rua=mailto:a@example.com", "missing-semicolon", "none rua="),
        ("v=DMARC1; p=none;; sp=none", "empty-tag", ";;"),
        ("v=DMARC1; p=none; p=reject", "duplicate-tag", "p=reject"),
        ("v=DMARC1; p=none; rua=mailto:a@example.com!10m", "uri-size", "!10m"),
        ("v=DMARC1; p=none; rua=a@example.com", "uri-no-mailto", "a@example.com"),
        ("v=DMARC1; p=none; rua=example.com", "uri-no-scheme", "example.com"),
        ("v=DMARC1; p=none; rua=mailto:example.com", "uri-address", "mailto:example.com"),
        ("v=DMARC1; p=none; rua=mailto: a@example.com", "uri-character", " "),
        ("v=DMARC1; p=none; rua=mailto:a@example.com,", "uri-empty", ","),
        ("v=DMARC1; p=none; rua=mailto:a@example.com;mailto:b@example.com", "no-equals", "mailto:b@example.com"),
        ("v=DMARC1; p=\u201cnone\u201d", "typographic-quote", "\u201c"),
        ("v=DMARC1; p=none\\; sp=none", "escaped-semicolon", "\\;"),
    ],
)
def test_each_fault_has_its_place(text: str, kind: str, seen: str) -> None:
    """The fault is named, and its span shows the guilty characters."""
    faults = [fault for fault in parse_dmarc(text).faults if fault.kind == kind]
    assert [text[slice(*fault.span)] for fault in faults][:1] == [seen]


def test_a_syntax_error_in_a_tag_gives_its_default() -> None:
    """The rest of the record stays in force (RFC 9989 §4.7)."""
    record = parse_dmarc("v=DMARC1; p=reject; adkim=strict; aspf=; psd=maybe; t=perhaps; fo=x")
    assert (record.p, record.adkim, record.aspf, record.psd, record.t) == ("reject", "r", "r", "u", False)
    assert record.applies


@pytest.mark.parametrize(
    ("text", "asked", "applies"),
    [
        ("v=DMARC1; p=reject", "reject", True),
        ("v=DMARC1; p=Reject", "reject", True),
        ("v=DMARC1; rua=mailto:a@example.com", "none", True),
        ("v=DMARC1; p=rejct; rua=mailto:a@example.com", "none", True),
        ("v=DMARC1; p=reject; sp=rejct; rua=mailto:a@example.com", "none", True),
        ("v=DMARC1; p=reject; np=; rua=mailto:a@example.com", "none", True),
        ("v=DMARC1; p=reject; sp=rejct", None, False),
        ("v=DMARC1; p=rejct; rua=a@example.com", None, False),
        ("v=DMARC1", None, False),
    ],
)
def test_without_a_valid_policy_the_report_address_decides(text: str, asked: str | None, applies: bool) -> None:
    """As if p=none with a valid rua, no DMARC without (RFC 9989 §4.10.1)."""
    record = parse_dmarc(text)
    assert record.applies is applies
    if applies:
        assert record.asked("p")[0] == asked


def test_np_falls_back_to_sp_and_sp_to_p() -> None:
    """The tag that decides is named with its value."""
    assert parse_dmarc("v=DMARC1; p=reject").asked("np") == ("reject", "p")
    assert parse_dmarc("v=DMARC1; p=reject; sp=none").asked("np") == ("none", "sp")
    assert parse_dmarc("v=DMARC1; p=reject; sp=none; np=quarantine").asked("np") == ("quarantine", "np")
    assert parse_dmarc("v=DMARC1; p=reject; np=none").asked("sp") == ("reject", "p")


def test_uris_in_any_shape() -> None:
    """Percent-encoding, a query, an https: URI with port and path: the host comes out."""
    record = parse_dmarc(
        "v=DMARC1; p=none; rua=mailto:a%2Cb@example.com?subject=x,https://Reports.Example:8443/x,ftp:nothing"
    )
    assert [(uri.scheme, uri.host, uri.valid) for uri in record.rua] == [
        ("mailto", "example.com", True),
        ("https", "reports.example", True),
        ("ftp", None, False),
    ]


@given(st.text(max_size=300) | st.text('v=DMARC1;p nosu ra:@.,!\\"\u201c\t', max_size=120).map("v=DMARC1;".__add__))
def test_reading_never_raises(text: str) -> None:
    """Any text is read, and every fault lies inside it."""
    record = parse_dmarc(text)
    looks_like_dmarc(text)
    for fault in record.faults:
        assert 0 <= fault.span[0] <= fault.span[1] <= len(text)
    for uri in (*record.rua, *record.ruf):
        assert text[slice(*uri.span)] == uri.text
    if record.applies:
        assert record.asked("np")[0] in ("none", "quarantine", "reject")


@pytest.mark.parametrize("unit", [";", "a=;", "p=none;", "rua=mailto:a@example.com,", " ", "\u201c", "\\;", "x"])
def test_reading_takes_linear_time(unit: str) -> None:
    """A TXT of 60 kB, whatever is in it, is read at once."""
    text = "v=DMARC1; rua=" + unit * (60_000 // len(unit))
    began = time.process_time()
    parse_dmarc(text)
    assert time.process_time() - began < 2
