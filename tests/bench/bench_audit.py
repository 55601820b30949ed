"""One audit, cold and over a slow resolver. ``python -m tests.bench.bench_audit``.

1. A cold process auditing zone files against checkdmarc auditing the same zones, served by Knot on loopback. checkdmarc
   asks port 53 only, so this needs root, knotd, and checkdmarc in the path or in CHECKDMARC. Bar: half its wall time.
2. A full audit over a resolver that answers after 20 ms, against its longest dependent chain of queries. The chain is
   counted by running every protocol's flow alone, where flows side by side cost their longest one. Bar: 1.3 chains.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import select
import shutil
import socket
import statistics
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import dns.message

from deliverkit.demo.nameserver import Nameserver
from deliverkit.engine.audit import AuditOptions, audit
from deliverkit.facts.bimi import observe_bimi
from deliverkit.facts.dkim import observe_dkim
from deliverkit.facts.dmarc import observe_dmarc
from deliverkit.facts.mtasts import observe_mtasts
from deliverkit.facts.mx import observe_mx
from deliverkit.facts.ptr import observe_ptr
from deliverkit.facts.spf import observe_spf
from deliverkit.facts.tlsrpt import observe_tlsrpt
from deliverkit.flow import Answer, Each, Flow, Question, Together
from deliverkit.world import World
from deliverkit.world.zone import Zone
from tests.bench.measure import Bar, interleave_commands, ratio, write
from tests.peers.knot import Knot
from tests.peers.programs import find

DELAY_S = 0.020
ROUNDS = 21
ZONE = """\
$ORIGIN example.
$TTL 300
@ SOA ns.example. hostmaster.example. 1 7200 3600 1209600 300
@ NS ns.example.
ns A 127.0.0.53
mail MX 10 mx1.mail.example.
mail MX 20 mx2.mail.example.
mail A 192.0.2.10
mail TXT "v=spf1 mx include:_spf.esp.example include:_spf.crm.example ip4:192.0.2.0/28 -all"
mx1.mail A 192.0.2.25
mx2.mail A 192.0.2.26
mx2.mail AAAA 2001:db8::26
_dmarc.mail TXT "v=DMARC1; p=reject; rua=mailto:dmarc@mail.example"
s1._domainkey.mail TXT "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
_smtp._tls.mail TXT "v=TLSRPTv1; rua=mailto:tls@mail.example"
_spf.esp TXT "v=spf1 include:_spf1.esp.example include:_spf2.esp.example ~all"
_spf1.esp TXT "v=spf1 ip4:198.51.100.0/26 include:_spf3.esp.example ~all"
_spf2.esp TXT "v=spf1 ip4:198.51.100.64/26 ~all"
_spf3.esp TXT "v=spf1 a:out.esp.example ~all"
out.esp A 198.51.100.200
_spf.crm TXT "v=spf1 ip4:203.0.113.0/25 ~all"
"""
REVERSE = """\
$ORIGIN 2.0.192.in-addr.arpa.
$TTL 300
@ SOA ns.example. hostmaster.example. 1 7200 3600 1209600 300
@ NS ns.example.
25 PTR mx1.mail.example.
26 PTR mx2.mail.example.
"""


def cold(rounds: int = ROUNDS) -> tuple[list[tuple[str, ...]], str | None]:
    """Whole processes: ours on zone files, checkdmarc on the same zones served.

    Ours is this checkout, or the program that DELIVERKIT names (one installed as users install it).
    """
    peer = os.environ.get("CHECKDMARC") or shutil.which("checkdmarc")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "example.zone").write_text(ZONE)
        (folder / "reverse.zone").write_text(REVERSE)
        installed = os.environ.get("DELIVERKIT")
        program = [installed] if installed else [sys.executable, "-m", "deliverkit"]
        ours = [*program, "audit", "mail.example", "--no-probe", "--offline", "--fail-on", "never"]
        commands: dict[str, list[str]] = {
            "deliverkit audit, zone files": [
                *ours, "--zone", str(folder / "example.zone"), "--zone", str(folder / "reverse.zone"),
            ]
        }  # fmt: skip
        lacking = None if peer else "checkdmarc is not installed"
        if os.getuid():
            lacking = "port 53 needs root"
        if not find("knotd"):
            lacking = "knotd is not installed"
        knot = Knot(folder / "knot", {"example.": ZONE, "2.0.192.in-addr.arpa.": REVERSE}, "127.0.0.53", 53)
        if lacking is None:
            knot.start()
            commands["checkdmarc, the same zones served"] = [str(peer), "mail.example", "-n", "127.0.0.53"]
        try:
            rows = interleave_commands(commands, rounds=rounds)
        finally:
            knot.stop()
    last = list(commands)[-1]
    return [
        (name, f"{row.median() * 1000:.0f}", f"{row.median('cpu') * 1000:.0f}", f"{ratio(rows, name, last):.2f}")
        for name, row in rows.items()
    ], lacking


def chain(flow: Flow[Any], hear: Callable[[Question], Answer]) -> tuple[Any, int]:
    """A flow's result and its longest dependent chain of questions."""
    length = 0
    try:
        asked = next(flow)
        while True:
            if isinstance(asked, Together):
                ended = [chain(inner, hear) for inner in asked.flows]
                length += max((steps for _, steps in ended), default=0)
                asked = flow.send(tuple(result for result, _ in ended))
            elif isinstance(asked, Each):
                length += 1 if asked.questions else 0
                asked = flow.send(tuple(map(hear, asked.questions)))
            else:
                length += 1
                asked = flow.send(hear(asked))
    except StopIteration as stop:
        return stop.value, length


