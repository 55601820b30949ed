"""Opinions about the MTA-STS TXT record. A domain without one is left in peace; the policy is not fetched here."""

from __future__ import annotations

from deliverkit.facts.base import NotApplicable
from deliverkit.facts.domain import DomainFacts
from deliverkit.findings import RecordText, Severity, evidence_of, finding, standing
from deliverkit.rules.registry import Findings, rule


@rule("MTASTS001", Severity.WARNING, "RFC 8461 §3.1")
def several_records(facts: DomainFacts) -> Findings:
    """There are several MTA-STS records.

    Why: with more than one, senders act as if the domain had no policy, and TLS is not enforced.
    Fix: keep the record whose id belongs to the policy that is served, and delete the others.
    """
    seen = facts.mtasts
    counted = [index for index, record in seen.records if record.selected]
    if len(counted) > 1:
        yield finding(
            f"{len(counted)} MTA-STS records at _mta-sts.{facts.name}",
            at=tuple(e for index in counted for e in evidence_of(seen.answer, index)),
        )


@rule("MTASTS002", Severity.WARNING, "RFC 8461 §3.1")
def record_unusable(facts: DomainFacts) -> Findings:
    """The MTA-STS record cannot be used.

    Why: senders read it to the letter of the grammar; with an error in it they never fetch the policy.
    Fix: publish v=STSv1; id= followed by 1 to 32 letters and digits, such as the date and time of the policy.
    """
    seen = facts.mtasts
    if not seen.records:
        raise NotApplicable
    if sum(record.selected for _, record in seen.records) > 1:
        return  # MTASTS001 tells of it
    for index, record in seen.records:
        wrong = [fault for fault in record.faults if fault.fatal]
        if wrong and (record.selected or not any(other.selected for _, other in seen.records)):
            identifier = "".join(c for c in record.id or "" if c.isascii() and c.isalnum())[:32] or "1"
            yield finding(
                "; ".join(fault.detail for fault in wrong),
                at=tuple(e for fault in wrong for e in evidence_of(seen.answer, index, span=fault.span)),
                records=(RecordText(f"_mta-sts.{facts.name}", "TXT", f"v=STSv1; id={identifier}"),),
            )


@rule("MTASTS003", Severity.WARNING, "RFC 8461 §3.1")
def record_in_the_wrong_place(facts: DomainFacts) -> Findings:
    """An MTA-STS record stands at a name where nobody looks for it.

    Why: senders ask for TXT at _mta-sts below the domain; the name mta-sts is for the web server of the policy.
    Fix: move the record to _mta-sts; many DNS editors append the domain themselves.
    """
    for stray in facts.mtasts.misplaced:
        name = f"_mta-sts.{facts.name}"
        yield finding(
            f"the record stands at {stray.name}, {stray.mistake}, and there is none at {name}",
            at=evidence_of(stray.answer, stray.index),
            records=(RecordText(name, "TXT", stray.text),),
            removes=standing(stray.answer, stray.index),
        )


@rule("MTASTS004", Severity.NOTE, "RFC 8460 §1")
def enforced_blindly(facts: DomainFacts) -> Findings:
    """The domain announces MTA-STS but asks for no TLS reports.

    Why: when a certificate or an MX no longer fits the policy, senders hold your mail back, and only TLS-RPT tells you.
    Fix: publish a TLS-RPT record.
    """
    if facts.mtasts.record is None:
        raise NotApplicable
    if not facts.tlsrpt.records and not facts.tlsrpt.misplaced:
        name = f"_smtp._tls.{facts.name}"
        yield finding(
            f"there is no TLS-RPT record at {name}",
            at=evidence_of(facts.mtasts.answer),
            records=(RecordText(name, "TXT", f"v=TLSRPTv1; rua=mailto:tls-reports@{facts.name}"),),
        )
