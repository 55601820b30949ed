"""Includes of providers that do nothing here: of no effect, left over, or by a former name."""

from __future__ import annotations

from deliverkit.data import Provider
from deliverkit.facts.base import Missing, NotApplicable
from deliverkit.facts.domain import DomainFacts
from deliverkit.findings import RecordText, Severity, finding
from deliverkit.names import key, within
from deliverkit.protocols.spf.record import parse_record
from deliverkit.rules.providers.reading import (
    elsewhere,
    spf_evidence,
    unconfirmed,
)
from deliverkit.rules.registry import Findings, rule


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
        if not includes or not elsewhere(p):
            continue
        if any(within(host.name, p.spf_include or "") for host in hosts) or _is_return_path(facts.name, p):
            continue  # this is the return path itself
        yield finding(
            f"include:{includes[0]} of {p.name}; {p.spf_advice}{unconfirmed(p, 'spf_needed')}",
            at=spf_evidence(facts),
        )


def _is_return_path(domain: str, p: Provider) -> bool:
    return p.mail_from is not None and domain.startswith(f"{p.mail_from[0]}.")


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
        if one.via or {sign.kind for sign in one.signs} != {"spf"} or elsewhere(p) or not p.dkim_selectors:
            continue
        known = {*scan.tried, *scan.passed_over, *(s.selector for s in facts.dkim.given)}
        tried = scan.nothing_below or known.issuperset(p.dkim_selectors)
        if tried and not scan.unanswered and not scan.wildcard and not one.signing and not one.others:
            asked = ", ".join(selector for selector in p.dkim_selectors if selector not in scan.passed_over)
            yield finding(
                f"include:{one.signs[0].name} of {p.name}: no MX of it, and no key at {asked}"
                f"{unconfirmed(p, 'dkim_selectors')}",
                at=spf_evidence(facts),
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
                at=spf_evidence(facts),
                records=(RecordText(facts.name, "TXT", text),) if changed else (),
            )
