"""Every story under fixtures/stories: its world is judged, and exactly the findings it names must come out."""

from __future__ import annotations

from pathlib import Path

import pytest

from deliverkit.report.model import Report
from deliverkit.world.story import Story, load_story, run_story

ROOT = Path(__file__).parents[2] / "fixtures" / "stories"
STORIES = sorted(ROOT.rglob("*.toml"))


@pytest.mark.parametrize("path", STORIES, ids=lambda p: str(p.relative_to(ROOT).with_suffix("")))
def test_story(path: Path) -> None:
    """The findings are those the story names, no more and no fewer."""
    story = load_story(path)
    check_story(story, run_story(story))


def check_story(story: Story, report: Report) -> None:
    """The report has the findings of the story, and what cannot be told, and nothing else."""
    found = sorted(
        (f.rule, f.severity.value, f.subject, f.detail, next((e.place for e in f.evidence), ""))
        for f in report.findings
    )
    for expected in story.expect:
        match = next(
            (
                f
                for f in found
                if f[0] == expected["rule"]
                and expected.get("severity", f[1]) == f[1]
                and expected.get("subject", f[2]) == f[2]
                and expected.get("detail", "") in f[3]
                and expected.get("place", f[4]) == f[4]
            ),
            None,
        )
        assert match is not None, f"expected {expected}, found {found}"
        found.remove(match)
    assert found == [], "findings the story does not name"
    unknown = sorted(i.rule for i in report.inconclusive)
    assert unknown == sorted(i["rule"] for i in story.inconclusive)
