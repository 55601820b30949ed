"""The MIME structure of a message (RFC 2045, 2046, 2183, 2231): parts, attachments, texts, and their faults.

One pass over the octets: lines that begin with ``--`` are compared with the boundaries that are open, the innermost
first, so the work is linear whatever the nesting. A delimiter is the whole line (trailing blanks aside), as the
readers people use have it; RFC 2046 §5.1.1 would let a boundary be followed by other text. What a ``message/*`` part
encloses is another's mail and is not entered.
"""

from __future__ import annotations

import binascii
import functools
import quopri
import re
from dataclasses import dataclass
from urllib.parse import unquote_to_bytes

from deliverkit.facts.message.wire import Header, read_header
from deliverkit.facts.message.words import codec_of, decode_words, known_charset

DEPTH = 50
PARTS = 1000
TEXT_LIMIT = 1 << 20  # octets of a text part that are decoded
_WORD = r"[^\s()<>@,;:\\\"/\[\]?=\x00-\x1f]+"
_TYPE = re.compile(rf"\s*({_WORD})\s*/\s*({_WORD})\s*(?:\([^()]*\)\s*)?")
_PARAMETER = re.compile(rf"\s*({_WORD})\s*=\s*(\"(?:[^\"\\]|\\.)*\"|[^;\s]*)", re.DOTALL)
_ENCODINGS = ("7bit", "8bit", "binary", "quoted-printable", "base64")  # RFC 2045 §6.1
_BOUNDARY = re.compile(r"[A-Za-z0-9'()+_,\-./:=? ]{0,69}[A-Za-z0-9'()+_,\-./:=?]")  # RFC 2046 §5.1.1
_NOT_BASE64 = re.compile(rb"[^A-Za-z0-9+/=\s]")
_BAD_QP = re.compile(rb"=(?![0-9A-Fa-f]{2}|[ \t]*\r?\n|[ \t]*\Z)")


@dataclass(frozen=True, slots=True)
class MimeFault:
    """``kind`` is stable; ``part`` is the number of the part ("1.2"; "" is the message itself), ``line`` its line.

    Kinds: ``no-boundary``, ``bad-boundary``, ``boundary-never-used``, ``boundary-never-closed``, ``too-deep``,
    ``too-many-parts``, ``bad-content-type``, ``unknown-charset``, ``not-in-charset``, ``unknown-encoding``,
    ``encoded-multipart``, ``bad-base64``, ``bad-quoted-printable``, ``eight-bit-in-7bit``, ``header-not-closed``.
    """

    kind: str
    detail: str
    part: str
    line: int


@dataclass(frozen=True, slots=True)
class Part:
    """One entity. ``start`` and ``end`` are the offsets of its body; ``number`` is as IMAP numbers parts."""

    number: str
    type: str  # "text/plain", lower case
    declared: bool  # a Content-Type field stands there
    parameters: dict[str, str]
    disposition: str  # "", "inline", "attachment"
    filename: str
    encoding: str  # lower case; "7bit" when absent
    header: Header
    line: int
    start: int
    end: int

    @property
    def multipart(self) -> bool:
        """A multipart of whatever kind."""
        return self.type.startswith("multipart/")

    @property
    def size(self) -> int:
        """Octets of the body as it was sent."""
        return self.end - self.start


@dataclass(frozen=True, slots=True)
class Mime:
    """All entities in the order they stand, containers included, and the faults."""

    parts: tuple[Part, ...]
    faults: tuple[MimeFault, ...]

    @property
    def leaves(self) -> tuple[Part, ...]:
        """The parts that hold something."""
        return tuple(part for part in self.parts if not part.multipart)

    @property
    def attachments(self) -> tuple[Part, ...]:
        """The leaves that are neither the text nor the HTML of the message."""
        return tuple(part for part in self.leaves if is_attachment(part))

    def body(self, type_: str) -> Part | None:
        """The first leaf of that type that is no attachment."""
        return next((part for part in self.leaves if part.type == type_ and not is_attachment(part)), None)


def is_attachment(part: Part) -> bool:
    """Said to be one, named like one, or of a type that no reader shows as the body."""
    return part.disposition == "attachment" or bool(part.filename) or part.type not in ("text/plain", "text/html")


def read_mime(raw: bytes, header: Header) -> Mime:
    """Walk the message whose header has been read."""
    walk = _Walk(raw)
    walk.entity(header, "", 1, "text/plain", None)
    parts = tuple(walk.parts[number] for number in sorted(walk.parts, key=_order))
    faults = [*walk.faults]
    for part in parts:
        faults += _encoding_faults(raw, part)
    return Mime(parts, tuple(faults))


