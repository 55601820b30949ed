"""Every story of audit, verify and probe: recorded, then told again from the journal alone, byte for byte."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from deliverkit.engine.replay import replay
from deliverkit.engine.story import judge_story
from deliverkit.report import render
from deliverkit.report.model import Report
from deliverkit.world.journal import Journal
from deliverkit.world.story import Story, load_story

ROOT = Path(__file__).parents[2] / "fixtures" / "stories"
STORIES = [
    story for path in sorted(ROOT.rglob("*.toml")) if (story := load_story(path)).kind in ("audit", "verify", "probe")
]


def timeless(report: Report) -> Report:
    """The report without the seconds it took."""
    return replace(report, elapsed_s=0.0)


@pytest.mark.parametrize("story", STORIES, ids=lambda s: str(s.path.relative_to(ROOT).with_suffix("")))
def test_the_same_report_comes_out_of_the_journal_alone(story: Story) -> None:
    """In every form that a person or a program reads."""
    kept = story.kind == "audit" and "expect" not in story.only  # those are told by all families
    everything = story if kept else replace(story, only=())

    async def recorded_and_replayed() -> tuple[Report, list[Report]]:
        journal = Journal()
        first = await judge_story(everything, everything.world().recorded(journal))
        return first, await replay(Journal.parse(journal.octets()))

    first, again = asyncio.run(recorded_and_replayed())
    assert len(again) == 1
    for format_ in ("json", "text"):
        one, other = (render([timeless(r)], format_, width=100) for r in (first, again[0]))
        assert one == other
