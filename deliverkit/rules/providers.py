"""What the providers of a domain need in its DNS: an include, selectors, a return path; and what is left of old ones.

What is said of a provider that the user named (``--via``) may be grave; what was merely recognised is worth a note at
most. Where ``data/providers.toml`` calls a field unconfirmed, the words say so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from deliverkit.data import Provider
from deliverkit.facts.base import Missing, NotApplicable, Unobserved, needs
from deliverkit.facts.domain import DomainFacts
from deliverkit.facts.providers import Delegation, ProviderFacts
from deliverkit.facts.spf import ending
from deliverkit.findings import Draft, Evidence, RecordText, Severity, evidence_of, finding
from deliverkit.names import key, within
from deliverkit.protocols.spf.record import Modifier, parse_record
from deliverkit.rules.registry import Findings, rule


def _named(facts: DomainFacts, judge: Callable[[ProviderFacts], Iterable[Draft]]) -> Findings:
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


def _elsewhere(p: Provider) -> bool:
    """True if mail through it carries a return path below or beside the domain, never the domain itself."""
    return bool(p.spf_needed) and not p.spf_needed.startswith("not when")


def _lacks_spf(one: ProviderFacts) -> bool:
    return one.provider.spf_include is not None and not one.spf.there


def _nothing(one: ProviderFacts) -> bool:
    """True if it is known that mail through the provider can align neither by SPF nor by DKIM."""
    if one.dkim == "unknown":
        raise Unobserved(next(d.answer.why() for d in one.delegations if d.state == "unknown"))
    known = not _elsewhere(one.provider) or one.provider.mail_from is not None
    return known and one.dkim == "absent" and not one.others and _lacks_spf(one)


def _selectors(one: ProviderFacts) -> str:
    return ", ".join(d.selector for d in one.delegations)


def _seen(delegations: Iterable[Delegation]) -> tuple[Evidence, ...]:
    """The answers at the provider's selectors, with the alias where there is one."""
    return tuple(
        Evidence("dns", d.name, "CNAME", " > ".join(d.answer.aliases), server=d.answer.server)
        if d.answer.aliases
        else evidence_of(d.answer)[0]
        for d in delegations
    )


def _aliases(delegations: Iterable[Delegation]) -> tuple[RecordText, ...]:
    """The CNAME records to publish, where the data gives the whole target."""
    return tuple(
        RecordText(d.name, "CNAME", f"{d.target}.") for d in delegations if d.target is not None and "<" not in d.target
    )


def _with_include(facts: DomainFacts, one: ProviderFacts) -> tuple[RecordText, ...]:
    """The SPF record with the provider's include behind the other mechanisms, in front of ``all``."""
    record = facts.spf.parsed
    if record is None or record.fatal or one.provider.spf_include is None:
        return ()
    terms = [term.text for term in record.terms]
    end = next((n for n, t in enumerate(record.terms) if isinstance(t, Modifier) or t.name == "all"), len(terms))
    terms.insert(end, f"include:{one.provider.spf_include}")
    return (RecordText(facts.name, "TXT", " ".join(["v=spf1", *terms])),)


def _spf_evidence(facts: DomainFacts) -> tuple[Evidence, ...]:
    chosen = facts.spf.candidates
    return evidence_of(facts.spf.answer, chosen[0] if chosen else None)


def _unconfirmed(p: Provider, *fields: str) -> str:
    """A remark where what the data says is not confirmed."""
    return (
        "" if all(p.confirmed(name) for name in fields) else " (to be checked in its console: our data is unconfirmed)"
    )


