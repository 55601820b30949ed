"""Header text in the spellings that programs give it: encoded words (RFC 2047), quotes, dates, blanks.

What this file will not do: know which field was signed, or prove anything.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator
from email.header import Header as PythonHeader

from deliverkit.facts.message.words import decode_words

_MOST_TEXT = 200  # characters of a field that is encoded anew
_WORD_OCTETS = 75  # RFC 2047 §2
_SPECIAL = re.compile(rb"[^A-Za-z0-9!*+/-]")  # all that a careful encoder quotes in Q (RFC 2047 §5 (3))
_PLAIN = re.compile(rb"[^!-<>@-^`-~]")  # all that must be quoted in Q


def text_of(value: bytes) -> str:
    """A field's value unfolded and decoded."""
    text = re.sub(rb"\r\n(?=[ \t])", b"", value).strip()
    return decode_words(text.decode("utf-8", "surrogateescape")).text


def respelled(value: bytes, *, address: bool) -> Iterator[bytes]:
    """A value whose text is not ASCII, decoded or encoded anew; in addresses only the name before the address."""
    flat = re.sub(rb"\r\n(?=[ \t])", b"", value).strip()
    if flat.isascii() and b"=?" not in flat:
        return
    rest = b""
    if address:
        name, angle, rest = flat.partition(b"<")
        if not angle:
            return
        flat, rest = name.strip(), b" <" + rest
    quoted = flat.strip(b'"')
    text = decode_words(quoted.decode("utf-8", "surrogateescape"), phrase=address).text
    if not text or len(text) > _MOST_TEXT or any("\udc80" <= char <= "\udcff" for char in text):
        yield from (_recoded(flat) + rest for _ in (0,) if not address)
        return
    for spelled in dict.fromkeys(_spellings(text)):
        yield spelled + rest


def _recoded(flat: bytes) -> bytes:
    """Raw ISO-8859-1 as UTF-8, which some servers make of it."""
    return flat.decode("latin-1").encode()


def _spellings(text: str) -> Iterator[bytes]:
    yield text.encode()
    yield b'"' + text.encode() + b'"'
    whole, first_to_last = [text], _parted(text)
    for pieces in (whole, first_to_last):
        before, inner, after = ("", pieces[0], "") if len(pieces) == 1 else pieces
        for charset in ("utf-8", "UTF-8", "iso-8859-1", "ISO-8859-1"):
            for encoding in ("Q", "B", "q", "b"):
                for separate in (True, False):
                    yield from _words(before, inner, after, charset, encoding, separate)
    for charset in ("utf-8", "iso-8859-1"):
        try:
            written = PythonHeader(text, charset, maxlinelen=_WORD_OCTETS + 1, header_name="Subject").encode()
        except (UnicodeError, ValueError):
            continue
        yield re.sub(r"\n[ \t]", " ", written).encode("utf-8", "replace")


def _parted(text: str) -> list[str]:
    """The words before the first that is not ASCII, those up to the last, and those after it."""
    found = [match.span() for match in re.finditer(r"[^ ]*[^\x00-\x7f][^ ]*", text)]
    if not found:
        return [text]
    return [text[: found[0][0]], text[found[0][0] : found[-1][1]], text[found[-1][1] :]]


def _words(before: str, inner: str, after: str, charset: str, encoding: str, separate: bool) -> Iterator[bytes]:
    """Text with its middle as encoded words: one, or as many as the limit of 75 octets asks for."""
    head, tail = f"=?{charset}?{encoding}?".encode(), b"?="
    try:
        whole = inner.encode(charset)
    except UnicodeError:
        return
    for quoting in (_PLAIN, _SPECIAL) if encoding in "Qq" else (None,):
        coded = _coded(whole, quoting)
        words = [head + coded + tail]
        if separate and len(words[0]) > _WORD_OCTETS:
            words = [head + _coded(piece.encode(charset), quoting) + tail for piece in _chunks(inner, charset, quoting)]
        yield before.encode() + b" ".join(words) + after.encode()


def _coded(octets: bytes, quoting: re.Pattern[bytes] | None) -> bytes:
    if quoting is None:
        return base64.b64encode(octets)
    return quoting.sub(lambda match: b"_" if match[0] == b" " else b"=%02X" % match[0][0], octets)


def _chunks(text: str, charset: str, quoting: re.Pattern[bytes] | None) -> Iterator[str]:
    """The text in pieces whose words are as long as 75 octets allow."""
    room = _WORD_OCTETS - len(charset) - 7
    piece = ""
    for char in text:
        if piece and len(_coded((piece + char).encode(charset), quoting)) > room:
            yield piece
            piece = ""
        piece += char
    if piece:
        yield piece


def respaced_addresses(value: bytes) -> Iterator[bytes]:
    """Address lists and names with other quotes and blanks."""
    flat = re.sub(rb"\r\n(?=[ \t])", b"", value).strip()
    if match := re.fullmatch(rb'"([^"\\<>]*)"[ ]*(<[^<>]*>)', flat):
        yield match[1] + b" " + match[2]
    elif match := re.fullmatch(rb'([^"\\<>]+?)[ ]*(<[^<>]*>)', flat):
        yield b'"' + match[1] + b'" ' + match[2]
        yield match[2]
    elif match := re.fullmatch(rb"<([^<>]*)>", flat):
        yield match[1]
    elif re.fullmatch(rb"[^\s<>,;:\"]+@[^\s<>,;:\"]+", flat):
        yield b"<" + flat + b">"
        yield b'"' + flat + b'" <' + flat + b">"
    yield flat.replace(b", ", b",")
    yield re.sub(rb",(?=[^ ])", b", ", flat)


def respelled_dates(value: bytes) -> Iterator[bytes]:
    """A date in the other forms of the same moment that programs write."""
    flat = value.strip()
    bare = re.sub(rb"[ ]*\([^()]*\)$", b"", flat)
    if bare != flat:
        yield bare
    for comment in (b"(UTC)", b"(GMT)", b"(CET)", b"(CEST)"):
        yield bare + b" " + comment
    for zone in (b"+0000", b"GMT", b"-0000", b"UT", b"UTC", b"Z"):
        yield re.sub(rb"(?:[+-]0000|GMT|UTC?|Z)$", zone, bare)
    yield re.sub(rb"^([A-Z][a-z]{2}), 0(\d)", rb"\1, \2", bare)
    yield re.sub(rb"^([A-Z][a-z]{2}), (\d) ", rb"\1, 0\2 ", bare)
    yield re.sub(rb"^[A-Z][a-z]{2}, ", b"", bare)
