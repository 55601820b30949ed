"""check_host in memory against pyspf, libspf2 and mailauth. ``python -m tests.bench.bench_spf``.

Each evaluator is a process of its own that holds the same world (`tests.bench.spf_world`) in memory and passes over all
its tuples when asked; they are asked in turn, round after round, and what counts is their CPU time. Before anything is
timed the words of all are compared, tuple by tuple. ``cold`` forgets every record before each tuple. ``settled`` knows
that answers never change (`deliverkit.protocols.spf.settled`), and passing over the same tuples it finds what it found
before; ``new clients`` has other hosts of the same networks at every pass, and is the row to judge it by. What libspf2
does for each client is the walk, which is compared with ``the flow``.

pyspf is run by the Python that DELIVERKIT_PEER_PYTHON names (else by this one, if it has pyspf), mailauth comes from
DELIVERKIT_NODE_MODULES, and libspf2 is reached through a small C program, compiled here. A peer that is not there is
left out.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.bench.measure import CLIENTS, Bar, Row, pinned, ratio, write
from tests.bench.spf_world import made
from tests.peers.programs import missing_program, peer_python

HERE = Path(__file__).parent
ROUNDS = 5
FLOW, COLD, SETTLED = "deliverkit, the flow", "deliverkit, cold", "deliverkit, settled"
SETTLED_NEW = "deliverkit, settled, new clients"
PUBLIC, NEW = "deliverkit.check_host", "deliverkit.check_host, new clients"
BARS = (
    ("pyspf", FLOW, 10.0),
    ("pyspf", COLD, 3.0),
    ("pyspf", PUBLIC, 10.0),
    ("pyspf", NEW, 10.0),
    ("libspf2", FLOW, 1.0),
    ("libspf2", SETTLED, 1.0),
    ("libspf2", SETTLED_NEW, 1.0),
)
PASSES = {"pyspf": 1, "mailauth": 1, "libspf2": 5, FLOW: 5, COLD: 1, SETTLED: 5, SETTLED_NEW: 5, PUBLIC: 5, NEW: 2}

Check = Callable[[str, str, str], str]


# -- our side ---------------------------------------------------------------------------------------------


def flow_check(records: Mapping[str, Mapping[str, list[Any]]], *, cold: bool = False, settled: bool = False) -> Check:
    """The protocol's own call, ``drive(check_host(…), hear)``, with answers that are ready."""
    from deliverkit.flow import Answer, Question, Status, drive
    from deliverkit.protocols.spf import compiled, record
    from deliverkit.protocols.spf.evaluate import check_host
    from deliverkit.protocols.spf.settled import Settled

    ready: dict[tuple[str, str], Answer] = {}

    def answer(question: Question) -> Answer:
        name = question.name
        if name not in records and "._list." in name:
            name = f"*._list.{name.partition('._list.')[2]}"
        if name not in records:
            return Answer(question, Status.NXDOMAIN)
        found: list[Any] = records[name].get(question.type, [])
        shaped = {"TXT": lambda text: (text.encode(),), "MX": tuple}.get(question.type, str)
        return Answer(question, Status.OK if found else Status.NODATA, tuple(shaped(value) for value in found))

    def hear(question: Question) -> Answer:
        key = question.name, question.type
        if key not in ready:
            ready[key] = answer(question)
        return ready[key]

    def check(ip: str, sender: str, helo: str) -> str:
        if cold:
            record.forget()
            compiled.forget()
        return drive(check_host(ip, sender.rpartition("@")[2], sender, helo), hear).result

    known = Settled()

    def settled_check(ip: str, sender: str, helo: str) -> str:
        return known.check_host(ip, sender.rpartition("@")[2], sender, helo, tell=hear).result

    return settled_check if settled else check


def public_check(records: Mapping[str, Mapping[str, list[Any]]]) -> Check:
    """The public call in a closed world of literals; its report is judged when somebody reads it."""
    import deliverkit

    told = {
        name: {type_: [f"{v[0]} {v[1]}." if type_ == "MX" else v for v in values] for type_, values in types.items()}
        for name, types in records.items()
    }
    world = deliverkit.World.from_records(told)
    return lambda ip, sender, helo: deliverkit.check_host(ip, sender, helo, world=world).result


def work(side: str, path: str) -> None:
    """A worker of ours: answers as spf_pyspf.py does."""
    world = json.loads(Path(path).read_text("utf-8"))
    tuples: list[tuple[str, str, str]] = [(ip, sender, helo) for ip, sender, helo in world["tuples"]]
    records = world["records"]
    public = side in (PUBLIC, NEW)
    check = (
        public_check(records)
        if public
        else flow_check(records, cold=side == COLD, settled=side in (SETTLED, SETTLED_NEW))
    )
    draw = random.Random(7208)
    for line in sys.stdin:
        verb, _, count = line.strip().partition(" ")
        if verb == "results":
            print(" ".join(check(*t) for t in tuples), flush=True)
            continue
        passes = [nearby(tuples, draw) if side in (NEW, SETTLED_NEW) else tuples for _ in range(int(count))]
        began = time.process_time()
        for asked in passes:
            for ip, sender, helo in asked:
                check(ip, sender, helo)
        print(time.process_time() - began, flush=True)


