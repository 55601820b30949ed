"""Messages a second into the sink, against stock aiosmtpd with the same storage. ``python -m tests.bench.bench_sink``.

The load comes from Postfix's smtp-source, or from a small client of ours where it is not installed. Each round runs
every server in turn on a fresh store, so only ratios of one round are compared. Every message must have been kept. A
second part measures how late another session's reply is while a message of 10 MB comes in and is verified.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

from tests.bench.measure import write

KINDS = {
    "stock-discard": "aiosmtpd, discard",
    "ours-discard": "deliverkit, discard",
    "stock": "aiosmtpd + SQLite, a synced commit each",
    "stock-inbox": "aiosmtpd + our inbox",
    "ours": "deliverkit, captured",
    "ours-verified": "deliverkit, captured and verified",
}
RIVAL = {"ours-discard": "stock-discard", "ours": "stock", "ours-verified": "stock"}
ROUNDS = 3


class Load(NamedTuple):
    """One kind of traffic, and the least ratio that is wanted of capture against stock."""

    name: str
    octets: int
    sessions: int
    messages: int
    bar: float


LOADS = (
    Load("2 kB x 10", 2_000, 10, 3_000, 3.0),
    Load("50 kB x 10", 50_000, 10, 800, 3.0),
    Load("1 MB x 10", 1_000_000, 10, 80, 2.5),
)


class Ran(NamedTuple):
    """One run: messages a second, server CPU in milliseconds a message."""

    rate: float
    cpu_ms: float


def run_one(kind: str, load: Load) -> Ran:
    """Start a server on a fresh store, send the load, and see that all of it was kept."""
    with tempfile.TemporaryDirectory() as folder:
        server = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.sink_servers", kind, str(Path(folder) / "mail.db")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert server.stdin is not None
        assert server.stdout is not None
        _pin(server.pid, 1)
        try:
            port = int(server.stdout.readline())
            send(port, load._replace(messages=load.sessions))  # warm
            before, began = _cpu_seconds(server.pid), time.perf_counter()
            send(port, load)
            spent, after = time.perf_counter() - began, _cpu_seconds(server.pid)
            server.stdin.close()
            kept = int(server.stdout.readline())
            assert kept in (0, load.messages + load.sessions), f"{kind} kept {kept} of {load.messages}"
        finally:
            server.kill()
            server.wait()
            server.stdout.close()
    return Ran(load.messages / spent, (after - before) * 1000 / load.messages)


def send(port: int, load: Load) -> None:
    """Send the load over as many connections as it has sessions, each kept open."""
    source = shutil.which("smtp-source", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if source is None:
        asyncio.run(_send_ours(port, load))
        return
    command = [source, "-d", "-s", str(load.sessions), "-m", str(load.messages), "-l", str(load.octets)]
    client = subprocess.Popen([*command, "-M", "c.example.com", f"127.0.0.1:{port}"])
    _pin(client.pid, 0)
    if client.wait() != 0:
        raise RuntimeError("smtp-source failed")


async def _send_ours(port: int, load: Load) -> None:
    line = b"x" * 78 + b"\r\n"
    content = b"Subject: bench\r\n\r\n" + line * (load.octets // 80) + b".\r\n"

    async def session() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await reader.readline()
        writer.write(b"HELO c.example.com\r\n")
        await reader.readline()
        for _ in range(load.messages // load.sessions):
            for command in (b"MAIL FROM:<a@example.com>", b"RCPT TO:<b@example.org>", b"DATA"):
                writer.write(command + b"\r\n")
                await reader.readline()
            writer.write(content)
            assert (await reader.readline()).startswith(b"250")
        writer.close()

    await asyncio.gather(*(session() for _ in range(load.sessions)))


def _pin(pid: int, cpu: int) -> None:
    if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(pid, {cpu})


def _cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rates() -> list[list[Any]]:
    """The table: medians of rates, and of the ratios within each round."""
    table: list[list[Any]] = []
    for load in LOADS:
        runs: dict[str, list[Ran]] = {kind: [] for kind in KINDS}
        for _ in range(ROUNDS):
            for kind, ran in runs.items():
                ran.append(run_one(kind, load))
        for kind, ran in runs.items():
            rival = RIVAL.get(kind)
            ratio = (
                f"{statistics.median(a.rate / b.rate for a, b in zip(ran, runs[rival], strict=True)):.2f}"
                if rival
                else ""
            )
            bar = f"{load.bar:g}" if kind == "ours" else ""
            rate, cpu = (statistics.median(getattr(one, what) for one in ran) for what in ("rate", "cpu_ms"))
            table.append([load.name, KINDS[kind], f"{rate:.0f}", f"{cpu:.2f}", ratio, bar])
    return table


def lateness() -> tuple[float, float, float]:
    """Milliseconds another session waits for a NOOP while 10 MB come in and are verified: median, 99 of 100, worst."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "tests.bench.sink_servers", "ours-verified", str(Path(folder) / "mail.db")]
        server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert server.stdin is not None
        assert server.stdout is not None
        try:
            waits = asyncio.run(_waits(int(server.stdout.readline())))
            server.stdin.close()
            server.wait(30)
        finally:
            server.kill()
            server.wait()
            server.stdout.close()
    waits.sort()
    return statistics.median(waits), waits[int(len(waits) * 0.99)], waits[-1]


async def _waits(port: int) -> list[float]:
    line = b"The quick brown fox jumps over the lazy dog, again and  again \t\r\n"
    content = b"From: a@example.com\r\nSubject: big\r\n\r\n" + line * (10_000_000 // len(line))
    await _one_message(port, b"From: a@example.com\r\n\r\n")
    await asyncio.sleep(1.5)  # the first verification loads its rules
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    await reader.readline()
    big = asyncio.create_task(_one_message(port, content))
    began, waits = time.perf_counter(), []
    while time.perf_counter() - began < 1.5:
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
    for command in (b"HELO c.example.com", b"MAIL FROM:<a@example.com>", b"RCPT TO:<b@example.org>", b"DATA"):
        writer.write(command + b"\r\n")
        await reader.readline()
    for start in range(0, len(content), 1 << 18):
        writer.write(content[start : start + (1 << 18)])
        await writer.drain()
    writer.write(b".\r\n")
    assert (await reader.readline()).startswith(b"250")
    writer.close()


def main() -> None:
    """Measure and write."""
    table = rates()
    median, most, worst = lateness()
    write(
        "sink",
        "The sink",
        ["load", "server", "messages/s (median)", "server CPU ms/message", "ratio to aiosmtpd", "bar"],
        table,
        [
            f"{ROUNDS} interleaved rounds; load from smtp-source where it is installed, connections kept open; ratios"
            " are medians of ratios within a round.",
            "All rows but the discarding ones answer 250 after a synced commit (WAL, synchronous=FULL). The ratio of"
            " captured mail is to aiosmtpd with a commit for each message; our inbox commits in groups.",
            "With verification: sessions do not wait for it, but it shares their processor.",
            f"While a message of 10 MB came in and was verified, another session waited {median:.1f} ms for a reply in"
            f" the median, {most:.0f} ms in 99 of 100 cases, {worst:.0f} ms at worst.",
        ],
    )


if __name__ == "__main__":
    main()
