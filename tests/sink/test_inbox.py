"""The inbox and its stores: nothing lost, nothing shown half, nothing outside its folder, everything bounded."""

from __future__ import annotations

import asyncio
import contextlib
import json
import mailbox
import os
import signal
import smtplib
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliverkit.report.jsonable import jsonable
from deliverkit.sink import Bounds, CapturedMessage, ExportError, Inbox, Sink, StoreError
from deliverkit.sink.judged import Judged
from deliverkit.sink.message import transcript_from_json, transcript_json, transcript_text
from deliverkit.smtp.content import FaultKind, WireFault
from deliverkit.smtp.transcript import Transcript
from tests.sink.clients import MESSAGE, deliver, in_sink

STORES = ["memory", "inbox.db", "folder"]
HOSTILE = bytes(range(256)) * 3 + b"\r\n.\n\r\r\n"


def message(number: int = 1, raw: bytes = MESSAGE, **changed: Any) -> CapturedMessage:
    """A message with every field filled."""
    transcript = Transcript("127.0.0.1:4000", "127.0.0.1:2525")
    transcript.connected()
    transcript.line("server", "220 localhost")
    transcript.tls_started("TLSv1.3", "TLS_AES_256_GCM_SHA384", ("CN=localhost",), verified=True)
    transcript.tls_failed("no reason")
    transcript.timed_out("a command")
    transcript.closed("client")
    made = CapturedMessage(
        receipt=f"{number:016x}",
        received=datetime(2026, 11, 22, 10, 0, 0, 123456, tzinfo=UTC),
        listener="starttls",
        client="127.0.0.1:4000",
        helo="c.example.com",
        mail_from="a@example.com",
        rcpt_tos=("b@example.org", "jörg@example.org"),
        raw=raw,
        transcript=transcript,
        mail_options=("BODY=8BITMIME",),
        authenticated_as="user",
        tls="TLSv1.3 TLS_AES_256_GCM_SHA384",
        faults=(WireFault(FaultKind.NUL, "1 NUL octet", 1, 5, 1, "text"),),
    )
    return replace(made, **changed)


@pytest.fixture(params=STORES)
def where(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path | None]:
    """A place for each kind of store."""
    yield None if request.param == "memory" else tmp_path / request.param


def filled(where: Path | None, *messages: CapturedMessage, bounds: Bounds | None = None) -> Inbox:
    """An inbox that these messages were added to, one after another."""
    inbox = Inbox(where, bounds)

    async def add() -> None:
        for one in messages:
            await inbox.add(one)

    asyncio.run(add())
    return inbox


def test_what_was_added_comes_back_octet_for_octet(where: Path | None) -> None:
    """Every field and every octet, in the order of arrival."""
    inbox = filled(where, message(1, HOSTILE), message(2))
    assert list(inbox.messages()) == [message(1, HOSTILE, id=1), message(2, id=2)]
    assert inbox.get(3) is None
    assert len(inbox) == 2
    inbox.close()


def test_messages_are_there_after_reopening(tmp_path: Path) -> None:
    """Both lasting stores go on where they ended."""
    for name in STORES[1:]:
        filled(tmp_path / name, message(1, HOSTILE)).close()
        again = filled(tmp_path / name, message(2))
        assert [m.id for m in again.messages()] == [1, 2]
        assert again.get(1) == message(1, HOSTILE, id=1)
        again.close()


def test_a_message_is_in_the_file_when_add_returns(tmp_path: Path) -> None:
    """Committed before it is acknowledged: another reader sees it at once."""
    inbox = filled(tmp_path / "inbox.db", message(1))
    with sqlite3.connect(tmp_path / "inbox.db") as db:
        assert db.execute("SELECT count(*) FROM message").fetchone() == (1,)
        assert db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    db.close()
    inbox.close()


def test_parallel_additions_share_commits(tmp_path: Path) -> None:
    """Group commit: a hundred waiting messages take a few transactions, not a hundred."""
    inbox = Inbox(tmp_path / "inbox.db")
    writes: list[int] = []
    write = inbox.store.write
    inbox.store.write = lambda messages: writes.append(len(messages)) or write(messages)  # type: ignore[method-assign,func-returns-value]

    async def add() -> None:
        await asyncio.gather(*(inbox.add(message(n)) for n in range(100)))

    asyncio.run(add())
    assert sum(writes) == 100
    assert len(writes) < 50
    inbox.close()


