"""Kinds of values a key may have: each reads a node, says what it wanted, and knows its JSON schema."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from difflib import get_close_matches
from typing import Any, Protocol

from deliverkit.config.lines import Node
from deliverkit.config.model import BadConfig

_LONGEST_PATH = 500  # characters; a private key is longer
_NAMES = {dict: "a table", list: "an array", str: "a text", bool: "true or false", int: "a number", float: "a number"}


@dataclass(frozen=True, slots=True)
class Where:
    """Which key of which file is read: for messages."""

    file: str
    key: str

    def wrong(self, node: Node, what: str, do: str) -> BadConfig:
        """What is wrong with the value of this key."""
        return BadConfig(self.file, node.line, f"{self.key}: {what}", do)

    def below(self, name: str) -> Where:
        """A key below this one."""
        return Where(self.file, f"{self.key}.{name}" if self.key else name)


class Kind(Protocol):
    """A kind of values."""

    def read(self, node: Node, where: Where) -> Any:
        """The value. Raises BadConfig."""

    def schema(self) -> dict[str, Any]:
        """What JSON Schema says of it."""


def near(word: str, known: Any) -> str:
    """ "; did you mean X?" where a known word is like this one."""
    found = get_close_matches(word, list(known), 1)
    return f"did you mean {found[0]!r}?" if found else f"known are: {', '.join(sorted(known))}"


def _expected(node: Node, where: Where, what: str) -> BadConfig:
    shown = repr(node.plain()) if not isinstance(node.value, (dict, list)) else _NAMES[type(node.value)]
    return where.wrong(node, f"{shown[:80]} is not {what}", f"write {what}")


@dataclass(frozen=True, slots=True)
class Text:
    """Any text that is not empty."""

    what: str = "a text"

    def read(self, node: Node, where: Where) -> str:
        if not isinstance(node.value, str) or not node.value.strip():
            raise _expected(node, where, self.what)
        return node.value.strip()

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "minLength": 1}


@dataclass(frozen=True, slots=True)
class KeyFile(Text):
    """The path of a private key. A key that was pasted in its place is refused, and not repeated."""

    what: str = "the path of a private key"

    def read(self, node: Node, where: Where) -> str:
        if isinstance(node.value, str) and (len(node.value) > _LONGEST_PATH or "PRIVATE KEY" in node.value):
            raise where.wrong(
                node, "holds a private key itself", "write the path of its file, and never commit the key"
            )
        return Text.read(self, node, where)


@dataclass(frozen=True, slots=True)
class Choice:
    """One of a few words."""

    words: tuple[str, ...]

    def read(self, node: Node, where: Where) -> str:
        if not isinstance(node.value, str) or node.value.lower() not in self.words:
            shown = node.value if isinstance(node.value, str) else node.plain()
            raise where.wrong(node, f"{str(shown)[:80]!r} is none of its words", near(str(shown), self.words))
        return node.value.lower()

    def schema(self) -> dict[str, Any]:
        return {"enum": list(self.words)}


@dataclass(frozen=True, slots=True)
class Texts:
    """Texts in an array; a single one may stand alone."""

    what: str = "an array of texts"
    words: tuple[str, ...] = ()

    def read(self, node: Node, where: Where) -> tuple[str, ...]:
        items = node.value if isinstance(node.value, list) else [node]
        if any(not isinstance(item.value, str) or not item.value.strip() for item in items):
            raise _expected(node, where, self.what)
        if self.words:
            return tuple(Choice(self.words).read(item, where) for item in items)
        return tuple(item.value.strip() for item in items)

    def schema(self) -> dict[str, Any]:
        one: dict[str, Any] = {"enum": list(self.words)} if self.words else {"type": "string", "minLength": 1}
        return {"anyOf": [one, {"type": "array", "items": one}]}


@dataclass(frozen=True, slots=True)
class Flag:
    """True or false."""

    def read(self, node: Node, where: Where) -> bool:
        if not isinstance(node.value, bool):
            raise _expected(node, where, "true or false")
        return node.value

    def schema(self) -> dict[str, Any]:
        return {"type": "boolean"}


@dataclass(frozen=True, slots=True)
class Number:
    """A number within bounds; a whole one unless ``seconds``."""

    least: float
    most: float
    seconds: bool = False

    def read(self, node: Node, where: Where) -> Any:
        value = node.value
        fits = isinstance(value, (int, float) if self.seconds else int) and not isinstance(value, bool)
        if not fits or not math.isfinite(value) or not self.least <= value <= self.most:
            unit = "seconds" if self.seconds else "a whole number"
            raise _expected(node, where, f"{unit} from {self.least:g} to {self.most:g}")
        return value

    def schema(self) -> dict[str, Any]:
        return {"type": "number" if self.seconds else "integer", "minimum": self.least, "maximum": self.most}


@dataclass(frozen=True, slots=True)
class Day:
    """A day, as TOML's own date or as text."""

    def read(self, node: Node, where: Where) -> date:
        value = node.value
        if isinstance(value, datetime):
            return value.date()
        if isinstance(value, date):
            return value
        try:
            return date.fromisoformat(value)
        except (TypeError, ValueError):
            raise _expected(node, where, "a day such as 2027-01-31") from None

    def schema(self) -> dict[str, Any]:
        return {"type": "string", "format": "date"}


