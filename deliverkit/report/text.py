"""The report for a terminal: verdict first, then findings by severity, then what was seen.

Good at 60 columns and at 200. Colour only marks severities and the verdict; nothing depends on it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence

import click

from deliverkit.findings import Evidence, Finding, Fix, Severity
from deliverkit.report.many_text import check_blocks, few, is_check
from deliverkit.report.model import Ignored, Report, Verdict
from deliverkit.report.plain import fold, plain
from deliverkit.report.sections import seen

_COLOURS = {"error": "red", "warning": "yellow", "note": "cyan"}
_VERDICTS = {Verdict.PASS: "green", Verdict.RISK: "yellow", Verdict.FAIL: "red", Verdict.UNKNOWN: "magenta"}
_INDENT = "  "
_MOST_COLUMNS = 110  # prose is not read across 200 columns; tables may use them
_SHOWN_EVIDENCE = 6


def render_text(reports: Sequence[Report], *, width: int = 100, color: bool = False, quiet: bool = False) -> str:
    """All reports, one after another; ``quiet`` leaves one verdict line a subject."""

    def block(report: Report) -> str:
        return "\n".join([_headline(report, color), *(() if quiet else _body(report, width, color))])

    if is_check(reports):
        blocks = list(check_blocks(reports, block, min(width, _MOST_COLUMNS)))
    else:
        blocks = [block(report) for report in reports]
    return ("\n" if quiet else "\n\n").join(blocks) + ("\n" if blocks else "")


def _headline(report: Report, color: bool) -> str:
    if report.subject.kind == "record":  # shown, not judged
        return plain(report.subject.name)
    word = report.verdict.value.upper()
    word = click.style(word, fg=_VERDICTS[report.verdict], bold=True) if color else word
    kind = "zone " if report.subject.kind == "zone" else ""  # its origin is a domain's name too
    return f"{kind}{plain(report.subject.name)}: {word}   {counts(report)}"


def counts(report: Report) -> str:
    """ "2 errors, 1 note; 1 could not be told; 3 ignored", with the result of check_host in front."""
    parts = [f"SPF {report.facts['check_host'].check.result.value}"] if "check_host" in report.facts else []
    parts += numbers(report.findings)
    said = ", ".join(parts) or "nothing found"
    if report.inconclusive:
        said += f"; {len(report.inconclusive)} could not be told"
    if report.ignored:
        said += f"; {len(report.ignored)} ignored"
    if report.fixed:
        said += f"; {len(report.fixed)} fixed since the baseline"
    return said + ("; interrupted" if report.interrupted else "")


def numbers(findings: Iterable[Finding]) -> list[str]:
    """ "2 errors", "1 note": how many there are of each severity that there is."""
    counted = Counter(found.severity for found in findings)
    return [f"{counted[s]} {s.value}{'s' * (counted[s] > 1)}" for s in Severity if counted[s]]


def _body(report: Report, width: int, color: bool) -> Iterator[str]:
    columns = min(width, _MOST_COLUMNS)
    if report.subject.remark:
        yield from fold(f"({plain(report.subject.remark)})", columns)
    for found in report.findings:
        yield ""
        yield from finding_lines(found, report, columns, color=color)
    if report.inconclusive:
        yield ""
        yield "Could not be told"
        for reason, rules in unknowns(report).items():
            named = few(rules) if report.subject.kind == "domain" and not report.facts else ", ".join(rules)
            yield from fold(f"{named}: {plain(reason)}", columns, _INDENT, hanging=_INDENT * 2)
    if report.ignored:
        yield ""
        yield "Ignored"
        for one in report.ignored:
            yield from fold(ignored_line(one, report), columns, _INDENT, hanging=_INDENT * 2)
    if report.fixed:
        yield ""
        yield from fold(f"Fixed since the baseline: {plain('; '.join(report.fixed))}", columns, hanging=_INDENT)
    for title, lines in seen(report, width - len(_INDENT)):
        yield ""
        yield title
        yield from (f"{_INDENT}{line}".rstrip() for line in lines)
    yield ""
    if report.subject.kind != "record":
        yield from fold(_checked(report), columns)
    yield from fold(_seen_from(report), columns)


def ignored_line(one: Ignored, report: Report) -> str:
    """ "SPF004 The SPF record …: 12 terms query DNS (waits for the provider, until 2027-01-31)"."""
    found = one.finding
    about = "" if found.subject == report.subject.name else f"{found.subject}: "
    return plain(f"{found.rule} {found.title.rstrip('.')}: {about}{found.detail} ({ignored_why(one)})")


def ignored_why(one: Ignored) -> str:
    """Who says that a finding does not count, why, and for how long."""
    why = one.reason or ("in the baseline" if one.by == "baseline" else "no reason given")
    return f"{why}, until {one.until}" if one.until else why


def unknowns(report: Report) -> dict[str, list[str]]:
    """Rules by reason, the decisive reasons first: one dead resolver is one line, not forty."""
    grouped: dict[str, list[str]] = {}
    for one in sorted(report.inconclusive, key=lambda i: not i.decisive):
        where = "" if one.subject == report.subject.name else f"{one.subject}: "
        rules = grouped.setdefault(where + one.reason, [])
        if one.rule not in rules:
            rules.append(one.rule)
    return grouped


def finding_lines(found: Finding, report: Report, columns: int = 100, *, color: bool = False) -> Iterator[str]:
    """One finding as it stands in the text of a report."""
    label = found.severity.value.upper()
    mark = click.style(label, fg=_COLOURS[found.severity.value], bold=True) if color else label
    first, *rest = fold(f"{found.rule} {found.title}", columns - len(label) - 1)
    yield f"{mark} {first}"
    yield from (f"{_INDENT}{line}" for line in rest)
    about = "" if found.subject == report.subject.name else f"{plain(found.subject)}: "
    yield from fold(about + plain(found.detail), columns, _INDENT)
    for evidence in found.evidence[:_SHOWN_EVIDENCE]:
        yield from _evidence(evidence, columns)
    if len(found.evidence) > _SHOWN_EVIDENCE:
        yield f"{_INDENT}| and {len(found.evidence) - _SHOWN_EVIDENCE} more"
    yield from fold(f"Fix: {plain(found.fix.text)}", columns, _INDENT, hanging=_INDENT * 2)
    # A record is copied from here: it is never wrapped.
    yield from (f"{_INDENT * 2}{plain(line)}" for line in found.fix.lines)
    if found.fix.effect:
        yield from fold(effect(found.fix), columns, _INDENT, hanging=_INDENT * 2)
    yield f"{_INDENT}{found.reference}"


def effect(fix: Fix) -> str:
    """What was seen when the fix was tried: "Then: error → pass, SPF lookups 12 → 8"."""
    return plain(f"Then: {fix.effect}" if fix.rejudged else f"{fix.effect[:1].upper()}{fix.effect[1:]}")


def _evidence(evidence: Evidence, columns: int) -> Iterator[str]:
    place = f" ({plain(evidence.place)})" if evidence.place else ""
    server = f" from {plain(evidence.server)}" if evidence.server and evidence.kind == "smtp" else ""
    head = " ".join(part for part in (plain(evidence.name), evidence.type) if part)
    bar = f"{_INDENT}| "
    yield from fold(f"{head}{place}{server}", columns, bar)
    if not evidence.value:
        return
    if evidence.span:
        yield from _pointed(evidence.value, evidence.span, columns - len(bar), bar)
    else:
        yield from fold(plain(evidence.value, 400), columns, bar + _INDENT)


def _pointed(value: str, span: tuple[int, int], room: int, bar: str) -> Iterator[str]:
    """The part of the value around the span, with a caret line under it."""
    start, end = span
    room = max(room - len(_INDENT), 20)
    left = max(0, min(start - room // 3, len(value) - room))
    before, inside = plain(value[left:start]), plain(value[start:end])
    after = plain(value[end : left + room])
    lead = "…" if left else ""
    shown = f"{lead}{before}{inside}{after}"
    cut = len(shown) > room or left + room < len(value)
    yield f"{bar}{_INDENT}{shown[: room - 1]}…" if cut else f"{bar}{_INDENT}{shown}"
    offset = len(lead) + len(before)
    if offset < room:
        yield f"{bar}{_INDENT}{' ' * offset}{'^' * max(1, min(len(inside), room - offset))}"


def _checked(report: Report) -> str:
    said = (
        f"{len(report.passed)} rule{'s' * (len(report.passed) != 1)} passed, {len(report.not_applicable)} did not apply"
    )
    if report.not_asked:
        said += f", {len(report.not_asked)} not asked"
    return f"{said}; {report.elapsed_s:.1f} s."


def _seen_from(report: Report) -> str:
    vantage = report.vantage
    said = f"Seen from here: {vantage.mode}"
    if vantage.resolvers:
        trust = "trusted" if vantage.ad_trusted else "not trusted"
        said += f", resolver {', '.join(vantage.resolvers)} (its AD bit is {trust})"
    if vantage.zones:
        said += f", zones {', '.join(vantage.zones)}"
    if vantage.port25 != "unknown":
        said += f", port 25 {vantage.port25}"
    return plain(said) + "."
