"""Start-up: ``deliverkit --help`` and ``--version`` against a bare click program. ``python -m tests.bench.bench_cli``.

Whole processes, interleaved; the figure to hold is the ratio of CPU to the bare program: at most 1.5.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from tests.bench.measure import Bar, interleave_commands, ratio, write

BARE = """
import click

@click.group()
def cli() -> None:
    "A bare program."

@cli.command()
def hello() -> None:
    "Say hello."

cli(prog_name="bare")
"""


def main() -> None:
    """Measure and write reports/bench/cli.*"""
    with tempfile.TemporaryDirectory() as folder:
        bare = Path(folder) / "bare.py"
        bare.write_text(BARE)
        rows = interleave_commands(
            {
                "bare click --help": [sys.executable, str(bare), "--help"],
                "deliverkit --help": [sys.executable, "-m", "deliverkit", "--help"],
                "deliverkit --version": [sys.executable, "-m", "deliverkit", "--version"],
                "deliverkit explain SPF001": [sys.executable, "-m", "deliverkit", "explain", "SPF001"],
            },
            rounds=15,
        )
    table = [
        (
            name,
            f"{row.median('cpu') * 1000:.0f}",
            f"{row.median() * 1000:.0f}",
            f"{ratio(rows, name, 'bare click --help', 'cpu'):.2f}",
        )
        for name, row in rows.items()
    ]
    write(
        "cli",
        "Start-up of the command line",
        ("command", "CPU ms (median)", "wall ms (median)", "CPU ratio to bare click"),
        table,
        ["15 interleaved rounds of whole processes; ratios are medians of same-round ratios."],
        [
            Bar(
                "--help, CPU of a bare click program",
                ratio(rows, "deliverkit --help", "bare click --help", "cpu"),
                1.5,
                at_most=True,
            )
        ],
    )


if __name__ == "__main__":
    main()
