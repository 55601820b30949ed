"""Verification in a process of its own: the same verdicts, and none lost when the process dies."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from deliverkit.flow import Answer, Question, Status
from deliverkit.protocols.dkim.keys import load_private_key
from deliverkit.protocols.dkim.sign import SigningKey, sign
from deliverkit.report.jsonable import report_json
from deliverkit.sink import CapturedMessage, Judging, Sink
from deliverkit.sink.judged import Judged
from deliverkit.sink.judging import judged
from deliverkit.sink.verifier import Verifier
from deliverkit.sink.worker import description
from deliverkit.smtp.transcript import Transcript
from deliverkit.world import World
from tests.sink.clients import deliver, in_sink

NOW = datetime(2026, 11, 22, 10, 0, 0, tzinfo=UTC)
KEY = load_private_key(Path(__file__).parents[2] / "fixtures" / "keys" / "test-only-rsa2048.pem")
WORLD = World.from_records(
    {
        "s1._domainkey.example.com": {"TXT": [KEY.record]},
        "example.com": {"TXT": ["v=spf1 ip4:192.0.2.1 -all"]},
        "_dmarc.example.com": {"TXT": ["v=DMARC1; p=reject"]},
    },
    now=NOW,
)
LETTER = b"From: a@example.com\r\nTo: b@example.org\r\nSubject: hello\r\nDate: Sun, 22 Nov 2026 10:00:00 +0000\r\n"
SIGNED = sign(LETTER + b"\r\nHello\r\n", [SigningKey("s1", "example.com", KEY)], now=NOW)
JUDGING = Judging(client_ip="192.0.2.1")
RAWS = {
    "signed": SIGNED,
    "changed": SIGNED + b"a footer\r\n",
    "placeholder": LETTER + b"\r\nHello {{ name }}\r\n",
    "no header": b"Hello\r\n",
    "8-bit": LETTER + b"\r\n\xff\xfe\r\n",
    "empty": b"",
}


def captured(id_: int, raw: bytes) -> CapturedMessage:
    return CapturedMessage(
        receipt=f"{id_:x}", received=NOW, listener="smtp", client="192.0.2.9:1", helo="mx.example.com",
        mail_from="a@example.com", rcpt_tos=("b@example.org",), raw=raw, transcript=Transcript("", ""), id=id_,
    )  # fmt: skip


class Verified:
    """A verifier whose every message goes to a worker, and what came of them."""

    def __init__(self, world: World = WORLD) -> None:
        self.came: dict[int, tuple[CapturedMessage, Judged]] = {}
        self.verifier = Verifier(world, JUDGING, lambda _: None, self._done)
        self.processes: list[int] = []
        self._more = threading.Condition()
        self.verifier.start()

    def _done(self, pairs: Sequence[tuple[CapturedMessage, Judged]]) -> None:
        with self._more:
            if self.verifier._worker is not None:
                self.processes.append(self.verifier._worker._process.pid)
            self.came |= {message.id: (message, told) for message, told in pairs}
            self._more.notify_all()

    def wait(self, count: int) -> None:
        with self._more:
            assert self._more.wait_for(lambda: len(self.came) >= count, 30)


@contextmanager
def verifying(monkeypatch: pytest.MonkeyPatch, world: World = WORLD) -> Iterator[Verified]:
    monkeypatch.setattr("deliverkit.sink.verifier._LARGE", 0)
    made = Verified(world)
    try:
        yield made
    finally:
        made.verifier.close(20)


def test_a_worker_comes_to_the_same_verdicts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its JSON form and the report itself are those of the thread, the times it took aside."""
    with verifying(monkeypatch) as there:
        for number, raw in enumerate(RAWS.values(), 1):
            there.verifier.judge(captured(number, raw))
        there.wait(len(RAWS))
    for number, raw in enumerate(RAWS.values(), 1):
        message, told = there.came[number]
        here = asyncio.run(judged(message, WORLD, JUDGING))
        assert told.packed is not None
        assert len(told.packed) < 30_000
        report = replace(message, judged=told).report
        assert report is not None
        assert here.report is not None
        assert report.message.octets == raw  # type: ignore[attr-defined]
        assert without_times(replace(message, judged=told).verdict) == without_times(report_json(here.report))
        assert without_times(report_json(report)) == without_times(report_json(here.report))
        assert report.passed == here.report.passed
    assert len(set(there.processes)) == 1


def without_times(told: Any) -> Any:
    return {**told, "elapsed_s": 0}


