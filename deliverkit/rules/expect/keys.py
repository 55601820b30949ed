"""What is expected of DKIM: selectors that publish a usable key, and how long the keys are."""

from __future__ import annotations

from deliverkit.facts.base import Unobserved
from deliverkit.facts.expected import ExpectedFacts
from deliverkit.findings import Severity
from deliverkit.rules.expect.reading import seen, unmet
from deliverkit.rules.registry import Findings, rule


@rule("EXP006", Severity.ERROR, "RFC 6376 §3.6.1")
def dkim_key_missing(facts: ExpectedFacts) -> Findings:
    """A selector that is expected publishes no key that can be used.

    Why: what is signed with it fails DKIM everywhere, and DMARC with it.
    Fix: publish the key at the name that is shown, or change what is expected.
    """
    held = {one.selector.lower(): one for one in facts.domain.dkim.selectors}
    unknown = None
    for selector in facts.wanted("dkim"):
        one = held.get(selector.lower().split("._domainkey")[0])
        if one is None or not one.answer.known:
            unknown = f"selector {selector}: not looked at" if one is None else one.answer.why()
        elif not any(record.usable for _, record in one.records):
            what = "no key that can be used" if one.records else "no key"
            yield unmet(facts, "dkim", f"{one.name} has {what}", seen(one.answer))
    if unknown:
        raise Unobserved(unknown)


@rule("EXP007", Severity.ERROR, "RFC 8301 §3.2")
def dkim_key_shorter(facts: ExpectedFacts) -> Findings:
    """An RSA key is shorter than expected.

    Why: short keys can be factored, and receivers refuse them one after another.
    Fix: make a longer key, publish it at a new selector, and sign with it before the old one goes.
    """
    least, unknown = facts.wanted("dkim-bits-min"), None
    for one in facts.domain.dkim.selectors:
        if not one.answer.known:
            unknown = one.answer.why()
            continue
        for index, record in one.records:
            if record.material == "rsa" and record.bits is not None and record.bits < least:
                yield unmet(facts, "dkim-bits-min", f"{one.name} has {record.bits} bits", seen(one.answer, index))
    if unknown:
        raise Unobserved(unknown)
