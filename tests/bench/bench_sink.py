"""Messages a second into the sink, against stock aiosmtpd with the same storage. ``python -m tests.bench.bench_sink``.

Each round runs every server in turn on a fresh store, so only ratios of one round are compared. Every message must have
been kept, and where a server verifies, every signature must have been good. How calm the sink stays meanwhile is
measured by `bench_sink_calm`.
"""

from __future__ import annotations

import statistics
from typing import Any

from tests.bench.measure import Bar, write
from tests.bench.sink_load import Load, Ran, run_one

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
BARS = {
    ("2 kB x 10", "ours"): 2.0,
    ("2 kB x 10", "ours-verified"): 3.0,
    ("50 kB x 10", "ours"): 3.0,
    ("1 MB x 10", "ours"): 2.5,
}
ROUNDS = 3


def rates() -> tuple[list[list[Any]], list[Bar]]:
    """The table: medians of rates, and of the ratios within each round; and the bars."""
    table: list[list[Any]] = []
    bars: list[Bar] = []
    for load in LOADS:
        runs: dict[str, list[Ran]] = {kind: [] for kind in KINDS}
        for _ in range(ROUNDS):
            for kind, ran in runs.items():
                ran.append(run_one(kind, load))
        for kind, ran in runs.items():
            rival = runs[RIVAL[kind]] if kind in RIVAL else None
            rate, judged, cpu = (statistics.median(getattr(one, what) for one in ran) for what in Ran._fields)
            answered = _ratio(ran, rival, "rate")
            verified = _ratio(ran, rival, "judged") if judged else None
            row = [load.name, KINDS[kind], f"{rate:.0f}", f"{judged:.0f}" if judged else "", f"{cpu:.2f}"]
            table.append([*row, *("" if ratio is None else f"{ratio:.2f}" for ratio in (answered, verified))])
            if answered is not None and (bound := BARS.get((load.name, kind))):
                does = "captured and verified, against aiosmtpd with dkimpy" if judged else "captured, against aiosmtpd"
                bars.append(Bar(f"sink, {load.name} sessions, {does}", answered, bound))
    return table, bars


def _ratio(ran: list[Ran], rival: list[Ran] | None, what: str) -> float | None:
    if rival is None:
        return None
    return statistics.median(getattr(a, what) / getattr(b, what) for a, b in zip(ran, rival, strict=True))


def main() -> None:
    """Measure and write."""
    table, bars = rates()
    write(
        "sink",
        "The sink",
        ["load", "server", "answered/s", "verified/s", "CPU ms/message", "answered, ratio", "verified, ratio"],
        table,
        [
            f"{ROUNDS} interleaved rounds of DKIM-signed mail; load from smtp-source where it is installed, connections"
            " kept open; a server and what it starts share one processor; ratios are medians of ratios within a round.",
            "All rows answer 250 after a synced commit (WAL, synchronous=FULL), ours with the transcript. aiosmtpd"
            " commits each message, our inbox in groups.",
            "aiosmtpd's verdict is one True or False by stock dkimpy, before the reply. Ours (SPF, DKIM, DMARC, every"
            " rule, the report) follows the reply: verified/s counts until the last verdict stands.",
        ],
        bars,
    )


if __name__ == "__main__":
    main()
