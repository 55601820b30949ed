"""The files of an application on disk, as git would see them: ignored files, dependencies and build output left out.

``.gitignore`` files are read with pathspec (extra ``source``); without it, and beside it, folders nobody keeps settings
in are left out by name. Files of variables (``.env*``) are read although git ignores them. Links are followed only
inside the tree; sizes and numbers are bounded. What this file will not do: write, run or import anything.
"""

from __future__ import annotations

import os
import stat
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from deliverkit.facts.settings.values import Place, Unread

MOST_FILES = 50_000
LARGEST = 2 * 2**20  # octets of one file
_KEPT = 64 * 2**20  # characters of text that are held for those who ask again
_IGNORE_LARGEST = 65_536
SKIPPED = frozenset(
    (
        ".git", ".hg", ".svn", "node_modules", "vendor", "bower_components", ".venv", "venv", "__pycache__", ".tox",
        ".next", ".nuxt", ".output", "dist", "build", "target", "out", "coverage", ".cache", ".gradle", ".idea",
    )
)  # fmt: skip
"""Folders nobody keeps settings in by hand."""


class DiskTree:
    """A folder on disk. Files are listed once and read when they are asked for."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self._unread: list[Unread] = []
        self._texts: OrderedDict[str, str | None] = OrderedDict()
        self._held = 0
        self._refused: set[str] = set()
        self._paths = tuple(sorted(self._listed()))

    @property
    def paths(self) -> tuple[str, ...]:
        """Every file, sorted; relative to the root, with ``/``."""
        return self._paths

    @property
    def unread(self) -> tuple[Unread, ...]:
        """What could not be read so far, and why."""
        return tuple(self._unread)

    def text(self, path: str) -> str | None:
        """A file's text, or None if it cannot be read as text; the reason is kept."""
        if path not in self._texts:
            octets = self._octets(path)
            self._hold(path, None if octets is None else _decoded(octets))
        return self._texts[path]

    def mentions(self, path: str, *words: str) -> bool:
        """True if a file's text holds one of the words; nothing is decoded or held for it."""
        if path in self._texts:
            return any(word in (self._texts[path] or "") for word in words)
        octets = self._octets(path)
        return octets is not None and any(word.encode() in octets for word in words)

    def _hold(self, path: str, text: str | None) -> None:
        self._texts[path] = text
        self._held += len(text or "")
        while self._held > _KEPT and len(self._texts) > 1:
            self._held -= len(self._texts.popitem(last=False)[1] or "")

    def _octets(self, path: str) -> bytes | None:
        full = os.path.join(self.root, path)  # noqa: PTH118 - five thousand Path objects cost more than their files
        try:
            handle = os.open(full, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
        except OSError as bad:
            return self._no(path, bad.strerror or str(bad))
        try:
            about = os.fstat(handle)
            if not stat.S_ISREG(about.st_mode):
                return self._no(path, "no regular file")
            if about.st_size > LARGEST:
                return self._no(path, f"larger than {LARGEST:,} octets")
            octets = os.read(handle, LARGEST + 1)
        except OSError as bad:
            return self._no(path, bad.strerror or str(bad))
        finally:
            os.close(handle)
        return self._no(path, "a binary file") if b"\x00" in octets[:8192] else octets

    def _no(self, path: str, why: str) -> bytes | None:
        """Keep why a path was not read, once; there are no octets of it."""
        if path not in self._refused:
            self._refused.add(path)
            self._unread.append(Unread(Place(path), "", why))
        return None

    # -- which files there are --------------------------------------------------------------------------------

    def _listed(self) -> Iterator[str]:
        """Every file, folder by folder; a folder that git ignores is not entered."""
        count = 0
        stack: list[tuple[str, tuple[tuple[str, Any], ...]]] = [("", ())]
        while stack:
            folder, laws = stack.pop()
            try:
                entries = sorted(os.scandir(self.root / folder), key=lambda entry: entry.name)
            except OSError as bad:
                self._no(folder or ".", bad.strerror or str(bad))
                continue
            if any(entry.name == ".gitignore" for entry in entries):
                laws = (*laws, *self._law(folder))
            below = []
            for entry in entries:
                path = f"{folder}/{entry.name}" if folder else entry.name
                if entry.is_symlink() and not self._inside(entry):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    if entry.name not in SKIPPED and not _ignored(laws, f"{path}/"):
                        below.append((path, laws))
                elif entry.is_file() and (entry.name.startswith(".env") or not _ignored(laws, path)):
                    count += 1
                    if count > MOST_FILES:
                        self._no(".", f"more than {MOST_FILES:,} files: the rest was not read")
                        return
                    yield path
            stack.extend(reversed(below))

    def _inside(self, entry: os.DirEntry[str]) -> bool:
        """A link to a file inside the tree; a link to a folder is not entered, so that no loop can be."""
        try:
            return entry.is_file() and Path(entry.path).resolve().is_relative_to(self.root)
        except (OSError, RuntimeError):
            return False

    def _law(self, folder: str) -> Iterator[tuple[str, Any]]:
        """The patterns of a folder's .gitignore, if the library that knows them is here."""
        try:
            from pathspec import GitIgnoreSpec
        except ImportError:
            return
        octets = self._octets(f"{folder}/.gitignore".lstrip("/")) or b""
        lines = _decoded(octets[:_IGNORE_LARGEST]).splitlines()[:2_000]
        try:
            yield (f"{folder}/" if folder else "", GitIgnoreSpec.from_lines(lines))
        except ValueError:  # a pattern git would pass over
            self._no(f"{folder}/.gitignore".lstrip("/"), "a pattern that is none")


def _ignored(laws: tuple[tuple[str, Any], ...], path: str) -> bool:
    """gitignore(5): the patterns of the nearest file that has one for this path decide."""
    for base, spec in reversed(laws):
        told = spec.check_file(path[len(base) :])
        if told.include is not None:
            return bool(told.include)
    return False


def _decoded(octets: bytes) -> str:
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        return octets.decode("latin-1")  # what matters to us is ASCII
