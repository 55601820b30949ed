"""One STARTTLS probe at a time, against smtplib and asyncio streams: ``python -m tests.bench.bench_probe``.

The server is a private Postfix, or one of ours where Postfix is not installed. Each probe: connect, greeting, EHLO,
STARTTLS, handshake, the certificate read, EHLO, QUIT. What to hold: no 40 ms stall after the handshake, and at most 2.5
times the CPU of a bare client handshake. Server and client have a processor each, where there are two: on one, the
kernel's scheduling hides the stall that clients meet in the world.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import smtplib
import ssl
import statistics
import tempfile
import time
import unittest.mock
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from operator import truediv
from pathlib import Path

from deliverkit.smtp.dialogue import TlsSession
from deliverkit.smtp.inspect import Target, probe_flow
from deliverkit.world import wire
from deliverkit.world.smtp import LiveSmtp
from tests.bench.measure import CLIENTS, SERVERS, Bar, pinned, write
from tests.loopback.authority import Authority
from tests.loopback.faulty import Talk, context, server
from tests.peers.postfix import Endpoint, Postfix
from tests.peers.programs import missing_program

NAME = "mail.example.test"
ROUNDS = 5
PROBES = 60
STALL_S = 0.035
ADDRESS, PORT = "127.0.0.1", 28025


def main() -> None:
    """Measure and write reports/bench/probe.*"""
    with tempfile.TemporaryDirectory() as text:
        folder = Path(text)
        folder.chmod(0o755)
        authority = Authority()
        chain, key = authority.issue(NAME).write(folder, "leaf")
        chain.chmod(0o644)
        ca_file = str(authority.write_root(folder))
        with pinned(SERVERS), served(folder, chain, key) as (what, port), pinned(CLIENTS):
            rows = measured(port, ca_file)
            bare = bare_handshake(chain, key)
    mine = rows["deliverkit probe"]
    faster = statistics.median(map(truediv, rows["asyncio streams"].rounds, mine.rounds))
    table = [
        (
            name,
            f"{PROBES / statistics.median(one.rounds):.0f}",
            f"{statistics.median(one.wall) * 1000:.2f}",
            f"{sum(wall > STALL_S for wall in one.wall) / len(one.wall):.0%}",
            f"{one.cpu / len(one.wall) * 1000:.2f}",
            f"{one.cpu / len(one.wall) / bare:.1f}",
        )
        for name, one in rows.items()
    ]
    table.append(("bare client handshake, in memory", "", f"{bare * 1000:.2f}", "", f"{bare * 1000:.2f}", "1.0"))
    write(
        "probe",
        "A STARTTLS probe, one at a time",
        ("client", "probes/s", "wall ms (median)", f"over {STALL_S * 1000:.0f} ms", "CPU ms", "CPU of bare handshakes"),
        table,
        [
            f"Server: {what}. {ROUNDS} interleaved rounds of {PROBES} probes each.",
            "The share over 35 ms shows the stall of a delayed ACK after STARTTLS (it is 40 ms long); how often a "
            "client without TCP_QUICKACK meets it depends on the kernel and the load.",
            "In the CPU of ours the chain is judged and the transcript written.",
        ],
        [
            Bar("STARTTLS probe, CPU of a bare handshake", mine.cpu / len(mine.wall) / bare, 2.5, at_most=True),
            Bar("STARTTLS probes one at a time, against asyncio streams", faster, 10),
        ],
    )


@contextlib.contextmanager
def served(folder: Path, chain: Path, key: Path) -> Iterator[tuple[str, int]]:
    """A server to probe: what it is, and its port."""
    if missing_program("postfix") is None:
        settings = {"smtpd_tls_security_level": "may", "smtpd_tls_chain_files": f"{key},{chain}"}
        postfix = Postfix(folder / "postfix", [Endpoint(ADDRESS, PORT, settings)])
        try:
            postfix.start()
            yield "a private Postfix", PORT
        finally:
            postfix.stop()
        return
    ports: multiprocessing.Queue[int] = multiprocessing.Queue()
    process = multiprocessing.Process(target=_own_server, args=(str(chain), str(key), ports), daemon=True)
    process.start()
    try:
        yield "a server of ours, in a process of its own", ports.get(timeout=20)
    finally:
        process.terminate()
        process.join()


def _own_server(chain: str, key: str, ports: multiprocessing.Queue[int]) -> None:
    tls = context(Path(chain), Path(key))

    async def conversation(talk: Talk) -> None:
        await talk.say(f"220 {NAME} ESMTP")
        await talk.hear()
        await talk.say(f"250-{NAME}", "250 STARTTLS")
        await talk.hear()
        await talk.say("220 ready")
        await talk.start_tls(tls)
        await talk.serve(greeting=None)

    async def forever() -> None:
        async with server(conversation) as port:
            ports.put(port)
            await asyncio.Event().wait()

    asyncio.run(forever())


@dataclass
class Measured:
    """The wall seconds of every probe of one client and of every round, and the CPU seconds of all of them."""

    wall: list[float] = field(default_factory=list)
    rounds: list[float] = field(default_factory=list)
    cpu: float = 0.0


def measured(port: int, ca_file: str) -> dict[str, Measured]:
    """Each client in turn, round after round; the first round warms up."""
    clients: dict[str, Callable[[int, str, int], list[float]]] = {
        "smtplib": _smtplib,
        "asyncio streams": _streams,
        "deliverkit probe, without TCP_QUICKACK": _ours_without_quickack,
        "deliverkit probe": _ours,
    }
    rows = {name: Measured() for name in clients}
    for number in range(ROUNDS + 1):
        for name, client in clients.items():
            cpu = time.process_time()
            wall = client(port, ca_file, PROBES)
            if number:
                rows[name].wall += wall
                rows[name].rounds.append(sum(wall))
                rows[name].cpu += time.process_time() - cpu
    return rows


def _ours_without_quickack(port: int, ca_file: str, times: int) -> list[float]:
    """The same probe with the cure taken away."""
    with unittest.mock.patch.object(wire, "_QUICKACK", None):
        return _ours(port, ca_file, times)


def _ours(port: int, ca_file: str, times: int) -> list[float]:
    target = Target(NAME, ADDRESS, port, "mx", NAME, NAME, ca_file, "client.example.test")

    spent = []

    async def work() -> None:
        door = LiveSmtp()
        for _ in range(times):
            began = time.perf_counter()
            seen, _transcript = await door.converse(probe_flow(target))
            assert isinstance(seen.tls, TlsSession), seen
            assert seen.tls.trusted, seen
            assert seen.ehlo_tls is not None
            spent.append(time.perf_counter() - began)

    asyncio.run(work())
    return spent


def _smtplib(port: int, ca_file: str, times: int) -> list[float]:
    spent = []
    tls = ssl.create_default_context(cafile=ca_file)
    tls.check_hostname = False
    for _ in range(times):
        began = time.perf_counter()
        with smtplib.SMTP(ADDRESS, port, "client.example.test") as client:
            client.ehlo()
            client.starttls(context=tls)
            client.sock.getpeercert()
            client.ehlo()
        spent.append(time.perf_counter() - began)
    return spent


def _streams(port: int, ca_file: str, times: int) -> list[float]:
    spent = []
    tls = ssl.create_default_context(cafile=ca_file)

    async def reply(reader: asyncio.StreamReader) -> None:
        while (await reader.readline())[3:4] == b"-":
            pass

    async def work() -> None:
        for _ in range(times):
            began = time.perf_counter()
            reader, writer = await asyncio.open_connection(ADDRESS, port)
            await reply(reader)
            for line in (b"EHLO client.example.test\r\n", b"STARTTLS\r\n"):
                writer.write(line)
                await reply(reader)
            await writer.start_tls(tls, server_hostname=NAME)
            writer.get_extra_info("peercert")
            for line in (b"EHLO client.example.test\r\n", b"QUIT\r\n"):
                writer.write(line)
                await reply(reader)
            writer.close()
            with contextlib.suppress(ssl.SSLError, ConnectionError):
                await writer.wait_closed()
            spent.append(time.perf_counter() - began)

    asyncio.run(work())
    return spent


def bare_handshake(chain: Path, key: Path, times: int = 200) -> float:
    """CPU seconds that the client's side of one TLS 1.3 handshake costs, in memory."""
    at_server = context(chain, key)
    at_client = ssl.create_default_context()
    at_client.check_hostname = False
    at_client.verify_mode = ssl.CERT_NONE
    spent = []
    for _ in range(times):
        to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        theirs = at_server.wrap_bio(to_server, to_client, server_side=True)
        cost = 0.0
        began = time.process_time()
        ours = at_client.wrap_bio(to_client, to_server, server_hostname=NAME)
        cost += time.process_time() - began
        pending = True
        while pending:
            pending = False
            for side, mine in ((ours, True), (theirs, False)):
                began = time.process_time()
                try:
                    side.do_handshake()
                except ssl.SSLWantReadError:
                    pending = True
                if mine:
                    cost += time.process_time() - began
        spent.append(cost)
    return statistics.median(spent)


if __name__ == "__main__":
    main()
