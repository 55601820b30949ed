"""Record the journals of the sample repositories anew: ``python -m tests.repositories.record``.

A name server on loopback tells the world of ``fixtures/repositories/world.zone``. One journal serves both: it holds
whatever a check of either asks, and whatever `deliverkit fix` asks on its way from the faulty one.
"""

from __future__ import annotations

import asyncio

from deliverkit.config import load_config
from deliverkit.demo.nameserver import Nameserver
from deliverkit.engine.check import CheckOptions, check
from deliverkit.engine.fixcheck import fix_repository
from deliverkit.world import World
from deliverkit.world.journal import Journal
from deliverkit.world.journal_below import recorded_below
from deliverkit.world.zone import Zone
from tests.repositories.sample import REPOSITORIES

TWINS = ("sound", "faulty")
NAME = "dns.journal.jsonl"


async def _recorded(server: str) -> Journal:
    journal = Journal()
    async with World.live([server]) as live:
        world = recorded_below(live, journal, "deliverkit.toml")
        for name in TWINS:
            await check(load_config(REPOSITORIES / name / "deliverkit.toml"), world=world)
        await fix_repository(load_config(REPOSITORIES / "faulty" / "deliverkit.toml"), CheckOptions(), world=world)
    return journal


def main() -> None:
    """Record and write."""
    zone = Zone.parse((REPOSITORIES / "world.zone").read_text("utf-8"), origin=".", file="world.zone")
    zone.cuts = False
    with Nameserver([zone]) as server:
        journal = asyncio.run(_recorded(server.address))
    for name in TWINS:
        journal.save(REPOSITORIES / name / NAME)


if __name__ == "__main__":
    main()
