"""The TXT records of TLS-RPT (RFC 8460 §3) and MTA-STS (RFC 8461 §3.1), with the suites of mox."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliverkit.protocols.mtasts import MtaStsRecord, is_mtasts, looks_like_mtasts, parse_mtasts
from deliverkit.protocols.tlsrpt import TlsRptRecord, is_tlsrpt, looks_like_tlsrpt, parse_tlsrpt

SUITES = Path(__file__).parents[2] / "fixtures" / "conformance"
TLSRPT: list[dict[str, Any]] = json.loads((SUITES / "tlsrpt-mox" / "record.json").read_text("utf-8"))
MTASTS: list[dict[str, Any]] = json.loads((SUITES / "mta-sts-mox" / "record.json").read_text("utf-8"))


def test_the_suites_are_whole() -> None:
    """20 TLS-RPT and 18 MTA-STS records."""
    assert (len(TLSRPT), len(MTASTS)) == (20, 18)


@pytest.mark.conformance("tlsrpt-mox")
@pytest.mark.parametrize("case", TLSRPT, ids=[case["input"][:60] for case in TLSRPT])
def test_tlsrpt_case(case: dict[str, Any]) -> None:
    """Valid or not, the addresses and the extensions are those of the suite."""
    record = parse_tlsrpt(case["input"])
    assert record.valid is case["valid"]
    if case["valid"]:
        assert [uri.text for uri in record.rua] == case["rua"]
        assert [list(pair) for pair in record.extensions] == case["extensions"]


@pytest.mark.conformance("mta-sts-mox")
@pytest.mark.parametrize("case", MTASTS, ids=[case["input"][:60] for case in MTASTS])
def test_mtasts_case(case: dict[str, Any]) -> None:
    """Valid or not, the id and the extensions are those of the suite."""
    record = parse_mtasts(case["input"])
    assert record.valid is case["valid"]
    if case["valid"]:
        assert record.id == case["id"]
        assert [list(pair) for pair in record.extensions] == case["extensions"]


@pytest.mark.parametrize(
    ("text", "kind", "seen"),
    [
        ("v=tlsrptv1; rua=mailto:a@example.com", "version", "v=tlsrptv1"),
        ("v=TLSRPTv1 rua=mailto:a@example.com", "version", "v=TLSRPTv1 rua=mailto:a@example.com"),
        (" v=TLSRPTv1; rua=mailto:a@example.com", "version", " "),
        ("v=TLSRPTv1;; rua=mailto:a@example.com", "empty-field", ";;"),
        ("v=TLSRPTv1; rua = mailto:a@example.com", "blank-around-equals", " = "),
        ("v=TLSRPTv1; mailto:a@example.com", "no-equals", "mailto:a@example.com"),
        ("v=TLSRPTv1; rua=a@example.com", "uri-no-mailto", "a@example.com"),
        ("v=TLSRPTv1; rua=ftp://example.com/x", "uri-scheme", "ftp://example.com/x"),
        ("v=TLSRPTv1; rua=mailto:a@example.com; rua=mailto:b@example.com", "two-rua", "rua=mailto:b@example.com"),
        ("v=TLSRPTv1; rua=mailto:a@example.com; x=é", "not-ascii", "é"),
        ("v=TLSRPTv1; ruf=mailto:a@example.com", "no-rua", "v=TLSRPTv1; ruf=mailto:a@example.com"),
    ],
)
def test_tlsrpt_faults_have_their_place(text: str, kind: str, seen: str) -> None:
    """The fault is named, and its span shows the guilty characters."""
    faults = [fault for fault in parse_tlsrpt(text).faults if fault.kind == kind]
    assert [text[slice(*fault.span)] for fault in faults] == [seen]


@pytest.mark.parametrize(
    ("text", "kind", "seen"),
    [
        ("v=STSV1; id=1", "version", "v=STSV1"),
        ("v=STSv1; ID=1", "no-id", "v=STSv1; ID=1"),
        ("v=STSv1; id=2026-01-01", "bad-id", "id=2026-01-01"),
        ("v=STSv1; id=1; id=2", "two-ids", "id=2"),
        ("v=STSv1; id=1; x", "no-equals", "x"),
    ],
)
def test_mtasts_faults_have_their_place(text: str, kind: str, seen: str) -> None:
    """The fault is named, and its span shows the guilty characters."""
    faults = [fault for fault in parse_mtasts(text).faults if fault.kind == kind]
    assert [text[slice(*fault.span)] for fault in faults] == [seen]


def test_what_senders_count_and_what_was_meant() -> None:
    """A near miss is recognised as meant but not counted; other records are neither."""
    assert is_tlsrpt("v=TLSRPTv1;rua=x") and not is_tlsrpt("v=tlsrptv1; rua=x") and not is_tlsrpt("v=TLSRPTv10;")
    assert (
        looks_like_tlsrpt("v=tlsrptv1; rua=x")
        and looks_like_tlsrpt('"v=TLSRPTv1"')
        and not looks_like_tlsrpt("v=STSv1")
    )
    assert is_mtasts("v=STSv1; id=1") and not is_mtasts("v=stsv1; id=1")
    assert looks_like_mtasts("v=stsv1; id=1") and looks_like_mtasts("v=MTA-STSv1") and not looks_like_mtasts("v=spf1")


texts = st.text(max_size=200) | st.text("v=TLSRPTv1;STS idrua:@,\t!%", max_size=80).map("v=TLSRPTv1;".__add__)


@pytest.mark.parametrize("parse", [parse_tlsrpt, parse_mtasts])
@given(text=texts)
def test_reading_never_raises(parse: Callable[[str], TlsRptRecord | MtaStsRecord], text: str) -> None:
    """Any text is read, and every fault lies inside it."""
    for fault in parse(text).faults:
        assert 0 <= fault.span[0] <= fault.span[1] <= len(text)


@pytest.mark.parametrize("unit", [";", "a=b;", "rua=a,", " ", "é"])
def test_reading_takes_linear_time(unit: str) -> None:
    """A TXT of 60 kB is read at once."""
    began = time.process_time()
    parse_tlsrpt("v=TLSRPTv1; rua=" + unit * (60_000 // len(unit)))
    parse_mtasts("v=STSv1; id=" + unit * (60_000 // len(unit)))
    assert time.process_time() - began < 2
