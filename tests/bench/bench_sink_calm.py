"""How calm the sink stays: replies to others while a large message is verified, and memory over many messages.

``python -m tests.bench.bench_sink_calm``. While a message of 10 MB comes in and until its verdict stands, another
session says NOOP every few milliseconds; then ten thousand messages are received and verified.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from typing import Any

from tests.bench.measure import Bar, write
from tests.bench.sink_load import Load, counted, rss_mb, send, server, signed, transaction

BAR_LATE_MS, BAR_GROWTH_MB = 50.0, 20.0
ROUNDS = 3
BIG = 10_000_000
EARLY, MANY = 1_000, 10_000


def lateness() -> list[float]:
    """Milliseconds another session waited for each reply, sorted."""
    waits: list[float] = []
    for _ in range(ROUNDS):
        with server("ours-verified") as process:
            waits += asyncio.run(_waits(process, int(process.stdout.readline())))
    return sorted(waits)


async def _waits(process: Any, port: int) -> list[float]:
    await _one_message(port, signed(2_000))
    await asyncio.to_thread(counted, process)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    await reader.readline()
    content = signed(BIG)

    async def receive_and_verify() -> None:  # in threads: this loop must not be late itself
        await asyncio.to_thread(asyncio.run, _one_message(port, content))
        await asyncio.to_thread(counted, process)

    big = asyncio.create_task(receive_and_verify())
    waits = []
    while not big.done():
        asked = time.perf_counter()
        writer.write(b"NOOP\r\n")
        await reader.readline()
        waits.append((time.perf_counter() - asked) * 1000)
        await asyncio.sleep(0.002)
    await big
    writer.close()
    return waits


async def _one_message(port: int, content: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    await reader.readline()
    await transaction(reader, writer, content)
    writer.close()


def memory() -> tuple[float, float]:
    """Resident megabytes of the sink and its worker after the first messages and after all."""
    load = Load("2 kB x 10", 2_000, 10, EARLY)
    with server("ours-verified") as process:
        port = int(process.stdout.readline())
        send(port, load)
        counted(process)
        early = rss_mb(process.pid)
        send(port, load._replace(messages=MANY - EARLY))
        counted(process)
        return early, rss_mb(process.pid)


def main() -> None:
    """Measure and write."""
    waits = lateness()
    early, late = memory()
    big = f"reply to another session while {BIG // 10**6} MB are received and verified"
    write(
        "sink_calm",
        "The sink while it verifies",
        ["what", "measured"],
        [
            [f"{big}: median", f"{statistics.median(waits):.1f} ms"],
            ["99 of 100", f"{waits[int(len(waits) * 0.99)]:.1f} ms"],
            ["worst", f"{waits[-1]:.1f} ms"],
            [f"resident memory with its worker after {EARLY:,} verified messages of 2 kB", f"{early:.0f} MB"],
            [f"after {MANY:,}", f"{late:.0f} MB"],
        ],
        [f"{ROUNDS} large messages, {len(waits)} replies."],
        [
            Bar("sink, the latest reply to others while 10 MB are verified", waits[-1], BAR_LATE_MS, "ms", True),
            Bar(f"sink, memory from {EARLY:,} to {MANY:,} messages", max(late - early, 0.1), BAR_GROWTH_MB, "MB", True),
        ],
    )


if __name__ == "__main__":
    main()
