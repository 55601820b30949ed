"""Audits of many domains in one process, against checkdmarc. ``python -m tests.bench.bench_audit_many``.

Both ask the same Knot on loopback and probe no port; ours judges by all its rules and writes JSON Lines. checkdmarc
asks port 53 only, so this needs root, knotd, and checkdmarc in the path or in CHECKDMARC. Whole processes, start-up
included. checkdmarc also fetches the MTA-STS policies, and is refused at once; ours also tries 78 DKIM selectors.

1. Without latency: CPU seconds a domain. Bar: a tenth of checkdmarc's.
2. Through a relay, a process of its own, that holds each answer back for 20 ms: wall seconds a domain. checkdmarc asks
   strictly one question after another, so a few domains are enough to know its time. Bar: a hundredth of checkdmarc's.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import select
import shutil
import socket
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path

from tests.bench.bench_audit import DELAY_S
from tests.bench.many_domains import DOMAINS, names, zones
from tests.bench.measure import CLIENTS, SERVERS, Bar, Row, interleave_commands, pinned, ratio, write
from tests.peers.knot import Knot
from tests.peers.programs import find

NEAR, FAR = "127.0.0.53", "127.0.0.54"
ROUNDS = 3
FEW = 15  # domains that checkdmarc audits over the slow path
OURS, PEER = "deliverkit audit", "checkdmarc"


@contextmanager
def relay(below: str = NEAR, at: str = FAR) -> Iterator[None]:
    """A name server at another address whose answers come DELAY_S later, in a process of its own."""
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=_relay, args=(below, at, theirs), daemon=True)
    server.start()
    try:
        ours.recv()
        yield
    finally:
        ours.send("stop")
        server.join(10)


def _relay(below: str, at: str, pipe: Connection) -> None:
    """Pass questions on, and hold each answer back; what was answered before is answered from memory."""
    known: dict[bytes, bytes] = {}
    asked: dict[int, tuple[bytes, float, tuple[str, int]]] = {}
    due: deque[tuple[float, bytes, tuple[str, int]]] = deque()
    number = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door, socket.socket(type=socket.SOCK_DGRAM) as on:
        for one in (door, on):
            one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 21)
            one.setblocking(False)
        door.bind((at, 53))
        on.connect((below, 53))
        pipe.send("ready")
        while True:
            ready = select.select([door, on, pipe], [], [], max(due[0][0] - time.perf_counter(), 0) if due else None)[0]
            if pipe in ready:
                return
            for query, sender in _waiting(door):
                came = time.perf_counter()
                if query[2:] in known:
                    due.append((came + DELAY_S, query[:2] + known[query[2:]], sender))
                    continue
                number = (number + 1) & 0xFFFF
                asked[number] = (query, came, sender)
                on.send(number.to_bytes(2) + query[2:])
            for answer, _ in _waiting(on):
                query, came, sender = asked.pop(int.from_bytes(answer[:2]))
                known[query[2:]] = answer[2:]
                due.append((came + DELAY_S, query[:2] + answer[2:], sender))
            while due and due[0][0] <= time.perf_counter():
                _, answer, sender = due.popleft()
                door.sendto(answer, sender)


def _waiting(door: socket.socket) -> Iterator[tuple[bytes, tuple[str, int]]]:
    """The datagrams that have come."""
    while True:
        try:
            yield door.recvfrom(4096)
        except BlockingIOError:
            return


def commands(server: str, folder: Path, *, ours: Sequence[str], theirs: Sequence[str]) -> dict[str, list[str]]:
    """Both programs on the same server. Ours is this checkout, or the installed program that DELIVERKIT names."""
    installed = os.environ.get("DELIVERKIT")
    program = [installed] if installed else [sys.executable, "-m", "deliverkit"]
    options = ["--no-probe", "--fail-on", "never", "--nameserver", server, "-o", str(folder / "ours.jsonl")]
    return {
        OURS: [*program, "audit", *ours, *options],
        PEER: [str(_peer()), *theirs, "-n", server, "--skip-tls", "-f", "json", "-o", str(folder / "theirs.json")],
    }


def _peer() -> str | None:
    return os.environ.get("CHECKDMARC") or shutil.which("checkdmarc")


def lacking() -> str | None:
    """What this needs and does not find."""
    if not _peer():
        return "checkdmarc is not installed"
    if os.getuid():
        return "port 53 needs root"
    return None if find("knotd") else "knotd is not installed"


def measured(rounds: int = ROUNDS) -> tuple[list[tuple[str, ...]], list[Bar]]:
    """The rows of the table, and what they say of the bars: without latency, then over the slow path."""
    domains = names()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        knot = Knot(folder / "knot", zones(), NEAR, 53)
        with pinned(SERVERS):
            knot.start()
        try:
            with pinned(CLIENTS):
                near = interleave_commands(commands(NEAR, folder, ours=domains, theirs=domains), rounds=rounds)
            with relay(), pinned(CLIENTS):
                far = interleave_commands(commands(FAR, folder, ours=domains, theirs=domains[:FEW]), rounds=rounds)
        finally:
            knot.stop()
        _seen(folder / "ours.jsonl", len(domains))
    table = [*_rows("no latency", near, DOMAINS), *_rows(f"{DELAY_S * 1000:.0f} ms", far, FEW)]
    return table, [
        Bar("many audits, CPU rate, of checkdmarc's", 1 / ratio(near, OURS, PEER, "cpu"), 10),
        Bar(f"many audits over {DELAY_S * 1000:.0f} ms, wall rate, of checkdmarc's", 1 / ratio(far, OURS, PEER), 100),
    ]


def _rows(place: str, rows: dict[str, Row], few: int) -> Iterator[tuple[str, ...]]:
    """Each program's row, its times divided by the domains it audited."""
    audited = {OURS: DOMAINS, PEER: few}
    for row in rows.values():
        row.wall = [seconds / audited[row.name] for seconds in row.wall]
        row.cpu = [seconds / audited[row.name] for seconds in row.cpu]
    for row in rows.values():
        rates = (f"{1 / ratio(rows, row.name, PEER, kind):.1f}" for kind in ("cpu", "wall"))
        what = f"{row.name}, {place}, {audited[row.name]} domains"
        yield (what, f"{row.median('cpu') * 1000:.2f}", f"{row.median() * 1000:.2f}", *rates)


def _seen(file: Path, count: int) -> None:
    """Each domain was audited and answered: a benchmark of failures would be quick."""
    reports = [json.loads(line) for line in file.read_text().splitlines()]
    told = [report for report in reports if report["verdict"] != "unknown" and report["facts"]["spf"]["records"]]
    if len(told) != count:
        raise RuntimeError(f"{len(told)} of {count} domains were audited")


def main() -> None:
    """Measure and write reports/bench/audit_many.*"""
    why = lacking()
    table, bars = ([], []) if why else measured()
    notes = [
        f"{ROUNDS} interleaved rounds of whole processes; medians; rates are ratios of the same round to checkdmarc's. "
        "All rules on, no port probed, JSON Lines written.",
        f"checkdmarc asks one question after another, so {FEW} domains tell its time over the slow path.",
    ]
    if why:
        notes.append(f"Not measured: {why}.")
    header = ("program", "CPU ms a domain", "wall ms a domain", "CPU rate", "wall rate")
    write("audit_many", "Many audits in one process", header, table, notes, bars)


if __name__ == "__main__":
    main()
