"""GitLab's Code Quality report: a JSON array that a merge request shows beside the lines it names.

GitLab wants a path and a line of every entry: what no file tells stands at line 1 of the file in which it would be
mended, or under the subject's name. What this file will not do: list what is ignored, since GitLab has no word for it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from deliverkit.findings import Severity
from deliverkit.report.fingerprint import fingerprints, unknown_fingerprint
from deliverkit.report.model import Report
from deliverkit.report.places import home, place_of, summary
from deliverkit.report.plain import plain, plain_json

_SEVERITIES = {Severity.ERROR: "critical", Severity.WARNING: "major", Severity.NOTE: "info"}
_TEXT = 2000


def render_gitlab(reports: Sequence[Report]) -> str:
    """All findings, and what decisive could not be told, each fingerprint once."""
    entries: dict[str, dict[str, Any]] = {}
    for entry in (entry for report in reports for entry in _entries(report, reports)):
        entries.setdefault(entry["fingerprint"], entry)  # a subject that was typed twice has its findings once
    return plain_json(json.dumps(list(entries.values()), indent=2, ensure_ascii=False) + "\n")


def _entries(report: Report, reports: Sequence[Report]) -> Iterator[dict[str, Any]]:
    file = home(report, reports) or report.subject.name
    for found, name in zip(report.findings, fingerprints(report), strict=False):
        where = place_of(found, file)
        yield _entry(
            summary(report, found, _TEXT),
            f"{found.rule} {found.slug}",
            name,
            _SEVERITIES[found.severity],
            where.file if where else file,
            (where.line if where else None) or 1,
        )
    for one in report.inconclusive:
        if one.decisive:
            said = plain(f"{report.subject.name}: {one.rule} could not be told: {one.reason}", _TEXT)
            yield _entry(said, one.rule, unknown_fingerprint(report, one.rule, one.subject), "minor", file, 1)


def _entry(description: str, check: str, name: str, severity: str, path: str, line: int) -> dict[str, Any]:
    return {
        "description": description,
        "check_name": check,
        "fingerprint": name,
        "severity": severity,
        "location": {"path": plain(path), "lines": {"begin": max(line, 1)}},
    }
