"""Opinions about where keys stand: at the selectors in use, once, by name and not by wildcard."""

from __future__ import annotations

from collections.abc import Iterable

from deliverkit.facts.base import NotApplicable, needs
from deliverkit.facts.dkim import SelectorFacts
from deliverkit.facts.domain import DomainFacts
from deliverkit.findings import Draft, RecordText, Severity, evidence_of, finding, standing
from deliverkit.flow import Status
from deliverkit.protocols.dkim.key import looks_like_key, parse_key
from deliverkit.rules.dkim.reading import at, each
from deliverkit.rules.registry import Findings, rule


@rule("DKIM001", Severity.ERROR, "RFC 6376 §3.6.2.1")
def no_key_at_selector(facts: DomainFacts) -> Findings:
    """No DKIM key stands at a selector that is in use.

    Why: A verifier that finds no key treats the signature as failed, so all mail signed with this selector counts as
    unsigned, and DMARC has to rest on SPF alone.
    Fix: Publish the public key as a TXT record at selector._domainkey.domain, or sign with a selector that has one.
    """

    def judge(one: SelectorFacts) -> Iterable[Draft]:
        if one.records or (one.answer.records and not one.problem):
            return
        yield finding(
            _why_absent(one),
            at=() if one.problem else evidence_of(one.answer),
            fix=_way_back(one),
            records=_record_for(one),
            removes=tuple(r for wrong in one.misplaced for r in standing(wrong.answer, wrong.index)),
        )

    yield from each(facts.dkim.given, judge)


def _why_absent(one: SelectorFacts) -> str:
    if one.problem:
        return f"{one.selector!r} is no selector: {one.problem}"
    if one.answer.aliases:
        said = f"{one.name} is an alias of {one.answer.aliases[-1]}, which has no TXT record ({one.answer.status})"
    else:
        said = f"{one.name} has no TXT record ({one.answer.status})"
    elsewhere = " and at ".join(f"{wrong.name}, {wrong.mistake}" for wrong in one.misplaced)
    return f"{said}; a key stands at {elsewhere}" if elsewhere else said


def _way_back(one: SelectorFacts) -> str | None:
    if one.problem:
        return "Give the selector alone: the value of s= in the DKIM-Signature of a message, for example s1."
    if one.misplaced:
        doubled = any("doubled" in wrong.mistake for wrong in one.misplaced)
        why = " Write the name with a final dot, or relative to the zone." if doubled else ""
        return f"Move the record from {one.misplaced[0].name} to {one.name}.{why}"
    if one.answer.aliases:
        return (
            f"Ask the provider whether {one.answer.aliases[-1]} is still the right target, and switch DKIM on there;"
            " the key appears when the provider publishes it."
        )
    return None


def _record_for(one: SelectorFacts) -> tuple[RecordText, ...]:
    """The key from the private key file, or the one that stands elsewhere."""
    if one.problem:
        return ()
    if one.key_file and one.key_file.key:
        return (RecordText(one.name, "TXT", one.key_file.key.record),)
    usable = [wrong.text for wrong in one.misplaced if parse_key(wrong.text).usable]
    return (RecordText(one.name, "TXT", usable[0]),) if usable else ()


@rule("DKIM002", Severity.ERROR, "RFC 6376 §6.1.2")
def no_key_record(facts: DomainFacts) -> Findings:
    """The TXT record at a selector in use is no DKIM key.

    Why: A verifier discards a record that is no key, so signatures made with this selector fail.
    Fix: Publish the key record at this name, and keep other TXT records (and wildcards) away from it.
    """

    def judge(one: SelectorFacts) -> Iterable[Draft]:
        if one.records or one.problem or not one.answer.records:
            return
        shown = one.answer.texts[0][:80]
        yield finding(f"{one.name} says {shown!r}", at=evidence_of(one.answer), records=_record_for(one))

    yield from each(facts.dkim.given, judge)


@rule("DKIM003", Severity.ERROR, "RFC 6376 §3.6.2.2")
def several_key_records(facts: DomainFacts) -> Findings:
    """More than one TXT record stands at a selector.

    Why: The result is undefined: some verifiers take the first record they receive, whose order changes from answer to
    answer, so the same mail passes here and fails there.
    Fix: Leave exactly one TXT record at the selector; publish a second key at a selector of its own.
    """

    def judge(one: SelectorFacts) -> Iterable[Draft]:
        if one.records and len(one.answer.records) > 1:
            keys, all_ = len(one.records), len(one.answer.records)
            what = f"{all_} keys" if keys == all_ else f"{all_} TXT records, {keys} of them a key"
            yield finding(f"{one.name} has {what}", at=tuple(e for i, r in one.records for e in at((one, i, r))))

    yield from each(facts.dkim.selectors, judge)


