"""Worlds without sockets: told by a table of literals, or knowing nothing at all.

`World.from_records` and `World.offline` end here. A table is a closed world: a name that is not in it does not exist,
and an SMTP connection is never made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar

from deliverkit.facts.vantage import Vantage
from deliverkit.flow import Answer, Question, Source, Status
from deliverkit.world import World, rdata
from deliverkit.world.masterfile import DEFAULT_TTL, ZoneRecord
from deliverkit.world.overlay import NO_NAME, ZoneDoor
from deliverkit.world.values import TEXT_TYPES, canonical, character_strings, text_octets
from deliverkit.world.zone import Zone

if TYPE_CHECKING:
    from deliverkit.smtp.dialogue import SmtpFlow
    from deliverkit.smtp.transcript import Transcript

T = TypeVar("T")
TABLE = "<records>"


class NowhereDns:
    """A DNS door that says the same of every name: unobserved, or NXDOMAIN in a closed world."""

    def __init__(self, status: Status) -> None:
        self.status = status

    async def ask(self, question: Question) -> Answer:
        """Answer one question without asking anybody."""
        return self.tell(question)

    def tell(self, question: Question) -> Answer:
        """The same, without waiting."""
        if self.status is Status.NXDOMAIN:
            return Answer(question, Status.NXDOMAIN, detail="" if canonical(question.name) else NO_NAME)
        return Answer(question, self.status, detail="offline: outside the zones that were given")

    async def aclose(self) -> None:
        """Nothing to let go of."""


class NowhereSmtp:
    """An SMTP door that never connects."""

    async def converse(self, flow: SmtpFlow[T], *, from_dns: bool = False) -> tuple[T, Transcript]:  # noqa: ARG002
        """Tell the flow, at every ask, that no connection is made in this world."""
        from deliverkit.smtp.dialogue import Hangup, Trouble, TroubleKind
        from deliverkit.smtp.transcript import Transcript

        transcript = Transcript("-", "-")
        refusal = Trouble(TroubleKind.NOT_ALLOWED, "offline: no connection is made", "connection")
        try:
            asked = next(flow)
            while True:
                asked = flow.send(None if isinstance(asked, Hangup) else refusal)
        except StopIteration as stop:
            result: T = stop.value
            return result, transcript

    async def aclose(self) -> None:
        """Nothing to let go of."""


@dataclass(frozen=True, slots=True)
class StoppedClock:
    """A clock that stands still; unlike a lambda it can be sent to another process."""

    at: datetime

    def __call__(self) -> datetime:
        """Always the same time."""
        return self.at


def fixed_clock(now: datetime | None) -> Callable[[], datetime] | None:
    """A clock that stands still, or None for the machine's own. A time without a zone is UTC."""
    if now is None:
        return None
    return StoppedClock(now if now.tzinfo else now.replace(tzinfo=UTC))


def offline_world(*, closed: bool = False, now: datetime | None = None) -> World:
    """The world that opens no socket."""
    below = NowhereDns(Status.NXDOMAIN if closed else Status.UNOBSERVED)
    vantage = Vantage("closed-world" if closed else "offline")
    return World(below, NowhereSmtp(), vantage, fixed_clock(now))


def table_world(
    records: Mapping[str, Mapping[str, Any]],
    failures: Mapping[tuple[str, str], str],
    *,
    now: datetime | None = None,
) -> World:
    """The closed world of `World.from_records`. Raises ValueError for a literal that is no record."""
    zone = Zone(".", table_records(records), file=TABLE, cuts=False)
    door = ZoneDoor([zone], NowhereDns(Status.NXDOMAIN), read_failures(failures))
    return World(door, NowhereSmtp(), Vantage("closed-world"), fixed_clock(now))


def read_failures(failures: Mapping[tuple[str, str], str]) -> dict[tuple[str, str], Status]:
    """``{("slow.example", "TXT"): "timeout"}`` with words made `Status`; type ``"*"`` means every type."""
    return {(_table_name(name), type_.upper()): Status(word) for (name, type_), word in failures.items()}


def _table_name(name: str) -> str:
    found = canonical(name)
    if found is None:
        raise ValueError(f"{name!r} is no domain name")
    return found


def table_records(records: Mapping[str, Mapping[str, Any]]) -> Iterator[ZoneRecord]:
    """The records of a table, as `World.from_records` describes it. Raises ValueError for a literal that is none."""
    for name, types in records.items():
        owner = _table_name(name)
        for type_, given in types.items():
            for value in given if isinstance(given, list) else [given]:
                yield ZoneRecord(owner, type_.upper(), DEFAULT_TTL, _literal(type_.upper(), value), Source(TABLE))


def _literal(type_: str, value: Any) -> Any:
    """One value: text of a TXT record (or the tuple of its strings), else the presentation form."""
    if type_ in TEXT_TYPES:
        if isinstance(value, tuple):
            return tuple(_octets(part) for part in value)
        return character_strings(_octets(value))
    text = " ".join(map(str, value)) if isinstance(value, tuple) else str(value)
    try:
        return rdata.parse(type_, _tokens(text), ".")
    except rdata.BadRdata as bad:
        raise ValueError(f"{type_} {text!r}: {bad.why}; {bad.remedy}") from None


def _octets(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text_octets(text)


def _tokens(text: str) -> list[rdata.Token]:
    import shlex

    words = shlex.split(text, posix=False) if '"' in text else text.split()
    return [rdata.Token(word.strip('"'), word.startswith('"'), 1) for word in words]
