"""Where captured messages are kept: memory, a SQLite file, or a directory of .eml and .json files.

Each store answers the same few calls. `write` returns only when its messages would survive the end of the
process (SQLite: WAL with synchronous=FULL; files: fsync, then rename, then fsync of the directory). File names come
from our counter, never from a message.

What this file will not do: run threads, wait, or decide what is evicted (`deliverkit.sink.inbox` does).
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sqlite3
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from deliverkit.sink.judged import Judged
from deliverkit.sink.message import CapturedMessage, faults_json, transcript_text

_APPLICATION = 0x646B7369  # "dksi": PRAGMA application_id of our files
_SCHEMA_VERSION = 2
_SCHEMA = """
CREATE TABLE message (
  id INTEGER PRIMARY KEY,
  receipt TEXT NOT NULL,
  received TEXT NOT NULL,
  listener TEXT NOT NULL,
  client TEXT NOT NULL,
  helo TEXT,
  mail_from TEXT NOT NULL,
  rcpt_tos TEXT NOT NULL,
  mail_options TEXT NOT NULL,
  authenticated_as TEXT,
  tls TEXT,
  octets INTEGER NOT NULL,
  faults TEXT NOT NULL,
  transcript TEXT NOT NULL,
  raw BLOB NOT NULL
)
"""
_VERDICTS = "CREATE TABLE verdict (id INTEGER PRIMARY KEY, report TEXT NOT NULL)"  # beside: raw is not written twice
_COLUMNS = (
    "receipt, received, listener, client, helo, mail_from, rcpt_tos, mail_options, authenticated_as, tls, octets, "
    "faults, transcript, raw"
)
_NAMES = ("id", *_COLUMNS.split(", "), "verdict")
_INSERT = f"INSERT INTO message ({_COLUMNS}) VALUES ({', '.join('?' * 14)})"  # noqa: S608 - constants
_SELECT = f"SELECT id, {_COLUMNS}, (SELECT report FROM verdict v WHERE v.id = m.id) FROM message m WHERE id = ?"  # noqa: S608
_NOTE = (  # a message that was dropped meanwhile is passed over
    "INSERT OR REPLACE INTO verdict (id, report) SELECT id, ? FROM message WHERE id = ?"
)


class StoreError(Exception):
    """The store cannot be opened, or cannot keep what it was given; the text says why."""


class Store(Protocol):
    """What every store can do. Writing calls come from one thread, reading calls from any."""

    def write(self, messages: Sequence[CapturedMessage]) -> list[int]:
        """Keep messages for good and number them. All or none. Raises `StoreError`."""

    def note(self, verdicts: Mapping[int, str]) -> None:
        """Write verdicts (JSON) beside their messages; a message that is gone is passed over. Raises `StoreError`.

        A verdict survives the end of the process, but need not survive the end of the machine's power.
        """

    def drop(self, ids: Iterable[int]) -> None:
        """Forget messages."""

    def read(self, id_: int) -> CapturedMessage | None:
        """One message, or None."""

    def sizes(self) -> dict[int, int]:
        """The octets of every message by id, the oldest first."""

    def close(self) -> None:
        """Let go of files."""


def open_store(where: str | Path | None) -> Store:
    """Memory for None; SQLite for a name that ends in .db, .sqlite or .sqlite3; else a directory."""
    if where is None:
        return MemoryStore()
    path = Path(where)
    if path.suffix.lower() in (".db", ".sqlite", ".sqlite3"):
        return SqliteStore(path)
    return DirectoryStore(path)


class MemoryStore:
    """Keeps messages while the process lives."""

    def __init__(self) -> None:
        self._messages: dict[int, CapturedMessage] = {}
        self._last = 0

    def write(self, messages: Sequence[CapturedMessage]) -> list[int]:
        """See `Store`."""
        ids = []
        for message in messages:
            self._last += 1
            self._messages[self._last] = replace(message, id=self._last)
            ids.append(self._last)
        return ids

    def note(self, verdicts: Mapping[int, str]) -> None:
        """See `Store`."""
        for id_, verdict in verdicts.items():
            if id_ in self._messages:
                self._messages[id_] = replace(self._messages[id_], judged=Judged(verdict))

    def drop(self, ids: Iterable[int]) -> None:
        """See `Store`."""
        for id_ in ids:
            self._messages.pop(id_, None)

    def read(self, id_: int) -> CapturedMessage | None:
        """See `Store`."""
        return self._messages.get(id_)

    def sizes(self) -> dict[int, int]:
        """See `Store`."""
        return {id_: len(message.raw) for id_, message in list(self._messages.items())}

    def close(self) -> None:
        """Nothing to let go of: the messages can still be read."""


class SqliteStore:
    """One SQLite file, in WAL mode. Another process may read it meanwhile."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._writing = self._connect()
            self._prepare()
            self._reading = self._connect()
        except sqlite3.Error as bad:
            raise StoreError(f"cannot open {path} as a message store: {bad}") from None
        self._turn = threading.Lock()

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self.path, timeout=20, isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA synchronous = FULL")  # every commit is synced: a 250 means the message is safe
        return connection

    def _prepare(self) -> None:
        db = self._writing
        tables = db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]
        owner, version = (db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("application_id", "user_version"))
        if tables and owner != _APPLICATION:
            raise StoreError(f"{self.path} is a database of something else; give another name")
        if tables and version not in (1, _SCHEMA_VERSION):
            raise StoreError(f"{self.path} was written by another version (schema {version}, not {_SCHEMA_VERSION})")
        if not tables:
            db.execute("PRAGMA page_size = 8192")
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA journal_size_limit = 67108864")
        db.execute("PRAGMA wal_autocheckpoint = 4096")  # pages: 32 MB are folded into the file at once, not 8
        if not tables:
            db.execute("BEGIN IMMEDIATE")
            db.execute(_SCHEMA)
            db.execute(_VERDICTS)
            db.execute(f"PRAGMA application_id = {_APPLICATION}")
            db.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
            db.execute("COMMIT")
        elif version == 1:  # verdicts stood beside the octets
            db.execute("BEGIN IMMEDIATE")
            db.execute(_VERDICTS)
            db.execute("INSERT INTO verdict SELECT id, verdict FROM message WHERE verdict IS NOT NULL")
            db.execute("UPDATE message SET verdict = NULL")
            db.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
            db.execute("COMMIT")

    def write(self, messages: Sequence[CapturedMessage]) -> list[int]:
        """See `Store`: one transaction, one sync."""
        rows = [_row(message) for message in messages]
        with self._transaction() as db:
            return [int(db.execute(_INSERT, row).lastrowid or 0) for row in rows]

    def note(self, verdicts: Mapping[int, str]) -> None:
        """See `Store`: without a sync, which the next message's commit does for it."""
        self._writing.execute("PRAGMA synchronous = NORMAL")
        try:
            with self._transaction() as db:
                db.executemany(_NOTE, [(verdict, id_) for id_, verdict in verdicts.items()])
        finally:
            self._writing.execute("PRAGMA synchronous = FULL")

    def drop(self, ids: Iterable[int]) -> None:
        """See `Store`."""
        gone = [(id_,) for id_ in ids]
        with self._transaction() as db:
            db.executemany("DELETE FROM message WHERE id = ?", gone)
            db.executemany("DELETE FROM verdict WHERE id = ?", gone)

    @contextlib.contextmanager
    def _transaction(self) -> Any:
        db = self._writing
        try:
            db.execute("BEGIN IMMEDIATE")
            yield db
            db.execute("COMMIT")
        except sqlite3.Error as bad:
            with contextlib.suppress(sqlite3.Error):
                db.execute("ROLLBACK")
            raise StoreError(f"cannot write {self.path}: {bad}") from None

    def read(self, id_: int) -> CapturedMessage | None:
        """See `Store`."""
        with self._turn:
            row = self._reading.execute(_SELECT, (id_,)).fetchone()
        return _message(row) if row else None

    def sizes(self) -> dict[int, int]:
        """See `Store`."""
        with self._turn:
            return dict(self._reading.execute("SELECT id, octets FROM message ORDER BY id").fetchall())

    def close(self) -> None:
        """Fold the log into the file and let go of it."""
        with self._turn:
            self._reading.close()
        self._writing.close()


