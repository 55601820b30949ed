"""Is there one SPF record, where receivers look, and can they read it? (RFC 7208 §3, §4.5, §4.6)"""

from __future__ import annotations

from typing import Any

from deliverkit.data import recognise
from deliverkit.facts.base import NotApplicable, NotAsked, Unobserved, needs
from deliverkit.facts.domain import DomainFacts
from deliverkit.findings import Severity, evidence_of, finding, standing
from deliverkit.flow import Status
from deliverkit.protocols.spf.record import is_spf, parse_record
from deliverkit.rules.registry import Findings, rule
from deliverkit.rules.spf.reading import here, joined, one_record, short, txt
from deliverkit.rules.spf.repair import foreign, merged, network_term, repaired, spliced

NOTHING = "v=spf1 -all"
ANSWER_OCTETS = 512  # RFC 7208 §3.4
LISTED = 8  # faults told in one detail


@rule("SPF001", Severity.ERROR, "RFC 7208 §4.5")
def no_spf_record(facts: DomainFacts) -> Findings:
    """The domain has no SPF record.

    Why: anybody can send in its name without failing SPF, and large receivers refuse mail that passes neither SPF nor
    DKIM.
    Fix: publish one TXT record at the domain that begins with v=spf1, names every system that sends for it, and ends in
    ~all or -all; a domain that never sends publishes "v=spf1 -all".
    """
    spf = facts.spf
    if spf.candidates or spf.near_misses or spf.elsewhere or spf.type99.records:
        return
    mx = _mx(facts)
    if mx is not None and not mx.exists:
        raise NotApplicable  # MX001 tells of it
    if spf.answer.status is Status.NXDOMAIN:
        alias = "".join(f" is an alias of {name}, which" for name in spf.answer.aliases[-1:])
        detail = f"{spf.domain}{alias} does not exist in DNS"
    elif spf.answer.records:
        number = len(spf.answer.records)
        detail = f"{spf.domain} has {number} TXT record{'s' if number > 1 else ''}, and none begins with v=spf1"
    else:
        detail = f"{spf.domain} has no TXT record"
    yield finding(detail, at=evidence_of(spf.answer), fix=_why_this(facts), records=txt(spf.domain, _proposal(facts)))


def _proposal(facts: DomainFacts) -> str | None:
    """A record that fits what is known, or None: a record made up for a domain we know nothing of would do harm.

    What is known are the user's word, the addresses it sends from, and the providers that take the domain's mail.
    """
    if facts.parked:
        return NOTHING
    mx = _mx(facts)
    terms = [network_term(address) for address in facts.sends_from]
    if mx is not None and mx.hosts and not mx.null and not mx.implicit:
        includes = [p.spf_include for p in recognise(tuple(h.name for h in mx.hosts)) if p.spf_include]
        terms += [f"include:{name}" for name in dict.fromkeys(includes)] or ["mx"]
    if terms:
        return " ".join(["v=spf1", *terms, "~all"])
    return NOTHING if mx is not None else None


def _why_this(facts: DomainFacts) -> str | None:
    proposal = _proposal(facts)
    if facts.parked:
        return "publish a record that lists nobody, so that nobody can send in the name of this parked domain"
    if proposal == NOTHING:
        return (
            "nothing shows that the domain sends mail: if so, publish this record; otherwise one that begins with "
            "v=spf1, names every system that sends for it, and ends in ~all"
        )
    if proposal:
        return (
            "publish this TXT record as a start, and add every other system that sends for the domain; turn ~all into "
            "-all when nothing is missing"
        )
    return None


def _mx(facts: DomainFacts) -> Any:
    """The MX facts, or None where they were not asked for or not told."""
    try:
        return facts.mx if facts.mx.answer.known else None
    except (Unobserved, NotAsked):
        return None


@rule("SPF002", Severity.ERROR, "RFC 7208 §4.5")
def several_spf_records(facts: DomainFacts) -> Findings:
    """The domain has more than one SPF record.

    Why: receivers do not choose among them: the result is permerror, as if all of them were invalid.
    Fix: publish one record that holds the terms of all, and delete the others.
    """
    spf = facts.spf
    if not spf.candidates:
        raise NotApplicable
    if len(spf.candidates) == 1:
        return
    texts = [spf.answer.texts[index] for index in spf.candidates]
    one = merged(parse_record(text) for text in texts)
    yield finding(
        f"{len(texts)} TXT records at {spf.domain} begin with v=spf1",
        at=tuple(e for index in spf.candidates for e in evidence_of(spf.answer, index)),
        fix="replace them by one record; this one holds the terms of all" if one else None,
        records=txt(spf.domain, one),
    )


