"""The text of a check: few subjects in full, many by what is wrong with them; nothing is left out without a word."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from deliverkit.facts.vantage import Vantage
from deliverkit.findings import Finding, Fix, Inconclusive, Severity
from deliverkit.report import render
from deliverkit.report.model import Ignored, Report, Subject

AT = datetime(2026, 11, 22, tzinfo=UTC)


def report(name: str, kind: str = "domain", *findings: Finding) -> Report:
    """A report without facts, as a check makes it for text."""
    return Report(Subject(kind, name), Vantage("offline"), AT, 0.0, findings=findings)


def found(name: str, severity: Severity) -> Finding:
    """A finding on a domain."""
    return Finding(
        f"R{severity.rank:03d}", "slug", severity, name, f"Title of {severity}.", "detail", (), Fix("do"), "§ 1"
    )


def many(*special: Report) -> list[Report]:
    """A configuration and 30 sound zones beside the special ones."""
    return [report("deliverkit.toml", "configuration"), *(report(f"z{i}", "zone") for i in range(30)), *special]


def test_sound_subjects_share_a_line() -> None:
    """With their number, and the first few by name."""
    text = render(many(), "text")
    assert text == "Sound: configuration deliverkit.toml; 30 zones: z0, z1, z2, z3, z4 and 25 more\n"


def test_of_many_the_notes_are_told_by_rule() -> None:
    """Each with the number of its subjects; what is graver stands in full."""
    noted = [report(f"d{i}", "domain", found(f"d{i}", Severity.NOTE)) for i in range(12)]
    wrong = report("bad", "domain", found("bad", Severity.ERROR), found("bad", Severity.NOTE))
    text = render(many(*noted, wrong), "text", width=200)
    assert "R002 Title of note. 13 subjects: d0, d1, d2, d3, d4 and 8 more" in text
    assert text.count("ERROR R000") == 1
    assert "bad: FAIL" in text
    assert "d0: " not in text
    assert "12 domains: d0" in text.splitlines()[-1] or "12 domains: d0" in text


def test_of_few_everything_stands_in_full() -> None:
    """A note too."""
    text = render([report("z", "zone"), report("d", "domain", found("d", Severity.NOTE))], "text")
    assert "NOTE R002" in text
    assert text.endswith("Sound: zone z\n")


@pytest.mark.parametrize(
    "special",
    [
        replace(report("x"), interrupted=True),
        replace(report("x"), inconclusive=(Inconclusive("R000", "x", "timeout", decisive=True),)),
        replace(report("x"), ignored=(Ignored(found("x", Severity.ERROR), "ignore", "rollout", date(2027, 1, 31)),)),
        replace(report("x"), fixed=("R000 Title.",)),
    ],
    ids=["interrupted", "unknown", "ignored", "fixed"],
)
def test_what_is_not_simply_sound_has_its_own_lines(special: Report) -> None:
    """Among many, too."""
    assert "\nx: " in "\n" + render(many(special), "text")


def test_a_zone_is_told_from_the_domain_of_its_name() -> None:
    """Both may have findings."""
    text = render([report("d", "zone", found("d", Severity.ERROR)), report("d")], "text")
    assert text.startswith("zone d: FAIL")


def test_other_verbs_are_shown_as_ever() -> None:
    """Two sound domains of an audit: a block each."""
    text = render([report("a"), report("b")], "text")
    assert text.startswith("a: PASS")
    assert "\n\nb: PASS" in text
