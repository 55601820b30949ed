"""The report as one self-contained HTML file: no script, no foreign resource, light and dark, narrow and print.

Everything that came from the world goes through `plain` and Jinja2's autoescape; a content security policy
forbids scripts and loads besides.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from deliverkit.findings import Evidence, Finding, Severity
from deliverkit.report.model import Report
from deliverkit.report.plain import plain
from deliverkit.report.sections import outlined
from deliverkit.report.text import counts, effect, ignored_line, unknowns

_NAMED = 4
"""Subjects that a page names in its title; of more it says how many."""


def render_html(reports: Sequence[Report], *, title: str | None = None, lead: str | None = None) -> str:
    """One page for all reports, with a table of verdicts in front when there are several."""
    import jinja2

    from deliverkit import __version__

    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    source = Path(__file__).with_name("report.html.j2").read_text("utf-8")
    named = list(dict.fromkeys(plain(r.subject.name) for r in reports))
    names = ", ".join(named) if len(named) <= _NAMED else f"{len(named)} subjects"
    return environment.from_string(source).render(
        title=title or f"Mail report: {names}",
        lead=lead,
        version=__version__,
        reports=[_report(number, report) for number, report in enumerate(reports, 1)],
    )


def _report(number: int, report: Report) -> dict[str, Any]:
    vantage = report.vantage
    return {
        "id": f"report-{number}",
        "name": plain(report.subject.name),
        "kind": report.subject.kind,
        "judged": report.subject.kind != "record",
        "remark": plain(report.subject.remark or ""),
        "verdict": report.verdict.value,
        "counts": counts(report),
        "started": f"{report.started:%Y-%m-%d %H:%M:%S} UTC",
        "elapsed": f"{report.elapsed_s:.1f} s",
        "findings": [_finding(f, report) for f in report.findings],
        "by_severity": [(s.value, sum(f.severity is s for f in report.findings)) for s in Severity],
        "unknowns": [(plain(reason), ", ".join(rules)) for reason, rules in unknowns(report).items()],
        "ignored": [ignored_line(one, report) for one in report.ignored],
        "fixed": plain("; ".join(report.fixed)),
        "sections": [
            (name, "\n".join(plain(line) for line in lines), outline) for name, lines, outline in outlined(report, 96)
        ],
        "passed": len(report.passed),
        "not_applicable": len(report.not_applicable),
        "not_asked": len(report.not_asked),
        "mode": vantage.mode,
        "resolvers": ", ".join(plain(r) for r in vantage.resolvers),
        "port25": vantage.port25,
    }


def _finding(found: Finding, report: Report) -> dict[str, Any]:
    return {
        "rule": found.rule,
        "severity": found.severity.value,
        "title": found.title,
        "about": "" if found.subject == report.subject.name else plain(found.subject),
        "detail": plain(found.detail),
        "evidence": [_evidence(e) for e in found.evidence[:12]],
        "more": max(len(found.evidence) - 12, 0),
        "fix": plain(found.fix.text),
        "records": "\n".join(plain(line) for line in found.fix.lines),
        "effect": effect(found.fix) if found.fix.effect else "",
        "reference": found.reference,
    }


def _evidence(evidence: Evidence) -> dict[str, str]:
    start, end = evidence.span or (0, 0)
    value = evidence.value
    if len(value) > 1200:  # the span stays in sight
        left = max(0, min(start - 400, len(value) - 1200))
        value, start, end = value[left : left + 1200], start - left, min(end - left, 1200)
    return {
        "name": " ".join(part for part in (plain(evidence.name), evidence.type) if part),
        "place": plain(evidence.place),
        "before": plain(value[:start]),
        "marked": plain(value[start:end]),
        "after": plain(value[end:]),
    }