@rule("PROV001", Severity.ERROR, "RFC 9989 §4.4")
def provider_not_set_up(facts: DomainFacts) -> Findings:
    """Mail leaves through a provider that neither SPF nor DKIM of the domain knows.

    Why: SPF does not list it and no key of it stands at the selectors it uses, so nothing in its mail aligns with the
    domain in From: DMARC fails, and large receivers junk or refuse the mail.
    Fix: publish the DKIM records that the provider's console shows, and add its include where it needs one.
    """

    def judge(one: ProviderFacts) -> Iterable[Draft]:
        if not _nothing(one):
            return
        p = one.provider
        missing = f"{_selectors(one)} are not delegated" if p.dkim_cname else f"there is no key at {_selectors(one)}"
        said = missing if one.delegations else f"_domainkey.{facts.name} does not exist"
        yield finding(
            f"mail leaves through {p.name}, but SPF does not include {p.spf_include} and {said}"
            f"{_unconfirmed(p, 'spf_include', 'dkim_selectors')}",
            at=(*_spf_evidence(facts), *_seen(one.delegations)),
            fix=f"Authenticate the domain in the console of {p.name} and publish what it shows{_shape(p)}.",
            records=(*(() if _elsewhere(p) else _with_include(facts, one)), *_aliases(one.delegations)),
        )

    yield from _named(facts, judge)


@rule("PROV002", Severity.ERROR, "RFC 7208 §8.4")
def provider_refused_by_spf(facts: DomainFacts) -> Findings:
    """The SPF record refuses the mail of a provider that the domain sends through.

    Why: the provider sends with the domain in MAIL FROM, does not stand in the record, and the record ends in -all:
    receivers refuse or junk that mail.
    Fix: add the provider's include to the record.
    """

    def judge(one: ProviderFacts) -> Iterable[Draft]:
        if _certain(facts, one) and not _nothing(one):
            yield _not_listed(facts, one, ", and the record ends in -all")

    yield from _named(facts, judge)


def _certain(facts: DomainFacts, one: ProviderFacts) -> bool:
    """True if mail through the provider is known to carry the domain in MAIL FROM, and to fail by -all."""
    p = one.provider
    if not _lacks_spf(one) or p.category != "mailbox" or p.spf_needed or not p.confirmed("spf_include"):
        return False
    tree = facts.spf.tree
    end = ending(tree.root) if tree else None
    return end is not None and end[1] == "-"


def _not_listed(facts: DomainFacts, one: ProviderFacts, more: str = "") -> Draft:
    p = one.provider
    return finding(
        f"SPF does not lead to include:{p.spf_include} of {p.name}, nor are all its addresses listed{more}"
        f"{_unconfirmed(p, 'spf_include')}",
        at=_spf_evidence(facts),
        fix=f"Add include:{p.spf_include} to the record.",
        records=_with_include(facts, one),
    )


@rule("PROV003", Severity.WARNING, "RFC 7208 §8.5")
def provider_not_listed_in_spf(facts: DomainFacts) -> Findings:
    """The SPF record does not list a provider that the domain sends through.

    Why: where its mail carries the domain in MAIL FROM, SPF does not pass, and DMARC rests on DKIM alone or fails.
    Fix: add the provider's include to the record.
    """

    def judge(one: ProviderFacts) -> Iterable[Draft]:
        p = one.provider
        if facts.spf.parsed is None or not _lacks_spf(one) or _elsewhere(p) or _nothing(one) or _certain(facts, one):
            return
        if p.category == "mailbox" or one.dkim not in ("in place", "unguessable"):
            yield _not_listed(facts, one)

    yield from _named(facts, judge)


@rule("PROV004", Severity.NOTE, "RFC 7208 §2.4")
def provider_aligned_by_dkim_only(facts: DomainFacts) -> Findings:
    """A provider that the domain sends through is not in SPF.

    Why: sending services mostly put a domain of their own into MAIL FROM; then SPF passes for that domain and nothing
    need be listed here, but only DKIM aligns. With the domain itself in MAIL FROM, SPF would not pass.
    Fix: nothing, if the Return-Path of its mail shows another domain; otherwise add the provider's include.
    """

    def judge(one: ProviderFacts) -> Iterable[Draft]:
        p = one.provider
        if facts.spf.parsed is None or p.category == "mailbox" or not _lacks_spf(one) or _elsewhere(p):
            return
        automatic = p.spf_needed and any(
            d.state == "delegated" for d in one.signing
        )  # its own return path goes with it
        if one.dkim in ("in place", "unguessable") and not automatic:
            needed = f"; needed: {p.spf_needed}" if p.spf_needed else ""
            yield finding(
                f"SPF does not lead to include:{p.spf_include} of {p.name}{needed}{_unconfirmed(p, 'spf_needed')}",
                at=_spf_evidence(facts),
                records=_with_include(facts, one),
            )

    yield from _named(facts, judge)


