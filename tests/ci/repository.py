"""A repository with one sound zone and one that breaks mail, for every way in which a check can be started."""

from __future__ import annotations

import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[2]

CONFIG = """\
world = "closed-world"
sources = ["zones/*.zone"]
all-zones = false

[domains."good.example"]
parked = true

[domains."bad.example"]
"""
GOOD = """\
$ORIGIN good.example.
$TTL 3600
@ SOA ns.example.net. hostmaster.good.example. 1 7200 3600 1209600 3600
@ NS ns.example.net.
@ NS ns.example.org.
@ MX 0 .
@ TXT "v=spf1 -all"
_dmarc TXT "v=DMARC1; p=reject"
*._domainkey TXT "v=DKIM1; p="
"""
BAD = """\
$ORIGIN bad.example.
$TTL 3600
@ SOA ns.example.net. hostmaster.bad.example. 1 7200 3600 1209600 3600
@ NS ns.example.net.
@ NS ns.example.org.
@ MX 10 mx
mx A 192.0.2.1
@ TXT "v=spf1 ip4:192.0.2.0/24 -all"
@ TXT "v=spf1 -all"
_dmarc TXT "v=DMARC1; p=reject"
"""
FAULT = ("zones/bad.example.zone", 8)
"""Where the first of the two SPF records stands."""


def write_repository(folder: Path, *, sound: bool = False) -> Path:
    """Write it; ``sound`` leaves the faulty record out."""
    zones = folder / "zones"
    zones.mkdir(parents=True)
    (zones / "good.example.zone").write_text(GOOD)
    (zones / "bad.example.zone").write_text(BAD.replace('@ TXT "v=spf1 -all"\n', "") if sound else BAD)
    (folder / "deliverkit.toml").write_text(CONFIG)
    return folder


def committed(folder: Path) -> Path:
    """The same under git, everything staged."""
    for words in (["init", "-q"], ["add", "-A"]):
        subprocess.run(["git", *words], cwd=folder, check=True, timeout=60)
    return folder
