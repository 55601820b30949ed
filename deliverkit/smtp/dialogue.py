"""What an SMTP client may ask of the world, and what it may hear back.

An SMTP flow is a generator like a DNS flow: it yields one of the *asks* and is sent one of the *heards*.
Failures are values (`Trouble`), never exceptions, so a flow reads like the conversation it holds. The door in
``world/smtp.py`` carries them over sockets; a story carries them over a script.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias, TypeVar

from deliverkit.smtp.reply import Reply
from deliverkit.smtp.transcript import MASK

T = TypeVar("T")


class TroubleKind(StrEnum):
    """Why an ask was not answered. Each is told apart, because each has another cause."""

    REFUSED = "refused"  # TCP connection refused
    TIMEOUT = "timeout"  # nothing came within the time allowed
    UNREACHABLE = "unreachable"  # the network said no (ICMP), somewhere on the way
    NO_ROUTE = "no-route"  # this machine has no route there: no IPv6 here, most often
    CLOSED = "closed"  # the server closed the connection
    GARBAGE = "garbage"  # bytes that are no SMTP reply
    TOO_LONG = "too-long"  # a reply or line over our size cap
    TLS_FAILED = "tls-failed"  # the handshake itself failed
    NOT_ALLOWED = "not-allowed"  # we would not connect there (private address out of DNS)


@dataclass(frozen=True, slots=True)
class Trouble:
    """An ask that failed. ``waiting_for`` says what was expected ("greeting", "EHLO reply").

    ``heard`` is what came instead, control characters escaped and cut to a few hundred characters: garbage, or the
    clear text with which a server answers a TLS handshake. ``unsent``: the end of a message never left here, so that
    nobody can have accepted it.
    """

    kind: TroubleKind
    detail: str = ""
    waiting_for: str = ""
    heard: str = ""
    unsent: bool = False

    def __str__(self) -> str:
        if self.waiting_for == "connection" and self.kind in self.detail:
            return self.detail  # "connection refused"
        awaited = f" waiting for the {self.waiting_for}" if self.waiting_for not in ("", "connection") else ""
        return f"{self.kind}{awaited}{f': {self.detail}' if self.detail else ''}"


def refuse_breaks(line: str) -> None:
    """A command is one line: a CR, LF or NUL inside would smuggle a second one (RFC 5321 §4.1.1). Raises ValueError."""
    if not {"\r", "\n", "\0"}.isdisjoint(line):
        raise ValueError("a line break inside an SMTP command")


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
    """Send one command line (no CRLF) and wait for its reply. ``secret`` masks it in the transcript.

    ``hides`` are the secrets in it, in every form: the server may repeat them, now or later, and is not quoted then.
    """

    line: str
    secret: bool = False
    timeout_s: float = 30.0
    hides: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        refuse_breaks(self.line)

    def __repr__(self) -> str:
        return f"Say({MASK if self.secret else self.line!r}, timeout_s={self.timeout_s})"


@dataclass(frozen=True, slots=True)
class SayAll:
    """Send several command lines in one write (PIPELINING, RFC 2920). Heard: a tuple of `Reply | Trouble`.

    Each reply has ``timeout_s`` from the one before it.
    """

    lines: tuple[str, ...]
    timeout_s: float = 30.0

    def __post_init__(self) -> None:
        for line in self.lines:
            refuse_breaks(line)


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
    has_alternative_names: bool = True  # False: ``names`` is the commonName, which RFC 9525 §2 does not count


class TrustProblem(StrEnum):
    """Why a certificate chain is not trusted; the first cause, from the leaf upwards."""

    EXPIRED = "expired"
    NOT_YET_VALID = "not-yet-valid"
    SELF_SIGNED = "self-signed"  # the leaf signed itself, and nobody told us to trust it
    INCOMPLETE_CHAIN = "incomplete-chain"  # an intermediate certificate was not sent
    UNKNOWN_CA = "unknown-ca"  # the chain is whole and ends at a root that is not in the trust store
    BAD_SIGNATURE = "bad-signature"  # a certificate names an issuer that did not sign it
    NOT_A_CA = "not-a-ca"  # an issuer in the chain may not issue certificates
    WRONG_PURPOSE = "wrong-purpose"  # extended key usage without serverAuth
    WEAK_KEY = "weak-key"  # RSA below 2048 bits
    WEAK_SIGNATURE = "weak-signature"  # SHA-1 or MD5


@dataclass(frozen=True, slots=True)
class TlsSession:
    """A handshake that worked. That it worked, that it is trusted and that the name matches are three facts."""

    version: str
    cipher: str
    chain: tuple[Certificate, ...]  # leaf first, as the server sent it
    trusted: bool | None  # chain leads to the trust store and is in date; None: could not be judged
    trust_problem: str | None  # a `TrustProblem`
    name_matches: bool | None  # None: no name was asked to be verified
    injected: bytes = b""  # what lay in the clear-text buffer after the 220 to STARTTLS
    trust_detail: str = ""  # the problem in a sentence: which certificate, whose issuer
    der: tuple[bytes, ...] = field(default=(), repr=False, compare=False)  # the chain itself, for a journal


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
    "TrustProblem",
    "refuse_breaks",
]
