"""The octets of a message as they stand: line ends, line lengths, NULs, header fields. Nothing is repaired.

Every count is exact; positions are kept for the first few of a kind only, so that a hostile message costs no more
than its size. What this file will not do: decode a field, follow MIME, or say that something is bad.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass

TEXT_LIMIT = 998  # octets of a line without its CRLF (RFC 5322 §2.1.1, RFC 5321 §4.5.3.1.6)
WISHED_LIMIT = 78  # octets a line SHOULD stay within (RFC 5322 §2.1.1)
HEADER_LIMIT = 1 << 20  # octets of header that are read
FIELD_LIMIT = 2000  # header fields that are read
_PLACES = 10  # positions kept of one kind

_NAME = re.compile(rb"[!-9;-~]+")  # ftext, RFC 5322 §2.2
_FALSE_END = re.compile(rb"((?<!\r)\n|\r(?!\n))\.(\r\n|\n|\r)|(\r\n)\.(\n)")
_STUFFED = re.compile(rb"(?<!\r)\n\.\.")
_BLANK = b" \t"


@dataclass(frozen=True, slots=True)
class Place:
    """Where something stands: its line (from 1) and its offset in octets; ``length`` where one is meant."""

    line: int
    offset: int
    length: int = 0


@dataclass(frozen=True, slots=True)
class Seen:
    """How often something occurs, and where it does first."""

    count: int = 0
    places: tuple[Place, ...] = ()

    def __bool__(self) -> bool:
        return self.count > 0

    @property
    def lines(self) -> str:
        """ "line 3", "lines 3, 4 and 9 more"."""
        numbers = list(dict.fromkeys(place.line for place in self.places))[:5]
        more = self.count - len(numbers)
        said = ", ".join(str(number) for number in numbers)
        return f"line{'s' if self.count > 1 else ''} {said}" + (f" and {more} more" if more > 0 else "")


@dataclass(frozen=True, slots=True)
class FalseEnd:
    """A dot between line ends that one server takes for the end of the message and another does not."""

    place: Place
    sequence: str  # "LF.CRLF"


@dataclass(frozen=True, slots=True)
class Lines:
    """The lines of a message. Lines are told apart by LF here, so that a bare LF does not hide a line."""

    count: int
    crlf: int
    bare_lf: Seen
    bare_cr: Seen
    over_998: Seen
    over_78: int
    longest: int
    nul: Seen
    still_stuffed: Seen  # ".." after a bare LF: dot-stuffing that no server took away
    false_ends: tuple[FalseEnd, ...]

    @property
    def mixed(self) -> bool:
        """More than one kind of line end."""
        return sum((self.crlf > 0, bool(self.bare_lf), bool(self.bare_cr))) > 1


@dataclass(frozen=True, slots=True)
class Field:
    """One header field. ``value`` is unfolded and without the blanks around it; odd octets are surrogate escapes."""

    name: str
    value: str
    raw: bytes
    line: int
    folds: int = 0
    folded_after_name: bool = False  # nothing but blanks before the first fold
    blank_fold: bool = False  # a continuation line of blanks alone (RFC 5322 §3.2.2, §4.2)
    blank_before_colon: bool = False  # RFC 5322 §4.5.8

    @property
    def key(self) -> str:
        """The name as names are compared: lower case."""
        return self.name.lower()

    @property
    def eight_bit(self) -> bool:
        """True if an octet above 127 stands in it."""
        return not self.raw.isascii()

    @property
    def utf8(self) -> bool:
        """True if its octets are UTF-8 (RFC 6532)."""
        return not any("\udc80" <= char <= "\udcff" for char in self.value)


@dataclass(frozen=True)
class Header:
    """A header section: its fields in order, lines that are no field, and where the body begins."""

    fields: tuple[Field, ...]
    strays: tuple[tuple[int, str], ...]  # (line, text) of lines that are neither field nor continuation
    body: int  # offset of the first octet after the empty line
    body_line: int
    closed: bool  # an empty line ended it
    cut: bool = False  # more was there than is read

    @functools.cached_property
    def _named(self) -> dict[str, tuple[Field, ...]]:
        """The fields by lower-case name: rules ask a hundred times."""
        named: dict[str, list[Field]] = {}
        for field in self.fields:
            named.setdefault(field.key, []).append(field)
        return {name: tuple(found) for name, found in named.items()}

    def all(self, name: str) -> tuple[Field, ...]:
        """Every field of that name, in any case."""
        return self._named.get(name.lower(), ())

    def first(self, name: str) -> Field | None:
        """The first field of that name."""
        found = self.all(name)
        return found[0] if found else None

    def value(self, name: str) -> str | None:
        """The first such field's value."""
        field = self.first(name)
        return None if field is None else field.value


def as_on_the_wire(raw: bytes) -> tuple[bytes, bool]:
    """The message with CRLF, and whether it had to be made so.

    A message without a single CRLF cannot have come over SMTP, where DATA ends with CRLF.CRLF (RFC 5321 §4.1.1.4): it
    was stored with the local line ends of some system. Mixed line ends are evidence and stay as they are.
    """
    if b"\r\n" in raw:
        return raw, False
    if b"\n" in raw and b"\r" not in raw:
        return raw.replace(b"\n", b"\r\n"), True
    if b"\r" in raw and b"\n" not in raw:
        return raw.replace(b"\r", b"\r\n"), True
    return raw, False


