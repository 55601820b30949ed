"""What `bench_sink` sends, and how it runs a server and measures it.

The load is a DKIM-signed message, sent by Postfix's smtp-source, or by a client of ours where that is missing.
"""

from __future__ import annotations

import asyncio
import functools
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from tests.bench.bench_dkim import KEYS, message
from tests.bench.measure import CLIENTS, SERVERS


class Load(NamedTuple):
    """One kind of traffic."""

    name: str
    octets: int
    sessions: int
    messages: int


class Ran(NamedTuple):
    """One run: messages a second answered and judged (0: nobody judges), CPU in milliseconds a message."""

    rate: float
    judged: float
    cpu_ms: float


@functools.cache
def signed(octets: int) -> bytes:
    """A message of so many octets with a good signature."""
    from deliverkit.protocols.dkim.keys import load_private_key
    from deliverkit.protocols.dkim.sign import SigningKey, sign

    key = load_private_key(KEYS / "test-only-rsa2048.pem")
    whole = message(octets).rpartition(b"\r\n")[0] + b"\r\n"
    return sign(whole, [SigningKey("s1", "example.com", key)], now=datetime.now(UTC))


@contextmanager
def server(kind: str) -> Iterator[Any]:
    """A server of `sink_servers` on a fresh store, on a processor of its own; told by lines."""
    with tempfile.TemporaryDirectory() as folder:
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.bench.sink_servers", kind, str(Path(folder) / "mail.db")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        pin(process.pid, SERVERS)
        try:
            yield process
        finally:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                assert pipe is not None
                pipe.close()


def counted(process: Any) -> int:
    """How many messages the server has, once all of them are judged where it judges."""
    process.stdin.write("count\n")
    process.stdin.flush()
    return int(process.stdout.readline())


def run_one(kind: str, load: Load) -> Ran:
    """Send the load to a fresh server, and see that all of it was kept."""
    with server(kind) as process:
        port = int(process.stdout.readline())
        send(port, load._replace(messages=2 * load.sessions))  # warm
        counted(process)
        before, began = cpu_seconds(process.pid), time.perf_counter()
        send(port, load)
        answered = time.perf_counter() - began
        kept = counted(process)
        judged, after = time.perf_counter() - began, cpu_seconds(process.pid)
        assert kept == load.messages + 2 * load.sessions, f"{kind} kept {kept} of {load.messages}"
    everything = load.messages / judged if "verified" in kind else 0.0
    return Ran(load.messages / answered, everything, (after - before) * 1000 / load.messages)


def send(port: int, load: Load) -> None:
    """Send the load over as many connections as it has sessions, each kept open."""
    source = shutil.which("smtp-source", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if source is None:
        asyncio.run(_send_ours(port, load))
        return
    with tempfile.NamedTemporaryFile() as file:
        file.write(signed(load.octets).replace(b"\r\n", b"\n"))  # smtp-source ends each line as SMTP wants it
        file.flush()
        command = [source, "-d", "-s", str(load.sessions), "-m", str(load.messages), "-F", file.name]
        client = subprocess.Popen([*command, "-M", "c.example.com", f"127.0.0.1:{port}"])
        pin(client.pid, CLIENTS)
        if client.wait() != 0:
            raise RuntimeError("smtp-source failed")


async def _send_ours(port: int, load: Load) -> None:
    async def session() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        await reader.readline()
        for _ in range(load.messages // load.sessions):
            await transaction(reader, writer, signed(load.octets))
        writer.close()

    await asyncio.gather(*(session() for _ in range(load.sessions)))


async def transaction(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, content: bytes) -> None:
    """One message, whose content has no line that begins with a dot."""
    for command in (b"HELO c.example.com", b"MAIL FROM:<a@example.com>", b"RCPT TO:<b@example.org>", b"DATA"):
        writer.write(command + b"\r\n")
        await reader.readline()
    for start in range(0, len(content), 1 << 18):
        writer.write(content[start : start + (1 << 18)])
        await writer.drain()
    writer.write(b".\r\n")
    assert (await reader.readline()).startswith(b"250")


def pin(pid: int, cpu: int) -> None:
    """Keep a process on one processor where that can be had."""
    if hasattr(os, "sched_setaffinity") and (os.cpu_count() or 1) > 1:
        os.sched_setaffinity(pid, {cpu})


def cpu_seconds(pid: int) -> float:
    """What a process and its children that still run have spent."""
    ticks = os.sysconf("SC_CLK_TCK")
    return sum((int(fields[11]) + int(fields[12])) / ticks for fields in _family(pid))


def rss_mb(pid: int) -> float:
    """Resident memory of a process and its children."""
    return sum(int(fields[21]) * os.sysconf("SC_PAGE_SIZE") / (1 << 20) for fields in _family(pid))


def _family(pid: int) -> Iterator[list[str]]:
    """What /proc tells of a process and its children, from the state on (proc_pid_stat(5))."""
    for file in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = file.read_text("ascii", "replace").rpartition(")")[2].split()
        except OSError:  # it ended meanwhile
            continue
        if str(pid) in (file.parent.name, fields[1]):
            yield fields