def _order(number: str) -> tuple[int, ...]:
    return tuple(int(piece) for piece in number.split(".")) if number else ()


@dataclass(frozen=True, slots=True)
class _Delimiter:
    """A delimiter line: where it stands, which open multipart it belongs to, and whether it closes it."""

    start: int
    after: int
    level: int
    closing: bool


class _Walk:
    """The cursor over the delimiter lines, and the boundaries that are open at it."""

    def __init__(self, raw: bytes) -> None:
        self.raw = raw
        self.parts: dict[str, Part] = {}
        self.faults: list[MimeFault] = []
        self.open: tuple[bytes, ...] = ()
        self._counted_to = 0
        self._line = 1

    def line_at(self, offset: int) -> int:
        """The number of the line at an offset; offsets only ever grow."""
        if offset > self._counted_to:
            self._line += self.raw.count(b"\n", self._counted_to, offset)
            self._counted_to = offset
        return self._line

    def next_delimiter(self, at: int) -> _Delimiter | None:
        """The first delimiter line of any open multipart from ``at`` (the beginning of a line) on."""
        if not self.open:
            return None
        here, below = _patterns(self.open)
        match = here.match(self.raw, at) or below.search(self.raw, max(at - 1, 0))
        if match is None:
            return None
        group = match.lastindex or 1
        start = match.start() + (self.raw[match.start() : match.start() + 1] == b"\n")
        return _Delimiter(start, match.end(), len(self.open) - 1 - (group - 1) // 2, group % 2 == 0)

    def entity(
        self, header: Header, number: str, line: int, default: str, ended: _Delimiter | None
    ) -> _Delimiter | None:
        """Read the entity whose header this is; returns the delimiter that ended it, of whichever multipart."""
        type_, parameters, fault = _content_type(header, default)
        where = _line_of(header, "content-type", line)
        if fault:
            self.faults.append(MimeFault("bad-content-type", fault, number, where))
        disposition, filename = _disposition(header, parameters)
        encoding = (header.value("content-transfer-encoding") or "7bit").partition("(")[0].strip().lower()
        end = len(self.raw) if ended is None else _before(self.raw, ended.start, header.body)
        self.parts[number] = Part(
            number, type_, header.first("content-type") is not None, parameters, disposition, filename, encoding,
            header, line, header.body, end,
        )  # fmt: skip
        boundary = self._boundary(type_, parameters, number, where)
        return ended if boundary is None else self._children(boundary, number, type_, header, where)

    def _boundary(self, type_: str, parameters: dict[str, str], number: str, line: int) -> bytes | None:
        """The boundary of a multipart that can be entered."""
        if not type_.startswith("multipart/"):
            return None
        text = parameters.get("boundary", "")
        if not text.strip():
            self.faults.append(MimeFault("no-boundary", f"{type_} without a boundary parameter", number, line))
            return None
        if not _BOUNDARY.fullmatch(text):
            why = f"{len(text)} characters; 70 is the limit" if len(text) > 70 else "characters no boundary may hold"
            self.faults.append(MimeFault("bad-boundary", f"the boundary {text[:80]!r} has {why}", number, line))
        if len(self.open) >= DEPTH:
            self.faults.append(MimeFault("too-deep", f"parts nested deeper than {DEPTH}", number, line))
            return None
        return text[:1000].encode("utf-8", "surrogateescape").rstrip(b" \t")

    def _children(self, boundary: bytes, number: str, type_: str, header: Header, line: int) -> _Delimiter | None:
        """Read the parts of a multipart, from its first delimiter to its last or to one that is not its own."""
        level = len(self.open)
        outer, self.open = self.open, (*self.open, boundary)
        default = "message/rfc822" if type_ == "multipart/digest" else "text/plain"  # RFC 2046 §5.1.5
        found, child = self.next_delimiter(header.body), 0
        while found is not None and found.level == level and not found.closing:
            if found.after >= len(self.raw):  # the message ends right after the line that would begin a part
                found = None
                break
            if len(self.parts) >= PARTS:
                self.faults.append(MimeFault("too-many-parts", f"more than {PARTS} parts", number, line))
                self.open = outer
                return None
            child += 1
            found = self._child(found.after, f"{number}.{child}" if number else str(child), default)
        self.open = outer
        if found is not None and found.level == level:  # closed; what follows is the epilogue
            return self.next_delimiter(found.after)
        shown = boundary.decode("utf-8", "surrogateescape")
        if not any(fault.kind == "too-many-parts" for fault in self.faults):
            kind = "boundary-never-closed" if child else "boundary-never-used"
            what = f"no line --{shown}-- ends it" if child else f"no line --{shown} begins a part"
            self.faults.append(MimeFault(kind, f"{type_}: {what}", number, line))
        return found

    def _child(self, start: int, number: str, default: str) -> _Delimiter | None:
        """Read one part, which begins at ``start``; a delimiter in the middle of its header ends both."""
        line = self.line_at(start)
        ended = self.next_delimiter(start)
        header = read_header(self.raw, start, None if ended is None else ended.start, line)
        if ended is not None and not header.closed:
            what = "no empty line between the part's header and the next boundary"
            self.faults.append(MimeFault("header-not-closed", what, number, line))
        return self.entity(header, number, line, default, ended)


@functools.lru_cache(maxsize=64)
def _patterns(boundaries: tuple[bytes, ...]) -> tuple[re.Pattern[bytes], re.Pattern[bytes]]:
    """Delimiter lines of these boundaries, the innermost first: at the beginning of a line, and after a line end.

    Group 2n+1 is the boundary of the n-th from within, group 2n+2 the two hyphens of its last delimiter.
    """
    either = b"|".join(b"(%s)(--)?[ \\t]*(?:\\r?\\n|\\Z)" % re.escape(boundary) for boundary in reversed(boundaries))
    return re.compile(b"--(?:%s)" % either), re.compile(b"\\n--(?:%s)" % either)


def _before(raw: bytes, delimiter: int, start: int) -> int:
    """The end of the body before a delimiter: the line end belongs to the delimiter (RFC 2046 §5.1.1)."""
    end = delimiter
    if end > start and raw[end - 1 : end] == b"\n":
        end -= 2 if raw[end - 2 : end - 1] == b"\r" else 1
    return max(end, start)


def _line_of(header: Header, name: str, default: int) -> int:
    field = header.first(name)
    return default if field is None else field.line


def _content_type(header: Header, default: str) -> tuple[str, dict[str, str], str | None]:
    """Type, parameters, and what is wrong with the field. A type that cannot be read is text/plain (RFC 2045 §5.2)."""
    value = header.value("content-type")
    if value is None:
        return default, {}, None
    match = _TYPE.match(value)
    if match is None:
        return "text/plain", parameters_of(value), f"Content-Type {value[:80]!r} is not of the form type/subtype"
    type_, rest = f"{match[1]}/{match[2]}".lower(), value[match.end() :]
    if rest and not rest.startswith(";"):  # a semicolon forgotten: what follows is read as if it stood there
        return type_, parameters_of(f";{rest}"), f"no semicolon after {type_}: {rest[:60]!r} follows"
    return type_, parameters_of(rest), None


def parameters_of(value: str) -> dict[str, str]:
    """The parameters of a Content-Type or Content-Disposition, RFC 2231 continuations and charsets put together."""
    plain: dict[str, str] = {}
    pieces: dict[str, dict[int, tuple[str, bool]]] = {}
    at = value.find(";")
    while at >= 0:
        match = _PARAMETER.match(value, at + 1)
        if match is None:
            at = value.find(";", at + 1)
            continue
        name, text = match[1].lower(), match[2]
        if text[:1] == '"' and len(text) > 1 and text[-1:] == '"':
            text = re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL)
        stem, star, rest = name.partition("*")
        if not star:
            plain.setdefault(name, text)
        else:
            order, _, extended = rest.partition("*")
            number = int(order) if order.isdigit() and len(order) < 4 else 0
            pieces.setdefault(stem, {})[number] = (text, bool(extended) or name.endswith("*"))
        at = value.find(";", match.end())
    for stem, numbered in pieces.items():
        plain[stem] = _joined(numbered)
    return plain


