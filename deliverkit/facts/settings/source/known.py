"""What is known of an expression in JavaScript: a value with its place and the variable it came from; or that only
a run could tell it, and why.

What this file will not do: find either out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from deliverkit.facts.settings.source.modules import Module
from deliverkit.facts.settings.source.syntax import Node, line_of, shown
from deliverkit.facts.settings.values import Setting


@dataclass(frozen=True, slots=True)
class Unknown:
    """What cannot be told without running the program."""

    expression: str
    why: str
    line: int
    file: str = ""


@dataclass(frozen=True)
class Known:
    """A value: text, number, truth, None (null), `UNDEFINED`, a dict of `Value` for an object, a tuple for an array.

    ``setting`` is the variable it was taken from, through whatever conversions; ``line`` where it stands in its file.
    ``short``: an optional chain ended here.
    """

    value: Any
    file: str
    line: int
    setting: Setting | None = None
    short: bool = False


Value: TypeAlias = Known | Unknown
Lookup: TypeAlias = Callable[[str], Setting | None]
"""A variable's setting; None where nothing sets it."""
Reasoned: TypeAlias = Callable[[str], Setting | str | None]
"""A lookup that may say in a text why nobody can tell."""


class Environment:
    """What ``process.env`` is: its members are variables."""


ENVIRONMENT = Environment()


def unknown(node: Node, module: Module, why: str) -> Unknown:
    """What only a run could tell, here."""
    return Unknown(shown(node), why, line_of(node), module.path)


def lifted(read: Any, file: str, line: int, setting: Setting | None = None) -> Known:
    """What JSON holds, as values with a place."""
    if isinstance(read, dict):
        read = {name: lifted(one, file, line, setting) for name, one in read.items()}
    elif isinstance(read, tuple):
        read = tuple(lifted(one, file, line, setting) for one in read)
    return Known(read, file, line, setting)
