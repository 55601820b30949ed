"""What the sink saw on the wire, judged: beside a message's verification, or alone for a session without message.

What this file will not do: verify the message, or know how it was captured.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

from deliverkit.facts.capture import CaptureFacts
from deliverkit.facts.vantage import Vantage
from deliverkit.findings import Judgement
from deliverkit.report.model import Report, Subject, merge
from deliverkit.rules.registry import judge, rules_of

R = TypeVar("R", bound=Report)
_SEEN_ON_THE_WIRE = {"SINK002": "MSG035", "SINK003": "MSG033"}  # one cause, told once: by the rule that saw the wire


def with_capture(report: R, facts: CaptureFacts) -> R:
    """The report of a message with the findings about its capture among its own, the gravest first."""
    captured = judge(facts, rules_of("sink"))
    twins = {_SEEN_ON_THE_WIRE[f.rule] for f in captured.findings if f.rule in _SEEN_ON_THE_WIRE}
    told = Judgement(
        tuple(f for f in report.findings if f.rule not in twins),
        report.inconclusive,
        report.passed,
        (*report.not_applicable, *sorted(twins & {f.rule for f in report.findings})),
        report.not_asked,
    )
    both = merge([told, captured])
    return replace(
        report,
        findings=both.findings,
        inconclusive=both.inconclusive,
        passed=both.passed,
        not_applicable=both.not_applicable,
        not_asked=both.not_asked,
        facts={**report.facts, "capture": facts},
    )


def capture_report(
    facts: CaptureFacts,
    *,
    vantage: Vantage,
    started: datetime,
    kind: str = "session",
    more: Mapping[str, Any] | None = None,
) -> Report:
    """A report of the capture alone; ``kind`` is "session", or "message" where nothing else was asked for."""
    bare = Report(Subject(kind, facts.name), vantage, started, 0.0, facts=dict(more or {}))
    return with_capture(bare, facts)
