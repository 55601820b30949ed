"""Every fix of every story, applied to the story's own zone and judged from the beginning: must-show of re-judging.

The engine judges a fix in a world with the records laid over it; here the zone's text is changed as a person would
change it, and the story is told anew. Both must agree.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from deliverkit.engine.rejudge import FOLLOWS
from deliverkit.findings import Finding, Fix, Severity
from deliverkit.report.model import Report, Verdict
from deliverkit.world.masterfile import ZoneRecord, parse_master_text
from deliverkit.world.story import Story, load_story, run_story
from deliverkit.world.values import TEXT_TYPES, presentation

ROOT = Path(__file__).parents[2] / "fixtures" / "stories"
STORIES = sorted(
    path for path in ROOT.rglob("*.toml") if path.parent.name not in ("send", "sink", "smtp", "source", "tls")
)
ORDER = (Verdict.PASS, Verdict.RISK, Verdict.UNKNOWN, Verdict.FAIL)
Told = dict[Path, tuple[Story, Report]]


@pytest.fixture(scope="module")
def told() -> Told:
    """Every story with its report, judged once."""
    stories = [load_story(path) for path in STORIES]
    return {story.path: (story, run_story(story)) for story in stories}


@pytest.mark.parametrize("path", STORIES, ids=lambda p: str(p.relative_to(ROOT).with_suffix("")))
def test_every_fix_helps(path: Path, told: Told) -> None:
    """The finding is gone, and nothing worse is there."""
    story, report = told[path]
    for finding in report.findings:
        assert finding.fix.text and not finding.fix.otherwise
        if not finding.fix.changes_dns:
            assert not finding.fix.rejudged and not finding.fix.effect.startswith(finding.severity)
        elif finding.fix.rejudged:
            assert finding.fix.effect.startswith(f"{finding.severity} → ")
            check(finding, report, run_story(applied(story, finding.fix)))
        else:
            assert finding.fix.effect.startswith("not re-judged: ")


def check(finding: Finding, before: Report, after: Report) -> None:
    """The second report is better than the first by this finding."""
    was, now = (Counter((f.rule, f.subject) for f in report.findings) for report in (before, after))
    assert now[finding.rule, finding.subject] < was[finding.rule, finding.subject]
    for new in (f for f in after.findings if now[f.rule, f.subject] > was[f.rule, f.subject]):
        if new.rule not in FOLLOWS.get(finding.rule, ()):
            assert new.severity.rank > finding.severity.rank, (finding.rule, new)
        if new.severity is not Severity.NOTE:  # hidden by the fault until now, and told in the effect
            assert new.rule in finding.fix.effect, (finding.rule, new)
    assert ORDER.index(after.verdict) <= ORDER.index(before.verdict)


def applied(story: Story, fix: Fix) -> Story:
    """The story with its zone changed as the fix says."""
    records = list(parse_master_text(story.zone, origin=".").records)
    for gone in parsed(record.line for record in fix.removes):
        standing = [record for record in records if same(record, gone)]
        assert standing, f"{gone} does not stand in the zone"
        records = [record for record in records if record not in standing]
    records += parsed(record.line for record in fix.records)
    lines = (f"{r.name}. {r.ttl} {r.type} {presentation(r.type, r.value)}".replace("..", ".", 1) for r in records)
    return replace(story, zone="\n".join(lines))


def parsed(lines: object) -> tuple[ZoneRecord, ...]:
    """The records that a fix prints, read as a zone file."""
    return parse_master_text("\n".join(lines), origin=".").records  # type: ignore[call-overload]


def same(one: ZoneRecord, other: ZoneRecord) -> bool:
    """Whether two records are one, however a text was cut into strings."""
    values = (b"".join(r.value) if r.type in TEXT_TYPES else r.value for r in (one, other))
    return (one.name, one.type) == (other.name, other.type) and len({*values}) == 1


def test_many_fixes_were_tried(told: Told) -> None:
    """The stories hold fixes of most kinds; few are told in general words only."""
    fixes = [(f.rule, f.fix) for _, report in told.values() for f in report.findings if f.fix.changes_dns]
    tried = [rule for rule, fix in fixes if fix.rejudged]
    assert len(tried) > 190
    assert len(set(tried)) > 80
    assert len(fixes) - len(tried) <= 2


def test_what_is_printed_can_be_pasted(told: Told) -> None:
    """The lines of a fix are a zone file: what goes stands in comments, and no string is too long."""
    for _, report in told.values():
        for finding in report.findings:
            read = parsed(finding.fix.lines)
            assert len(read) == len(finding.fix.records), finding.rule
            for line in finding.fix.lines:
                assert line.startswith("; remove: ") or all(len(s) <= 255 for s in re.findall(r'"([^"]*)"', line))
