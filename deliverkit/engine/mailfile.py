"""Messages out of files: .eml, mbox, standard input. Octets are handed on as they are stored.

An mbox (RFC 4155) is told by its first line, and its messages are named ``file#1``, ``file#2``. The ``>`` that some
programs put before "From " in a body is left there: which program stored the file cannot be told, and a signature that
fails for it says so. A file that holds no message at all is refused with a sentence that names it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deliverkit.facts.message import read_header

MOST_OCTETS = 64 * 2**20  # of one file
MOST_MESSAGES = 10_000  # of one mbox

# "From " sender date: RFC 4155 §A; the date is what C's asctime writes, some programs add a zone
_POSTMARK = re.compile(rb"From \S*.{0,200}?\d{1,2}:\d{2}(?::\d{2})?.{0,40}?\d{4}[^\r\n]{0,20}\r?\n")
_USUAL = frozenset(
    ("from", "to", "subject", "date", "received", "message-id", "mime-version", "content-type", "return-path")
)


class NoMessage(ValueError):
    """A file that cannot be read as mail; the text names it and says why."""


@dataclass(frozen=True, slots=True)
class StoredMessage:
    """One message and the name it goes by in reports."""

    name: str
    octets: bytes


def read_messages(path: str) -> tuple[StoredMessage, ...]:
    """All messages of a file; ``-`` is standard input. Raises NoMessage."""
    name, octets = _read(path)
    if not octets.strip():
        raise NoMessage(f"{name} is empty: there is no message in it")
    if octets.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise NoMessage(f"{name} is UTF-16 text; mail is stored octet by octet: save it as .eml without conversion")
    messages = list(_split(octets)) if _POSTMARK.match(octets) else [octets]
    if len(messages) > MOST_MESSAGES:
        raise NoMessage(f"{name} holds {len(messages):,} messages; {MOST_MESSAGES:,} is the most: split it")
    if len(messages) == 1:
        _refuse_other_files(name, messages[0])
        return (StoredMessage(name, messages[0]),)
    return tuple(StoredMessage(f"{name}#{number}", one) for number, one in enumerate(messages, start=1))


def _read(path: str) -> tuple[str, bytes]:
    """The file's name for reports, and its octets."""
    if path == "-":
        if sys.stdin is None:
            raise NoMessage("standard input is closed: there is no message in it")
        octets = sys.stdin.buffer.read(MOST_OCTETS + 1)
        name = "standard input"
    else:
        name = path
        try:
            with Path(path).open("rb") as file:
                octets = file.read(MOST_OCTETS + 1)
        except IsADirectoryError:
            raise NoMessage(
                f"{path} is a directory; name the files in it, for example {path.rstrip('/')}/*.eml"
            ) from None
        except OSError as bad:
            raise NoMessage(f"cannot read {path}: {bad.strerror or bad}") from None
    if len(octets) > MOST_OCTETS:
        raise NoMessage(f"{name} is larger than {MOST_OCTETS // 2**20} MB, the most that is read at once")
    return name, octets


def _split(octets: bytes) -> Iterator[bytes]:
    """The messages between "From " lines that follow an empty line; that empty line belongs to the file."""
    first = _POSTMARK.match(octets)
    start = first.end() if first else 0
    at = start
    while (found := octets.find(b"\nFrom ", at)) >= 0:
        at = found + 1
        postmark = _POSTMARK.match(octets, at)
        empty_before = octets[max(found - 2, 0) : found + 1].endswith((b"\n\n", b"\n\r\n"))
        if postmark and (empty_before or found < start):
            yield _without_last_line(octets[start:at])
            start = at = postmark.end()
    yield _without_last_line(octets[start:])


def _without_last_line(octets: bytes) -> bytes:
    """A message without the empty line that an mbox puts behind it."""
    for end in (b"\r\n", b"\n"):
        if octets.endswith(end + end):
            return octets[: -len(end)]
    return octets


def _refuse_other_files(name: str, octets: bytes) -> None:
    """Mail begins with a header. What has none, or is binary without a usual field, is something else."""
    header = read_header(octets[: 1 << 16])
    usual = {field.key for field in header.fields} & _USUAL
    if usual or (header.fields and not header.strays and b"\0" not in octets[:4096]):
        return
    what = "binary" if b"\0" in octets[:4096] or _odd(octets[:4096]) else "text without a mail header"
    raise NoMessage(f"{name} holds no mail message: it is {what}")


def _odd(octets: bytes) -> bool:
    """True if a good part of the octets is no text."""
    controls = sum(octet < 9 or 13 < octet < 32 for octet in octets)
    return controls * 20 > len(octets)
