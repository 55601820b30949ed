"""Canonical forms of header fields and bodies (RFC 6376 §3.4), and the split of a message, in linear time.

The octets are those of dkimpy's own functions (property tests compare them), which are quadratic in a run of blanks
and in the folds of a header field: one message of 80 kB can hold dkimpy up for eight seconds.

What this file will not do: hash, sign, or repair a message.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Sequence
from typing import TypeAlias

Field: TypeAlias = tuple[bytes, bytes]
"""A header field as it came: name, and value with its folds and final CRLF."""

_LONG = 16
_LONG_RUN = re.compile(rb" {%d,}" % _LONG)
_CRLFS_BACKWARDS = re.compile(rb"(?:\n\r)*")
_FIELD_NAME = re.compile(rb"([\x21-\x7e]+?)[ \t]*:")  # RFC 5322 §2.2; blanks before the colon are obsolete (§4.5)
_SIGNATURE_VALUE = re.compile(rb"(b(?<![^;\s]b)\s*=)([\sa-zA-Z0-9+/=]*)")


class NotAMessage(ValueError):
    """The octets have no RFC 5322 header; the text says which line is to blame."""


def bare_line_feeds(message: bytes) -> int:
    """How many lines end without a carriage return."""
    return message.count(b"\n") - message.count(b"\r\n")


def split_message(message: bytes, *, bare: int | None = None) -> tuple[list[Field], bytes]:
    """Header fields and body (RFC 5322 §2.1), line ends made CRLF. ``bare`` are the bare line feeds, if known.

    Raises NotAMessage for a line that is neither a field, nor a continuation, nor an mbox "From " line.
    """
    if bare_line_feeds(message) if bare is None else bare:
        message = message.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    if message.startswith(b"\r\n"):
        return [], message[2:]
    head, _, body = message.partition(b"\r\n\r\n")
    return _fields(head.removesuffix(b"\r\n").split(b"\r\n")), body


def _fields(lines: Sequence[bytes]) -> list[Field]:
    collected: list[tuple[bytes, list[bytes]]] = []
    for number, line in enumerate(lines, 1):
        if line[:1] in (b" ", b"\t"):
            if not collected:
                raise NotAMessage(f"line {number}: a continuation line with no header field before it")
            collected[-1][1].append(line)
        elif named := _FIELD_NAME.match(line):
            collected.append((line[: named.end() - 1], [line[named.end() :]]))
        elif line and not line.startswith(b"From "):
            raise NotAMessage(f"line {number}: no header field: {line[:60].decode('utf-8', 'backslashreplace')!r}")
    return [(name, b"\r\n".join([*parts, b""])) for name, parts in collected]


class Body(bytes):
    """A message body that remembers its canonical forms, for messages with several signatures or signers."""

    @functools.cached_property
    def relaxed(self) -> bytes:
        return relaxed_body(self)

    @functools.cached_property
    def simple(self) -> bytes:
        return simple_body(self)

    def canonical(self, form: str) -> bytes:
        """The body in the "simple" or "relaxed" form."""
        return self.relaxed if form == "relaxed" else self.simple


def relaxed_body(body: bytes) -> bytes:
    """§3.4.4: blanks compressed, none at the end of a line, no empty lines at the end; an empty body is empty."""
    text = _without_last_lines(_one_blank(body).replace(b" \r\n", b"\r\n"))
    return b"" if text == b"\r\n" else text


def simple_body(body: bytes) -> bytes:
    """§3.4.3: no empty lines at the end, and one CRLF at least."""
    return _without_last_lines(body)


def relaxed_fields(fields: Iterable[Field]) -> list[Field]:
    """§3.4.2: names in lower case, values unfolded, blanks compressed and none at either end."""
    return [
        (name.lower().rstrip(), _one_blank(value.replace(b"\r\n", b"").replace(b"\n", b"")).strip() + b"\r\n")
        for name, value in fields
    ]


def _one_blank(text: bytes) -> bytes:
    """Every run of spaces and tabs as one space.

    Replacing pairs is the fastest way in Python, but takes a pass for each doubling of the run's length; the long runs
    that only an attacker sends go first, so that there are four passes at most.
    """
    text = text.replace(b"\t", b" ")
    if b" " * _LONG in text:
        text = _LONG_RUN.sub(b" ", text)
    while b"  " in text:
        text = text.replace(b"  ", b" ")
    return text


def _without_last_lines(text: bytes) -> bytes:
    """The text ended by exactly one CRLF. Lone CR and LF at the end are content and stay."""
    tail = text[len(text.rstrip(b"\r\n")) :]
    match = _CRLFS_BACKWARDS.match(tail[::-1])
    return text[: len(text) - (match.end() if match else 0)] + b"\r\n"


def select_fields(fields: Sequence[Field], names: Iterable[bytes]) -> list[Field]:
    """The instances that ``h=`` chooses: for each mention of a name, the next one from the bottom (§5.4.2)."""
    waiting: dict[bytes, list[Field]] = {}
    for field in fields:
        waiting.setdefault(field[0].lower().rstrip(), []).append(field)
    chosen: list[Field] = []
    for name in names:
        instances = waiting.get(name)
        if instances:
            chosen.append(instances.pop())
    return chosen


def without_signature(value: bytes) -> bytes:
    """A DKIM-Signature value with the value of ``b=`` deleted, blanks around it kept (§3.5 b=, §3.7)."""
    return _SIGNATURE_VALUE.sub(_keep_tag, value)


def _keep_tag(match: re.Match[bytes]) -> bytes:
    value = match[2]
    after = value[len(value.rstrip()) :]
    if match.end() == len(match.string) and after in (b"\n", b"\r\n"):
        after = b""
    return match[1] + after
