"""CSV by RFC 4180, in UTF-8: one row a finding, for a spreadsheet or a database.

What comes from DNS may begin as a formula does: such a cell gets an apostrophe in front, by which spreadsheets take it
for text. What this file will not do: hold what could not be told; a table of findings has no row for it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence

from deliverkit.findings import Finding
from deliverkit.report.fingerprint import fingerprints
from deliverkit.report.model import Ignored, Report
from deliverkit.report.places import home, place_of
from deliverkit.report.plain import plain

COLUMNS = (
    "kind", "subject", "verdict", "rule", "slug", "severity", "about", "title", "detail", "file", "line",
    "evidence", "value", "fix", "publish", "remove", "reference", "fingerprint", "ignored_by", "reason", "until",
)  # fmt: skip
"""The first row. ``about`` is what the finding is about; ``ignored_by`` is empty for a finding that counts."""

_FORMULA = ("=", "+", "-", "@", "＝", "＋", "－", "＠")
_CELL = 32_000  # characters; a spreadsheet's cell holds 32,767


def render_csv(reports: Sequence[Report]) -> str:
    """All findings, those that are ignored too. Lines end with CRLF (RFC 4180 §2)."""
    text = io.StringIO(newline="")
    table = csv.writer(text)  # its default dialect is that of the RFC
    table.writerow(COLUMNS)
    for report in reports:
        file = home(report, reports)
        held: list[tuple[Finding, Ignored | None]] = [(found, None) for found in report.findings]
        held += [(one.finding, one) for one in report.ignored]
        for (found, ignored), name in zip(held, fingerprints(report), strict=True):
            table.writerow(map(_cell, _row(report, found, ignored, name, file)))
    return text.getvalue()


def _row(report: Report, found: Finding, ignored: Ignored | None, name: str, file: str | None) -> Iterator[str]:
    where = place_of(found, file)
    first = found.evidence[0] if found.evidence else None
    yield from (report.subject.kind, report.subject.name, report.verdict.value)
    yield from (found.rule, found.slug, found.severity.value, found.subject, found.title, found.detail)
    yield from (where.file if where else "", str(where.line) if where and where.line else "")
    yield from (f"{first.name} {first.type}".strip(), first.value) if first else ("", "")
    yield found.fix.text
    yield from ("; ".join(record.line for record in records) for records in (found.fix.records, found.fix.removes))
    yield from (found.reference, name)
    yield from (ignored.by, ignored.reason, str(ignored.until or "")) if ignored else ("", "", "")


def _cell(text: str) -> str:
    safe = plain(text, _CELL)
    return f"'{safe}" if safe.lstrip().startswith(_FORMULA) else safe
