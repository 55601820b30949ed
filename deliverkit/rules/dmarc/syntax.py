"""How the DMARC record in force is written: tags that are dropped, doubled, unknown, removed or out of place."""

from __future__ import annotations

from deliverkit.facts.domain import DomainFacts
from deliverkit.findings import Severity, finding
from deliverkit.protocols.dmarc.record import REMOVED_TAGS, DmarcRecord
from deliverkit.protocols.fault import Fault
from deliverkit.rules.dmarc.reading import listed, of_faults, record_in_force
from deliverkit.rules.dmarc.repair import proposal
from deliverkit.rules.registry import Findings, rule

_MILDER = {"reject": "quarantine", "quarantine": "none"}
_BREAKS = (
    "invalid-value",
    "missing-semicolon",
    "no-equals",
    "bad-tag-name",
    "typographic-quote",
    "quoted",
    "escaped-semicolon",
)


@rule("DMARC010", Severity.WARNING, "RFC 9989 §4.7")
def tag_discarded(facts: DomainFacts) -> Findings:
    """A part of the DMARC record cannot be read.

    Why: receivers drop such a tag and use its default, so the record says less than you meant.
    Fix: write each tag as name=value with a semicolon between two tags, in plain characters.
    """
    record = record_in_force(facts)
    broken = [fault for fault in record.faults_of(*_BREAKS) if not _told_elsewhere(record, fault)]
    if broken:
        at, records = of_faults(facts.dmarc, broken), proposal(facts.dmarc, record)
        yield finding(listed(broken), at=at, fix=_advice(record, broken), records=records)


@rule("DMARC011", Severity.WARNING, "RFC 6376 §3.2")
def tag_twice(facts: DomainFacts) -> Findings:
    """A tag stands twice in the DMARC record.

    Why: receivers differ in whether the first or the last counts, and some discard the record.
    Fix: keep one of them.
    """
    record = record_in_force(facts)
    doubled = record.faults_of("duplicate-tag")
    if doubled:
        at, records = of_faults(facts.dmarc, doubled), proposal(facts.dmarc, record)
        yield finding(listed(doubled), at=at, records=records)


@rule("DMARC012", Severity.NOTE, "RFC 9989 §4.7")
def unknown_tag(facts: DomainFacts) -> Findings:
    """The DMARC record has a tag that nobody knows.

    Why: receivers ignore it; if it is a slip of the pen, what you meant has no effect.
    Fix: remove the tag, or correct its name.
    """
    record = record_in_force(facts)
    unknown = record.faults_of("unknown-tag")
    if unknown:
        yield finding(listed(unknown), at=of_faults(facts.dmarc, unknown))


@rule("DMARC013", Severity.NOTE, "RFC 9989 §4.8")
def empty_tag(facts: DomainFacts) -> Findings:
    """The DMARC record has two semicolons with nothing between them.

    Why: the grammar does not allow it; most receivers read on, a strict one may not.
    Fix: remove one of the semicolons.
    """
    record = record_in_force(facts)
    empty = record.faults_of("empty-tag")
    if empty:
        at, records = of_faults(facts.dmarc, empty), proposal(facts.dmarc, record)
        yield finding(f"{len(empty)} empty places between semicolons", at=at, records=records)


@rule("DMARC014", Severity.NOTE, "RFC 9989 §C.5.2")
def removed_tag(facts: DomainFacts) -> Findings:
    """The DMARC record has a tag that RFC 9989 removed.

    Why: receivers that follow RFC 9989 ignore it; it only makes the record longer.
    Fix: remove the tag.
    """
    record = record_in_force(facts)
    idle = [fault for fault in record.faults_of("removed-tag") if not _samples(record, fault)]
    if idle:
        at, records = of_faults(facts.dmarc, idle), proposal(facts.dmarc, record)
        yield finding(listed(idle), at=at, records=records)


