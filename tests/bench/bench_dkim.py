"""DKIM against stock dkimpy and mailauth: signing, verifying, strangers' mail. ``python -m tests.bench.bench_dkim``.

Two worker processes, one with dkimpy as it was shipped and one with ours, do the same jobs in turn, round after round;
a round counts with its best run, for the machines are shared, and a job with the median of the same-round ratios of
CPU time. Ours does more for it: every fault of the signature and
of the key is found, and the coverage of the signature is told. Where mailauth is installed (Node.js; see
tests/peers/programs.py) it verifies the same messages, with the key at hand and its processor time measured inside.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.bench.measure import Bar, Row, ratio, write
from tests.peers.programs import find, missing_program, node_modules

NOW = datetime(2026, 11, 22, 10, 0, 0, tzinfo=UTC)
KEYS = Path(__file__).parents[2] / "fixtures" / "keys"
SIZES = {"2 kB": 2_000, "50 kB": 50_000, "1 MB": 1_000_000}
RUNS = {"2 kB": 60, "50 kB": 12, "1 MB": 2}
HOSTILE = (20_000, 40_000, 80_000)
ROUNDS = 5
SIDES = ("stock", "ours", "mailauth")
BARS = {  # how many times as fast as each peer
    ("sign", "rsa", "2 kB"): {"stock": 8.0},
    ("verify", "rsa", "2 kB"): {"stock": 1.8},
    ("verify", "rsa", "50 kB"): {"stock": 3.5, "mailauth": 1.0},
    ("verify", "rsa", "1 MB"): {"stock": 4.0},
}
BAR_80K_MS = 10.0
MAILAUTH = {"50 kB": 1.0}
MAILAUTH = """
const { dkimVerify } = require('mailauth/lib/dkim/verify');
const fs = require('fs');
const lines = require('readline').createInterface({ input: process.stdin });
(async () => {
  const warm = new Set();
  for await (const line of lines) {
    const job = JSON.parse(line), octets = fs.readFileSync(job.file), spent = [];
    const options = { resolver: async () => [[job.record]], curTime: new Date(job.now) };
    const once = async () => {
      const cpu = process.cpuUsage(), wall = process.hrtime.bigint();
      const { results } = await dkimVerify(octets, options);
      const took = Number(process.hrtime.bigint() - wall) / 1e9, { user, system } = process.cpuUsage(cpu);
      if (results[0].status.result !== 'pass') throw new Error(JSON.stringify(results));
      return Math.min(took, (user + system) / 1e6);  // the compiler's threads are not its verification
    };
    for (const began = Date.now(); !warm.has(job.file) && Date.now() - began < 1000; ) await once();
    warm.add(job.file);
    for (let n = 0; n < job.runs; n++) spent.push(await once());
    console.log(JSON.stringify(Math.min(...spent)));
  }
})();
"""


def message(size: int) -> bytes:
    """Fifteen header fields; every tenth line of the body has runs of blanks and blanks at its end."""
    head = (
        "From: Ann <ann@example.com>\r\nTo: Bob <bob@example.net>\r\nSubject: A message of some size\r\n"
        "Date: Sun, 22 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1234567890@example.com>\r\nMIME-Version: 1.0\r\n"
        "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n"
        "List-Unsubscribe: <https://example.com/u/1>\r\nList-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n"
        + "".join(f"X-Note-{n}: some text that\r\n\tis folded\r\n" for n in range(5))
    )
    lines = [
        "a  line \t with runs of   blanks and blanks at its end  \t\r\n"
        if n % 10 == 0
        else f"{n:06} {'lorem ipsum ' * 5}\r\n"
        for n in range(size // 68 + 1)
    ]
    return (head + "\r\n" + "".join(lines)).encode()[:size]


def hostile(blanks: int) -> bytes:
    """A message with a run of blanks inside one line of its body."""
    return message(1_500) + b"\r\na" + b" " * blanks + b"a\r\n"


class Stock:
    """dkimpy as it was shipped."""

    def __init__(self) -> None:
        import dkim

        from deliverkit.protocols.dkim.keys import load_private_key
        from deliverkit.protocols.dkim.sign import names_to_sign

        self.dkim = dkim
        self.names_to_sign = names_to_sign
        self.keys = {"rsa": load_private_key(KEYS / "test-only-rsa2048.pem")}
        self.keys["ed25519"] = load_private_key(KEYS / "test-only-ed25519.pem")

    def signer(self, octets: bytes, type_: str) -> Callable[[], bytes]:
        key = self.keys[type_]
        names = [n.encode() for n in self.names_to_sign(self.dkim.rfc822_parse(octets)[0])]
        return lambda: octets and self.dkim.sign(
            octets, b"s1", b"example.com", key.secret, canonicalize=(b"relaxed", b"relaxed"),
            signature_algorithm=key.algorithm.encode(), include_headers=names,
        ) + octets  # fmt: skip

    def verifier(self, signed: bytes, type_: str) -> Callable[[], bool]:
        record = self.keys[type_].record.encode()
        return lambda: bool(self.dkim.verify(signed, dnsfunc=lambda name, timeout=5: record))


class Ours(Stock):
    """The product: everything it does for a message, DNS answers from a table."""

    def signer(self, octets: bytes, type_: str) -> Callable[[], bytes]:
        from deliverkit.protocols.dkim.sign import SigningKey, sign

        key = SigningKey("s1", "example.com", self.keys[type_])
        return lambda: sign(octets, [key], now=NOW)

    def verifier(self, signed: bytes, type_: str) -> Callable[[], bool]:
        from deliverkit.flow import Answer, Question, Status, drive
        from deliverkit.protocols.dkim.verify import Result, verify_dkim

        record = self.keys[type_].record.encode()

        def hear(question: Question) -> Answer:
            return Answer(question, Status.OK, ((record,),))

        return lambda: drive(verify_dkim(signed, now=NOW), hear).result is Result.PASS


def work(side: str) -> None:
    """A worker: reads jobs as JSON lines, does them, answers the CPU seconds of the best run."""
    from deliverkit.protocols.dkim.sign import SigningKey, sign

    maker = Stock() if side == "stock" else Ours()
    prepared: dict[str, Callable[[], Any]] = {}
    for line in sys.stdin:
        job = json.loads(line)
        name = json.dumps([job["verb"], job["type"], job["size"], job["hostile"]])
        if name not in prepared:
            octets = (hostile if job["hostile"] else message)(job["size"])
            if job["verb"] == "sign":
                prepared[name] = maker.signer(octets, job["type"])
            else:
                signed = sign(octets, [SigningKey("s1", "example.com", maker.keys[job["type"]])], now=NOW)
                prepared[name] = maker.verifier(signed, job["type"])
            assert prepared[name]()
        spent = []
        for _ in range(job["runs"]):
            start = time.process_time()
            prepared[name]()
            spent.append(time.process_time() - start)
        print(json.dumps(min(spent)), flush=True)


@contextmanager
def worker(side: str) -> Iterator[Callable[[dict[str, Any]], float]]:
    """A worker process, asked by a call."""
    command = [sys.executable, "-m", "tests.bench.bench_dkim", "--worker", side]
    env = None
    if side == "mailauth":
        command = [find("node") or "node", "-e", MAILAUTH]
        env = {**os.environ, "NODE_PATH": str(node_modules())}
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env) as process:
        assert process.stdin is not None and process.stdout is not None
        pipe_in, pipe_out = process.stdin, process.stdout

        def ask(job: dict[str, Any]) -> float:
            pipe_in.write(json.dumps(job) + "\n")
            pipe_in.flush()
            return float(json.loads(pipe_out.readline()))

        yield ask
        pipe_in.close()


def for_mailauth(ask: Callable[[dict[str, Any]], float], folder: Path) -> Callable[[dict[str, Any]], float]:
    """Jobs as the others take them, with the message in a file."""
    from deliverkit.protocols.dkim.keys import load_private_key
    from deliverkit.protocols.dkim.sign import SigningKey, sign

    def asked(job: dict[str, Any]) -> float:
        key = load_private_key(KEYS / f"test-only-{'rsa2048' if job['type'] == 'rsa' else 'ed25519'}.pem")
        file = folder / f"{job['type']}-{job['size']}.eml"
        if not file.exists():
            file.write_bytes(sign(message(job["size"]), [SigningKey("s1", "example.com", key)], now=NOW))
        return ask({**job, "file": str(file), "record": key.record, "now": NOW.isoformat()})

    return asked


def measured(job: dict[str, Any], sides: dict[str, Callable[[dict[str, Any]], float]], rounds: int) -> dict[str, Row]:
    """One job by both sides, in turn."""
    rows = {side: Row(side) for side in sides}
    for _ in range(rounds):
        for side, ask in sides.items():
            rows[side].cpu.append(ask(job))
    return rows


def main() -> None:
    """Measure, print the table, write reports/bench/dkim.json and .md."""
    table: list[tuple[str, ...]] = []
    bars: list[Bar] = []
    with ExitStack() as open_:
        sides = {side: open_.enter_context(worker(side)) for side in ("stock", "ours")}
        verifying = dict(sides)
        if missing_program("mailauth") is None:
            folder = Path(open_.enter_context(tempfile.TemporaryDirectory()))
            verifying["mailauth"] = for_mailauth(open_.enter_context(worker("mailauth")), folder)
        for verb, type_, name in [(v, t, n) for v in ("sign", "verify") for t in ("rsa", "ed25519") for n in SIZES]:
            job = {"verb": verb, "type": type_, "size": SIZES[name], "hostile": False, "runs": RUNS[name]}
            rows = measured(job, verifying if verb == "verify" else sides, ROUNDS)
            ratios = {peer: ratio(rows, peer, "ours", "cpu") for peer in rows if peer != "ours"}
            shown = [f"{rows[side].median('cpu') * 1000:.2f}" if side in rows else "" for side in SIDES]
            times = [f"{ratios[peer]:.1f} x" if peer in ratios else "" for peer in ("stock", "mailauth")]
            table.append((f"{verb} {name} {type_}", *shown, *times))
            for peer, bound in BARS.get((verb, type_, name), {}).items():
                if peer in ratios:
                    program = "dkimpy" if peer == "stock" else peer
                    bars.append(Bar(f"DKIM, {verb} {name} {type_}, against {program}", ratios[peer], bound))
        slope = _blanks(sides, table)
        ours_80k = float(table[-1][2])
    bars.append(Bar("DKIM, verify 80,000 blanks in a line", ours_80k, BAR_80K_MS, "ms", at_most=True))
    write(
        "dkim",
        "DKIM: signing and verifying, stock dkimpy, mailauth and ours (CPU; best run of a round, median of the rounds)",
        ("job", "dkimpy ms", "ours ms", "mailauth ms", "dkimpy / ours", "mailauth / ours"),
        table,
        [
            f"doubling the blanks costs ours {slope['ours']:.1f} x, dkimpy {slope['stock']:.1f} x",
            "ours finds every fault and tells what a signature covers; dkimpy answers True or False",
        ],
        bars,
    )


def _blanks(sides: dict[str, Callable[[dict[str, Any]], float]], table: list[tuple[str, ...]]) -> dict[str, float]:
    """Strangers' mail; returns what the last doubling costs each. The third would take dkimpy ten seconds."""
    spent: dict[str, list[float]] = {"stock": [], "ours": []}
    for blanks in HOSTILE:
        job = {"verb": "verify", "type": "rsa", "size": blanks, "hostile": True, "runs": 1}
        ours = measured({**job, "runs": 20}, {"ours": sides["ours"]}, ROUNDS)["ours"].median("cpu")
        spent["ours"].append(ours)
        shown, times = "", ""
        if blanks in HOSTILE[:2]:
            stock = sides["stock"](job)
            spent["stock"].append(stock)
            shown, times = f"{stock * 1000:.2f}", f"{stock / ours:.0f} x"
        table.append((f"verify {blanks // 1000}k blanks rsa", shown, f"{ours * 1000:.2f}", "", times, ""))
    return {side: seconds[-1] / seconds[-2] for side, seconds in spent.items()}


if __name__ == "__main__":
    if sys.argv[1:2] == ["--worker"]:
        work(sys.argv[2])
    else:
        main()
