"""Files of variables as Python's loaders read them: python-dotenv, python-decouple and django-environ.

They agree on little: python-dotenv knows quotes, comments and ``${NAME}``, and leaves a line out that it cannot read;
python-decouple and django-environ keep what stands behind a value, a comment with it. Checked against the packages in
tests/peers.

What this file will not do: read other languages' dialects (`dotenv`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeAlias

from deliverkit.facts.settings.values import Place, Setting, Unread, ValueFault

_MOST_VARIABLES = 5_000
_LONGEST = 65_536
_MOST_UNREAD = 500  # lines of a file that are said not to be read
Entry: TypeAlias = tuple[str, str | None, int, tuple[ValueFault, ...]]
"""Name, value (None: a name without one, which unsets it), line and faults."""
Report: TypeAlias = Callable[[int, str, str], None]
"""Told of what was not read: line, name, why."""


def read_python(
    text: str, file: str, dialect: str, known: Mapping[str, Setting]
) -> tuple[dict[str, Setting], tuple[Unread, ...]]:
    """What a file sets by one of the dialects "python-dotenv", "decouple", "environ", and what was not read."""
    unread: list[Unread] = []
    text = text.replace("\r\n", "\n").replace("\r", "\n")  # all of them open the file as text

    def report(line: int, name: str, why: str) -> None:
        if len(unread) < _MOST_UNREAD:
            unread.append(Unread(Place(file, line), name[:60], why))

    if dialect == "decouple":
        entries = _ini(text, report) if file.endswith(".ini") else _decouple(text, report)
    else:
        entries = _environ(text, report) if dialect == "environ" else _DotenvReader(text, report).entries()
    values: dict[str, Setting] = {}
    for name, written, line, faults in entries:
        if len(values) >= _MOST_VARIABLES:
            break
        if written is None:
            values.pop(name, None)
            report(line, name, "a name without a value")
            continue
        one = Setting(name, written[:_LONGEST], Place(file, line), file, faults=faults)
        if dialect == "python-dotenv":
            one = _expanded(one, values, known)
        if name in values:
            first = values[name].place
            told = ValueFault("duplicate", f"also set in line {first.line if first is not None else 0}")
            one = replace(one, faults=(*one.faults, told))
        values[name] = one
    return values, tuple(unread)


def _blanks(value: str, where: str = "") -> tuple[ValueFault, ...]:
    if value == value.strip():
        return ()
    return (ValueFault("trailing-blank" if value != value.rstrip() else "leading-blank", where),)


# -- python-dotenv ---------------------------------------------------------------------------------------------

_SPACE = re.compile(r"\s*")
_BLANK = re.compile(r"[^\S\r\n]*")
_EXPORT = re.compile(r"export[^\S\r\n]+")
_KEY = re.compile(r"'([^']+)'|([^=#\s]+)")
_EQUAL = re.compile(r"=[^\S\r\n]*")
_QUOTED = {
    "'": re.compile(r"'((?:\\.|[^'\\])*)'", re.DOTALL),
    '"': re.compile(r'"((?:\\.|[^"\\])*)"', re.DOTALL),
}
_ESCAPED = {"'": re.compile(r"\\([\\'])"), '"': re.compile(r"\\([\\'\"abfnrtv])")}
_LETTERS = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_LINE = re.compile(r"[^\r\n]*")
_END = re.compile(r"(?:[^\S\r\n]*#[^\r\n]*)?[^\S\r\n]*(?:\r\n|\n|\r|\Z)")
_REST = re.compile(r"[^\r\n]*(?:\r\n|\n|\r)?")


@dataclass
class _DotenvReader:
    """python-dotenv's own grammar (dotenv/parser.py), entry by entry; a line it cannot read is left out as a whole."""

    text: str
    report: Report

    def entries(self) -> Iterator[Entry]:
        """Every entry that becomes a variable."""
        text = self.text = self.text.removeprefix("\ufeff")
        at, line, count = 0, 1, 0
        while at < len(text) and (count := count + 1) < 4 * _MOST_VARIABLES:
            start = _end(_SPACE, text, at)
            line += text.count("\n", at, start)
            at = start
            if at >= len(text):
                return
            entry, ends, why = self._entry(at, line)
            end = _END.match(text, ends) if not why else None
            if entry is not None and end is not None:
                yield entry
            elif why or end is None:
                name = re.match(r"[\w.]*", text[at : at + 60])
                self.report(
                    line,
                    name[0] if name else "",
                    why or "python-dotenv leaves the line out: text behind a quotation mark",
                )
            after = end.end() if end is not None else _end(_REST, text, ends)
            line += text.count("\n", at, after)
            at = after

    def _entry(self, at: int, line: int) -> tuple[Entry | None, int, str]:
        """The entry that begins here, where it ends, and why it is none."""
        text = self.text
        at = _end(_EXPORT, text, at)
        if text[at : at + 1] == "#":
            return None, at, ""
        key = _KEY.match(text, at)
        if key is None or (text[at] == "'" and key[1] is None):
            return None, at, "no NAME=value"
        name, at = key[1] or key[2], _end(_BLANK, text, key.end())
        equal = _EQUAL.match(text, at)
        if equal is None:
            return (name, None, line, ()), at, ""
        at = equal.end()
        mark = text[at : at + 1]
        if mark == "#" and len(equal[0]) > 1:
            return (name, "", line, ()), at, ""
        if mark in _QUOTED:
            quoted = _QUOTED[mark].match(text, at, min(len(text), at + _LONGEST))
            if quoted is None:
                return None, at, f"python-dotenv leaves the line out: a {mark} without its end"
            value = _ESCAPED[mark].sub(lambda m: _LETTERS.get(m[1], m[1]), quoted[1])
            return (name, value, line, _blanks(value, "inside the quotes")), quoted.end(), ""
        rest = _LINE.match(text, at)
        whole = rest[0] if rest is not None else ""
        return (name, re.sub(r"\s+#.*", "", whole).rstrip(), line, ()), at + len(whole), ""