@rule("DMARC015", Severity.WARNING, "RFC 9989 §C.5.2")
def percentage_left_over(facts: DomainFacts) -> Findings:
    """The DMARC record still limits its policy to a percentage of the mail.

    Why: pct was removed; receivers on RFC 9989 apply the policy to all mail, older ones only to a part of it.
    Fix: remove pct; where it was 0, publish the milder policy that older receivers applied because of it.
    """
    record = record_in_force(facts)
    sampled = [fault for fault in record.faults_of("removed-tag") if _samples(record, fault)]
    if sampled:
        value = record.tags.value("pct") or ""
        milder = _MILDER.get(record.p or "") if value == "0" else None  # RFC 7489 §6.6.4: what 0 % come to
        change = {"p": milder} if milder else {}
        yield finding(
            f"pct={value}: receivers differ in how much of your mail the policy covers",
            at=of_faults(facts.dmarc, sampled),
            records=proposal(facts.dmarc, record, **change),
        )


@rule("DMARC016", Severity.NOTE, "RFC 9989 §4.7")
def failure_options_without_effect(facts: DomainFacts) -> Findings:
    """The fo tag of the DMARC record has no effect.

    Why: fo chooses which failures are reported to the ruf addresses, and there are none.
    Fix: remove fo, or name an address for failure reports in ruf.
    """
    record = record_in_force(facts)
    idle = record.faults_of("fo-without-ruf")
    if idle:
        at, records = of_faults(facts.dmarc, idle), proposal(facts.dmarc, record)
        yield finding(listed(idle), at=at, records=records)


@rule("DMARC017", Severity.NOTE, "RFC 9989 §4.8")
def failure_options_no_longer_valid(facts: DomainFacts) -> Findings:
    """The fo tag of the DMARC record combines options that no longer go together.

    Why: RFC 9989 allows 0, 1, d, s and d with s; receivers take any other combination for an error and use 0.
    Fix: publish fo=1 to hear of every failure.
    """
    record = record_in_force(facts)
    mixed = record.faults_of("fo-combination")
    if mixed:
        at, records = of_faults(facts.dmarc, mixed), proposal(facts.dmarc, record)
        yield finding(listed(mixed), at=at, records=records)


@rule("DMARC018", Severity.NOTE, "RFC 7489 §6.4")
def policy_not_second(facts: DomainFacts) -> Findings:
    """The policy is not the second tag of the DMARC record.

    Why: RFC 9989 does not mind, but receivers still on RFC 7489 may discard the record.
    Fix: put p directly after v=DMARC1.
    """
    record = record_in_force(facts)
    late = record.faults_of("policy-not-second")
    if late:
        at, records = of_faults(facts.dmarc, late), proposal(facts.dmarc, record)
        yield finding("p stands after other tags", at=at, records=records)


@rule("DMARC019", Severity.NOTE, "RFC 9989 §4.8")
def size_limit(facts: DomainFacts) -> Findings:
    """A report address of the DMARC record carries a size limit.

    Why: the suffix is obsolete; new reporters ignore it, and some take it for a part of the address.
    Fix: remove the exclamation mark and what follows it.
    """
    record = record_in_force(facts)
    sized = record.faults_of("uri-size")
    if sized:
        at, records = of_faults(facts.dmarc, sized), proposal(facts.dmarc, record)
        yield finding(listed(sized), at=at, records=records)


def _told_elsewhere(record: DmarcRecord, fault: Fault) -> bool:
    """True for a fault inside p, sp or np of a record without a valid policy: DMARC007 tells of it."""
    if record.policy_valid:
        return False
    places = [tag.span for tag in record.tags.tags if tag.name in ("p", "sp", "np")]
    return any(start <= fault.span[0] and fault.span[1] <= end for start, end in places)


def _samples(record: DmarcRecord, fault: Fault) -> bool:
    """True if the fault is a pct that limits the policy."""
    pct = record.tags.get("pct")
    return pct is not None and fault.span == pct.span and pct.value != REMOVED_TAGS["pct"]


def _advice(record: DmarcRecord, broken: list[Fault]) -> str | None:
    """A more precise remedy for the commonest slip: addresses separated by a semicolon."""
    if any(fault.kind == "no-equals" and "mailto:" in record.text[slice(*fault.span)].lower() for fault in broken):
        return "separate the addresses of rua by commas; a semicolon ends the tag"
    return None
