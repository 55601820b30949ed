"""The doors of the world, as protocols. Whoever implements one may touch sockets; nobody else does."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Protocol, TypeAlias, TypeVar

if TYPE_CHECKING:
    from deliverkit.flow import Answer, Page, Question
    from deliverkit.smtp.dialogue import SmtpFlow
    from deliverkit.smtp.transcript import Transcript

T = TypeVar("T")
Tell: TypeAlias = "Callable[[Question], Answer]"


class DnsDoor(Protocol):
    """Answers DNS questions. Never raises for what the world does: every outcome is an `Answer`."""

    async def ask(self, question: Question) -> Answer:
        """Answer one question."""

    @property
    def tell(self) -> Tell | None:
        """Answers one question without waiting; None where that cannot be: a socket is behind this door."""

    async def aclose(self) -> None:
        """Let go of sockets and tasks."""


class SmtpDoor(Protocol):
    """Carries SMTP flows. Never raises for what a server does: every outcome is a value sent to the flow."""

    async def converse(self, flow: SmtpFlow[T], *, from_dns: bool = False) -> tuple[T, Transcript]:
        """Run one flow over one connection, and return its result with the transcript.

        ``from_dns`` says the address came out of DNS: private and loopback ones are then refused with
        `TroubleKind.NOT_ALLOWED` unless the door was opened with ``allow_private``.
        """

    async def aclose(self) -> None:
        """Let go of sockets and tasks."""


class PageDoor(Protocol):
    """Fetches pages over HTTPS. Never raises for what a server does: every outcome is a `Page`."""

    async def fetch(self, url: str, ask: Callable[[Question], Awaitable[Answer]]) -> Page:
        """Fetch one page; ``ask`` resolves names."""
