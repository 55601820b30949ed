"""What several DMARC rules read: the record that applies, evidence with its place, and a record to publish instead."""

from __future__ import annotations

from collections.abc import Iterable

from deliverkit.facts.base import NotApplicable, needs
from deliverkit.facts.dmarc import DmarcFacts
from deliverkit.facts.domain import DomainFacts
from deliverkit.findings import Evidence, RecordText, evidence_of
from deliverkit.protocols.dmarc.record import DmarcRecord
from deliverkit.protocols.fault import Fault

_FO_PAIRS = ("1", "d", "s", "d:s", "s:d")


def record_in_force(facts: DomainFacts) -> DmarcRecord:
    """The record that applies, its own or an inherited one; not applicable without one that states something."""
    record = needs(facts.dmarc.record)
    if not record.applies:
        raise NotApplicable
    return record


def stated_policy(facts: DomainFacts) -> DmarcRecord:
    """The record in force, if its policy is valid: otherwise another rule tells what is wrong."""
    record = record_in_force(facts)
    if not record.policy_valid:
        raise NotApplicable
    return record


def evidence(dmarc: DmarcFacts, spans: Iterable[tuple[int, int] | None] = (None,)) -> tuple[Evidence, ...]:
    """The record that applies, once for each place in it."""
    step = dmarc.step
    if step is None:
        return ()
    return tuple(e for span in spans for e in evidence_of(step.answer, step.index, span=span))


def of_faults(dmarc: DmarcFacts, faults: Iterable[Fault]) -> tuple[Evidence, ...]:
    """The record that applies, with the place of each fault."""
    return evidence(dmarc, [fault.span for fault in faults])


def listed(faults: Iterable[Fault]) -> str:
    """The faults in one line."""
    return "; ".join(dict.fromkeys(fault.detail for fault in faults))


def proposal(dmarc: DmarcFacts, record: DmarcRecord, **changes: str | None) -> tuple[RecordText, ...]:
    """The record as it should be published: what is valid in it, with the changes made."""
    where = dmarc.discovery.record_domain or dmarc.domain
    return (RecordText(f"_dmarc.{where}", "TXT", rewritten(record, **changes)),)


def rewritten(record: DmarcRecord, **changes: str | None) -> str:
    """The record's valid tags in the customary order, defaults and removed tags left out, with the changes made."""
    rua = [uri.target for uri in record.rua if uri.valid and uri.scheme == "mailto"]
    ruf = [uri.target for uri in record.ruf if uri.valid and uri.scheme == "mailto"]
    options = ":".join(record.fo)
    tags: dict[str, str | None] = {
        "p": record.p or "none",
        "sp": record.sp,
        "np": record.np,
        "adkim": record.adkim if record.adkim != "r" else None,
        "aspf": record.aspf if record.aspf != "r" else None,
        "psd": record.psd if record.psd != "u" else None,
        "t": "y" if record.t else None,
        "fo": None if not ruf or options == "0" else options if options in _FO_PAIRS else "1",
        "rua": ",".join(rua) or None,
        "ruf": ",".join(ruf) or None,
    }
    tags.update(changes)
    return "; ".join(["v=DMARC1", *(f"{name}={value}" for name, value in tags.items() if value)])
