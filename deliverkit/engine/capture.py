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
from deliverkit.rules.registry import all_rules, judge

R = TypeVar("R", bound=Report)


def with_capture(report: R, facts: CaptureFacts) -> R:
    """The report of a message with the findings about its capture among its own, the gravest first."""
    told = Judgement(report.findings, report.inconclusive, report.passed, report.not_applicable, report.not_asked)
    both = merge([told, judge(facts, all_rules())])
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
