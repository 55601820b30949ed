"""What several DMARC rules read: the record that applies, and evidence with its place."""

from __future__ import annotations

import re
from collections.abc import Iterable

from deliverkit.facts.base import Missing, NotApplicable, needs
from deliverkit.facts.dmarc import DmarcFacts
from deliverkit.facts.domain import DomainFacts
from deliverkit.findings import Evidence, RecordText, evidence_of
from deliverkit.protocols.dmarc.record import POLICIES, DmarcRecord
from deliverkit.protocols.fault import Fault
from deliverkit.rules.dmarc.repair import proposal


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


def cut_short(text: str) -> str:
    """A remark on a record that is nothing but its version."""
    if ";" in text.strip().rstrip(";"):
        return ""
    return ": it ends behind v=DMARC1 (in a zone file, a semicolon outside quotation marks begins a comment)"


def with_reports(facts: DomainFacts, record: DmarcRecord) -> tuple[RecordText, ...]:
    """The record with a report address at its own domain, unless that domain is known to take no mail."""
    where, mx = facts.dmarc.discovery.record_domain, facts.raw("mx")
    told = not isinstance(mx, Missing) and mx.answer.known
    if told and where == facts.name and not (mx.receives or mx.implicit):
        return ()
    return proposal(facts.dmarc, record, rua=f"mailto:dmarc@{where}")


_ALL_FAILS = re.compile(r"v=spf1\s+-all\s*", re.IGNORECASE).fullmatch


def sends_nothing(facts: DomainFacts) -> bool:
    """True if the SPF record, where it was observed, says that no mail comes from the domain."""
    spf = facts.raw("spf")
    return (
        not isinstance(spf, Missing)
        and spf.answer.known
        and spf.record is not None
        and _ALL_FAILS(spf.record) is not None
    )


def rank(policy: str) -> int:
    """0 for none, 1 for quarantine, 2 for reject."""
    return POLICIES.index(policy)
