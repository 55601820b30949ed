"""Names of a source: doubled by an editor, outside the zone, targets without their final dot."""

from __future__ import annotations

from deliverkit.facts.base import NotApplicable
from deliverkit.facts.source import SourceFacts, SourceRecord
from deliverkit.findings import Severity, finding
from deliverkit.rules.registry import Findings, rule
from deliverkit.rules.source.record import TARGETS, seen, standing, written_as

_COMPLETED = TARGETS | {"MX"}


@rule("SRC001", Severity.ERROR, "RFC 1035 §5.1")
def name_doubled(facts: SourceFacts) -> Findings:
    """The name of a record carries the zone's name twice.

    Why: in a zone file a name without a final dot is completed by the zone's name, and so does the form of many a
    provider. The record stands at www.example.com.example.com, where nobody asks for it.
    Fix: write the name relative to the zone ("www"), or in a zone file in full with a final dot.
    """
    double = f"{facts.origin}.{facts.origin}"
    if "." not in facts.origin:
        raise NotApplicable
    for record in facts.records:
        if record.name.endswith(double) and (record.name == double or record.name.endswith(f".{double}")):
            meant = record.name[: -len(facts.origin) - 1]
            detail = f"{record.written!r} becomes {record.name}; {meant} was meant"
            there = any(one.value == record.value for one in facts.by_set.get((meant, record.type), ()))
            gone = standing(record)
            new = (written_as(record, name=meant),) if gone and not there else ()
            yield finding(detail, at=seen(record, by_name=True), removes=gone, records=new, subject=meant)


@rule("SRC002", Severity.ERROR, "RFC 1035 §5.1, RFC 5321 §5.1")
def target_completed_by_the_zone(facts: SourceFacts) -> Findings:
    """A target without its final dot was completed by the zone's name, and there is no such host.

    Why: in a zone file a name without a final dot is relative. "MX 10 mx.example.net" in the zone example.com points to
    mx.example.net.example.com; a DKIM alias at a provider's key ends the same way.
    Fix: end the target with a dot.
    """
    for record in facts.records:
        target = _target(record)
        if record.type not in _COMPLETED or target is None or not target.endswith(f".{facts.origin}"):
            continue
        words = record.text.split()
        word = words[-1] if words else ""
        bare = word.lower()  # completed by the $ORIGIN of its place, which may be "." (nothing added) or a subdomain
        relative = facts.kind == "master" and not word.endswith(".") and "." in word and target != bare
        doubled = "." in facts.origin and f".{target}".endswith(f".{facts.origin}.{facts.origin}")
        if not (relative or doubled) or facts.answers_for(target):
            continue
        meant = bare if relative and target.startswith(f"{bare}.") else target[: -len(facts.origin) - 1]
        gone = standing(record)
        value = (record.value[0], meant) if record.type == "MX" else meant
        new = (written_as(record, value=value),) if gone else ()
        detail = f"{word} becomes {target}, which is not in the zone; {meant}. was meant"
        if meant.replace(".", "").isdigit():  # a dot at its end would not make it a host
            new, gone = (), ()
            detail = f"{word} becomes {target}, which is not in the zone; a target is a name and no address"
        yield finding(detail, at=seen(record), removes=gone, records=new, subject=record.name)


def _target(record: SourceRecord) -> str | None:
    if record.value is None:
        return None
    target: str = record.value[1] if record.type == "MX" else record.value if record.type in TARGETS else ""
    return target


@rule("SRC003", Severity.WARNING, "RFC 1035 §5.2")
def record_outside_zone(facts: SourceFacts) -> Findings:
    """A record stands outside the zone of its file.

    Why: name servers ignore it, so what it says is never published.
    Fix: move it into the file of its own zone, or correct its name ($ORIGIN completes names without a final dot).
    """
    if facts.kind != "master" or facts.origin == ".":
        raise NotApplicable
    below = f".{facts.origin}"
    for record in facts.records:
        if record.name != facts.origin and not record.name.endswith(below):
            yield finding(f"{record.name} is not in {facts.origin}", at=seen(record, by_name=True), subject=record.name)


@rule("SRC004", Severity.ERROR, "good practice (octoDNS: targets are absolute)")
def target_without_final_dot(facts: SourceFacts) -> Findings:
    """A target in octoDNS has no final dot.

    Why: octoDNS means absolute names. Versions before 1.22 refuse the zone ("missing trailing ."), later ones pass the
    name on, and a provider that writes zone files completes it by the zone's name.
    Fix: end the target with a dot.
    """
    if facts.kind != "octodns":
        raise NotApplicable
    for record in facts.records:
        if record.type in TARGETS or record.type in ("MX", "SRV"):
            word = record.text.split()[-1] if record.text.strip() else ""
            if word and not word.endswith("."):
                same = standing(record)
                yield finding(
                    f"{word} instead of {word}.", at=seen(record), removes=same, records=same, subject=record.name
                )


@rule("SRC005", Severity.ERROR, "good practice (YAML: the last of two keys wins)")
def name_written_twice(facts: SourceFacts) -> Findings:
    """A name stands twice in a YAML file, and only its last entry is published.

    Why: of two equal keys YAML keeps the last one, or octoDNS refuses the file. The records of the first are lost
    without a word: an SPF record, say, above a verification that somebody added.
    Fix: write both under one key, as a list of records.
    """
    if facts.kind != "octodns":
        raise NotApplicable
    for record in facts.records:
        if "lost" in record.flags:
            detail = f"{record.written!r} comes again further down, so this {record.type} record is not published"
            yield finding(detail, at=seen(record), subject=record.name)


@rule("SRC006", Severity.WARNING, "RFC 4592 §2.2; RFC 9989 §4.10")
def wildcard_over_mail_names(facts: SourceFacts) -> Findings:
    """A wildcard answers for _dmarc or _domainkey, where mail policy is looked for.

    Why: a wildcard gives an answer for every name that does not exist. Receivers that ask for DMARC or for a DKIM
    key get whatever it says: an SPF record, or the records of a web host.
    Fix: publish _dmarc and the DKIM keys themselves, which end the wildcard's reach, or take the wildcard away.
    """
    for type_ in ("TXT", "CNAME"):
        for record in facts.by_set.get((f"*.{facts.origin}", type_), ()):
            open_ = [n for n in ("_dmarc", "_domainkey") if f"{n}.{facts.origin}" not in facts.names]
            if open_:
                names = " and ".join(f"{n}.{facts.origin}" for n in open_)
                yield finding(
                    f"{record.name} {record.type} answers for {names}",
                    at=seen(record, by_name=True),
                    subject=record.name,
                )
