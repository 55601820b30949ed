"""What changes for a domain as receivers move from the public suffix list (RFC 7489) to the tree walk (RFC 9989)."""

from __future__ import annotations

from deliverkit.facts.base import Missing, NotApplicable, Unobserved
from deliverkit.facts.domain import DomainFacts
from deliverkit.findings import Draft, RecordText, Severity, evidence_of, finding
from deliverkit.names import within
from deliverkit.protocols.dmarc.discover import Discovery
from deliverkit.protocols.dmarc.record import DmarcRecord
from deliverkit.protocols.dmarc.suffixes import SuffixAnswer
from deliverkit.rules.dmarc.reading import evidence
from deliverkit.rules.dmarc.repair import mended, proposal, rewritten
from deliverkit.rules.registry import Findings, rule


@rule("DMARC032", Severity.NOTE, "RFC 9989 §4.10, RFC 7489 §3.2, §6.6.3")
def public_suffix_list_finds_otherwise(facts: DomainFacts) -> Findings:
    """Receivers that still use the public suffix list treat the domain differently.

    Why: RFC 9989 replaced the list by the DNS Tree Walk in 2026, and receivers move over one by one; until then the
    same mail meets two policies, or aligns at one receiver and not at the next.
    Fix: publish records so that both methods find the same: one at the domain itself, and one at the domain that the
    list calls the Organizational Domain.
    """
    suffix, record, org_domain = facts.dmarc.suffix, facts.dmarc.record, facts.dmarc.org_domain
    if suffix.trouble:
        raise Unobserved(suffix.trouble)
    if record is None and suffix.record is None:
        raise NotApplicable
    if "." not in (org_domain or ""):  # DMARC030 tells of a record at a top-level domain
        return
    discovery = facts.dmarc.discovery
    if discovery.record_domain != suffix.record_domain:
        yield _other_record(facts, discovery, suffix)
    elif org_domain != suffix.org_domain and record is not None and not (record.adkim == record.aspf == "s"):
        yield _other_alignment(facts, record, str(org_domain), suffix)


def _other_record(facts: DomainFacts, discovery: Discovery, suffix: SuffixAnswer) -> Draft:
    """The walk reads one record, the list another or none: a record at the domain itself is read by both."""
    new, old = (
        _said(d, p) for d, p in ((discovery.record_domain, discovery.published), (suffix.record_domain, suffix.policy))
    )
    record = discovery.record or suffix.record
    assert record is not None  # the caller looked
    policy, mx = discovery.published or suffix.policy, facts.raw("mx")
    receives = isinstance(mx, Missing) or not mx.answer.known or mx.receives or mx.implicit
    rua = f"mailto:dmarc@{facts.name}" if receives else None  # another's address would need its consent (RFC 9990 §4)
    tags = rewritten(mended(record.text), p=policy, sp=None, np=None, psd=None, rua=rua, ruf=None)
    return finding(
        f"the tree walk finds {new}; the list leads to {suffix.org_domain} and finds {old}",
        at=evidence(facts.dmarc) or evidence_of(facts.dmarc.answer),
        fix="Publish a record at the domain itself: both methods read it first.",
        records=(RecordText(f"_dmarc.{facts.name}", "TXT", tags),),
    )


def _said(domain: str | None, policy: str | None) -> str:
    return "no record" if domain is None else f"{policy or 'no policy'} of _dmarc.{domain}"


def _other_alignment(facts: DomainFacts, record: DmarcRecord, org_domain: str, suffix: SuffixAnswer) -> Draft:
    """The same record, but another circle of domains whose signatures and return paths align."""
    where = evidence(facts.dmarc)
    said = f"the Organizational Domain is {org_domain} by the tree walk and {suffix.org_domain} by the list"
    if within(suffix.org_domain, org_domain):  # the walk goes further up than the list
        return finding(
            f"{said}: mail that others below {org_domain} sign aligns only by the walk",
            at=where,
            fix="Publish psd=n in your own record: the walk then ends there, as the list does.",
            records=proposal(facts.dmarc, record, psd="n") if not facts.dmarc.inherited else (),
        )
    circle = f"{said}: what other names of {suffix.org_domain} sign or return to aligns only by the list"
    if record.psd == "n":
        return finding(
            circle,
            at=where,
            fix="Sign with d= and return to the domain itself, or leave psd=n out: the list knows no psd.",
            records=proposal(facts.dmarc, record, psd=None),
        )
    return finding(
        circle,
        at=where,
        fix=f"Publish a DMARC record at {suffix.org_domain} as well (p=none at first), or sign with d= and return to "
        f"{facts.name} itself.",
        records=(RecordText(f"_dmarc.{suffix.org_domain}", "TXT", "v=DMARC1; p=none"),),
    )
