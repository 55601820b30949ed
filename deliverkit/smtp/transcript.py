"""The one record of an SMTP session, written by prober, sender and sink alike.

It says *client* and *server*, never "us". Secrets are masked here, where bytes are recorded, so that no
report can leak one. Offsets are seconds since the connection began.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

MASK = "********"
_AUTH = re.compile(r"^(AUTH\s+[A-Za-z0-9_-]+)\s+\S.*$", re.IGNORECASE | re.DOTALL)  # RFC 4954 §4: initial response

Party: TypeAlias = Literal["client", "server"]


def without_secret(text: str, *, secret: bool = False) -> str:
    """A client's line with the initial response of AUTH masked; nothing else is kept of a line that is a ``secret``."""
    verb = _AUTH.match(text)
    return f"{verb[1]} {MASK}" if verb else MASK if secret else text


@dataclass(frozen=True, slots=True)
class Connected:
    """TCP stands."""

    at: float
    in_clear: bool = True


@dataclass(frozen=True, slots=True)
class NotConnected:
    """TCP did not come about."""

    at: float
    why: str
    in_clear: bool = True


@dataclass(frozen=True, slots=True)
class Line:
    """One line, without its CRLF. Message content is one Line: ``[1234 octets of message]``."""

    at: float
    by: Party
    text: str
    in_clear: bool


@dataclass(frozen=True, slots=True)
class TlsStarted:
    """A handshake succeeded. ``verified`` is None when nobody asked."""

    at: float
    version: str
    cipher: str
    chain: tuple[str, ...]  # subjects, leaf first
    verified: bool | None
    in_clear: bool = False


@dataclass(frozen=True, slots=True)
class TlsFailed:
    """A handshake failed."""

    at: float
    why: str
    in_clear: bool = True


@dataclass(frozen=True, slots=True)
class TimedOut:
    """Nothing came in time."""

    at: float
    waiting_for: str
    in_clear: bool


@dataclass(frozen=True, slots=True)
class Closed:
    """The connection ended."""

    at: float
    by: Party
    in_clear: bool


def event_name(kind: type) -> str:
    """The name of a kind of event (or of another value of a conversation) as data: "tls-started" for TlsStarted."""
    return re.sub(r"(?<!^)(?=[A-Z])", "-", kind.__name__).lower()


Event: TypeAlias = Connected | NotConnected | Line | TlsStarted | TlsFailed | TimedOut | Closed


@dataclass(slots=True)
class Transcript:
    """A session: ``client`` and ``server`` are ``address:port``. Events are appended as they happen."""

    client: str
    server: str
    events: list[Event] = field(default_factory=list)
    _began: float = field(default_factory=time.monotonic)
    _secure: bool = False
    _secret_due: bool = False  # the client's next line answers a 334 and is a secret

    def now(self) -> float:
        """Seconds since the session began."""
        return round(time.monotonic() - self._began, 6)

    def connected(self) -> None:
        """Record that TCP stands."""
        self.events.append(Connected(self.now()))

    def line(self, by: Party, text: str) -> None:
        """Record one line without its CRLF, secrets masked: AUTH's initial response and answers to 334."""
        if by == "client":
            if self._secret_due:
                text = "*" if text == "*" else MASK
            elif text[:1] in ("A", "a"):
                text = _AUTH.sub(rf"\1 {MASK}", text)
            self._secret_due = False
        else:
            self._secret_due = text.startswith("334")
        self.events.append(Line(self.now(), by, text, not self._secure))

    def secret(self, text: str) -> None:
        """Record a client's line that is a secret: nothing of it but the verb of an AUTH command is kept."""
        self._secret_due = False
        self.events.append(Line(self.now(), "client", without_secret(text, secret=True), not self._secure))

    def reply(self, code: int, lines: tuple[str, ...]) -> None:
        """Record a server's reply, line by line as it came."""
        for number, text in enumerate(lines, 1):
            self.line("server", f"{code}{' ' if number == len(lines) else '-'}{text}".rstrip())

    def connect_failed(self, trouble: object) -> None:
        """Record that no connection came about, and why."""
        self.events.append(NotConnected(self.now(), str(trouble)))

    def content(self, by: Party, octets: int) -> None:
        """Record that message content of so many octets was sent."""
        self.events.append(Line(self.now(), by, f"[{octets} octets of message]", not self._secure))

    def tls_started(self, version: str, cipher: str, chain: tuple[str, ...] = (), verified: bool | None = None) -> None:
        """Record a handshake; from here on lines are not in the clear."""
        self._secure = True
        self.events.append(TlsStarted(self.now(), version, cipher, chain, verified))

    def tls_failed(self, why: str) -> None:
        """Record a handshake that failed."""
        self.events.append(TlsFailed(self.now(), why))

    def timed_out(self, waiting_for: str) -> None:
        """Record that nothing came in time."""
        self.events.append(TimedOut(self.now(), waiting_for, not self._secure))

    def closed(self, by: Party) -> None:
        """Record the end of the connection, once."""
        if not (self.events and isinstance(self.events[-1], Closed)):
            self.events.append(Closed(self.now(), by, not self._secure))

    def lines(self) -> list[str]:
        """The session as text, one event a line: seconds, then who said what (">" the client, "<" the server)."""
        return [f"{event.at:8.3f} {'' if event.in_clear else '*'}{_told(event)}" for event in self.events]


def _told(event: Event) -> str:
    """One event in words; secrets were masked when it was recorded."""
    match event:
        case Connected():
            return "= connected"
        case NotConnected(why=why):
            return f"= not connected: {why}"
        case Line(by=by, text=text):
            return f"{'>' if by == 'client' else '<'} {text}"
        case TlsStarted(version=version, cipher=cipher, verified=verified):
            trust = "" if verified is None else ", certificate trusted" if verified else ", certificate not trusted"
            return f"= TLS started: {version}, {cipher}{trust}"
        case TlsFailed(why=why):
            return f"= TLS failed: {why}"
        case TimedOut(waiting_for=waiting_for):
            return f"= timed out waiting for the {waiting_for}"
        case Closed(by=by):
            return f"= closed by the {by}"