@rule("PROV005", Severity.WARNING, "RFC 6376 §3.6.2.1")
def provider_does_not_sign(facts: DomainFacts) -> Findings:
    """No DKIM key of a provider that the domain sends through was found.

    Why: without a key of the domain the provider signs with its own domain or not at all; DMARC then rests on SPF,
    which does not survive forwarding.
    Fix: publish the DKIM records that the provider's console shows, and switch signing on there.
    """

    def judge(one: ProviderFacts) -> Iterable[Draft]:
        if one.dkim != "absent" or one.others or _nothing(one):
            return
        p = one.provider
        asked = f"no key at {_selectors(one)}" if one.delegations else f"_domainkey.{facts.name} does not exist"
        yield finding(
            f"{p.name}: {asked}{_unconfirmed(p, 'dkim_selectors', 'dkim_record')}",
            at=_seen(one.delegations),
            fix=f"Publish what the console shows{_shape(p)}. If another selector is in use, name it with --selector.",
            records=_aliases(one.delegations),
        )

    yield from _named(facts, judge)


def _shape(p: Provider) -> str:
    record = p.entry.get("dkim_record")
    return f" ({record})" if record else ""


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
        yield finding(f"{one.provider.name}: {said}", at=_seen(dead), records=_aliases(wrong))

    yield from _named(facts, judge)


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
                f"{_unconfirmed(one.provider, 'dkim_record')}",
                at=_seen((*there, *lacking)),
                records=_aliases(lacking),
            )

    yield from _named(facts, judge)


@rule("PROV008", Severity.NOTE, "RFC 7208 §2.4")
def include_without_effect(facts: DomainFacts) -> Findings:
    """The SPF record lists a provider whose mail does not carry the domain in MAIL FROM.

    Why: SPF is looked up at the domain in MAIL FROM. This provider uses its own or a subdomain made for it, so the
    include here costs lookups and authorises nobody who needs it.
    Fix: leave the include out here; set up the provider's return path below the domain, which also aligns.
    """
    hosts = facts.mx.hosts if not isinstance(facts.raw("mx"), Missing) and facts.mx.answer.known else ()
    for one in facts.providers.seen:
        p = one.provider
        includes = [sign.name for sign in one.signs if sign.kind == "spf"]
        if not includes or not _elsewhere(p):
            continue
        if any(within(host.name, p.spf_include or "") for host in hosts) or _is_return_path(facts.name, p):
            continue  # this is the return path itself
        yield finding(
            f"include:{includes[0]} of {p.name}; needed: {p.spf_needed}{_unconfirmed(p, 'spf_needed')}",
            at=_spf_evidence(facts),
        )


def _is_return_path(domain: str, p: Provider) -> bool:
    return p.mail_from is not None and domain.startswith(f"{p.mail_from[0]}.")


@rule("PROV009", Severity.NOTE, "RFC 6376 §3.1")
def provider_selectors_unknown(facts: DomainFacts) -> Findings:
    """The DKIM selectors of a provider that the domain sends through cannot be guessed.

    Why: the provider gives every customer selectors of its own, so whether it signs for the domain could not be looked
    up.
    Fix: name the selector with --selector: the value of s= in the DKIM-Signature field of a message sent through it.
    """

    def judge(one: ProviderFacts) -> Iterable[Draft]:
        if one.dkim == "unguessable" and not facts.dkim.given:
            note = one.provider.entry.get("dkim_note") or one.provider.entry.get("dkim_record")
            yield finding(f"{one.provider.name}: {note or 'its selectors are not known'}")

    yield from _named(facts, judge)


