"""What the DMARC record in force asks for: gaps below the domain, test mode, psd. How strict it is: `rollout`."""

from __future__ import annotations

from deliverkit.facts.base import NotApplicable, needs
from deliverkit.facts.domain import DomainFacts
from deliverkit.findings import Severity, finding
from deliverkit.names import labels
from deliverkit.rules.dmarc.reading import evidence, rank, sends_nothing, stated_policy
from deliverkit.rules.dmarc.repair import proposal
from deliverkit.rules.registry import Findings, rule


@rule("DMARC022", Severity.WARNING, "RFC 9989 §4.7")
def subdomains_weaker(facts: DomainFacts) -> Findings:
    """The DMARC policy for subdomains is weaker than that for the domain.

    Why: whoever wants to forge the domain takes any subdomain instead.
    Fix: remove sp, so that p covers the subdomains, or raise it to the same policy.
    """
    record = stated_policy(facts)
    if record.sp and record.p and rank(record.sp) < rank(record.p) and _at_the_top(facts):
        yield finding(
            f"sp={record.sp} although p={record.p}",
            at=evidence(facts.dmarc, [record.span("sp")]),
            records=proposal(facts.dmarc, record, sp=None),
        )


@rule("DMARC023", Severity.WARNING, "RFC 9989 §4.7")
def nonexistent_subdomains_weaker(facts: DomainFacts) -> Findings:
    """The DMARC policy for subdomains that do not exist is weaker than that for those that do.

    Why: no honest mail comes from a name that does not exist; np is there to be stricter, never laxer.
    Fix: publish np=reject.
    """
    record = stated_policy(facts)
    below, tag = record.asked("sp")
    if record.np and rank(record.np) < rank(below) and _at_the_top(facts):
        yield finding(
            f"np={record.np} although {tag}={below}",
            at=evidence(facts.dmarc, [record.span("np")]),
            records=proposal(facts.dmarc, record, np="reject"),
        )


@rule("DMARC024", Severity.NOTE, "RFC 9989 §4.7")
def nonexistent_subdomains_open(facts: DomainFacts) -> Findings:
    """Mail from subdomains that do not exist is not rejected.

    Why: nothing honest is sent from them, so np=reject costs nothing, even while p is still none.
    Fix: add np=reject; receivers that do not know np yet ignore it.
    """
    record = stated_policy(facts)
    policy, tag = record.asked("np")
    weaker = record.sp is not None and record.p is not None and rank(record.sp) < rank(record.p)  # DMARC022
    if record.np is None and policy != "reject" and not weaker and _at_the_top(facts):
        yield finding(
            f"np is absent, so {tag}={policy} covers them",
            at=evidence(facts.dmarc),
            records=proposal(facts.dmarc, record, np="reject"),
        )


@rule("DMARC025", Severity.WARNING, "RFC 9989 §4.7")
def test_mode(facts: DomainFacts) -> Findings:
    """The DMARC record is in test mode.

    Why: t=y asks receivers for one level less than the policy says, while those on RFC 7489 ignore t and apply it all.
    Fix: remove t when the reports show your mail aligned; until then publish the policy you want applied.
    """
    record = stated_policy(facts)
    discovery = facts.dmarc.discovery
    if record.t and record.p != "none":
        published = discovery.published or record.p or ""
        applied = discovery.policy or "none"
        yield finding(
            f"t=y: {published} is published, {applied} is asked for",
            at=evidence(facts.dmarc, [record.span("t")]),
            records=proposal(facts.dmarc, record, t=None),
        )


@rule("DMARC026", Severity.WARNING, "RFC 9989 §4.7")
def public_suffix_claimed(facts: DomainFacts) -> Findings:
    """The DMARC record calls a domain that takes mail a Public Suffix Domain.

    Why: psd=y is for registries such as a top-level domain; it makes each subdomain an organization of its own, so
    mail from a subdomain that is signed by the domain no longer aligns.
    Fix: remove psd=y.
    """
    record = stated_policy(facts)
    dmarc = facts.dmarc
    ordinary = len(labels(facts.name)) > 1 and dmarc.discovery.record_domain == facts.name
    if record.psd == "y" and ordinary and dmarc.takes_mail:
        at, records = evidence(dmarc, [record.span("psd")]), proposal(dmarc, record, psd=None)
        yield finding(f"psd=y at {facts.name}, which has MX records", at=at, records=records)


