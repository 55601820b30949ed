"""A message as it leaves: composed, signed, measured; and what a dry run shows of it, octet by octet.

What this file will not do: send it, or read a file.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from deliverkit.protocols.dkim.canonical import split_message
from deliverkit.protocols.dkim.sign import SigningKey, sign
from deliverkit.protocols.dkim.signature import Signature, parse_signature
from deliverkit.smtp.compose import Composed, Writer

BASE64_LIMIT = 25 * 1024 * 1024  # what Gmail and many others take, base64 included


@dataclass(frozen=True)
class Coverage:
    """What one signature covers. ``oversigned`` names are signed once more than they occur, against additions.

    ``unsigned`` are the fields of the message that it leaves out.
    """

    signature: Signature
    covered: tuple[str, ...]
    oversigned: tuple[str, ...]
    unsigned: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        """The signature and its coverage."""
        one = self.signature
        return {
            "selector": one.selector,
            "domain": one.domain,
            "algorithm": one.algorithm,
            "canonicalization": f"{one.header_canonicalization}/{one.body_canonicalization}",
            "key_record": one.key_name,
            "body_hash": base64.b64encode(one.body_hash).decode("ascii"),
            "covered": list(self.covered),
            "oversigned": list(self.oversigned),
            "unsigned": list(self.unsigned),
        }


@dataclass(frozen=True)
class Letter:
    """One message ready to go: what was composed, the octets with their signatures, and what those cover."""

    composed: Composed
    raw: bytes = field(repr=False)
    coverage: tuple[Coverage, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Names, sizes, signatures; not the octets."""
        composed = self.composed
        return {
            "message_id": composed.message_id,
            "nonce": composed.nonce,
            "header_from": composed.header_from,
            "subject": composed.subject,
            "octets": len(self.raw),
            "smtputf8": composed.smtputf8,
            "parts": list(composed.sizes),
            "signatures": list(self.coverage),
            "remarks": list(self.remarks),
        }

    @property
    def remarks(self) -> tuple[str, ...]:
        """What the sender should know about the message, beside what the rules say of its sending."""
        if len(self.raw) <= BASE64_LIMIT:
            return self.composed.remarks
        megabytes = len(self.raw) / 1024 / 1024
        size = f"{megabytes:.1f} MB on the wire; many receivers take 25 MB, base64 included"
        return (*self.composed.remarks, size)


@dataclass(frozen=True)
class Preview:
    """What a dry run shows: the letter, its envelope and its octets."""

    letter: Letter
    mail_from: str
    recipients: tuple[str, ...]
    destination: str

    def to_json(self) -> dict[str, Any]:
        """Envelope, coverage, and the octets as escaped lines."""
        return {
            "mail_from": self.mail_from,
            "recipients": list(self.recipients),
            "destination": self.destination,
            "lines": escaped_lines(self.letter.raw),
        }


class Post:
    """Writes and signs the messages of a run, each once: several routes get the same octets."""

    def __init__(self, write: Writer, keys: Sequence[SigningKey]) -> None:
        self._write = write
        self._keys = tuple(keys)
        self.keep = False
        self._kept: dict[int, Letter] = {}

    def letter(self, number: int, now: datetime) -> Letter:
        """The n-th message (from 0), signed at ``now``. The first is always kept, the others with ``keep``."""
        kept = self._kept.get(number)
        if kept is not None:
            return kept
        composed = self._write(number, now)
        raw = sign(composed.raw, self._keys, now=now) if self._keys else composed.raw
        letter = Letter(composed, raw, coverage(raw) if number == 0 else ())
        if self.keep or number == 0:
            self._kept[number] = letter
        return letter


def coverage(raw: bytes) -> tuple[Coverage, ...]:
    """What each DKIM-Signature of a message covers (RFC 6376 §5.4.2)."""
    fields, _ = split_message(raw)
    names = [name.decode("ascii", "replace").lower().strip() for name, _ in fields]
    return tuple(
        _covered(parse_signature(value), names)
        for name, (_, value) in zip(names, fields, strict=True)
        if name == "dkim-signature"
    )


def _covered(signature: Signature, names: Sequence[str]) -> Coverage:
    signed, present = Counter(signature.signed_names), Counter(names)
    return Coverage(
        signature,
        covered=tuple(n for n in dict.fromkeys(signature.signed_names) if present[n]),
        oversigned=tuple(n for n in dict.fromkeys(signature.signed_names) if signed[n] > present[n]),
        unsigned=tuple(n for n in dict.fromkeys(names) if n not in signed and n != "dkim-signature"),
    )


def escaped_lines(raw: bytes) -> list[str]:
    """Octets as lines for a screen: nothing hidden, nothing that a terminal would obey.

    Blanks at a line's end show as ``\\x20``; line ends other than CRLF are shown where they stand.
    """
    lines = raw.split(b"\r\n")
    if lines and not lines[-1]:
        lines.pop()
    return [_escaped(line) for line in lines]


def _escaped(line: bytes) -> str:
    shown = "".join(chr(o) if 32 <= o < 127 and o != 92 else "\\\\" if o == 92 else f"\\x{o:02x}" for o in line)
    body = shown.rstrip(" ")
    return body + "\\x20" * (len(shown) - len(body))
