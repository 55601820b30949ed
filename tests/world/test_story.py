"""Stories: how they are read, and what is kept of their reports."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

from deliverkit.flow import Question, Status
from deliverkit.world import World
from deliverkit.world.story import NOW, StoryError, load_story, run_story


def told(tmp_path: Path, text: str, family: str = "mx") -> Path:
    """A story file in a fixtures tree of its own."""
    folder = tmp_path / "fixtures" / "stories" / family
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "slug.toml"
    path.write_text(text, "utf-8")
    return path


def test_defaults(tmp_path: Path) -> None:
    """A title is all a story needs."""
    story = load_story(told(tmp_path, 'title = "x"\n'))
    assert (story.kind, story.subject, story.only, story.now) == ("audit", "example.com", ("mx",), NOW)
    assert story.fixtures == (tmp_path / "fixtures").resolve()


def test_its_world_is_closed_and_its_clock_stands(tmp_path: Path) -> None:
    """Zone, failures, vantage and clock come from the file; delegations do not cut a story's world."""
    text = """
title = "x"
now = 2026-01-02T03:04:05Z
zone = '''
sub.example.com.  NS  ns.example.net.
a.sub.example.com. A  192.0.2.1
'''
[failures]
"TXT slow.example" = "timeout"
[vantage]
port25 = "blocked"
resolvers = ["192.0.2.53"]
"""
    world = World.story(told(tmp_path, text))
    ask = lambda name, type_: asyncio.run(world.ask(Question(name, type_)))  # noqa: E731
    assert ask("a.sub.example.com", "A").records == ("192.0.2.1",)
    assert ask("slow.example", "TXT").status is Status.TIMEOUT
    assert ask("other.example", "TXT").status is Status.NXDOMAIN
    assert world.now() == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert (world.vantage.mode, world.vantage.port25, world.vantage.resolvers) == ("story", "blocked", ("192.0.2.53",))


def test_messages_come_from_text_or_file(tmp_path: Path) -> None:
    """LF becomes CRLF in a text; a file stays as it is."""
    story = load_story(told(tmp_path, "title = 'x'\nkind = 'verify'\n[message]\ntext = '''\nA: b\n\nc\n'''\n"))
    assert story.raw_message() == b"A: b\r\n\r\nc\r\n"
    (tmp_path / "fixtures" / "messages").mkdir()
    (tmp_path / "fixtures" / "messages" / "bare.eml").write_bytes(b"A: b\n\nc\n")
    story = load_story(told(tmp_path, "title = 'x'\nkind = 'verify'\n[message]\nfile = 'bare.eml'\n"))
    assert story.raw_message() == b"A: b\n\nc\n"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("title = ", "slug.toml"),
        ("kind = 'audit'", "title"),
        ("title = 'x'\nkind = 'sing'", "sing"),
        ("title = 'x'\nexpects = []", "unknown keys: expects"),
        ("title = 'x'\n[failures]\n'TXT a.example' = 'sleepy'", "sleepy"),
    ],
)
def test_a_story_that_cannot_be_read_says_why(tmp_path: Path, text: str, why: str) -> None:
    """With the name of the file."""
    with pytest.raises(StoryError, match=why) as caught:
        load_story(told(tmp_path, text))
    assert "slug.toml" in str(caught.value)


def test_only_the_families_under_test_are_kept(tmp_path: Path) -> None:
    """A domain without anything is judged by MX alone in the mx folder, by all with only = []."""
    zone = "zone = '''\nexample.com. MX 10 localhost.\n'''\n"
    report = run_story(load_story(told(tmp_path, "title = 'x'\n" + zone)))
    assert {finding.rule for finding in report.findings} == {"MX008"}
    assert all(rule.startswith("MX") for rule in (*report.passed, *report.not_applicable))
    report = run_story(load_story(told(tmp_path, "title = 'x'\nonly = []\n" + zone)))
    assert {finding.rule for finding in report.findings} > {"MX008"}
