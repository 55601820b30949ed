"""What an evaluation leaves behind: each term as it was tried, each record as it was entered, and the result.

While a record is walked only what cannot be told from the record itself is noted (`Entered`, `Tried`); the trace, with
a `Step` for every term, is made of that when somebody reads it.

What this file will not do: evaluate. The trace is plain and frozen, and knows its own JSON.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import Any

from deliverkit.flow import Answer
from deliverkit.protocols.spf.compiled import Program, Query
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


@dataclass(slots=True)
class Tried:
    """What became of one term that asks, noted while it is tried: the least from which its `Step` can be told.

    ``place`` counts the directives of the record from 0; a redirect stands behind them all.
    """

    place: int
    outcome: str = "no match"
    target: str | None = None
    answers: list[Answer] = field(default_factory=list)
    voids: int = 0
    voids_strict: int = 0
    detail: str = ""
    inner: Entered | None = None


@dataclass(slots=True)
class Entered:
    """What became of one record, noted while it is walked: the least from which its `Evaluation` can be told.

    ``program`` is None where there is not exactly one record. The first ``reached`` directives were tried; those that
    ask are in ``tried``. ``hit`` says that the last of them matched and is one that asks nothing. ``part`` is the next
    part of the program.
    """

    domain: str
    result: Result = Result.NEUTRAL
    reason: str = ""
    answer: Answer | None = None
    program: Program | None = None
    tried: list[Tried] = field(default_factory=list)
    reached: int = 0
    hit: bool = False
    redirected: Tried | None = None
    part: int = 0
    ended: bool = False

    def note(self, query: Query) -> Tried:
        """Begin a note on a term that asks."""
        tried = Tried(query.place)
        if query.name == "redirect":
            self.redirected = tried
        else:
            self.tried.append(tried)
            self.reached = query.place + 1
        return tried

    def matched(self, place: int) -> None:
        """A directive matched: its qualifier is the result (RFC 7208 §4.6.2)."""
        assert self.program is not None
        directive = self.program.record.directives[place]
        self.reached = place + 1
        self.end(directive.result, f"{self.domain}: {directive.text} matched")

    def end(self, result: Result, reason: str) -> None:
        """The result of this record is known."""
        self.result, self.reason, self.ended = result, reason, True

    def decided(self) -> tuple[str, Entered | None] | None:
        """The text of the term that decided, and the record it led to."""
        if self.program is None:
            return None
        if self.redirected and self.program.redirect:
            return self.program.redirect.term.text, self.redirected.inner
        last = self.tried[-1] if self.tried else None
        if self.hit:
            return self.program.record.directives[self.reached - 1].text, None
        if last and last.outcome != "no match":
            return self.program.record.directives[last.place].text, last.inner
        return None


def told(entered: Entered) -> Evaluation:
    """The trace of a record and of all it led to, with every term that was tried."""
    steps: list[Step] = []
    program = entered.program
    if program:
        asking = {tried.place: tried for tried in entered.tried}
        for place, directive in enumerate(program.record.directives[: entered.reached]):
            if place in asking:
                steps.append(_step(directive, asking[place]))
            else:
                matched = entered.hit and place == entered.reached - 1
                steps.append(Step(directive.text, directive.span, "match" if matched else "no match"))
        if entered.redirected and program.redirect:
            steps.append(_step(program.redirect.term, entered.redirected))
    text = program.record.text if program else None
    return Evaluation(entered.domain, entered.result, text, tuple(steps), entered.reason, entered.answer)


def _step(term: Term, tried: Tried) -> Step:
    """The step of a term that asks: it costs one lookup (RFC 7208 §4.6.4)."""
    inner = told(tried.inner) if tried.inner else None
    spent = 1, tried.voids, tried.voids_strict
    return Step(term.text, term.span, tried.outcome, tried.target, tuple(tried.answers), *spent, tried.detail, inner)


@dataclass(frozen=True)
class CheckResult:
    """What check_host says, and why.

    ``explanation`` is the domain's own text for a fail (§6.2), None when it gave none. ``unanswered`` says which lookup
    made a temperror. ``trace`` is made when it is first read: most who check thousands of clients never look.
    """

    result: Result
    explanation: str | None
    reason: str
    client_ip: str
    domain: str
    sender: str
    helo: str
    lookups: int
    voids: int
    voids_strict: int
    unanswered: str = ""
    entered: Entered = field(kw_only=True, repr=False, hash=False)

    @functools.cached_property
    def trace(self) -> Evaluation:
        """Every record that was entered and every term that was tried."""
        return told(self.entered)

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
