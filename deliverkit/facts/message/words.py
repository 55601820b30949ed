"""RFC 2047 encoded words: decoded, and every way in which they are damaged named.

What this file will not do: guess. A word that cannot be decoded stays as it is written.
"""

from __future__ import annotations

import binascii
import re
from dataclasses import dataclass

MOST_OCTETS = 75  # RFC 2047 §2
_WORD = re.compile(r"=\?([^?\s]{1,64})\?([^?\s]{0,8})\?([^?]*)\?=")
_BASE64 = re.compile(r"[A-Za-z0-9+/]*={0,2}")
_BAD_Q = re.compile(r"=(?![0-9A-Fa-f]{2})")
_NOT_FOR_MAIL = {"idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape"}  # Python's own
_READ_AS = {  # charsets of which mail means a larger one, as readers do (WHATWG Encoding Standard §4.2)
    **dict.fromkeys(("gb2312", "gb_2312_80", "gbk", "x_gbk", "cp936"), "gb18030"),
    **dict.fromkeys(("big5", "x_x_big5"), "big5hkscs"),
    **dict.fromkeys(("euc_kr", "ks_c_5601_1987", "ksc5601"), "cp949"),
    **dict.fromkeys(("shift_jis", "x_sjis", "sjis"), "cp932"),
}
_UNFINISHED = re.compile(r"=\?[A-Za-z0-9_-]{2,40}(?:\*[A-Za-z-]+)?\?[BbQq]\?")


@dataclass(frozen=True, slots=True)
class Damage:
    """What is wrong with one encoded word. ``kind`` is stable; ``span`` is its place in the field's value.

    Kinds: ``unknown-charset``, ``unknown-encoding``, ``bad-base64``, ``bad-q``, ``blank-inside``, ``too-long``,
    ``split-character`` (a character lies across two words), ``not-in-charset``, ``glued`` (no blank between the word
    and its neighbour), ``never-closed``.
    """

    kind: str
    detail: str
    span: tuple[int, int]


@dataclass(frozen=True, slots=True)
class Word:
    """One encoded word. ``text`` is None when it cannot be decoded."""

    span: tuple[int, int]
    charset: str
    text: str | None


@dataclass(frozen=True, slots=True)
class Decoded:
    """A field's value with its words decoded (RFC 2047 §6.2), the words, and the damage."""

    text: str
    words: tuple[Word, ...]
    damage: tuple[Damage, ...]
    outside: str = ""  # the value without its words


@dataclass(slots=True)
class _Piece:
    """A word while it is read: its octets, which join those of the next word of the same charset."""

    span: tuple[int, int]
    charset: str
    octets: bytes | None


def decode_words(value: str, *, phrase: bool = False) -> Decoded:
    """Decode a field's value. In a ``phrase`` (a display name) specials may touch a word; in plain text blanks must."""
    if "=?" not in value:
        return Decoded(value, (), (), value)
    damage: list[Damage] = []
    pieces = [_piece(match, damage) for match in _WORD.finditer(value)]
    whole = {piece.span[0] for piece in pieces}
    for match in _UNFINISHED.finditer(value):
        if match.start() not in whole:
            damage.append(Damage("never-closed", f"{match[0]}… never ends with ?=", match.span()))
    _glued(value, pieces, damage, phrase=phrase)
    texts = _texts(pieces, damage)
    out, outside, last = [], [], 0
    for number, (piece, text) in enumerate(zip(pieces, texts, strict=True)):
        between = value[last : piece.span[0]]
        outside.append(between)
        if not (number and between.strip(" \t") == ""):  # blanks between two words vanish (RFC 2047 §6.2)
            out.append(between)
        out.append(value[slice(*piece.span)] if text is None else text)
        last = piece.span[1]
    out.append(value[last:])
    words = tuple(Word(p.span, p.charset, t) for p, t in zip(pieces, texts, strict=True))
    outside.append(value[last:])
    return Decoded("".join(out), words, tuple(sorted(damage, key=lambda d: d.span)), "".join(outside))


