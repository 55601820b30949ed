"""No finding about settings shows a password, whatever the story."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

import pytest

from deliverkit.world.story import load_story, run_story

STORIES = sorted((Path(__file__).parents[3] / "fixtures" / "stories" / "settings").glob("*.toml"))
_PLANTED = re.compile(r"^\w*PASS(?:WORD)?=(.{8,})$|://[^:/\s]+:([^\s]{6,})@", re.MULTILINE)


@pytest.mark.parametrize("path", STORIES, ids=lambda p: p.stem)
def test_no_finding_shows_a_password(path: Path) -> None:
    """Neither as it is written nor decoded, in detail, evidence or fix."""
    story = load_story(path)
    written = {found for text in story.files.values() for match in _PLANTED.findall(text) for found in match if found}
    planted = {one.strip("'\"`\r ") for one in written} | {unquote(one) for one in written}
    told = repr(run_story(story).findings)
    assert [one for one in planted if one and not one.startswith("your") and one in told] == []
