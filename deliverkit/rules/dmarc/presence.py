"""Whether a DMARC record applies to the domain at all, and why not."""

from __future__ import annotations

from deliverkit.facts.base import Missing, NotApplicable, needs
from deliverkit.facts.dmarc import DmarcFacts
from deliverkit.facts.domain import DomainFacts
from deliverkit.findings import RecordText, Severity, evidence_of, finding, standing
from deliverkit.flow import Status
from deliverkit.protocols.dmarc.discover import Step
from deliverkit.protocols.dmarc.record import DmarcRecord
from deliverkit.protocols.fault import Fault
from deliverkit.rules.dmarc.reading import cut_short, evidence, listed, of_faults
from deliverkit.rules.dmarc.repair import addresses, proposal, repaired, rewritten
from deliverkit.rules.registry import Findings, rule


@rule("DMARC001", Severity.ERROR, "RFC 9989 §4.10.1")
def no_record(facts: DomainFacts) -> Findings:
    """A domain that takes mail has no DMARC record.

    Why: anybody can send mail in its name, and large receivers refuse or junk bulk mail from domains without DMARC.
    Fix: publish a record that only asks for reports, then raise the policy once the reports show your mail aligned.
    """
    if _nothing(facts.dmarc) and facts.dmarc.takes_mail:
        yield finding(
            f"no DMARC record at {_asked(facts.dmarc)}{_instead(facts.dmarc)}",
            at=evidence_of(facts.dmarc.answer),
            records=(_record(facts, f"v=DMARC1; p=none; rua=mailto:dmarc@{facts.name}"),),
        )


@rule("DMARC002", Severity.WARNING, "RFC 9989 §4.10.1")
def no_record_without_mail(facts: DomainFacts) -> Findings:
    """A domain that takes no mail has no DMARC record.

    Why: a domain without an MX can be forged in From like any other, and nobody tells you.
    Fix: publish p=reject if the domain sends nothing; otherwise start with p=none and a report address.
    """
    mx = facts.dmarc.mx
    if _nothing(facts.dmarc) and mx is not None and mx.status is not Status.NXDOMAIN and not facts.dmarc.takes_mail:
        yield finding(
            f"no DMARC record at {_asked(facts.dmarc)}{_instead(facts.dmarc)}",
            at=evidence_of(facts.dmarc.answer),
            records=() if _sends(facts) else (_record(facts, "v=DMARC1; p=reject"),),
        )


def _sends(facts: DomainFacts) -> bool:
    """True if something shows that mail leaves in the domain's name: it would be lost under p=reject if unsigned."""
    spf = facts.raw("spf")
    authorised = not isinstance(spf, Missing) and spf.answer.known and spf.parsed is not None
    return bool(facts.sends_from) or (authorised and any(d.name != "all" for d in spf.parsed.directives))


@rule("DMARC003", Severity.ERROR, "RFC 9989 §4.5")
def record_in_the_wrong_place(facts: DomainFacts) -> Findings:
    """A DMARC record stands at a name where nobody looks for it.

    Why: receivers ask for TXT at _dmarc below the domain and nowhere else.
    Fix: move the record to _dmarc; many DNS editors append the domain themselves, so enter only "_dmarc" there.
    """
    for stray in facts.dmarc.misplaced:
        yield finding(
            f"the record stands at {stray.name}, {stray.mistake}, and there is none at _dmarc.{facts.name}",
            at=evidence_of(stray.answer, stray.index),
            records=(_record(facts, stray.text),),
            removes=standing(stray.answer, stray.index),
        )


@rule("DMARC004", Severity.ERROR, "RFC 9989 §4.10")
def several_records(facts: DomainFacts) -> Findings:
    """There are several DMARC records at one name.

    Why: receivers discard all of them, so the domain is as unprotected as without any.
    Fix: merge them into one record; several report addresses stand in one rua, separated by commas.
    """
    for step in _decisive(facts.dmarc):
        if len(step.records) > 1:
            yield finding(
                f"{len(step.records)} DMARC records at {step.name}",
                at=tuple(e for index in step.indexes for e in evidence_of(step.answer, index)),
                records=(RecordText(step.name, "TXT", _merged(step.records)),),
            )


