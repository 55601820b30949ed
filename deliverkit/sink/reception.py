"""What all sessions of a sink share: limits, credentials, room, and where messages and ended sessions go.

What this file will not do: speak SMTP, or open a socket.
"""

from __future__ import annotations

import asyncio
import hmac
import itertools
import os
import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from deliverkit.facts.capture import CaptureFacts
from deliverkit.sink.message import CapturedMessage
from deliverkit.smtp.content import Room
from deliverkit.smtp.transcript import Transcript


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds of what a client may do. Times in seconds, sizes in octets."""

    message: int = 64 << 20
    in_flight: int = 256 << 20  # content of all sessions that is not stored yet
    connections: int = 500
    recipients: int = 1000  # RFC 5321 §4.5.3.1.8: at least 100
    commands: int = 5000  # of one session without a message
    errors: int = 20  # replies 5xx of one session
    idle_s: float = 300.0  # RFC 5321 §4.5.3.2.7: at least five minutes
    session_s: float = 3600.0
    handshake_s: float = 30.0
    greeting_delay_s: float = 0.0  # makes clients visible that talk before the greeting


@dataclass(frozen=True, slots=True)
class Credentials:
    """Which logins are taken. Without ``user`` any are. ``in_clear`` allows AUTH without TLS."""

    user: str | None = None
    password: str | None = field(default=None, repr=False)
    required: bool = False
    in_clear: bool = False

    def accept(self, user: bytes, password: bytes) -> bool:
        """True if this login is one of ours; takes the same time for each wrong one."""
        if self.user is None or self.password is None:
            return True
        right = hmac.compare_digest(user, self.user.encode())
        return hmac.compare_digest(password, self.password.encode()) and right

    @classmethod
    def told(cls, word: str, *, required: bool = False, in_clear: bool = False) -> Credentials:
        """Read ``any``, ``USER:PASSWORD``, ``env:NAME`` or ``file:PATH`` (both hold USER:PASSWORD).

        Raises ValueError with the reason; the password is never part of it.
        """
        if word == "any":
            return cls(required=required, in_clear=in_clear)
        source, _, where = word.partition(":")
        if source == "env":
            text = os.environ.get(where, "")
            origin = f"the environment variable {where}"
        elif source == "file":
            try:
                text = Path(where).read_text("utf-8").strip("\r\n")
            except (OSError, UnicodeDecodeError) as bad:
                raise ValueError(
                    f"cannot read the login from {where}: {getattr(bad, 'strerror', None) or bad}"
                ) from None
            origin = where
        else:
            text, origin = word, "the login"
        user, colon, password = text.partition(":")
        if not user or not colon or not password:
            raise ValueError(f"{origin} is not USER:PASSWORD (expected any, env:NAME or file:PATH)")
        return cls(user, password, required=required, in_clear=in_clear)


@dataclass(frozen=True)
class EndedSession:
    """A session that ended without its message, or with a fault after the last one, and why."""

    facts: CaptureFacts
    transcript: Transcript


class OpenSession(Protocol):
    """What the reception needs to know of a session that is open."""

    def look_at_the_clock(self, now: float) -> None:
        """End the session if it was idle, or open, for too long."""

    def shut(self) -> None:
        """End the session now: the sink closes."""


class Reception:
    """Shared by the sessions of one sink."""

    def __init__(
        self,
        *,
        hostname: str,
        limits: Limits,
        credentials: Credentials | None,
        keep: Callable[[CapturedMessage, Callable[[], None]], Awaitable[CapturedMessage]],
        on_session: Callable[[EndedSession], None],
    ) -> None:
        self.hostname = hostname
        self.limits = limits
        self.credentials = credentials
        self.keep = keep
        self.on_session = on_session
        self.room = Room(limits.in_flight)
        self.sessions: set[OpenSession] = set()
        self._run = secrets.token_hex(6)
        self._numbers = itertools.count(1)
        self.handshakes: set[asyncio.Task[None]] = set()  # of implicit TLS, not yet sessions

    @property
    def is_full(self) -> bool:
        """True while no further session is taken."""
        return len(self.sessions) + len(self.handshakes) >= self.limits.connections

    def receipt(self) -> str:
        """A token for a message that no other message has, here or in another run."""
        return f"{self._run}-{next(self._numbers):x}"

    async def watch(self) -> None:
        """End idle sessions, for ever: one task for all, so that a busy session pays nothing."""
        loop = asyncio.get_running_loop()
        pause = max(0.02, min(1.0, self.limits.idle_s / 4))
        while True:
            await asyncio.sleep(pause)
            now = loop.time()
            for session in list(self.sessions):
                session.look_at_the_clock(now)
