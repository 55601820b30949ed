"""What an evaluation leaves behind: each term as it was tried, each record as it was entered, and the result.

What this file will not do: evaluate. Every value here is plain and frozen, and knows its own JSON.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from deliverkit.flow import Answer
from deliverkit.protocols.spf.record import Result


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

    @property
    def redirected(self) -> Evaluation | None:
        """The evaluation that a redirect handed over to, if the result came from there."""
        last = self.steps[-1] if self.steps else None
        return last.inner if last and last.term.lower().startswith("redirect=") else None


@dataclass(frozen=True, slots=True)
class CheckResult:
    """What check_host says, and why.

    ``matched`` is the path to the term that decided, from the domain inwards. ``explanation`` is the domain's own text
    for a fail (§6.2), None when it gave none. ``unanswered`` says which lookup made a temperror.
    """

    result: Result
    explanation: str | None
    trace: Evaluation
    reason: str
    client_ip: str
    domain: str
    sender: str
    helo: str
    lookups: int
    voids: int
    voids_strict: int
    matched: tuple[str, ...] = ()
    unanswered: str = ""

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


def path_of(trace: Evaluation) -> list[str]:
    """The terms that decided, outermost first."""
    path: list[str] = []
    here: Evaluation | None = trace
    while here and here.steps and here.steps[-1].outcome != "no match":
        path.append(here.steps[-1].term)
        here = here.steps[-1].inner
    return path
