"""A baseline: what it holds does not count, what is new or graver does, and a file comes back as it was written."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliverkit.config import BadConfig
from deliverkit.engine.baseline import BaselineEntry, baseline_text, entries_of, laid_aside, read_baseline, stale
from deliverkit.facts.vantage import Vantage
from deliverkit.findings import Evidence, Finding, Fix, Inconclusive, Severity
from deliverkit.report.model import Report, Subject, sort_findings

AT = datetime(2026, 11, 22, tzinfo=UTC)


def found(rule: str, on: str = "example.com", severity: Severity = Severity.ERROR, detail: str = "") -> Finding:
    """A finding."""
    return Finding(
        rule, "slug", severity, on, f"Title of {rule}.", detail, (Evidence("dns", on),), Fix("mend it"), "§ 1"
    )


def report(*findings: Finding, passed: tuple[str, ...] = (), name: str = "example.com") -> Report:
    """A report on a domain."""
    return Report(Subject("domain", name), Vantage("offline"), AT, 0.0, findings=sort_findings(findings), passed=passed)


FINDINGS = st.lists(
    st.builds(
        found,
        st.sampled_from(["SPF001", "SPF002", "DMARC001"]),
        st.sampled_from(["example.com", "s1._domainkey.example.com"]),
        st.sampled_from(list(Severity)),
        st.text(max_size=5),
    ),
    max_size=8,
)


@given(FINDINGS)
def test_what_was_just_written_leaves_nothing_new(findings: list[Finding]) -> None:
    """Whatever the words say; and what was there is neither lost nor doubled."""
    before = report(*findings)
    entries = entries_of([before])
    changed = report(*(replace(f, detail="other words", title="Another title.") for f in findings))
    after = laid_aside(changed, entries)
    graver = {(f.rule, f.subject) for f in findings if f.severity is not Severity.ERROR}
    assert {(f.rule, f.subject) for f in after.findings} <= graver  # entries of mixed severities count as the gravest
    assert Counter(map(_id, (*after.findings, *(one.finding for one in after.ignored)))) == Counter(map(_id, findings))
    assert not after.fixed


def _id(finding: Finding) -> tuple[str, str, str]:
    return finding.rule, finding.subject, finding.severity.value


@given(FINDINGS)
def test_a_file_comes_back(tmp_path_factory: pytest.TempPathFactory, findings: list[Finding]) -> None:
    """Sorted, and the same from any order of reports."""
    entries = entries_of([report(*findings), report(*findings, name="b.example")])
    file = tmp_path_factory.mktemp("base") / "b.json"
    file.write_text(baseline_text(entries.values()))
    assert read_baseline(file, "b.json") == entries
    assert baseline_text(reversed(list(entries.values()))) == file.read_text()


def test_one_more_and_one_graver_are_new() -> None:
    """The count and the severity are parts of an entry."""
    entries = entries_of([report(found("SPF001", severity=Severity.WARNING))])
    same = laid_aside(report(found("SPF001", severity=Severity.NOTE)), entries)
    assert (len(same.findings), len(same.ignored)) == (0, 1)
    graver = laid_aside(report(found("SPF001")), entries)
    assert (len(graver.findings), len(graver.ignored)) == (1, 0)
    two = laid_aside(report(*[found("SPF001", severity=Severity.WARNING)] * 2), entries)
    assert (len(two.findings), len(two.ignored)) == (1, 1)


def test_fixed_is_what_a_rule_passes_now() -> None:
    """A rule that could not be told, or was not asked, fixes nothing."""
    entries = entries_of([report(found("SPF001"), found("DKIM001", "s1._domainkey.example.com"))])
    assert laid_aside(report(passed=("SPF001",)), entries).fixed == ("SPF001 Title of SPF001.",)
    assert laid_aside(report(), entries).fixed == ()
    unknown = replace(report(passed=("SPF001",)), inconclusive=(Inconclusive("SPF001", "example.com", "timeout"),))
    assert laid_aside(unknown, entries).fixed == ()
    elsewhere = laid_aside(report(found("DKIM001", "s2._domainkey.example.com")), entries)
    assert elsewhere.fixed == ("DKIM001 Title of DKIM001. (s1._domainkey.example.com)",)
    assert len(elsewhere.findings) == 1


def test_stale_is_what_nobody_judges() -> None:
    """A domain that is checked no longer, a rule that is gone."""
    entries = entries_of([report(found("SPF001")), report(found("SPF002"), name="b.example")])
    told = [(entry.rule, why) for entry, why in stale(entries, [report()], ["SPF002"])]
    assert told == [("SPF001", "there is no such rule"), ("SPF002", "the domain is checked no longer")]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "b.json:1: no JSON"),
        ("[]", "b.json:1: is no baseline of deliverkit"),
        ('{"baseline": "deliverkit.baseline/2"}', "is of the format 'deliverkit.baseline/2'"),
        ('{"baseline": "deliverkit.baseline/1"}', "has no list of entries"),
        (
            '{"baseline": "deliverkit.baseline/1", "entries": [\n{"rule": "SPF001"}]}',
            "b.json:2: entry 1 has not the keys",
        ),
        ("\xff", "b.json:1: no JSON in UTF-8"),
        ("[" * 100_000, "b.json:1: no JSON"),
    ],
)
def test_a_damaged_file_is_refused(tmp_path: Path, text: str, told: str) -> None:
    """With the line, and what to do."""
    file = tmp_path / "b.json"
    file.write_bytes(text.encode("latin-1"))
    with pytest.raises(BadConfig) as refused:
        read_baseline(file, "b.json")
    assert told in str(refused.value)
    assert "deliverkit baseline write" in str(refused.value)


@pytest.mark.parametrize(("key", "value"), [("count", 0), ("count", True), ("severity", "grave"), ("on", 5)])
def test_values_of_another_kind_are_refused(tmp_path: Path, key: str, value: object) -> None:
    """The entry is named."""
    import json

    entry = {"rule": "R1", "kind": "domain", "subject": "a", "on": "a", "severity": "error", "count": 1, "title": "T"}
    assert set(entry) == set(BaselineEntry.__dataclass_fields__)
    file = tmp_path / "b.json"
    file.write_text(json.dumps({"baseline": "deliverkit.baseline/1", "entries": [{**entry, key: value}]}))
    with pytest.raises(BadConfig, match="entry 1 has"):
        read_baseline(file, "b.json")
