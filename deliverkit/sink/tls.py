"""TLS for the sink: a given certificate, or a private authority and certificate made on the spot.

The authority's key is thrown away once it has signed, so that a client which trusts the authority trusts this one
certificate and nothing else, ever. Implicit TLS (RFC 8314 §3.3) is begun here so that a handshake that fails
leaves a record.

What this file will not do: judge certificates, or speak SMTP.
"""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import os
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from deliverkit.facts.capture import CaptureFacts
from deliverkit.sink.reception import EndedSession, Reception
from deliverkit.sink.record import SessionRecord
from deliverkit.smtp.content import FaultKind

if TYPE_CHECKING:
    from cryptography import x509

    from deliverkit.sink.session import SinkSession

_DAYS = 397  # what clients accept of a server certificate (CA/Browser Forum, 2020)
_RENEW_DAYS = 7


class TlsError(Exception):
    """The certificate or key cannot be used; the text says why."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """PEM files of a server certificate (with its chain), its key, and the authority a client must trust, if ours."""

    certificate: Path
    key: Path
    authority: Path | None = None

    def context(self) -> ssl.SSLContext:
        """A server context; TLS 1.2 and later (RFC 8996). Raises `TlsError`."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        try:
            context.load_cert_chain(self.certificate, self.key)
        except ssl.SSLError as bad:
            why = "they do not belong together" if "KEY_VALUES_MISMATCH" in str(bad) else "not PEM, or encrypted"
            raise TlsError(f"cannot use {self.certificate} with {self.key}: {why}") from None
        except OSError as bad:
            raise TlsError(f"cannot read {self.certificate} or {self.key}: {bad.strerror or bad}") from None
        return context


def private_tls(directory: Path, names: Sequence[str] = ("localhost", "127.0.0.1", "::1")) -> TlsFiles:
    """Certificate files for ``names`` in ``directory``: those that are there if they still serve, else new ones.

    Writes ca.pem, cert.pem and key.pem (readable by the owner alone). Raises `TlsError`.
    """
    files = TlsFiles(directory / "cert.pem", directory / "key.pem", directory / "ca.pem")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if not _still_serve(files, names):
            _make(files, names)
    except OSError as bad:
        raise TlsError(f"cannot write TLS files into {directory}: {bad.strerror or bad}") from None
    return files


def _still_serve(files: TlsFiles, names: Sequence[str]) -> bool:
    from cryptography import x509

    try:
        certificate = x509.load_pem_x509_certificate(files.certificate.read_bytes())
        known = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        files.context()
    except (OSError, ValueError, x509.ExtensionNotFound, TlsError):
        return False
    soon = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=_RENEW_DAYS)
    assert files.authority is not None
    return (
        files.authority.is_file()
        and certificate.not_valid_after_utc > soon
        and all(_general_name(name) in known for name in names)
    )


def _make(files: TlsFiles, names: Sequence[str]) -> None:
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
    from cryptography.x509.oid import ExtendedKeyUsageOID

    ca_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    ca_name = _name("deliverkit sink, private authority")
    ca = (
        _builder(ca_name, ca_name, ca_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(key_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    authority_key = x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key())
    certificate = (
        _builder(_name(names[0]), ca_name, key.public_key())
        .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(authority_key, critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    assert files.authority is not None
    _write(files.key, key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()), 0o600)
    _write(files.authority, ca.public_bytes(Encoding.PEM), 0o644)
    _write(files.certificate, certificate.public_bytes(Encoding.PEM), 0o644)


def _builder(subject: x509.Name, issuer: x509.Name, public_key: object) -> x509.CertificateBuilder:
    from cryptography import x509

    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public_key)  # type: ignore[arg-type] # an EC public key
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=_DAYS))
    )


def key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    """What a key is for (RFC 5280 §4.2.1.3): signing certificates, or proving who a server is."""
    from cryptography import x509

    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _name(common_name: str) -> x509.Name:
    from cryptography import x509

    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name[:64])])


def _general_name(name: str) -> x509.GeneralName:
    from cryptography import x509

    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _write(path: Path, content: bytes, mode: int) -> None:
    part = path.with_name(f".{path.name}.part")
    part.unlink(missing_ok=True)
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as out:
        out.write(content)
    part.replace(path)


class ImplicitTls(asyncio.Protocol):
    """Accepts a connection, makes the TLS handshake, and hands over to a session (RFC 8314 §3.3)."""

    def __init__(self, context: ssl.SSLContext, reception: Reception, make_session: Callable[[], SinkSession]) -> None:
        self._context = context
        self._reception = reception
        self._make_session = make_session
        self._record = SessionRecord()
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """TCP stands."""
        from deliverkit.sink.session import endpoint

        assert isinstance(transport, asyncio.Transport)
        if self._reception.is_full:
            transport.abort()
            return
        self._record.connected(endpoint(transport, "peername"), endpoint(transport, "sockname"))
        transport.pause_reading()
        self._task = asyncio.get_running_loop().create_task(self._begin(transport))
        self._reception.handshakes.add(self._task)
        self._task.add_done_callback(self._reception.handshakes.discard)

    async def _begin(self, transport: asyncio.Transport) -> None:
        from deliverkit.sink.session import tls_failure

        loop, seconds = asyncio.get_running_loop(), self._reception.limits.handshake_s
        session = self._make_session()
        try:
            secured = await loop.start_tls(
                transport, session, self._context, server_side=True, ssl_handshake_timeout=seconds
            )
        except ConnectionAbortedError:
            detail = f"no TLS handshake within {seconds:g} s: the client waits for a greeting in the clear"
            self._failed(FaultKind.SILENT_ON_TLS_PORT, detail)
        except ssl.SSLError as failed:
            why = tls_failure(failed)
            if failed.reason in ("HTTP_REQUEST", "WRONG_VERSION_NUMBER", "UNKNOWN_PROTOCOL"):
                self._failed(FaultKind.SILENT_ON_TLS_PORT, "the client spoke in the clear where TLS begins at once")
            else:
                self._failed(FaultKind.TLS_FAILED, f"the handshake failed: {why}")
        except OSError as failed:  # the client hung up
            self._failed(FaultKind.TLS_FAILED, f"the handshake failed: {tls_failure(failed)}")
        except asyncio.CancelledError:
            transport.abort()
            raise
        else:
            if secured is not None and not session.lost_early:
                session.connection_made(secured)

    def _failed(self, kind: FaultKind, detail: str) -> None:
        self._record.transcript.tls_failed(detail)
        self._record.transcript.closed("client")
        self._record.note(kind, detail)
        client = self._record.transcript.client
        facts = CaptureFacts(
            name=f"session of {client}",
            client=client,
            listener="smtps",
            helo=None,
            mail_from=None,
            rcpt_tos=(),
            octets=None,
            tls=None,
            authenticated_as=None,
            faults=self._record.hand_over_faults(),
        )
        self._reception.on_session(EndedSession(facts, self._record.snapshot()))
