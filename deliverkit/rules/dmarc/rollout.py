"""How far a domain has come with DMARC: none with reports, then quarantine, then reject; and which step is the next.

A step is offered only where nothing speaks against it: SPF works, a DKIM key was found, reports have an address, and
the record is the domain's own. RFC 9989 has no percentage any more; t=y asks for one level less, and only of receivers
that know it.
"""

from __future__ import annotations

from deliverkit.facts.base import Missing, NotApplicable
from deliverkit.facts.domain import DomainFacts
from deliverkit.findings import RecordText, Severity, finding
from deliverkit.protocols.dmarc.record import DmarcRecord
from deliverkit.rules.dmarc.reading import evidence, rank, sends_nothing, stated_policy, with_reports
from deliverkit.rules.dmarc.repair import proposal
from deliverkit.rules.registry import Findings, rule


@rule("DMARC020", Severity.WARNING, "RFC 9989 §5.1.5")
def watching_without_reports(facts: DomainFacts) -> Findings:
    """The DMARC policy is none, and no reports are asked for.

    Why: p=none protects nobody; its one use is to collect reports, and there is no address for them.
    Fix: add rua=mailto: with an address of yours, read the reports for some weeks, then raise the policy.
    """
    record = stated_policy(facts)
    if record.p == "none" and not record.rua:
        at = evidence(facts.dmarc, [record.span("p")])
        yield finding("p=none without rua", at=at, records=with_reports(facts, record))


@rule("DMARC021", Severity.NOTE, "RFC 9989 §5.1.5")
def watching_only(facts: DomainFacts) -> Findings:
    """The DMARC policy is none: forged mail is reported, not stopped.

    Why: it is the right first step, but only quarantine or reject keeps others from sending in your name.
    Fix: when the reports of a month show your own mail aligned, publish p=quarantine, and a month later p=reject.
    """
    record = stated_policy(facts)
    if record.p != "none" or not record.rua:
        return
    at, lacking = evidence(facts.dmarc, [record.span("p")]), _lacking(facts)
    records: tuple[RecordText, ...] = ()
    if facts.dmarc.inherited:
        fix = f"the next step, p=quarantine, is taken at {facts.dmarc.discovery.record_domain}, for all names below it"
    elif sends_nothing(facts):
        fix = "SPF says that no mail comes from the domain, so none can be lost: publish p=reject at once"
        records = _step(facts, record, "reject")
    elif lacking:
        fix = f"before the next step, p=quarantine: {'; '.join(lacking)}"
    else:
        fix = (
            "next step: when the reports of a month show your own mail aligned, publish this record; a month later "
            "p=reject. With t=y beside it receivers that know RFC 9989 still do nothing, older ones already quarantine"
        )
        records = _step(facts, record, "quarantine")
    yield finding("p=none with reports: the first step of a rollout", at=at, fix=fix, records=records)


@rule("DMARC034", Severity.NOTE, "RFC 9989 §7.4")
def one_step_from_reject(facts: DomainFacts) -> Findings:
    """The DMARC policy is quarantine: forged mail is filed as junk, not refused.

    Why: the last step of a rollout is p=reject; until then people still find forged mail in their junk folder.
    Fix: when the reports of a month show none of your own mail failing, publish p=reject; stay at quarantine if people
    write to mailing lists from the domain, because lists break signatures.
    """
    record = stated_policy(facts)
    if record.p == "reject":
        return
    if record.p == "none" or record.t or not record.rua or facts.dmarc.inherited or _lacking(facts):
        raise NotApplicable
    yield finding(
        "p=quarantine with reports, and SPF and DKIM are in order: one step is left",
        at=evidence(facts.dmarc, [record.span("p")]),
        fix=(
            "next step: when the reports of a month show none of your own mail failing, publish this record; stay at "
            "quarantine if people write to mailing lists from the domain, because lists break signatures"
        ),
        records=_step(facts, record, "reject"),
    )


def _step(facts: DomainFacts, record: DmarcRecord, policy: str) -> tuple[RecordText, ...]:
    """The record with this policy. Test mode goes, and a subdomain policy that would stay behind."""
    behind = record.sp is not None and rank(record.sp) < rank(policy)
    return proposal(facts.dmarc, record, p=policy, t=None, **({"sp": None} if behind else {}))


def _lacking(facts: DomainFacts) -> list[str]:
    """What has to be in order before mail that fails DMARC may be stopped, as far as it was looked at."""
    spf, dkim = facts.raw("spf"), facts.raw("dkim")
    lacking = []
    if isinstance(spf, Missing) or isinstance(spf.raw("tree"), Missing):
        lacking.append("see whether SPF works (it was not looked at)")
    elif spf.tree is None:
        lacking.append("publish one SPF record")
    elif spf.tree.permerror:
        lacking.append("correct the SPF record, which is a permerror")
    if isinstance(dkim, Missing) or isinstance(dkim.raw("selectors"), Missing):
        lacking.append("see whether mail is signed (DKIM was not looked at)")
    elif not any(record.usable for one in dkim.selectors if one.answer.known for _, record in one.records):
        lacking.append("sign all mail with DKIM, or name the selector with --selector if it is signed")
    return lacking
