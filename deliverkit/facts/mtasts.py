"""The MTA-STS facts of a domain as far as DNS tells them: what stands at ``_mta-sts``, and how it is observed."""

from __future__ import annotations

from dataclasses import dataclass

from deliverkit.facts.base import Facts, missing
from deliverkit.facts.placed import Misplaced, look_elsewhere
from deliverkit.flow import Answer, Flow, Status, ask
from deliverkit.protocols.mtasts import MtaStsRecord, is_mtasts, looks_like_mtasts, parse_mtasts

PREFIX = "_mta-sts"


@dataclass(frozen=True, repr=False)
class MtaStsFacts(Facts):
    """What DNS says of MTA-STS; the policy itself is not fetched here.

    ``records`` maps the place in the answer to each text meant as an MTA-STS record. ``record`` is the one that senders
    use: None when there is not exactly one (RFC 8461 §3.1) or it is invalid.
    """

    domain: str
    answer: Answer
    records: tuple[tuple[int, MtaStsRecord], ...]
    record: MtaStsRecord | None
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


def observe_mtasts(domain: str) -> Flow[MtaStsFacts]:
    """Observe the MTA-STS record of a domain."""
    answer = yield from ask(f"{PREFIX}.{domain}", "TXT")
    if not answer.known:
        unknown = missing(answer.why())
        return MtaStsFacts(domain, answer, unknown, unknown, unknown)
    texts = answer.texts if answer.status is Status.OK else ()
    records = tuple(
        (i, parse_mtasts(text)) for i, text in enumerate(texts) if is_mtasts(text) or looks_like_mtasts(text)
    )
    selected = [record for _, record in records if record.selected]
    record = selected[0] if len(selected) == 1 and selected[0].valid else None
    misplaced = () if records else (yield from look_elsewhere(domain, PREFIX, is_mtasts))
    return MtaStsFacts(domain, answer, records, record, misplaced)
