"""Output of a monitoring plugin (Nagios, Icinga, Naemon): one status line with performance data, details below.

A plugin's exit statuses are not ours: OK 0, WARNING 1, CRITICAL 2, UNKNOWN 3. `plugin_status` decides them; the command
line ends with it where this format goes to standard output. What this file will not do: write more than the 8 kB that
Nagios reads, or a ``|`` that came from the world, behind which it would look for performance data.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from deliverkit.findings import Severity
from deliverkit.report.model import Report, Verdict
from deliverkit.report.places import failing, gravest, headline, number, spf_lookups, summary
from deliverkit.report.plain import plain
from deliverkit.report.text import counts, numbers, unknowns

STATES = ("OK", "WARNING", "CRITICAL", "UNKNOWN")
"""The words, at the place of their exit status."""

_LARGEST = 8000  # octets; Nagios keeps 8,192
_LINE = 300
_DOMAINS = 20  # with data of their own


def plugin_status(reports: Sequence[Report], fail_on: str = "error") -> int:
    """2 for a finding at the threshold, else 3 for a decisive unknown or a run cut short, else 1 for a warning, else 0.

    ``fail_on`` is that of --fail-on: with "warning" a warning is CRITICAL, with "never" everything is OK. Where nothing
    was judged nothing is known.
    """
    if not reports:
        return 3
    if fail_on == "never":
        return 0
    if any(failing(found, fail_on) for report in reports for found in report.findings):
        return 2
    verdicts = {report.verdict for report in reports}
    if any(r.interrupted or any(one.decisive for one in r.inconclusive) for r in reports):
        return 3
    return 1 if verdicts - {Verdict.PASS} else 0


def render_nagios(reports: Sequence[Report], fail_on: str = "error") -> str:
    """The plugin's output. The data stand in the first line, so that no cut can take them."""
    head = f"DELIVERKIT {STATES[plugin_status(reports, fail_on)]} - {_told(_summary(reports), _LINE)}"
    lines = [f"{head}|{' '.join(_data(reports))}"]
    room = _LARGEST - len(lines[0].encode())
    for line in _long(reports):
        told = _told(line, _LINE)
        room -= len(told.encode()) + 1
        if room < 0:
            lines.append("…")
            break
        lines.append(told)
    return "".join(f"{line}\n" for line in lines)


def _summary(reports: Sequence[Report]) -> str:
    """The subject, or how many there are; then the counts, and the gravest finding."""
    if not reports:
        return "nothing was judged"
    if len(reports) == 1:
        said = f"{reports[0].subject.name}: {counts(reports[0])}"
    else:
        told = numbers(found for report in reports for found in report.findings)
        unknown = sum(len(report.inconclusive) for report in reports)
        told += [f"{unknown} could not be told"] if unknown else []
        said = f"{len(reports)} subjects, verdict {gravest(reports).value}: {', '.join(told) or 'nothing found'}"
    worst = min((found for r in reports for found in r.findings), key=lambda found: found.severity.rank, default=None)
    return said if worst is None else f"{said}; {headline(worst)}"


def _long(reports: Sequence[Report]) -> Iterator[str]:
    for report in sorted(reports, key=lambda r: min((f.severity.rank for f in r.findings), default=len(Severity))):
        yield f"{report.subject.name}: {report.verdict.value}, {counts(report)}"
        for found in report.findings:
            yield f"{found.severity.value.upper()} {found.rule} {summary(report, found)}"
        for reason, rules in unknowns(report).items():
            yield f"UNKNOWN {', '.join(rules)}: {reason}"


def _data(reports: Sequence[Report]) -> Iterator[str]:
    """Performance data: 'label'=value[unit];warn;crit;min (Nagios plugin guidelines)."""
    yield f"errors={number(reports, Severity.ERROR)};;0;0"
    yield f"warnings={number(reports, Severity.WARNING)};0;;0"
    yield f"notes={number(reports, Severity.NOTE)};;;0"
    yield f"unknown={sum(len(report.inconclusive) for report in reports)};;;0"
    lookups = {r.subject.name: count for r in reports if (count := spf_lookups(r)) is not None}
    for name, count in sorted(lookups.items(), key=lambda one: (-one[1], one[0]))[:_DOMAINS]:
        yield f"'spf_lookups {_label(name)}'={count};;10;0"  # RFC 7208 §4.6.4
    yield f"elapsed={sum(report.elapsed_s for report in reports):.3f}s;;;0"


def _label(text: str) -> str:
    return _told(text, 100).replace("'", "_").replace("=", "_")


def _told(text: str, limit: int) -> str:
    """One line that holds no separator."""
    return plain(text, limit).replace("|", "¦")
