"""Messages a second into the sink, against stock aiosmtpd with the same storage. ``python -m tests.bench.bench_sink``.

Each round runs every server in turn on a fresh store, so only ratios of one round are compared. Every message must have
been kept, and where a server verifies, every signature must have been good. A second part measures how late another
session's reply is while a message of 10 MB comes in and is verified; a third, whether memory grows with the messages.
Parts can be named: ``bench_sink rates lateness memory``.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from typing import Any

from tests.bench.measure import REPORTS, write
from tests.bench.sink_load import Load, Ran, counted, rss_mb, run_one, send, server, signed, transaction

KINDS = {
    "stock": "aiosmtpd + SQLite, a synced commit each",
    "stock-verified": "aiosmtpd + SQLite + dkimpy before each reply",
    "ours": "deliverkit, captured",
    "ours-verified": "deliverkit, captured and verified",
}
RIVAL = {"ours": "stock", "ours-verified": "stock-verified"}
LOADS = (
    Load("2 kB x 10", 2_000, 10, 1_500),
    Load("50 kB x 10", 50_000, 10, 400),
    Load("1 MB x 10", 1_000_000, 10, 40),
)
BARS = {("2 kB x 10", "ours"): 2.0, ("50 kB x 10", "ours"): 3.0, ("1 MB x 10", "ours"): 2.5}
BARS["2 kB x 10", "ours-verified"] = 3.0
BAR_LATE_MS, BAR_GROWTH_MB = 50.0, 20.0
ROUNDS = 3
BIG = 10_000_000
MANY = 10_000


def rates() -> list[list[Any]]:
    """The table: medians of rates, and of the ratios within each round."""
    table: list[list[Any]] = []
    for load in LOADS:
        runs: dict[str, list[Ran]] = {kind: [] for kind in KINDS}
        for _ in range(ROUNDS):
            for kind, ran in runs.items():
                ran.append(run_one(kind, load))
        for kind, ran in runs.items():
            rival = runs[RIVAL[kind]] if kind in RIVAL else None
            bar = BARS.get((load.name, kind))
            cells = [statistics.median(getattr(one, what) for one in ran) for what in Ran._fields]
            table.append(
                [
                    load.name,
                    KINDS[kind],
                    f"{cells[0]:.0f}",
                    f"{cells[1]:.0f}" if cells[1] else "",
                    f"{cells[2]:.2f}",
                    _ratio(ran, rival, "rate"),
                    _ratio(ran, rival, "judged") if kind == "ours-verified" else "",
                    f"{bar:g}" if bar else "",
                ]
            )
    return table


def _ratio(ran: list[Ran], rival: list[Ran] | None, what: str) -> str:
    if rival is None:
        return ""
    return f"{statistics.median(getattr(a, what) / getattr(b, what) for a, b in zip(ran, rival, strict=True)):.2f}"


def lateness() -> tuple[float, float, float]:
    """Milliseconds another session waits for a NOOP while 10 MB come in and are verified: median, 99 of 100, worst."""
    waits: list[float] = []
    for _ in range(ROUNDS):
        with server("ours-verified") as process:
            waits += asyncio.run(_waits(process, int(process.stdout.readline())))
    waits.sort()
    return statistics.median(waits), waits[int(len(waits) * 0.99)], waits[-1]


async def _waits(process: Any, port: int) -> list[float]:
    await _one_message(port, signed(2_000))
    await asyncio.to_thread(counted, process)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    await reader.readline()
    content = signed(BIG)
    big = asyncio.create_task(asyncio.to_thread(asyncio.run, _one_message(port, content)))  # not to be late ourselves
    verified = None
    waits = []
    while verified is None or not verified.done():
        asked = time.perf_counter()
        writer.write(b"NOOP\r\n")
        await reader.readline()
        waits.append((time.perf_counter() - asked) * 1000)
        await asyncio.sleep(0.002)
        if big.done() and verified is None:
            verified = asyncio.create_task(asyncio.to_thread(counted, process))
    await big
    writer.close()
    return waits


async def _one_message(port: int, content: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    await reader.readline()
    await transaction(reader, writer, content)
    writer.close()


def memory() -> tuple[float, float]:
    """Resident megabytes of the sink, verifying, after the first thousand messages and after ten thousand."""
    load = LOADS[0]._replace(messages=1_000)
    with server("ours-verified") as process:
        port = int(process.stdout.readline())
        send(port, load)
        counted(process)
        early = rss_mb(process.pid)
        send(port, load._replace(messages=MANY - load.messages))
        counted(process)
        return early, rss_mb(process.pid)


def main(parts: list[str]) -> None:
    """Measure and write; what is not measured this time is kept from the last one."""
    kept = json.loads((REPORTS / "sink.json").read_text("utf-8"))
    header = [
        "load", "server", "answered/s", "verified/s", "CPU ms/message", "ratio answered", "ratio verified", "bar",
    ]  # fmt: skip
    table = rates() if "rates" in parts else [list(row.values()) for row in kept["rows"]]
    notes = {
        "rates": f"{ROUNDS} interleaved rounds of DKIM-signed mail; load from smtp-source where it is installed,"
        " connections kept open; server and what it starts share one processor; ratios are medians of ratios within a"
        " round.",
        "stores": "All rows answer 250 after a synced commit (WAL, synchronous=FULL); ours with the transcript."
        " aiosmtpd commits each message, our inbox in groups.",
        "verified": "aiosmtpd's verdict is one True or False before the reply, by stock dkimpy. Ours (SPF, DKIM, DMARC,"
        " every rule, the report) follows the reply; verified/s counts until the last verdict stands.",
        **{line.split(":")[0]: line for line in kept["notes"] if line.split(":")[0] in ("lateness", "memory")},
    }
    if "lateness" in parts:
        median, most, worst = lateness()
        notes["lateness"] = (
            f"lateness: while a message of {BIG // 10**6} MB came in and was verified, another session waited"
            f" {median:.1f} ms for a reply in the median, {most:.0f} ms in 99 of 100 cases, {worst:.0f} ms at worst"
            f" (bar {BAR_LATE_MS:.0f} ms)."
        )
    if "memory" in parts:
        early, late = memory()
        notes["memory"] = (
            f"memory: {early:.0f} MB after 1,000 verified messages, {late:.0f} MB after {MANY:,}"
            f" (bar: {BAR_GROWTH_MB:.0f} MB more at most)."
        )
    write("sink", "The sink", header, table, list(notes.values()))


if __name__ == "__main__":
    main(sys.argv[1:] or ["rates", "lateness", "memory"])
