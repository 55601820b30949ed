"""Every fix of every story, brought into the story's zone as text: what is judged then is what the engine promised.

`tests/stories/test_fixes.py` changes the records; here the file is changed, as a master file and as octoDNS YAML.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from deliverkit.findings import Finding, Fix, RecordText
from deliverkit.names import within
from deliverkit.report.model import Report
from deliverkit.world.masterfile import parse_master_text
from deliverkit.world.story import Story, load_story, run_story
from tests.engine.edit.bringing import Three, bring
from tests.engine.edit.yamltext import yaml_text
from tests.stories.test_fixes import ROOT, STORIES, check

OF_OCTODNS = ("A", "AAAA", "MX", "TXT", "CNAME")


def with_fixes() -> list[Path]:
    """The stories that expect a fix, by their text: judging all of them here would cost a minute."""
    return [path for path in STORIES if "[[expect]]" in path.read_text("utf-8") and "zone" in path.read_text("utf-8")]


@pytest.fixture(scope="module")
def brought() -> dict[str, int]:
    """How many fixes were brought in, by kind of source."""
    return {"master": 0, "octodns": 0}


@pytest.mark.parametrize("path", with_fixes(), ids=lambda p: str(p.relative_to(ROOT).with_suffix("")))
def test_every_fix_of_a_story_is_brought_in(path: Path, brought: dict[str, int]) -> None:
    """As text the fix does what it does to records."""
    story = load_story(path)
    if story.kind != "audit" or not story.zone.strip():
        return
    report = run_story(story)
    seen: set[tuple[object, object]] = set()
    for finding in report.findings:
        fix = finding.fix
        if fix.rejudged and (fix.removes, fix.records) not in seen:
            seen.add((fix.removes, fix.records))
            by_master(story, report, finding, brought)
            by_octodns(story, fix, brought)


def three(records: tuple[RecordText, ...]) -> list[Three]:
    return [(record.name, record.type, record.value) for record in records]


def by_master(story: Story, report: Report, finding: Finding, brought: dict[str, int]) -> None:
    """The story is told anew with its zone file changed."""
    zone = story.zone.encode("utf-8", "surrogateescape")
    fix = finding.fix
    made = bring({"story.zone": zone}, three(fix.removes), three(fix.records), origin=".")["story.zone"]
    check(finding, report, run_story(replace(story, zone=made.decode("utf-8", "surrogateescape"))))
    brought["master"] += 1


def by_octodns(story: Story, fix: Fix, brought: dict[str, int]) -> None:
    """The same records in YAML come out of it, where octoDNS can hold them."""
    changed = {record.name for record in (*fix.records, *fix.removes)}
    records = [
        record
        for record in parse_master_text(story.zone, origin=".").records
        if within(record.name, story.subject) and record.type in OF_OCTODNS
    ]
    texts = [b"".join(record.value) for record in records if record.type == "TXT"]
    lost = any(not text.isascii() or b'"' in text or b"\\" in text for text in texts)
    lost = lost or any(record.type not in OF_OCTODNS for record in (*fix.records, *fix.removes))
    if not records or lost or not all(within(name, story.subject) for name in changed):
        return
    plain = [
        ("" if r.name == story.subject else r.name[: -len(story.subject) - 1], r.type, 3600, r.value) for r in records
    ]
    name = f"{story.subject}.yaml"
    bring({name: yaml_text(plain).encode()}, three(fix.removes), three(fix.records))  # and holds what it says
    brought["octodns"] += 1


def test_most_fixes_were_brought_in(brought: dict[str, int]) -> None:
    """The stories hold fixes of most kinds."""
    if brought["master"]:  # the stories ran in this process
        assert brought["master"] > 150
        assert brought["octodns"] > 100
