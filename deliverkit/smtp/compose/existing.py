"""A message that exists already (an .eml file): put into wire form without changing what it says.

Line ends become CRLF, because only CRLF goes over SMTP (RFC 5321 §2.3.8); everything else stays, faults included:
this is a way to find out what a server says to them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from email.utils import getaddresses

from deliverkit.smtp.compose.address import split_mailboxes
from deliverkit.smtp.compose.headers import HARD
from deliverkit.smtp.compose.message import NONCE, Composed
from deliverkit.smtp.compose.values import BadValue

_FIELD = re.compile(rb"^([!-9;-~]+)[ \t]*:(.*(?:\r\n[ \t].*)*)", re.MULTILINE)
_BOX = re.compile(rb"^From [^\r\n]*\r?\n")


def existing(name: str, raw: bytes) -> Composed:
    """The message in the file called ``name``. Raises BadValue when it is none."""
    if not raw.strip():
        raise BadValue(f"{name} is empty")
    remarks: list[str] = []
    if _BOX.match(raw):
        raw = _BOX.sub(b"", raw, count=1)
        remarks.append("the mbox line 'From …' before the message was left out")
    crlf = re.sub(rb"\r\n|\r|\n", b"\r\n", raw)
    if crlf != raw:
        remarks.append("line ends were made CRLF, as SMTP demands")
    crlf = crlf if crlf.endswith(b"\r\n") else crlf + b"\r\n"
    header, _, body = crlf.partition(b"\r\n\r\n")
    fields = [(m[1].lower().decode("ascii"), m[2].strip()) for m in _FIELD.finditer(header)]
    if not fields or not _FIELD.match(header):
        raise BadValue(f"{name} is no message: it does not begin with a header field (RFC 5322 §2.2)")
    longest = max(len(line) for line in crlf.split(b"\r\n"))
    if longest > HARD:
        remarks.append(
            f"a line of {longest} octets; 998 is the limit (RFC 5322 §2.1.1), so servers may refuse or rewrite it"
        )
    return Composed(
        raw=crlf,
        header_from=_first_address(_value(fields, "from")),
        message_id=_value(fields, "message-id"),
        nonce=_value(fields, NONCE.lower()) or None,
        subject=_value(fields, "subject"),
        smtputf8=not header.isascii(),
        eight_bit=not body.isascii(),
        remarks=tuple(remarks),
    )


def recipients(message: Composed) -> tuple[str, ...]:
    """The addresses of To and Cc, each once."""
    header = message.raw.partition(b"\r\n\r\n")[0]
    values = [_text(m[2]) for m in _FIELD.finditer(header) if m[1].lower() in (b"to", b"cc")]
    return tuple(dict.fromkeys(spec for value in values for spec in _addresses(value)))


def _value(fields: list[tuple[str, bytes]], name: str) -> str:
    return next((_text(value) for key, value in fields if key == name), "")


def _text(value: bytes) -> str:
    return re.sub(rb"\r\n(?=[ \t])", b"", value).decode("utf-8", "replace").strip()


def _first_address(value: str) -> str:
    return next(_addresses(value), "")


def _addresses(value: str) -> Iterator[str]:
    """The addresses in a field, one mailbox at a time.

    What the standard library cannot read (which depends on its version) is handed on as it stands, for the caller to
    refuse by name, rather than lost.
    """
    try:
        pieces = split_mailboxes("", value)
    except BadValue:
        pieces = [value]
    for piece in pieces:
        read = [spec for _, spec in getaddresses([piece]) if "@" in spec]
        bare = re.sub(r".*<|>.*", "", piece, flags=re.DOTALL).strip()
        yield from read or ([bare] if "@" in bare else [])