async def slow(rounds: int = 15) -> tuple[float, float, int]:
    """Median seconds of a full audit and of a single question over the slow resolver, and the longest chain."""
    zones = [Zone.parse(ZONE, file="example.zone"), Zone.parse(REVERSE, file="reverse.zone")]
    told = World.offline(closed=True).with_zone(*zones)
    flows = [
        observe_spf("mail.example"), observe_dkim("mail.example", selectors=("s1",)), observe_dmarc("mail.example"),
        observe_mx("mail.example"), observe_ptr("mail.example"), observe_tlsrpt("mail.example"),
        observe_mtasts("mail.example"), observe_bimi("mail.example"),
    ]  # fmt: skip

    def hear(question: Question) -> Answer:
        try:
            told.ask(question).send(None)
        except StopIteration as stop:
            answer: Answer = stop.value
            return answer
        raise AssertionError("a closed world never waits")

    longest = max(chain(flow, hear)[1] for flow in flows)
    audits, questions = [], []
    with distant_server() as address:
        for number in range(rounds + 1):
            async with World.live([address]) as world:
                began = time.perf_counter()
                await audit("mail.example", world=world, options=AuditOptions(selectors=("s1",), probe=False))
                audits.append(time.perf_counter() - began)
                began = time.perf_counter()
                await world.ask(Question(f"single{number}.mail.example", "TXT"))
                questions.append(time.perf_counter() - began)
    return statistics.median(audits[1:]), statistics.median(questions[1:]), longest


@contextmanager
def distant_server() -> Iterator[str]:
    """The slow name server in a process of its own, so that its work is not ours; yields its address."""
    ours, theirs = multiprocessing.Pipe()
    server = multiprocessing.get_context("spawn").Process(target=_serve, args=(theirs,), daemon=True)
    server.start()
    try:
        yield ours.recv()
    finally:
        ours.send("stop")
        server.join(10)


def _serve(pipe: Connection) -> None:
    """Answer each datagram DELAY_S after it came, from memory where it came before: far away, but not busy."""
    server = Nameserver([Zone.parse(ZONE, file="example.zone"), Zone.parse(REVERSE, file="reverse.zone")])
    known: dict[bytes, bytes] = {}
    due: deque[tuple[float, bytes, tuple[str, int]]] = deque()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as door:
        door.bind(("127.0.0.1", 0))
        pipe.send(f"127.0.0.1:{door.getsockname()[1]}")
        while True:
            wait = max(due[0][0] - time.perf_counter(), 0) if due else None
            ready = select.select([door, pipe], [], [], wait)[0]
            if pipe in ready:
                return
            if door in ready:
                query, sender = door.recvfrom(4096)
                came = time.perf_counter()
                if query[2:] not in known:
                    asked = dns.message.from_wire(query)
                    known[query[2:]] = server.pack(server.answer(asked), asked, "udp")[2:]
                due.append((came + DELAY_S, query[:2] + known[query[2:]], sender))
            while due and due[0][0] <= time.perf_counter():
                _, response, sender = due.popleft()
                door.sendto(response, sender)


def main() -> None:
    """Measure and write reports/bench/audit.*"""
    rows, lacking = cold()
    seconds, single, longest = asyncio.run(slow())
    notes = [
        f"Cold: {ROUNDS} interleaved rounds of whole processes, all modules compiled before; "
        "median wall ratio to the last row.",
        f"Over a resolver that answers after {DELAY_S * 1000:.0f} ms: a full audit takes {seconds * 1000:.0f} ms "
        f"(median of 15). Its longest chain is {longest} questions; a single one takes {single * 1000:.1f} ms there, "
        f"so the chain {longest * single * 1000:.0f} ms.",
    ]
    chained = seconds / (longest * single)
    bars = [Bar(f"one audit over {DELAY_S * 1000:.0f} ms, of its longest chain", chained, 1.3, at_most=True)]
    if lacking:
        notes.append(f"checkdmarc was not measured: {lacking}.")
    else:
        bars.append(Bar("one cold audit, wall time of checkdmarc's", float(rows[0][-1]), 0.5, at_most=True))
    header = ("command", "wall ms (median)", "CPU ms (median)", "wall ratio")
    write("audit", "One audit", header, rows, notes, bars)


if __name__ == "__main__":
    main()
