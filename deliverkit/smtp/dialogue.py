"""What an SMTP client may ask of the world, and what it may hear back.

An SMTP flow is a generator like a DNS flow: it yields one of the *asks* and is sent one of the *heards*.
Failures are values (`Trouble`), never exceptions, so a flow reads like the conversation it holds. The door in
``world/smtp.py`` carries them over sockets; a story carries them over a script.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias, TypeVar

from deliverkit.smtp.reply import Reply

T = TypeVar("T")


class TroubleKind(StrEnum):
    """Why an ask was not answered. Each is told apart, because each has another cause."""

    REFUSED = "refused"  # TCP connection refused
    TIMEOUT = "timeout"  # nothing came within the time allowed
    UNREACHABLE = "unreachable"  # no route, or the network said no
    CLOSED = "closed"  # the server closed the connection
    GARBAGE = "garbage"  # bytes that are no SMTP reply
    TOO_LONG = "too-long"  # a reply or line over our size cap
    TLS_FAILED = "tls-failed"  # the handshake itself failed
    NOT_ALLOWED = "not-allowed"  # we would not connect there (private address out of DNS)


@dataclass(frozen=True, slots=True)
class Trouble:
    """An ask that failed. ``waiting_for`` says what was expected ("greeting", "EHLO reply")."""

    kind: TroubleKind
    detail: str = ""
    waiting_for: str = ""


# -- asks -----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Connect:
    """Open a TCP connection. Heard: `Connected` or `Trouble`. Must be the first ask."""

    address: str
    port: int
    timeout_s: float = 10.0


@dataclass(frozen=True, slots=True)
class Handshake:
    """Start TLS on the open connection (after 220 to STARTTLS, or at once on port 465).

    ``server_name`` goes into SNI (None: none is sent); ``verify_name`` is matched against the certificate: two
    knobs, because they differ whenever a host is tested under another name. Bytes that were in the buffer
    before the handshake are dropped and reported in `TlsSession.injected`. Heard: `TlsSession` or `Trouble`.
    """

    server_name: str | None
    verify_name: str | None
    ca_file: str | None = None
    timeout_s: float = 15.0
    min_version: str | None = None  # e.g. "TLSv1.2"; None allows all that the library can speak, so as to see them


@dataclass(frozen=True, slots=True)
class Hear:
    """Wait for a reply without speaking (the greeting). Heard: `Reply` or `Trouble`."""

    waiting_for: str = "greeting"
    timeout_s: float = 30.0


@dataclass(frozen=True, slots=True)
class Say:
    """Send one command line (no CRLF) and wait for its reply. ``secret`` masks it in the transcript."""

    line: str
    secret: bool = False
    timeout_s: float = 30.0


@dataclass(frozen=True, slots=True)
class SayAll:
    """Send several command lines in one write (PIPELINING, RFC 2920). Heard: a tuple of `Reply | Trouble`."""

    lines: tuple[str, ...]
    timeout_s: float = 30.0


@dataclass(frozen=True, slots=True)
class SendContent:
    """Send message content, already dot-stuffed and ended by CRLF.CRLF, and wait for the final reply."""

    content: bytes
    timeout_s: float = 600.0


@dataclass(frozen=True, slots=True)
class Hangup:
    """Close the connection. Heard: None."""


# -- heards ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Connected:
    """The TCP connection stands."""

    address: str
    port: int
    local_address: str
    elapsed_s: float


@dataclass(frozen=True, slots=True)
class Certificate:
    """What is worth knowing of an X.509 certificate. Times are ISO 8601 in UTC."""

    subject: str
    issuer: str
    names: tuple[str, ...]  # dNSName and iPAddress entries of subjectAltName; commonName only when there are none
    not_before: str
    not_after: str
    key_type: str  # "rsa", "ec", "ed25519", …
    key_bits: int
    signature_hash: str  # "sha256", …
    serial: str
    sha256: str  # fingerprint of the DER form, hex
    self_signed: bool


@dataclass(frozen=True, slots=True)
class TlsSession:
    """A handshake that worked. That it worked, that it is trusted and that the name matches are three facts."""

    version: str
    cipher: str
    chain: tuple[Certificate, ...]  # leaf first, as the server sent it
    trusted: bool | None  # chain leads to the trust store and is in date; None: could not be judged
    trust_problem: str | None  # "expired", "not-yet-valid", "self-signed", "incomplete-chain", "unknown-ca", "weak", …
    name_matches: bool | None  # None: no name was asked to be verified
    injected: bytes = b""  # what lay in the clear-text buffer after the 220 to STARTTLS


Ask: TypeAlias = Connect | Handshake | Hear | Say | SayAll | SendContent | Hangup
SmtpFlow: TypeAlias = Generator[Ask, Any, T]
"""An SMTP flow: yields asks, is sent heards, returns T."""
__all__ = [
    "Ask",
    "Certificate",
    "Connect",
    "Connected",
    "Handshake",
    "Hangup",
    "Hear",
    "Reply",
    "Say",
    "SayAll",
    "SendContent",
    "SmtpFlow",
    "TlsSession",
    "Trouble",
    "TroubleKind",
]
