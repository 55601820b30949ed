"""What may differ between two environments, how likely each explains a failure, and which versions changed what.

The texts and figures stand in ``differences.toml``, with their sources. What this file will not do: compare.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

from deliverkit.data import _read


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of difference. ``likelihood`` is of a hundred; ``rungs`` are the ladder's steps that it can break.

    ``scale`` says what it is the likelihood of: "likelihood" that it explains a failure, or "gravity" for mail.
    """

    id: str
    likelihood: int
    title: str
    why: str
    change: str
    rungs: tuple[str, ...] = ()
    scale: str = "likelihood"


@dataclass(frozen=True, slots=True)
class Change:
    """A change of a library that matters to mail; ``at`` is the first version that has it."""

    name: str
    at: str
    what: str
    source: str


@functools.cache
def _data() -> dict[str, Any]:
    import tomllib

    return tomllib.loads(_read("differences.toml"))


@functools.cache
def kinds() -> dict[str, Kind]:
    """Every kind, by its id."""
    return {one["id"]: Kind(**{**one, "rungs": tuple(one.get("rungs", ()))}) for one in _data()["difference"]}


@functools.cache
def changes() -> tuple[Change, ...]:
    """Every change, in the order of the file."""
    return tuple(Change(**one) for one in _data()["change"])