def _joined(numbered: dict[int, tuple[str, bool]]) -> str:
    """RFC 2231 §3, §4: pieces in order, percent-decoded where they say so."""
    octets, charset = b"", "utf-8"
    for number in sorted(numbered):
        text, encoded = numbered[number]
        if encoded and number == 0 and text.count("'") >= 2:
            charset, _, text = text.split("'", 2)
        octets += unquote_to_bytes(text) if encoded else text.encode("utf-8", "surrogateescape")
    return octets.decode(codec_of(charset) if known_charset(charset) else "utf-8", "replace")


def _disposition(header: Header, parameters: dict[str, str]) -> tuple[str, str]:
    """Disposition (RFC 2183) and file name, which may also stand as the name of the Content-Type."""
    value = header.value("content-disposition") or ""
    word = value.partition(";")[0].strip().lower()
    name = parameters_of(value).get("filename") or parameters.get("name", "")
    return word, decode_words(name[:2000]).text.strip()


def _encoding_faults(raw: bytes, part: Part) -> list[MimeFault]:
    """What is wrong with a part's transfer encoding and charset (RFC 2045 §6, RFC 2046 §4.1.2)."""
    line = _line_of(part.header, "content-transfer-encoding", part.line)
    if part.encoding not in _ENCODINGS:
        what = f"Content-Transfer-Encoding {part.encoding[:40]!r} is not known"
        return [MimeFault("unknown-encoding", what, part.number, line)]
    if part.multipart or part.type == "message/rfc822":
        if part.encoding in ("base64", "quoted-printable"):  # RFC 2045 §6.4
            what = f"{part.type} may not be encoded as {part.encoding}"
            return [MimeFault("encoded-multipart", what, part.number, line)]
        return []
    body = raw[part.start : part.end]
    faults: list[MimeFault] = []
    if part.encoding == "base64" and (odd := _base64_fault(body)):
        faults.append(MimeFault("bad-base64", odd, part.number, part.header.body_line))
    if part.encoding == "quoted-printable" and (bad := _BAD_QP.search(body)):
        shown = body[bad.start() : bad.start() + 6].decode("ascii", "backslashreplace")
        what = f"{shown!r} is no quoted-printable"
        faults.append(MimeFault("bad-quoted-printable", what, part.number, part.header.body_line))
    if part.encoding in ("7bit", "quoted-printable", "base64") and not body.isascii():
        what = f"octets above 127 in a part encoded as {part.encoding}"
        faults.append(MimeFault("eight-bit-in-7bit", what, part.number, part.header.body_line))
    charset = part.parameters.get("charset", "").strip()
    if part.type.startswith("text/") and charset and not known_charset(charset):
        what = f"the charset {charset[:40]!r} is not known"
        faults.append(MimeFault("unknown-charset", what, part.number, _line_of(part.header, "content-type", part.line)))
    elif part.type in ("text/plain", "text/html") and not faults and (odd := _charset_fault(body, part, charset)):
        faults.append(MimeFault("not-in-charset", odd, part.number, part.header.body_line))
    return faults


