"""The entries of a zone's master files with their places: which characters of which file state which records.

Read by the reader of master files itself, so that both understand the same. What this file will not do: change
anything, or read what stands inside an entry (`zonewords` does).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from deliverkit.engine.edit.model import SourceFile, decoded
from deliverkit.world.masterfile import (
    Entry,
    Reader,
    ZoneRecord,
    file_octets,
    logical_line,
    zone_origin,
)
from deliverkit.world.rdata import Token


@dataclass(slots=True, eq=False)
class Stated:
    """One entry that states records: characters ``start`` to ``end`` of ``file``, its line end included.

    ``origin`` completes its relative names. ``indented`` ones have the owner of ``heir_of``, the entry that wrote it.
    ``generated``: the line is a ``$GENERATE``.
    """

    file: Path
    shown: str
    line: int
    start: int
    end: int
    origin: str | None
    records: list[ZoneRecord]
    indented: bool
    generated: bool
    heir_of: Stated | None

    @property
    def place(self) -> str:
        """Where it stands, for people."""
        return f"{self.shown}:{self.line}"


@dataclass(frozen=True, slots=True)
class Scan:
    """The entries of a zone in the order they are read, and the text of every file read. ``main`` is the file given."""

    entries: list[Stated]
    texts: dict[Path, str]
    main: Path
    origin: str


def scanned(source: SourceFile) -> Scan:
    """Read a master file and what it includes. Raises ZoneError."""
    main = source.path.resolve()
    reader = _Scanner(main.parent, source.origin, source.shown)
    reader.read_file(source.path, source.shown)
    origin = source.origin or zone_origin(tuple(reader.records), reader.first_origin) or "."
    return Scan(reader.entries, reader.texts, main, origin)


class _Scanner(Reader):
    """The reader of master files, which notes where everything stands."""

    def __init__(self, root: Path, origin: str | None, shown: str) -> None:
        super().__init__(root, origin, shown, as_written=True)
        self.entries: list[Stated] = []
        self.texts: dict[Path, str] = {}
        self.file = root
        self.owner_from: Stated | None = None

    def read_file(self, path: Path, shown: str) -> None:
        """Read one file; its owner names end with it (RFC 1035 §5.1 leaves the parent's as they were)."""
        saved = self.file, self.owner_from
        self.file = path.resolve()
        self.texts[self.file] = decoded(file_octets(path, shown))
        self.read_text(self.texts[self.file], shown)
        self.file, self.owner_from = saved

    def read_text(self, text: str, file: str) -> None:
        """Read a file's text, entry by entry."""
        self.files.append(file)
        at, line = 1 if text.startswith("\ufeff") else 0, 1
        while at < len(text):
            start, number = at, line
            entry, at, line = logical_line(text, at, line, file)
            if entry.tokens:
                self._noted(entry, file, number, start, at)

    def _noted(self, entry: Entry, file: str, line: int, start: int, end: int) -> None:
        origin, count = self.origin, len(self.records)
        word = "" if entry.indented else _directive(entry.tokens[0])
        if not word:
            self._record(entry, file)
        else:
            self._directive(entry, file)
            if word != "$GENERATE":
                return
        indented = entry.indented and not word
        records = self.records[count:]
        heir_of = self.owner_from if indented else None
        made = Stated(self.file, file, line, start, end, origin, records, indented, bool(word), heir_of)
        self.entries.append(made)
        if not indented:
            self.owner_from = made


def _directive(token: Token) -> str:
    return token.text.upper() if token.text.startswith("$") and not token.quoted else ""
