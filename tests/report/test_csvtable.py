"""CSV is read back by Python's reader, a row a finding, and no cell is a formula."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator

import pytest
from hypothesis import given

from deliverkit.report import render
from deliverkit.report.csvtable import COLUMNS
from deliverkit.report.model import Report
from tests.report.made import bare, everything, hostile_reports, one, report


def rows(*reports: Report) -> Iterator[dict[str, str]]:
    """The rows under the head."""
    text = render(reports, "csv")
    assert text.endswith("\r\n")
    assert "\n" not in text.replace("\r\n", "")
    text.encode("utf-8")
    table = csv.DictReader(io.StringIO(text, newline=""), strict=True)
    assert table.fieldnames == list(COLUMNS)
    return iter(list(table))


@given(hostile_reports())
def test_whatever_strangers_publish_is_one_row(reports: list[Report]) -> None:
    """Every row has every column, and none begins as a formula does."""
    found = list(rows(*reports))
    assert len(found) == sum(len(r.findings) + len(r.ignored) for r in reports)
    for row in found:
        assert list(row) == list(COLUMNS)
        assert not any(cell.lstrip().startswith(("=", "+", "-", "@", "\t", "\r")) for cell in row.values())


def test_what_a_row_holds() -> None:
    """Where it stands, what was seen, what to do."""
    (row,) = rows(report(one()))
    assert (row["rule"], row["severity"], row["verdict"]) == ("SPF999", "error", "fail")
    assert (row["file"], row["line"]) == ("zone", "3")
    assert (row["evidence"], row["value"]) == ("example.com TXT", "v=spf1 include:a what is wrong here -all")
    assert row["publish"] == 'example.com. TXT "v=spf1 mx -all"'
    assert (row["ignored_by"], row["reason"], row["until"]) == ("", "", "")
    (absent,) = rows(report(bare()))
    assert (absent["file"], absent["line"]) == ("", "")


def test_ignored_findings_have_rows_too() -> None:
    """With who says so, why and until when."""
    told = [(row["rule"], row["ignored_by"], row["reason"], row["until"]) for row in rows(everything())]
    assert told[3:] == [
        ("DKIM001", "ignore", "the provider moves the key", "2027-01-31"),
        ("DMARC999", "baseline", "", ""),
    ]


@pytest.mark.parametrize("formula", ["=1+1", "+1", "-1", "@SUM(A1)", " =1", "＝1"])
def test_a_formula_is_text(formula: str) -> None:
    """By an apostrophe in front, which spreadsheets do not show."""
    (row,) = rows(report(one(text=formula)))
    assert row["detail"] == f"'{formula}"
