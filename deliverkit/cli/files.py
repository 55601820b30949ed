"""Files that verbs write: whole or not at all, and refused before the work when they cannot be written.

A regular file is replaced by a rename, through a link if there is one, and keeps its permissions. A device, a pipe or
a terminal (``-o /dev/stdout``) is written to and never replaced.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

import click

_SPECIAL_PLACES = ("/dev", "/proc")


def write_file(path: Path, content: bytes) -> None:
    """Write a file whole or not at all. A path that cannot be written is a usage error."""
    try:
        if _is_special(path):
            with path.open("wb") as file:
                file.write(content)
        else:
            from deliverkit.world.wholefile import write_whole

            write_whole(path, content)
    except BrokenPipeError:
        raise
    except (OSError, RuntimeError) as bad:  # RuntimeError: a loop of links
        raise _cannot(path, getattr(bad, "strerror", None) or str(bad)) from None


def refuse_unwritable(path: Path) -> None:
    """A usage error now, not after a minute of work, where `write_file` would certainly fail."""
    try:
        if path.is_dir():
            raise _cannot(path, "it is a directory; name a file in it")
        if _is_special(path):
            return
        folder = path.resolve().parent
        if not folder.is_dir():
            raise _cannot(path, f"there is no directory {folder}")
    except (OSError, RuntimeError) as bad:
        raise _cannot(path, getattr(bad, "strerror", None) or str(bad)) from None
    if not os.access(folder, os.W_OK | os.X_OK):
        raise _cannot(path, f"the directory {folder} is not writable")


def _cannot(path: Path, why: str) -> click.UsageError:
    return click.UsageError(f"cannot write {path}: {why}")


def _is_special(path: Path) -> bool:
    """Something that exists and is no regular file, or a name for an open one (/dev/fd/3)."""
    if any(path.absolute().is_relative_to(place) for place in _SPECIAL_PLACES):
        return path.exists()
    try:
        return not stat.S_ISREG(path.stat().st_mode)
    except FileNotFoundError:
        return False
