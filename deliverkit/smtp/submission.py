"""What is to be submitted, and what became of it: plain values for `deliverkit.smtp.client.submit_flow`.

What this file will not do: talk, compose or sign a message, or choose a server.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal, TypeAlias

from deliverkit.smtp.dialogue import TlsSession, Trouble
from deliverkit.smtp.reply import Reply

TlsMode: TypeAlias = Literal["implicit", "starttls", "none", "opportunistic"]
MECHANISMS = ("PLAIN", "LOGIN", "CRAM-MD5", "XOAUTH2")


@dataclass(frozen=True, slots=True)
class Auth:
    """Who logs in. ``secret`` is a password, or the access token for XOAUTH2; it never shows in a repr.

    Without ``mechanism`` the best one offered is taken; XOAUTH2 only when it is named.
    """

    username: str
    secret: str = field(repr=False)
    mechanism: str | None = None


@dataclass(frozen=True, slots=True)
class Submission:
    """One connection to a server that takes mail: a submission host, a relay or an MX.

    ``address`` is an IP address; ``server_name`` goes into SNI and ``verify_name`` is matched against the
    certificate. ``tls``: "implicit" (at once, RFC 8314 §3), "starttls" (or break off), "opportunistic" (STARTTLS
    where offered, whatever the certificate says, RFC 3207) or "none". A secret is sent only over TLS whose
    certificate is trusted and bears the name, unless ``insecure``.
    """

    address: str
    port: int = 587
    tls: TlsMode = "starttls"
    server_name: str | None = None
    verify_name: str | None = None
    ca_file: str | None = None
    insecure: bool = False
    helo: str = "localhost.localdomain"
    auth: Auth | None = None
    connect_s: float = 10.0
    reply_s: float = 60.0
    content_s: float = 600.0  # RFC 5321 §4.5.3.2.6: ten minutes after the final dot


@dataclass(frozen=True, slots=True)
class Envelope:
    """One message and where it goes. ``mail_from`` is "" for the null reverse-path (RFC 5321 §4.5.5).

    ``content`` is the message with CRLF line ends, not dot-stuffed; its octets go out as they are unless
    ``repair_line_ends`` asks for every bare CR or LF to become CRLF.
    """

    mail_from: str
    rcpt_to: tuple[str, ...]
    content: bytes = field(repr=False)
    smtputf8: bool = False
    repair_line_ends: bool = False


class Stage(StrEnum):
    """Where in the session something broke."""

    CONNECT = "connect"
    GREETING = "greeting"
    EHLO = "EHLO"
    STARTTLS = "STARTTLS"
    TLS = "TLS"
    AUTH = "AUTH"
    MAIL = "MAIL"
    RCPT = "RCPT"
    DATA = "DATA"
    CONTENT = "content"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Our own no: a thing we would not put on the wire, and why ("a line break in the recipient")."""

    reason: str

    def __str__(self) -> str:
        return self.reason


Problem: TypeAlias = Reply | Trouble | Refusal
"""What broke a stage: the server's reply, the connection's trouble, or our own refusal."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """One recipient and what the server said to it (None: it was never asked)."""

    address: str
    heard: Reply | Trouble | None

    @property
    def accepted(self) -> bool:
        """True if the server took this recipient (250 or 251, RFC 5321 §4.3.2)."""
        return isinstance(self.heard, Reply) and 200 <= self.heard.code < 300


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of one envelope. ``stage`` is None when the message was accepted for some recipient.

    ``ambiguous``: the connection broke after the final dot and before a reply, so the server may have the
    message; sending it again may duplicate it (RFC 5321 §4.5.3.2.6, RFC 1047).
    """

    mail_from: str
    recipients: tuple[Recipient, ...]
    stage: Stage | None
    problem: Problem | None
    reply: Reply | None = None  # the final reply to the content
    octets: int = 0
    ambiguous: bool = False

    @property
    def accepted(self) -> bool:
        """True if the server took responsibility for the message, for at least one recipient."""
        return self.stage is None


@dataclass(frozen=True, slots=True)
class SubmitResult:
    """The whole session. ``stage`` and ``problem`` tell what broke the session itself, if anything did.

    A message that was refused breaks its `Delivery`, not the session. ``ehlo`` and ``ehlo_tls`` are the replies
    before and after TLS; ``mechanism`` is the SASL mechanism that logged in.
    """

    stage: Stage | None = None
    problem: Problem | None = None
    greeting: Reply | None = None
    ehlo: Reply | None = None
    tls: TlsSession | None = None
    ehlo_tls: Reply | None = None
    mechanism: str | None = None
    deliveries: tuple[Delivery, ...] = ()

    @property
    def delivered(self) -> bool:
        """True if the session held and every message was accepted for every recipient."""
        return (
            self.stage is None
            and bool(self.deliveries)
            and all(d.accepted and all(r.accepted for r in d.recipients) for d in self.deliveries)
        )