@rule("DMARC005", Severity.ERROR, "RFC 9989 §4.7")
def record_ignored(facts: DomainFacts) -> Findings:
    """A record is meant for DMARC, but receivers ignore it.

    Why: a record must begin with v=DMARC1, in capitals and with nothing before it; anything else is no DMARC record.
    Fix: publish the record beginning with "v=DMARC1;", without quotation marks or backslashes of your own.
    """
    own = facts.dmarc.own
    if any(record.version_ok for _, record in own):
        return
    for index, record in own:
        fault = next(fault for fault in record.faults if fault.kind == "version")
        better = repaired(record.text)
        yield finding(
            f"{fault.detail}: receivers ignore the record",
            at=evidence_of(facts.dmarc.answer, index, span=fault.span),
            records=(_record(facts, better),) if better else (),
        )


@rule("DMARC006", Severity.ERROR, "RFC 9989 §4.10.1")
def policy_and_report_address_missing(facts: DomainFacts) -> Findings:
    """The DMARC record states neither a valid policy nor a report address.

    Why: receivers then apply no DMARC at all.
    Fix: state a policy: p=none, p=quarantine or p=reject.
    """
    dmarc = facts.dmarc
    record = needs(dmarc.record)
    if not record.applies:
        wrong = [*record.faults_of("invalid-policy", "missing-semicolon"), *_invalid_addresses(record)]
        yield finding(
            listed(wrong) or f"the record has no p tag and no rua tag{cut_short(record.text)}",
            at=of_faults(dmarc, wrong) or evidence(dmarc),
            records=proposal(dmarc, record),
        )


@rule("DMARC007", Severity.WARNING, "RFC 9989 §4.10.1")
def policy_falls_back_to_none(facts: DomainFacts) -> Findings:
    """The DMARC record has no valid policy, so it counts as p=none.

    Why: with a report address receivers act as if it said p=none, for subdomains too; older ones ignore the record.
    Fix: state the policy you mean: p=none, p=quarantine or p=reject, and the same words in sp and np.
    """
    dmarc = facts.dmarc
    record = needs(dmarc.record)
    if not record.applies:
        raise NotApplicable
    if not record.policy_valid:
        wrong = record.faults_of("invalid-policy", "missing-semicolon")
        yield finding(
            listed(wrong) or "the record has no p tag",
            at=of_faults(dmarc, wrong) or evidence(dmarc),
            records=proposal(dmarc, record),
        )


@rule("DMARC008", Severity.WARNING, "RFC 1034 §3.6.2")
def alias_beside_record(facts: DomainFacts) -> Findings:
    """A CNAME and a TXT record stand at the same _dmarc name.

    Why: DNS forbids it; whether a receiver sees the record or the alias depends on its resolver.
    Fix: delete one of the two: the alias if you keep your own record, the record if a provider hosts it.
    """
    alias = facts.dmarc.alias
    if alias is not None:
        yield finding(
            f"_dmarc.{facts.name} is an alias of {alias.records[0]} and has TXT records as well",
            at=(*evidence_of(alias), *evidence_of(facts.dmarc.answer)),
        )


def _nothing(dmarc: DmarcFacts) -> bool:
    """True if no record applies and no other rule tells why."""
    explained = dmarc.own or dmarc.misplaced or any(len(step.records) > 1 for step in dmarc.discovery.steps)
    return dmarc.record is None and not explained


def _decisive(dmarc: DmarcFacts) -> list[Step]:
    """The steps at which several records change the outcome: the domain's own, and any if no record applies."""
    steps = dmarc.discovery.steps
    own = dmarc.own  # raises Unobserved when nobody could tell
    return list(steps) if dmarc.record is None else [step for step in steps[:1] if own]


def _asked(dmarc: DmarcFacts) -> str:
    names = [step.name for step in dmarc.discovery.steps]
    return names[0] if len(names) == 1 else f"{names[0]} or above ({', '.join(names[1:])})"


def _instead(dmarc: DmarcFacts) -> str:
    """What answers in its place, if anything does."""
    if dmarc.wildcard:
        return f"; what answers there is the wildcard *.{dmarc.domain}"
    step = next((step for step in dmarc.discovery.steps if step.answer.status is Status.OK), None)
    return f"; {step.name} holds {step.seen}" if step else ""


def _record(facts: DomainFacts, text: str) -> RecordText:
    return RecordText(f"_dmarc.{facts.name}", "TXT", text)


def _merged(records: tuple[DmarcRecord, ...]) -> str:
    """One record out of several: the first with a policy, reporting to all addresses of all."""
    best = next((record for record in records if record.policy_valid), records[0])
    return rewritten(best, rua=addresses(tuple(uri for record in records for uri in record.rua)))


def _invalid_addresses(record: DmarcRecord) -> list[Fault]:
    return [fault for uri in record.rua for fault in uri.faults if fault.fatal]
