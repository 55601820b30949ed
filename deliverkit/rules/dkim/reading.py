"""What the DKIM rules read: one selector or one key record at a time, evidence with its place, a record to publish.

A selector nobody could tell must not hide what is wrong at another; it makes a rule inconclusive only when that rule
found nothing elsewhere.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable

from deliverkit.facts.base import NotApplicable, Unobserved
from deliverkit.facts.dkim import SelectorFacts
from deliverkit.facts.domain import DomainFacts
from deliverkit.findings import Draft, Evidence, RecordText, evidence_of, finding
from deliverkit.protocols.dkim.key import KeyRecord
from deliverkit.protocols.fault import Fault
from deliverkit.rules.registry import Findings

Key = tuple[SelectorFacts, int, KeyRecord]


def each(selectors: Iterable[SelectorFacts], judge: Callable[[SelectorFacts], Iterable[Draft]]) -> Findings:
    """Judge selectors one by one; not applicable without any."""
    unknown: Unobserved | None = None
    judged = found = False
    for one in selectors:
        judged = True
        try:
            drafts = tuple(judge(one))
        except Unobserved as why:
            unknown = why
            continue
        found = found or bool(drafts)
        yield from drafts
    if unknown and not found:
        raise unknown
    if not judged:
        raise NotApplicable


def each_key(facts: DomainFacts, judge: Callable[[Key], Iterable[Draft]]) -> Findings:
    """Judge every key record; not applicable when there is none."""
    selectors = facts.dkim.selectors
    if not any(not one.answer.known or one.records for one in selectors):
        raise NotApplicable

    def of_selector(one: SelectorFacts) -> Iterable[Draft]:
        for index, record in one.records:
            yield from judge((one, index, record))

    yield from each(selectors, of_selector)


def faulty(
    facts: DomainFacts,
    kinds: Iterable[str],
    *,
    fix: Callable[[Key, Fault], str | None] = lambda _key, _fault: None,
    repair: bool = True,
    unless: Callable[[Key], bool] = lambda _key: False,
) -> Findings:
    """One finding for each key record with faults of these kinds. ``repair`` offers the record as it should be."""
    wanted = tuple(kinds)

    def of_key(key: Key) -> Iterable[Draft]:
        one, _, record = key
        faults = [fault for fault in record.faults if fault.kind in wanted]
        if not faults or unless(key):
            return
        said = "; ".join(dict.fromkeys(fault.detail for fault in faults))
        yield finding(
            f"{one.name}: {said}",
            at=at(key, faults[0].span),
            fix=fix(key, faults[0]),
            records=as_it_should_be(key) if repair else (),
        )

    yield from each_key(facts, of_key)


def at(key: Key, span: tuple[int, int] | None = None) -> tuple[Evidence, ...]:
    """The record, with a place in it. A private key is not repeated."""
    one, index, record = key
    if record.fault("private-key"):
        return (Evidence("dns", one.name, "TXT", record.shown(), server=one.answer.server),)
    return evidence_of(one.answer, index, span=span)


def as_it_should_be(key: Key) -> tuple[RecordText, ...]:
    """The same key in a sound record, if the key itself is whole."""
    one, _, record = key
    if not record.public_key or record.material is None or record.fault("truncated-key", "bad-key"):
        return ()
    flags = f"t={':'.join(record.flags)}; " if record.flags else ""
    material = base64.b64encode(_raw(record)).decode()
    return (RecordText(one.name, "TXT", f"v=DKIM1; k={record.material}; {flags}p={material}"),)


def _raw(record: KeyRecord) -> bytes:
    """The octets of p=: for Ed25519 without the DER structure around them (RFC 8463 §4)."""
    octets = record.public_key or b""
    return octets[-32:] if record.material == "ed25519" else octets
