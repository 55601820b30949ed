"""A mail server on 127.0.0.1 for tests of the sending side: aiosmtpd in a thread of its own, with TLS, AUTH and moods.

It records what it took, in how many sessions, and who logged in; ``replies`` make it say no at any command.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime
import ipaddress
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass
class MailServer:
    """What the server took. ``replies`` maps MAIL, RCPT or DATA to the reply it gives instead of 250."""

    host: str = "127.0.0.1"
    port: int = 0
    contents: list[bytes] = field(default_factory=list)
    senders: list[str] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)
    sessions: int = 0
    logins: list[tuple[str, bytes, bytes]] = field(default_factory=list)
    replies: dict[str, str] = field(default_factory=dict)
    stalls_after: int | None = None  # messages
    stalled: threading.Event = field(default_factory=threading.Event)

    @property
    def via(self) -> str:
        """What --via wants."""
        return f"{self.host}:{self.port}"

    # -- aiosmtpd's hooks ---------------------------------------------------------------------------------

    async def handle_MAIL(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        """MAIL FROM."""
        if "MAIL" in self.replies:
            return self.replies["MAIL"]
        envelope.mail_from = address
        return "250 2.1.0 ok"

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        """RCPT TO; a reply may be meant for one address only ("RCPT bob@example.net")."""
        told = self.replies.get(f"RCPT {address}", self.replies.get("RCPT"))
        if told:
            return told
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 ok"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        """The content."""
        if "DATA" in self.replies:
            return self.replies["DATA"]
        if self.stalls_after is not None and len(self.contents) >= self.stalls_after:
            self.stalled.set()
            await asyncio.sleep(600)
        self.contents.append(envelope.content)
        self.senders.append(envelope.mail_from)
        self.recipients.append(list(envelope.rcpt_tos))
        return "250 2.0.0 queued"

    def authenticate(self, server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
        """ann logs in with "s3cret word"."""
        assert isinstance(data, LoginPassword)
        self.logins.append((mechanism, data.login, data.password))
        return AuthResult(success=data.login == b"ann@example.com" and data.password == b"s3cret word", handled=False)


@contextmanager
def mail_server(
    certificate: Certificate | None = None, *, implicit: bool = False, auth: bool = False, **told: Any
) -> Iterator[MailServer]:
    """A running server; it ends, with every connection, when the block does."""
    server = MailServer(**told)
    loop = asyncio.new_event_loop()
    context = certificate.context() if certificate else None
    transports: list[asyncio.Transport] = []
    peers: set[Any] = set()

    class Protocol(SMTP):
        def connection_made(self, transport: Any) -> None:
            peers.add(transport.get_extra_info("peername"))  # after STARTTLS the same connection is "made" again
            server.sessions = len(peers)
            transports.append(transport)
            super().connection_made(transport)

    def protocol() -> SMTP:
        options: dict[str, Any] = {"hostname": "mx.example.net", "enable_SMTPUTF8": True, "loop": loop}
        if context is not None and not implicit:
            options["tls_context"] = context
        if auth:
            options |= {"authenticator": server.authenticate, "auth_require_tls": not implicit}
        return Protocol(server, **options)

    listening = loop.run_until_complete(loop.create_server(protocol, server.host, 0, ssl=context if implicit else None))
    server.port = listening.sockets[0].getsockname()[1]
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        asyncio.run_coroutine_threadsafe(_ended(listening, transports), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(10)
        loop.close()


async def _ended(listening: asyncio.Server, transports: list[asyncio.Transport]) -> None:
    listening.close()
    for transport in transports:
        with contextlib.suppress(AttributeError):  # TLS, closed already, on CPython before 3.11.5
            transport.abort()
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    await asyncio.sleep(0)


@dataclass(frozen=True)
class Certificate:
    """A server's certificate with its private CA, as PEM files."""

    ca_file: Path
    chain_file: Path
    key_file: Path

    def context(self) -> ssl.SSLContext:
        """The server's side of TLS."""
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(self.chain_file, self.key_file)
        return context


def make_certificate(folder: Path, *names: str) -> Certificate:
    """A CA and a certificate for the names (host names or addresses), good for a day."""
    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Example Test CA")])
    ca = _signed(ca_name, ca_name, ca_key.public_key(), ca_key, ca=True)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    leaf = _signed(subject, ca_name, key.public_key(), ca_key, names=names)
    paths = Certificate(folder / "ca.pem", folder / "server.pem", folder / "server.key")
    pem = serialization.Encoding.PEM
    paths.ca_file.write_bytes(ca.public_bytes(pem))
    paths.chain_file.write_bytes(leaf.public_bytes(pem))
    paths.key_file.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return paths


def _signed(
    subject: x509.Name, issuer: x509.Name, public: Any, signer: Any, *, names: tuple[str, ...] = (), ca: bool = False
) -> x509.Certificate:
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=False)
    return builder.sign(signer, hashes.SHA256())


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
