"""Measuring manners: rows interleaved in one run, medians, ratios; results as JSON and a Markdown table.

These machines are noisy, so nothing here judges an absolute time.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

REPORTS = Path(__file__).parents[2] / "reports" / "bench"
CLIENTS, SERVERS = 0, 1
"""The processors of clients and of the servers they are measured against."""
_PROCESSORS = os.sched_getaffinity(0) if hasattr(os, "sched_getaffinity") else set[int]()


@contextmanager
def pinned(processor: int) -> Iterator[None]:
    """This process, and those it starts meanwhile, on one processor; on a machine with a single one, or without the
    call, nothing changes."""
    if processor not in _PROCESSORS:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {processor})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@dataclass
class Row:
    """One thing measured: wall and CPU seconds of each round."""

    name: str
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def median(self, what: str = "wall") -> float:
        """The median over the rounds."""
        return statistics.median(getattr(self, what))


def interleave(works: Mapping[str, Callable[[], Any]], rounds: int = 5, warmup: int = 1) -> dict[str, Row]:
    """Run each work in turn, round after round, in this process."""
    rows = {name: Row(name) for name in works}
    for number in range(rounds + warmup):
        for name, work in works.items():
            cpu, wall = time.process_time(), time.perf_counter()
            work()
            if number >= warmup:
                rows[name].wall.append(time.perf_counter() - wall)
                rows[name].cpu.append(time.process_time() - cpu)
    return rows


def interleave_commands(
    commands: Mapping[str, Sequence[str]], rounds: int = 9, warmup: int = 1, env: Mapping[str, str] | None = None
) -> dict[str, Row]:
    """Run each command in turn as a whole process; CPU is the child's user and system time.

    Python keeps what it compiles in a folder of this run, for all commands alike: the warm-up fills it.
    """
    rows = {name: Row(name) for name in commands}
    with tempfile.TemporaryDirectory() as compiled:
        given = {**os.environ, "PYTHONPYCACHEPREFIX": compiled, **(env or {})}
        given.pop("PYTHONDONTWRITEBYTECODE", None)
        for number in range(rounds + warmup):
            for name, command in commands.items():
                wall, cpu = _whole_process(command, given)
                if number >= warmup:
                    rows[name].wall.append(wall)
                    rows[name].cpu.append(cpu)
    return rows


def _whole_process(command: Sequence[str], env: Mapping[str, str]) -> tuple[float, float]:
    """Wall and CPU seconds of one run."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    began = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False, env=env)
    wall = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime


def ratio(rows: Mapping[str, Row], a: str, b: str, what: str = "wall") -> float:
    """The median of the same-round ratios a / b."""
    return statistics.median(x / y for x, y in zip(getattr(rows[a], what), getattr(rows[b], what), strict=True))


@dataclass(frozen=True)
class Bar:
    """A figure to hold: ``measured`` must be at least ``bound``, or at most where ``at_most``.

    ``unit`` is "x" for a ratio of one run, else the unit of both numbers.
    """

    what: str
    measured: float
    bound: float
    unit: str = "x"
    at_most: bool = False

    @property
    def margin(self) -> float:
        """How far on the good side the figure is: 1 is just at the bar, 2 twice as good."""
        good, bad = (self.bound, self.measured) if self.at_most else (self.measured, self.bound)
        return good / bad if bad else float("inf")

    @property
    def met(self) -> bool:
        """True if the figure holds."""
        return self.margin >= 1

    def __str__(self) -> str:
        side = "at most" if self.at_most else "at least"
        verdict = "met" if self.met else "NOT MET"
        return f"{self.what}: {self.measured:.3g} {self.unit} (bar: {side} {self.bound:g} {self.unit}): {verdict}"


def write(
    name: str,
    title: str,
    header: Sequence[str],
    table: Sequence[Sequence[Any]],
    notes: Sequence[str] = (),
    bars: Sequence[Bar] = (),
) -> None:
    """Print the table and the bars, and write them to reports/bench as Markdown and JSON."""
    from tabulate import tabulate

    text = tabulate(table, headers=header, tablefmt="github")
    REPORTS.mkdir(parents=True, exist_ok=True)
    body = "\n".join(f"- {note}" for note in (*bars, *notes))
    (REPORTS / f"{name}.md").write_text(f"# {title}\n\n{text}\n\n{body}\n", "utf-8")
    data = {
        "title": title,
        "rows": [dict(zip(header, row, strict=True)) for row in table],
        "bars": [{**asdict(bar), "met": bar.met} for bar in bars],
        "notes": list(notes),
    }
    (REPORTS / f"{name}.json").write_text(json.dumps(data, indent=2) + "\n", "utf-8")
    print(f"{title}\n\n{text}\n\n{body}")
