"""Opinions about the TLS-RPT record. A domain without one is left in peace: the protocol is optional."""

from __future__ import annotations

from deliverkit.facts.base import NotApplicable
from deliverkit.facts.domain import DomainFacts
from deliverkit.findings import RecordText, Severity, evidence_of, finding, standing
from deliverkit.protocols.tlsrpt import TlsRptRecord, parse_tlsrpt
from deliverkit.rules.registry import Findings, rule


@rule("TLSRPT001", Severity.WARNING, "RFC 8460 §3")
def several_records(facts: DomainFacts) -> Findings:
    """There are several TLS-RPT records.

    Why: with more than one, senders act as if there were none, and their reports are lost.
    Fix: merge them into one record; several addresses stand in one rua, separated by commas.
    """
    seen = facts.tlsrpt
    counted = [(index, record) for index, record in seen.records if record.selected]
    if len(counted) > 1:
        uris = dict.fromkeys(uri.text for _, record in counted for uri in record.rua if uri.valid)
        name = f"_smtp._tls.{facts.name}"
        yield finding(
            f"{len(counted)} TLS-RPT records at {name}",
            at=tuple(e for index, _ in counted for e in evidence_of(seen.answer, index)),
            records=(RecordText(name, "TXT", f"v=TLSRPTv1; rua={','.join(uris)}"),) if uris else (),
        )


@rule("TLSRPT002", Severity.WARNING, "RFC 8460 §3")
def record_unusable(facts: DomainFacts) -> Findings:
    """The TLS-RPT record cannot be used.

    Why: senders read it to the letter of the grammar; a record with an error is no record, and no reports come.
    Fix: publish v=TLSRPTv1; rua=mailto: followed by an address of yours.
    """
    seen = facts.tlsrpt
    if not seen.records:
        raise NotApplicable
    if sum(record.selected for _, record in seen.records) > 1:
        return  # TLSRPT001 tells of it
    for index, record in seen.records:
        wrong = [fault for fault in record.faults if fault.fatal]
        if wrong and (record.selected or not any(other.selected for _, other in seen.records)):
            addresses = _addresses(record) or f"mailto:tls-reports@{facts.name}"
            yield finding(
                "; ".join(fault.detail for fault in wrong),
                at=tuple(e for fault in wrong for e in evidence_of(seen.answer, index, span=fault.span)),
                records=(RecordText(f"_smtp._tls.{facts.name}", "TXT", f"v=TLSRPTv1; rua={addresses}"),),
            )


@rule("TLSRPT003", Severity.WARNING, "RFC 8460 §3")
def record_in_the_wrong_place(facts: DomainFacts) -> Findings:
    """A TLS-RPT record stands at a name where nobody looks for it.

    Why: senders ask for TXT at _smtp._tls below the domain and nowhere else.
    Fix: move the record to _smtp._tls; many DNS editors append the domain themselves.
    """
    for stray in facts.tlsrpt.misplaced:
        name = f"_smtp._tls.{facts.name}"
        yield finding(
            f"the record stands at {stray.name}, {stray.mistake}, and there is none at {name}",
            at=evidence_of(stray.answer, stray.index),
            records=(RecordText(name, "TXT", stray.text),),
            removes=standing(stray.answer, stray.index),
        )


@rule("TLSRPT004", Severity.NOTE, "RFC 8460 §3")
def two_report_fields(facts: DomainFacts) -> Findings:
    """The TLS-RPT record has more than one rua field.

    Why: the grammar allows it, but the text speaks of one, and not every sender reads the second.
    Fix: put all addresses into one rua, separated by commas.
    """
    seen = facts.tlsrpt
    if seen.record is None:
        raise NotApplicable
    doubled = [fault for fault in seen.record.faults if fault.kind == "two-rua"]
    if doubled:
        index = next(index for index, record in seen.records if record is seen.record)
        addresses = ",".join(uri.text for uri in seen.record.rua)
        yield finding(
            f"{len(doubled) + 1} rua fields",
            at=tuple(e for fault in doubled for e in evidence_of(seen.answer, index, span=fault.span)),
            records=(RecordText(f"_smtp._tls.{facts.name}", "TXT", f"v=TLSRPTv1; rua={addresses}"),),
        )


def _addresses(record: TlsRptRecord) -> str:
    """The usable addresses of a record, those where only mailto: is missing included."""
    found = []
    for uri in record.rua:
        bare = uri.text if uri.scheme else f"mailto:{uri.text}"
        read = parse_tlsrpt(f"v=TLSRPTv1; rua={bare}")
        if read.valid and len(read.rua) == 1:
            found.append(bare)
    return ",".join(dict.fromkeys(found))
