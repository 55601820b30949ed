"""The baseline of a check: findings that were there before, by rule and subject, so that only new ones count.

An entry names rule, report, subject and how many; never a text, a line or a date, so a finding stays the same when its
words or its place change. What this file will not do: look at a domain, or decide what a check ends with.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeAlias

from deliverkit.config.model import BadConfig
from deliverkit.findings import Finding, Severity
from deliverkit.report.model import Ignored, Report

FORMAT = "deliverkit.baseline/1"
KINDS = ("domain", "zone")
"""The reports whose findings a baseline may hold; those on the configuration itself always count."""
MOST_OCTETS = 64 * 2**20
_WRITE = "write it anew with `deliverkit baseline write`"

Key: TypeAlias = tuple[str, str, str, str]
"""Kind and subject of the report, rule, and the subject of the finding."""


@dataclass(frozen=True, slots=True)
class BaselineEntry:
    """Findings of a rule on a subject: ``subject`` is the report's, ``on`` the finding's; ``title`` is for people."""

    rule: str
    kind: str
    subject: str
    on: str
    severity: str
    count: int
    title: str

    @property
    def key(self) -> Key:
        """What it is found by."""
        return self.kind, self.subject, self.rule, self.on


Baseline: TypeAlias = dict[Key, BaselineEntry]


def entries_of(reports: Iterable[Report]) -> Baseline:
    """The findings of reports as entries."""
    found: Baseline = {}
    for report in reports:
        if report.subject.kind not in KINDS:
            continue
        for finding in report.findings:
            key = _key(report, finding)
            before = found.get(key)
            if before is None:
                found[key] = BaselineEntry(
                    finding.rule,
                    report.subject.kind,
                    report.subject.name,
                    finding.subject,
                    finding.severity.value,
                    1,
                    finding.title,
                )
            else:  # the gravest stands first in a report
                found[key] = replace(before, count=before.count + 1)
    return found


def _key(report: Report, finding: Finding) -> Key:
    return report.subject.kind, report.subject.name, finding.rule, finding.subject


def laid_aside(report: Report, baseline: Baseline) -> Report:
    """The report with what the baseline holds moved to ``ignored``, and in ``fixed`` what is found no more.

    A finding that is graver than its entry, or one more than the entry counts, is new.
    """
    used: Counter[Key] = Counter()
    kept: list[Finding] = []
    aside: list[Ignored] = []
    for finding in report.findings:
        key = _key(report, finding)
        entry = baseline.get(key)
        if entry and used[key] < entry.count and finding.severity.rank >= Severity(entry.severity).rank:
            used[key] += 1
            aside.append(Ignored(finding, "baseline"))
        else:
            kept.append(finding)
    here = (report.subject.kind, report.subject.name)
    fixed = tuple(
        f"{entry.rule} {entry.title}" + (f" ({entry.on})" if entry.on != entry.subject else "")
        for key, entry in baseline.items()
        if key[:2] == here and not used[key] and _judged(report, entry) and not _found(report, entry)
    )
    if not aside and not fixed:
        return report
    return replace(report, findings=tuple(kept), ignored=(*report.ignored, *aside), fixed=fixed)


def _judged(report: Report, entry: BaselineEntry) -> bool:
    """Whether the rule looked at the subject to the end, so that its silence means something."""
    if any(one.rule == entry.rule for one in report.inconclusive):
        return False
    silent = entry.rule in report.passed or entry.rule in report.not_applicable
    return silent or any(one.rule == entry.rule for one in report.findings)


def _found(report: Report, entry: BaselineEntry) -> bool:
    every = (*report.findings, *(one.finding for one in report.ignored))
    return any((one.rule, one.subject) == (entry.rule, entry.on) for one in every)


def read_baseline(path: Path, shown: str) -> Baseline:
    """The entries of a file. Raises BadConfig."""
    try:
        with path.open("rb") as file:
            octets = file.read(MOST_OCTETS + 1)
    except FileNotFoundError:
        do = "write it with `deliverkit baseline write`, or take it out of the configuration"
        raise BadConfig(shown, None, "there is no such baseline", do) from None
    except OSError as bad:
        raise BadConfig(shown, None, f"cannot be read ({bad.strerror})", "name a readable file") from None
    if len(octets) > MOST_OCTETS:
        raise BadConfig(shown, None, f"is larger than {MOST_OCTETS // 2**20} MB", _WRITE)
    try:
        told = json.loads(octets.decode("utf-8"))
    except json.JSONDecodeError as bad:
        raise BadConfig(shown, bad.lineno, f"no JSON: {bad.msg}", _WRITE) from None
    except (UnicodeDecodeError, RecursionError):
        raise BadConfig(shown, 1, "no JSON in UTF-8", _WRITE) from None
    if not isinstance(told, dict) or "baseline" not in told:
        raise BadConfig(shown, 1, "is no baseline of deliverkit", _WRITE)
    if told["baseline"] != FORMAT:
        raise BadConfig(shown, 1, f"is of the format {str(told['baseline'])[:60]!r}, expected {FORMAT}", _WRITE)
    entries = told.get("entries")
    if not isinstance(entries, list):
        raise BadConfig(shown, 1, "has no list of entries", _WRITE)
    lines = _lines(octets)
    found: Baseline = {}
    for number, one in enumerate(entries):
        line = lines[number] if len(lines) == len(entries) else None
        entry = _entry(one, shown, line, number + 1)
        found[entry.key] = entry
    return found


def _lines(octets: bytes) -> list[int]:
    """The line of each entry, as `baseline_text` writes them: one a line."""
    return [number for number, line in enumerate(octets.split(b"\n"), 1) if line.lstrip().startswith(b'{"rule"')]


def _entry(told: Any, shown: str, line: int | None, number: int) -> BaselineEntry:
    fields = BaselineEntry.__dataclass_fields__
    if not isinstance(told, dict) or set(told) != set(fields):
        raise BadConfig(shown, line, f"entry {number} has not the keys {', '.join(fields)}", _WRITE)
    texts = all(isinstance(told[name], str) for name in fields if name != "count")
    count = told["count"]
    if not texts or not isinstance(count, int) or isinstance(count, bool) or count < 1:
        raise BadConfig(shown, line, f"entry {number} has a value of another kind than it should", _WRITE)
    if told["severity"] not in [severity.value for severity in Severity]:
        raise BadConfig(shown, line, f"entry {number} has the severity {told['severity'][:40]!r}", _WRITE)
    return BaselineEntry(**told)


def baseline_text(entries: Iterable[BaselineEntry]) -> str:
    """The file: sorted, an entry a line, so that a change shows as the lines it is about."""
    ordered = sorted(entries, key=lambda entry: (entry.kind, entry.subject, entry.rule, entry.on))
    lines = [f"    {json.dumps(asdict(entry), ensure_ascii=True)}" for entry in ordered]
    body = ",\n".join(lines)
    inner = f"[\n{body}\n  ]" if lines else "[]"
    return f'{{\n  "baseline": "{FORMAT}",\n  "entries": {inner}\n}}\n'


def stale(baseline: Baseline, reports: Sequence[Report], rules: Iterable[str]) -> list[tuple[BaselineEntry, str]]:
    """The entries that no report can match any more, with the reason; ask it of a whole check only."""
    seen = {(report.subject.kind, report.subject.name) for report in reports}
    known = set(rules)
    gone: list[tuple[BaselineEntry, str]] = []
    for entry in baseline.values():
        if (entry.kind, entry.subject) not in seen:
            gone.append((entry, f"the {entry.kind} is checked no longer"))
        elif entry.rule not in known:
            gone.append((entry, "there is no such rule"))
    return gone
