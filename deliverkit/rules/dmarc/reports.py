"""Where DMARC reports go: addresses that are missing, unusable, without consent or dead."""

from __future__ import annotations

from deliverkit.facts.base import Unobserved
from deliverkit.facts.domain import DomainFacts
from deliverkit.findings import RecordText, Severity, evidence_of, finding
from deliverkit.protocols.dmarc.destinations import Consent, Destination
from deliverkit.rules.dmarc.reading import evidence, record_in_force, stated_policy, with_reports
from deliverkit.rules.dmarc.repair import proposal, with_mailto
from deliverkit.rules.registry import Findings, rule


@rule("DMARC040", Severity.NOTE, "RFC 9989 §4.7")
def no_report_address(facts: DomainFacts) -> Findings:
    """The DMARC record asks for no aggregate reports.

    Why: without rua you learn neither of forged mail nor of your own mail that fails.
    Fix: add rua=mailto: with an address of yours or of a report service.
    """
    record = stated_policy(facts)
    if record.p != "none" and record.tags.get("rua") is None:
        yield finding("there is no rua tag", at=evidence(facts.dmarc), records=with_reports(facts, record))


@rule("DMARC041", Severity.WARNING, "RFC 9989 §4.6")
def report_address_unusable(facts: DomainFacts) -> Findings:
    """A report address of the DMARC record cannot be read.

    Why: reporters skip it, so its reports are lost.
    Fix: write each address as mailto:name@example.com, without blanks, and a comma between two addresses.
    """
    record = record_in_force(facts)
    for one in _with(facts, Consent.INVALID):
        repairable = with_mailto(one.uri) is not None
        yield finding(
            f"{one.tag}: {one.why}",
            at=evidence(facts.dmarc, [one.uri.span]),
            records=proposal(facts.dmarc, record) if repairable else (),
        )


@rule("DMARC042", Severity.WARNING, "RFC 9989 §4.7")
def report_address_not_mail(facts: DomainFacts) -> Findings:
    """A report address of the DMARC record is no mail address.

    Why: reporters must support mailto: and nothing else, so hardly anybody will report there.
    Fix: give a mailto: address.
    """
    record_in_force(facts)
    for one in _with(facts, Consent.NOT_MAIL):
        yield finding(f"{one.tag}={one.uri.text}: {one.why}", at=evidence(facts.dmarc, [one.uri.span]))


@rule("DMARC043", Severity.WARNING, "RFC 9990 §4")
def destination_has_not_consented(facts: DomainFacts) -> Findings:
    """A report address lies in another organization that has not agreed to take the reports.

    Why: reporters ask for that consent in DNS and ignore the address without it, so the reports are lost.
    Fix: have the owner of the destination publish the record below, or use an address within your own domain.
    """
    record_in_force(facts)
    refused = [one for one in _with(facts, Consent.REFUSED) if one.takes_mail is not False]
    if not refused:
        _all_answered(facts)
    for one in refused:
        seen = evidence_of(one.answer) if one.answer else ()
        granted = (RecordText(one.asked, "TXT", "v=DMARC1"),) if one.asked and not one.overrides else ()
        yield finding(
            f"{one.tag}={one.uri.text}: {one.why}",
            at=(*evidence(facts.dmarc, [one.uri.span]), *seen),
            records=granted,
        )


@rule("DMARC044", Severity.WARNING, "RFC 5321 §5.1")
def destination_takes_no_mail(facts: DomainFacts) -> Findings:
    """The domain of a report address takes no mail.

    Why: it does not exist, has a null MX, or has neither an MX nor an address: every report bounces.
    Fix: correct the address, or give the domain an MX.
    """
    record_in_force(facts)
    for one in facts.dmarc.destinations:
        if one.takes_mail is False:
            at = evidence(facts.dmarc, [one.uri.span])
            yield finding(f"{one.tag}={one.uri.text}: {one.uri.host} takes no mail", at=at)


def _with(facts: DomainFacts, consent: Consent) -> list[Destination]:
    return [one for one in facts.dmarc.destinations if one.consent is consent]


def _all_answered(facts: DomainFacts) -> None:
    """End inconclusive if the consent of a destination could not be told."""
    unknown = _with(facts, Consent.UNKNOWN)
    if unknown:
        raise Unobserved(unknown[0].why)