@pytest.mark.parametrize("bounds", [Bounds(messages=2), Bounds(octets=2 * len(MESSAGE))])
def test_the_oldest_are_evicted(where: Path | None, bounds: Bounds) -> None:
    """Count and size are bounded; the newest stay."""
    inbox = filled(where, *(message(n) for n in range(1, 6)), bounds=bounds)
    inbox.flush()
    assert [m.id for m in inbox.messages()] == [4, 5]
    inbox.close()


def test_one_message_larger_than_the_bound_is_kept(where: Path | None) -> None:
    """What was acknowledged last is never evicted."""
    inbox = filled(where, message(1), message(2, b"x" * 5000), bounds=Bounds(octets=1000))
    inbox.flush()
    assert [m.id for m in inbox.messages()] == [2]
    inbox.close()


def test_a_store_that_fails_says_so_and_keeps_the_rest(tmp_path: Path) -> None:
    """A message the store refuses is refused to its client; others of its group are kept."""
    inbox = filled(tmp_path / "inbox.db", message(1))

    async def add() -> list[Any]:
        without = inbox.add(message(1, mail_from=None))  # NOT NULL refuses it
        return await asyncio.gather(without, inbox.add(message(2)), return_exceptions=True)

    bad, good = asyncio.run(add())
    assert isinstance(bad, StoreError)
    assert good.id == 2
    assert sorted(m.receipt for m in inbox.messages()) == [f"{1:016x}", f"{2:016x}"]
    inbox.close()


def test_files_that_are_no_store_are_told(tmp_path: Path) -> None:
    """Another program's database, a file that is none, a folder that is a file: refused and left alone."""
    with sqlite3.connect(tmp_path / "other.db") as other:
        other.execute("CREATE TABLE song (title TEXT)")
    other.close()
    (tmp_path / "noise.db").write_bytes(b"noise" * 1000)
    (tmp_path / "file").write_bytes(b"")
    for name, why in (("other.db", "something else"), ("noise.db", "cannot open"), ("file", "cannot keep")):
        with pytest.raises(StoreError, match=why):
            Inbox(tmp_path / name)
    with sqlite3.connect(tmp_path / "other.db") as other:
        assert other.execute("SELECT count(*) FROM song").fetchone() == (0,)
    other.close()


def test_leftovers_of_a_killed_process_are_no_messages(tmp_path: Path) -> None:
    """A part that was never renamed, an .eml without its .json, a damaged .json: passed over."""
    filled(tmp_path, message(1)).close()
    (tmp_path / ".00000002.eml.part").write_bytes(b"half")
    (tmp_path / "00000003.eml").write_bytes(b"whole, never acknowledged")
    (tmp_path / "00000004.eml").write_bytes(MESSAGE)
    (tmp_path / "00000004.json").write_bytes(b"{")
    inbox = filled(tmp_path, message(5))
    assert [m.id for m in inbox.messages()] == [1, 5]
    assert not list(tmp_path.glob("*.part"))
    inbox.close()


EVIL = ["../../etc/passwd", "/absolute", "a\0b", "..", "x" * 3000, "new\nline", "com1"]


@pytest.mark.parametrize("evil", EVIL)
def test_no_file_name_comes_from_a_message(tmp_path: Path, evil: str) -> None:
    """Path traversal through Message-ID, subject, addresses or HELO reaches no file system."""
    text = evil.replace("\n", "")
    raw = f"Message-ID: <{text}>\r\nSubject: {text}\r\n\r\n".encode()
    inbox = filled(tmp_path / "store", message(1, raw, helo=text, mail_from=text, rcpt_tos=(text,)))
    for kind in ("eml", "maildir"):
        assert inbox.export(kind, tmp_path / "out" / kind) == 1
    inbox.close()
    names = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert names == [
        "out/eml/00000001-0000000000000001.eml",
        "out/maildir/new/1795341600.1_0000000000000001.deliverkit",
        "store/00000001.eml",
        "store/00000001.json",
    ]


