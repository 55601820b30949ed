"""The BIMI assertion record (draft-brand-indicators-for-message-identification)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliverkit.protocols.bimi import is_bimi, looks_like_bimi, parse_bimi

LOGO = "l=https://example.com/logo.svg"


def test_a_sound_record() -> None:
    """Logo, certificate, preference and prefixes are read."""
    record = parse_bimi(f"v=BIMI1; {LOGO}; a=https://example.com/vmc.pem; avp=Brand; lps=news, sales;")
    assert record.valid and record.selected and record.faults == ()
    assert (record.location, record.evidence) == ("https://example.com/logo.svg", "https://example.com/vmc.pem")
    assert (record.preference, record.local_parts, record.declines) == ("brand", ("news", "sales"), False)


@pytest.mark.parametrize("text", ["v=BIMI1; l=; a=;", "v=BIMI1; l=", "v=BIMI1;l=;"])
def test_a_record_may_decline(text: str) -> None:
    """Empty l and a say: show nothing. That is no fault."""
    record = parse_bimi(text)
    assert record.declines and record.valid and record.faults == ()


@pytest.mark.parametrize(
    ("text", "kind", "seen", "fatal"),
    [
        (f"v=bimi1; {LOGO}", "version", "v=bimi1;", True),
        (f"{LOGO}; v=BIMI1", "version", "l=https:", True),
        ("v=BIMI1; a=https://example.com/vmc.pem", "no-location", "v=BIMI1; a=https://example.com/vmc.pem", True),
        ("v=BIMI1; l=; a=https://example.com/vmc.pem", "no-location", "l=", True),
        ("v=BIMI1; l=http://example.com/logo.svg", "not-https", "http://example.com/logo.svg", True),
        (f"v=BIMI1; {LOGO}; a=vmc.pem", "not-https", "vmc.pem", True),
        ("v=BIMI1; l=https:///logo.svg", "bad-uri", "https:///logo.svg", True),
        ("v=BIMI1; l=https://[::1/logo.svg", "bad-uri", "https://[::1/logo.svg", True),
        ("v=BIMI1; l=https://example.com/lo go.svg", "bad-uri", "https://example.com/lo go.svg", True),
        ("v=BIMI1; l=https://example.com/logo.png", "not-svg", "https://example.com/logo.png", False),
        (
            f"v=BIMI1; {LOGO},https://example.com/b.svg",
            "several-locations",
            f"{LOGO[2:]},https://example.com/b.svg",
            True,
        ),
        (f"v=BIMI1; {LOGO}; avp=company", "invalid-value", "avp=company", False),
        (f"v=BIMI1; {LOGO}; z=1", "unknown-tag", "z=1", False),
    ],
)
def test_faults_have_their_place(text: str, kind: str, seen: str, fatal: bool) -> None:
    """The fault is named, its span shows the guilty characters, and fatal means the record cannot be used."""
    record = parse_bimi(text)
    faults = [fault for fault in record.faults if fault.kind == kind]
    assert [(text[slice(*fault.span)], fault.fatal) for fault in faults] == [(seen, fatal)]
    assert record.valid is not fatal


def test_what_receivers_count_and_what_was_meant() -> None:
    """A near miss is recognised as meant but not counted; other records are neither."""
    assert is_bimi("v = BIMI1 ; l=") and not is_bimi("v=BIMI10; l=") and not is_bimi("v=bimi1")
    assert looks_like_bimi('"v=BIMI1; l="') and not looks_like_bimi("v=DMARC1; p=none")


@given(
    st.text(max_size=200) | st.text("v=BIMI1;la https:/.sg%[]@\u201c", max_size=80).map("v=BIMI1; l=https://".__add__)
)
def test_reading_never_raises(text: str) -> None:
    """Any text is read, and every fault lies inside it."""
    for fault in parse_bimi(text).faults:
        assert 0 <= fault.span[0] <= fault.span[1] <= len(text)
