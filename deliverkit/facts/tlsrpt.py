"""The TLS-RPT facts of a domain: what stands at ``_smtp._tls``, and the flow that observes it."""

from __future__ import annotations

from dataclasses import dataclass

from deliverkit.facts.base import Facts, missing
from deliverkit.facts.placed import Misplaced, look_elsewhere
from deliverkit.flow import Answer, Flow, Status, ask
from deliverkit.protocols.tlsrpt import TlsRptRecord, is_tlsrpt, looks_like_tlsrpt, parse_tlsrpt

PREFIX = "_smtp._tls"


@dataclass(frozen=True, repr=False)
class TlsRptFacts(Facts):
    """What is published for TLS reporting.

    ``records`` maps the place in the answer to each text meant as a TLS-RPT record. ``record`` is the one that senders
    use: None when there is not exactly one (RFC 8460 §3) or it is invalid.
    """

    domain: str
    answer: Answer
    records: tuple[tuple[int, TlsRptRecord], ...]
    record: TlsRptRecord | None
    misplaced: tuple[Misplaced, ...] = ()

    @property
    def subject(self) -> str:
        return self.domain

    def to_json(self) -> dict[str, object]:
        """The record first, then what else was seen."""
        names = ("record", "records", "misplaced", "answer")
        shown = {name: self.raw(name) for name in names}
        if isinstance(shown["records"], tuple):
            shown["records"] = [record for _, record in shown["records"]]
        return shown


def observe_tlsrpt(domain: str) -> Flow[TlsRptFacts]:
    """Observe the TLS-RPT record of a domain."""
    answer = yield from ask(f"{PREFIX}.{domain}", "TXT")
    if not answer.known:
        unknown = missing(answer.why())
        return TlsRptFacts(domain, answer, unknown, unknown, unknown)
    texts = answer.texts if answer.status is Status.OK else ()
    records = tuple(
        (i, parse_tlsrpt(text)) for i, text in enumerate(texts) if is_tlsrpt(text) or looks_like_tlsrpt(text)
    )
    selected = [record for _, record in records if record.selected]
    record = selected[0] if len(selected) == 1 and selected[0].valid else None
    misplaced = () if records else (yield from look_elsewhere(domain, PREFIX, is_tlsrpt, also=("_tls", "_smtp-tlsrpt")))
    return TlsRptFacts(domain, answer, records, record, misplaced)
