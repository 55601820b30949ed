"""A regular file that is written whole or not at all, and keeps its permissions.

What this file will not do: write to a device or a pipe, or say to a user what went wrong (`cli.files` does).
"""

from __future__ import annotations

import os
import stat
from pathlib import Path


def write_whole(path: Path, content: bytes) -> None:
    """Write by a temporary file in the same folder and a rename, through a link if there is one. Raises OSError."""
    import tempfile

    path = path.resolve()
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".deliverkit-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(temporary).chmod(_mode(path))
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def _mode(path: Path) -> int:
    """The permissions of the file that is replaced, or what the user's mask gives a new one."""
    if path.exists():
        return stat.S_IMODE(path.stat().st_mode)
    mask = os.umask(0)
    os.umask(mask)
    return 0o666 & ~mask