@rule("DMARC027", Severity.NOTE, "RFC 9989 §4.7")
def cut_off_from_above(facts: DomainFacts) -> Findings:
    """The DMARC record makes its domain an Organizational Domain by psd=n.

    Why: the tree walk ends there: mail signed by the domain above does not align with this one. It is seldom needed.
    Fix: remove psd=n unless the domain above publishes a record and is not your organization.
    """
    record = stated_policy(facts)
    if record.psd == "n":
        where = facts.dmarc.discovery.record_domain
        at, records = evidence(facts.dmarc, [record.span("psd")]), proposal(facts.dmarc, record, psd=None)
        yield finding(f"psd=n at {where}: nothing above it is looked at", at=at, records=records)


@rule("DMARC028", Severity.NOTE, "RFC 9989 §4.7")
def subdomain_policy_without_effect(facts: DomainFacts) -> Findings:
    """The DMARC record of a subdomain has policies for subdomains, which nobody reads there.

    Why: names below it take their policy from the Organizational Domain, never from a record in between.
    Fix: remove sp and np here; publish them at the Organizational Domain, or a record at each name.
    """
    record = stated_policy(facts)
    written = [name for name in ("sp", "np") if record.tags.get(name)]
    if written and facts.dmarc.discovery.record_domain == facts.name and not _at_the_top(facts):
        yield finding(
            f"{' and '.join(written)} at {facts.name}, whose Organizational Domain is {facts.dmarc.org_domain}",
            at=evidence(facts.dmarc, [record.span(name) for name in written]),
            records=proposal(facts.dmarc, record, sp=None, np=None),
        )


@rule("DMARC029", Severity.NOTE, "RFC 9989 §4.10.1")
def inherited_policy(facts: DomainFacts) -> Findings:
    """The DMARC policy of the domain comes from a record further up.

    Why: that is how DMARC works; it means that reports and every change of the policy are decided there.
    Fix: nothing, or publish a record at the domain itself if it is to have a policy of its own.
    """
    dmarc = facts.dmarc
    stated_policy(facts)
    if dmarc.inherited:
        needs(dmarc.policy)
        discovery = dmarc.discovery
        yield finding(
            f"{discovery.taken_from}={discovery.published} of _dmarc.{discovery.record_domain} applies to {facts.name}",
            at=evidence(dmarc),
        )


@rule("DMARC030", Severity.WARNING, "RFC 9989 §4.10.2")
def organization_too_wide(facts: DomainFacts) -> Findings:
    """The Organizational Domain comes out as a top-level domain.

    Why: a record at the top-level domain without psd=y makes every domain below it one organization, so mail that a
    stranger there signs aligns with yours.
    Fix: publish psd=n in your own record until the registry corrects its own.
    """
    record = stated_policy(facts)
    org_domain = facts.dmarc.org_domain
    if org_domain and "." not in org_domain and "." in facts.name:
        yield finding(
            f"the walk from {facts.name} ends at a record of {org_domain} without psd=y",
            at=evidence(facts.dmarc),
            records=proposal(facts.dmarc, record, psd="n") if not facts.dmarc.inherited else (),
        )


@rule("DMARC031", Severity.NOTE, "RFC 9989 §7.4")
def reject_without_dkim(facts: DomainFacts) -> Findings:
    """The DMARC policy is reject, but no DKIM key was found.

    Why: SPF alone breaks when mail is forwarded, and with p=reject such mail is lost; a domain at reject must sign.
    Fix: sign all mail with DKIM; if it is signed already, name the selector so that its key can be checked.
    """
    stated_policy(facts)
    if facts.dmarc.discovery.published != "reject" or facts.parked or sends_nothing(facts):
        raise NotApplicable
    dkim = facts.dkim
    if not any(record.public_key for one in dkim.selectors for _, record in one.records):
        how_far = "there is none" if dkim.scan.nothing_below else f"{len(dkim.scan.tried)} usual selectors were tried"
        yield finding(f"no DKIM key of {facts.name} was found: {how_far}", at=evidence(facts.dmarc))


def _at_the_top(facts: DomainFacts) -> bool:
    """True if the record stands where sp and np are read: at the Organizational Domain or above it."""
    return facts.dmarc.inherited or facts.dmarc.discovery.record_domain == facts.dmarc.org_domain
