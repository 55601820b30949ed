"""The report: pure data, the same for every verb, from which every format is rendered.

Verdict and exit status are decided here and nowhere else (docs/house.md, "Contracts").
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from enum import StrEnum
from typing import Any, Self

from deliverkit.facts.vantage import Vantage
from deliverkit.findings import Finding, Inconclusive, Judgement, Severity

SCHEMA = "deliverkit.report/1"


class Verdict(StrEnum):
    """pass, risk (warnings), fail (errors), unknown (something decisive could not be told)."""

    PASS = "pass"  # noqa: S105 - a verdict
    RISK = "risk"
    FAIL = "fail"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Subject:
    """What was judged: ``kind`` is "domain", "host", "message", "record", "session", "zone" or "configuration"."""

    kind: str
    name: str
    remark: str | None = None


@dataclass(frozen=True, slots=True)
class Ignored:
    """A finding that does not count: somebody said so, or the baseline holds it.

    ``by`` is "ignore" (an entry of the configuration, with its ``reason`` and the day ``until`` which it holds) or
    "baseline" (it was there before).
    """

    finding: Finding
    by: str
    reason: str = ""
    until: date | None = None


@dataclass(frozen=True, repr=False)
class Report:
    """One subject's report. ``facts`` maps a protocol to its facts objects (see `report.jsonable`).

    ``elapsed_s`` is wall time in seconds. ``ignored`` are findings that do not count, ``fixed`` what the baseline holds
    and nobody finds any more.
    """

    subject: Subject
    vantage: Vantage
    started: datetime
    elapsed_s: float
    findings: tuple[Finding, ...] = ()
    inconclusive: tuple[Inconclusive, ...] = ()
    not_asked: tuple[str, ...] = ()
    passed: tuple[str, ...] = ()
    not_applicable: tuple[str, ...] = ()
    facts: dict[str, Any] = field(default_factory=dict)
    interrupted: bool = False
    ignored: tuple[Ignored, ...] = ()
    fixed: tuple[str, ...] = ()

    def __repr__(self) -> str:
        """Short: asyncio asks for it of whatever a task returns."""
        return f"<{type(self).__name__} on {self.subject.name}: {self.verdict}>"

    def judged_by(self, judgement: Judgement) -> Self:
        """This report with what the rules said of its subject, the gravest findings first."""
        return replace(
            self,
            findings=sort_findings(judgement.findings),
            inconclusive=judgement.inconclusive,
            not_asked=judgement.not_asked,
            passed=judgement.passed,
            not_applicable=judgement.not_applicable,
        )

    @property
    def changes_dns(self) -> bool:
        """True if a fix names a record to publish or to take out."""
        return any(f.fix.changes_dns for f in self.findings)

    @property
    def verdict(self) -> Verdict:
        """Any error: fail; else a decisive unknown: unknown; else any warning: risk; else pass."""
        if any(f.severity is Severity.ERROR for f in self.findings):
            return Verdict.FAIL
        if any(i.decisive for i in self.inconclusive):
            return Verdict.UNKNOWN
        if any(f.severity is Severity.WARNING for f in self.findings):
            return Verdict.RISK
        return Verdict.PASS

    def exit_status(self, fail_on: str = "error") -> int:
        """0, 1 or 3 as the contract says; ``fail_on`` is "error", "warning", "note" or "never"."""
        if fail_on == "never":
            return 0
        threshold = Severity(fail_on).rank
        if any(f.severity.rank <= threshold for f in self.findings):
            return 1
        return 3 if any(i.decisive for i in self.inconclusive) else 0


def exit_status(reports: Iterable[Report], fail_on: str = "error") -> int:
    """The status for several subjects: 1 before 3 before 0; 130 when interrupted."""
    every = list(reports)
    if any(r.interrupted for r in every):
        return 130
    statuses = {r.exit_status(fail_on) for r in every}
    return next((s for s in (1, 3) if s in statuses), 0)


def sort_findings(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The gravest first; within a severity the order in which the rules were registered stays."""
    return tuple(sorted(findings, key=lambda f: f.severity.rank))


def merge(judgements: Iterable[Judgement]) -> Judgement:
    """Several judgements as one. A rule that found something anywhere does not count as passed."""
    every = list(judgements)
    found = {f.rule for j in every for f in j.findings} | {i.rule for j in every for i in j.inconclusive}

    def once(lists: Iterable[tuple[str, ...]], without: set[str]) -> tuple[str, ...]:
        return tuple(dict.fromkeys(r for ids in lists for r in ids if r not in without))

    passed = once((j.passed for j in every), found)
    seen = found | set(passed)
    return Judgement(
        findings=sort_findings(f for j in every for f in j.findings),
        inconclusive=tuple(i for j in every for i in j.inconclusive),
        passed=passed,
        not_applicable=once((j.not_applicable for j in every), seen),
        not_asked=once((j.not_asked for j in every), seen),
        crashed=once((j.crashed for j in every), set()),
    )
