"""What the rules of family ``source`` say of one zone in a file, before it is published.

What this file will not do: read a file (`world.sources` does), or ask DNS.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from deliverkit.facts.source import SourceFacts
from deliverkit.facts.vantage import Vantage
from deliverkit.findings import Finding, Severity
from deliverkit.report.model import Report, Subject
from deliverkit.rules.registry import Rule, judge, rules_of
from deliverkit.world.zone import Zone


def judge_source(
    facts: SourceFacts,
    *,
    rules: Iterable[Rule] | None = None,
    severities: Mapping[str, Severity] | None = None,
    vantage: Vantage | None = None,
    started: datetime | None = None,
) -> Report:
    """A report of kind "zone" on one zone of a source; its subject is the zone's origin, its remark the file.

    The facts are no part of the report: a zone may hold 50,000 records, and every finding shows its own.
    """
    chosen = rules_of("source") if rules is None else rules
    where = vantage or Vantage("offline", zones=(facts.file,))
    report = Report(Subject("zone", facts.origin, facts.file), where, started or datetime.now(UTC), 0.0)
    judgement = judge(facts, chosen, dict(severities or {}))
    return report.judged_by(replace(judgement, findings=tuple(map(_untried, judgement.findings))))


def selectors_in(zone: Zone, *, wildcard: bool = False) -> tuple[str, ...]:
    """The DKIM selectors that have records in a zone, each once; ``wildcard`` counts one that stands for all."""
    end = f"._domainkey.{zone.origin}"
    found = (record.name for record in zone.records() if record.name.endswith(end))
    return tuple(dict.fromkeys(name.removesuffix(end) for name in found if wildcard or "*" not in name))


def _untried(found: Finding) -> Finding:
    """A source is judged without its world, so that nobody can say here what a fix does for the domain."""
    if not found.fix.changes_dns:
        return found
    return replace(
        found, fix=replace(found.fix, effect="not re-judged: the zone alone does not show what it does for mail")
    )