def nearby(tuples: list[tuple[str, str, str]], draw: random.Random) -> list[tuple[str, str, str]]:
    """The same senders, each with another host near its own."""
    return [
        (f"{ip[: max(ip.rfind('.'), ip.rfind(':')) + 1]}{draw.randrange(256)}", sender, helo)
        for ip, sender, helo in tuples
    ]


# -- all sides --------------------------------------------------------------------------------------------


class Side:
    """A process that is asked by lines."""

    def __init__(self, command: list[str], env: Mapping[str, str]) -> None:
        self.process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, **env}
        )

    def ask(self, line: str) -> str:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        return self.process.stdout.readline().strip()

    def close(self) -> None:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait()
        self.process.stdout.close()


def commands(folder: Path) -> Iterator[tuple[str, list[str], dict[str, str]]]:
    """Everybody who is here, with the command that runs them."""
    as_json, as_lines = str(folder / "world.json"), str(folder / "world.txt")
    if missing_program("pyspf") is None:
        yield "pyspf", [peer_python(), str(HERE / "spf_pyspf.py"), as_json], {}
    compiler, program = shutil.which("cc"), str(folder / "libspf2")
    source = str(HERE / "spf_libspf2.c")
    if compiler and not subprocess.run([compiler, "-O2", "-o", program, source, "-lspf2"], check=False).returncode:
        yield "libspf2", [program, as_lines], {}
    node, modules = shutil.which("node"), os.environ.get("DELIVERKIT_NODE_MODULES")
    if node and modules and (Path(modules) / "mailauth").exists():
        yield "mailauth", [node, str(HERE / "spf_mailauth.js"), as_json], {"NODE_PATH": str(Path(modules).absolute())}
    for side in (FLOW, COLD, SETTLED, SETTLED_NEW, PUBLIC, NEW):
        yield side, [sys.executable, "-m", "tests.bench.bench_spf", "--worker", side, as_json], {}


def main() -> None:
    """Compare words, then measure."""
    world = made()
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        (folder / "world.json").write_text(world.as_json(), "utf-8")
        (folder / "world.txt").write_text("\n".join(world.as_lines()) + "\n", "utf-8")
        with pinned(CLIENTS):
            sides = {side: Side(command, env) for side, command, env in commands(folder)}
        for side in sides.values():
            stack.callback(side.close)
        words = {name: side.ask("results").split() for name, side in sides.items()}
        rows = {name: Row(name) for name in sides}
        for number in range(ROUNDS + 1):
            for name, side in sides.items():
                spent = float(side.ask(f"run {PASSES[name]}")) / PASSES[name]
                if number:  # the first round warms up
                    rows[name].wall.append(spent)
                    rows[name].cpu.append(spent)
    report(rows, words, len(world.tuples))


def report(rows: Mapping[str, Row], words: Mapping[str, list[str]], count: int) -> None:
    """The table, with the bars."""
    ours = words[FLOW]
    table = []
    for name, row in rows.items():
        pyspf = f"{ratio(rows, 'pyspf', name):.2f}" if "pyspf" in rows else "-"
        libspf2 = f"{ratio(rows, 'libspf2', name):.2f}" if "libspf2" in rows else "-"
        differ = sum(a != b for a, b in zip(words[name], ours, strict=True))
        micro = 1e6 * row.median() / count
        table.append([name, f"{count / row.median():,.0f}", f"{micro:.1f}", pyspf, libspf2, differ])
    told = ", ".join(f"{word} {number}" for word, number in Counter(ours).most_common())
    notes = [f"{count} tuples; {told}", f"CPU time, median of {ROUNDS} interleaved rounds, ratios of the same round"]
    for name, given in words.items():
        pairs = Counter((b, a) for a, b in zip(given, ours, strict=True) if a != b)
        notes += [f"{name} says {a} where we say {b}: {number}" for (b, a), number in pairs.items()]
    if "libspf2" in words:
        notes.append("libspf2 lets an eleventh lookup pass (RFC 7208 §4.6.4 allows ten): the world has 5 such chains")
    bars = [
        Bar(f"SPF check_host: {peer} / {side}", ratio(rows, peer, side), bound)
        for peer, side, bound in BARS
        if peer in rows
    ]
    header = ["evaluator", "checks/s", "us a check", "x pyspf", "x libspf2", "words that differ"]
    write("spf", "SPF check_host in memory", header, table, notes, bars)


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        work(*sys.argv[2:4])
    else:
        main()
