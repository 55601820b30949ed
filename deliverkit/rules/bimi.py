"""Opinions about the BIMI record. A domain without one is left in peace; logo and certificate are not fetched here."""

from __future__ import annotations

from collections.abc import Iterator

from deliverkit.facts.base import NotApplicable, needs
from deliverkit.facts.bimi import BimiFacts
from deliverkit.facts.dmarc import DmarcFacts
from deliverkit.facts.domain import DomainFacts
from deliverkit.findings import Evidence, RecordText, Severity, evidence_of, finding, standing
from deliverkit.protocols.bimi import BimiRecord
from deliverkit.rules.registry import Findings, rule

_DRAFT = "draft-brand-indicators-for-message-identification"


@rule("BIMI001", Severity.WARNING, _DRAFT)
def several_records(facts: DomainFacts) -> Findings:
    """There are several BIMI records.

    Why: with more than one, receivers use none, and no logo is shown.
    Fix: keep one of them.
    """
    seen = facts.bimi
    counted = [index for index, record in seen.records if record.selected]
    if len(counted) > 1:
        yield finding(
            f"{len(counted)} BIMI records at {seen.answer.question.name}",
            at=tuple(e for index in counted for e in evidence_of(seen.answer, index)),
        )


@rule("BIMI002", Severity.WARNING, _DRAFT)
def record_unusable(facts: DomainFacts) -> Findings:
    """The BIMI record cannot be used.

    Why: receivers need v=BIMI1 first and one https: address of the logo; otherwise they show nothing.
    Fix: publish v=BIMI1; l= with the https: address of an SVG Tiny PS file, and a= with that of the mark certificate.
    """
    seen = facts.bimi
    if not seen.records:
        raise NotApplicable
    if sum(record.selected for _, record in seen.records) > 1:
        return  # BIMI001 tells of it
    for index, record in seen.records:
        wrong = [fault for fault in record.faults if fault.fatal]
        if wrong and (record.selected or not any(other.selected for _, other in seen.records)):
            yield finding(
                "; ".join(fault.detail for fault in wrong),
                at=tuple(e for fault in wrong for e in evidence_of(seen.answer, index, span=fault.span)),
            )


@rule("BIMI003", Severity.WARNING, _DRAFT)
def record_in_the_wrong_place(facts: DomainFacts) -> Findings:
    """A BIMI record stands at a name where nobody looks for it.

    Why: receivers ask for TXT at default._bimi below the domain unless the message names another selector.
    Fix: move the record to default._bimi; many DNS editors append the domain themselves.
    """
    for stray in facts.bimi.misplaced:
        name = f"default._bimi.{facts.name}"
        yield finding(
            f"the record stands at {stray.name}, {stray.mistake}, and there is none at {name}",
            at=evidence_of(stray.answer, stray.index),
            records=(RecordText(name, "TXT", stray.text),),
            removes=standing(stray.answer, stray.index),
        )


@rule("BIMI004", Severity.WARNING, _DRAFT)
def dmarc_not_enforced(facts: DomainFacts) -> Findings:
    """The domain publishes BIMI, but its DMARC policy does not meet the terms.

    Why: a logo is shown only with p=quarantine or p=reject for all mail, and subdomains not left at none.
    Fix: raise the DMARC policy to quarantine or reject, without sp=none, t=y or a pct below 100.
    """
    _shown(facts.bimi)
    reasons = list(_shortcomings(facts.dmarc))
    if reasons:
        yield finding("; ".join(reasons), at=(*_at(facts.bimi), *_dmarc_at(facts.dmarc)))


@rule("BIMI005", Severity.NOTE, _DRAFT)
def no_mark_certificate(facts: DomainFacts) -> Findings:
    """The BIMI record names no mark certificate.

    Why: the large receivers show a logo only with a certificate (VMC or CMC) that proves the right to it.
    Fix: obtain a mark certificate and give its https: address in a=.
    """
    record = _shown(facts.bimi)
    if record.evidence is None:
        yield finding("there is no a tag, or it is empty", at=_at(facts.bimi))


@rule("BIMI006", Severity.NOTE, _DRAFT)
def small_faults(facts: DomainFacts) -> Findings:
    """The BIMI record has a part that receivers skip or stumble over.

    Why: unknown tags and values are ignored, and a logo that is no .svg file is refused later.
    Fix: correct or remove the part shown.
    """
    record = _shown(facts.bimi)
    if record.faults:
        index = next(index for index, other in facts.bimi.records if other is record)
        yield finding(
            "; ".join(fault.detail for fault in record.faults),
            at=tuple(e for f in record.faults for e in evidence_of(facts.bimi.answer, index, span=f.span)),
        )


def _shown(seen: BimiFacts) -> BimiRecord:
    """The record that asks for a logo; not applicable without one, or where the domain declines."""
    record = needs(seen.record)
    if record.declines:
        raise NotApplicable
    return record


def _at(seen: BimiFacts) -> tuple[Evidence, ...]:
    index = next((index for index, record in seen.records if record is seen.record), None)
    return evidence_of(seen.answer, index)


def _dmarc_at(dmarc: DmarcFacts) -> tuple[Evidence, ...]:
    step = dmarc.step
    return evidence_of(step.answer, step.index) if step else evidence_of(dmarc.answer)


def _shortcomings(dmarc: DmarcFacts) -> Iterator[str]:
    """What in the DMARC record keeps a logo from being shown."""
    record = dmarc.record
    if record is None or not record.applies:
        yield "no DMARC policy applies"
        return
    if dmarc.discovery.published == "none":
        yield f"the DMARC policy is none ({dmarc.discovery.taken_from})"
    elif record.sp == "none":
        yield "sp=none leaves the subdomains open"
    if record.t:
        yield "t=y asks receivers not to apply the policy in full"
    if record.tags.value("pct", "100") != "100":
        yield f"pct={record.tags.value('pct')} covers a part of the mail only"