def _row(message: CapturedMessage) -> tuple[Any, ...]:
    return (
        message.receipt,
        message.received.isoformat(),
        message.listener,
        message.client,
        message.helo,
        message.mail_from,
        json.dumps(message.rcpt_tos),
        json.dumps(message.mail_options),
        message.authenticated_as,
        message.tls,
        len(message.raw),
        json.dumps(faults_json(message.faults)) if message.faults else "[]",
        transcript_text(message.transcript),
        message.raw,
    )


def _message(row: Sequence[Any]) -> CapturedMessage:
    told = dict(zip(_NAMES, row, strict=True))
    for name in ("rcpt_tos", "mail_options", "faults", "transcript"):
        told[name] = json.loads(told[name])
    verdict, told["verdict"] = told["verdict"], None
    message = CapturedMessage.from_json(told, told["raw"])
    return replace(message, judged=Judged(verdict)) if verdict else message


class DirectoryStore:
    """Two files a message: ``00000001.eml`` (the octets) and ``00000001.json`` (everything else).

    Both are written under a temporary name and renamed, the .json last: where it stands, the message is whole.
    """

    _NAME = re.compile(r"(\d{8,12})\.json")

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True)
            for left in path.glob(".*.part"):  # a process that was killed; nothing of it was acknowledged
                left.unlink()
            self._sizes = dict(sorted(self._found()))
            probe = path / f".{os.getpid()}.part"
            probe.write_bytes(b"")
            probe.unlink()
        except OSError as bad:
            raise StoreError(f"cannot keep messages in {path}: {bad.strerror or bad}") from None
        self._last = max(self._sizes, default=0)

    def _found(self) -> Iterable[tuple[int, int]]:
        for file in self.path.iterdir():
            match = self._NAME.fullmatch(file.name)
            if match and file.with_suffix(".eml").is_file():
                yield int(match[1]), file.with_suffix(".eml").stat().st_size

    def write(self, messages: Sequence[CapturedMessage]) -> list[int]:
        """See `Store`."""
        parts: list[tuple[Path, Path]] = []
        ids = [self._last + 1 + n for n in range(len(messages))]
        try:
            for id_, message in zip(ids, messages, strict=True):
                parts.append(self._part(id_, "eml", message.raw))
                parts.append(self._part(id_, "json", _document(replace(message, id=id_))))
            for part, file in parts:
                part.replace(file)
            self._sync()
        except OSError as bad:
            for part, file in parts:
                part.unlink(missing_ok=True)
                file.unlink(missing_ok=True)
            raise StoreError(f"cannot write into {self.path}: {bad.strerror or bad}") from None
        self._last = ids[-1] if ids else self._last
        self._sizes |= {id_: len(message.raw) for id_, message in zip(ids, messages, strict=True)}
        return ids

    def _part(self, id_: int, suffix: str, content: bytes) -> tuple[Path, Path]:
        part, file = self.path / f".{id_:08d}.{suffix}.part", self.path / f"{id_:08d}.{suffix}"
        with part.open("wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        return part, file

    def _sync(self) -> None:
        """Make the renames durable, where directories can be synced."""
        if os.name != "posix":
            return
        directory = os.open(self.path, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)

    def note(self, verdicts: Mapping[int, str]) -> None:
        """See `Store`."""
        try:
            for id_, verdict in verdicts.items():
                message = self.read(id_)
                if message is not None:
                    part, file = self._part(id_, "json", _document(replace(message, judged=Judged(verdict))))
                    part.replace(file)
        except OSError as bad:
            raise StoreError(f"cannot write into {self.path}: {bad.strerror or bad}") from None

    def drop(self, ids: Iterable[int]) -> None:
        """See `Store`."""
        for id_ in ids:
            self._sizes.pop(id_, None)
            for suffix in ("json", "eml"):
                with contextlib.suppress(OSError):
                    (self.path / f"{id_:08d}.{suffix}").unlink()

    def read(self, id_: int) -> CapturedMessage | None:
        """See `Store`."""
        file = self.path / f"{id_:08d}.json"
        try:
            return CapturedMessage.from_json(json.loads(file.read_bytes()), file.with_suffix(".eml").read_bytes())
        except (OSError, ValueError, KeyError, TypeError):  # deleted or edited by somebody else
            return None

    def sizes(self) -> dict[int, int]:
        """See `Store`."""
        return dict(self._sizes)

    def close(self) -> None:
        """Nothing is open."""


def _document(message: CapturedMessage) -> bytes:
    return json.dumps(message.to_json(), indent=1).encode() + b"\n"
