"""What a DMARC finding offers to publish: the record that was meant, nothing invented, nothing valid lost."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliverkit.protocols.dmarc.record import parse_dmarc
from deliverkit.rules.dmarc.repair import mended, repaired, rewritten

RUA = "rua=mailto:a@example.com"


@pytest.mark.parametrize(
    ("text", "offered"),
    [
        (f"v=DMARC1; p=reject; {RUA}", f"v=DMARC1; p=reject; {RUA}"),
        ("v=dmarc1; p=reject", "v=DMARC1; p=reject"),
        ("v=DMARC1 p=reject", "v=DMARC1; p=reject"),
        ("p=reject; v=DMARC1", "v=DMARC1; p=reject"),
        ('"v=DMARC1; p=reject"', "v=DMARC1; p=reject"),
        ("\u201cv=DMARC1; p=reject\u201d", "v=DMARC1; p=reject"),
        ("v=DMARC1\\; p=reject\\;", "v=DMARC1; p=reject"),
        ("v=DMARC1; p=\u201creject\u201d", "v=DMARC1; p=reject"),
        (f"v=DMARC1; p=reject {RUA}", f"v=DMARC1; p=reject; {RUA}"),
        (f"v=DMARC1; p=reject, {RUA}", f"v=DMARC1; p=reject; {RUA}"),
        (
            "v=DMARC1; p=none; rua=mailto:a@example.com;mailto:b@example.com",
            f"v=DMARC1; p=none; {RUA},mailto:b@example.com",
        ),
        ("v=DMARC1; p=none; rua=a@example.com", f"v=DMARC1; p=none; {RUA}"),
        ("v=DMARC1; p=none; rua=mailto:a@example.com!10m", f"v=DMARC1; p=none; {RUA}"),
        ("v=DMARC1; p=none; adkim=strict; aspf=relaxed", "v=DMARC1; p=none; adkim=s"),
        ("v=DMARC1; p=none; pct=50; rf=afrf; x=1", "v=DMARC1; p=none"),
        ("v=DMARC1; p=none; fo=1", "v=DMARC1; p=none"),
        (f"v=DMARC1; sp=reject; {RUA}", f"v=DMARC1; p=none; sp=reject; {RUA}"),
    ],
)
def test_what_was_meant(text: str, offered: str) -> None:
    """Slips of the pen are put right, what is void is left out."""
    assert rewritten(mended(text)) == offered


def test_nothing_is_invented() -> None:
    """A record without policy and address is not made up."""
    assert repaired("v=DMARC2; adkim=s") is None
    assert repaired("v=dmarc1") is None


@given(st.text(max_size=120) | st.text('v=DMARC1; pns=oreject,ua:mailto@.x\\"', max_size=100))
def test_any_text_gives_a_faultless_record(text: str) -> None:
    """Whatever stood there, what is offered has no fault, and mending it again changes nothing."""
    offered = rewritten(mended(text))
    assert parse_dmarc(offered).faults == ()
    assert rewritten(mended(offered)) == offered
