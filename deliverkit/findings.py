"""What a rule says: severities, findings, evidence and fixes. Pure data, no knowledge of any protocol."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from deliverkit.flow import Answer


class Severity(StrEnum):
    """error: mail is or will be refused, junked or spoofable. warning: a real risk. note: worth knowing."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"

    @property
    def rank(self) -> int:
        """0 for the gravest, so that sorting puts errors first."""
        return list(Severity).index(self)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What was seen. ``span`` is a half-open range of characters in ``value``; ``line`` counts from 1.

    ``kind`` is one of "dns", "smtp", "tls", "message", "key", "file".
    """

    kind: str
    name: str
    type: str = ""
    value: str = ""
    file: str | None = None
    line: int | None = None
    span: tuple[int, int] | None = None
    server: str | None = None

    @property
    def place(self) -> str:
        """Where it stands in a file: "zone:12", "zone" when the line is not known, "" without a file."""
        if self.file is None:
            return ""
        return self.file if self.line is None else f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class RecordText:
    """A record to publish, in presentation form."""

    name: str
    type: str
    value: str

    @property
    def line(self) -> str:
        """The record as a line of a zone file; a text that is not quoted yet is put into quotation marks."""
        quoted = self.type == "TXT" and not self.value.startswith('"')
        return f'{self.name}. {self.type} "{self.value}"' if quoted else f"{self.name}. {self.type} {self.value}"


@dataclass(frozen=True, slots=True)
class Fix:
    """What to do about it. ``text`` is never empty."""

    text: str
    records: tuple[RecordText, ...] = ()


@dataclass(frozen=True, slots=True)
class Finding:
    """One opinion about one subject, with the evidence and the way out."""

    rule: str
    slug: str
    severity: Severity
    subject: str
    title: str
    detail: str
    evidence: tuple[Evidence, ...]
    fix: Fix
    reference: str


@dataclass(frozen=True, slots=True)
class Draft:
    """What a rule yields; the registry completes it with id, slug, severity, title and reference."""

    detail: str
    evidence: tuple[Evidence, ...] = ()
    fix: str | None = None
    records: tuple[RecordText, ...] = ()
    subject: str | None = None


def finding(
    detail: str,
    *,
    at: Evidence | tuple[Evidence, ...] = (),
    fix: str | None = None,
    records: tuple[RecordText, ...] = (),
    subject: str | None = None,
) -> Draft:
    """Say what is wrong *here*. Without ``fix`` the Fix section of the rule's docstring is used."""
    return Draft(detail, (at,) if isinstance(at, Evidence) else tuple(at), fix, records, subject)


def evidence_of(
    answer: Answer, index: int | None = None, *, span: tuple[int, int] | None = None
) -> tuple[Evidence, ...]:
    """Turn an answer into evidence: one record (``index``), all of them, or its status when it has none."""
    question = answer.question
    if not answer.records:
        return (Evidence("dns", question.name, question.type, answer.status.value, server=answer.server),)
    wanted = range(len(answer.records)) if index is None else (index,)
    return tuple(
        Evidence(
            "dns",
            question.name,
            question.type,
            _presentation(answer, i),
            file=answer.sources[i].file if i < len(answer.sources) else None,
            line=answer.sources[i].line if i < len(answer.sources) else None,
            span=_presented_span(answer, i, span),
            server=answer.server,
        )
        for i in wanted
    )


def _presented_span(answer: Answer, index: int, span: tuple[int, int] | None) -> tuple[int, int] | None:
    """The span in the text as it is shown, where an octet that is no UTF-8 takes four characters."""
    if span is None or answer.question.type not in ("TXT", "SPF"):
        return span
    text = answer.texts[index]
    return len(_shown(text[: span[0]])), len(_shown(text[: span[1]]))


def _shown(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _presentation(answer: Answer, index: int) -> str:
    if answer.question.type in ("TXT", "SPF"):
        return _shown(answer.texts[index])
    record = answer.records[index]
    if isinstance(record, tuple):
        return " ".join(part.hex() if isinstance(part, bytes) else str(part) for part in record)
    return str(record)


@dataclass(frozen=True, slots=True)
class Inconclusive:
    """A rule that could not be told: the facts it reads were asked for and nobody answered."""

    rule: str
    subject: str
    reason: str
    decisive: bool = False


@dataclass(frozen=True, slots=True)
class Judgement:
    """The outcome of a set of rules on one subject.

    A rule with a finding stands under ``findings``; besides under ``inconclusive`` if a fact it read later could not be
    told. ``passed``, ``not_applicable``, ``not_asked`` and
    ``crashed`` hold rule ids.
    """

    findings: tuple[Finding, ...] = ()
    inconclusive: tuple[Inconclusive, ...] = ()
    passed: tuple[str, ...] = ()
    not_applicable: tuple[str, ...] = ()
    not_asked: tuple[str, ...] = ()
    crashed: tuple[str, ...] = field(default=())
