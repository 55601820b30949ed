"""The report as Markdown, for a pull request, an issue or a wiki. What came from the world stays text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from deliverkit.findings import Evidence, Finding
from deliverkit.report.model import Report
from deliverkit.report.plain import plain
from deliverkit.report.sections import seen
from deliverkit.report.text import counts, effect, ignored_line, unknowns

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#+!|~@&-])")


def render_markdown(reports: Sequence[Report]) -> str:
    """All reports, one section each."""
    return "\n".join(line for report in reports for line in _report(report)) + "\n"


def _report(report: Report) -> Iterator[str]:
    judged = report.subject.kind != "record"
    yield f"# {escaped(report.subject.name)}: {report.verdict.value}" if judged else f"# {escaped(report.subject.name)}"
    yield ""
    said = counts(report) if judged else "Shown, not judged"
    yield f"{said}. Started {report.started:%Y-%m-%d %H:%M:%S} UTC, {report.elapsed_s:.1f} s."
    if report.subject.remark:
        yield f"\n_{escaped(report.subject.remark)}_"
    yield from judged_markdown(report)
    for title, lines in seen(report):
        yield f"\n## {title}\n"
        yield from _block(lines)
    yield ""


def judged_markdown(report: Report) -> Iterator[str]:
    """What the rules said of a subject: findings, what could not be told, what does not count, what is fixed."""
    for found in report.findings:
        yield from _finding(found)
    if report.inconclusive:
        yield "\n## Could not be told\n"
        yield from (f"- {escaped(reason)}: {', '.join(rules)}" for reason, rules in unknowns(report).items())
    if report.ignored:
        yield "\n## Ignored\n"
        yield from (f"- {escaped(ignored_line(one, report))}" for one in report.ignored)
    if report.fixed:
        yield f"\n**Fixed since the baseline:** {escaped('; '.join(report.fixed))}"


def _finding(found: Finding) -> Iterator[str]:
    """One finding as a section."""
    yield f"\n## {found.severity.value}: {escaped(found.title)}"
    yield ""
    yield f"**{found.rule}** ({found.reference}) on {_code(found.subject)}: {escaped(found.detail)}"
    if found.evidence:
        yield ""
        yield from (_evidence(e) for e in found.evidence)
    yield ""
    yield f"**Fix.** {escaped(found.fix.text)}"
    if found.fix.lines:
        yield ""
        yield from _block(found.fix.lines)
    if found.fix.effect:
        yield ""
        yield escaped(effect(found.fix))


def _evidence(evidence: Evidence) -> str:
    head = " ".join(part for part in (evidence.name, evidence.type) if part)
    place = f" ({escaped(evidence.place)})" if evidence.place else ""
    value = f": {_code(plain(evidence.value, 400))}" if evidence.value else ""
    return f"- {_code(head)}{place}{value}"


def escaped(text: str) -> str:
    """Text in which nothing is markup."""
    return _SPECIAL.sub(r"\\\1", plain(text))


def _code(text: str) -> str:
    """An inline code span whose fence is longer than any run of backticks inside."""
    shown = plain(text)
    fence = "`" * (1 + max((len(run) for run in re.findall(r"`+", shown)), default=0))
    pad = " " if shown[:1] == "`" or shown[-1:] == "`" else ""
    return f"{fence}{pad}{shown}{pad}{fence}"


def _block(lines: Sequence[str]) -> Iterator[str]:
    shown = [plain(line) for line in lines]
    fence = "`" * max(3, 1 + max((len(run) for line in shown for run in re.findall(r"`+", line)), default=0))
    yield f"{fence}text"
    yield from shown
    yield fence
