"""A monitoring plugin's output: status word and status agree, the data parse, and nothing from the world steers it."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given

from deliverkit.findings import Severity
from deliverkit.report import render
from deliverkit.report.model import Report
from deliverkit.report.nagios import STATES, plugin_status
from deliverkit.world.story import load_story, run_story
from tests.golden.render import ROOT
from tests.report.made import everything, hostile_reports, one, report, unknown

LABEL = r"(?:'(?:[^'=])+'|[a-z_]+)"
DATUM = re.compile(rf"{LABEL}=-?[0-9.]+s?;[0-9.]*;[0-9.]*;[0-9.]*")


def parts(text: str) -> tuple[str, list[str], list[str]]:
    """The status line, its data, and the long text, as Nagios parts them at the first ``|``."""
    first, *rest = text.rstrip("\n").split("\n")
    said, data = first.split("|")
    return said, re.findall(r"(?:'[^']*'|[^ '])+", data), rest


@given(hostile_reports())
def test_whatever_strangers_publish(reports: list[Report]) -> None:
    """One status line, data that parse, no other separator, and no more than Nagios reads."""
    text = render(reports, "nagios")
    said, data, rest = parts(text)
    assert re.match(f"DELIVERKIT {STATES[plugin_status(reports)]} - .", said)
    assert all(DATUM.fullmatch(datum) for datum in data), data
    assert not any("|" in line for line in rest)
    assert len(text.encode()) < 8192


@pytest.mark.parametrize(
    ("judged", "fail_on", "status"),
    [
        (report(), "error", 0),
        (report(one(Severity.NOTE)), "error", 0),
        (report(one(Severity.WARNING)), "error", 1),
        (report(one()), "error", 2),
        (report(inconclusive=(unknown(),)), "error", 3),
        (report(one(Severity.WARNING), inconclusive=(unknown(),)), "error", 3),
        (report(one(), inconclusive=(unknown(),)), "error", 2),
        (report(inconclusive=(unknown(decisive=False),)), "error", 0),
        (replace(report(), interrupted=True), "error", 3),
        (report(one(Severity.WARNING)), "warning", 2),
        (report(one(Severity.NOTE)), "note", 2),
        (report(one(), inconclusive=(unknown(),)), "never", 0),
    ],
)
def test_the_plugins_status(judged: Report, fail_on: str, status: int) -> None:
    """The gravest of all reports; the word says the same."""
    assert plugin_status([report(), judged], fail_on) == status
    assert render([report(), judged], "nagios", fail_on=fail_on).startswith(f"DELIVERKIT {STATES[status]} - ")


def test_nothing_judged_is_unknown() -> None:
    """A monitor must not be told that all is well."""
    assert render([], "nagios").startswith("DELIVERKIT UNKNOWN - nothing was judged|")


def test_the_line_and_its_data() -> None:
    """Counts and thresholds; the lookups of SPF where the facts tell them."""
    said, data, rest = parts(render([everything()], "nagios"))
    assert said.startswith("DELIVERKIT CRITICAL - example.com: 1 error, 1 warning, 1 note; 3 could not be told; ")
    assert said.endswith("; SPF004 too-many-lookups") or "SPF004" in said
    assert data == [
        "errors=1;;0;0", "warnings=1;0;;0", "notes=1;;;0", "unknown=3;;;0", "elapsed=0.400s;;;0"
    ]  # fmt: skip
    assert rest[0].startswith("example.com: fail, ")
    story = run_story(load_story(ROOT / "fixtures" / "stories" / "spf" / "eleven-lookups.toml"))
    assert "'spf_lookups example.com'=11;;10;0" in parts(render([story], "nagios"))[1]


def test_many_subjects_are_counted_and_the_gravest_told_first() -> None:
    """Before the cut."""
    said, _, rest = parts(render([report(), report(one(text="x" * 500))] * 60, "nagios"))
    assert said == "DELIVERKIT CRITICAL - 120 subjects, verdict fail: 60 errors; SPF999 some-fault"
    assert rest[0] == "example.com: fail, 1 error"
    assert rest[-1] == "…"