def _piece(match: re.Match[str], damage: list[Damage]) -> _Piece:
    charset, encoding, text = match[1].partition("*")[0], match[2].upper(), match[3]  # RFC 2231 §5: charset*language
    span = match.span()

    def note(kind: str, detail: str) -> None:
        damage.append(Damage(kind, detail, span))

    if len(match[0]) > MOST_OCTETS:
        note("too-long", f"an encoded word of {len(match[0])} characters; {MOST_OCTETS} is the limit")
    if " " in text or "\t" in text:
        note("blank-inside", f"a blank inside the encoded word {_short(match[0])}")
    if not known_charset(charset):
        note("unknown-charset", f"the charset {charset!r} is not known")
    if encoding not in ("B", "Q"):
        note("unknown-encoding", f"the encoding {match[2]!r} is neither B nor Q")
        return _Piece(span, charset, None)
    octets = _base64(text) if encoding == "B" else _q(text)
    if octets is None:
        note("bad-base64" if encoding == "B" else "bad-q", f"{_short(match[0])} is not valid {encoding} encoding")
    return _Piece(span, charset, octets)


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}…"


def codec_of(charset: str) -> str:
    """The codec to read a charset with: programs declare gb2312 and write its superset GBK, and every reader knows."""
    return _READ_AS.get(charset.strip().lower().replace("-", "_"), charset)


def known_charset(name: str) -> bool:
    """True if text in this charset can be decoded."""
    name = codec_of(name)
    if name.lower().replace("-", "_") in _NOT_FOR_MAIL:
        return False
    try:
        b"a".decode(name, "replace")  # unlike lookup, this refuses codecs that make octets of octets
    except UnicodeError:
        return True
    except (LookupError, ValueError):
        return False
    return True


def _base64(text: str) -> bytes | None:
    squeezed = text.replace(" ", "").replace("\t", "")
    if not _BASE64.fullmatch(squeezed) or len(squeezed) % 4:
        return None
    try:
        return binascii.a2b_base64(squeezed)
    except (binascii.Error, ValueError):
        return None


def _q(text: str) -> bytes | None:
    if _BAD_Q.search(text):
        return None
    octets = text.replace("_", " ").encode("utf-8", "surrogateescape")
    return re.sub(rb"=([0-9A-Fa-f]{2})", lambda match: bytes.fromhex(match[1].decode()), octets)


def _texts(pieces: list[_Piece], damage: list[Damage]) -> list[str | None]:
    """Decode each word by itself (RFC 2047 §5: each must be whole), and with its neighbours where that fails."""
    texts: list[str | None] = [_text(piece.octets, piece.charset) for piece in pieces]
    at = 0
    while at < len(pieces):
        if texts[at] is None and pieces[at].octets is not None and known_charset(pieces[at].charset):
            end, joined = _run(pieces, at)
            if joined is not None and end - at > 1:
                span = (pieces[at].span[0], pieces[end - 1].span[1])
                damage.append(Damage("split-character", "a character is split between two encoded words", span))
                texts[at:end] = [joined, *[""] * (end - at - 1)]
                at = end
                continue
            damage.append(Damage("not-in-charset", f"the octets are not valid {pieces[at].charset}", pieces[at].span))
        at += 1
    return texts


def _run(pieces: list[_Piece], start: int, most: int = 20) -> tuple[int, str | None]:
    """The shortest run of words from ``start`` on that decodes as one text."""
    octets = b""
    charset = pieces[start].charset.lower()
    for end in range(start, min(start + most, len(pieces))):
        more = pieces[end].octets
        if more is None or pieces[end].charset.lower() != charset:
            break
        octets += more
        text = _text(octets, charset)
        if text is not None:
            return end + 1, text
    return start + 1, None


def _text(octets: bytes | None, charset: str) -> str | None:
    if octets is None:
        return None
    try:
        return octets.decode(codec_of(charset))
    except (LookupError, ValueError, TypeError):
        return None


def _glued(value: str, pieces: list[_Piece], damage: list[Damage], *, phrase: bool) -> None:
    """RFC 2047 §5: blanks must stand between an encoded word and what is beside it."""
    left = ' \t(",<:;' if phrase else " \t("
    right = ' \t)",<:;' if phrase else " \t)"
    for piece in pieces:
        start, end = piece.span
        if (start and value[start - 1] not in left) or (end < len(value) and value[end] not in right):
            damage.append(
                Damage("glued", f"no blank between {_short(value[start:end])} and the text beside it", piece.span)
            )
