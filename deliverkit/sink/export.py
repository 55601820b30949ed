"""Export of captured messages, octet by octet: into a Maildir, or into a directory of .eml files.

Every file is written under a temporary name and renamed, so that a reader never sees half a message. Names are made
of the message's number and receipt, never of anything a client sent.

What this file will not do: convert line ends, add header fields, or overwrite a file.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from deliverkit.sink.message import CapturedMessage


class ExportError(Exception):
    """The export cannot be written; the text says why."""


def export(messages: Iterable[CapturedMessage], kind: str, where: Path) -> int:
    """Write messages; a message that was exported there before is passed over. Returns how many were written."""
    if kind not in ("maildir", "eml"):
        raise ExportError(f"{kind!r} is no export format; give maildir:DIR or eml:DIR")
    try:
        for folder in ("tmp", "new", "cur") if kind == "maildir" else ("",):
            (where / folder).mkdir(parents=True, exist_ok=True)
        return sum(_one(message, kind, where) for message in messages)
    except OSError as bad:
        raise ExportError(f"cannot export to {where}: {bad.strerror or bad}") from None


def _one(message: CapturedMessage, kind: str, where: Path) -> bool:
    if kind == "maildir":
        unique = f"{int(message.received.timestamp())}.{message.id}_{message.receipt}.deliverkit"
        temporary, final = where / "tmp" / unique, where / "new" / unique
        if final.exists() or any((where / "cur").glob(f"{unique}*")):  # a mail reader moved it to cur/
            return False
    else:
        final = where / f"{message.id:08d}-{message.receipt}.eml"
        temporary = where / f".{final.name}.part"
        if final.exists():
            return False
    with temporary.open("wb") as out:
        out.write(message.raw)
        out.flush()
        os.fsync(out.fileno())
    temporary.replace(final)
    return True
