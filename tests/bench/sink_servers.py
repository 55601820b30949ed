"""The servers that `bench_sink` compares, each a process of its own: ``python -m tests.bench.sink_servers KIND STORE``.

Prints its port, serves until its standard input ends, then prints how many messages it kept.
"""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from datetime import UTC, datetime
from typing import Any

from deliverkit.sink import CapturedMessage, Inbox, Judging, Limits, Sink
from deliverkit.smtp.transcript import Transcript
from deliverkit.world import World

LIMIT = 64 << 20


class Inserting:
    """A handler for stock aiosmtpd as one writes it: an insert and a synced commit for each message, then 250."""

    def __init__(self, store: str) -> None:
        self.count = 0
        self.db = sqlite3.connect(store, isolation_level=None)
        self.db.execute("PRAGMA journal_mode = WAL")
        self.db.execute("PRAGMA synchronous = FULL")
        self.db.execute("CREATE TABLE message (id INTEGER PRIMARY KEY, mail_from TEXT, rcpt_tos TEXT, raw BLOB)")

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        """Commit, then 250."""
        self.count += 1
        row = (envelope.mail_from, ",".join(envelope.rcpt_tos), envelope.content)
        self.db.execute("INSERT INTO message (mail_from, rcpt_tos, raw) VALUES (?, ?, ?)", row)
        return "250 OK"


class Keeping:
    """A handler for stock aiosmtpd: keeps what it is given in our inbox before it answers, or throws it away."""

    def __init__(self, inbox: Inbox | None) -> None:
        self.inbox = inbox
        self.count = 0

    async def handle_DATA(self, _server: Any, session: Any, envelope: Any) -> str:
        """Keep, then 250."""
        self.count += 1
        if self.inbox is not None:
            message = CapturedMessage(
                receipt=f"{self.count:016x}",
                received=datetime.now(UTC),
                listener="smtp",
                client=f"{session.peer[0]}:{session.peer[1]}",
                helo=session.host_name,
                mail_from=envelope.mail_from,
                rcpt_tos=tuple(envelope.rcpt_tos),
                raw=envelope.content,
                transcript=Transcript("", ""),
            )
            await self.inbox.add(message)
        return "250 OK"


async def stock(handler: Inserting | Keeping) -> int:
    """aiosmtpd as it comes."""
    from aiosmtpd.smtp import SMTP

    loop = asyncio.get_running_loop()

    def session() -> SMTP:
        return SMTP(handler, data_size_limit=LIMIT, enable_SMTPUTF8=True, hostname="localhost", loop=loop)

    server = await loop.create_server(session, "127.0.0.1", 0, backlog=512)
    await served(server.sockets[0].getsockname()[1])
    return handler.count


class Nowhere:
    """A store that forgets, so that only the SMTP side is measured."""

    def __init__(self) -> None:
        self.count = 0

    def write(self, messages: Any) -> list[int]:
        """Number and forget."""
        first = self.count + 1
        self.count += len(messages)
        return list(range(first, self.count + 1))

    def note(self, verdicts: Any) -> None:
        """Forget."""

    def drop(self, ids: Any) -> None:
        """Forget."""

    def read(self, _id: int) -> None:
        """Nothing is there."""

    def sizes(self) -> dict[int, int]:
        """Nothing is there."""
        return {}

    def close(self) -> None:
        """Nothing is open."""


async def ours(store: Any, judging: Judging | None) -> int:
    """The sink; with ``judging`` None it captures and keeps, and judges nothing."""
    world = World.offline(closed=True)
    async with Sink(store=store, world=world, judging=judging or Judging(verify=False), limits=Limits()) as sink:
        if judging is None:
            sink.inbox.on_stored = sink.inbox.complete
        await served(sink.smtp_address.port)
        return len(sink.inbox)


async def served(port: int) -> None:
    """Tell the port and serve until standard input ends."""
    print(port, flush=True)
    await asyncio.to_thread(sys.stdin.read)


async def main(kind: str, store: str) -> None:
    """Serve one kind."""
    if kind == "stock-discard":
        count = await stock(Keeping(None))
    elif kind == "stock":
        count = await stock(Inserting(store))
    elif kind == "stock-inbox":
        inbox = Inbox(store)
        count = await stock(Keeping(inbox))
        inbox.close()
    elif kind == "ours-discard":
        count = await ours(Nowhere(), None)
    else:
        count = await ours(
            store, {"ours": None, "ours-judged": Judging(verify=False), "ours-verified": Judging()}[kind]
        )
    print(count, flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:3]))
