"""Changes of `deliverkit fix` into the files they belong to: whole or not at all, and nobody else's work is lost.

What this file will not do: choose a fix, or judge one.
"""

from __future__ import annotations

from deliverkit.engine.fix import Fixed
from deliverkit.world.wholefile import write_whole


class CannotWrite(ValueError):
    """A change that is not written: which file, why, and what to do."""


def write_changes(fixed: Fixed) -> None:
    """Write the changed files, each whole or not at all. Raises CannotWrite, if possible before the first one.

    A file that is not as it was read is somebody else's work by now, and stays; so does one that became a link.
    """
    for path in fixed.after:
        name = fixed.names.get(path, str(path))
        try:
            same = path.resolve() == path and path.read_bytes() == fixed.before[path]
        except OSError as bad:
            raise CannotWrite(f"{name} cannot be read any more ({bad.strerror}); run fix again") from None
        if not same:
            raise CannotWrite(f"{name} changed while it was judged; nothing was written, run fix again")
    for path, octets in fixed.after.items():
        try:
            write_whole(path, octets)
        except OSError as bad:
            name = fixed.names.get(path, str(path))
            raise CannotWrite(f"cannot write {name}: {bad.strerror or bad}; correct its rights and run again") from None
