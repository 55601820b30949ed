"""The DNS door against dnsperf, dnspython and aiodns. ``python -m tests.bench.bench_dns``.

NSD (or Knot) serves generated domains on loopback, pinned to one CPU; each client is pinned to another and asks what
audits ask, as users of its library do: coroutines for the resolvers, flows (what `World.run` drives) for the doors.
Rounds are interleaved; ratios are medians of same-round ratios. Bars: the whole door on one core at least 15 times
dnspython's asynchronous resolver, and 0.4 of dnsperf. aiodns is measured where the Python that DELIVERKIT_PEER_PYTHON
names (or this one) can import it.
"""

from __future__ import annotations

import json
import os
import random
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.measure import Bar, write
from tests.peers.knot import Knot
from tests.peers.nsd import Nsd
from tests.peers.programs import find

DOMAINS = 2_000
ROUNDS = 5
WINDOW = 150
ADDRESS, PORT = "127.0.0.1", 5391
CLIENTS = Path(__file__).with_name("dns_clients.py")
KEY = "MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQC7" + "a1B2c3D4e5F6g7H8" * 10 + "IDAQAB"
TYPES = {"@": ("MX", "TXT", "NS", "SOA", "A", "AAAA"), "_dmarc": ("TXT",), "s1._domainkey": ("TXT",),
         "s2._domainkey": ("TXT",), "_smtp._tls": ("TXT",), "_mta-sts": ("TXT",), "mx1": ("A", "AAAA"),
         "_25._tcp.mx1": ("TLSA",), "default._bimi": ("TXT",)}  # fmt: skip


def zone(origin: str, dice: random.Random) -> str:
    """A domain as many are: two MX hosts, SPF, DMARC, a DKIM key or two, some of the rest."""
    net = f"{dice.randint(1, 223)}.{dice.randint(0, 255)}.{dice.randint(0, 255)}"
    esp = dice.choice(["_spf.mail-esp.example", "spf.protection.crm.example", "spf.news.example"])
    lines = [
        f"$ORIGIN {origin}", "$TTL 3600",
        "@ SOA ns1.hosting.example. hostmaster.hosting.example. 2026112501 7200 3600 1209600 300",
        "@ NS ns1.hosting.example.", "@ NS ns2.hosting.example.", "@ MX 10 mx1", "@ MX 20 mx2", f"@ A {net}.10",
        f'@ TXT "v=spf1 mx include:{esp} ip4:{net}.0/28 -all"',
        f'@ TXT "site-verification={dice.getrandbits(128):032x}"',
        f'_dmarc TXT "v=DMARC1; p=quarantine; rua=mailto:dmarc@{origin.rstrip(".")}"',
        f'_smtp._tls TXT "v=TLSRPTv1; rua=mailto:tls@{origin.rstrip(".")}"',
        f"mx1 A {net}.25", f"mx1 AAAA 2001:db8:{dice.getrandbits(16):x}::25", f"mx2 A {net}.26",
    ]  # fmt: skip
    lines += [f'{s}._domainkey TXT "v=DKIM1; k=rsa; p={KEY}"' for s in ("s1", "s2")[: dice.choice([1, 2, 2])]]
    if dice.random() < 0.7:
        lines.append(f'_mta-sts TXT "v=STSv1; id={dice.getrandbits(40)}"')
    if dice.random() < 0.8:
        lines.append(f"_25._tcp.mx1 TLSA 3 1 1 {dice.getrandbits(256):064x}")
    if dice.random() < 0.4:
        lines.append('default._bimi TXT "v=BIMI1; l=https://example.com/logo.svg"')
    return "\n".join(lines) + "\n"


def questions(origins: list[str], dice: random.Random) -> list[str]:
    """What audits ask of these domains, shuffled, as lines for dnsperf."""
    found = [
        f"{origin if label == '@' else f'{label}.{origin}'} {type_}"
        for origin in (name.rstrip(".") for name in origins)
        for label, types in TYPES.items()
        for type_ in types
    ]
    dice.shuffle(found)
    return found


@contextmanager
def on_cpu(number: int) -> Iterator[None]:
    """What is started inside runs on one CPU."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {sorted(before)[number % len(before)]})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


@dataclass
class Row:
    """One client: how to start it, how many questions it is given, what each round measured."""

    name: str
    layers: str
    command: list[str]
    count: int
    rate: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)
    missing: str = ""

    def run(self, *, keep: bool) -> None:
        """One round."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(self.command, capture_output=True, text=True, timeout=120, check=False)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if self.command[0].endswith("dnsperf"):
            rate = re.search(r"Queries per second:\s+([0-9.]+)", done.stdout)
            answered = re.search(r"Queries completed:\s+(\d+)", done.stdout)
            if not rate or not answered:
                raise RuntimeError(f"dnsperf: {done.stdout}{done.stderr}")
            cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
            measured = float(rate[1]), cpu / int(answered[1]) * 1e6
        else:
            if done.returncode:
                raise RuntimeError(f"{self.name}: {done.stderr}")
            told = json.loads(done.stdout)
            if "missing" in told:
                self.missing = told["missing"]
                return
            count = sum(told["told"].values())
            if failed := {k: n for k, n in told["told"].items() if k not in ("ok", "nodata", "nxdomain")}:
                raise RuntimeError(f"{self.name}: questions without an answer: {failed}")
            measured = count / told["wall"], told["cpu"] / count * 1e6
        if keep:
            self.rate.append(measured[0])
            self.cpu_us.append(measured[1])


