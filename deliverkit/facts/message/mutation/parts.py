"""Changes within MIME parts: footers in the text and in the HTML, parts added, transfer encodings changed or redone.

A part is decoded, the change undone, and it is encoded anew in the styles that common programs write (RFC 2045 §6.7,
§6.8). Where the original encoder wrote otherwise, nothing agrees and nothing is said. What this file will not do:
guess what was removed.
"""

from __future__ import annotations

import base64
import binascii
import functools
import quopri
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise, product

from deliverkit.facts.message.mime import Part, decoded, read_mime
from deliverkit.facts.message.mutation.body import Undone, undone_bodies
from deliverkit.facts.message.mutation.budget import Budget
from deliverkit.facts.message.wire import Header, read_header

_PARTS = 8  # parts whose inside is looked at
_CUTS = 40  # places where a footer in a part may begin
_TAGS = 24  # tags of HTML before which a footer may begin
_BANNERS = 12  # lines of a banner in a part
_PAIRED = 3  # text parts that are changed together
_PAIRS = 600  # pairs of changes in two parts
_LARGEST_TEXT = 1 << 16  # octets of a part whose inside is looked at
_LARGEST_PAIRED = 1 << 15  # octets of a part that is changed together with another
_STYLES = 8  # what writing a part in every encoding costs, in hashings of it
_PREAMBLES = (b"", b"This is a multi-part message in MIME format.\r\n", b"This is a MIME-encapsulated message\r\n")
_ENCODINGS = ("7bit", "8bit", "binary", "quoted-printable", "base64")  # RFC 2045 §6.1
_ENCODING = re.compile(rb"(?im)^(content-transfer-encoding:[ \t]*)([^\r\n]*)\r\n")


@dataclass(frozen=True, slots=True)
class Edit:
    """A part's body as it would have been. ``added`` is the text that was put in, ``style`` how it was encoded."""

    kind: str
    text: str
    start: int
    end: int
    octets: bytes
    added: bytes = b""
    style: str = ""