@rule("SPF003", Severity.ERROR, "RFC 7208 §4.5")
def spf_record_not_recognised(facts: DomainFacts) -> Findings:
    """A TXT record was meant as SPF and is none.

    Why: a record counts only if it begins with exactly "v=spf1" and a space (or ends there); receivers ignore every
    other text, so the domain has no SPF.
    Fix: write the record so that its first six characters are v=spf1 and a space follows.
    """
    near_misses = facts.spf.near_misses
    read = [parse_record(mended) for near in near_misses if (mended := repaired(near.text))]
    one = merged(read) if len(near_misses) > 1 and len(read) == len(near_misses) else None
    for near in near_misses:
        mended = one or repaired(near.text)
        yield finding(
            f"receivers ignore it: {near.why}",
            at=evidence_of(facts.spf.answer, near.index, span=(0, min(7, len(near.text)))),
            fix=f"replace {'them' if one else 'it'} by this record" if mended else None,
            records=txt(facts.spf.domain, mended),
            removes=standing(facts.spf.answer, *(other.index for other in (near_misses if one else [near]))),
        )


@rule("SPF005", Severity.ERROR, "RFC 7208 §4.6")
def spf_syntax_error(facts: DomainFacts) -> Findings:
    """The SPF record has a syntax error.

    Why: one broken term anywhere makes the whole record a permerror: no server is authorised, and DMARC cannot use SPF.
    Fix: correct the marked places.
    """
    record, joins = one_record(facts), facts.spf.joins
    faults = [f for f in record.faults if f.fatal and not joined(facts, _term_around(record.text, f.span))]
    if not faults:
        return
    told = "; ".join(fault.detail for fault in faults[:LISTED])
    more = f"; and {len(faults) - LISTED} more" if len(faults) > LISTED else ""
    mended = repaired(record.text, joins)
    yield finding(
        told + more,
        at=tuple(e for fault in faults[:LISTED] for e in here(facts.spf, fault.span)),
        fix=f"replace it by this record{_apart(record.text)}" if mended else None,
        records=txt(facts.spf.domain, mended),
    )


def _apart(text: str) -> str:
    """What to do with the texts of other records that were pasted into this one."""
    others = foreign(text)
    return f", and publish {' and '.join(map(short, others))} as TXT of its own" if others else ""


def _term_around(text: str, span: tuple[int, int]) -> tuple[int, int]:
    """The place of the whole term that a fault lies in."""
    end = text.find(" ", span[1])
    return text.rfind(" ", 0, span[0]) + 1, end if end >= 0 else len(text)


@rule("SPF006", Severity.ERROR, "RFC 7208 §3.3")
def spf_strings_joined_without_space(facts: DomainFacts) -> Findings:
    """Two strings of the SPF record run together.

    Why: receivers join the strings of a TXT record without a space, so the last term of one string and the first of the
    next become one term that means nothing.
    Fix: put a space at the end of the first string or at the start of the second.
    """
    record = one_record(facts)
    for place in facts.spf.joins:
        start, end = _term_around(record.text, (place, place))
        before = max((other for other in facts.spf.joins if other < place), default=start)
        after = min((other for other in facts.spf.joins if other > place), default=end)
        left, right = record.text[max(start, before) : place], record.text[place : min(end, after)]
        yield finding(
            f"no space between {short(left)!r} and {short(right)!r}",
            at=here(facts.spf, (start, end)),
            fix="publish the strings so that they join to this record",
            records=txt(facts.spf.domain, repaired(record.text, facts.spf.joins)),
        )


@rule("SPF007", Severity.ERROR, "RFC 7208 §3.1")
def spf_in_type_99_only(facts: DomainFacts) -> Findings:
    """The SPF record stands in a record of type SPF (99) only.

    Why: nobody asks for that type any more; without a TXT record the domain has no SPF.
    Fix: publish the same text as a TXT record and delete the one of type SPF.
    """
    spf = facts.spf
    if spf.candidates or spf.near_misses:
        return
    for index, text in enumerate(spf.type99.texts):
        if is_spf(text):
            yield finding(
                "there is a record of type SPF, and no TXT record",
                at=evidence_of(spf.type99, index),
                records=txt(spf.domain, text),
                removes=standing(spf.type99),
            )


@rule("SPF008", Severity.NOTE, "RFC 7208 §3.1")
def spf_in_type_99_too(facts: DomainFacts) -> Findings:
    """A record of type SPF (99) is left over beside the TXT record.

    Why: nobody reads it, and it misleads whoever maintains the zone, all the more when the two differ.
    Fix: delete the record of type SPF.
    """
    spf = facts.spf
    if not spf.candidates:
        raise NotApplicable
    if not spf.type99.known:
        raise Unobserved(spf.type99.why())
    if spf.type99.records:
        texts = {spf.answer.texts[index] for index in spf.candidates}
        differs = "" if set(spf.type99.texts) == texts else ", and says something else than the TXT record"
        yield finding(
            f"{spf.domain} has a record of type SPF{differs}",
            at=evidence_of(spf.type99),
            removes=standing(spf.type99),
        )


