"""The line of every value of a TOML text, which the standard library's reader does not tell.

The text is read by `tomllib` first, so it is known to be good; this file only walks over it and notes where each key
and each item of an array begins. What it will not do: know a value, or a fault.
"""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from dataclasses import dataclass
from typing import Any, TypeAlias

Path: TypeAlias = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Node:
    """A value with its line; tables are dicts of nodes, arrays lists of nodes."""

    value: Any
    line: int

    def plain(self) -> Any:
        """The value without lines."""
        if isinstance(self.value, dict):
            return {name: node.plain() for name, node in self.value.items()}
        return [node.plain() for node in self.value] if isinstance(self.value, list) else self.value


def read_nodes(text: str) -> Node:
    """The whole text as a table. Raises tomllib.TOMLDecodeError, or RecursionError for nesting beyond reason."""
    told = tomllib.loads(text)
    lines = _Walk(text.replace("\r\n", "\n")).lines()
    return _node(told, (), lines, 1)


def _node(value: Any, path: Path, lines: dict[Path, int], above: int) -> Node:
    line = lines.get(path, above)
    if isinstance(value, dict):
        return Node({name: _node(inner, (*path, name), lines, line) for name, inner in value.items()}, line)
    if isinstance(value, list):
        return Node([_node(inner, (*path, at), lines, line) for at, inner in enumerate(value)], line)
    return Node(value, line)


_BLANK = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
_SPACE = re.compile(r"[ \t]*")
_KEY = re.compile(r"""[A-Za-z0-9_-]+|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'""")
_TEXT = re.compile(
    r'''"""(?:[^"\\]|\\.|"{1,2}(?!"))*"{3,5}|\'\'\'.*?\'{3,5}|"(?:[^"\\\n]|\\.)*"|'[^'\n]*\'''', re.DOTALL
)
_OTHER = re.compile(r"[^,\]}#\n]*")


class _Walk:
    """One pass over the text."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.line = 1
        self.found: dict[Path, int] = {}
        self.tables: Counter[Path] = Counter()

    def lines(self) -> dict[Path, int]:
        """The line of each key and item by its path."""
        table: Path = ()
        self._skip(_BLANK)
        while self.at < len(self.text):
            if self.text[self.at] == "[":
                table = self._header()
            else:
                self._pair(table)
            self._skip(_BLANK)
        return self.found

    def _skip(self, what: re.Pattern[str]) -> str:
        match = what.match(self.text, self.at)
        passed = match[0] if match else self.text[self.at : self.at + 1]  # never stand still
        self.at += len(passed)
        self.line += passed.count("\n")
        return passed

    def _header(self) -> Path:
        """``[a.b]`` or ``[[a.b]]``; the path goes through the last item of an array of tables."""
        many = self.text.startswith("[[", self.at)
        line = self.line
        self.at += 2 if many else 1
        path = self._key(())
        if many:
            self.tables[path] += 1
            path = (*path, self.tables[path] - 1)
        for length in range(1, len(path) + 1):  # tables above it that have no header of their own
            self._note(path[:length], line)
        self.at += 2 if many else 1
        return path

    def _key(self, table: Path) -> Path:
        """A dotted key, below a table."""
        path = table
        while True:
            self._skip(_SPACE)
            word = self._skip(_KEY)
            name = next(iter(tomllib.loads(f"{word} = 0"))) if word[:1] in "\"'" else word
            path = (*path, name)
            if self.tables[path]:
                path = (*path, self.tables[path] - 1) if self._more() else path
            self._skip(_SPACE)
            if not self._more():
                return path
            self.at += 1

    def _more(self) -> bool:
        """Whether a dot follows."""
        match = _SPACE.match(self.text, self.at)
        end = match.end() if match else self.at
        return self.text.startswith(".", end)

    def _pair(self, table: Path) -> None:
        line = self.line
        path = self._key(table)
        for length in range(len(table) + 1, len(path) + 1):
            self._note(path[:length], line)
        self.at += 1  # =
        self._skip(_SPACE)
        self._value(path)

    def _value(self, path: Path) -> None:
        self._note(path, self.line)
        here = self.text[self.at : self.at + 1]
        if here == "[":
            self._items(path, "]")
        elif here == "{":
            self._items(path, "}")
        elif here in ("'", '"'):
            self._skip(_TEXT)
        else:
            self._skip(_OTHER)

    def _items(self, path: Path, end: str) -> None:
        """The items of an array, or the pairs of an inline table."""
        self.at += 1
        number = 0
        self._skip(_BLANK)
        while self.at < len(self.text) and self.text[self.at] != end:
            if end == "]":
                self._value((*path, number))
                number += 1
            else:
                self._pair(path)
            self._skip(_BLANK)
            if self.text.startswith(",", self.at):
                self.at += 1
                self._skip(_BLANK)
        self.at += 1

    def _note(self, path: Path, line: int) -> None:
        self.found.setdefault(path, line)
