"""Sets of records in a source: twins, differing TTLs, TTLs out of reason, types that are gone, values not known."""

from __future__ import annotations

from collections.abc import Iterator

from deliverkit.facts.base import NotApplicable
from deliverkit.facts.source import SourceFacts, SourceRecord
from deliverkit.findings import Severity, finding
from deliverkit.rules.registry import Findings, rule
from deliverkit.rules.source.record import TEXTS, about_mail, seen, standing, text_of

MAX_TTL = 2**31 - 1  # RFC 2181 §8
A_DAY = 86400
SHORT = 30


@rule("SRC020", Severity.WARNING, "RFC 2181 §5")
def record_written_twice(facts: SourceFacts) -> Findings:
    """The same record stands twice in the source.

    Why: a set holds no record twice. Name servers drop one of them without a word, providers refuse the change, and who
    corrects one of the two corrects nothing.
    Fix: take one of them out.
    """
    for records in facts.by_set.values():
        if len(records) < 2:
            continue
        first: dict[object, SourceRecord] = {}
        for record in records:
            if record.value is None or "routed" in record.flags:
                continue
            value = text_of(record) if record.type in TEXTS else record.value
            earlier = first.setdefault(value, record)
            if earlier is not record:
                where = f"{earlier.file}:{earlier.line}" if earlier.line else earlier.file
                yield finding(f"it stands at {where} already", at=seen(record, earlier), subject=record.name)


@rule("SRC027", Severity.ERROR, "RFC 2181 §5; good practice (a set has one owner)")
def set_in_two_places(facts: SourceFacts) -> Findings:
    """The records of one name and type stand in two resources or entries.

    Why: octoDNS, Route 53, Google and Azure keep whole sets. The second entry is refused ("already exists", "duplicate
    record"), or overwrites the first: an SPF record, say, that gives way to a verification.
    Fix: put all values of the set into one resource or entry.
    """
    if facts.kind == "master" or facts.provider == "cloudflare":
        raise NotApplicable
    for (name, type_), records in facts.by_set.items():
        if len(records) < 2 or name == "*" or type_ == "*":
            continue
        other = next((r for r in records if r.entry != records[0].entry), None)
        if other is not None and "routed" not in other.flags:
            detail = f"{name} {type_} stands in {records[0].entry} and in {other.entry}"
            yield finding(detail, at=seen(other, records[0]), subject=name)


@rule("SRC021", Severity.WARNING, "RFC 2181 §5.2")
def differing_ttls(facts: SourceFacts) -> Findings:
    """Records of one name and type have different TTLs.

    Why: a set has one TTL. Servers take the lowest, or the first, or treat the set as an error; part of an MX set may
    outlive the rest in caches.
    Fix: give all records of the set the same TTL.
    """
    for records in facts.by_set.values():
        if len(records) < 2 or "routed" in records[0].flags:
            continue
        told = [r.ttl if r.lasting is None else r.lasting for r in records]
        if len({ttl for ttl in told if ttl is not None}) > 1:
            odd = next(r for r, ttl in zip(records, told, strict=True) if ttl != told[0])
            shown = ", ".join(str(ttl) for ttl in dict.fromkeys(told))
            detail = f"{odd.name} {odd.type} has TTLs {shown}"
            yield finding(detail, at=seen(odd, records[0]), subject=odd.name)


@rule("SRC022", Severity.ERROR, "RFC 2181 §8")
def ttl_too_large(facts: SourceFacts) -> Findings:
    """A TTL is larger than DNS allows.

    Why: a TTL has 31 bits. Resolvers take a larger one as 0, providers refuse it.
    Fix: write a TTL of an hour (3600) to a day (86400).
    """
    for record in facts.records:
        if record.ttl is not None and record.ttl > MAX_TTL:
            yield finding(f"a TTL of more than {MAX_TTL}", at=seen(record), subject=record.name)


@rule("SRC023", Severity.WARNING, "RFC 1035 §3.2.1; good practice")
def ttl_close_to_zero(facts: SourceFacts) -> Findings:
    """A record that mail depends on is hardly cached.

    Why: with a TTL of some seconds every message asks again, at servers that then answer late or not at all; a lookup
    that fails defers mail or fails SPF and DKIM.
    Fix: write a TTL of five minutes (300) at least, an hour (3600) once it is settled.
    """
    for record, ttl in _lasting(facts):
        if ttl < SHORT:
            yield finding(f"a TTL of {ttl} seconds", at=seen(record), subject=record.name)


@rule("SRC024", Severity.NOTE, "RFC 1912 §2.2; good practice")
def ttl_of_days(facts: SourceFacts) -> Findings:
    """A record that mail depends on is cached for more than a day.

    Why: whoever saw a wrong MX, key or policy keeps it for so long, and a correction does not reach them.
    Fix: write a TTL of an hour (3600) to a day (86400).
    """
    for record, ttl in _lasting(facts):
        if A_DAY < ttl <= MAX_TTL:
            yield finding(f"a TTL of {ttl} seconds ({ttl / A_DAY:.3g} days)", at=seen(record), subject=record.name)


def _lasting(facts: SourceFacts) -> Iterator[tuple[SourceRecord, int]]:
    """The first record of each set about mail, with its TTL; Cloudflare's "automatic" is none."""
    for records in facts.by_set.values():
        record = records[0]
        ttl = record.ttl if record.lasting is None else record.lasting
        if ttl is None or (ttl == 1 and (facts.provider == "cloudflare" or facts.kind == "octodns")):
            continue
        if SHORT <= ttl <= A_DAY or ttl > MAX_TTL:  # most records: not looked at any closer
            continue
        guilty = next((one for one in records if about_mail(one)), None)
        if guilty is not None:
            yield guilty, ttl


@rule("SRC025", Severity.WARNING, "RFC 7208 §3.1")
def type_spf_is_gone(facts: SourceFacts) -> Findings:
    """A record of type SPF (99) stands in the source.

    Why: the type was given up in 2014. Nobody asks for it, servers and providers drop or refuse it, and whoever changes
    it instead of the TXT record changes nothing.
    Fix: publish the text as a TXT record, and take this one out.
    """
    for (name, type_), records in facts.by_set.items():
        for record in records if type_ == "SPF" else ():
            yield finding(
                f"{name} has an SPF record of type 99", at=seen(record), removes=standing(record), subject=name
            )


@rule("SRC026", Severity.NOTE, "good practice (Terraform: known after apply)")
def value_not_known_yet(facts: SourceFacts) -> Findings:
    """What a mail record will say is not known before it is made.

    Why: the plan leaves it open, so nothing can be said of it now; what depends on it ends inconclusive.
    Fix: judge the domain again when the plan is applied, or plan in two steps so that the value is known.
    """
    if facts.kind != "terraform":
        raise NotApplicable
    for records in facts.by_set.values():
        for record in records:
            if record.unknown is not None and (about_mail(record) or record.type in TEXTS):
                yield finding(f"{record.name} {record.type}: {record.unknown}", at=seen(record), subject=record.name)
