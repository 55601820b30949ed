"""What the rules say of themselves, by id: for formats that name a rule beside its findings, or without any.

What this file will not do: judge.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from deliverkit.findings import Finding, Severity
from deliverkit.report.model import Report
from deliverkit.rules.registry import Rule, all_rules, registered


@dataclass(frozen=True, slots=True)
class Page:
    """A rule's identity and documentation. Of a rule that is not installed here, what its finding says."""

    id: str
    slug: str
    family: str
    severity: Severity
    reference: str
    title: str
    why: str
    fix: str

    @property
    def name(self) -> str:
        """ "SPF004 too-many-lookups"."""
        return f"{self.id} {self.slug}".rstrip()


def pages(reports: Sequence[Report], ids: Iterable[str]) -> dict[str, Page]:
    """The pages of these rules, ordered by family and id."""
    wanted = set(ids)
    known = {rule.id: rule for rule in registered()}
    if not wanted <= known.keys():  # a report that was made elsewhere, as in the sink's worker process
        known = {rule.id: rule for rule in all_rules()}
    told = {found.rule: found for report in reports for found in every_finding(report)}
    found = [_page(known[id_]) if id_ in known else _stranger(id_, told.get(id_)) for id_ in wanted]
    return {page.id: page for page in sorted(found, key=lambda page: (page.family, page.id))}


def every_finding(report: Report) -> tuple[Finding, ...]:
    """Those that count, and those that are ignored."""
    return (*report.findings, *(one.finding for one in report.ignored))


def _page(rule: Rule) -> Page:
    return Page(rule.id, rule.slug, rule.family, rule.severity, rule.reference, rule.title, rule.why, rule.fix)


def _stranger(id_: str, found: Finding | None) -> Page:
    family = id_.rstrip("0123456789").lower() or "other"
    if found is None:
        return Page(id_, "", family, Severity.NOTE, "", id_, "", "")
    return Page(id_, found.slug, family, found.severity, found.reference, found.title, "", found.fix.text)
