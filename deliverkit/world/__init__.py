"""The world behind its doors: live, told by a table, or laid over with zone files.

`World.live()` asks the resolvers of this machine; `World.from_records()` is a closed world of literals;
`World.story()` reads a fixture. `with_zone()` lays unpublished zone files over any of them, so that a DNS change
can be judged before it is published. Sockets are opened in this package and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from deliverkit.flow import Answer, Flow, Page, Question, adrive, drive
from deliverkit.world.doors import DnsDoor, PageDoor, SmtpDoor

if TYPE_CHECKING:
    from deliverkit.facts.vantage import Vantage
    from deliverkit.smtp.dialogue import SmtpFlow
    from deliverkit.smtp.transcript import Transcript
    from deliverkit.world.changes import Changes
    from deliverkit.world.journal import Journal
    from deliverkit.world.zone import Zone

T = TypeVar("T")


class World:
    """Everything outside: DNS, SMTP, the clock. Immutable; ``with_*`` return another world.

    Use it as an asynchronous context manager, or call `aclose` when done with a live one.
    """

    def __init__(
        self,
        dns: DnsDoor,
        smtp: SmtpDoor,
        vantage: Vantage,
        clock: Callable[[], datetime] | None = None,
        pages: PageDoor | None = None,
    ) -> None:
        self.dns = dns
        self.smtp = smtp
        self.pages = pages
        self.vantage = vantage
        self._clock = clock

    # -- ways to come by a world ------------------------------------------------------------------------

    @classmethod
    def live(
        cls, nameservers: Iterable[str] = (), *, allow_private: bool = False, now: datetime | None = None
    ) -> World:
        """The real world, by the system's resolvers or by ``nameservers`` ("192.0.2.53" or "192.0.2.53:5353")."""
        from deliverkit.world.live import live_world

        return live_world(tuple(nameservers), allow_private=allow_private, now=now)

    @classmethod
    def offline(cls, *, closed: bool = False, now: datetime | None = None) -> World:
        """A world that opens no socket: every name is unobserved, or NXDOMAIN when ``closed``."""
        from deliverkit.world.table import offline_world

        return offline_world(closed=closed, now=now)

    @classmethod
    def from_records(
        cls,
        records: Mapping[str, Mapping[str, Any]],
        failures: Mapping[tuple[str, str], str] | None = None,
        *,
        now: datetime | None = None,
    ) -> World:
        """A closed world of literals: ``{"example.com": {"TXT": [...], "MX": ["10 mx.example.com."]}}``.

        TXT values are the joined text, literal; other types are in presentation form; a single value may stand
        without its list. ``failures`` maps (name, type) to a `Status` word; type ``"*"`` means every type.
        """
        from deliverkit.world.table import table_world

        return table_world(records, failures or {}, now=now)

    @classmethod
    def story(cls, path: str | Path) -> World:
        """The world told by a story file (``fixtures/stories``)."""
        from deliverkit.world.story import load_story

        return load_story(Path(path)).world()

    @classmethod
    def replay(cls, journal: str | Path | Journal, *, any_version: bool = False) -> World:
        """The world as a journal tells it: no socket is opened, and what is not in it is unobserved.

        Raises `deliverkit.world.journal.JournalError` for a file that is no whole journal of this version.
        """
        from deliverkit.world.journal import Journal
        from deliverkit.world.journal_replay import ReplayedWorld

        told = journal if isinstance(journal, Journal) else Journal.load(journal, any_version=any_version)
        return ReplayedWorld(told)

    def recorded(self, journal: Journal) -> World:
        """This world, with everything that is asked of it written into the journal; lay zones over it before.

        While a subject is looked at, the clock stands still and a question has one answer: so will it in a replay.
        """
        from deliverkit.world.journal_record import RecordedWorld

        return RecordedWorld.begun(self, journal)

    def with_zone(self, *zones: str | Path | Zone) -> World:
        """This world with zone files laid over it; each is authoritative at and below its origin."""
        from deliverkit.world.zone import overlay

        return overlay(self, zones)

    def with_changes(self, changes: Changes, known: Mapping[Question, Answer]) -> World:
        """This world with single records taken out and published; ``known`` are answers already in hand."""
        from deliverkit.world.changes import ChangedDoor, KnownDoor

        door = ChangedDoor(changes, KnownDoor(known, self.dns))
        return World(door, self.smtp, self.vantage, self.clock, self.pages)

    def at(self, now: datetime) -> World:
        """This world with its clock stopped at ``now``."""
        from deliverkit.world.table import fixed_clock

        return World(self.dns, self.smtp, self.vantage, fixed_clock(now), self.pages)

    def with_budget(self, queries: int = 200, seconds: float = 20.0) -> World:
        """This world with a fresh budget for DNS; what goes beyond it is answered `Status.LIMIT`.

        In a world that is told nobody is asked, so nothing is spent.
        """
        if self.told:
            return self
        from deliverkit.world.budget import BudgetDoor

        door = BudgetDoor(self.dns, queries=queries, seconds=seconds)
        return World(door, self.smtp, self.vantage, self.clock, self.pages)

    # -- what flows and engines use ---------------------------------------------------------------------

    @property
    def told(self) -> bool:
        """True if DNS is answered by zone files or tables alone: nobody has to be waited for."""
        return self.dns.tell is not None

    async def ask(self, question: Question) -> Answer:
        """Ask one DNS question."""
        return await self.dns.ask(question)

    def run_told(self, flow: Flow[T]) -> T:
        """Run a DNS flow to its end in a world that is `told`, which makes nobody wait."""
        tell = self.dns.tell
        assert tell is not None
        return drive(flow, tell)

    async def run(self, flow: Flow[T]) -> T:
        """Run a DNS flow to its end."""
        tell = self.dns.tell
        if tell is not None:
            return drive(flow, tell)
        begin = getattr(self.dns, "begin", None)
        if begin is None:
            return await adrive(flow, self.dns.ask)
        from deliverkit.world.strands import run_begun

        return await run_begun(flow, begin)

    async def converse(
        self,
        flow: SmtpFlow[T],
        *,
        from_dns: bool = False,
        about: str = "",  # noqa: ARG002
    ) -> tuple[T, Transcript]:
        """Run an SMTP flow over one connection; ``about`` says in a journal which conversation it is."""
        return await self.smtp.converse(flow, from_dns=from_dns)

    async def fetch(self, url: str) -> Page | None:
        """Fetch a page over HTTPS; None in a world that fetches none."""
        return None if self.pages is None else await self.pages.fetch(url, self.ask)

    # -- what an engine tells a journal, and asks of it; every other world has nothing to say -------------

    def scene(self, verb: str, subject: str, options: Any = None, **more: Any) -> World:  # noqa: ARG002
        """The world for one subject of a verb; ``more`` is what belongs to it: ``message``, ``targets``.

        A replayed world raises `JournalError` when it knows no such subject.
        """
        return self

    def late(self, work: str) -> str | None:  # noqa: ARG002
        """Why a work was not done in time when the journal was recorded; None: it is to be done."""
        return None

    def was_late(self, work: str, why: str) -> None:
        """Say that a work was not done in time, and why."""

    def given_up(self, verb: str, subject: str, why: str) -> World:  # noqa: ARG002
        """Say that a subject gets no report of its own, and why; the world in which that is said."""
        return self

    def ended(self, *, interrupted: bool) -> bool:
        """Say that the work on this subject ended, and whether by Ctrl-C; hear what a report must say of it."""
        return interrupted

    @property
    def patient(self) -> bool:
        """True if time that goes by means nothing here: what was late is told."""
        return False

    def now(self) -> datetime:
        """The time it is in this world, in UTC."""
        return self._clock() if self._clock else datetime.now(UTC)

    @property
    def clock(self) -> Callable[[], datetime] | None:
        """The clock that was set, for worlds made from this one."""
        return self._clock

    async def aclose(self) -> None:
        """Let go of sockets and tasks."""
        await self.dns.aclose()
        await self.smtp.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()
