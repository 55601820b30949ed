"""The files of an application: which there are, and their text, read once and bounded.

What this file will not do: touch the disk (`deliverkit.engine.sourcetree` does), or know what a file means.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import PurePosixPath
from typing import Protocol

from deliverkit.facts.settings.values import Place, Unread


class Tree(Protocol):
    """Files below one root; paths are relative, with ``/``. What git would ignore or not descend into is not there."""

    @property
    def paths(self) -> tuple[str, ...]:
        """Every file, sorted."""

    def text(self, path: str) -> str | None:
        """A file's text with its line ends untouched; None if it is not there, too large, binary or unreadable.

        Why it could not be read is then among `unread`.
        """

    def mentions(self, path: str, *words: str) -> bool:
        """True if a file's text holds one of the words. Cheaper than `text` where most files hold none."""

    @property
    def unread(self) -> tuple[Unread, ...]:
        """What could not be read so far, and why."""


def matching(tree: Tree, *patterns: str) -> Iterator[str]:
    """Paths whose last part (a pattern without ``/``) or whole path fits one of the patterns; case matters."""
    for path in tree.paths:
        name = PurePosixPath(path).name
        if any(fnmatchcase(path if "/" in pattern else name, pattern) for pattern in patterns):
            yield path


class ToldTree:
    """A tree told by a mapping, for stories and tests."""

    def __init__(self, files: Mapping[str, str]) -> None:
        self._files = dict(sorted(files.items()))
        self._unread: list[Unread] = []

    @property
    def paths(self) -> tuple[str, ...]:
        """Every file, sorted."""
        return tuple(self._files)

    def text(self, path: str) -> str | None:
        """A file's text."""
        found = self._files.get(path)
        if found is not None and "\x00" in found:
            self._unread.append(Unread(Place(path), "", "a binary file"))
            return None
        return found

    def mentions(self, path: str, *words: str) -> bool:
        """True if a file's text holds one of the words."""
        return any(word in self._files.get(path, "") for word in words)

    @property
    def unread(self) -> tuple[Unread, ...]:
        """What could not be read so far, and why."""
        return tuple(self._unread)


def folders(paths: Iterable[str]) -> dict[str, list[str]]:
    """The files of each folder, "" for the root."""
    found: dict[str, list[str]] = {}
    for path in paths:
        parent = str(PurePosixPath(path).parent)
        found.setdefault("" if parent == "." else parent, []).append(path)
    return found
