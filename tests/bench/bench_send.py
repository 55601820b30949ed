"""Signed messages over one loopback connection: deliverkit against smtplib with dkimpy.

``python -m tests.bench.bench_send``. The server, a process of its own, takes every message and forgets it. Each message
is composed and signed anew (RSA 2048, about 1.4 kB), as ``send --count`` does.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import smtplib
import socket
import tempfile
import time
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from pathlib import Path

import dkim
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from deliverkit.engine.draft import Draft, content_of, default_text, writer_of
from deliverkit.engine.send import SendOptions, send
from deliverkit.protocols.dkim.keys import load_private_key
from deliverkit.protocols.dkim.sign import SigningKey
from deliverkit.world import World
from deliverkit.world.smtp import LiveSmtp
from tests.bench.measure import Bar, interleave, ratio, write

MESSAGES = 200
ROUNDS = 5


def main() -> None:
    """Measure and write reports/bench/send.*"""
    with tempfile.TemporaryDirectory() as folder:
        key_file = Path(folder) / "key.pem"
        key = rsa.generate_private_key(65537, 2048)
        form = (serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL)
        key_file.write_bytes(key.private_bytes(*form, serialization.NoEncryption()))
        ready: multiprocessing.Queue[int] = multiprocessing.Queue()
        sink = multiprocessing.Process(target=_sink, args=(ready,), daemon=True)
        sink.start()
        port = ready.get(timeout=20)
        try:
            signing = SigningKey("s1", "example.com", load_private_key(key_file))
            rows = interleave(
                {
                    "deliverkit, signed": lambda: _deliverkit(port, (signing,)),
                    "deliverkit, not signed": lambda: _deliverkit(port, ()),
                    "smtplib and dkimpy, signed": lambda: _smtplib(port, key_file.read_bytes()),
                    "smtplib, not signed": lambda: _smtplib(port, None),
                },
                rounds=ROUNDS,
            )
        finally:
            sink.terminate()
            sink.join(5)
    table = [
        (name, f"{MESSAGES / row.median():.0f}", f"{row.median('cpu') / MESSAGES * 1000:.2f}")
        for name, row in rows.items()
    ]
    write(
        "send",
        "Messages over one loopback connection",
        ("client", "messages/s", "CPU ms a message"),
        table,
        [
            f"{ROUNDS} interleaved rounds of {MESSAGES} messages each, every one composed anew; medians.",
            "deliverkit keeps the whole transcript and a report while it sends.",
        ],
        [
            Bar(
                "signed messages sent, against smtplib with dkimpy",
                ratio(rows, "smtplib and dkimpy, signed", "deliverkit, signed"),
                1,
            )
        ],
    )


def _deliverkit(port: int, keys: tuple[SigningKey, ...]) -> None:
    content = content_of(Draft(header_from="Ann <ann@example.com>", to=("bob@example.net",)))
    options = SendOptions(
        "ann@example.com",
        ("bob@example.net",),
        relay=("127.0.0.1", port),
        tls="none",
        helo="client.example.com",
        keys=keys,
        count=MESSAGES,
    )

    async def run() -> int:
        table = World.from_records({})
        async with World(table.dns, LiveSmtp(), table.vantage) as world:
            report = await send(writer_of(content), options, world=world)
            return int(report.facts["send"][0].accepted)

    assert asyncio.run(run()) == MESSAGES


def _smtplib(port: int, key: bytes | None) -> None:
    with smtplib.SMTP("127.0.0.1", port, local_hostname="client.example.com") as client:
        for _ in range(MESSAGES):
            message = EmailMessage()
            message["From"], message["To"] = "Ann <ann@example.com>", "bob@example.net"
            message["Subject"], message["Date"] = "Test message", formatdate()
            message["Message-ID"] = make_msgid(domain="example.com")
            message.set_content(default_text("example.com"))
            raw = message.as_bytes().replace(b"\n", b"\r\n")
            if key is not None:
                raw = dkim.sign(raw, b"s1", b"example.com", key) + raw
            client.sendmail("ann@example.com", ["bob@example.net"], raw)


def _sink(ready: multiprocessing.Queue[int]) -> None:
    """Takes mail on any port of 127.0.0.1, announced through the queue, and forgets it."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        writer.write(b"220 sink.example ESMTP\r\n")
        while line := await reader.readline():
            verb = line[:4].upper()
            if verb == b"EHLO":
                writer.write(b"250-sink.example\r\n250-PIPELINING\r\n250 8BITMIME\r\n")
            elif verb == b"DATA":
                writer.write(b"354 go ahead\r\n")
                await writer.drain()
                await reader.readuntil(b"\r\n.\r\n")
                writer.write(b"250 2.0.0 taken\r\n")
            elif verb == b"QUIT":
                writer.write(b"221 2.0.0 bye\r\n")
                break
            else:
                writer.write(b"250 2.0.0 ok\r\n")
            await writer.drain()
        writer.close()

    async def serve() -> None:
        server = await asyncio.start_server(talk, "127.0.0.1", 0)
        ready.put(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(serve())


if __name__ == "__main__":
    began = time.perf_counter()
    main()
    print(f"\n{time.perf_counter() - began:.0f} s")
