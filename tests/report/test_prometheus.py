"""Prometheus' own parser reads the metrics, and no series is there twice."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from hypothesis import given
from prometheus_client.parser import text_string_to_metric_families

from deliverkit.findings import Severity
from deliverkit.report import render
from deliverkit.report.model import Report, Subject
from deliverkit.report.places import number
from deliverkit.world.story import load_story, run_story
from tests.golden.render import ROOT
from tests.report.made import everything, hostile_reports, one, report

Series = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def series(*reports: Report) -> Series:
    """All samples by name and labels; each name has HELP and TYPE, and each series is there once."""
    text = render(reports, "prometheus")
    found = []
    for family in text_string_to_metric_families(text):
        assert (family.type, bool(family.documentation)) == ("gauge", True)
        found += [((s.name, tuple(sorted(s.labels.items()))), s.value) for s in family.samples]
    assert max(Counter(key for key, _ in found).values()) == 1
    names = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE ")]
    assert len(names) == len(set(names))
    return dict(found)


def value(found: Series, name: str, **labels: str) -> float | None:
    """One sample of the domain example.com."""
    told = {"kind": "domain", "subject": "example.com", **labels}
    return found.get((name, tuple(sorted(told.items()))))


@given(hostile_reports())
def test_whatever_strangers_publish_is_read(reports: list[Report]) -> None:
    """And nothing is lost in the counting."""
    found = series(*reports)
    counted = sum(v for (name, _), v in found.items() if name == "deliverkit_findings")
    assert counted == sum(number(reports, severity) for severity in Severity)


def test_what_is_told_of_a_subject() -> None:
    """Findings by rule, verdict as a set of states, what could not be told, when and how long."""
    found = series(everything())
    assert value(found, "deliverkit_findings", rule="SPF004", severity="error") == 1
    assert value(found, "deliverkit_ignored_findings", rule="DKIM001", by="ignore") == 1
    verdicts = {v: value(found, "deliverkit_verdict", verdict=v) for v in ("pass", "risk", "fail", "unknown")}
    assert verdicts == {"pass": 0, "risk": 0, "fail": 1, "unknown": 0}
    assert value(found, "deliverkit_inconclusive", decisive="true") == 2
    assert value(found, "deliverkit_inconclusive", decisive="false") == 1
    assert value(found, "deliverkit_rules", outcome="passed") == 2
    assert value(found, "deliverkit_run_duration_seconds") == 0.4
    assert value(found, "deliverkit_last_run_timestamp_seconds") == 1795341600
    assert value(found, "deliverkit_spf_lookups") is None
    story = run_story(load_story(ROOT / "fixtures" / "stories" / "spf" / "eleven-lookups.toml"))
    assert value(series(story), "deliverkit_spf_lookups") == 11


def test_subjects_that_appear_twice_are_one_series() -> None:
    """Their findings are added, the gravest verdict counts; another kind is another subject."""
    found = series(
        report(one()), report(one(), one(Severity.NOTE)), replace(report(), subject=Subject("zone", "example.com"))
    )
    assert value(found, "deliverkit_findings", rule="SPF999", severity="error") == 2
    assert value(found, "deliverkit_verdict", verdict="fail") == 1
    assert value(found, "deliverkit_verdict", kind="zone", verdict="pass") == 1


def test_labels_are_escaped() -> None:
    """A file name with everything in it."""
    name = 'a\\b"c\nd{e="f"}'
    found = series(replace(report(), subject=Subject("message", name)))
    assert value(found, "deliverkit_verdict", kind="message", subject='a\\b"c\\x0ad{e="f"}', verdict="pass") == 1