class Entities:
    """The entities of a message whose header fields and body are given apart."""

    def __init__(self, head: bytes, body: bytes) -> None:
        raw = head + b"\r\n" + body
        header = read_header(raw)
        self.base = header.body
        self.body = body
        usable = header.closed and not header.cut and raw[header.body :] == body
        parts = read_mime(raw, header).parts if usable else ()
        self.top: Part | None = parts[0] if parts else None
        self.leaves = [part for part in parts if not part.multipart][:_PARTS]

    @property
    def multipart(self) -> bool:
        return self.top is not None and self.top.multipart

    def inner_headers(self) -> list[Header]:
        """The headers of the parts of a multipart: one may have been the message's before it was wrapped."""
        return [part.header for part in self.leaves if part.number]

    def content(self, part: Part) -> bytes:
        return self.body[part.start - self.base : part.end - self.base]

    def texts(self) -> list[Part]:
        """The parts in which a footer may stand."""
        return [p for p in self.leaves if p.type in ("text/plain", "text/html") and p.size <= _LARGEST_TEXT]

    # -- undoings, each a whole body ---------------------------------------------------------------------------------

    def whole_parts(self) -> Iterator[Undone]:
        """The message without a part that was added to it."""
        yield from self._wrapped()
        yield from self._without_parts()

    def undone(self, budget: Budget) -> Iterator[Undone]:
        """Every undoing within parts, the common ones first."""
        yield from self._encodings(budget)
        texts = self.texts()
        for part in texts:
            yield from (self._applied(edit) for edit in self._edits(part, budget))
        small = [part for part in texts if part.size <= _LARGEST_PAIRED][:_PAIRED]
        yield from self._pairs([list(self._edits(part, budget)) for part in small] if len(small) > 1 else [])
        yield from self._between()

    def _applied(self, *edits: Edit) -> Undone:
        body = self.body
        for edit in sorted(edits, key=lambda e: -e.start):
            body = body[: edit.start] + edit.octets + body[edit.end :]
        first = min(edits, key=lambda e: e.start)
        return Undone(first.kind, " and ".join(dict.fromkeys(e.text for e in edits)), body, first.added)

    def _wrapped(self) -> Iterator[Undone]:
        """The message was made the first part of a multipart."""
        if not self.multipart or not self.leaves:
            return
        first, last = self.leaves[0], self.leaves[-1]
        if first.number == "1" and last is not first and self.top is not None:
            text = f"the message was wrapped into a {self.top.type} with another part after signing"
            for ending in (b"\r\n", b""):
                yield Undone("part-added", text, self.content(first) + ending, self.content(last)[:2000])

    def _without_parts(self) -> Iterator[Undone]:
        """A part was added before, between or behind the others."""
        if not self.multipart:
            return
        boundary = b"--" + (self.top.parameters.get("boundary", "") if self.top else "").encode("utf-8", "replace")
        places = [m.start() for m in re.finditer(rb"(?m)^" + re.escape(boundary), self.body)][: _PARTS + 1]
        for number, (start, end) in reversed(list(enumerate(pairwise(places), 1))):
            kind = next((part.type for part in self.leaves if part.number == str(number)), "part")
            text = f"a part ({kind}) was added to the message after signing"
            yield Undone("part-added", text, self.body[:start] + self.body[end:], _shown(self.body[start:end]))

    def _between(self) -> Iterator[Undone]:
        """What stands before the first boundary, and the empty lines before the others."""
        if not self.multipart or self.top is None:
            return
        boundary = b"--" + self.top.parameters.get("boundary", "").encode("utf-8", "replace")
        first = self.body.find(boundary)
        said = "the text before the first part was changed after signing"
        for preamble in _PREAMBLES if 0 <= first < _LARGEST_TEXT else ():
            for blank in (b"", b"\r\n"):
                before = preamble + blank + self.body[first:]
                if before != self.body:
                    yield Undone("preamble-changed", said, before)
        text = "empty lines before the boundaries of parts were added or taken away after signing"
        yield Undone("boundaries-respaced", text, _closed_up(self.body))
        yield Undone("boundaries-respaced", text, self.body.replace(b"\r\n" + boundary, b"\r\n\r\n" + boundary))

    def _encodings(self, budget: Budget) -> Iterator[Undone]:
        """The transfer encoding of a part was changed or written anew: of all that use one, then of each."""
        rewritten: list[list[Edit]] = []
        for part in self.leaves:
            if part.size <= _LARGEST_TEXT and part.encoding in _ENCODINGS:
                budget.work(_STYLES * part.size)
                edits = list(self._recoded(part))
                rewritten.append(edits)
        if len(rewritten) > 1:
            styles: dict[str, list[Edit]] = {}
            for edits in rewritten:
                for edit in edits:
                    styles.setdefault(f"{edit.kind} {edit.style}", []).append(edit)
            for same in styles.values():
                if len(same) > 1:
                    whole = self._applied(*same)
                    yield Undone(same[0].kind, same[0].text, whole.body)
        for edits in rewritten:
            yield from (self._applied(edit) for edit in edits)

    def _recoded(self, part: Part) -> Iterator[Edit]:
        """One part in other transfer encodings, and in other styles of its own."""
        now = self.content(part)
        plain = decoded(now, part.encoding)
        here = f" (part {part.number})" if part.number else ""
        for name, style, octets in _encoded(plain, part.type.startswith("text/"), part.encoding):
            if name == part.encoding or (name in ("8bit", "7bit") and part.encoding in ("8bit", "7bit")):
                if octets != now:
                    kind = f"{name}-anew"
                    yield self._edit(part, kind, f"{name} was written anew after signing{here}", octets, style)
            else:
                text = f"the transfer encoding was changed from {name} to {part.encoding} after signing{here}"
                for spelled in (name, name.upper()) if part.number else (name,):
                    yield self._edit(part, "encoding-changed", text, octets, f"{style}{spelled}", spelled)
                if part.number and name == "7bit":
                    yield self._edit(part, "encoding-changed", text, octets, f"{style}none", "")

    def _edit(self, part: Part, kind: str, text: str, octets: bytes, style: str, encoding: str | None = None) -> Edit:
        """A part's content replaced, and in a part's own header the field that names the encoding."""
        start, end = part.start - self.base, part.end - self.base
        if encoding is not None and part.number:
            head_start = self.body.rfind(b"\r\n--", 0, start)
            head_start = 0 if head_start < 0 else head_start + 2
            head = self.body[head_start:start]
            field = rb"" if not encoding else rb"\g<1>" + encoding.encode() + b"\r\n"
            changed, count = _ENCODING.subn(field, head)
            if not count and encoding:
                changed = head[:-2] + b"Content-Transfer-Encoding: " + encoding.encode() + b"\r\n\r\n"
            return Edit(kind, text, head_start, end, changed + octets, style=style)
        return Edit(kind, text, start, end, octets, style=style)

    def _edits(self, part: Part, budget: Budget) -> Iterator[Edit]:
        """Footers and banners within one text part, and changes to its decoded text."""
        now = self.content(part)
        coded = part.encoding in ("base64", "quoted-printable")
        text = decoded(now, part.encoding) if coded else now
        newline = b"\r\n" if b"\r\n" in text else b"\n"
        where = f"part {part.number}, {part.type}" if part.number else part.type
        start, end = part.start - self.base, part.end - self.base
        for kind, before, added in _shorter(text, newline, html=part.type == "text/html"):
            said = f"{_AMOUNT[kind]} was added to the text ({where}) after signing"
            if coded:
                budget.work(2 * len(before))
            for octets in _styled(before, now, part.encoding):
                yield Edit(kind, said, start, end, octets, added)
        if coded:
            for undo in undone_bodies(text, budget):
                for octets in _styled(undo.body, now, part.encoding):
                    yield Edit(undo.kind, f"{undo.text} ({where})", start, end, octets)

    def _pairs(self, edits: list[list[Edit]]) -> Iterator[Undone]:
        """The same words added to two parts, as a list does with the text and the HTML of a message."""
        tried = 0
        for one, other in pairwise(edits):
            words: dict[tuple[bytes, ...], list[Edit]] = {}
            for edit in other:
                if edit.added:
                    words.setdefault(_words(edit.added), []).append(edit)
            for edit in one:
                for match in words.get(_words(edit.added), ()) if edit.added else ():
                    yield self._applied(edit, match)
            for left, right in product(*([e for e in side if e.kind == "footer-added"] for side in (one, other))):
                tried += 1
                if tried > _PAIRS:
                    return
                yield self._applied(left, right)


