"""What an edit is, and how edits become text. Pure.

What this file will not do: know a file's format, or touch a disk.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple


class CannotApply(ValueError):
    """A fix that cannot be brought into a source: the message says why, and what a person has to do."""


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A source as it was given: its path, its name in reports, its kind and origin where the file does not say them."""

    path: Path
    shown: str
    kind: str | None = None
    origin: str | None = None


class Edit(NamedTuple):
    """Octets ``start`` to ``end`` of a file give way to others; equal bounds insert."""

    file: Path
    start: int
    end: int
    octets: bytes


def applied(texts: Mapping[Path, bytes], edits: Iterable[Edit]) -> dict[Path, bytes]:
    """The files that change, all edits done at once. Raises CannotApply where two of them touch the same octets."""
    by_file: dict[Path, list[Edit]] = {}
    for edit in dict.fromkeys(edits):
        by_file.setdefault(edit.file, []).append(edit)
    return {file: _edited(texts[file], found) for file, found in by_file.items()}


def _edited(octets: bytes, edits: list[Edit]) -> bytes:
    parts: list[bytes] = []
    at = 0
    for edit in sorted(edits, key=lambda one: (one.start, one.end)):  # stable: insertions at one place keep their order
        if edit.start < at or edit.end > len(octets):
            raise CannotApply("two of its changes meet in one place of the file")
        parts += [octets[at : edit.start], edit.octets]
        at = edit.end
    return b"".join([*parts, octets[at:]])


def text_edit(file: Path, text: str, start: int, end: int, new: str) -> Edit:
    """An edit of characters, for text that was decoded as UTF-8 with surrogate escapes, made one of octets."""
    before = len(_octets(text[:start]))
    return Edit(file, before, before + len(_octets(text[start:end])), _octets(new))


def decoded(octets: bytes) -> str:
    """Text that `text_edit` understands; octets that are no UTF-8 stay what they are."""
    return octets.decode("utf-8", "surrogateescape")


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
