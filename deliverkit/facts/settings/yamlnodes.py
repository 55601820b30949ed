"""YAML as nodes that keep their lines, by PyYAML (extra ``source``), bounded: size, depth, number of values.

Aliases stay what they are, one node in several places; a document that they make grow without bound, or contain
itself, is refused. What this file will not do: make Python objects, or know what a key means.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

from deliverkit.facts.settings.values import Place, Unread

Node: TypeAlias = Any
"""A node of PyYAML: ``id`` ("scalar", "mapping", "sequence"), ``value``, ``tag``, ``start_mark``."""

LARGEST = 1 << 19  # characters
_DEEPEST = 100
MOST_VALUES = 50_000  # of one document, aliases counted each time; and of events
LACKING = "YAML is read with the extra: pip install 'deliverkit[source]'"


@dataclass(frozen=True, slots=True)
class Yaml:
    """The documents of a file, in order, and what could not be read. A document with a fault ends the file."""

    documents: tuple[Node, ...] = ()
    unread: tuple[Unread, ...] = ()


@functools.cache
def _loader() -> Any | None:
    try:
        import yaml
    except ImportError:
        return None
    return getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml's is ten times as fast, where it is there


def read_yaml(text: str, file: str, *, largest: int = LARGEST, most: int = MOST_VALUES) -> Yaml:
    """Every document of a file. Never raises: what is no YAML, too large or too deep is said to be unread.

    ``largest`` bounds its characters, ``most`` the values of one document.
    """
    loader = _loader()
    if loader is None:
        return Yaml(unread=(Unread(Place(file), "", LACKING),))
    if len(text) > largest:
        return Yaml(unread=(Unread(Place(file), "", f"larger than {largest:,} characters"),))
    import yaml

    found: list[Node] = []
    text = text.removeprefix("\ufeff")
    try:
        why, line = _bounded(yaml, text, loader, most)
        if why:
            return Yaml(unread=(Unread(Place(file, line), "", why),))
        for node in yaml.compose_all(text, Loader=loader):
            if node is None:
                continue
            if _refused(node, most):
                told = "aliases make it grow without bound"
                return Yaml(tuple(found), (Unread(Place(file, node.start_mark.line + 1), "", told),))
            found.append(node)
    except (yaml.YAMLError, ValueError, RecursionError) as bad:
        mark = getattr(bad, "problem_mark", None)
        told = getattr(bad, "problem", None) or "a character that YAML does not allow"
        place = Place(file, mark.line + 1 if mark is not None else None)
        return Yaml(tuple(found), (Unread(place, "", f"no valid YAML: {told}"),))
    return Yaml(tuple(found))


def _bounded(yaml: Any, text: str, loader: Any, most: int) -> tuple[str, int | None]:
    """Why the text is not composed, and where; the events are counted first, since composing recurs."""
    depth = 0
    for count, event in enumerate(yaml.parse(text, Loader=loader)):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > _DEEPEST or count > most:
            return ("nested too deep" if depth > _DEEPEST else "too many values"), event.start_mark.line + 1
    return "", None


def _refused(root: Node, most: int) -> bool:
    """True for a document that holds itself, or is too large or too deep once its aliases are followed."""
    known: dict[int, tuple[int, int] | None] = {}

    def measured(node: Node) -> tuple[int, int]:
        """Values and depth. An anchor stands before its aliases, so this recurs no deeper than the text is nested."""
        if node.id == "scalar":
            return 1, 0
        if id(node) in known:
            return known[id(node)] or (most + 1, 0)  # None: it is inside itself
        known[id(node)] = None
        inner = [part for one in node.value for part in (one if isinstance(one, tuple) else (one,))]
        sizes = [measured(one) for one in inner]
        told = 1 + sum(size for size, _ in sizes), 1 + max((depth for _, depth in sizes), default=0)
        known[id(node)] = told
        return told

    size, depth = measured(root)
    return size > most or depth > _DEEPEST


def line_of(node: Node) -> int:
    """The line a node begins in, from 1."""
    line: int = node.start_mark.line + 1
    return line


def pairs(node: Node | None) -> list[tuple[str, Node]]:
    """The entries of a mapping, the last of a name winning, ``<<`` merged in below them; nothing for any other node."""
    if node is None or node.id != "mapping":
        return []
    own: dict[str, Node] = {}
    merged: dict[str, Node] = {}
    for key, value in node.value:
        if key.id != "scalar":
            continue
        if key.value == "<<" and key.tag.endswith(":merge"):  # the earlier of several mappings wins
            for one in value.value if value.id == "sequence" else [value]:
                merged = {**dict(pairs(one)), **merged}
        else:
            own[str(key.value)] = value
    return list({**merged, **own}.items())


def get(node: Node, *path: str) -> Node | None:
    """The node below these names, or None."""
    for name in path:
        node = dict(pairs(node)).get(name)
        if node is None:
            return None
    return node


def items(node: Node | None) -> list[Node]:
    """The members of a sequence; nothing for any other node."""
    return list(node.value) if node is not None and node.id == "sequence" else []


def scalar(node: Node | None) -> str | None:
    """The text of a scalar as it is written; None for null and for what is no scalar."""
    if node is None or node.id != "scalar" or node.tag.endswith(":null"):
        return None
    return str(node.value)


def flat(node: Node, prefix: str = "") -> Iterator[tuple[str, Node]]:
    """Every scalar below, under its whole name: ``a.b[0].c``, as Spring names properties."""
    if node.id == "mapping":
        for name, value in pairs(node):
            inner = name if name.startswith("[") or not prefix else f".{name}"
            yield from flat(value, f"{prefix}{inner}")
    elif node.id == "sequence":
        for at, value in enumerate(node.value):
            yield from flat(value, f"{prefix}[{at}]")
    else:
        yield prefix, node