_AMOUNT = {"footer-added": "a footer", "banner-added": "a banner"}


def _words(text: bytes) -> tuple[bytes, ...]:
    """The words of a text or of HTML, to tell whether two say the same."""
    return tuple(re.findall(rb"[A-Za-z0-9\x80-\xff]+", re.sub(rb"<[^<>]*>", b" ", text).lower()))


def _shorter(text: bytes, newline: bytes, *, html: bool) -> Iterator[tuple[str, bytes, bytes]]:
    """The text without a footer or a banner: (kind, text before, what was added)."""
    close = _closing(text) if html else len(text)
    place, cuts = close, []
    for _ in range(_CUTS):
        place = text.rfind(newline, 0, place)
        if place < 0:
            break
        cuts += [place + len(newline), place]
    tags = [m.start() for m in re.finditer(rb"<", text[max(0, close - 8192) : close])][-_TAGS:] if html else []
    cuts += [max(0, close - 8192) + tag for tag in reversed(tags)]
    for ending in dict.fromkeys((close, len(text))):
        for cut in cuts:
            if cut < ending:
                yield "footer-added", text[:cut] + text[ending:], text[cut:ending]
    opened = re.search(rb"(?i)<body[^<>]{0,2000}>(?:\r?\n)?", text[:20_000]) if html else None
    place = begin = opened.end() if opened else 0
    for _ in range(_BANNERS):
        place = text.find(newline, place)
        if place < 0:
            break
        place += len(newline)
        yield "banner-added", text[:begin] + text[place:], text[begin:place]
    for match in (
        [*re.finditer(rb"(?i)</(?:div|p|table|td|tr|span)>", text[begin : begin + 8192])][:_TAGS] if html else ()
    ):
        yield "banner-added", text[:begin] + text[begin + match.end() :], text[begin : begin + match.end()]


def _closing(text: bytes) -> int:
    """Where the HTML ends, as far as a reader sees it."""
    for tag in (b"</body>", b"</html>"):
        found = text.lower().rfind(tag)
        if found >= 0:
            return found
    return len(text)


def _styled(text: bytes, now: bytes, encoding: str) -> Iterator[bytes]:
    """A changed text in the encoding and, as far as can be told, the style of the part."""
    if encoding == "base64":
        widths = dict.fromkeys((len(now.split(b"\r\n", 1)[0]) or 76, 76))
        yield from dict.fromkeys(_base64(text, width) + end for width in widths for end in (b"\r\n", b""))
    elif encoding == "quoted-printable":
        yield from dict.fromkeys(octets for _, octets in _quoted(text, few=True))
    else:
        yield text


