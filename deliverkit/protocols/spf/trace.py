"""What an evaluation leaves behind: each term as it was tried, each record as it was entered, and the result.

While a record is walked only what cannot be told from the record itself is noted (`Entered`, `Tried`); the trace, with
a `Step` for every term, is made of that when somebody reads it.

What this file will not do: evaluate. The trace is plain and frozen, and knows its own JSON.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from deliverkit.flow import Answer
from deliverkit.protocols.spf.address import Client
from deliverkit.protocols.spf.compiled import Program
from deliverkit.protocols.spf.record import Result, Term


@dataclass(frozen=True, slots=True)
class Step:
    """One term as it was evaluated. ``outcome`` is "match", "no match" or a `Result` word that ended the record."""

    term: str
    span: tuple[int, int]
    outcome: str
    target: str | None = None
    answers: tuple[Answer, ...] = ()
    lookups: int = 0  # what the term itself cost
    voids: int = 0
    voids_strict: int = 0
    detail: str = ""
    inner: Evaluation | None = None

    def to_json(self) -> dict[str, Any]:
        """The step with what was asked and answered for it."""
        shown: dict[str, Any] = {"term": self.term, "outcome": self.outcome}
        if self.target is not None:
            shown["target"] = self.target
        shown |= {"lookups": self.lookups, "voids": self.voids, "voids_strict": self.voids_strict}
        if self.detail:
            shown["detail"] = self.detail
        if self.answers:
            shown["asked"] = [
                {"name": a.question.name, "type": a.question.type, "status": a.status, "records": a.records}
                for a in self.answers
            ]
        if self.inner:
            shown["inner"] = self.inner
        return shown


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One record as it was evaluated for this client: the node of the trace."""

    domain: str
    result: Result
    record: str | None = None
    steps: tuple[Step, ...] = ()
    reason: str = ""
    answer: Answer | None = None

    def to_json(self) -> dict[str, Any]:
        """The record with its steps."""
        return {
            "domain": self.domain,
            "record": self.record,
            "result": self.result,
            "reason": self.reason,
            "steps": self.steps,
        }


@dataclass  # without slots a default costs nothing where it stays
class Tried:
    """What became of one term that asks, noted while it is tried: the least from which its `Step` can be told.

    ``place`` counts the directives of the record from 0; a redirect stands behind them all.
    """

    place: int
    outcome: str = field(default="no match", init=False)
    target: str | None = field(default=None, init=False)
    answers: Sequence[Answer] = field(default=(), init=False)
    voids: int = field(default=0, init=False)
    voids_strict: int = field(default=0, init=False)
    detail: str = field(default="", init=False)
    inner: Entered | None = field(default=None, init=False)


@dataclass
class Entered:
    """What became of one record, noted while it is walked: the least from which its `Evaluation` can be told.

    ``program`` is None where there is not exactly one record. ``result`` is None until the record has ended, ``why``
    the reason where that is not the term that matched, nor that none did. ``place`` is that of the directive that
    ended it, and behind them all if none did; ``tried`` are the directives that asked.
    """

    domain: str
    answer: Answer | None = None
    program: Program | None = None
    tried: tuple[Tried, ...] = field(default=(), init=False)
    result: Result | None = field(default=None, init=False)
    why: str = field(default="", init=False)
    redirected: Tried | None = field(default=None, init=False)
    place: int = field(default=-1, init=False)
    told: Evaluation | None = field(default=None, init=False, compare=False)

    @property
    def reason(self) -> str:
        """Why it ended so, in a sentence."""
        if self.why or self.program is None:
            return self.why
        if self.place == len(self.program.terms):
            return f"{self.domain}: no term matched (RFC 7208 §4.7)"
        return f"{self.domain}: {self.program.terms[self.place]} matched"

    def end(self, result: Result, why: str) -> Entered:
        """The record has ended, not by a match."""
        self.result, self.why = result, why
        return self

    def decided(self) -> tuple[str, Entered | None] | None:
        """The text of the term that decided, and the record it led to."""
        if self.program is None:
            return None
        if self.redirected and self.program.redirect:
            return self.program.redirect.text, self.redirected.inner
        terms = self.program.terms
        if not 0 <= self.place < len(terms):
            return None
        last = self.tried[-1] if self.tried else None
        return terms[self.place], last.inner if last and last.place == self.place else None


