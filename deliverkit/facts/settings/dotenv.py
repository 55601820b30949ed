"""Files of variables (``.env``), read as each loader reads them: quotes, ``export``, comments, ``$``, line ends.

No loader agrees with another; a *dialect* says what each does. What this file will not do: find files, or know which
of them wins.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from deliverkit.facts.settings.values import Place, Setting, Unread, ValueFault

_LINE = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_.-]*)\s*=(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one loader reads a file. ``expands``: ``$NAME`` and ``${NAME}`` are replaced, outside single quotes.

    ``source`` is where this is written.
    """

    name: str
    expands: bool
    source: str


DIALECTS = {
    one.name: one
    for one in (
        Dialect("node", False, "dotenv 16 README and its parser"),
        Dialect("next", True, "Next.js @next/env: dotenv with dotenv-expand"),
        Dialect("laravel", True, "vlucas/phpdotenv README"),
    )
}


@dataclass(frozen=True, slots=True)
class Dotenv:
    """What a file sets, by name; a name set twice has its last value with the fault "duplicate"."""

    values: Mapping[str, Setting] = field(default_factory=dict)
    unread: tuple[Unread, ...] = ()


def read_dotenv(
    text: str,
    file: str,
    dialect: Dialect,  # noqa: ARG001
    *,
    known: Mapping[str, Setting] | None = None,  # noqa: ARG001
) -> Dotenv:
    """Read a file. ``known`` are variables that ``$NAME`` may stand for beside those of the file. Never raises."""
    values: dict[str, Setting] = {}
    unread: list[Unread] = []
    for number, line in enumerate(text.split("\n"), 1):
        stripped = line.strip()
        if not stripped or stripped.startswith("#"):
            continue
        match = _LINE.fullmatch(line)
        if match is None:
            unread.append(Unread(Place(file, number), "", "no NAME=value"))
            continue
        value, faults = _value(match[2])
        values[match[1]] = Setting(match[1], value, Place(file, number), file, faults=faults)
    return Dotenv(values, tuple(unread))


def _value(written: str) -> tuple[str, tuple[ValueFault, ...]]:
    faults = [ValueFault("carriage-return")] if written.endswith("\r") else []
    bare = written.strip()
    if len(bare) > 1 and bare[0] == bare[-1] and bare[0] in "\"'`":
        return bare[1:-1], tuple(faults)
    cut = re.split(r"\s#", bare, maxsplit=1)[0].strip()
    if cut != bare:
        faults.append(ValueFault("comment-cut"))
    return cut, tuple(faults)
