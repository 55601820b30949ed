"""Whether the SPF record lists the providers that mail leaves through, and whether anything is set up at all."""

from __future__ import annotations

from collections.abc import Iterable

from deliverkit.facts.domain import DomainFacts
from deliverkit.facts.providers import ProviderFacts
from deliverkit.facts.spf import ending
from deliverkit.findings import Draft, Severity, finding
from deliverkit.rules.providers.reading import (
    aliases,
    each_named,
    elsewhere,
    lacks_spf,
    no_key,
    nothing,
    seen,
    selectors_of,
    shape,
    spf_evidence,
    unconfirmed,
    with_include,
)
from deliverkit.rules.registry import Findings, rule


@rule("PROV001", Severity.ERROR, "RFC 9989 §4.4")
def provider_not_set_up(facts: DomainFacts) -> Findings:
    """Mail leaves through a provider that neither SPF nor DKIM of the domain knows.

    Why: SPF does not list it and no key of it stands at the selectors it uses, so nothing in its mail aligns with the
    domain in From: DMARC fails, and large receivers junk or refuse the mail.
    Fix: publish the DKIM records that the provider's console shows, and add its include where it needs one.
    """

    def judge(one: ProviderFacts) -> Iterable[Draft]:
        if not nothing(one):
            return
        p = one.provider
        missing = f"{selectors_of(one)} are not delegated" if p.dkim_cname else f"there is {no_key(one)}"
        said = missing if one.delegations else f"_domainkey.{facts.name} does not exist"
        yield finding(
            f"mail leaves through {p.name}, but SPF does not include {p.spf_include} and {said}"
            f"{unconfirmed(p, 'spf_include', 'dkim_selectors')}",
            at=(*spf_evidence(facts), *seen(one.delegations)),
            fix=f"Authenticate the domain in the console of {p.name} and publish what it shows{shape(p)}.",
            records=(*(() if elsewhere(p) else with_include(facts, one)), *aliases(one.delegations)),
        )

    yield from each_named(facts, judge)


@rule("PROV002", Severity.ERROR, "RFC 7208 §8.4")
def provider_refused_by_spf(facts: DomainFacts) -> Findings:
    """The SPF record refuses the mail of a provider that the domain sends through.

    Why: the provider sends with the domain in MAIL FROM, does not stand in the record, and the record ends in -all:
    receivers refuse or junk that mail.
    Fix: add the provider's include to the record.
    """

    def judge(one: ProviderFacts) -> Iterable[Draft]:
        if _certain(facts, one) and not nothing(one):
            yield _not_listed(facts, one, ", and the record ends in -all")

    yield from each_named(facts, judge)


def _certain(facts: DomainFacts, one: ProviderFacts) -> bool:
    """True if mail through the provider is known to carry the domain in MAIL FROM, and to fail by -all."""
    p = one.provider
    if not lacks_spf(one) or p.category != "mailbox" or p.spf_needed or not p.confirmed("spf_include"):
        return False
    tree = facts.spf.tree
    end = ending(tree.root) if tree else None
    return end is not None and end[1] == "-"


def _not_listed(facts: DomainFacts, one: ProviderFacts, more: str = "") -> Draft:
    p = one.provider
    return finding(
        f"SPF does not lead to include:{p.spf_include} of {p.name}, nor are all its addresses listed{more}"
        f"{unconfirmed(p, 'spf_include')}",
        at=spf_evidence(facts),
        fix=f"Add include:{p.spf_include} to the record.",
        records=with_include(facts, one),
    )


@rule("PROV003", Severity.WARNING, "RFC 7208 §8.5")
def provider_not_listed_in_spf(facts: DomainFacts) -> Findings:
    """The SPF record does not list a provider that the domain sends through.

    Why: where its mail carries the domain in MAIL FROM, SPF does not pass, and DMARC rests on DKIM alone or fails.
    Fix: add the provider's include to the record.
    """

    def judge(one: ProviderFacts) -> Iterable[Draft]:
        p = one.provider
        if facts.spf.parsed is None or not lacks_spf(one) or elsewhere(p) or nothing(one) or _certain(facts, one):
            return
        if p.category == "mailbox" or one.dkim not in ("in place", "unguessable"):
            yield _not_listed(facts, one)

    yield from each_named(facts, judge)


@rule("PROV004", Severity.NOTE, "RFC 7208 §2.4")
def provider_aligned_by_dkim_only(facts: DomainFacts) -> Findings:
    """A provider that the domain sends through is not in SPF.

    Why: sending services mostly put a domain of their own into MAIL FROM; then SPF passes for that domain and nothing
    need be listed here, but only DKIM aligns. With the domain itself in MAIL FROM, SPF would not pass.
    Fix: nothing, if the Return-Path of its mail shows another domain; otherwise add the provider's include.
    """

    def judge(one: ProviderFacts) -> Iterable[Draft]:
        p = one.provider
        if facts.spf.parsed is None or p.category == "mailbox" or not lacks_spf(one) or elsewhere(p):
            return
        automatic = p.spf_needed and any(
            d.state == "delegated" for d in one.signing
        )  # its own return path goes with it
        if one.dkim in ("in place", "unguessable") and not automatic:
            needed = f"; {p.spf_advice}" if p.spf_needed else ""
            yield finding(
                f"SPF does not lead to include:{p.spf_include} of {p.name}{needed}{unconfirmed(p, 'spf_needed')}",
                at=spf_evidence(facts),
                records=with_include(facts, one),
            )

    yield from each_named(facts, judge)
