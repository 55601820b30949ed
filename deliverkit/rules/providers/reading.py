"""What the rules about providers read: one named provider at a time, what it lacks, and the records to publish."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from deliverkit.data import Provider
from deliverkit.facts.base import Unobserved, needs
from deliverkit.facts.domain import DomainFacts
from deliverkit.facts.providers import Delegation, ProviderFacts
from deliverkit.findings import Draft, Evidence, RecordText, evidence_of
from deliverkit.protocols.spf.record import Modifier
from deliverkit.rules.registry import Findings


def each_named(facts: DomainFacts, judge: Callable[[ProviderFacts], Iterable[Draft]]) -> Findings:
    """Judge each provider the user named; one that could not be told must not hide what is wrong with another."""
    unknown: Unobserved | None = None
    named = [one for one in facts.providers.seen if one.via]
    needs(named or None)
    found = False
    for one in named:
        try:
            for draft in judge(one):
                found = True
                yield draft
        except Unobserved as why:
            unknown = why
    if unknown and not found:
        raise unknown


def elsewhere(p: Provider) -> bool:
    """True if mail through it carries a return path below or beside the domain, never the domain itself."""
    return bool(p.spf_needed) and not p.spf_needed.startswith("not when")


def lacks_spf(one: ProviderFacts) -> bool:
    return one.provider.spf_include is not None and not one.spf.there


def nothing(one: ProviderFacts) -> bool:
    """True if it is known that mail through the provider can align neither by SPF nor by DKIM."""
    if one.dkim == "unknown":
        raise Unobserved(next(d.answer.why() for d in one.delegations if d.state == "unknown"))
    known = not elsewhere(one.provider) or one.provider.mail_from is not None
    return known and one.dkim == "absent" and not one.others and lacks_spf(one)


def selectors_of(one: ProviderFacts) -> str:
    return ", ".join(d.selector for d in one.delegations)


def no_key(one: ProviderFacts) -> str:
    """At which of a provider's selectors no key stands; a record that holds none that can be used is one too."""
    usable = "usable " if any(d.answer.records for d in one.delegations) else ""
    return f"no {usable}key at {selectors_of(one)}"


def seen(delegations: Iterable[Delegation]) -> tuple[Evidence, ...]:
    """The answers at the provider's selectors, with the alias where there is one."""
    return tuple(
        Evidence("dns", d.name, "CNAME", " > ".join(d.answer.aliases), server=d.answer.server)
        if d.answer.aliases
        else evidence_of(d.answer)[0]
        for d in delegations
    )


def aliases(delegations: Iterable[Delegation]) -> tuple[RecordText, ...]:
    """The CNAME records to publish, where the data gives the whole target."""
    return tuple(
        RecordText(d.name, "CNAME", f"{d.target}.") for d in delegations if d.target is not None and "<" not in d.target
    )


def with_include(facts: DomainFacts, one: ProviderFacts) -> tuple[RecordText, ...]:
    """The SPF record with the provider's include behind the other mechanisms, in front of ``all``."""
    record = facts.spf.parsed
    if record is None or record.fatal or one.provider.spf_include is None:
        return ()
    new = f"include:{one.provider.spf_include}"
    terms = [
        term for term in record.terms if term.text.lstrip("+-~?").lower() != new
    ]  # it stood where it passes nobody
    end = next((n for n, t in enumerate(terms) if isinstance(t, Modifier) or t.name == "all"), len(terms))
    texts = [term.text for term in terms]
    texts.insert(end, new)
    return (RecordText(facts.name, "TXT", " ".join(["v=spf1", *texts])),)


def spf_evidence(facts: DomainFacts) -> tuple[Evidence, ...]:
    chosen = facts.spf.candidates
    return evidence_of(facts.spf.answer, chosen[0] if chosen else None)


def unconfirmed(p: Provider, *fields: str) -> str:
    """A remark where what the data says is not confirmed."""
    return (
        "" if all(p.confirmed(name) for name in fields) else " (to be checked in its console: our data is unconfirmed)"
    )


def shape(p: Provider) -> str:
    record = p.entry.get("dkim_record")
    return f" ({record})" if record else ""
