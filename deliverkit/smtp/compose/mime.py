"""MIME entities as octets: transfer encodings, parameters, attachments, boundaries (RFC 2045, 2046, 2183, 2231, 2387).

Every part leaves here as 7-bit lines of at most 998 octets: text as it is, quoted-printable or base64, whichever is
shortest and safe; everything else base64 at 76 columns. 8-bit bodies are never written: no server need offer 8BITMIME.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import mimetypes
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from urllib.parse import quote

from deliverkit.smtp.compose.headers import SOFT, encoded_words
from deliverkit.smtp.compose.values import BadValue, body_text, single_line

_TYPES = (
    mimetypes.MimeTypes()
)  # the table of the language, not that of the machine: the same file, the same type, anywhere
_COMPRESSED = {
    "gzip": "application/gzip",
    "bzip2": "application/x-bzip2",
    "xz": "application/x-xz",
    "compress": "application/x-compress",
}
_EXTRA = {".ics": "text/calendar", ".md": "text/markdown", ".webp": "image/webp", ".p7s": "application/pkcs7-signature"}
_ATTRIBUTE_CHAR = "!#$&+-.^_`{}|~"  # RFC 2231 §7, beside letters and digits
_TOKEN = re.compile(r"[A-Za-z0-9!#$&+.^_`{}|~-]+/[A-Za-z0-9!#$&+.^_`{}|~-]+")
_NAME_OCTETS = 255


@dataclass(frozen=True, slots=True)
class Attachment:
    """A file to attach. ``cid`` makes it an inline image that HTML shows as ``<img src="cid:…">`` (RFC 2392)."""

    name: str
    content: bytes
    media_type: str | None = None
    cid: str | None = None


@dataclass(frozen=True, slots=True)
class PartSize:
    """What one part weighs: its octets, and those it takes on the wire (base64 adds 37 %)."""

    name: str
    media_type: str
    encoding: str
    octets: int
    encoded_octets: int


@dataclass(frozen=True, slots=True)
class Entity:
    """A MIME entity: header lines and body as octets; ``sizes`` are those of its leaves."""

    header: bytes
    body: bytes
    sizes: tuple[PartSize, ...] = ()

    @property
    def octets(self) -> bytes:
        """Header, empty line, body."""
        return self.header + b"\r\n" + self.body


def text_entity(name: str, text: str, subtype: str) -> Entity:
    """A text part. ``name`` is how errors and sizes call it: "text", "html"."""
    body = body_text(name, text)
    raw = body.encode("utf-8")
    encoding, encoded = _encode_text(raw)
    charset = "us-ascii" if raw.isascii() else "utf-8"
    header = f"Content-Type: text/{subtype}; charset={charset}\r\nContent-Transfer-Encoding: {encoding}\r\n"
    size = PartSize(name, f"text/{subtype}", encoding, len(raw), len(encoded))
    return Entity(header.encode("ascii"), encoded, (size,))


def _encode_text(raw: bytes) -> tuple[str, bytes]:
    """7bit when nothing on the way has a reason to touch it, else the shorter of quoted-printable and base64.

    Lines over 78 columns are wrapped by some servers, "From " at a line's start becomes ">From " in mbox files, blanks
    at a line's end are cut: each of them would break the body hash, so each is a reason to encode.
    """
    lines = raw.split(b"\r\n")
    plain = raw.isascii() and not re.search(rb"[\0-\x08\x0b\x0c\x0e-\x1f\x7f]|\r(?!\n)|(?<!\r)\n", raw)
    if plain and all(len(x) <= SOFT and not x.startswith(b"From ") and not x.endswith((b" ", b"\t")) for x in lines):
        return "7bit", raw
    printable = _quoted_printable(raw)
    packed = wrapped_base64(raw)
    return ("quoted-printable", printable) if len(printable) <= len(packed) else ("base64", packed)


def _quoted_printable(raw: bytes) -> bytes:
    """RFC 2045 §6.7, with "From " and a lone dot encoded as well."""
    encoded = binascii.b2a_qp(raw, quotetabs=False, istext=True, header=False)
    encoded = re.sub(rb"(?<!\r)\n", b"\r\n", encoded)
    return re.sub(rb"(?m)^From ", b"=46rom ", encoded)


def wrapped_base64(raw: bytes) -> bytes:
    """Base64 in lines of 76 columns ended by CRLF (RFC 2045 §6.8)."""
    packed = base64.b64encode(raw)
    return b"".join(packed[i : i + 76] + b"\r\n" for i in range(0, len(packed), 76))


def media_type(name: str, content: bytes = b"") -> str:
    """The media type by the file's extension; application/octet-stream when it says nothing.

    A message/rfc822 part may not be base64 (RFC 2046 §5.2.1): an .eml that is not clean 7-bit text goes as octets.
    """
    suffix = PurePath(name).suffix.lower()
    kind, compression = _TYPES.guess_type(PurePath(name).name, strict=True)
    if compression:
        return _COMPRESSED.get(compression, "application/octet-stream")
    if kind == "message/rfc822" and not _clean(content):
        return "application/octet-stream"
    return _EXTRA.get(suffix) or kind or "application/octet-stream"


def _clean(content: bytes) -> bool:
    """True for 7-bit text in CRLF lines of at most 998 octets (RFC 2045 §2.7)."""
    if not content.isascii() or b"\0" in content or re.search(rb"\r(?!\n)|(?<!\r)\n", content):
        return False
    return all(len(line) <= 998 for line in content.split(b"\r\n"))


def file_entity(attachment: Attachment) -> Entity:
    """An attached file, or an inline image when it has a ``cid``."""
    name = PurePath(single_line("attachment name", attachment.name)).name
    if not name:
        raise BadValue("an attachment needs a file name")
    if len(name.encode("utf-8")) > _NAME_OCTETS:
        raise BadValue(f"attachment name {name[:20]!r}… is longer than {_NAME_OCTETS} octets")
    kind = attachment.media_type or media_type(name, attachment.content)
    if not _TOKEN.fullmatch(kind):
        raise BadValue(f"attachment {name!r}: {kind!r} is no media type; expected type/subtype")
    encoding, body = (
        ("7bit", attachment.content) if kind == "message/rfc822" else ("base64", wrapped_base64(attachment.content))
    )
    if kind.startswith("text/"):
        kind_line = f"Content-Type: {kind}{_charset(attachment.content)}"
    else:
        kind_line = f"Content-Type: {kind}"
    lines = [
        _parameters(kind_line, [_legacy_name(name)]),
        _parameters("Content-Disposition: " + ("inline" if attachment.cid else "attachment"), _filename(name)),
        f"Content-Transfer-Encoding: {encoding}",
    ]
    if attachment.cid:
        lines.append(f"Content-ID: <{_content_id(attachment.cid)}>")
    size = PartSize(name, kind, encoding, len(attachment.content), len(body))
    return Entity("".join(line + "\r\n" for line in lines).encode("ascii"), body, (size,))


def _charset(content: bytes) -> str:
    if content.isascii():
        return "; charset=us-ascii"
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return ""
    return "; charset=utf-8"


def _content_id(cid: str) -> str:
    """A content id (RFC 2045 §7): of the form of a message id, so it has an @."""
    if not re.fullmatch(r"[A-Za-z0-9!#$&'*+/=?^_`{|}~.-]+(@[A-Za-z0-9.-]+)?", cid):
        raise BadValue(f"inline image id {cid!r}: expected letters, digits and dots, such as logo or logo@example.com")
    return cid


def _filename(name: str) -> list[str]:
    """The filename parameter (RFC 2183 §2.3): quoted, or RFC 2231 when it is not ASCII or does not fit on a line."""
    plain = _quoted_parameter(name)
    if name.isascii() and len(plain) + len(" filename=") <= SOFT - 2:
        return [f"filename={plain}"]
    triplets = [quote(character, safe=_ATTRIBUTE_CHAR) for character in name]
    whole = "filename*=utf-8''" + "".join(triplets)
    if len(whole) <= SOFT - 2:
        return [whole]
    pieces, piece = list[str](), "utf-8''"  # RFC 2231 §4.1: charset and language once, in the first piece
    for triplet in triplets:
        if len(f" filename*{len(pieces)}*={piece}{triplet};") > SOFT:
            pieces.append(piece)
            piece = ""
        piece += triplet
    return [f"filename*{number}*={piece}" for number, piece in enumerate([*pieces, piece])]


def _legacy_name(name: str) -> str:
    """The name parameter of Content-Type, for receivers older than RFC 2183.

    RFC 2047 §5 does not allow encoded words in a parameter; yet the programs that read this one (old Outlook, Foxmail)
    know no other form, and those that know RFC 2231 prefer Content-Disposition. So mail programs write it like this.
    """
    if name.isascii():
        return f"name={_quoted_parameter(name)}"
    return 'name="' + "\r\n ".join(encoded_words(name, column=len(' name="'), phrase=True)) + '"'


def _quoted_parameter(value: str) -> str:
    return '"' + re.sub(r'(["\\])', r"\\\1", value) + '"'


def _parameters(start: str, parameters: Sequence[str]) -> str:
    """A field with parameters, each on a line of its own when they do not fit on one."""
    line = "; ".join([start, *parameters])
    return line if len(line) <= SOFT and "\r\n" not in line else ";\r\n ".join([start, *parameters])


def multipart(subtype: str, parts: Sequence[Entity], *, seed: str, parameters: str = "") -> Entity:
    """Parts under a boundary (RFC 2046 §5.1). ``=_`` can stand in no encoded part; a plain one is searched for it."""
    boundary = _boundary(parts, f"{seed} {subtype}")
    header = f'Content-Type: multipart/{subtype};{parameters}\r\n boundary="{boundary}"\r\n'
    mark = boundary.encode("ascii")
    body = b"".join(b"--" + mark + b"\r\n" + part.octets + b"\r\n" for part in parts) + b"--" + mark + b"--\r\n"
    return Entity(header.encode("ascii"), body, tuple(size for part in parts for size in part.sizes))


def _boundary(parts: Sequence[Entity], seed: str) -> str:
    attempt = 0
    while True:
        boundary = "=_" + hashlib.sha256(f"{seed} {attempt}".encode()).hexdigest()[:28]
        if not any(boundary.encode("ascii") in part.body for part in parts):
            return boundary
        attempt += 1
