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


STRING_OCTETS = 255
"""The most that one character-string of a TXT record holds (RFC 1035 §3.3)."""


SHOWN = 120
"""Characters that tell which record is meant."""


@dataclass(frozen=True, slots=True)
class RecordText:
    """A record to publish or to take out. ``value`` is in presentation form; of TXT it is the text, strings joined."""

    name: str
    type: str
    value: str

    @property
    def lines(self) -> tuple[str, ...]:
        """The record as a zone file holds it (RFC 1035 §5.1); a text of several strings stands in parentheses."""
        head = f"{self.name}. {self.type} "
        if self.type not in ("TXT", "SPF"):
            return (head + self.value,)
        first, *rest = (_quoted(string) for string in cut_strings(self.value))
        if not rest:
            return (head + first,)
        return (f"{head}( {first}", *(f"    {string}" for string in rest[:-1]), f"    {rest[-1]} )")

    @property
    def line(self) -> str:
        """The same on one line."""
        return " ".join(line.strip() for line in self.lines)


def _cut(line: str) -> str:
    return line if len(line) <= SHOWN else f"{line[: SHOWN - 1]}…"


def cut_strings(text: str) -> list[bytes]:
    """The text cut into character-strings, behind a blank where one stands in the second half of a string."""
    octets = text.encode("utf-8", "surrogateescape")
    cut = []
    while len(octets) > STRING_OCTETS:
        blank = octets.rfind(b" ", STRING_OCTETS // 2, STRING_OCTETS)
        end = STRING_OCTETS if blank < 0 else blank + 1
        cut.append(octets[:end])
        octets = octets[end:]
    return [*cut, octets]


def _quoted(octets: bytes) -> str:
    """One character-string in quotation marks; what a master file cannot hold is escaped (RFC 1035 §5.1)."""
    inner = "".join(
        f"\\{chr(octet)}" if octet in b'"\\' else chr(octet) if 0x20 <= octet <= 0x7E else f"\\{octet:03d}"
        for octet in octets
    )
    return f'"{inner}"'


@dataclass(frozen=True, slots=True)
class Fix:
    """What to do about it. ``text`` is never empty.

    ``removes`` are taken out of DNS and ``records`` published, in this order. ``rejudged`` is True if the subject was
    judged again with both applied, and came out better; ``effect`` says what changed ("error → pass, SPF lookups
    12 → 8"), or why that could not be seen. ``otherwise`` are fixes to try, in this order, where this one does not
    help; a report never holds any.
    """

    text: str
    records: tuple[RecordText, ...] = ()
    removes: tuple[RecordText, ...] = ()
    rejudged: bool = False
    effect: str = ""
    otherwise: tuple[Fix, ...] = ()

    @property
    def changes_dns(self) -> bool:
        """True if it names a record to publish or to take out."""
        return bool(self.records or self.removes)

    def to_json(self) -> dict[str, object]:
        """What a report says of it."""
        return {name: getattr(self, name) for name in ("text", "records", "removes", "rejudged", "effect")}

    @property
    def lines(self) -> tuple[str, ...]:
        """What to publish, line by line of a zone file; what else goes is told in its comments.

        A single record that is replaced at its own name and type is not repeated: the evidence shows it.
        """
        places = {(record.name, record.type) for record in self.records}
        plain = len(self.removes) == 1 and all((gone.name, gone.type) in places for gone in self.removes)
        gone = () if plain else self.removes
        return (
            *(f"; remove: {_cut(record.line)}" for record in gone),
            *(line for record in self.records for line in record.lines),
        )


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
    removes: tuple[RecordText, ...] = ()
    otherwise: tuple[Fix, ...] = ()
    subject: str | None = None


def finding(
    detail: str,
    *,
    at: Evidence | tuple[Evidence, ...] = (),
    fix: str | None = None,
    records: tuple[RecordText, ...] = (),
    removes: tuple[RecordText, ...] = (),
    otherwise: tuple[Fix, ...] = (),
    subject: str | None = None,
) -> Draft:
    """Say what is wrong *here*. Without ``fix`` the Fix section of the rule's docstring is used.

    ``records`` replace what stands at their names and is of their kind; ``removes`` names what must go besides.
    ``otherwise`` are fixes for the case that this one turns out not to help.
    """
    return Draft(detail, (at,) if isinstance(at, Evidence) else tuple(at), fix, records, removes, otherwise, subject)


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


def standing(answer: Answer, *places: int) -> tuple[RecordText, ...]:
    """The records of an answer that stand at the name asked, all or those at these places: to be taken out."""
    if answer.aliases:  # they stand elsewhere, and are perhaps another's
        return ()
    name, type_ = answer.question.name, answer.question.type
    wanted = places or range(len(answer.records))
    if type_ in ("TXT", "SPF"):
        return tuple(RecordText(name, type_, answer.texts[place]) for place in wanted)
    values = (answer.records[place] for place in wanted)
    return tuple(RecordText(name, type_, f"{v[0]} {v[1].rstrip('.')}." if type_ == "MX" else str(v)) for v in values)


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
