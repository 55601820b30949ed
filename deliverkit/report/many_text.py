"""The text of a check of many subjects: what is wrong in full, what is worth knowing by rule, what is sound in a line.

A repository of 500 zones has a thousand reports; a person reads the few that say something. Nothing is hidden: every
note is counted under its rule, and the other formats hold all. What this file will not do: render one report
(`report.text` does).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from deliverkit.findings import Severity
from deliverkit.report.model import Report, Verdict
from deliverkit.report.plain import fold, plain

MANY = 20
"""Reports from which on notes are told by rule."""
_NAMED = 5
_RULES = 6
_KINDS = {"configuration": "configuration", "zone": "zone", "domain": "domain"}
Block = Callable[[Report], str]


def is_check(reports: Sequence[Report]) -> bool:
    """True for the reports of a check: one is on a configuration or on a zone of a source."""
    return any(report.subject.kind in ("configuration", "zone") for report in reports)


def check_blocks(reports: Sequence[Report], block: Block, columns: int) -> Iterator[str]:
    """The blocks of a check: ``block`` renders one report."""
    many = len(reports) > MANY
    sound = [report for report in reports if _is_sound(report, many=many)]
    notes: dict[str, list[tuple[str, str]]] = {}
    for report in reports:
        if many:
            for found in (f for f in report.findings if f.severity is Severity.NOTE):
                notes.setdefault(f"{found.rule} {found.title}", []).append((found.subject, found.detail))
            report = replace(report, findings=tuple(f for f in report.findings if f.severity is not Severity.NOTE))
        if not _is_sound(report, many=many):
            yield block(report)
    if notes:
        yield "\n".join(_note_lines(notes, columns))
    if sound:
        yield "\n".join(fold(_sound(sound), columns, hanging="  "))


def _is_sound(report: Report, *, many: bool) -> bool:
    """Nothing to say beside a line: no finding (of many subjects: none above a note), nothing unknown or ignored."""
    if report.subject.kind not in _KINDS or report.interrupted or report.ignored or report.fixed:
        return False
    if report.subject.kind == "domain" and report.facts and not many:
        return False
    findings = [f for f in report.findings if not many or f.severity is not Severity.NOTE]
    unknown = any(one.decisive for one in report.inconclusive) if many else bool(report.inconclusive)
    return not findings and not unknown and report.verdict is Verdict.PASS


def _note_lines(notes: dict[str, list[tuple[str, str]]], columns: int) -> Iterator[str]:
    yield "Notes, by rule"
    for title, places in sorted(notes.items()):
        subjects = list(dict.fromkeys(subject for subject, _ in places))
        yield from fold(f"{plain(title)} {_listed(subjects, 'subject')}", columns, "  ", hanging="    ")


def _listed(names: Sequence[str], noun: str) -> str:
    shown = ", ".join(plain(name) for name in names[:_NAMED])
    more = len(names) - _NAMED
    return f"{len(names):,} {noun}{'s' * (len(names) != 1)}: {shown}" + (f" and {more:,} more" if more > 0 else "")


def _sound(reports: Sequence[Report]) -> str:
    parts = []
    for kind, noun in _KINDS.items():
        names = [report.subject.name for report in reports if report.subject.kind == kind]
        if names:
            parts.append(_listed(names, noun) if len(names) > 1 else f"{noun} {plain(names[0])}")
    return f"Sound: {'; '.join(parts)}"


def few(rules: Sequence[str]) -> str:
    """The ids of rules, the first few of many."""
    more = len(rules) - _RULES
    return ", ".join(rules[:_RULES]) + (f" and {more} more" if more > 0 else "")
