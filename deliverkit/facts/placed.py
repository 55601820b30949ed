"""A TXT record that belongs at one name below a domain, and the names at which people publish it by mistake.

Shared by DMARC, TLS-RPT, MTA-STS and BIMI, whose records all hang at a name such as ``_dmarc.example.com``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from deliverkit.flow import Answer, Flow, Status, ask, together


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
