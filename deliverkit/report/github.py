"""For GitHub Actions: annotations as workflow commands, and the Markdown of a job's summary.

GitHub shows ten annotations of each level a step, so the gravest come first, each line once before any line twice,
and the rest is counted. What this file will not do: let anything that came from the world be read as a command.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from html import escape

from deliverkit.findings import Severity
from deliverkit.report.markdown import escaped, judged_markdown
from deliverkit.report.model import Report
from deliverkit.report.places import headline, home, number, place_of, summary
from deliverkit.report.plain import plain
from deliverkit.report.text import counts, numbers, unknowns

_SHOWN = 10  # annotations of one level a step
_MESSAGE = 4000
_LARGEST = 1024 * 1024  # octets of a summary that GitHub takes
_LEVELS = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.NOTE: "notice"}


# -- annotations ------------------------------------------------------------------------------------------


def render_github(reports: Sequence[Report]) -> str:
    """Workflow commands, the gravest first, and a line on what was left out."""
    shown: Counter[str] = Counter()
    left: Counter[str] = Counter()
    lines = []
    for level, command in _in_order(_annotations(reports)):
        if shown[level] < _SHOWN:
            lines.append(command)
            shown[level] += 1
        else:
            left[level] += 1
    lines += [_log_line(f"{report.subject.name}: {report.verdict.value}, {counts(report)}") for report in reports]
    if left:
        said = ", ".join(f"{count} {level}{'s' * (count > 1)}" for level, count in left.items())
        lines.append(f"deliverkit: {said} more than GitHub shows; the other formats hold all")
    return "".join(f"{line}\n" for line in lines)


def _in_order(annotations: Iterable[tuple[str, str, object]]) -> list[tuple[str, str]]:
    """By level, and within one the first on each line before the second: a cause often shows in several rules."""
    turns: Counter[object] = Counter()
    ranked = []
    for level, command, place in annotations:
        ranked.append((list(_LEVELS.values()).index(level), turns[level, place], level, command))
        turns[level, place] += place is not None
    return [(level, command) for *_, level, command in sorted(ranked, key=lambda one: one[:2])]


def _annotations(reports: Sequence[Report]) -> Iterator[tuple[str, str, object]]:
    """Level, command and place of each."""
    for report in reports:
        file = home(report, reports)
        for found in report.findings:
            level = _LEVELS[found.severity]
            properties = {"title": headline(found)}
            if where := place_of(found, file):
                properties = {"file": where.file, "line": str(where.line or 1), **properties}
            said = f"{summary(report, found, _MESSAGE)}\nFix: {plain(found.fix.text, _MESSAGE)}"
            said += "".join(f"\n{plain(line)}" for line in found.fix.lines)
            yield level, _command(level, properties, said[:_MESSAGE]), where and (where.file, where.line)
        for reason, rules in unknowns(report).items():
            decisive = any(one.decisive and one.rule in rules for one in report.inconclusive)
            level = "warning" if decisive else "notice"
            said = plain(f"{report.subject.name}: {reason}: {', '.join(rules)}", _MESSAGE)
            yield level, _command(level, {"title": "could not be told"}, said), None


def _command(level: str, properties: dict[str, str], message: str) -> str:
    """One workflow command; what steers it is escaped as GitHub's own toolkit does."""
    told = ",".join(f"{name}={_property(plain(value))}" for name, value in properties.items())
    return f"::{level} {told}::{_data(message)}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")


def _log_line(text: str) -> str:
    """A line of the log that is no command: the runner reads "::" at the start of one, and "##[" anywhere."""
    said = plain(text).replace("##[", "# #[")
    return f"· {said}" if said.lstrip().startswith("::") else said


# -- the summary of a job ---------------------------------------------------------------------------------


def render_github_summary(reports: Sequence[Report]) -> str:
    """A table of subjects, then what was found of each, folded; at most as large as GitHub takes."""
    parts = ["\n".join(_table(reports)) + "\n"]
    room = _LARGEST - len(parts[0].encode()) - 200
    if room < 0:  # thousands of subjects: the counts alone
        parts, room = ["\n".join(_totals(reports)) + "\n"], _LARGEST - 1000
    for place, report in enumerate(reports):
        if not (report.findings or report.inconclusive or report.ignored or report.fixed):
            continue
        block = "\n".join(_details(report)) + "\n"
        room -= len(block.encode())
        if room < 0:
            parts.append(f"\n_{len(reports) - place} more subjects: a summary holds no more; the other formats do._\n")
            break
        parts.append(block)
    return "".join(parts)


def _totals(reports: Sequence[Report]) -> Iterator[str]:
    told = numbers(found for report in reports for found in report.findings)
    said = ", ".join(told) or "nothing found"
    yield f"## deliverkit: {said} in {len(reports)} subject{'s' * (len(reports) != 1)}"
    yield ""


def _table(reports: Sequence[Report]) -> Iterator[str]:
    yield from _totals(reports)
    yield "| Subject | Verdict | Errors | Warnings | Notes | Could not be told | Ignored |"
    yield "|---|---|--:|--:|--:|--:|--:|"
    for report in reports:
        cells = [number([report], severity) for severity in Severity]
        cells += [len(report.inconclusive), len(report.ignored)]
        name = escaped(plain(report.subject.name, 200))
        yield f"| {name} | **{report.verdict.value}** | {' | '.join(map(str, cells))} |"


def _details(report: Report) -> Iterator[str]:
    """GitHub shows Markdown inside the element if empty lines part them."""
    opened = " open" if any(found.severity is Severity.ERROR for found in report.findings) else ""
    name = escape(plain(report.subject.name, 200))
    yield f"\n<details{opened}><summary>{name}: {report.verdict.value}, {escape(counts(report))}</summary>\n"
    yield from judged_markdown(report)
    yield "\n</details>"
