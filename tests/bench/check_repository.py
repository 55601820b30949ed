"""Repositories to check: zones on disk with a configuration, and what lies below them as a journal.

What this file will not do: measure.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from deliverkit.config import load_config
from deliverkit.engine.check import CheckOptions, check
from deliverkit.world import World
from deliverkit.world.journal import Journal
from deliverkit.world.journal_below import recorded_below

KEY = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
_CONFIG = """sources = ["zones/*.zone"]
world = "{world}"
{more}
[defaults]
selectors = ["s1"]
expect = {{spf = "pass", spf-all = "-all", lookups-max = 8, dmarc = "quarantine", dkim = ["s1"]}}
"""


def name_of(number: int) -> str:
    """The domain of a zone."""
    return f"zone{number:04d}.example"


def zone_text(number: int, records: int, include: str) -> str:
    """A zone with mail of every kind, every tenth with a fault in it, filled up with hosts."""
    policy = "none" if number % 10 == 3 else "reject"
    ending = "+all" if number % 10 == 7 else "-all"
    lines = [
        f"$ORIGIN {name_of(number)}.",
        "$TTL 3600",
        "@ IN SOA ns1.example.net. hostmaster 1 7200 3600 1209600 3600",
        "@ IN NS ns1.example.net.",
        "@ IN MX 10 mx",
        f'@ IN TXT "v=spf1 mx include:{include} {ending}"',
        f'_dmarc IN TXT "v=DMARC1; p={policy}; rua=mailto:dmarc@{name_of(number)}"',
        f'_smtp._tls IN TXT "v=TLSRPTv1; rua=mailto:tls@{name_of(number)}"',
        f's1._domainkey IN TXT "{KEY}"',
        '_spf IN TXT "v=spf1 ip4:192.0.2.0/24 -all"',
        "mx IN A 192.0.2.25",
    ]
    hosts = (f"host{i} IN A 198.51.{i // 250 % 250}.{i % 250 + 1}" for i in range(records - len(lines) + 2))
    return "\n".join([*lines, *hosts, ""])


def repository(
    folder: Path, zones: int, records: int, *, world: str = "offline", include: str = "", more: str = ""
) -> None:
    """Write a repository; ``records`` are those of each zone. ``include`` is a name below the zones, or their own."""
    (folder / "zones").mkdir(parents=True)
    for number in range(zones):
        text = zone_text(number, records, include or f"_spf.{name_of(number)}")
        (folder / "zones" / f"{name_of(number)}.zone").write_text(text)
    (folder / "deliverkit.toml").write_text(_CONFIG.format(world=world, more=more))


def below(includes: int = 4) -> dict[str, dict[str, Any]]:
    """A provider with includes below includes, as the large ones have."""
    names = [f"_netblocks{i}.provider.example" for i in range(includes)]
    spf = " ".join(f"include:{name}" for name in names)
    found: dict[str, dict[str, Any]] = {"_spf.provider.example": {"TXT": [f"v=spf1 {spf} ~all"]}}
    for i, name in enumerate(names):
        networks = " ".join(f"ip4:198.18.{i}.{16 * n}/28" for n in range(16))
        found[name] = {"TXT": [f"v=spf1 {networks} ~all"]}
    return found


def record(folder: Path, journal: Path) -> None:
    """Check the repository over the provider told, and keep its answers."""
    written = Journal()
    world = recorded_below(World.from_records(below()), written, "deliverkit.toml")
    config = load_config(folder / "deliverkit.toml")
    asyncio.run(check(config, CheckOptions(facts=False), world=world))
    written.save(journal)
