"""A TXT record that belongs at one name below a domain, and the names at which people publish it by mistake.

Shared by DMARC, TLS-RPT, MTA-STS and BIMI, whose records all hang at a name such as ``_dmarc.example.com``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from deliverkit.facts.base import Facts, missing
from deliverkit.flow import Answer, Flow, Status, ask, together


class PlacedRecord(Protocol):
    """A parsed record: ``selected`` if receivers take it for one of their kind, ``valid`` if they can use it."""

    @property
    def selected(self) -> bool: ...

    @property
    def valid(self) -> bool: ...


R = TypeVar("R", bound=PlacedRecord)


@dataclass(frozen=True, slots=True)
class Misplaced:
    """A record found where nobody looks for it. ``mistake`` says in words what went wrong."""

    mistake: str
    answer: Answer
    index: int

    @property
    def name(self) -> str:
        """The name the record stands at."""
        return self.answer.question.name

    @property
    def text(self) -> str:
        """The record."""
        return self.answer.texts[self.index]

    def to_json(self) -> dict[str, object]:
        """Where it stands and what it says."""
        return {"name": self.name, "mistake": self.mistake, "text": self.text}


def look_elsewhere(
    domain: str, prefix: str, meant: Callable[[str], bool], *, also: tuple[str, ...] = ()
) -> Flow[tuple[Misplaced, ...]]:
    """Look for the record of ``prefix.domain`` at the names where DNS editors lose it.

    Ask only when it is missing from its own name. A place that gives no answer counts as empty: the record is missing
    either way.
    """
    bare = ".".join(label.removeprefix("_") for label in prefix.split("."))
    places = {
        domain: "at the domain itself",
        f"{prefix}.{domain}.{domain}": "with the domain doubled (a final dot or a relative name was forgotten)",
        f"{bare}.{domain}": "without the underscore",
        **{f"{label}.{domain}": "at another name" for label in also},
    }
    names = [name for name in places if len(name) <= 253 and name != f"{prefix}.{domain}"]
    answers = yield from together(*(ask(name, "TXT") for name in names))
    return tuple(
        Misplaced(places[name], answer, index)
        for name, answer in zip(names, answers, strict=True)
        if answer.status is Status.OK
        for index, text in enumerate(answer.texts)
        if meant(text)
    )


@dataclass(frozen=True, repr=False)
class PlacedFacts(Facts, Generic[R]):
    """What stands at the one name where a protocol's record belongs.

    ``records`` maps the place in the answer to each text meant as such a record. ``record`` is the one that is used:
    None when there is not exactly one, or it is invalid. ``misplaced`` is looked for only when there is none.
    """

    domain: str
    answer: Answer
    records: tuple[tuple[int, R], ...]
    record: R | None
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


P = TypeVar("P", bound="PlacedFacts[Any]")


def observe_placed(
    kind: Callable[..., P],
    domain: str,
    prefix: str,
    parse: Callable[[str], PlacedRecord],
    meant: Callable[[str], bool],
    nearly: Callable[[str], bool],
    *,
    also: tuple[str, ...] = (),
) -> Flow[P]:
    """Observe the record at ``prefix.domain``: those that are ``meant``, and those that are ``nearly`` so."""
    answer = yield from ask(f"{prefix}.{domain}", "TXT")
    if not answer.known:
        unknown = missing(answer.why())
        return kind(domain, answer, unknown, unknown, unknown)
    texts = answer.texts if answer.status is Status.OK else ()
    records = tuple((i, parse(text)) for i, text in enumerate(texts) if meant(text) or nearly(text))
    selected = [record for _, record in records if record.selected]
    record = selected[0] if len(selected) == 1 and selected[0].valid else None
    misplaced = () if records else (yield from look_elsewhere(domain, prefix, meant, also=also))
    return kind(domain, answer, records, record, misplaced)