def rows(folder: Path, total: int) -> list[Row]:
    """The clients to compare."""
    file = str(folder / "questions")

    def client(kind: str, count: int, python: str = sys.executable) -> list[str]:
        return [python, str(CLIENTS), kind, ADDRESS, str(PORT), file, str(count), str(WINDOW)]

    perf = [str(find("dnsperf")), "-s", ADDRESS, "-p", str(PORT), "-d", file, "-T1", "-c1", f"-q{WINDOW}", "-n4"]
    python = os.environ.get("DELIVERKIT_PEER_PYTHON", sys.executable)
    slow = total // 10
    return [
        Row("dnsperf", "encode, one socket, count response codes (C)", perf, total * 4),
        Row("dnspython asyncresolver", "Message objects, a socket a query, timeout", client("dnspython", slow), slow),
        Row("aiodns", "c-ares, one socket; no TLSA", client("aiodns", total // 3, python), total // 3),
        Row("deliverkit LiveDns", "retries, health, EDNS/TCP fallback, 32 random ports, random ids, cap in flight",
            client("live", total), total),
        Row("deliverkit World.live().dns", "all that, and cache (each a miss) with single flight",
            client("world", total), total),
    ]  # fmt: skip


def ratio(a: Row, b: Row) -> float:
    """The median of the same-round ratios of questions a second."""
    return statistics.median(x / y for x, y in zip(a.rate, b.rate, strict=True))


def main() -> None:
    """Measure and write reports/bench/dns.*"""
    server_class = Nsd if find("nsd") else Knot
    if not find("nsd") and not find("knotd"):
        sys.exit("neither nsd nor knotd is installed: there is nothing to ask")
    dice = random.Random(20261125)
    origins = [f"{dice.choice(['shop', 'mail', 'firm', 'news'])}-{n}.example." for n in range(DOMAINS)]
    asked = questions(origins, dice)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "questions").write_text("\n".join(asked) + "\n")
        with on_cpu(1):
            server = server_class(folder / "server", {o: zone(o, dice) for o in origins}, ADDRESS, PORT)
            server.start()
        try:
            table = rows(folder, len(asked))
            if not find("dnsperf"):
                table[0].missing = "dnsperf is not installed"
            with on_cpu(0):
                began = time.perf_counter()
                for number in range(ROUNDS + 1):
                    for row in table:
                        if not row.missing:
                            row.run(keep=number > 0)
                took = time.perf_counter() - began
        finally:
            server.stop()
    report(table, server_class.__name__, len(asked), took)


def report(table: list[Row], server: str, total: int, took: float) -> None:
    """The table, and what the bars say."""
    perf, stub = table[0], table[1]
    shown = []
    for row in table:
        if row.missing:
            continue
        ratios = [f"{ratio(row, other):.2f}" if not other.missing else "" for other in (perf, stub)]
        shown.append(
            (row.name, row.layers, f"{statistics.median(row.rate):,.0f}",
             f"{min(row.rate):,.0f}-{max(row.rate):,.0f}", f"{statistics.median(row.cpu_us):.1f}", *ratios)
        )  # fmt: skip
    notes = [
        f"{server} on loopback, pinned to one CPU, clients to another; {DOMAINS} domains, {total} questions, "
        f"{WINDOW} open at a time; {ROUNDS} interleaved rounds after one to warm up ({took:.0f} s); medians, "
        "ratios within rounds. Slow clients are given fewer of the questions.",
        "Resolvers are asked by coroutines, our doors by flows, as audits do: each in the usual way of its library.",
        "The bar is for the last row, the door that audits use: at least 15 times dnspython, at least 0.4 of dnsperf.",
    ]
    notes += [f"{row.name} was not measured: {row.missing}." for row in table if row.missing]
    header = ("client", "what it does for each question", "questions/s", "range", "CPU µs each", "of dnsperf",
              "times dnspython")  # fmt: skip
    bars = [
        Bar(f"DNS questions/s on one core: World.live().dns / {other.name}", ratio(table[-1], other), bound)
        for other, bound in ((perf, 0.4), (stub, 15.0))
        if not other.missing
    ]
    write("dns", "DNS questions on one core", header, shown, notes, bars)


if __name__ == "__main__":
    main()