def told(entered: Entered) -> Evaluation:
    """The trace of a record and of all it led to, with every term that was tried."""
    steps: list[Step] = []
    record = entered.program.record if entered.program else None
    if record:
        asking = {tried.place: tried for tried in entered.tried}
        for place, directive in enumerate(record.directives[: entered.place + 1]):
            if place in asking:
                steps.append(_step(directive, asking[place]))
            else:
                steps.append(Step(directive.text, directive.span, "match" if place == entered.place else "no match"))
        if entered.redirected and record.redirect:
            steps.append(_step(record.redirect, entered.redirected))
    text, result = record.text if record else None, entered.result or Result.NEUTRAL
    return Evaluation(entered.domain, result, text, tuple(steps), entered.reason, entered.answer)


def _step(term: Term, tried: Tried) -> Step:
    """The step of a term that asks: it costs one lookup (RFC 7208 §4.6.4)."""
    inner = told(tried.inner) if tried.inner else None
    spent = 1, tried.voids, tried.voids_strict
    return Step(term.text, term.span, tried.outcome, tried.target, tuple(tried.answers), *spent, tried.detail, inner)


@dataclass(frozen=True)
class CheckResult:
    """What check_host says, and why.

    ``explanation`` is the domain's own text for a fail (§6.2), None when it gave none. ``unanswered`` says which lookup
    made a temperror. ``counts`` are the lookups, voids and strict voids. What can be told from ``entered`` is told when
    somebody reads it: most who check thousands of clients never look at a trace.
    """

    entered: Entered = field(repr=False, hash=False)
    explanation: str | None
    client: Client
    sender: str
    helo: str
    counts: tuple[int, int, int]
    unanswered: str = ""

    def __init__(
        self,
        entered: Entered,
        explanation: str | None,
        client: Client,
        sender: str,
        helo: str,
        counts: tuple[int, int, int],
        unanswered: str = "",
    ) -> None:
        """Straight into the dictionary: the usual way of a frozen dataclass costs as much as entering a record."""
        fields = self.__dict__
        fields["entered"] = entered
        fields["explanation"] = explanation
        fields["client"] = client
        fields["sender"] = sender
        fields["helo"] = helo
        fields["counts"] = counts
        fields["unanswered"] = unanswered

    @property
    def result(self) -> Result:
        """The word of RFC 7208 §2.6."""
        return self.entered.result or Result.NEUTRAL

    @property
    def client_ip(self) -> str:
        """The client's address; an IPv4-mapped one is the IPv4 address it maps (RFC 7208 §5)."""
        return self.client.text

    @property
    def reason(self) -> str:
        """Why it ended so, in a sentence."""
        return self.entered.reason

    @property
    def domain(self) -> str:
        """The domain whose record was evaluated first."""
        return self.entered.domain

    @property
    def lookups(self) -> int:
        """How many terms queried DNS (RFC 7208 §4.6.4)."""
        return self.counts[0]

    @property
    def voids(self) -> int:
        """How many lookups found nothing in either family."""
        return self.counts[1]

    @property
    def voids_strict(self) -> int:
        """How many found nothing by the letter of RFC 7208 §4.6.4."""
        return self.counts[2]

    @property
    def trace(self) -> Evaluation:
        """Every record that was entered and every term that was tried; made at the first read."""
        if self.entered.told is None:
            self.entered.told = told(self.entered)
        return self.entered.told

    @property
    def matched(self) -> tuple[str, ...]:
        """The path to the term that decided, from the domain inwards."""
        path: list[str] = []
        here: Entered | None = self.entered
        while here and (decided := here.decided()):
            term, here = decided
            path.append(term)
        return tuple(path)

    def to_json(self) -> dict[str, Any]:
        """Result first, then who asked, then what it cost and the whole trace."""
        shown = {
            "result": self.result,
            "domain": self.domain,
            "sender": self.sender,
            "helo": self.helo,
            "client_ip": self.client_ip,
            "reason": self.reason,
            "explanation": self.explanation,
            "matched": self.matched,
            "lookups": self.lookups,
            "voids": self.voids,
            "voids_strict": self.voids_strict,
            "trace": self.trace,
        }
        return shown | {"unanswered": self.unanswered} if self.unanswered else shown
