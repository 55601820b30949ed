"""Checks of whole repositories. ``python -m tests.bench.bench_check``.

1. 500 zones with 50,000 records, offline, by all rules. Bar: 20 s. Beside it four times as many records in as many
   zones, and one zone of 50,000, so that the table shows what the memory follows.
2. Ten domains whose provider is told by a journal, nothing changed. Bar: 1 s.

Whole processes, start-up included; nothing is compared, since no peer checks a repository.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.bench.check_repository import record, repository
from tests.bench.measure import Bar, write

ROUNDS = 3
ZONES, RECORDS = 500, 100
LARGE, REPLAYED = "500 zones, 50,000 records, offline", "10 domains from a journal"


def run(folder: Path) -> tuple[float, float, float]:
    """Wall seconds, CPU seconds and megabytes at most of one check."""
    installed = os.environ.get("DELIVERKIT")
    program = [installed] if installed else [sys.executable, "-m", "deliverkit"]
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, [str(Path.cwd()), os.environ.get("PYTHONPATH")])),
    }
    began = time.perf_counter()
    with (folder / "report.txt").open("wb") as out:
        child = subprocess.Popen([*program, "check"], cwd=folder, stdout=out, stderr=subprocess.PIPE, env=environment)
        _, status, used = os.wait4(child.pid, 0)
    wall = time.perf_counter() - began
    child.returncode = os.waitstatus_to_exitcode(status)
    assert child.stderr is not None
    said = child.stderr.read().decode()
    child.stderr.close()
    if child.returncode not in (0, 1, 3) or said:
        raise RuntimeError(f"the check ended with {child.returncode}: {said}")
    return wall, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024


def measured(rounds: int = ROUNDS) -> tuple[list[tuple[str, ...]], list[Bar]]:
    """The rows of the table, and what they say of the bars."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        repository(root / "large", ZONES, RECORDS)
        repository(root / "larger", ZONES, RECORDS * 4)
        repository(root / "one", 1, ZONES * RECORDS)
        journal = 'journal = "below.jsonl"'
        repository(root / "replay", 10, 30, world="live", include="_spf.provider.example", more=journal)
        record(root / "replay", root / "replay" / "below.jsonl")
        works = {
            LARGE: (root / "large", rounds),
            "500 zones, 200,000 records, offline": (root / "larger", 1),
            "1 zone, 50,000 records, offline": (root / "one", rounds),
            REPLAYED: (root / "replay", rounds * 3),
        }
        run(root / "replay")  # Python keeps what it compiles
        seen = {what: [run(folder) for _ in range(times)] for what, (folder, times) in works.items()}
        told = (root / "large" / "report.txt").read_text()
        if "EXP008" not in told or told.count("EXP002") < ZONES // 10:
            raise RuntimeError("the faults were not found: a check that finds nothing is quick")
    medians = {what: [statistics.median(one[i] for one in rows) for i in range(3)] for what, rows in seen.items()}
    table = [(what, f"{wall:.2f}", f"{cpu:.2f}", f"{memory:.0f}") for what, (wall, cpu, memory) in medians.items()]
    return table, [
        Bar("check of 500 zones with 50,000 records", medians[LARGE][0], 20, "s", at_most=True),
        Bar("check of 10 domains from a journal", medians[REPLAYED][0], 1, "s", at_most=True),
    ]


def main() -> None:
    """Measure and write reports/bench/check.*"""
    table, bars = measured()
    notes = [f"{ROUNDS} whole processes a row (the largest once, the journal {ROUNDS * 3} times); medians."]
    write("check", "Checks of repositories", ("repository", "wall s", "CPU s", "MB at most"), table, notes, bars)


if __name__ == "__main__":
    main()
