"""The servers that `bench_sink` compares, each a process of its own: ``python -m tests.bench.sink_servers KIND STORE``.

Prints its port, then for each line of its standard input how many messages it has, once they are judged.
"""

from __future__ import annotations

import asyncio
import sqlite3
import sys
from collections.abc import Awaitable, Callable
from typing import Any

from deliverkit.sink import CapturedMessage, Sink
from deliverkit.world import World
from tests.bench.bench_dkim import KEYS

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


class Verifying(Inserting):
    """The same, and dkimpy as it was shipped for each message before its 250, with the key at hand."""

    def __init__(self, store: str) -> None:
        import dkim

        super().__init__(store)
        self.verify = dkim.verify
        self.key = _key().record.encode()

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        """Verify, commit, then 250."""
        assert self.verify(envelope.content, dnsfunc=lambda _name, timeout=5: self.key)
        return await super().handle_DATA(server, session, envelope)


def _key() -> Any:
    from deliverkit.protocols.dkim.keys import load_private_key

    return load_private_key(KEYS / "test-only-rsa2048.pem")


async def stock(handler: Inserting) -> None:
    """aiosmtpd as it comes."""
    from aiosmtpd.smtp import SMTP

    loop = asyncio.get_running_loop()

    def session() -> SMTP:
        return SMTP(handler, data_size_limit=LIMIT, enable_SMTPUTF8=True, hostname="localhost", loop=loop)

    server = await loop.create_server(session, "127.0.0.1", 0, backlog=512)

    async def count() -> int:
        return handler.count

    await served(server.sockets[0].getsockname()[1], count)


async def ours(store: str, *, verified: bool) -> None:
    """The sink; without ``verified`` it captures and keeps, and judges nothing."""
    world = World.from_records(
        {
            "s1._domainkey.example.com": {"TXT": [_key().record]},
            "example.com": {"TXT": ["v=spf1 -all"]},
            "_dmarc.example.com": {"TXT": ["v=DMARC1; p=reject"]},
        }
    )
    judged: list[str] = []

    def judge(message: CapturedMessage) -> None:
        judged.append("")  # the report itself is only looked at in the end: nobody reads it while mail comes

    async with Sink(store=store, world=world, on_message=judge) as sink:
        if not verified:
            sink.inbox.on_stored = sink.inbox.complete

        async def count() -> int:
            while verified and len(judged) < len(sink.inbox):
                await asyncio.sleep(0.005)
            if verified and len(sink.inbox):
                kept = await asyncio.to_thread(sink.inbox.get, len(sink.inbox))
                assert kept is not None and kept.verdict is not None
                assert kept.verdict["facts"]["authentication"]["dkim"][0]["result"] == "pass"
            return len(sink.inbox)

        await served(sink.smtp_address.port, count)


async def served(port: int, count: Callable[[], Awaitable[int]]) -> None:
    """Tell the port, and the count for each line of standard input, until that ends."""
    print(port, flush=True)
    while await asyncio.to_thread(sys.stdin.readline):
        print(await count(), flush=True)


async def main(kind: str, store: str) -> None:
    """Serve one kind."""
    if kind.startswith("stock"):
        await stock((Verifying if kind == "stock-verified" else Inserting)(store))
    else:
        await ours(store, verified=kind == "ours-verified")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:3]))
