"""What keeps a provider's mail from aligning with the domain in From."""

from __future__ import annotations

from collections.abc import Iterable

from deliverkit.facts.base import Unobserved, needs
from deliverkit.facts.domain import DomainFacts
from deliverkit.facts.providers import ProviderFacts
from deliverkit.findings import Draft, RecordText, Severity, evidence_of, finding
from deliverkit.flow import Status
from deliverkit.rules.providers.reading import (
    each_named,
    nothing,
    unconfirmed,
)
from deliverkit.rules.registry import Findings, rule


@rule("PROV012", Severity.NOTE, "RFC 9989 §4.4.2")
def provider_return_path_lacking(facts: DomainFacts) -> Findings:
    """The return path that would align a provider's mail by SPF is not set up.

    Why: without it the bounces of this provider go to a domain of its own: SPF passes there, and only DKIM aligns with
    the domain in From.
    Fix: publish the return path that the provider's console shows.
    """

    def judge(one: ProviderFacts) -> Iterable[Draft]:
        p = one.provider
        if p.mail_from is None or one.mail_from is None or one.spf.how == "mail-from" or nothing(one):
            return
        if not one.mail_from.known:
            raise Unobserved(one.mail_from.why())
        name, target = one.mail_from.question.name, p.mail_from[1]
        lacks = f"is not an alias of {target}" if target else f"has no SPF record with include:{p.spf_include}"
        free = one.mail_from.status is Status.NXDOMAIN
        yield finding(
            f"{name} {lacks}, the return path of {p.name}{unconfirmed(p, 'spf_needed')}",
            at=evidence_of(one.mail_from),
            fix=None if free else f"Compare {name} with the provider's console.",
            records=(RecordText(name, "CNAME", f"{target}."),) if free and target else (),
        )

    yield from each_named(facts, judge)


@rule("PROV013", Severity.NOTE, "RFC 9989 §4.4.2")
def strict_alignment_shuts_out_return_path(facts: DomainFacts) -> Findings:
    """Strict SPF alignment shuts out the return path of a provider.

    Why: the provider's return path is a subdomain; with aspf=s only the very domain in From aligns, so DMARC rests on
    DKIM alone for this mail.
    Fix: leave aspf=s out, or make sure that the provider signs with d= equal to the domain in From.
    """

    def judge(one: ProviderFacts) -> Iterable[Draft]:
        p = one.provider
        record = needs(facts.dmarc.record)
        if p.spf_needed and record.aspf == "s":
            step = facts.dmarc.step
            yield finding(
                f"aspf=s, but MAIL FROM of {p.name} is another domain, and SPF is {p.spf_advice}"
                f"{unconfirmed(p, 'spf_needed')}",
                at=evidence_of(step.answer, step.index, span=record.span("aspf")) if step else (),
            )

    yield from each_named(facts, judge)


@rule("PROV014", Severity.WARNING, "RFC 9989 §4.4")
def provider_for_its_own_domains(facts: DomainFacts) -> Findings:
    """A provider that the domain sends through serves its own domains only.

    Why: it signs with its own domain and puts the account's address into MAIL FROM, and often into From as well; mail
    in the name of another domain cannot align, so DMARC fails or From is rewritten.
    Fix: send with the account's own address in From, or through a service that can authenticate your domain.
    """

    def judge(one: ProviderFacts) -> Iterable[Draft]:
        if one.personal:
            p = one.provider
            demand = p.entry.get("from_rule")
            told = f"; of From it demands: {demand}{unconfirmed(p, 'from_rule')}" if demand else ""
            yield finding(
                f"{p.name} has accounts at {', '.join(p.domains[:3])}, and we know no include and no selectors "
                f"of it for {facts.name}{told}"
            )

    yield from each_named(facts, judge)
