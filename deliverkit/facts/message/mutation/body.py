"""What may have been done to a whole body, with its undoing: line ends, blanks, dots, wrapping, charsets.

What this file will not do: follow MIME (``parts`` does), or look for lines that were added (``lines`` does).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from deliverkit.facts.message.mutation.budget import Budget

_WIDTHS = (990, 998, 996, 997, 999, 1000, 988, 989, 900, 512, 510, 1022, 1024, 2046, 2048, 76, 78, 72, 80)
_WRAPPED_AT = (76, 72, 78, 80, 70, 79, 998)
_CHARSETS = ("latin-1", "cp1252", "iso8859-15")
_MOST_LINES = 20_000  # lines of a body that is re-wrapped


@dataclass(frozen=True, slots=True)
class Undone:
    """A body as it would have been before a change; ``text`` says the change, ``added`` what was put in."""

    kind: str
    text: str
    body: bytes
    added: bytes = b""


def undone_bodies(body: bytes, budget: Budget) -> Iterator[Undone]:
    """The body with each known change undone; the common ones first, only where it makes a difference."""
    for kind, text, undo in _UNDOING:
        budget.work(len(body) >> 2)
        before = undo(body)
        if before is not None and before != body:
            yield Undone(kind, text, before)
    yield from _unbroken(body)
    yield from _unconverted(body)


def first_difference(now: bytes, before: bytes) -> int:
    """The offset of the first octet that differs, by halves: comparing is much faster than counting."""
    low, high = 0, min(len(now), len(before))
    while low < high:
        middle = (low + high + 1) // 2
        if now[low:middle] == before[low:middle]:
            low = middle
        else:
            high = middle - 1
    return low


def _unquoted_from(body: bytes) -> bytes:
    return re.sub(rb"(?m)^>(?=>*From )", b"", body)


def _quoted_from(body: bytes) -> bytes:
    return re.sub(rb"(?m)^(?=>*From )", b">", body)


def _restuffed(body: bytes) -> bytes:
    return re.sub(rb"(?m)^\.", b"..", body)


def _unstuffed(body: bytes) -> bytes:
    return re.sub(rb"(?m)^\.\.", b".", body)


def _undoubled(body: bytes) -> bytes | None:
    """Every second line taken away, where all of them are empty."""
    lines = body.split(b"\r\n")
    return None if len(lines) < 4 or any(lines[1::2]) else b"\r\n".join(lines[0::2]) + b"\r\n"


def _without_bare_cr(body: bytes) -> bytes:
    return body.replace(b"\r\r\n", b"\r\n")


def _trimmed(body: bytes) -> bytes:
    return b"\r\n".join(line.rstrip(b" \t") for line in body.split(b"\r\n"))


def _marked(body: bytes) -> bytes:
    """The blank of the signature mark ``-- `` (RFC 3676 §4.3) put back, which programs that strip blanks take away."""
    return re.sub(rb"(?m)^--(?=\r\n)", b"-- ", body)


def _hexed_again(body: bytes) -> bytes:
    """Quoted-printable with its hexadecimal digits in lower case, as some programs write it."""
    return re.sub(rb"=[0-9A-F]{2}", lambda match: match[0].lower(), body)


def _hexed_upper(body: bytes) -> bytes:
    return re.sub(rb"=[0-9A-Fa-f]{2}", lambda match: match[0].upper(), body)


_SURVIVES = "relaxed body canonicalization would have survived it"
_UNDOING: tuple[tuple[str, str, Callable[[bytes], bytes | None]], ...] = (
    ("from-quoted", "a > was put before lines that begin with From (mbox storage)", _unquoted_from),
    (
        "dots-doubled",
        "dots at the beginning of lines are still doubled: transparency was not undone (RFC 5321 §4.5.2)",
        _unstuffed,
    ),
    ("dots-lost", "dots at the beginning of lines were lost: the sender signed after doubling them", _restuffed),
    ("first-line-added", "an empty line was added before the body", lambda body: body.removeprefix(b"\r\n")),
    ("first-line-lost", "an empty line before the body was lost", lambda body: b"\r\n" + body),
    ("blanks-added", f"blanks were added at the ends of lines after signing: {_SURVIVES}", _trimmed),
    ("blanks-lost", f"the blank of the signature mark (-- ) was stripped after signing: {_SURVIVES}", _marked),
    ("tabs-changed", f"blanks were made tabs after signing: {_SURVIVES}", lambda body: body.replace(b"\t", b" ")),
    ("tabs-changed", f"tabs were made blanks after signing: {_SURVIVES}", lambda body: body.replace(b" " * 8, b"\t")),
    ("tabs-changed", f"tabs were made blanks after signing: {_SURVIVES}", lambda body: body.replace(b" " * 4, b"\t")),
    ("line-ends-doubled", "carriage returns were doubled after signing (CR CR LF)", _without_bare_cr),
    ("line-ends-doubled", "an empty line was put after each line after signing", _undoubled),
    ("from-unquoted", "the > before lines that begin with From was taken away after signing", _quoted_from),
    ("quoted-printable-anew", "quoted-printable was written anew with other digits on the way", _hexed_again),
    ("quoted-printable-anew", "quoted-printable was written anew with other digits on the way", _hexed_upper),
)


def _unbroken(body: bytes) -> Iterator[Undone]:
    """Lines that a server broke at a fixed width, or wrapped between words, joined again."""
    lines = body.split(b"\r\n")
    if len(lines) > _MOST_LINES:
        return
    lengths = {len(line) for line in lines}
    for width in _WIDTHS:
        if width in lengths:
            text = f"lines over {width} octets were broken by a server after signing"
            joined = _joined(lines, width)
            if joined != body:
                yield Undone("lines-broken", text, joined)
    broken = re.sub(rb"!\r\n[ \t]?", b"", body)
    if broken != body:
        text = "long lines were broken with an exclamation mark by a server after signing"
        yield Undone("lines-broken", text, broken)
    for width in _WRAPPED_AT:
        if max(lengths) <= width:
            joined = _unwrapped(lines, width)
            if joined != body:
                text = f"lines were wrapped at {width} octets after signing"
                yield Undone("lines-wrapped", text, joined)


def _joined(lines: list[bytes], width: int) -> bytes:
    """Joins lines that were broken at ``width`` octets, with or without a blank put in front of the rest.

    The blank counts: a rest that is as long again was broken again.
    """
    whole = [[lines[0]]]
    for before, line in pairwise(lines):
        if len(before) == width and line:
            whole[-1].append(line[1:] if line[:1] in (b" ", b"\t") else line)
        else:
            whole.append([line])
    return b"\r\n".join(b"".join(pieces) for pieces in whole)


def _unwrapped(lines: list[bytes], width: int) -> bytes:
    """Joins lines with a blank where the next word would not have fitted, as a program that wraps leaves them."""
    whole = [[lines[0]]]
    for before, line in pairwise(lines):
        word = line.split(b" ", 1)[0]
        if before and word and len(before) + 1 + len(word) > width:
            whole[-1].append(line)
        else:
            whole.append([line])
    return b"\r\n".join(b" ".join(pieces) for pieces in whole)


def _unconverted(body: bytes) -> Iterator[Undone]:
    """Text whose charset was converted on the way, either way round."""
    if body.isascii():
        return
    for charset in _CHARSETS:
        name = {"latin-1": "ISO-8859-1", "cp1252": "windows-1252", "iso8859-15": "ISO-8859-15"}[charset]
        before = _recoded(body, "utf-8", charset)
        if before is not None:
            twice = _recoded(before, "utf-8", "utf-8") is not None
            text = f"text was converted from {name} to UTF-8 on the way"
            said = f"UTF-8 was taken for {name} and encoded as UTF-8 once more" if twice else text
            yield Undone("charset-converted", said, before)
            continue
        before = _recoded(body, charset, "utf-8")
        if before is not None and _recoded(body, "utf-8", "utf-8") is None:
            text = f"text was converted from UTF-8 to {name} on the way"
            yield Undone("charset-converted", text, before)


def _recoded(octets: bytes, now: str, before: str) -> bytes | None:
    try:
        return octets.decode(now).encode(before)
    except UnicodeError:
        return None
