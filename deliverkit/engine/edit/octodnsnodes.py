"""The records of an octoDNS file with the YAML nodes that state them, and where these stand in the text.

Read by the reader of octoDNS itself, so that both understand the same. What this file will not do: change anything.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deliverkit.engine.edit.model import CannotApply, SourceFile, decoded
from deliverkit.facts.settings.yamlnodes import Node, items, pairs
from deliverkit.facts.source import SourceRecord
from deliverkit.world.masterfile import file_octets
from deliverkit.world.sources import octodns


@dataclass(frozen=True, slots=True)
class Stated:
    """A record and its nodes: ``record`` the mapping with type and value, ``value`` the value alone."""

    told: SourceRecord
    written: str
    record: Node
    value: Node


@dataclass(frozen=True, slots=True)
class Document:
    """One file of the zone: its text, its mapping of names (None where it holds nothing), and the marks' offset."""

    path: Path
    shown: str
    text: str
    root: Node
    shift: int

    def start(self, node: Node) -> int:
        """The character a node begins at."""
        at: int = node.start_mark.index
        return at + self.shift

    def end(self, node: Node) -> int:
        """Where a node's own text ends: PyYAML lets a block end where the next thing begins."""
        if node.id == "scalar" or node.flow_style:
            end: int = node.end_mark.index + self.shift
            return self.start(node) + len(self.text[self.start(node) : end].rstrip())
        parts = [part for one in node.value for part in (one if isinstance(one, tuple) else (one,))]
        return max((self.end(part) for part in parts), default=self.start(node))

    def line_start(self, at: int) -> int:
        """The first character of a line."""
        return max(self.text.rfind("\n", 0, at), self.text.rfind("\r", 0, at)) + 1

    def next_line(self, at: int) -> int:
        """The first character of the next line."""
        found = self.text.find("\n", at)
        return len(self.text) if found < 0 else found + 1

    def column(self, at: int) -> int:
        """Characters before it in its line."""
        begin = self.line_start(at)
        return at - begin - (1 if begin == 0 and self.shift else 0)

    @property
    def newline(self) -> str:
        """The line end of the file."""
        return "\r\n" if "\r\n" in self.text else "\n"

    def names(self) -> list[tuple[Node, Node]]:
        """The names of the file with what stands below them, in order."""
        return [] if self.root is None else list(self.root.value)

    def refuse(self, node: Node, why: str) -> CannotApply:
        """What a person has to do, and where."""
        return CannotApply(f"{self.shown}:{node.start_mark.line + 1} {why}; change it by hand")


@dataclass(frozen=True, slots=True)
class Nodes:
    """The files of a zone and its records, in the order they are read."""

    documents: dict[str, Document]
    stated: list[Stated]

    def document(self, one: Stated) -> Document:
        """The file a record stands in. Raises CannotApply where it cannot be edited."""
        found = self.documents.get(one.told.file)
        if found is None:
            raise CannotApply(f"{one.told.file}:{one.told.line} is included from elsewhere; change it by hand")
        return found


def nodes_of(source: SourceFile, origin: str) -> Nodes:
    """Read a zone of octoDNS. Raises ZoneError."""
    reader = _Noting(origin)
    for file, called in octodns.files_of(source.path, source.shown):
        reader.read_file(file, called)
    return Nodes(
        reader.documents, [Stated(record, *node) for record, node in zip(reader.records, reader.noted, strict=True)]
    )


class _Noting(octodns.Reader):
    """The reader of octoDNS, which notes the nodes of every record."""

    def __init__(self, origin: str) -> None:
        super().__init__(origin)
        self.documents: dict[str, Document] = {}
        self.noted: list[tuple[str, Node, Node]] = []
        self.at: tuple[str, Node] = ("", None)

    def _composed(self, path: Path, shown: str, root: Path, depth: int) -> Node | None:
        found = super()._composed(path, shown, root, depth)
        if depth == 0:
            text = decoded(file_octets(path, shown))
            self.documents[shown] = Document(path.resolve(), shown, text, found, int(text.startswith("\ufeff")))
        return found

    def _record(self, written: str, node: Node, flags: frozenset[str]) -> None:
        self.at = written, node
        super()._record(written, node, flags)

    def _values(self, written: str, type_: str, members: dict[str, Node], node: Node) -> Iterator[Node]:
        for value in super()._values(written, type_, members, node):
            self.noted.append((*self.at, value))
            yield value


def check_plain(document: Document, key: Node, below: Node) -> None:
    """Raise CannotApply where anchors, aliases or merge keys let a name share its text with others."""
    import yaml

    start, end = document.start(key), document.end(below)
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    event: Node
    for event in yaml.parse(document.text[document.shift :], Loader=loader):
        at = event.start_mark.index + document.shift
        inside = start <= at <= end
        if inside and getattr(event, "anchor", None) is not None:
            raise document.refuse(key, "shares its text with others by an anchor or alias")
        if inside and getattr(event, "value", None) == "<<":
            raise document.refuse(key, "is merged from elsewhere")
        if isinstance(event, yaml.ScalarEvent) and inside and event.tag == "!include":
            raise document.refuse(key, "includes another file")


def named(document: Document, written: str) -> tuple[Node, Node] | None:
    """The last entry of a name, which is the one that counts."""
    return next(((key, below) for key, below in reversed(document.names()) if key.value == written), None)


def entry_of(document: Document, record: Node) -> tuple[Node, Node]:
    """The name's entry in which a record stands. Raises CannotApply."""
    for key, below in document.names():
        if below is record or any(one is record for one in items(below)):
            check_plain(document, key, below)
            return key, below
    raise document.refuse(record, "is merged from elsewhere")


def member(record: Node, *names: str) -> tuple[Node, Node] | None:
    """The first of these members that a record has, key and value."""
    for name in names:
        for key, value in record.value:
            if key.value == name:
                return key, value
    return None


def varied(record: Node) -> bool:
    """Whether the answers of a record depend on who asks."""
    return any(name in ("dynamic", "geo") for name, _ in pairs(record))