@rule("DKIM004", Severity.ERROR, "RFC 6376 §3.6.1")
def key_revoked(facts: DomainFacts) -> Findings:
    """The key at a selector in use is revoked.

    Why: An empty p= says that the key is withdrawn; signatures made with this selector fail everywhere.
    Fix: Sign with a selector whose key is published, or publish the public key here again.
    """
    if facts.parked:
        raise NotApplicable

    def judge(one: SelectorFacts) -> Iterable[Draft]:
        for index, record in one.records:
            if record.revoked:
                by = " (by a wildcard)" if one.wildcard else ""
                yield finding(f"{one.name} has an empty p={by}", at=at((one, index, record)), records=_record_for(one))

    yield from each(facts.dkim.given, judge)


@rule("DKIM005", Severity.WARNING, "RFC 4592 §2.1.3")
def key_only_by_wildcard(facts: DomainFacts) -> Findings:
    """The key at a selector in use comes from a wildcard.

    Why: Every selector, also one that nobody made, has this key; it disappears as soon as any other record is
    published at the selector's name, and a mistyped selector is never noticed.
    Fix: Publish the key at the selector's own name and remove the wildcard.
    """

    def judge(one: SelectorFacts) -> Iterable[Draft]:
        if one.wildcard and any(record.usable for _, record in one.records):
            guard = facts.dkim.scan.guard
            covered = [other for other in facts.dkim.given if other.raw("wildcard") is True]
            yield finding(
                f"{guard.question.name}, a name nobody made, answers like {one.name}",
                at=evidence_of(guard),
                records=tuple(
                    RecordText(other.name, "TXT", record.shown())
                    for other in covered
                    for _, record in other.records[:1]
                ),
                removes=tuple(RecordText(f"*._domainkey.{facts.name}", "TXT", text) for text in guard.texts),
            )

    yield from each(facts.dkim.given, judge)


@rule("DKIM006", Severity.NOTE, "RFC 6376 §3.1")
def nothing_found_by_guessing(facts: DomainFacts) -> Findings:
    """No DKIM key was found by guessing selectors.

    Why: Selectors cannot be listed, so this does not mean that there is no key; but the mail could not be judged.
    Fix: Name the selector with --selector; it is the value of s= in the DKIM-Signature field of a message you sent.
    """
    if facts.parked or facts.dkim.given:
        raise NotApplicable
    if any(one.records for one in facts.dkim.selectors):
        return
    scan = facts.dkim.scan
    if scan.nothing_below:
        yield finding(
            f"_domainkey.{facts.name} does not exist, so no selector does either (RFC 8020)",
            at=evidence_of(scan.below),
            fix="Sign outgoing mail with DKIM: make a key pair, publish the public key, switch signing on.",
        )
        return
    lost = f", {scan.unanswered} of which got no answer" if scan.unanswered else ""
    yield finding(f"{len(scan.tried)} selectors were tried{lost}; others may exist", at=evidence_of(scan.below))


@rule("DKIM007", Severity.WARNING, "RFC 8463 §1")
def only_ed25519(facts: DomainFacts) -> Findings:
    """All keys in use are Ed25519.

    Why: Few large receivers verify Ed25519; for the others this mail is unsigned.
    Fix: Sign with an RSA key of 2048 bits as well; a message may carry both signatures.
    """
    keys = [(one, i, r) for one in facts.dkim.given for i, r in one.records if r.usable]
    needs(keys or None)
    if all(record.material == "ed25519" for _, _, record in keys):
        names = ", ".join(one.selector for one, _, _ in keys)
        yield finding(f"no RSA key among the selectors in use ({names})", at=tuple(e for key in keys for e in at(key)))


@rule("DKIM008", Severity.WARNING, "RFC 6376 §3.6.1")
def parked_domain_has_key(facts: DomainFacts) -> Findings:
    """A domain that sends no mail publishes a usable DKIM key.

    Why: Whoever holds the private key can send mail that passes DKIM and DMARC in the name of this domain.
    Fix: Revoke the key: publish it with an empty p=, best for every selector by a wildcard.
    """
    if not facts.parked:
        raise NotApplicable
    for one in facts.dkim.selectors:
        for index, record in one.records:
            if record.usable:
                yield finding(
                    f"{one.name} has a usable key",
                    at=at((one, index, record)),
                    records=(RecordText(one.name, "TXT", "v=DKIM1; p="),),
                )


@rule("DKIM009", Severity.NOTE, "RFC 6376 §3.6.1")
def parked_without_revocation(facts: DomainFacts) -> Findings:
    """A domain that sends no mail does not revoke its DKIM keys.

    Why: A wildcard key record with an empty p= tells every verifier that no signature of this domain is good; it is
    what receivers and M3AAWG advise beside "v=spf1 -all" and p=reject.
    Fix: Publish the wildcard record below.
    """
    if not facts.parked:
        raise NotApplicable
    scan = facts.dkim.scan
    if not scan.guard.known:
        _ = facts.dkim.selectors
        raise NotApplicable
    texts = scan.guard.texts if scan.guard.status is Status.OK else ()
    if not any(looks_like_key(text) and parse_key(text).revoked for text in texts):
        name = f"*._domainkey.{facts.name}"
        yield finding(
            f"{name} is not there, or does not say p=",
            at=evidence_of(scan.guard),
            records=(RecordText(name, "TXT", "v=DKIM1; p="),),
        )