@rule("SPF009", Severity.ERROR, "RFC 7208 §4.4")
def spf_record_at_wrong_name(facts: DomainFacts) -> Findings:
    """The SPF record stands at another name than the domain.

    Why: receivers ask at the domain itself and nowhere else.
    Fix: move the record to the domain; in a zone editor the name is "@" or empty.
    """
    spf = facts.spf
    for found in spf.elsewhere:
        split = not found.name.endswith(f".{spf.domain}.{spf.domain}") and found.name == f"_spf.{spf.domain}"
        yield finding(
            f"{spf.domain} has no SPF record, but {found.name} has one: {found.mistake}",
            at=evidence_of(found.answer, found.index),
            fix="publish a record at the domain that includes it" if split else "publish it at the domain",
            records=txt(spf.domain, f"v=spf1 redirect={found.name}" if split else found.text),
            removes=() if split else standing(found.answer, found.index),
        )


@rule("SPF010", Severity.ERROR, "RFC 7208 §6")
def spf_mechanism_with_equals_sign(facts: DomainFacts) -> Findings:
    """A mechanism is written with an equals sign and so has no effect.

    Why: name=value is a modifier; receivers ignore modifiers they do not know, so include=… includes nothing.
    Fix: write a colon instead of the equals sign.
    """
    record = one_record(facts)
    guilty = [fault for fault in record.faults if fault.kind == "mechanism-with-equals"]
    if not guilty:
        return
    meant = {f.span: record.text[f.span[0] : f.span[1]].replace("=", ":", 1) for f in guilty}
    mended = repaired(spliced(record.text, meant))
    yield finding(
        "; ".join(fault.detail for fault in guilty[:LISTED]),
        at=tuple(e for fault in guilty[:LISTED] for e in here(facts.spf, fault.span)),
        records=txt(facts.spf.domain, mended),
    )


@rule("SPF011", Severity.NOTE, "RFC 7208 §6")
def spf_unknown_modifier(facts: DomainFacts) -> Findings:
    """The SPF record holds a modifier that no receiver knows.

    Why: it is ignored. That is harmless where it is meant for somebody, and a mistake where it is misspelt.
    Fix: delete it, or correct its name (redirect= and exp= are the ones that RFC 7208 defines).
    """
    record = one_record(facts)
    for fault in record.faults:
        if fault.kind == "unknown-modifier":
            yield finding(fault.detail, at=here(facts.spf, fault.span))
        elif fault.kind == "second-version" and len(record.reachable) == len(record.directives):  # else SPF026 tells
            mended = None if record.fatal else repaired(record.text)
            fix = "replace it by this record, which holds the terms of both" if mended else None
            yield finding(fault.detail, at=here(facts.spf, fault.span), fix=fix, records=txt(facts.name, mended))
            return


@rule("SPF033", Severity.NOTE, "RFC 7208 §3.4")
def spf_answer_too_large(facts: DomainFacts) -> Findings:
    """The TXT answer of the domain does not fit into 512 octets.

    Why: such an answer needs EDNS or TCP; where a firewall or an old resolver allows neither, SPF is a temperror.
    Fix: delete verification tokens that are no longer used, and move long lists of addresses into an included name.
    """
    answer = facts.spf.answer
    if not needs(facts.spf.candidates or None):
        return
    octets = 12 + len(answer.question.name) + 6 + sum(12 + sum(1 + len(s) for s in r) for r in answer.records)
    if octets > ANSWER_OCTETS:
        way = "more than a UDP answer of 1232 octets carries, so it needs TCP" if octets > 1232 else "so it needs EDNS"
        number = len(answer.records)
        yield finding(
            f"about {octets} octets in {number} TXT record{'s' if number > 1 else ''}, {way}",
            at=here(facts.spf),
        )


@rule("SPF036", Severity.NOTE, "RFC 7208 §3.5")
def spf_wildcard(facts: DomainFacts) -> Findings:
    """A wildcard gives every name below the domain an SPF record that authorises senders.

    Why: every name under the domain can be used as a sender by whoever the record passes, also names nobody uses.
    Fix: let the wildcard say "v=spf1 -all", and give names that send a record of their own.
    """
    spf = facts.spf
    if not spf.wildcard.known:
        raise Unobserved(spf.wildcard.why())
    for index, text in enumerate(spf.wildcard.texts):
        if is_spf(text) and text.strip().lower() != NOTHING:
            yield finding(
                f"a name that does not exist ({spf.wildcard.question.name}) answers with {short(text)!r}",
                at=evidence_of(spf.wildcard, index),
                records=txt(f"*.{spf.domain}", NOTHING),
            )


@rule("SPF037", Severity.NOTE, "RFC 6686 §6")
def sender_id_record(facts: DomainFacts) -> Findings:
    """A Sender ID record (spf2.0) is left over.

    Why: Sender ID is dead; nobody evaluates the record, and it looks like a second SPF record to people.
    Fix: delete it.
    """
    _ = facts.spf.candidates  # inconclusive where the TXT records could not be read
    for index, text in enumerate(facts.spf.answer.texts):
        if text.lower().startswith("spf2.0/"):
            yield finding(
                f"{text[:60]!r} is read by nobody",
                at=evidence_of(facts.spf.answer, index),
                removes=standing(facts.spf.answer, index),
            )