def _encoded(plain: bytes, is_text: bool, now: str) -> Iterator[tuple[str, str, bytes]]:
    """Octets in each transfer encoding and style: (encoding, style, octets)."""
    crlf = re.sub(rb"\r?\n", b"\r\n", plain) if is_text else plain
    if now in ("quoted-printable", "base64") and is_text:
        name = "7bit" if plain.isascii() else "8bit"
        for style, octets in (("", crlf), ("end", crlf + b"\r\n")):
            yield name, f"plain{style}", octets
    for text in dict.fromkeys((crlf, plain, plain.replace(b"\r\n", b"\n") if is_text else plain)):
        for width in (76, 72, 64, 60, 73, 0):
            for end in (b"\r\n", b""):
                yield "base64", f"base64 {width} {len(end)} {text == crlf}", _base64(text, width) + end
    if is_text:
        for style, octets in _quoted(crlf):
            yield "quoted-printable", style, octets


def _base64(text: bytes, width: int) -> bytes:
    letters = base64.b64encode(text)
    return b"\r\n".join(letters[n : n + width] for n in range(0, len(letters), width)) if width else letters


def _shown(octets: bytes) -> bytes:
    """What a part that was added says: its text behind the header."""
    return octets.partition(b"\r\n\r\n")[2].strip() or octets


def _closed_up(body: bytes) -> bytes:
    """No empty lines before lines that begin like a boundary."""
    *pieces, last = body.split(b"\r\n--")
    return b"\r\n--".join([*(piece.rstrip(b"\r\n") for piece in pieces), last])


def _quoted(text: bytes, *, few: bool = False) -> Iterator[tuple[str, bytes]]:
    """Quoted-printable in the styles of common encoders (RFC 2045 §6.7)."""
    lines = text.replace(b"\r\n", b"\n")
    yield "binascii", binascii.b2a_qp(lines, istext=True).replace(b"\n", b"\r\n")
    for width in (76,) if few else (76, 75, 73, 72):
        for careful in _CAREFUL[:2] if few else _CAREFUL:
            octets = b"\r\n".join(_quoted_line(line, width, careful) for line in lines.split(b"\n"))
            yield f"plain {width} {careful!r}", octets
    if not few:
        yield "quopri", quopri.encodestring(lines).replace(b"\n", b"\r\n")
        yield "quopri tabs", quopri.encodestring(lines, quotetabs=True).replace(b"\n", b"\r\n")
        soft = b"\r\n".join(_quoted_line(line, 76, b"") for line in lines.split(b"\n"))
        yield "lower", re.sub(rb"=[0-9A-F]{2}", lambda match: match[0].lower(), soft)


_CAREFUL = (b"", b".F", b".", b'!"#$@[\\]^`{|}~')  # what is quoted besides: at the beginning of a line for . and F
_SAFE = frozenset(range(33, 127)) - {61} | {9, 32}
_TABLE = {
    careful: tuple(
        bytes((octet,)) if octet in _SAFE and (careful[:1] == b"." or octet not in careful) else b"=%02X" % octet
        for octet in range(256)
    )
    for careful in _CAREFUL
}


def _quoted_line(line: bytes, width: int, careful: bytes) -> bytes:
    """One line, softly broken so that none is longer than ``width``."""
    return (_kept_line if len(line) < _KEPT else _coded_line)(line, width, careful)


def _coded_line(line: bytes, width: int, careful: bytes) -> bytes:
    coded = b"".join(map(_TABLE[careful].__getitem__, line))
    if coded[-1:] in (b" ", b"\t"):
        coded = coded[:-1] + b"=%02X" % coded[-1]
    if careful[:1] == b"." and (coded[:1] == b"." or (careful == b".F" and line[:5] == b"From ")):
        coded = b"=%02X" % coded[0] + coded[1:]
    out, at = [], 0
    while len(coded) - at > width:
        end = at + width - 1
        back = coded.find(b"=", end - 2, end)  # an octet's three characters stay together
        end = end if back < 0 else back
        out.append(coded[at:end] + b"=")
        at = end
    return b"\r\n".join([*out, coded[at:]])


_KEPT = 200  # octets of a line that is remembered: most lines are written again and again while a footer is cut
_kept_line = functools.lru_cache(maxsize=4096)(_coded_line)
