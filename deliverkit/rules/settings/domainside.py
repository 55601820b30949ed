"""The domain side of an application's mail: whether receivers will believe that this provider sends for the domain."""

from __future__ import annotations

from deliverkit.facts.base import needs
from deliverkit.facts.ladder import DomainSide
from deliverkit.findings import RecordText, Severity, finding
from deliverkit.rules.registry import Findings, rule


@rule("SET117", Severity.WARNING, "RFC 7208 §5.2")
def spf_without_the_provider(facts: DomainSide) -> Findings:
    """The From domain's SPF record does not include the provider the application sends through.

    Why: mail sent through the provider does not pass SPF for the domain, so that DKIM alone has to carry DMARC.
    Fix: add the provider's include to the SPF record.
    """
    include = needs(facts.include)
    if not facts.included:
        told = f"{facts.domain}: {facts.record or 'no SPF record'}, without include:{include} of {facts.provider.name}"
        record = None if facts.record else RecordText(facts.domain, "TXT", f"v=spf1 include:{include} ~all")
        yield finding(
            told,
            fix=f"Add include:{include} before the all of the SPF record of {facts.domain}.",
            records=(record,) if record else (),
        )


@rule("SET118", Severity.NOTE, "RFC 6376 §3.6.2.1")
def dkim_key_of_the_provider_not_published(facts: DomainSide) -> Findings:
    """No DKIM key stands where the provider's keys usually are.

    Why: without a key of the domain the provider signs with a domain of its own, which does not align with From.
    Fix: switch DKIM on for the domain at the provider and publish the records it shows.
    """
    if needs(facts.selectors or None) and not facts.published:
        names = ", ".join(f"{selector}._domainkey.{facts.domain}" for selector in facts.selectors)
        yield finding(f"no key at {names} ({facts.provider.name})")


@rule("SET119", Severity.ERROR, "RFC 9989 §5.3")
def dmarc_that_nothing_can_pass(facts: DomainSide) -> Findings:
    """The domain's DMARC policy asks for quarantine or rejection, and nothing of this mail aligns with it.

    Why: SPF does not include the provider and no DKIM key of the domain is published: neither can pass for From.
    Fix: publish the provider's DKIM records for the domain, and include the provider in SPF.
    """
    needs(facts.policy)
    needs((facts.include and facts.selectors) or None)
    if facts.policy in ("quarantine", "reject") and not facts.included and not facts.published:
        yield finding(
            f"{facts.domain} has p={facts.policy}, and mail through {facts.provider.name} has no aligned pass"
        )
