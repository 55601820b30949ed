"""The stories told by a real name server: Knot serves each story's zone, and the findings are the same.

So the wire, the DNS door and Knot's reading of the master file stand between the zone and the rules; a story's clock
and options stay. Left out are those that want failures or scripted servers, and a zone no server would load.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from deliverkit.engine.story import judge_story
from deliverkit.report.model import Report
from deliverkit.world import World
from deliverkit.world.story import Story, load_story
from deliverkit.world.values import absolute, presentation
from deliverkit.world.zone import Zone, ZoneRecord
from tests.peers.addresses import own_network
from tests.peers.knot import Knot
from tests.stories.test_stories import ROOT, STORIES, check_story

pytestmark = pytest.mark.peer("knot")

HEAD = ". 300 SOA ns.invalid. hostmaster.invalid. {} 7200 3600 1209600 60\n. 300 NS ns.invalid.\n"
_serials = count(1)


def records_of(story: Story) -> tuple[ZoneRecord, ...]:
    """The records of a story's world."""
    return Zone.parse(story.zone, origin=".").records() if story.zone.strip() else ()


def servable(path: Path) -> bool:
    """True for a story of DNS alone that a name server can tell."""
    story = load_story(path)
    if story.kind not in ("audit", "check-host") or story.failures or story.smtp:
        return False
    types: dict[str, set[str]] = {}
    for record in records_of(story):
        types.setdefault(record.name, set()).add(record.type)
    return bool(types) and not any("CNAME" in kinds and len(kinds) > 1 for kinds in types.values())


SERVED = [path for path in STORIES if servable(path)]


@pytest.fixture(scope="module")
def knot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Knot]:
    """A server of the root zone, and so of every name."""
    server = Knot(tmp_path_factory.mktemp("knot"), {".": HEAD.format(next(_serials))}, own_network() + "1")
    server.start()
    yield server
    server.stop()


async def judged(story: Story, nameserver: str) -> Report:
    """The report on a story in the world as the name server tells it."""
    told = story.world()
    async with World.live([nameserver]) as live:
        return await judge_story(story, World(live.dns, told.smtp, told.vantage, told.clock, told.pages))


@pytest.mark.parametrize("path", SERVED, ids=lambda p: str(p.relative_to(ROOT).with_suffix("")))
def test_story_served_by_knot(path: Path, knot: Knot) -> None:
    """Over the wire the findings are those the story names, no more and no fewer."""
    story = load_story(path)
    lines = [f"{absolute(r.name)} {r.ttl} {r.type} {presentation(r.type, r.value)}\n" for r in records_of(story)]
    knot.reload(".", HEAD.format(next(_serials)) + "".join(lines))
    check_story(story, asyncio.run(judged(story, f"{knot.address}:{knot.port}")))