def test_a_large_message_goes_to_a_worker_and_a_small_one_does_not() -> None:
    """The sessions' interpreter is spared what would hold it."""
    seen: list[tuple[str, bool]] = []

    async def test(sink: Sink) -> None:
        for subject, octets in ((b"small", 100), (b"large", 3_000_000)):
            raw = b"From: a@example.com\r\nSubject: " + subject + b"\r\n\r\n" + b"word word\r\n" * (octets // 11)
            await deliver(sink.smtp_address, raw)
            name = subject.decode()
            message = await sink.wait_for(lambda m, name=name: m.subject == name, 30)  # type: ignore[misc]
            assert message.judged is not None
            seen.append((message.subject, message.judged.packed is not None))
            assert message.report is not None
            assert message.report.findings

    in_sink(test, world=WORLD)
    assert seen == [("small", False), ("large", True)]


@pytest.mark.skipif(os.name != "posix", reason="kill -9")
def test_a_worker_that_is_killed_costs_no_verdict(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it had is judged by another."""
    with verifying(monkeypatch) as there:
        there.verifier.judge(captured(1, SIGNED))
        there.wait(1)
        first = there.processes[0]
        os.kill(first, signal.SIGSTOP)
        for number in range(2, 12):
            there.verifier.judge(captured(number, SIGNED))
        os.kill(first, signal.SIGKILL)
        there.wait(11)
    assert first not in there.processes[1:]
    for message, told in there.came.values():
        assert replace(message, judged=told).verdict["facts"]["authentication"]["dkim"][0]["result"] == "pass"  # type: ignore[index]


@pytest.mark.skipif(os.name != "posix", reason="kill -9")
def test_a_message_that_ends_every_worker_is_told_and_the_others_are_judged(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Only what kills a worker by itself goes unverified, and the report says so."""
    killer = tmp_path / "killing.py"
    killer.write_text(
        "import os, deliverkit.engine.verify as v\n"
        "before = v.verify\n"
        "async def verify(raw, **known):\n"
        "    if b'poison' in raw:\n"
        "        os._exit(9)\n"
        "    return await before(raw, **known)\n"
        "v.verify = verify\n"
    )
    start = f"import sys; sys.path[:] = [{str(tmp_path)!r}] + {{path!r}}; import killing; "
    monkeypatch.setattr("deliverkit.sink.worker._START", start + "from deliverkit.sink.worker import serve; serve()")
    with verifying(monkeypatch) as there:
        for number in range(1, 6):
            there.verifier.judge(captured(number, LETTER + b"\r\npoison\r\n" if number == 3 else SIGNED))
        there.wait(5)
    for number, (message, told) in there.came.items():
        verdict = replace(message, judged=told).verdict
        assert verdict is not None
        reasons = [one["reason"] for one in verdict["inconclusive"]]
        assert reasons == (["the process that verified it ended"] if number == 3 else [])


def test_without_a_process_the_thread_judges(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that cannot be started, and one that does not speak, both end in the thread."""
    for start in ("raise SystemExit(1) #{path!r}", None):
        if start is None:
            monkeypatch.setattr("deliverkit.sink.worker.sys.executable", "/nowhere/python")
        else:
            monkeypatch.setattr("deliverkit.sink.worker._START", start)
        with verifying(monkeypatch) as there:
            for number in range(1, 4):
                there.verifier.judge(captured(number, SIGNED))
            there.wait(3)
        assert all(told.report is not None for _, told in there.came.values())


class Recording:
    """A door that keeps what it was asked, as a journal does."""

    tell = None

    def __init__(self) -> None:
        self.below = WORLD.dns

    async def ask(self, question: Question) -> Answer:
        return Answer(question, Status.NXDOMAIN)

    async def aclose(self) -> None:
        pass


def test_which_worlds_can_be_opened_in_another_process(tmp_path: Path) -> None:
    """Those that are made of a description; a door that somebody reads afterwards must stay here."""
    zone = tmp_path / "example.com.zone"
    zone.write_text('$ORIGIN example.com.\n@ 60 IN TXT "v=spf1 -all"\n')
    live = World.live(["127.0.0.1:9"])
    for world in (WORLD, World.offline(), live, live.with_zone(zone), live.at(NOW)):
        assert description(world, JUDGING) is not None
    recording: Any = Recording()
    assert description(World(recording, WORLD.smtp, WORLD.vantage), JUDGING) is None
    assert description(World(WORLD.dns, WORLD.smtp, WORLD.vantage, lambda: NOW), JUDGING) is None


def test_a_live_world_is_asked_from_the_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    """It opens sockets of its own: a resolver that refuses is told as such."""
    with verifying(monkeypatch, World.live(["127.0.0.1:9"])) as there:
        there.verifier.judge(captured(1, SIGNED))
        there.wait(1)
    message, told = there.came[1]
    assert told.packed is not None
    assert replace(message, judged=told).verdict["facts"]["authentication"]["dkim"][0]["result"] == "temperror"  # type: ignore[index]
