"""The whole comparison with the peers: ``python -m tests.bench``; one benchmark of it: ``python -m tests.bench dns``.

Installs the peers' packages into ``.bench`` once, runs every benchmark in a process of its own, one after another, and
writes reports/bench: a table of each, and all the bars as a table (README.md) and a plot (bars.svg). Ends with 1 if a
benchmark failed or a bar is not met. Run it on a machine with nothing else to do, as root for the servers on port 53.
"""

from __future__ import annotations

import argparse
import importlib.metadata
import json
import platform
import subprocess
import sys
import time
from pathlib import Path

from tests.bench import installed
from tests.bench.measure import REPORTS, Bar
from tests.bench.plot import plot_bars

HERE = Path(__file__).parent
NAMES = sorted(file.stem.removeprefix("bench_") for file in HERE.glob("bench_*.py"))


def main() -> int:
    """Run what was asked for, and write the summary of everything that was ever measured here."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description="Measure against the peers.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of: {', '.join(NAMES)} (default: all)")
    parser.add_argument("--no-install", action="store_true", help="use the peers that are here; install nothing")
    parser.add_argument("--summary", action="store_true", help="measure nothing; write the summary anew")
    asked = parser.parse_args()
    unknown = set(asked.names) - set(NAMES)
    if unknown:
        parser.error(f"no such benchmark: {', '.join(sorted(unknown))}; there are: {', '.join(NAMES)}")
    failed = [] if asked.summary else _run_all(asked.names or NAMES, install=not asked.no_install)
    missed = summarise()
    for name in failed:
        print(f"benchmark {name} failed", file=sys.stderr)
    return 1 if failed or missed else 0


def _run_all(names: list[str], *, install: bool) -> list[str]:
    """Run the benchmarks one after another; the names of those that failed."""
    if install:
        installed.install()
    if missing := installed.missing():
        print(f"not on this machine, so their rows are left out: {', '.join(missing)}", file=sys.stderr)
    failed = []
    for name in names:
        began = time.monotonic()
        command = [sys.executable, "-m", f"tests.bench.bench_{name}"]
        code = subprocess.run(command, env=installed.environment(), check=False).returncode
        written = (REPORTS / f"{name}.json").stat().st_mtime if (REPORTS / f"{name}.json").exists() else 0
        if code and written < time.time() - (time.monotonic() - began):  # it may also end so for a bar that is missed
            failed.append(name)
        print(f"-- {name}: {time.monotonic() - began:.0f} s\n", flush=True)
    return failed


def summarise() -> list[Bar]:
    """Write reports/bench/README.md and bars.svg from the results that lie there; the bars that are not met."""
    found: list[tuple[str, Bar]] = []
    for name in NAMES:
        path = REPORTS / f"{name}.json"
        if path.exists():
            bars = json.loads(path.read_text("utf-8")).get("bars", [])
            found += [(name, Bar(**{k: v for k, v in bar.items() if k != "met"})) for bar in bars]
    plot_bars([bar for _, bar in found], REPORTS / "bars.svg")
    lines = [
        "# What was measured",
        "",
        "Written by `python -m tests.bench`, which runs the whole comparison. Ratios are of one run on one machine,",
        "medians of interleaved rounds; the machines are shared, so the ratio is the figure and the rate is not.",
        "",
        "![every bar and what was measured](bars.svg)",
        "",
        "| bar | measured | asked for | met | details |",
        "|---|---|---|---|---|",
    ]
    for name, bar in found:
        side = "at most" if bar.at_most else "at least"
        asked = f"{side} {bar.bound:g} {bar.unit}"
        met = "yes" if bar.met else "**no**"
        lines.append(f"| {bar.what} | {bar.measured:.3g} {bar.unit} | {asked} | {met} | [{name}]({name}.md) |")
    lines += ["", _machine(), ""]
    (REPORTS / "README.md").write_text("\n".join(lines), "utf-8")
    print("\n".join(str(bar) for _, bar in found))
    return [bar for _, bar in found if not bar.met]


def _machine() -> str:
    """On what it was measured, as far as it matters."""
    import os

    packages = ("dnspython", "aiosmtpd", "dkimpy", "cryptography")
    versions = ", ".join(f"{name} {importlib.metadata.version(name)}" for name in packages)
    return f"Machine: {os.cpu_count()} processors, {platform.system()}, Python {platform.python_version()}; {versions}."


if __name__ == "__main__":
    sys.exit(main())
