"""Record the journals of the sample repositories anew: ``python -m tests.repositories.record``.

A name server on loopback tells the world of ``fixtures/repositories/world.zone``; each repository is checked against
it with ``--record``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from deliverkit.demo.nameserver import Nameserver
from deliverkit.world.zone import Zone

ROOT = Path(__file__).parents[2]
REPOSITORIES = ROOT / "fixtures" / "repositories"


def main() -> None:
    """Record both."""
    zone = Zone.parse((REPOSITORIES / "world.zone").read_text("utf-8"), origin=".", file="world.zone")
    zone.cuts = False
    with Nameserver([zone]) as server:
        for name in ("sound", "faulty"):
            command = [sys.executable, "-m", "deliverkit", "check", "--nameserver", server.address]
            command += ["--record", "dns.journal.jsonl", "--fail-on", "never", "-q"]
            environment = {**os.environ, "PYTHONPATH": str(ROOT)}
            subprocess.run(command, cwd=REPOSITORIES / name, check=True, env=environment)


if __name__ == "__main__":
    main()
