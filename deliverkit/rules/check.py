"""Rules about the configuration of a check itself: what it could not read, and what in it went out of date."""

from __future__ import annotations

from deliverkit.facts.base import NotApplicable
from deliverkit.facts.checked import CheckFacts, Held
from deliverkit.findings import Evidence, Severity, finding
from deliverkit.rules.registry import Findings, rule

_DOCS = "docs/check.md § Configuration"


@rule("CHECK001", Severity.ERROR, _DOCS)
def file_that_cannot_be_read(facts: CheckFacts) -> Findings:
    """A file of the check cannot be read.

    Why: what it holds was not judged, so nothing that is said of the other files says anything of this one.
    Fix: correct the file at the line that is named.
    """
    for one in facts.unreadable:
        yield finding(one.what, at=Evidence("file", one.file, file=one.file, line=one.line), fix=one.do)


@rule("CHECK002", Severity.WARNING, _DOCS)
def ignore_that_expired(facts: CheckFacts) -> Findings:
    """An ignore has expired, and its findings count again.

    Why: it was given a last day, and that has gone by. What it hid was to be mended until then.
    Fix: mend what it hid and take the ignore out, or give it another day and say why.
    """
    for one in facts.expired:
        many = f"{one.matched} finding{'s count' if one.matched != 1 else ' counts'} again"
        yield finding(f"{_words(one)} ended on {one.until}: {many}", at=_place(facts, one))


@rule("CHECK003", Severity.NOTE, _DOCS)
def ignore_that_matches_nothing(facts: CheckFacts) -> Findings:
    """An ignore matches no finding.

    Why: what it was for is gone, or its rule or subject is mistyped. It would hide the fault when it comes back.
    Fix: take it out.
    """
    for one in facts.idle:
        yield finding(_words(one), at=_place(facts, one))


@rule("CHECK004", Severity.NOTE, _DOCS)
def stale_baseline_entry(facts: CheckFacts) -> Findings:
    """The baseline holds what nobody judges any more.

    Why: its domain is checked no longer, or its rule is gone; the entry can never be seen fixed.
    Fix: write the baseline anew with `deliverkit baseline write`.
    """
    if facts.baseline is None:
        raise NotApplicable
    for one in facts.stale[:20]:
        place = Evidence("file", facts.baseline, value=f"{one.rule} {one.title}", file=facts.baseline)
        yield finding(f"{one.rule} of {one.subject}: {one.why}", at=place)
    if len(facts.stale) > 20:
        yield finding(f"and {len(facts.stale) - 20} more", at=Evidence("file", facts.baseline, file=facts.baseline))


def _words(one: Held) -> str:
    return f"the ignore of {', '.join(one.rules)} on {one.subject} ({one.reason})"


def _place(facts: CheckFacts, one: Held) -> Evidence:
    return Evidence("file", facts.file, value=one.reason, file=facts.file, line=one.line)