def _base64_fault(body: bytes) -> str | None:
    odd = _NOT_BASE64.search(body)
    if odd:
        return f"{odd[0].decode('ascii', 'backslashreplace')!r} is no base64 character"
    letters = sum(body.count(octet) for octet in (b" ", b"\t", b"\r", b"\n"))
    return f"{len(body) - letters} base64 characters are no multiple of four" if (len(body) - letters) % 4 else None


def _charset_fault(body: bytes, part: Part, charset: str) -> str | None:
    """Text that is not in the charset it declares; without one that is US-ASCII (RFC 2046 §4.1.2)."""
    if part.size > TEXT_LIMIT:
        return None
    octets = decoded(body, part.encoding)
    name = charset or "us-ascii"
    if part.type == "text/html" and not charset and octets.isascii():
        return None
    try:
        octets.decode(codec_of(name))
    except (LookupError, ValueError):
        declared = f"the declared charset {charset}" if charset else "US-ASCII, and no charset is declared"
        return f"the text is not in {declared}"
    return None


def decoded(body: bytes, encoding: str) -> bytes:
    """A body without its transfer encoding; what cannot be decoded stays as it is."""
    if encoding == "quoted-printable":
        return quopri.decodestring(body)
    if encoding == "base64":
        letters = re.sub(rb"[^A-Za-z0-9+/]", b"", body)
        try:
            return binascii.a2b_base64(letters[: len(letters) // 4 * 4] + _rest(letters))
        except (binascii.Error, ValueError):
            return body
    return body


def _rest(letters: bytes) -> bytes:
    """The last letters, padded to four."""
    rest = letters[len(letters) // 4 * 4 :]
    return rest + b"=" * (4 - len(rest)) if len(rest) > 1 else b""


def text_of(raw: bytes, part: Part) -> str:
    """A text part as text, bounded; octets outside its charset are shown as U+FFFD."""
    octets = decoded(raw[part.start : min(part.end, part.start + TEXT_LIMIT)], part.encoding)
    charset = part.parameters.get("charset", "").strip()
    if not charset or not known_charset(charset):
        charset = "utf-8"
    return octets.decode(codec_of(charset), "replace").replace("\r\n", "\n")


def line_of_text(raw: bytes, part: Part, line: int) -> int:
    """The message's line for a line of a decoded text, counted from 1; for base64 the first line of the part's body."""
    first = part.header.body_line
    if part.encoding == "base64":
        return first
    if part.encoding != "quoted-printable":
        return first + line - 1
    body = raw[part.start : min(part.end, part.start + TEXT_LIMIT)]
    for number, written in enumerate(body.split(b"\n"), start=first):
        text = written.rstrip(b"\r \t")
        line -= text.upper().count(b"=0A") + (not text.endswith(b"="))  # a soft line break ends no line (RFC 2045 §6.7)
        if line <= 0:
            return number
    return first
