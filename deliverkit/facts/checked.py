"""What a check learned of its own configuration: what could not be read, and what in it went out of date.

What this file will not do: read a file, or hold an opinion.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any

from deliverkit.facts.base import Facts


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A file that could not be read: where, what is wrong, and what to do. ``str`` is "file:line: what; do"."""

    file: str
    line: int | None
    what: str
    do: str

    def __str__(self) -> str:
        place = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{place}: {self.what}; {self.do}"


@dataclass(frozen=True, slots=True)
class Held:
    """An ignore of the configuration. ``matched`` counts the findings that it fits, ``line`` is where it stands."""

    rules: tuple[str, ...]
    subject: str
    reason: str
    until: date | None
    line: int
    matched: int = 0


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of the baseline that nothing can match any more, and ``why``."""

    rule: str
    subject: str
    title: str
    why: str


@dataclass(frozen=True, repr=False)
class CheckFacts(Facts):
    """The configuration of a check. ``file`` is its name, ``baseline`` that of the baseline or None.

    ``expired`` are ignores whose last day has gone by. ``idle`` match nothing and ``stale`` are entries of subjects or
    rules that nobody judges any more; both are told only where everything was looked at.
    """

    file: str
    unreadable: tuple[Unreadable, ...] = ()
    expired: tuple[Held, ...] = ()
    idle: tuple[Held, ...] = ()
    stale: tuple[Entry, ...] = ()
    baseline: str | None = None

    @property
    def subject(self) -> str:
        return self.file

    def to_json(self) -> dict[str, Any]:
        """What was read, and what could not be."""
        return {
            "file": self.file,
            "baseline": self.baseline,
            "unreadable": [str(one) for one in self.unreadable],
        }
