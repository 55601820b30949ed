"""The recording world: whatever is asked of the world below goes through it into a journal.

It is the outermost layer of the onion, so that zones laid over and budgets that were spent are in the journal too. Each
subject of a run has its own section, in which the clock stands still and a question has one answer: the first. What
this file will not do: change an answer, or write a file.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, TypeVar

from deliverkit.flow import Answer, Page, Question
from deliverkit.world import World
from deliverkit.world.doors import DnsDoor, Tell
from deliverkit.world.journal import Conversation, Journal, Section
from deliverkit.world.journal_values import Json, ask_json, heard_json, plain, transcript_json

if TYPE_CHECKING:
    from deliverkit.smtp.dialogue import SmtpFlow
    from deliverkit.smtp.transcript import Transcript
    from deliverkit.world.zone import Zone

T = TypeVar("T")


class RecordingDns:
    """A DNS door that writes down what the one below says, and says the same when it is asked again."""

    def __init__(self, below: DnsDoor, answers: dict[Question, Answer]) -> None:
        self.below = below
        self.answers = answers

    async def ask(self, question: Question) -> Answer:
        """The answer that was written down, or one from below."""
        kept = self.answers.get(question)
        return kept or self.answers.setdefault(question, await self.below.ask(question))

    @property
    def tell(self) -> Tell | None:
        """The same without waiting, where nothing below has to be waited for."""
        below = self.below.tell
        return None if below is None else lambda q: self.answers.get(q) or self.answers.setdefault(q, below(q))

    async def aclose(self) -> None:
        """Let go of what lies below."""
        await self.below.aclose()


def numbered(about: str, claimed: Counter[str]) -> str:
    """The name of a conversation: the second about the same is told from the first."""
    claimed[about] += 1
    return about if claimed[about] == 1 else f"{about} #{claimed[about]}"


class RecordedWorld(World):
    """A world that is written into a section of a journal."""

    def __init__(self, below: World, journal: Journal, section: Section, claimed: Counter[str]) -> None:
        super().__init__(RecordingDns(below.dns, section.answers), below.smtp, below.vantage, lambda: section.at)
        self.below = below
        self.journal = journal
        self.section = section
        self._claimed = claimed

    @classmethod
    def begun(cls, below: World, journal: Journal) -> Self:
        """The world in which a run begins."""
        journal.started, journal.vantage, journal.told = below.now(), below.vantage, below.told
        journal.loose.at = journal.started
        return cls(below, journal, journal.loose, Counter())

    def with_zone(self, *zones: str | Path | Zone) -> World:
        """Before a subject is begun the zones belong to the world that is recorded, afterwards they lie over it."""
        if self.section is self.journal.loose:
            return RecordedWorld.begun(self.below.with_zone(*zones), self.journal)
        return super().with_zone(*zones)

    def at(self, now: datetime) -> World:
        """The same with the clock of the world below stopped."""
        return RecordedWorld.begun(self.below.at(now), self.journal)

    def with_budget(self, queries: int = 200, seconds: float = 20.0) -> World:
        """The same with a budget below, so that what went beyond it is in the journal."""
        return RecordedWorld(self.below.with_budget(queries, seconds), self.journal, self.section, self._claimed)

    async def converse(self, flow: SmtpFlow[T], *, from_dns: bool = False, about: str = "") -> tuple[T, Transcript]:
        """Run a flow, and write down what it asked and heard; one that is broken off is not kept."""
        name = numbered(about, self._claimed)
        dialogue: list[tuple[Json, Any]] = []
        result, transcript = await self.below.converse(_overheard(flow, dialogue), from_dns=from_dns, about=about)
        self.section.conversations[name] = Conversation(name, dialogue, transcript_json(transcript))
        return result, transcript

    async def fetch(self, url: str) -> Page | None:
        """The page that was written down, or one from below; what it asks of DNS is no part of the subject."""
        if url not in self.section.pages:
            page = await self.below.fetch(url)
            if page is None:
                return None
            self.section.pages[url] = page
        return self.section.pages[url]

    def scene(self, verb: str, subject: str, options: Any = None, **more: Any) -> World:
        """The world for one subject, which begins a section."""
        from deliverkit.engine.replay import options_json, public_keys

        message: bytes | None = more.pop("message", None)
        told = options_json(options) | plain(more)
        section = Section(subject, self.below.now(), verb, told, message, public_keys(options))
        return RecordedWorld(self.below, self.journal, self.journal.begin(section), Counter())

    def was_late(self, work: str, why: str) -> None:
        """Keep why a work was not done in time."""
        self.section.late[work] = why

    def given_up(self, verb: str, subject: str, why: str) -> World:
        """Keep why a subject, begun or not, gets no report of its own."""
        begun = [
            one for one in self.journal.sections if (one.verb, one.subject, one.finished) == (verb, subject, False)
        ]
        world = RecordedWorld(self.below, self.journal, begun[-1], Counter()) if begun else self.scene(verb, subject)
        world.was_late(verb, why)
        return world

    def ended(self, *, interrupted: bool) -> bool:
        """Keep that it ended, and whether by Ctrl-C."""
        self.section.finished, self.section.interrupted = True, interrupted
        return interrupted

    async def aclose(self) -> None:
        """Let go of what lies below."""
        await self.below.aclose()


def _overheard(flow: SmtpFlow[T], dialogue: list[tuple[Json, Any]]) -> SmtpFlow[T]:
    """The flow, with each ask and what was heard written down."""
    try:
        asked = next(flow)
        while True:
            heard = yield asked
            dialogue.append((ask_json(asked), heard_json(heard)))
            asked = flow.send(heard)
    except StopIteration as stop:
        result: T = stop.value
        return result
    finally:
        flow.close()
