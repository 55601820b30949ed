"""The files of an application on disk, as git would see them: ignored files, dependencies and build output left out.

Links are followed only inside the tree; sizes and numbers are bounded. Files of variables (``.env*``) are read although
git ignores them. What this file will not do: write, run or import anything.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from deliverkit.facts.settings.values import Place, Unread

MOST_FILES = 50_000
LARGEST = 2 * 2**20  # octets of one file
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
        self._texts: dict[str, str | None] = {}
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
            self._texts[path] = self._read(path)
        return self._texts[path]

    def _read(self, path: str) -> str | None:
        full = self.root / path
        try:
            if full.stat().st_size > LARGEST:
                return self._no(path, f"larger than {LARGEST:,} octets")
            octets = full.read_bytes()
        except OSError as bad:
            return self._no(path, bad.strerror or str(bad))
        if b"\x00" in octets[:8192]:
            return self._no(path, "a binary file")
        try:
            return octets.decode("utf-8")
        except UnicodeDecodeError:
            return octets.decode("latin-1")  # what matters to us is ASCII

    def _no(self, path: str, why: str) -> str | None:
        self._unread.append(Unread(Place(path), "", why))
        return None

    def _listed(self) -> Iterator[str]:
        count = 0
        for folder, inner, files in os.walk(self.root):
            inner[:] = sorted(name for name in inner if name not in SKIPPED)
            for name in files:
                full = Path(folder) / name
                if full.is_symlink() and not full.resolve().is_relative_to(self.root):
                    continue
                count += 1
                if count > MOST_FILES:
                    self._unread.append(
                        Unread(Place("."), "", f"more than {MOST_FILES:,} files: the rest was not read")
                    )
                    return
                yield full.relative_to(self.root).as_posix()
