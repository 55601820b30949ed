"""Files of ``java.util.Properties``, and the ``${name:default}`` placeholders of Spring.

Source: the class's documentation (load(Reader): separators, escapes, lines continued by a backslash; blanks at the end
of a value stay, and ``#`` begins a comment only as the first character of a line); Spring Boot documentation,
"Working With Multi-Document Files" and "Property Placeholders".

What this file will not do: find files, or know what a property means.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from deliverkit.facts.settings.values import Place, Setting, ValueFault

MOST_PROPERTIES = 5_000
_LONGEST = 65_536  # characters of one value
_DEEPEST = 20  # placeholders within placeholders
_ESCAPE = re.compile(r"\\(?:u([0-9A-Fa-f]{4})|(.))", re.DOTALL)
_LETTERS = {"t": "\t", "n": "\n", "r": "\r", "f": "\f"}
_SPLIT = re.compile(r"((?:\\.|[^\\\s=:])*)[ \t\f]*[=:]?[ \t\f]*(.*)", re.DOTALL)


def read_properties(text: str, file: str) -> list[dict[str, Setting]]:
    """The documents of a file (``#---`` parts them), each by name; a name set twice has its last value."""
    documents: list[dict[str, Setting]] = [{}]
    count = 0
    for line, logical in _lines(text.removeprefix("\ufeff")):
        if logical is None:
            documents.append({})
            continue
        count += 1
        if count > MOST_PROPERTIES:
            break
        match = _SPLIT.fullmatch(logical)
        name, value = (_plain(match[1]), _plain(match[2][:_LONGEST])) if match else (logical, "")
        faults = []
        if value != value.rstrip() and value.strip():
            faults.append(ValueFault("trailing-blank", "blanks at the end of a line are part of the value"))
        earlier = documents[-1].get(name)
        if earlier is not None and earlier.place is not None:
            faults.append(ValueFault("duplicate", f"also set in line {earlier.place.line}"))
        documents[-1][name] = Setting(name, value, Place(file, line), file, faults=tuple(faults))
    return documents


def _lines(text: str) -> Iterator[tuple[int, str | None]]:
    """Each logical line with its number; None where a new document begins."""
    lines = re.split(r"\r\n|\r|\n", text)
    at = 0
    while at < len(lines):
        number, line = at + 1, lines[at].lstrip(" \t\f")
        at += 1
        if not line:
            continue
        if line[0] in "#!":
            if lines[number - 1].rstrip() in ("#---", "!---"):
                yield number, None
            continue
        parts = []
        while _continued(line) and at < len(lines):
            parts.append(line[:-1])
            line = lines[at].lstrip(" \t\f")
            at += 1
        parts.append(line[:-1] if _continued(line) else line)
        yield number, "".join(parts)


def _continued(line: str) -> bool:
    """True if an odd number of backslashes ends the line."""
    return (len(line) - len(line.rstrip("\\"))) % 2 == 1


def _plain(text: str) -> str:
    return _ESCAPE.sub(lambda m: chr(int(m[1], 16)) if m[1] else _LETTERS.get(m[2], m[2]), text)


@dataclass(frozen=True, slots=True)
class Resolved:
    """A text with its placeholders replaced; None where one of them is set nowhere here. ``via``: the only variable."""

    text: str | None
    via: Setting | None = None
    unset: tuple[str, ...] = ()
    faults: tuple[ValueFault, ...] = ()


def resolve(
    text: str, lookup: Callable[[str], Setting | None], *, depth: int = 0, under: tuple[str, ...] = ()
) -> Resolved:
    """Replace ``${name}`` and ``${name:default}``; what is found may hold placeholders itself. Never raises."""
    parts: list[str | None] = []
    vias: list[Setting] = []
    unset: list[str] = []
    faults: list[ValueFault] = []
    at = 0
    while (start := text.find("${", at)) >= 0:
        end = _closing(text, start + 2)
        if end is None:
            break
        parts.append(text[at:start])
        name, colon, default = text[start + 2 : end].partition(":")
        at = end + 1
        if name in under or depth >= _DEEPEST:
            faults.append(ValueFault("circle", " -> ".join((*under, name))))
            parts.append(None)
            continue
        found = lookup(name)
        inner: Resolved | None = None
        if found is not None and found.text is not None:
            inner = resolve(found.text, lookup, depth=depth + 1, under=(*under, name))
            vias.append(found)
            faults.extend(found.faults)
        elif colon:
            inner = resolve(default, lookup, depth=depth + 1, under=under)
        else:
            unset.append(name)
            vias.append(Setting(name, None, None, ""))
        if inner is not None:
            unset.extend(inner.unset)
            faults.extend(inner.faults)
            vias.extend([inner.via] if inner.via is not None and (found is None or found.text is None) else [])
        parts.append(None if inner is None else inner.text)
    parts.append(text[at:])
    whole = None if None in parts else "".join(part or "" for part in parts)[:_LONGEST]
    return Resolved(whole, vias[0] if len(vias) == 1 else None, tuple(unset), tuple(dict.fromkeys(faults)))


def _closing(text: str, at: int) -> int | None:
    """Where the brace closes that was opened before ``at``."""
    depth = 1
    while at < len(text):
        if text.startswith("${", at):
            depth += 1
            at += 1
        elif text[at] == "}":
            depth -= 1
            if not depth:
                return at
        at += 1
    return None