def read_lines(raw: bytes) -> Lines:
    """Measure the lines of a message."""
    crlf = raw.count(b"\r\n")
    lf, cr = raw.count(b"\n") - crlf, raw.count(b"\r") - crlf
    lengths = [len(line) for line in raw.split(b"\n")]
    if lengths and lengths[-1] == 0:
        lengths.pop()
    long = _long_lines(raw, lengths) if lengths and max(lengths) > TEXT_LIMIT else []
    return Lines(
        count=len(lengths),
        crlf=crlf,
        bare_lf=_seen(raw, rb"(?<!\r)\n", lf),
        bare_cr=_seen(raw, rb"\r(?!\n)", cr),
        over_998=Seen(len(long), tuple(long[:_PLACES])),
        over_78=sum(length > WISHED_LIMIT + 1 for length in lengths),
        longest=max((place.length for place in long), default=max(lengths, default=0)),
        nul=_seen(raw, rb"\0", raw.count(b"\0")),
        still_stuffed=_seen(raw, _STUFFED.pattern, len(_STUFFED.findall(raw)) if lf else 0),
        false_ends=_false_ends(raw) if lf or cr else (),
    )


def _long_lines(raw: bytes, lengths: list[int]) -> list[Place]:
    """Lines over 998 octets, their CR not counted."""
    found, offset = [], 0
    for number, length in enumerate(lengths, start=1):
        if length > TEXT_LIMIT:
            measured = length - 1 if raw[offset + length - 1 : offset + length] == b"\r" else length
            if measured > TEXT_LIMIT:
                found.append(Place(number, offset, measured))
        offset += length + 1
    return found


def _seen(raw: bytes, pattern: bytes, count: int) -> Seen:
    """The first places of a pattern whose count is known already."""
    if not count:
        return Seen()
    places: list[Place] = []
    line, last = 1, 0
    for match in re.finditer(pattern, raw):
        line += raw.count(b"\n", last, match.start())
        last = match.start()
        places.append(Place(line, match.start(), len(match[0])))
        if len(places) == _PLACES:
            break
    return Seen(count, tuple(places))


def _false_ends(raw: bytes) -> tuple[FalseEnd, ...]:
    """Sequences used for SMTP smuggling: a lone dot whose line ends are not both CRLF.

    CRLF.CRLF is how a line of one dot is stored, and CRLF.CR is an end to nobody: neither is reported.
    """
    words = {b"\r\n": "CRLF", b"\n": "LF", b"\r": "CR"}
    found: list[FalseEnd] = []
    line, last, at = 1, 0, 0
    while len(found) < _PLACES and (match := _FALSE_END.search(raw, at)):
        before, after = match[1] or match[3], match[2] or match[4]
        at = match.end() - len(after)  # the second line end may begin the next sequence
        line += raw.count(b"\n", last, match.start())
        last = match.start()
        found.append(FalseEnd(Place(line, match.start()), f"{words[before]}.{words[after]}"))
    return tuple(found)


def read_header(raw: bytes, start: int = 0, stop: int | None = None, line: int = 1) -> Header:
    """Read the header section that begins at ``start``; ``line`` is that line's number."""
    end = len(raw) if stop is None else stop
    gathered: list[tuple[int, list[bytes]]] = []  # the first line's number, and the lines of one field
    strays: list[tuple[int, str]] = []
    at, closed, cut, astray = start, False, False, True  # a continuation belongs to what stands above it
    while at < end:
        if at - start > HEADER_LIMIT or len(gathered) >= FIELD_LIMIT:
            cut = True
            break
        newline = raw.find(b"\n", at, end)
        after = end if newline < 0 else newline + 1
        text = raw[at:after]
        number, at, line = line, after, line + 1
        if not text.rstrip(b"\r\n"):
            closed = True
            break
        if text[:1] in (b" ", b"\t"):
            if not astray:
                gathered[-1][1].append(text)
            elif not strays:
                strays.append((number, _shown(text)))
        elif _begins_field(text):
            gathered.append((number, [text]))
            astray = False
        else:
            astray = True
            if len(strays) < _PLACES:
                strays.append((number, _shown(text)))
    fields = tuple(_field(number, lines) for number, lines in gathered)
    return Header(fields, tuple(strays), at, line, closed, cut)


def _begins_field(text: bytes) -> bool:
    name, colon, _ = text.partition(b":")
    return bool(colon) and _NAME.fullmatch(name.rstrip(_BLANK)) is not None


def _field(number: int, lines: list[bytes]) -> Field:
    name, _, rest = lines[0].partition(b":")
    bodies = [rest, *lines[1:]]
    return Field(
        name=name.rstrip(_BLANK).decode("ascii"),
        value=b"".join(body.rstrip(b"\r\n") for body in bodies).decode("utf-8", "surrogateescape").strip(" \t"),
        raw=b"".join(lines),
        line=number,
        folds=len(lines) - 1,
        folded_after_name=len(lines) > 1 and not rest.strip(),
        blank_fold=any(not body.strip() for body in bodies[1:]),
        blank_before_colon=name != name.rstrip(_BLANK),
    )


def _shown(text: bytes) -> str:
    return text.rstrip(b"\r\n")[:200].decode("utf-8", "surrogateescape")