def test_exports_are_the_same_octets_and_can_be_repeated(tmp_path: Path, where: Path | None) -> None:
    """Round trip through Maildir and .eml; a second export adds only what is new, also once a reader moved it."""
    inbox = filled(where, message(1, HOSTILE), message(2))
    assert inbox.export("maildir", tmp_path / "maildir") == 2
    assert inbox.export("eml", tmp_path / "eml") == 2
    box = mailbox.Maildir(tmp_path / "maildir", create=False)
    assert len(box) == 2
    new = sorted((tmp_path / "maildir" / "new").iterdir())
    assert [path.read_bytes() for path in new] == [HOSTILE, MESSAGE]
    assert [path.read_bytes() for path in sorted((tmp_path / "eml").iterdir())] == [HOSTILE, MESSAGE]
    new[0].rename(tmp_path / "maildir" / "cur" / f"{new[0].name}:2,S")
    assert inbox.export("maildir", tmp_path / "maildir") == 0
    assert inbox.export("eml", tmp_path / "eml") == 0
    assert list((tmp_path / "maildir" / "tmp").iterdir()) == []
    with pytest.raises(ExportError, match="no export format"):
        inbox.export("mbox", tmp_path / "x")
    with pytest.raises(ExportError, match="cannot export"):
        inbox.export("eml", new[1])
    inbox.close()


# -- waiting --------------------------------------------------------------------------------------------


def waited(inbox: Inbox, accept: Callable[[CapturedMessage], bool], later: list[CapturedMessage]) -> CapturedMessage:
    """Wait for a message while these arrive."""

    async def both() -> CapturedMessage:
        waiting = asyncio.create_task(inbox.wait_for(accept, 5))
        await asyncio.sleep(0)
        for one in later:
            await inbox.add(one)
        return await waiting

    return asyncio.run(both())


def test_wait_for_finds_what_is_there_and_what_comes(where: Path | None) -> None:
    """By what the message is, not by "the last one"."""
    inbox = filled(where, message(1, b"Subject: one\r\n\r\n"), message(2, b"Subject: two\r\n\r\n"))
    assert waited(inbox, lambda m: m.subject == "one", []).id == 1
    later = [message(n, b"Subject: %d\r\n\r\n" % n) for n in range(3, 9)]
    assert waited(inbox, lambda m: m.subject == "5", later).id == 5
    inbox.close()


def test_wait_for_tells_what_did_come() -> None:
    """A test that times out says what arrived instead."""
    inbox = filled(None, message(1, b"Subject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\r\n\r\n"))
    with pytest.raises(TimeoutError, match=r"within 0.05 s; 1 came, the latest: 1: a@example.com .* 'grüße'"):
        asyncio.run(inbox.wait_for(lambda m: False, 0.05))


def test_a_predicate_that_raises_is_the_callers() -> None:
    """The mistake of a test surfaces in the test."""
    inbox = filled(None, message(1))
    with pytest.raises(ZeroDivisionError):
        asyncio.run(inbox.wait_for(lambda m: 1 / 0 > 0, 1))


def test_a_message_is_not_shown_before_its_report_stands() -> None:
    """Neither to a waiter nor to one that looks later: what is seen is complete."""
    inbox = Inbox()
    stored: list[CapturedMessage] = []
    inbox.on_stored = stored.append

    async def run() -> None:
        await inbox.add(message(1))
        while not stored:
            await asyncio.sleep(0)
        with pytest.raises(TimeoutError):
            await inbox.wait_for(lambda m: True, 0.05)
        inbox.complete(replace(stored[0], judged=Judged('{"verdict": "pass"}')))
        shown = await inbox.wait_for(lambda m: True, 1)
        assert shown.id == 1
        inbox.flush()
        assert inbox.get(1).verdict == {"verdict": "pass"}  # type: ignore[union-attr]

    asyncio.run(run())
    inbox.close()


def test_verdicts_are_stored_beside_their_messages(tmp_path: Path) -> None:
    """The report's JSON form can be read back from each lasting store, with the octets untouched."""
    for name in STORES[1:]:

        async def test(sink: Sink) -> None:
            await deliver(sink.smtp_address, MESSAGE)
            await sink.wait_for()

        in_sink(test, store=tmp_path / name)
        inbox = Inbox(tmp_path / name)
        kept = inbox.get(1)
        assert kept is not None
        assert kept.raw == MESSAGE
        assert kept.verdict is not None
        assert kept.verdict["schema"] == "deliverkit.report/1"
        assert kept.verdict["subject"]["kind"] == "message"
        inbox.close()