@dataclass(frozen=True, slots=True)
class Hosts:
    """The names of hosts, or one of the words "none" (no host at all) and "null" (a null MX)."""

    def read(self, node: Node, where: Where) -> tuple[str, ...]:
        if node.value in ("none", "null"):
            return () if node.value == "none" else ("",)
        return tuple(text.rstrip(".").lower() for text in Texts("host names, or none, or null").read(node, where))

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [{"enum": ["none", "null"]}, Texts().schema()]}


@dataclass(frozen=True, slots=True)
class Each:
    """A table whose keys are free and whose values are all of one kind."""

    of: Kind

    def read(self, node: Node, where: Where) -> dict[str, Any]:
        if not isinstance(node.value, dict):
            raise _expected(node, where, "a table")
        return {name: self.of.read(inner, where.below(name)) for name, inner in node.value.items()}

    def schema(self) -> dict[str, Any]:
        return {"type": "object", "additionalProperties": self.of.schema()}


@dataclass(frozen=True, slots=True)
class Key:
    """A key: the kind of its value, and what it means."""

    kind: Kind
    help: str

    def schema(self) -> dict[str, Any]:
        """What JSON Schema says of it."""
        return {"description": self.help, **self.kind.schema()}


def read_table(node: Node, keys: Mapping[str, Key], where: Where) -> dict[str, Any]:
    """The values of a table by key. An unknown key is refused, with the nearest known one named."""
    if not isinstance(node.value, dict):
        raise _expected(node, where, "a table")
    for name, inner in node.value.items():
        if name not in keys:
            place = f"[{where.key}]" if where.key else "the configuration"
            raise BadConfig(where.file, inner.line, f"there is no key {name!r} in {place}", near(name, keys))
    return {name: keys[name].kind.read(inner, where.below(name)) for name, inner in node.value.items()}


@dataclass(frozen=True, slots=True)
class Table:
    """A table with its own keys; read as a dict of values, with the lines of its keys under ``""``."""

    keys: Mapping[str, Key]

    def read(self, node: Node, where: Where) -> dict[str, Any]:
        values = read_table(node, self.keys, where)
        return {**values, "": {"": node.line, **{name: inner.line for name, inner in node.value.items()}}}

    def schema(self) -> dict[str, Any]:
        return table_schema(self.keys)


@dataclass(frozen=True, slots=True)
class Tables:
    """An array of such tables; a single one may stand alone."""

    of: Table

    def read(self, node: Node, where: Where) -> list[dict[str, Any]]:
        items = node.value if isinstance(node.value, list) else [node]
        return [self.of.read(item, where) for item in items]

    def schema(self) -> dict[str, Any]:
        return {"type": "array", "items": self.of.schema()}


@dataclass(frozen=True, slots=True)
class Either:
    """A text or an array of texts, or tables."""

    plain: Texts
    tables: Kind

    def read(self, node: Node, where: Where) -> Any:
        items = node.value if isinstance(node.value, list) else [node]
        if items and all(isinstance(item.value, str) for item in items):
            return [(text, item.line) for item in items for text in self.plain.read(item, where)]
        return self.tables.read(node, where)

    def schema(self) -> dict[str, Any]:
        return {"anyOf": [self.plain.schema(), self.tables.schema()]}


def table_schema(keys: Mapping[str, Key], **more: Any) -> dict[str, Any]:
    """A table with these keys and no other."""
    properties = {name: key.schema() for name, key in keys.items()}
    return {"type": "object", "additionalProperties": False, "properties": {**properties, **more}}
