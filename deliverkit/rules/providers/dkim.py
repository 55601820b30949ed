"""Whether the providers that mail leaves through have their DKIM selectors at the domain."""

from __future__ import annotations

from collections.abc import Iterable

from deliverkit.facts.domain import DomainFacts
from deliverkit.facts.providers import ProviderFacts
from deliverkit.findings import Draft, Severity, finding
from deliverkit.names import key
from deliverkit.rules.providers.reading import (
    aliases,
    each_named,
    no_key,
    nothing,
    seen,
    shape,
    unconfirmed,
)
from deliverkit.rules.registry import Findings, rule


@rule("PROV005", Severity.WARNING, "RFC 6376 §3.6.2.1")
def provider_does_not_sign(facts: DomainFacts) -> Findings:
    """No DKIM key of a provider that the domain sends through was found.

    Why: without a key of the domain the provider signs with its own domain or not at all; DMARC then rests on SPF,
    which does not survive forwarding.
    Fix: publish the DKIM records that the provider's console shows, and switch signing on there.
    """

    def judge(one: ProviderFacts) -> Iterable[Draft]:
        p = one.provider
        if one.dkim != "absent" or one.others or one.personal or nothing(one):
            return
        asked = no_key(one) if one.delegations else f"_domainkey.{facts.name} does not exist"
        yield finding(
            f"{p.name}: {asked}{unconfirmed(p, 'dkim_selectors', 'dkim_record')}",
            at=seen(one.delegations),
            fix=f"Publish what the console shows{shape(p)}. If another selector is in use, name it with --selector.",
            records=aliases(one.delegations),
        )

    yield from each_named(facts, judge)


@rule("PROV006", Severity.WARNING, "RFC 6376 §3.6.2.1")
def provider_delegation_leads_nowhere(facts: DomainFacts) -> Findings:
    """The DKIM aliases of a provider that the domain sends through lead to no key.

    Why: the CNAME is published, but nothing stands at its target: the domain was removed from the account, signing was
    never switched on, or the target is misspelt. Signatures fail.
    Fix: compare the target with the provider's console, and switch DKIM on there.
    """

    def judge(one: ProviderFacts) -> Iterable[Draft]:
        if one.dkim != "dangling":
            return
        dead = [d for d in one.delegations if d.state == "dangling"]
        said = "; ".join(f"{d.name} is an alias of {d.answer.aliases[-1]} ({d.answer.status})" for d in dead)
        wrong = [
            d for d in dead if d.target and "<" not in d.target and key(d.target) not in map(key, d.answer.aliases)
        ]
        yield finding(f"{one.provider.name}: {said}", at=seen(dead), records=aliases(wrong))

    yield from each_named(facts, judge)


@rule("PROV007", Severity.WARNING, "RFC 6376 §3.1")
def provider_half_delegated(facts: DomainFacts) -> Findings:
    """Only a part of a provider's DKIM aliases is published.

    Why: the provider changes its keys by going from one selector to the next; the day it does, signatures fail.
    Fix: publish all the aliases that the provider's console shows.
    """

    def judge(one: ProviderFacts) -> Iterable[Draft]:
        pairs = {selector for selector, _ in one.provider.dkim_cname}
        lacking = [d for d in one.delegations if d.state == "absent" and d.selector in pairs]
        there = [d for d in one.delegations if d.state in ("delegated", "dangling") and d.selector in pairs]
        if lacking and any(d.usable for d in there):
            names = (", ".join(d.selector for d in some) for some in (there, lacking))
            yield finding(
                f"{one.provider.name}: {next(names)} delegated, {next(names)} not"
                f"{unconfirmed(one.provider, 'dkim_record')}",
                at=seen((*there, *lacking)),
                records=aliases(lacking),
            )

    yield from each_named(facts, judge)


@rule("PROV009", Severity.NOTE, "RFC 6376 §3.1")
def provider_selectors_unknown(facts: DomainFacts) -> Findings:
    """The DKIM selectors of a provider that the domain sends through cannot be guessed.

    Why: the provider gives every customer selectors of its own, so whether it signs for the domain could not be looked
    up.
    Fix: name the selector with --selector: the value of s= in the DKIM-Signature field of a message sent through it.
    """

    def judge(one: ProviderFacts) -> Iterable[Draft]:
        if one.provider.category not in ("esp", "mailbox") or one.personal:
            return
        if one.dkim == "unguessable" and not facts.dkim.given:
            note = one.provider.entry.get("dkim_note") or one.provider.entry.get("dkim_record")
            yield finding(f"{one.provider.name}: {note or 'its selectors are not known'}")

    yield from each_named(facts, judge)