# -- durability -----------------------------------------------------------------------------------------


@pytest.mark.skipif(os.name != "posix", reason="kill -9")
@pytest.mark.parametrize("store", STORES[1:])
def test_kill_9_after_250_keeps_the_message(tmp_path: Path, store: str) -> None:
    """What was acknowledged is there after the process was killed without warning."""
    code = (
        "import asyncio, sys\n"
        "from deliverkit.sink import Sink\n"
        "async def main():\n"
        "    async with Sink(store=sys.argv[1]) as sink:\n"
        "        print(sink.smtp_address.port, flush=True)\n"
        "        await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    server = subprocess.Popen([sys.executable, "-c", code, str(tmp_path / store)], stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        port = int(server.stdout.readline())
        with smtplib.SMTP("127.0.0.1", port, timeout=20) as client:
            for number in range(5):
                client.sendmail("a@example.com", ["b@example.org"], b"Subject: %d\r\n\r\n" % number)
            server.send_signal(signal.SIGKILL)
            server.wait(10)
            client.close()
    finally:
        server.kill()
        server.wait(10)
        assert server.stdout is not None
        server.stdout.close()
    inbox = Inbox(tmp_path / store)
    assert [m.subject for m in inbox.messages()] == ["0", "1", "2", "3", "4"]
    inbox.close()


# -- the value ------------------------------------------------------------------------------------------


def test_json_form_is_a_round_trip() -> None:
    """Everything but the octets, and the transcript in the shape that all reports use."""
    one = message(1)
    assert CapturedMessage.from_json(one.to_json(), one.raw) == one
    assert json.loads(json.dumps(transcript_json(one.transcript))) == jsonable(one.transcript)
    assert json.loads(transcript_text(one.transcript)) == jsonable(one.transcript)
    assert transcript_from_json(transcript_json(one.transcript)).events == one.transcript.events


@given(st.binary(max_size=400), st.sampled_from(["Subject", "From", "X-Any"]))
def test_reading_a_header_never_raises(octets: bytes, name: str) -> None:
    """Hostile fields give some text or none."""
    one = message(1, b"Subject:" + octets)
    assert isinstance(one.subject, str)
    assert one.header(name) is None or isinstance(one.header(name), str)
    assert one.summary.isprintable()


@pytest.mark.parametrize(
    ("raw", "subject"),
    [
        (b"Subject: plain\r\n\r\n", "plain"),
        (b"SUBJECT:folded\r\n here\r\nFrom: a\r\n\r\n", "folded here"),
        (b"From: a\r\n\r\nSubject: in the body\r\n", ""),
        (b"Subject: =?utf-8?b?Z3LDvMOfZQ==?=\r\n\r\n", "grüße"),
        (b"Subject: =?klingon?b?Z3LDvMOfZQ==?=\r\n\r\n", "=?klingon?b?Z3LDvMOfZQ==?="),
        (b"no header at all", ""),
        (b"Subject: bare\nFrom: a\n\nbody", "bare"),
    ],
)
def test_subjects(raw: bytes, subject: str) -> None:
    """Decoded for people; whatever cannot be decoded is shown as it is; a message without From crashes nothing."""
    assert message(1, raw).subject == subject


def test_a_file_of_the_first_layout_is_taken_over(tmp_path: Path) -> None:
    """Verdicts once stood beside the octets; they are found where they stand now, and new ones are written."""
    path = tmp_path / "mail.db"
    inbox = filled(path, message(1), message(2))
    inbox.close()
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("DROP TABLE verdict")
        db.execute("ALTER TABLE message ADD COLUMN verdict TEXT")
        db.execute("""UPDATE message SET verdict = '{"verdict": "pass"}' WHERE id = 1""")
        db.execute("PRAGMA user_version = 1")
    inbox = filled(path, message(3))
    assert [m.verdict for m in inbox.messages()] == [{"verdict": "pass"}, None, None]
    inbox.store.note({2: '{"verdict": "fail"}', 9: "{}"})
    assert [m.verdict and m.verdict["verdict"] for m in inbox.messages()] == ["pass", "fail", None]
    inbox.store.drop([1, 2])
    assert inbox.get(1) is None
    inbox.close()
    with contextlib.closing(sqlite3.connect(path)) as db:
        assert db.execute("SELECT count(*) FROM verdict").fetchone() == (0,)
