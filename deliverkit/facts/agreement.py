"""What several servers say to the same questions, and what a source says beside what DNS says.

The servers are those of the zone itself, or several resolvers. What this file will not do: ask anything besides where
a zone's servers are, or hold an opinion.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from deliverkit.facts.base import Facts, Missing, Unobserved, missing
from deliverkit.flow import Answer, Flow, Question, ask, together
from deliverkit.names import parent

AUTHORITATIVE, RESOLVERS = "authoritative", "resolvers"
MOST_ADDRESSES = 16
"""Addresses of a zone's servers that are asked; the root has 26."""


@dataclass(frozen=True, slots=True)
class Authority:
    """Where a name is served: its zone, and the addresses of each of its servers."""

    zone: str
    servers: tuple[tuple[str, tuple[str, ...]], ...]

    @property
    def addresses(self) -> tuple[tuple[str, str], ...]:
        """Server and address, the servers in turn, so that a few addresses are those of many servers."""
        longest = max((len(found) for _, found in self.servers), default=0)
        rows = [(name, found[at]) for at in range(longest) for name, found in self.servers if at < len(found)]
        return tuple(rows[:MOST_ADDRESSES])


def find_authority(domain: str) -> Flow[Authority | Missing]:
    """The zone that holds a name and its servers (RFC 1034 §4.2): the nearest name upwards that has NS records."""
    zone: str | None = domain
    while zone is not None:
        answer = yield from ask(zone, "NS")
        if not answer.known:
            return Missing(answer.why())
        if not answer.records or answer.aliases:
            zone = parent(zone)
            continue
        names = tuple(sorted(answer.records))
        found = yield from together(*(ask(name, type_) for name in names for type_ in ("A", "AAAA")))
        servers = tuple(
            (name, tuple(record for told in found if told.question.name == name for record in told.records))
            for name in names
        )
        return Authority(zone, servers)
    return Missing(f"no name server was found for {domain}")


@dataclass(frozen=True, slots=True)
class Voice:
    """What one server says. ``server`` is its name with its address, ``answers`` by question."""

    server: str
    answers: Mapping[Question, Answer]

    def content(self, question: Question) -> tuple[Any, ...] | None:
        """What it says that can be compared: status and records, in no order; None where it could not be told."""
        answer = self.answers[question]
        if not answer.known:
            return None
        texts = answer.texts if question.type in ("TXT", "SPF") else tuple(map(str, answer.records))
        return (answer.status.value if not texts else "ok", *sorted(texts))


@dataclass(frozen=True, repr=False)
class AgreementFacts(Facts):
    """What several servers say to the questions that matter for a domain's mail.

    ``kind`` is "authoritative" (``zone`` is the zone they serve) or "resolvers". ``voices`` are missing where nobody
    could be asked.
    """

    domain: str
    kind: str
    questions: tuple[Question, ...]
    voices: tuple[Voice, ...]
    zone: str = ""

    @property
    def subject(self) -> str:
        return self.domain

    @property
    def torn(self) -> tuple[Question, ...]:
        """Questions to which different things are said."""
        return tuple(
            question
            for question in self.questions
            if len({said for voice in self.voices if (said := voice.content(question)) is not None}) > 1
        )

    def serials(self) -> dict[str, int]:
        """The serial number of the zone at each server that tells one."""
        question = Question(self.zone, "SOA")
        told = {voice.server: voice.answers.get(question) for voice in self.voices}
        return {server: answer.records[0][2] for server, answer in told.items() if answer and answer.records}

    def to_json(self) -> dict[str, Any]:
        """The servers with what each says."""
        voices = self.raw("voices")
        return {
            "kind": self.kind,
            "zone": self.zone or None,
            "servers": None
            if isinstance(voices, Missing)
            else [{"server": one.server, "answers": list(one.answers.values())} for one in voices],
        }


def unheard(domain: str, kind: str, why: str) -> AgreementFacts:
    """Facts of a domain whose servers could not be found."""
    return AgreementFacts(domain, kind, (), missing(why))


@dataclass(frozen=True, slots=True)
class Standing:
    """A set of records as the source has it (empty: it has none) beside what DNS says."""

    question: Question
    source: Answer
    live: Answer

    @property
    def same(self) -> bool:
        """True if both say the same; raises nothing where DNS could not tell: ask `live.known` first."""
        if bool(self.source.records) != bool(self.live.records):
            return False
        if self.question.type in ("TXT", "SPF"):
            return sorted(self.source.texts) == sorted(self.live.texts)
        return sorted(map(str, self.source.records)) == sorted(map(str, self.live.records))


@dataclass(frozen=True, repr=False)
class DriftFacts(Facts):
    """A zone of a source beside the zone that is published.

    ``sets`` are all record sets of the source and the names that matter for mail; ``mail`` are the questions among
    them that matter for mail. ``cut`` is the number of sets that were too many to ask for.
    """

    origin: str
    file: str
    sets: tuple[Standing, ...]
    mail: frozenset[Question]
    cut: int = 0

    @property
    def subject(self) -> str:
        return self.origin

    def drifted(self, *, mail: bool) -> Iterable[Standing]:
        """The sets that differ. Raises Unobserved at the end where some could not be told."""
        unknown = []
        for one in self.sets:
            if (one.question in self.mail) is not mail:
                continue
            if not one.live.known:
                unknown.append(one.live)
            elif not one.same:
                yield one
        if unknown:
            more = f" and {len(unknown) - 1} more" if len(unknown) > 1 else ""
            raise Unobserved(f"{unknown[0].why()}{more}")
