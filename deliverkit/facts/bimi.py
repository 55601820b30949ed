"""The BIMI facts of a domain as far as DNS tells them: the assertion record, and the flow that observes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from deliverkit.facts.base import Facts, missing
from deliverkit.facts.placed import Misplaced, look_elsewhere
from deliverkit.flow import Answer, Flow, Status, ask, together
from deliverkit.protocols.bimi import BimiRecord, is_bimi, looks_like_bimi, parse_bimi
from deliverkit.protocols.dmarc.discover import Walk, walk

SELECTOR = "default"


@dataclass(frozen=True, repr=False)
class BimiFacts(Facts):
    """What DNS says of BIMI; logo and certificate are not fetched here.

    ``records`` maps the place in the answer to each text meant as a BIMI record. ``record`` is the one receivers use:
    None when there is not exactly one or it is invalid. ``found_at`` is the domain whose record it is, the
    Organizational Domain where the domain itself has none.
    """

    domain: str
    answer: Answer
    records: tuple[tuple[int, BimiRecord], ...]
    record: BimiRecord | None
    found_at: str
    misplaced: tuple[Misplaced, ...] = ()

    @property
    def subject(self) -> str:
        return self.domain

    def to_json(self) -> dict[str, object]:
        """The record first, then what else was seen."""
        shown = {name: self.raw(name) for name in ("record", "found_at", "records", "misplaced", "answer")}
        if isinstance(shown["records"], tuple):
            shown["records"] = [record for _, record in shown["records"]]
        return shown


def observe_bimi(domain: str) -> Flow[BimiFacts]:
    """Observe the BIMI record of a domain, with the fallback to its Organizational Domain."""
    prefix = f"{SELECTOR}._bimi"
    own = yield from ask(f"{prefix}.{domain}", "TXT")
    if not own.known:
        return _unknown(domain, own, own.why())
    if _records(own):
        return _facts(domain, own, domain)
    both: tuple[Any, ...] = yield from together(look_elsewhere(domain, prefix, is_bimi, also=("_bimi",)), walk(domain))
    misplaced: tuple[Misplaced, ...] = both[0]
    walked: Walk = both[1]
    if misplaced:
        return _facts(domain, own, domain, misplaced)
    if walked.org_domain is None:
        return _unknown(domain, own, walked.unknown[0].answer.why())
    if walked.org_domain == domain:
        return _facts(domain, own, domain)
    inherited = yield from ask(f"{prefix}.{walked.org_domain}", "TXT")
    if not inherited.known:
        return _unknown(domain, inherited, inherited.why())
    return _facts(domain, inherited, walked.org_domain)


def _records(answer: Answer) -> tuple[tuple[int, BimiRecord], ...]:
    if answer.status is not Status.OK:
        return ()
    return tuple((i, parse_bimi(text)) for i, text in enumerate(answer.texts) if looks_like_bimi(text))


def _facts(domain: str, answer: Answer, found_at: str, misplaced: tuple[Misplaced, ...] = ()) -> BimiFacts:
    records = _records(answer)
    selected = [record for _, record in records if record.selected]
    record = selected[0] if len(selected) == 1 and selected[0].valid else None
    return BimiFacts(domain, answer, records, record, found_at, misplaced)


def _unknown(domain: str, answer: Answer, why: str) -> BimiFacts:
    unknown = missing(why)
    return BimiFacts(domain, answer, unknown, unknown, unknown, unknown)