def _end(pattern: re.Pattern[str], text: str, at: int) -> int:
    match = pattern.match(text, at)
    return at if match is None else match.end()


_VARIABLE = re.compile(r"\$\{([^}:]*)(?::-([^}]*))?\}")


def _expanded(setting: Setting, before: Mapping[str, Setting], known: Mapping[str, Setting]) -> Setting:
    """``${NAME}`` and ``${NAME:-default}`` (dotenv/variables.py): what is set already wins over the lines before."""
    faults = list(setting.faults)

    def stands_for(match: re.Match[str]) -> str:
        found = known.get(match[1]) or before.get(match[1])
        faults.append(ValueFault("expanded", f"${{{match[1]}}} is {'set' if found else 'not set'}"))
        return str(found.value) if found is not None else match[2] or ""

    value = _VARIABLE.sub(stands_for, str(setting.value))[:_LONGEST]
    return replace(setting, value=value, faults=tuple(faults))


# -- python-decouple and django-environ ------------------------------------------------------------------------

_KEPT = "this loader keeps what stands behind a value: a # begins no comment there"


def _tail(value: str) -> tuple[ValueFault, ...]:
    """Faults of a value that is taken as it stands: a comment or quotation marks that became part of it."""
    faults = []
    if re.search(r"\s#", value):
        faults.append(ValueFault("comment-kept", _KEPT))
    if value[:1] in ("'", '"'):
        faults.append(ValueFault("quotes-kept", "this loader keeps the quotation marks"))
    return tuple(faults)


def _decouple(text: str, report: Report) -> Iterator[Entry]:
    """RepositoryEnv: blanks off both ends, and quotation marks that are the first and the last character."""
    for line, raw in enumerate(text.split("\n"), 1):
        bare = raw.strip()
        if not bare or bare.startswith("#"):
            continue
        if "=" not in bare:
            report(line, "", "no NAME=value")
            continue
        name, _, value = bare.partition("=")
        name, value = name.strip(), value.strip()
        if name.startswith(("\ufeff", "export ")):
            report(line, name.lstrip("\ufeff"), "python-decouple takes what stands before the name as part of it")
            continue
        if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
            value = value[1:-1]
            yield name, value, line, _blanks(value, "inside the quotes")
        else:
            yield name, value, line, _tail(value)


_ENVIRON_LINE = re.compile(r"(?:export )?([A-Za-z_0-9]+)=(.*)")


def _environ(text: str, report: Report) -> Iterator[Entry]:
    """Env.read_env: nothing is taken off but quotation marks around the whole; blanks and comments stay."""
    for line, raw in enumerate(text.splitlines(), 1):
        match = _ENVIRON_LINE.fullmatch(raw)
        if match is None:
            if raw and not raw.startswith("#"):
                report(
                    line,
                    raw.partition("=")[0].strip("\ufeff ") if "=" in raw else "",
                    "django-environ reads no such line",
                )
            continue
        name, value = match[1], match[2]
        faults: tuple[ValueFault, ...] = ()
        single = re.fullmatch(r"'(.*)'", value)
        value = single[1] if single is not None else value
        double = re.fullmatch(r'"(.*)"', value)
        if double is not None:
            value = re.sub(r"\\(.)", lambda m: m[0] if m[1] in "rnt" else m[1], double[1])
        elif single is None:
            faults = _tail(value)
        yield name, value, line, (*faults, *_blanks(value))


def _ini(text: str, report: Report) -> Iterator[Entry]:
    """``settings.ini``: the section ``[settings]`` by configparser, with its ``%`` interpolation."""
    from configparser import ConfigParser, Error

    parser = ConfigParser()
    parser.optionxform = str  # type: ignore[assignment,method-assign]
    try:
        parser.read_string(text)
    except Error as bad:
        report(1, "", f"no file that configparser reads ({type(bad).__name__})")
        return
    if not parser.has_section("settings"):
        report(1, "", "it has no section [settings]")
        return
    lines = text.splitlines()
    for name in parser.options("settings"):
        pattern = re.compile(rf"\s*{re.escape(name)}\s*[=:]")
        line = next((n for n, one in enumerate(lines, 1) if pattern.match(one)), 1)
        try:
            value = parser.get("settings", name)
        except Error:
            report(line, name, "a % in its value begins an interpolation: write %%")
            continue
        yield name, value, line, _tail(value)
