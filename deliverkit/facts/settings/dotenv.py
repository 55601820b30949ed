"""Files of variables (``.env``), read as each loader reads them: quotes, ``export``, comments, ``$``, line ends.

No two loaders agree; a `Dialect` says what each does. What a loader changes silently is kept as a fault of the value:
a ``#`` that began a comment, a ``$`` that was taken for a variable, quotes that were kept.

What this file will not do: find files, or know which of them wins.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from deliverkit.facts.settings.values import Place, Setting, Unread, ValueFault

MOST_VARIABLES = 5_000
_LONGEST = 65_536  # characters of one value
_DEEPEST = 20  # variables that stand for variables
_ESCAPES = {
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "\\": "\\",
    '"': '"',
    "'": "'",
    "$": "$",
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "v": "\v",
}


@dataclass(frozen=True, slots=True)
class Dialect:
    """How one loader reads a file.

    ``quotes``: the marks it takes off. ``comment``: where ``#`` begins a comment in a value without quotes
    ("anywhere", "after-blank", "never"). ``expands``: the forms it replaces ("$NAME", "${NAME}"), in single quotes too
    if ``in_single``. ``escapes``: backslash letters it knows in double quotes. ``blanks``: "kept", or "refused" where a
    blank inside a value without quotes stops the program. ``mark``: a byte order mark is "skipped" or becomes part of
    the first name ("kept"). ``source`` is where this is written.
    """

    name: str
    source: str
    quotes: str = "'\""
    comment: Literal["anywhere", "after-blank", "never"] = "after-blank"
    expands: frozenset[str] = frozenset()
    in_single: bool = False
    escapes: str = "nr"
    blanks: Literal["kept", "refused"] = "kept"
    mark: Literal["skipped", "kept"] = "kept"
    multiline: bool = True
    export: bool = True


_BRACES, _BOTH = frozenset({"${NAME}"}), frozenset({"$NAME", "${NAME}"})
DIALECTS = {
    one.name: one
    for one in (
        Dialect(
            "node", "dotenv 16 and 17, lib/main.js", quotes="'\"`", comment="anywhere", mark="skipped"
        ),
        Dialect(
            "next", "@next/env: dotenv with dotenv-expand; Next.js documentation, Environment Variables",
            quotes="'\"`", comment="anywhere", expands=_BOTH, in_single=True, mark="skipped",
        ),
        Dialect("python-dotenv", "python-dotenv 1, parser.py and variables.py: read by dotenvpython"),
        Dialect("decouple", "python-decouple 3, RepositoryEnv and RepositoryIni: read by dotenvpython"),
        Dialect("environ", "django-environ 0.14, Env.read_env: read by dotenvpython"),
        Dialect(
            "laravel", "vlucas/phpdotenv 5, EntryParser", comment="anywhere", expands=_BRACES, escapes="nrtfv\\\"$",
            blanks="refused",
        ),
        Dialect("symfony", "symfony/dotenv, Dotenv.php", expands=_BOTH, escapes="nr\\\"$", blanks="refused"),
        Dialect("ruby", "dotenv for Ruby 3, parser.rb", expands=_BOTH, escapes="nr\\\"$"),
        Dialect("compose", "Docker Compose documentation, Syntax of .env files", expands=_BOTH, escapes="nrt\\\"$"),
        Dialect("docker", "docker run --env-file: lines are taken as they are", quotes="", comment="never", escapes="",
                multiline=False, export=False),
    )
}  # fmt: skip

_PYTHON = ("python-dotenv", "decouple", "environ")
_NAME = re.compile(r"[^\S\n]*(export[^\S\n]+)?([\w.-]+)[^\S\n]*=[^\S\n]*", re.ASCII)
_TOLD = re.compile(r"[A-Za-z_][\w .-]{0,59}", re.ASCII)
_REFERENCE = re.compile(r"(\\)?\$(?:\{([A-Za-z_]\w*)(?:(:?[-?+])([^{}]*))?\}|([A-Za-z_]\w*))", re.ASCII)


@dataclass(frozen=True, slots=True)
class Dotenv:
    """What a file sets, by name; a name set twice has its last value with the fault "duplicate"."""

    values: Mapping[str, Setting] = field(default_factory=dict)
    unread: tuple[Unread, ...] = ()


def read_dotenv(text: str, file: str, dialect: Dialect, *, known: Mapping[str, Setting] | None = None) -> Dotenv:
    """Read a file. ``known`` are variables that ``$NAME`` may stand for beside those of the file. Never raises."""
    if dialect.name in _PYTHON:
        from deliverkit.facts.settings.dotenvpython import read_python

        return Dotenv(*read_python(text, file, dialect.name, known or {}))
    scanned = _Scanner(text, file, dialect)
    values: dict[str, Setting] = {}
    for name, written, quote, line, faults in scanned.entries():
        if name in values:
            faults = (*faults, ValueFault("duplicate", f"also set in line {_line(values[name])}"))
        values[name] = Setting(name, written, Place(file, line), file, faults=faults)
        scanned.quoted[name] = quote
    if dialect.expands:
        expander = _Expander(values, scanned, dialect, known or {})
        values = {name: expander.expanded(name) for name in values}
    return Dotenv(values, tuple(scanned.unread))


def _line(setting: Setting) -> int:
    return (setting.place.line if setting.place else None) or 0


class _Scanner:
    """Cuts a file into entries: name, text as the loader takes it, the quote around it, line, faults."""

    def __init__(self, text: str, file: str, dialect: Dialect) -> None:
        self.file = file
        self.law = dialect
        self.unread: list[Unread] = []
        self.quoted: dict[str, str] = {}
        self.marked = text.startswith("\ufeff")
        self.returns = "\r\n" in text
        self.text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")

    def entries(self) -> Iterator[tuple[str, str, str, int, tuple[ValueFault, ...]]]:
        """Every entry in order; lines that are none are said to be unread."""
        at, line, first = 0, 1, True
        while at < len(self.text) and len(self.quoted) < MOST_VARIABLES:
            end = self.text.find("\n", at)
            end = len(self.text) if end < 0 else end
            bare = self.text[at:end].strip()
            if not bare or bare.startswith("#"):
                at, line = end + 1, line + 1
                continue
            match = _NAME.match(self.text, at, end)
            if match is None or (match[1] and not self.law.export):
                self._not_read(bare, line)
                at, line = end + 1, line + 1
                continue
            name = match[2]
            if first and self.marked and self.law.mark == "kept":
                self._not_read(bare, line, "the file begins with a byte order mark, which becomes part of this name")
                at, line, first = end + 1, line + 1, False
                continue
            first = False
            value, quote, after, faults = self._value(match.end(), end)
            yield name, value[:_LONGEST], quote, line, faults
            stop = self.text.find("\n", after)
            stop = len(self.text) if stop < 0 else stop
            line += self.text.count("\n", at, stop) + 1
            at = stop + 1

    def _not_read(self, bare: str, line: int, why: str = "no NAME=value") -> None:
        before, equals, _ = bare.partition("=")
        shown = before if equals and _TOLD.fullmatch(before) else ""  # a line of a key in base64 ends with = too
        self.unread.append(Unread(Place(self.file, line), shown, why))

    def _value(self, start: int, end: int) -> tuple[str, str, int, tuple[ValueFault, ...]]:
        """The value that begins at ``start``; ``end`` is the end of its line."""
        mark = self.text[start : start + 1]
        if mark and mark in self.law.quotes:
            closing = self._closing(start, end, mark)
            if closing is not None:
                return self._quoted(start, closing, end, mark)
            return self._bare(start, end, (ValueFault("unclosed-quote", f"a {mark} without its end"),))
        return self._bare(start, end, ())

    def _closing(self, start: int, end: int, mark: str) -> int | None:
        at = start + 1
        limit = len(self.text) if self.law.multiline else end
        limit = min(limit, start + _LONGEST)
        while 0 <= (at := self.text.find(mark, at, limit)) < limit:
            if mark == "'" or self.text[at - 1] != "\\" or '"' not in self.law.escapes:
                return at
            at += 1
        return None

    def _quoted(self, start: int, closing: int, end: int, mark: str) -> tuple[str, str, int, tuple[ValueFault, ...]]:
        inside = self.text[start + 1 : closing]
        faults = []
        if inside != inside.strip():
            faults.append(
                ValueFault("trailing-blank" if inside != inside.rstrip() else "leading-blank", "inside the quotes")
            )
        if mark == '"':
            inside = re.sub(r"\\(.)", self._unescaped, inside)
        return inside, mark, max(closing, min(closing + 1, end)), tuple(faults)

    def _unescaped(self, match: re.Match[str]) -> str:
        letter = match[1]
        if letter == "$":  # the expander sees to it
            return match[0]
        return _ESCAPES[letter] if letter in self.law.escapes else match[0]

    def _bare(
        self, start: int, end: int, faults: tuple[ValueFault, ...]
    ) -> tuple[str, str, int, tuple[ValueFault, ...]]:
        whole = self.text[start:end]
        pattern = {"anywhere": r"#", "after-blank": r"(?:^|\s)#", "never": r"(?!)"}[self.law.comment]
        cut = re.split(pattern, whole, maxsplit=1)[0]
        kept = cut.strip()
        found = list(faults)
        meant = self.law.comment == "anywhere" and cut[-1:].strip()  # no blank before it: it may well have been meant
        if cut != whole and meant and kept:
            found.append(
                ValueFault("comment-cut", f"{len(whole.rstrip()) - len(kept)} characters from # on are a comment")
            )
        if not self.law.quotes and kept[:1] in "'\"" and kept[:1] == kept[-1:] and len(kept) > 1:
            found.append(ValueFault("quotes-kept", "this loader keeps the quotation marks"))
        if self.law.blanks == "refused" and re.search(r"\s", kept):
            found.append(ValueFault("blank-unquoted", "a blank without quotation marks stops this loader"))
        if self.law.name == "docker" and whole != whole.rstrip():
            found.append(ValueFault("trailing-blank"))
            kept = whole
        if self.law.name == "docker" and self.returns:
            found.append(ValueFault("carriage-return", "lines end by CR LF, and this loader keeps the CR"))
            kept += "\r"
        return kept, "", end, tuple(found)


class _Expander:
    """Replaces references to variables, as deep as they go; a circle is said and stands for nothing."""

    def __init__(
        self, values: Mapping[str, Setting], scanned: _Scanner, dialect: Dialect, known: Mapping[str, Setting]
    ) -> None:
        self.values = values
        self.scanned = scanned
        self.law = dialect
        self.known = known
        self.done: dict[str, Setting] = {}

    def expanded(self, name: str, depth: int = 0, under: tuple[str, ...] = ()) -> Setting:
        """A variable with its references replaced."""
        if name in self.done:
            return self.done[name]
        setting = self.values[name]
        text = setting.value
        if (
            not isinstance(text, str)
            or "$" not in text
            or (self.scanned.quoted.get(name) == "'" and not self.law.in_single)
        ):
            return setting
        faults = list(setting.faults)

        def stands_for(match: re.Match[str]) -> str:
            inner, default = match[2] or match[5], match[4]
            form = "${NAME}" if match[2] else "$NAME"
            if match[1]:
                return match[0][1:]
            if form not in self.law.expands:
                return match[0]
            if inner in (*under, name) or depth >= _DEEPEST:
                faults.append(ValueFault("circle", " -> ".join((*under, name, inner))))
                return ""
            found = self.known.get(inner)
            if found is None and inner in self.values:
                found = self.expanded(inner, depth + 1, (*under, name))
                faults.extend(fault for fault in found.faults if fault.kind == "circle")
            told = "" if found is None else str(found.value)
            faults.append(ValueFault("expanded", f"{form.replace('NAME', inner)} is {'set' if found else 'not set'}"))
            return told if told or default is None else default

        value = _REFERENCE.sub(stands_for, text)[:_LONGEST]
        found = replace(setting, value=value, faults=tuple(faults))
        if not under:
            self.done[name] = found
        return found