@rule("PROV010", Severity.NOTE, "RFC 7208 §11.4")
def include_left_over(facts: DomainFacts) -> Findings:
    """The SPF record lists a provider of which nothing else was seen.

    Why: neither does it take the domain's mail nor was a key of it found. An include that is no longer used costs
    lookups and lets all its customers pass SPF for the domain.
    Fix: remove the include if no mail leaves through the provider any more; otherwise have it sign with DKIM.
    """
    if facts.parked:
        raise NotApplicable
    scan = facts.dkim.scan
    for one in facts.providers.seen:
        p = one.provider
        if one.via or {sign.kind for sign in one.signs} != {"spf"} or _elsewhere(p) or not p.dkim_selectors:
            continue
        tried = scan.nothing_below or set(p.dkim_selectors) <= {*scan.tried, *(s.selector for s in facts.dkim.given)}
        if tried and not scan.unanswered and not scan.wildcard and not one.signing and not one.others:
            yield finding(
                f"include:{one.signs[0].name} of {p.name}: no MX of it, and no key at {', '.join(p.dkim_selectors)}"
                f"{_unconfirmed(p, 'dkim_selectors')}",
                at=_spf_evidence(facts),
            )


@rule("PROV011", Severity.NOTE, "good practice")
def include_superseded(facts: DomainFacts) -> Findings:
    """The SPF record names a provider by a former name.

    Why: the provider tells its customers to include another name; the old one is kept up as long as it pleases.
    Fix: replace the include by the present name.
    """
    for one in facts.providers.seen:
        for name in (
            sign.name for sign in one.signs if sign.kind == "spf" and key(sign.name) in one.provider.superseded
        ):
            record, new = facts.spf.parsed, f"include:{one.provider.spf_include}"
            terms = (
                [new if t.text.lower() == f"include:{key(name)}" else t.text for t in record.terms] if record else []
            )
            text = " ".join(["v=spf1", *dict.fromkeys(terms)])
            changed = record is not None and new in terms and parse_record(text).fatal is None and not record.fatal
            yield finding(
                f"include:{name} of {one.provider.name}; today it is {new}",
                at=_spf_evidence(facts),
                records=(RecordText(facts.name, "TXT", text),) if changed else (),
            )


@rule("PROV012", Severity.NOTE, "RFC 9989 §4.4.2")
def provider_return_path_lacking(facts: DomainFacts) -> Findings:
    """The return path that would align a provider's mail by SPF is not set up.

    Why: without it the bounces of this provider go to a domain of its own: SPF passes there, and only DKIM aligns with
    the domain in From.
    Fix: publish the return path that the provider's console shows.
    """

    def judge(one: ProviderFacts) -> Iterable[Draft]:
        p = one.provider
        if p.mail_from is None or one.mail_from is None or one.spf.how in ("mail-from",) or _nothing(one):
            return
        if not one.mail_from.known:
            raise Unobserved(one.mail_from.why())
        label, target = p.mail_from
        name = f"{label}.{facts.name}"
        wanted = f"an alias of {target}" if target else f"an SPF record with include:{p.spf_include}"
        record = RecordText(name, "CNAME", f"{target}.") if target else None
        yield finding(
            f"{name} is not {wanted} of {p.name}{_unconfirmed(p, 'spf_needed')}"
            if target
            else f"{name} has not {wanted} of {p.name}{_unconfirmed(p, 'spf_needed')}",
            at=evidence_of(one.mail_from),
            fix=None if one.mail_from.status.value == "nxdomain" else f"Compare {name} with the provider's console.",
            records=(record,) if record and one.mail_from.status.value == "nxdomain" else (),
        )

    yield from _named(facts, judge)


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
                f"aspf=s, but MAIL FROM of {p.name} is another domain: {p.spf_needed}{_unconfirmed(p, 'spf_needed')}",
                at=evidence_of(step.answer, step.index, span=record.span("aspf")) if step else (),
            )

    yield from _named(facts, judge)
