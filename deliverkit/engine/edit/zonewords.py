"""The words of one entry of a master file with their places, and how new words are spelled beside them.

Columns, tabs, relative names and line ends are kept as the file has them. What this file will not do: decide which
record goes where (`zonetext` does).
"""

from __future__ import annotations

from dataclasses import dataclass

from deliverkit.engine.edit.zonescan import Stated
from deliverkit.world import rdata
from deliverkit.world.masterfile import CLASSES, LEXEME, parse_ttl
from deliverkit.world.rdata import Token
from deliverkit.world.values import absolute

TAB = 8  # columns


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a file: its characters, quotation marks included, and what it says without them."""

    start: int
    end: int
    text: str
    quoted: bool

    @property
    def token(self) -> Token:
        return Token(self.text, self.quoted, 0)


@dataclass(frozen=True, slots=True)
class Words:
    """An entry taken apart. ``before`` are TTL and class in the order written; ``comments`` the places of comments."""

    owner: Word | None
    before: tuple[Word, ...]
    type: Word
    data: tuple[Word, ...]
    comments: tuple[tuple[int, int], ...]
    ttl: Word | None
    folded: bool

    @property
    def all(self) -> tuple[Word, ...]:
        """Every word, in order."""
        return (*((self.owner,) if self.owner else ()), *self.before, self.type, *self.data)


def words_of(text: str, entry: Stated) -> Words:
    """Take an entry apart that states one record."""
    found: list[Word] = []
    comments = []
    folded = False
    at = entry.start
    while at < entry.end:
        match = LEXEME.match(text, at)
        assert match is not None  # the reader has been here
        kind, at = match.lastgroup, match.end()
        if kind in ("quoted", "bare"):
            found.append(Word(match.start(), at, match[kind], kind == "quoted"))
        elif kind == "comment":
            comments.append((match.start(), at))
        folded = folded or kind == "paren"
    owner = None if entry.indented else found.pop(0)
    before: list[Word] = []
    ttl = None
    classed = False
    while not found[0].quoted:
        if ttl is None and parse_ttl(found[0].text) is not None:
            ttl = found[0]
        elif not classed and found[0].text.upper() in CLASSES:
            classed = True
        else:
            break
        before.append(found.pop(0))
    return Words(owner, tuple(before), found[0], tuple(found[1:]), tuple(comments), ttl, folded)


def line_end(text: str, entry: Stated) -> str:
    """The line end of an entry, or where it has none that of the file's first line."""
    for end in ("\r\n", "\n", "\r"):
        if text.endswith(end, entry.start, entry.end):
            return end
    first = min((at for at in (text.find("\n"), text.find("\r")) if at >= 0), default=-1)
    if first < 0:
        return "\n"
    return "\r\n" if text.startswith("\r\n", first) else text[first]


def column(text: str, at: int) -> int:
    """The column of a character on a screen with tabs of eight."""
    begin = max(text.rfind("\n", 0, at), text.rfind("\r", 0, at)) + 1
    return len(text[begin:at].expandtabs(TAB))


def aligned(line: str, wanted: int, gap: str) -> str:
    """The line with blanks in the manner of ``gap``, up to the wanted column where it is not past it."""
    if "\t" in gap:
        line += "\t"
        while len(line.expandtabs(TAB)) < wanted:
            line += "\t"
        return line
    missing = wanted - len(line)
    return line + " " * (missing if missing > 1 and len(gap) > 1 else 1)


def spelled(name: str, origin: str | None, *, relative: bool) -> str:
    """A name as an entry below ``origin`` has to write it."""
    if relative and origin is not None:
        if name == origin:
            return "@"
        if origin == ".":
            return name
        if name.endswith(f".{origin}"):
            return name[: -len(origin) - 1]
    return absolute(name)


def is_relative(word: Word) -> bool:
    """Whether a name is written relative to the origin."""
    if word.text == "@":
        return not word.quoted
    text = word.text
    return not text.endswith(".") or (len(text) - len(text[:-1].rstrip("\\")) - 1) % 2 == 1


def means(word: Word, name: str, origin: str | None) -> bool:
    """Whether a word of the file stands for this name."""
    try:
        return rdata.absolute_name(word.token, origin) == name
    except rdata.BadRdata:
        return False
