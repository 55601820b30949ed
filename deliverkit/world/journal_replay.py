"""The replayed world: DNS and SMTP as a journal tells them, at the time it tells, without a socket.

What the journal does not hold was not observed: never "no such name". A flow that asks otherwise than the one that was
recorded is told nothing at all. What this file will not do: read files, or run a verb (`engine.replay` does).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from deliverkit.facts.base import Unobserved
from deliverkit.flow import Answer, Page, PageTrouble, Question, Status
from deliverkit.world import World
from deliverkit.world.doors import Tell
from deliverkit.world.journal import Conversation, Journal, JournalError, Section
from deliverkit.world.journal_record import numbered
from deliverkit.world.journal_values import ask_json, heard_of, transcript_of
from deliverkit.world.table import NowhereSmtp
from deliverkit.world.zone import Zone, overlay

if TYPE_CHECKING:
    from deliverkit.smtp.dialogue import SmtpFlow
    from deliverkit.smtp.transcript import Transcript

T = TypeVar("T")
ABSENT = "not in the journal"


class JournalDns:
    """A DNS door that knows what was written down. ``told``: the recorded world answered without waiting."""

    def __init__(self, answers: Mapping[Question, Answer], *, told: bool) -> None:
        self.answers = answers
        self.told = told

    async def ask(self, question: Question) -> Answer:
        """Answer one question."""
        return self._answer(question)

    @property
    def tell(self) -> Tell | None:
        """The same without waiting. None where the recorded world had none: engines then take the same way again."""
        return self._answer if self.told else None

    def _answer(self, question: Question) -> Answer:
        return self.answers.get(question) or Answer(question, Status.UNOBSERVED, detail=ABSENT)

    async def aclose(self) -> None:
        """Nothing to let go of."""


class ReplayedWorld(World):
    """What a journal tells of one subject, or of all of them before an engine has said which."""

    def __init__(
        self,
        journal: Journal,
        section: Section | None = None,
        now: datetime | None = None,
        zones: tuple[Zone, ...] = (),
    ) -> None:
        every = (journal.loose, *journal.sections) if section is None else (section,)
        answers: dict[Question, Answer] = {}
        talks: dict[str, Conversation] = {}
        pages: dict[str, Page] = {}
        for one in reversed(every):
            answers |= one.answers
            talks |= one.conversations
            pages |= one.pages
        at = now or (journal.started if section is None else section.at)
        seen = World(JournalDns(answers, told=journal.told), NowhereSmtp(), journal.vantage, lambda: at)
        seen = overlay(seen, zones) if zones else seen
        super().__init__(seen.dns, seen.smtp, seen.vantage, seen.clock)
        self.journal = journal
        self.section = section
        self._now = now
        self._zones = zones
        self._talks = talks
        self._pages = pages
        self._claimed: Counter[str] = Counter()
        self._shown: Counter[str] = Counter()

    def at(self, now: datetime) -> World:
        """The same at another time."""
        moment = now if now.tzinfo else now.replace(tzinfo=UTC)
        return ReplayedWorld(self.journal, self.section, moment, self._zones)

    def with_zone(self, *zones: str | Path | Zone) -> World:
        """The same with zones laid over what was seen: what if this were published?"""
        loaded = tuple(zone if isinstance(zone, Zone) else Zone.load(zone) for zone in zones)
        return ReplayedWorld(self.journal, self.section, self._now, (*self._zones, *loaded))

    def with_budget(self, queries: int = 200, seconds: float = 20.0) -> World:  # noqa: ARG002
        """The same: what went beyond the budget is in the journal."""
        return self

    def showing(self, section: Section) -> ReplayedWorld:
        """The world of one section."""
        return ReplayedWorld(self.journal, section, self._now, self._zones)

    def scene(self, verb: str, subject: str, options: Any = None, **more: Any) -> World:  # noqa: ARG002
        """The section of a subject; of a subject that was looked at twice, one after the other. Raises JournalError."""
        if self.section is not None:
            return self
        found = [one for one in self.journal.sections if one.verb == verb and same_subject(verb, one.subject, subject)]
        if not found:
            held = ", ".join(f"{one.verb} {one.subject}" for one in self.journal.sections) or "nothing"
            raise JournalError(f"{self.journal.origin} does not hold {verb} {subject}; it holds {held}")
        number = self._shown[subject]
        self._shown[subject] += 1
        return self.showing(found[min(number, len(found) - 1)])

    async def converse(
        self,
        flow: SmtpFlow[T],
        *,
        from_dns: bool = False,  # noqa: ARG002 - whether it was allowed is in what was heard
        about: str = "",
    ) -> tuple[T, Transcript]:
        """Tell the flow what the recorded one heard. Raises Unobserved when it asks something else."""
        one = self._talks.get(numbered(about, self._claimed))
        try:
            asked = next(flow)
            for recorded, heard in one.dialogue if one else ():
                if ask_json(asked) != recorded:
                    break
                asked = flow.send(heard_of(heard))
        except StopIteration as stop:
            result: T = stop.value
            assert one is not None
            return result, transcript_of(one.transcript)
        finally:
            flow.close()
        raise Unobserved(f"{about}: {ABSENT}")

    async def fetch(self, url: str) -> Page | None:
        """The page that was written down. A recorded world that fetched none had a reason that holds here too."""
        page = self._pages.get(url)
        if page is None and not self.journal.told:
            return Page(url, trouble=PageTrouble.UNKNOWN, detail=ABSENT)
        return page

    def late(self, work: str) -> str | None:
        """Why a work was not done in time."""
        return None if self.section is None else self.section.late.get(work)

    def ended(self, *, interrupted: bool) -> bool:
        """Whether Ctrl-C ended it, then or now."""
        return interrupted or (self.section is not None and self.section.interrupted)

    @property
    def patient(self) -> bool:
        """Time that goes by in a replay means nothing."""
        return True


def same_subject(verb: str, one: str, other: str) -> bool:
    """Whether two texts mean the same subject: of an audit, the same domain however it was typed."""
    if one == other or verb != "audit":
        return one == other
    from deliverkit.names import BadName, meant

    try:
        return meant(one).name == meant(other).name
    except BadName:
        return False
