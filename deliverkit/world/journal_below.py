"""What lies below the sources of a check, recorded and told again: answers of DNS, and pages.

The other journals hold a whole run, so that it comes out the same again. A check is to come out otherwise when its
sources change; only what is *not* in them has to stand still. So one section of verb "check" holds the answers that no
zone gave, and every check may ask of it what it likes: what is not there was not observed. What this file will not do:
record a session of SMTP, or judge.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from pathlib import Path

from deliverkit.flow import Answer, Page, PageTrouble, Question
from deliverkit.world import World
from deliverkit.world.doors import DnsDoor, PageDoor, Tell
from deliverkit.world.journal import BELOW, Journal, JournalError, Section
from deliverkit.world.journal_replay import ABSENT, JournalDns
from deliverkit.world.table import NowhereSmtp


class BelowDoor:
    """A DNS door that writes down what the one below says. What could not be told is asked again, and told anew."""

    def __init__(self, below: DnsDoor, answers: dict[Question, Answer]) -> None:
        self.below = below
        self.answers = answers

    async def ask(self, question: Question) -> Answer:
        """The answer that was written down, or one from below."""
        kept = self.answers.get(question)
        if kept is None or not kept.known:
            kept = self.answers[question] = await self.below.ask(question)
        return kept

    @property
    def tell(self) -> Tell | None:
        """The same without waiting, where nothing below has to be waited for."""
        below = self.below.tell
        return None if below is None else lambda q: self.answers.get(q) or self.answers.setdefault(q, below(q))

    async def aclose(self) -> None:
        """Let go of what lies below."""
        await self.below.aclose()


class BelowPages:
    """A door for pages that writes down what the one below brings; what was due to the way is fetched again."""

    def __init__(self, below: PageDoor, pages: dict[str, Page]) -> None:
        self.below = below
        self.pages = pages

    async def fetch(self, url: str, ask: Callable[[Question], Awaitable[Answer]]) -> Page:
        """The page that was written down, or one from below."""
        kept = self.pages.get(url)
        if kept is None or kept.trouble is PageTrouble.UNKNOWN:
            kept = self.pages[url] = await self.below.fetch(url, ask)
        return kept


class JournalPages:
    """A door for pages that knows those of a journal."""

    def __init__(self, pages: dict[str, Page]) -> None:
        self.pages = pages

    async def fetch(self, url: str, ask: Callable[[Question], Awaitable[Answer]]) -> Page:  # noqa: ARG002
        """The page that was written down; any other is unknown."""
        return self.pages.get(url) or Page(url, trouble=PageTrouble.UNKNOWN, detail=ABSENT)


def recorded_below(world: World, journal: Journal, subject: str) -> World:
    """The world with its answers and pages written into a journal; sources are laid over it afterwards."""
    journal.verb, journal.started, journal.vantage, journal.told = BELOW, world.now(), world.vantage, world.told
    section = journal.begin(Section(subject, journal.started, BELOW, finished=True))
    pages = None if world.pages is None else BelowPages(world.pages, section.pages)
    return World(BelowDoor(world.dns, section.answers), world.smtp, world.vantage, world.clock, pages)


def open_below(path: Path, shown: str) -> Journal:
    """The journal of a check, whichever version wrote it: answers do not age with rules. Raises JournalError."""
    journal = Journal.load(path, any_version=True)
    journal.origin = shown
    verbs = sorted({section.verb for section in journal.sections} or {journal.verb})
    if verbs != [BELOW]:
        raise JournalError(
            f"{shown} was recorded by {', '.join(verbs)}: record one with deliverkit check --record FILE"
        )
    return journal


def replayed_below(journal: Journal, *, now: datetime | None = None) -> World:
    """The world that a journal tells below the sources; nobody has to be waited for. The time is ours."""
    from deliverkit.world.table import fixed_clock

    answers = {question: answer for section in journal.sections for question, answer in section.answers.items()}
    pages = JournalPages({url: page for section in journal.sections for url, page in section.pages.items()})
    return World(JournalDns(answers, told=True), NowhereSmtp(), journal.vantage, fixed_clock(now), pages)
