"""Master files (RFC 1035 §5): text into records, each with the file and line it came from.

People's real files are read as BIND reads them: relative names, ``$ORIGIN``, ``$TTL`` (RFC 2308 §4), ``$INCLUDE``
inside the tree of the given file, ``$GENERATE`` within bounds. What cannot be a record at all raises `ZoneError`, which
names file, line, text and remedy. A record that is merely foolish (a CNAME beside other data, an MX pointing at an
address) is kept: rules speak about it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from ipaddress import IPv6Address
from pathlib import Path
from typing import Any, NamedTuple

from deliverkit.flow import Source
from deliverkit.world import rdata
from deliverkit.world.rdata import BadRdata, Token
from deliverkit.world.values import TEXT_TYPES, canonical, character_strings, text_octets

MAX_FILE_OCTETS = 32 * 1024 * 1024
MAX_RECORDS = 500_000
MAX_GENERATED = 10_000
MAX_INCLUDES = 100
MAX_INCLUDE_DEPTH = 10
DEFAULT_TTL = 3600  # of a file with neither $TTL nor SOA
MAX_TTL = 2**31 - 1  # RFC 2181 §8


class ZoneError(ValueError):
    """A zone file that cannot be read: where, which text, why, and what to do."""

    def __init__(self, file: str, line: int | None, text: str, why: str, remedy: str) -> None:
        self.file, self.line, self.text, self.why, self.remedy = file, line, text, why, remedy
        place = file if line is None else f"{file}:{line}"
        shown = f": {text[:80]!r}" if text else ""
        super().__init__(f"{place}: {why}{shown}; {remedy}")


class ZoneRecord(NamedTuple):
    """One record of a zone; ``name`` is absolute and canonical, ``value`` as `flow.Answer` documents it."""

    name: str
    type: str
    ttl: int
    value: Any
    source: Source


class Written(NamedTuple):
    """A record as it was written: owner, own TTL, data, and the strings of a TXT record, escapes untouched.

    ``generated`` ones are of a ``$GENERATE``, so that their line is many records.
    """

    owner: str
    ttl: int | None
    text: str
    strings: tuple[str, ...]
    generated: bool = False


class MasterFile(NamedTuple):
    """What a file said: its records in order, its first ``$ORIGIN``, and the names of the files it took in.

    ``written`` runs parallel to ``records`` where it was asked for.
    """

    records: tuple[ZoneRecord, ...]
    first_origin: str | None
    files: tuple[str, ...]
    written: tuple[Written, ...] = ()


def read_master_file(
    path: Path, origin: str | None = None, *, shown: str | None = None, as_written: bool = False
) -> MasterFile:
    """Read a file and what it includes. ``origin`` completes relative names before the first ``$ORIGIN``.

    ``shown`` is what the file is called in errors and sources. ``as_written`` keeps what was written besides, and takes
    strings that are too long for DNS, cut: a rule shall speak about them (family ``source``).
    """
    shown = shown or str(path)
    try:
        root = path.resolve().parent
    except (OSError, RuntimeError, ValueError):  # a loop of links; a NUL in the name
        raise ZoneError(shown, None, "", "cannot be read (no such path)", "name a readable file") from None
    reader = Reader(root=root, origin=origin, shown=shown, as_written=as_written)
    reader.read_file(path, shown)
    return reader.result()


_UNSAVED: ContextVar[Mapping[Path, bytes] | None] = ContextVar("unsaved", default=None)


@contextmanager
def unsaved(texts: Mapping[Path, bytes]) -> Iterator[None]:
    """Within, these files (whole paths, links followed) hold other octets than on disk: a change that is not written.

    Whatever reads sources then judges the change, as it would once it is written.
    """
    token = _UNSAVED.set({**(_UNSAVED.get() or {}), **texts})
    try:
        yield
    finally:
        _UNSAVED.reset(token)


def file_octets(path: Path, shown: str) -> bytes:
    """What a text file holds, within the bounds. Raises ZoneError."""
    changed = _UNSAVED.get()
    octets = changed.get(path.resolve()) if changed else None
    if octets is None:
        octets = _stored_octets(path, shown)
    if len(octets) > MAX_FILE_OCTETS:
        raise ZoneError(shown, None, "", f"is larger than {MAX_FILE_OCTETS} octets", "give a part of the zone")
    if b"\0" in octets:
        line = octets.count(b"\n", 0, octets.index(b"\0")) + 1
        raise ZoneError(shown, line, "", "is no text: it holds a NUL octet", "give the file in text form")
    return octets


def _stored_octets(path: Path, shown: str) -> bytes:
    try:
        with path.open("rb") as stream:
            return stream.read(MAX_FILE_OCTETS + 1)
    except OSError as bad:
        raise ZoneError(shown, None, "", f"cannot be read ({bad.strerror})", "name a readable file") from None


def parse_master_text(text: str, *, file: str = "<text>", origin: str | None = None) -> MasterFile:
    """Read master-file text that lies in no file; ``$INCLUDE`` is refused."""
    reader = Reader(root=None, origin=origin)
    reader.read_text(text, file)
    return reader.result()


# -- entries --------------------------------------------------------------------------------------------

LEXEME = re.compile(
    r"""(?P<newline>\r?\n|\r)
      | (?P<blank>[ \t\f\v\u00a0]+)
      | (?P<comment>;[^\r\n]*)
      | (?P<paren>[()])
      | "(?P<quoted>(?:[^"\\\r\n]|\\[^\r\n])*)"
      | (?P<bare>(?:[^\s;()"\\]|\\[^\r\n])+)""",
    re.VERBOSE,
)


@dataclass(slots=True)
class Entry:
    """One logical line: its tokens, and whether it began with a blank (same owner as before)."""

    line: int
    indented: bool
    tokens: list[Token]
    generated: bool = False


def logical_line(text: str, at: int, line: int, file: str) -> tuple[Entry, int, int]:
    """The logical line that begins here, where the next one does, and that one's number.

    Parentheses join lines, comments vanish, quotes protect.
    """
    depth, opened = 0, line
    entry = Entry(line, False, [])
    fresh = True  # nothing but the start of a physical line so far
    while at < len(text):
        match = LEXEME.match(text, at)
        if match is None:
            raise _lexical_fault(text, at, file, line)
        kind = match.lastgroup
        at = match.end()
        if kind == "newline":
            line += 1
            if depth == 0:
                return entry, at, line
            continue
        if kind == "paren":
            depth += 1 if match[0] == "(" else -1
            opened = line if match[0] == "(" else opened
            if depth < 0:
                raise ZoneError(file, line, ")", "a closing parenthesis that nothing opened", "remove it")
        elif kind == "blank" and fresh:
            entry.indented = True
        elif kind == "quoted":
            entry.tokens.append(Token(match["quoted"], True, line))
        elif kind == "bare":
            entry.tokens.append(Token(match[0], False, line))
        fresh = False
    if depth:
        raise ZoneError(file, opened, "(", "a parenthesis is opened and never closed", "close it with )")
    return entry, at, line


def words(text: str, file: str, line: int) -> list[Token]:
    """The words of a record's data, which stands on one line. Raises ZoneError."""
    return logical_line(text, 0, line, file)[0].tokens


def _lexical_fault(text: str, at: int, file: str, line: int) -> ZoneError:
    rest = re.split(r"[\r\n]", text[at : at + 200], maxsplit=1)[0]
    if rest.startswith('"'):
        remedy = "end the string with a quotation mark on the same line (long text: several quoted strings)"
        return ZoneError(file, line, rest, "a quotation mark is opened and never closed", remedy)
    if rest.startswith("\\"):
        return ZoneError(file, line, rest, "a backslash at the end of a line", "remove it")
    return ZoneError(file, line, rest, "a control character", "remove it")


_PLAIN_LINE = re.compile(
    r"""([A-Za-z0-9_*@.-]+)?+ [ \t]++ (?:([0-9]{1,9})[ \t]++)?+ (?:IN[ \t]++)?+ (A|AAAA|CNAME|MX|NS|PTR|TXT) [ \t]++
        ((?:"[^"\\\r\n]*+"[ \t]*+)++ | [^\s;()"\\]++(?:[ \t]++[^\s;()"\\]++)*+)
        [ \t]*+ (?:;[^\r\n]*+)?+ (?:\r?\n|\Z)""",
    re.VERBOSE,
)
"""One whole line: owner, TTL, class and type by the book, nothing escaped and nothing in parentheses."""
_QUOTED = re.compile(r'"([^"]*)"')
_OCTET = "(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4 = re.compile(rf"(?:{_OCTET}\.){{3}}{_OCTET}")


# -- the reader -----------------------------------------------------------------------------------------

_TTL = re.compile(r"[0-9]+|(?:[0-9]+[wdhms])+", re.IGNORECASE)
_TTL_UNITS = {"w": 604800, "d": 86400, "h": 3600, "m": 60, "s": 1}
CLASSES = frozenset({"IN", "CH", "HS", "CS", "ANY"})


def parse_ttl(text: str) -> int | None:
    """Seconds of a TTL, with BIND's units ("1h30m"); None when the text is none."""
    if not _TTL.fullmatch(text) or len(text) > 40:
        return None
    if text.isdigit():
        seconds = int(text)
    else:
        seconds = sum(int(n) * _TTL_UNITS[unit.lower()] for n, unit in re.findall(r"([0-9]+)([a-zA-Z])", text))
    return seconds if seconds <= MAX_TTL else None


class Reader:
    """The state of reading: origin, owner, TTLs, and the bounds on what may be taken in."""

    def __init__(self, root: Path | None, origin: str | None, shown: str = "", *, as_written: bool = False) -> None:
        self.root = root
        self.shown = shown
        self.here: Path | None = root
        self.origin = origin
        self.first_origin: str | None = None
        self.records: list[ZoneRecord] = []
        self.written: list[Written] | None = [] if as_written else None
        self.owner_as_written = ""
        self.names: dict[str, str] = {}  # absolute ones of plain words, for the origin of now
        self.files: list[str] = []
        self.owner: str | None = None
        self.default_ttl: int | None = None
        self.last_ttl: int | None = None
        self.depth = 0

    def result(self) -> MasterFile:
        return MasterFile(tuple(self.records), self.first_origin, tuple(self.files), tuple(self.written or ()))

    def read_file(self, path: Path, shown: str) -> None:
        """Read one file within the bounds."""
        octets = file_octets(path, shown)
        self.read_text(octets.decode("utf-8", "surrogateescape").removeprefix("\ufeff"), shown)

    def read_text(self, text: str, file: str) -> None:
        """Read master-file text."""
        self.files.append(file)
        at, line, end = 0, 1, len(text)
        plain = _PLAIN_LINE.match
        while at < end:
            match = plain(text, at)
            if match and self._plain_record(match, line, file):
                at, line = match.end(), line + 1
                continue
            entry, at, line = logical_line(text, at, line, file)
            if not entry.tokens:
                continue
            first = entry.tokens[0]
            if not entry.indented and not first.quoted and first.text.startswith("$"):
                self._directive(entry, file)
            else:
                self._record(entry, file)

    def _plain_record(self, match: re.Match[str], line: int, file: str) -> bool:
        """Take a line of the commonest shape; False leaves it to `_record`, which says the same at more length."""
        owner, ttl, type_, data = match.groups()
        names = self.names
        try:
            if owner is not None:
                name = names.get(owner) or names.setdefault(
                    owner, rdata.absolute_name(Token(owner, False, 0), self.origin)
                )
            elif self.owner is not None:
                name = self.owner
            else:
                return False
            strings: tuple[str, ...] = ()
            value: Any
            if type_ == "TXT":
                strings = tuple(_QUOTED.findall(data) if data[0] == '"' else data.split())
                value = tuple(text_octets(string) for string in strings)
                if len(data) > rdata.MAX_STRING and max(map(len, value)) > rdata.MAX_STRING:
                    return False
            elif type_ == "A":
                if not _IPV4.fullmatch(data):
                    return False
                value = data
            elif type_ == "AAAA":
                value = str(IPv6Address(data))
            else:
                word = data
                if type_ == "MX":
                    preference, word = data.split()
                    if len(preference) > 5 or not preference.isdecimal() or not preference.isascii():
                        return False
                host = names.get(word) or names.setdefault(
                    word, rdata.absolute_name(Token(word, False, 0), self.origin)
                )
                value = (int(preference), host) if type_ == "MX" else host
                if type_ == "MX" and value[0] > 0xFFFF:
                    return False
        except ValueError:  # a name or an address that is none, too many words
            return False
        if len(self.records) >= MAX_RECORDS:
            return False
        if owner is not None:
            self.owner, self.owner_as_written = name, owner
        seconds = None if ttl is None else int(ttl)
        self.records.append(ZoneRecord(name, type_, self._ttl_of(seconds, type_, value), value, Source(file, line)))
        if self.written is not None:
            self.written.append(Written(self.owner_as_written, seconds, data.rstrip(), strings))
        return True

    # -- directives -------------------------------------------------------------------------------------

    def _directive(self, entry: Entry, file: str) -> None:
        word, *arguments = entry.tokens
        action = {
            "$ORIGIN": self._set_origin,
            "$TTL": self._set_ttl,
            "$INCLUDE": self._include,
            "$GENERATE": self._generate,
        }.get(word.text.upper())
        if action is None:
            known = "$ORIGIN, $TTL, $INCLUDE and $GENERATE are"
            raise ZoneError(file, entry.line, word.text, "an unknown directive", f"{known} known")
        action(entry, arguments, file)

    def _set_origin(self, entry: Entry, arguments: list[Token], file: str) -> None:
        if len(arguments) != 1:
            raise ZoneError(file, entry.line, "$ORIGIN", "$ORIGIN takes one name", "write $ORIGIN example.com.")
        if self.origin is None and not arguments[0].text.endswith("."):
            remedy = f"write $ORIGIN {arguments[0].text}. with its final dot"
            raise ZoneError(file, entry.line, arguments[0].text, "the first $ORIGIN is a relative name", remedy)
        self._complete_by(self._name(arguments[0], file))
        self.first_origin = self.first_origin or self.origin

    def _set_ttl(self, entry: Entry, arguments: list[Token], file: str) -> None:
        ttl = parse_ttl(arguments[0].text) if len(arguments) == 1 else None
        if ttl is None:
            text = " ".join(token.text for token in arguments)
            raise ZoneError(file, entry.line, text, "$TTL takes one time", "write $TTL 3600 or $TTL 1h")
        self.default_ttl = ttl

    def _include(self, entry: Entry, arguments: list[Token], file: str) -> None:
        if not 1 <= len(arguments) <= 2:
            remedy = "write $INCLUDE FILE or $INCLUDE FILE ORIGIN"
            raise ZoneError(file, entry.line, "$INCLUDE", "$INCLUDE takes a file and perhaps a name", remedy)
        target = self._include_path(arguments[0], file)
        if self.depth >= MAX_INCLUDE_DEPTH or len(self.files) > MAX_INCLUDES:
            why = f"too many files included (at most {MAX_INCLUDE_DEPTH} deep and {MAX_INCLUDES} in all)"
            raise ZoneError(file, entry.line, arguments[0].text, why, "break the circle of $INCLUDE")
        saved = self.origin, self.owner, self.owner_as_written, self.here
        if len(arguments) == 2:
            self._complete_by(self._name(arguments[1], file))
        self.depth += 1
        self.here = target.parent
        self.read_file(target, self._shown(target))
        self.depth -= 1
        origin, self.owner, self.owner_as_written, self.here = saved
        self._complete_by(origin)  # RFC 1035 §5.1: the include never changes the origin of its parent

    def _complete_by(self, origin: str | None) -> None:
        """From now on relative names end with this one."""
        if origin != self.origin:
            self.origin = origin
            self.names = {}

    def _shown(self, target: Path) -> str:
        """How an included file is called: as the file that was given, from the same folder."""
        assert self.root is not None  # or nothing was included
        return str(Path(self.shown).parent / target.relative_to(self.root))

    def _include_path(self, token: Token, file: str) -> Path:
        """The file meant, which must lie in the tree of the file that was given."""
        if self.root is None or self.here is None:
            raise ZoneError(file, token.line, token.text, "$INCLUDE in a text without a file", "put the records here")
        for candidate in (self.here / token.text, self.root / token.text):
            try:
                target = candidate.resolve()
            except (OSError, RuntimeError, ValueError):  # a loop of links
                continue
            if not target.is_relative_to(self.root):
                why = f"$INCLUDE leads out of {self.root}"
                raise ZoneError(file, token.line, token.text, why, "move the file beside the zone file")
            if target.is_file():
                return target
        raise ZoneError(file, token.line, token.text, "the file to include is not there", "correct its path")

    def _generate(self, entry: Entry, arguments: list[Token], file: str) -> None:
        if len(arguments) < 4:
            remedy = "write $GENERATE 1-10 host$ A 192.0.2.$"
            raise ZoneError(file, entry.line, "$GENERATE", "$GENERATE takes a range, a name, a type, a value", remedy)
        for number in _generate_range(arguments[0], file):
            tokens = [Token(_generated(t, number, file), t.quoted, t.line) for t in arguments[1:]]
            self._record(Entry(entry.line, False, tokens, generated=True), file)

    # -- records ----------------------------------------------------------------------------------------

    def _record(self, entry: Entry, file: str) -> None:
        """``[owner] [TTL] [class] type data``, TTL and class in either order (RFC 1035 §5.1)."""
        tokens = entry.tokens
        if not entry.indented:
            self.owner = self._name(tokens[0], file)
            self.owner_as_written = tokens[0].text
            tokens = tokens[1:]
        if self.owner is None:
            text = tokens[0].text if tokens else ""
            remedy = "begin the line with the name (or @), not with a blank"
            raise ZoneError(file, entry.line, text, "the first record has no owner name", remedy)
        ttl, tokens = self._ttl_and_class(tokens, file)
        if not tokens:
            shown = " ".join(token.text for token in entry.tokens)
            remedy = "write NAME TYPE VALUE, e.g. @ MX 10 mx.example.com."
            raise ZoneError(file, entry.line, shown, "a record without a type", remedy)
        type_ = tokens[0].text.upper()
        try:
            value = self._value(type_, tokens[1:])
        except BadRdata as bad:
            raise ZoneError(file, bad.line or tokens[0].line, bad.text, bad.why, bad.remedy) from None
        if len(self.records) >= MAX_RECORDS:
            raise ZoneError(file, entry.line, "", f"more than {MAX_RECORDS} records", "give a part of the zone")
        self.records.append(
            ZoneRecord(self.owner, type_, self._ttl_of(ttl, type_, value), value, Source(file, entry.line))
        )
        if type_ == "SOA" and self.origin is None:  # named.conf says it to BIND; cPanel's files say it nowhere else
            self._complete_by(self.owner)
        if self.written is not None:
            text = " ".join(f'"{token.text}"' if token.quoted else token.text for token in tokens[1:])
            strings = tuple(token.text for token in tokens[1:]) if type_ in TEXT_TYPES else ()
            self.written.append(Written(self.owner_as_written, ttl, text, strings, entry.generated))

    def _value(self, type_: str, fields: list[Token]) -> Any:
        if self.written is not None and type_ in TEXT_TYPES and fields and fields[0].text != "\\#":
            octets = [rdata.string_octets(token) for token in fields]
            too_much = sum(map(len, octets)) > rdata.MAX_RDATA // 2  # no record at all
            if not too_much and any(len(string) > rdata.MAX_STRING for string in octets):
                return tuple(part for string in octets for part in character_strings(string))
        return rdata.parse(type_, fields, self.origin)

    def _ttl_and_class(self, tokens: list[Token], file: str) -> tuple[int | None, list[Token]]:
        ttl = None
        seen_class = False
        while tokens and not tokens[0].quoted:
            word = tokens[0].text
            if ttl is None and parse_ttl(word) is not None:
                ttl = parse_ttl(word)
            elif ttl is None and len(tokens) > 1 and word.isascii() and word.isdigit():
                why = f"a TTL of more than {MAX_TTL} seconds (RFC 2181 §8)"
                raise ZoneError(file, tokens[0].line, word, why, "write 3600, or at most a week")
            elif not seen_class and word.upper() in CLASSES:
                seen_class = True
                if word.upper() != "IN":
                    raise ZoneError(file, tokens[0].line, word, "a class other than IN", "mail lives in class IN")
            else:
                break
            tokens = tokens[1:]
        return ttl, tokens

    def _ttl_of(self, ttl: int | None, type_: str, value: Any) -> int:
        """The record's own TTL, else $TTL, else the one before it, else the SOA's minimum (RFC 2308 §4)."""
        if ttl is not None:
            self.last_ttl = ttl
            return ttl
        if self.default_ttl is not None:
            return self.default_ttl
        if self.last_ttl is None and type_ == "SOA":
            self.last_ttl = int(value[6])
        return DEFAULT_TTL if self.last_ttl is None else self.last_ttl

    def _name(self, token: Token, file: str) -> str:
        try:
            return rdata.absolute_name(token, self.origin)
        except BadRdata as bad:
            raise ZoneError(file, bad.line or token.line, bad.text, bad.why, bad.remedy) from None


# -- $GENERATE (BIND's) ---------------------------------------------------------------------------------

_RANGE = re.compile(r"([0-9]{1,9})-([0-9]{1,9})(?:/([0-9]{1,9}))?")
_STEP = re.compile(r"\\\$|\$(?:\{(-?[0-9]{1,9})(?:,([0-9]{1,3})(?:,([doxXnN]))?)?\})?")


def _generate_range(token: Token, file: str) -> range:
    match = _RANGE.fullmatch(token.text)
    start, stop, step = (int(match[1]), int(match[2]), int(match[3] or 1)) if match else (0, 0, 0)
    if step < 1 or stop < start:
        raise ZoneError(file, token.line, token.text, "no range that $GENERATE can use", "write START-STOP[/STEP]")
    numbers = range(start, stop + 1, step)
    if len(numbers) > MAX_GENERATED:
        why = f"$GENERATE would make {len(numbers)} records; {MAX_GENERATED} is the limit"
        raise ZoneError(file, token.line, token.text, why, "generate fewer")
    return numbers


def _generated(token: Token, number: int, file: str) -> str:
    def one(match: re.Match[str]) -> str:
        if match[0] == "\\$":
            return "$"
        value, width, base = number + int(match[1] or 0), int(match[2] or 0), match[3] or "d"
        if value < 0 or width > 255:
            raise ZoneError(file, token.line, token.text, "an offset or width out of range", "correct the ${…}")
        if base in "nN":  # nibbles, lowest first, for ip6.arpa; the width counts the dots
            digits = format(value, "x" if base == "n" else "X")[::-1].ljust((width + 1) // 2, "0")
            return ".".join(digits)
        return format(value, base).rjust(width, "0")

    return _STEP.sub(one, token.text)


def zone_origin(records: tuple[ZoneRecord, ...], first_origin: str | None) -> str | None:
    """The origin of a zone: the SOA's owner, else the first ``$ORIGIN``."""
    soa = next((record.name for record in records if record.type == "SOA"), None)
    found = soa or first_origin
    return None if found is None else canonical(found)
