"""What a finding is called from one run to the next: by its rule and its subject, never by its text or its line.

A baseline, SARIF and GitLab tell by it what is new and what was there before. What this file will not do: compare.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from typing import Any

from deliverkit.findings import Evidence, Finding
from deliverkit.report.model import Report

_DIGITS = 32


def fingerprint(report: Report, finding: Finding) -> str:
    """32 hexadecimal digits of SHA-256 over the rule, the report's subject and the finding's own.

    The details, the evidence and the line do not count: a record that moves, or is wrong in another way by the same
    rule, is still the same finding.
    """
    return _digest(finding.rule, report.subject.kind, report.subject.name, finding.subject)


def fingerprints(report: Report) -> tuple[str, ...]:
    """The fingerprint of each of ``report.findings``, then of each of ``report.ignored``, in their order.

    Several findings of one rule on one subject are told apart by a number ("…", "…:2", "…:3"), counted in the order
    of their evidence and over both lists: what is ignored keeps its number, and does not pass it on to another.
    """
    every = [*report.findings, *(one.finding for one in report.ignored)]
    bare = [fingerprint(report, found) for found in every]
    numbers: Counter[str] = Counter()
    numbered = dict.fromkeys(range(len(every)), "")
    for place in sorted(numbered, key=lambda place: (_order(every[place]), place)):
        numbers[bare[place]] += 1
        number = numbers[bare[place]]
        numbered[place] = bare[place] if number == 1 else f"{bare[place]}:{number}"
    return tuple(numbered.values())


def unknown_fingerprint(report: Report, rule: str, subject: str) -> str:
    """The same for a rule that could not be told: another one than its findings have."""
    return _digest(rule, report.subject.kind, report.subject.name, subject, "could not be told")


def _digest(*parts: str) -> str:
    told = "\0".join(parts).encode("utf-8", "backslashreplace")
    return hashlib.sha256(told).hexdigest()[:_DIGITS]


def _order(finding: Finding) -> tuple[Any, ...]:
    """By what was seen; where it stands in a file only parts what looks the same."""
    seen = finding.evidence
    return tuple(map(_seen, seen)), finding.detail, tuple(map(_place, seen))


def _seen(evidence: Evidence) -> tuple[str, ...]:
    return evidence.kind, evidence.name, evidence.type, evidence.value


def _place(evidence: Evidence) -> tuple[str, int]:
    return evidence.file or "", evidence.line or 0
