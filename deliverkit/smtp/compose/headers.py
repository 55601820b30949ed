"""Header fields on the wire: encoded words and folding that every receiver reads the same way.

Python's own folding is the trap this file avoids: it encodes long List-Unsubscribe and References values as words no
receiver decodes there, and starts a field with an empty line when its first word is long. The rules here:

- a line is folded only where white space stands already (RFC 5322 §2.2.3), never directly after the name, and aims at
  78 columns; what cannot be folded stays long, up to 998 octets (§2.1.1);
- non-ASCII text becomes encoded words of whole characters, at most 75 long, on lines of at most 76 (RFC 2047 §2, §5);
  in a message sent with SMTPUTF8 it stays UTF-8 (RFC 6532 §3.2);
- an address, a message id or a URL is never encoded (RFC 2047 §5: only ``*text``, comments and phrases may be).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Sequence

from deliverkit.smtp.compose.address import ATEXT, Address, quoted
from deliverkit.smtp.compose.values import BadValue, single_line

SOFT = 78  # RFC 5322 §2.1.1: SHOULD be no more, CRLF excluded
HARD = 998  # … and MUST be no more
WORD = 75  # RFC 2047 §2: an encoded word
WORD_LINE = 76  # … and a line that holds one
_FRAME = len("=?utf-8?q??=")
_Q_PHRASE = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")  # RFC 2047 §5 (3)
_Q_TEXT = frozenset(range(33, 127)) - frozenset(b"=?_")  # RFC 2047 §4.2
_PHRASE = re.compile(rf"{ATEXT}+( {ATEXT}+)*")
_FIELD_NAME = re.compile(r"[!-9;-~]{1,76}")  # RFC 5322 §2.2
_LONG_PHRASE = 200  # an ASCII name beyond this is no quoted-string any more but encoded words, which fold


def check_field_name(name: str) -> str:
    """The name of a header field (RFC 5322 §2.2), or BadValue."""
    if not _FIELD_NAME.fullmatch(name):
        raise BadValue(f"header name {name!r}: expected 1 to 76 visible ASCII characters without a colon")
    return name


def text_field(name: str, text: str, *, utf8: bool = False) -> bytes:
    """An unstructured field such as Subject: words that need it are encoded, the others stay as they are."""
    single_line(name, text)
    if utf8:
        return _field(name, _spaced(text))
    pieces: list[str] = []
    for run, encode in _runs(text):
        if not encode:
            pieces += _spaced(run)
            continue
        blank = run[: len(run) - len(run.lstrip(" "))] if pieces else ""
        words = encoded_words(run[len(blank) :], column=1 if pieces else len(name) + 2)
        pieces += [blank + words[0], *(" " + word for word in words[1:])]
    return _field(name, pieces)


def address_field(name: str, addresses: Sequence[Address], *, utf8: bool = False) -> bytes:
    """From, To, Cc, Reply-To, Sender: names as phrases, addresses never encoded, folded between the parts."""
    pieces: list[str] = []
    for number, address in enumerate(addresses):
        comma = "," if number < len(addresses) - 1 else ""
        column = len(name) + 2 if not pieces else 1
        words = _phrase(address.name, column=column, utf8=utf8) if address.name else []
        words.append(f"<{address.spec}>{comma}" if words else f"{address.spec}{comma}")
        pieces += [(" " if pieces or position else "") + word for position, word in enumerate(words)]
    return _field(name, pieces)


def verbatim_field(name: str, value: str) -> bytes:
    """A field whose value is never encoded (List-Unsubscribe, References): folded at its own white space."""
    single_line(name, value)
    if not value.isascii():
        raise BadValue(f"{name}: {value!r} holds non-ASCII characters, which may not be encoded there (RFC 2047 §5)")
    return _field(name, _spaced(value.strip()))


def encoded_words(text: str, *, column: int = 1, phrase: bool = False) -> list[str]:
    """Text as encoded words of whole characters (RFC 2047 §2). ``column`` is where the first one begins on its line."""
    data = text.encode("utf-8")
    safe = _Q_PHRASE if phrase else _Q_TEXT
    q_length = sum(1 if octet in safe or octet == 32 else 3 for octet in data)
    encoding = "q" if q_length <= -(-len(data) // 3) * 5 else "b"  # Q a little longer is still the readable one
    words: list[str] = []
    room = min(WORD, WORD_LINE - column) - _FRAME
    if room < (12 if encoding == "q" else 8):  # four octets of one character, the longest there is
        raise BadValue(f"non-ASCII text cannot stand {column} columns into a line (RFC 2047 §2: 76 is the limit)")
    start = 0
    while start < len(text):
        stop, body = _fitting(text, start, room, encoding, safe)
        words.append(f"=?utf-8?{encoding}?{body}?=")
        start, room = stop, WORD - _FRAME
    return words


def _fitting(text: str, start: int, room: int, encoding: str, safe: frozenset[int]) -> tuple[int, str]:
    """The longest piece of text, in whole characters, whose encoded form fits into ``room``; and that form."""
    taken, length, stop = bytearray(), 0, start
    while stop < len(text):
        octets = text[stop].encode("utf-8")
        if encoding == "b":
            length = -(-(len(taken) + len(octets)) // 3) * 4
        else:
            length += sum(1 if octet in safe or octet == 32 else 3 for octet in octets)
        if length > room:
            break
        taken += octets
        stop += 1
    if encoding == "b":
        return stop, base64.b64encode(bytes(taken)).decode("ascii")
    return stop, "".join("_" if o == 32 else chr(o) if o in safe else f"={o:02X}" for o in taken)


def _phrase(name: str, *, column: int, utf8: bool) -> list[str]:
    """A display name (RFC 5322 §3.2.5): atoms, a quoted-string or encoded words, whichever it needs."""
    if (name.isascii() or utf8) and "=?" not in name and len(name) <= _LONG_PHRASE:
        return name.split(" ") if _PHRASE.fullmatch(name) else [quoted(name)]
    return encoded_words(name, column=column, phrase=True)


def _runs(text: str) -> Iterator[tuple[str, bool]]:
    """Cut text into runs to encode (True) and runs to leave, each with the blanks before it.

    White space between two encoded words is not shown (RFC 2047 §6.2), so words side by side that need encoding
    make one run, its blanks encoded with it; and blanks at the ends of the text, which receivers strip, are encoded.
    """
    tokens = re.findall(r"^ *[^ ]* *$|^ *[^ ]+| +[^ ]+ *$| +[^ ]+", text)
    needs = [_needs_encoding(token) for token in tokens]
    if text != text.strip(" "):
        needs[0] = needs[0] or text.startswith(" ")
        needs[-1] = needs[-1] or text.endswith(" ")
    start = 0
    for stop in range(1, len(tokens) + 1):
        if stop == len(tokens) or needs[stop] != needs[start]:
            yield "".join(tokens[start:stop]), needs[start]
            start = stop


def _needs_encoding(word: str) -> bool:
    return not word.isascii() or "=?" in word or len(word) > HARD - 100


def _spaced(text: str) -> list[str]:
    """Text cut before each run of blanks that a word follows: the places where it may be folded."""
    return re.findall(r"^[^ \t]+|[ \t]+[^ \t]+|[ \t]+$", text)


def _field(name: str, pieces: Sequence[str]) -> bytes:
    """Fold pieces (each begins with its white space but the first) at 78 columns; octets, CRLF at the end."""
    lines, line = list[str](), f"{name}: "
    for number, piece in enumerate(pieces):
        limit = WORD_LINE if "=?" in piece or "=?" in line else SOFT
        if number and piece.strip() and len(line) + len(piece) > limit:
            lines.append(line)
            line = piece
        else:
            line += piece
    lines.append(line)
    octets = [part.encode("utf-8") for part in lines]
    for part in octets:
        if len(part) > HARD:
            raise BadValue(f"{name}: a line of {len(part)} octets that has no white space to fold at; 998 is the limit")
    return b"\r\n".join(octets).rstrip(b" \t") + b"\r\n"
