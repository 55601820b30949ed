"""The octets of DATA, exactly as they came: collected whatever the chunks, ended only by CRLF.CRLF, examined once.

`Content` collects in linear time and never repairs. `examine` names what a careful receiver must know about the
wire: bare LF and CR, NUL, lines over 998 octets, dots lost to transparency, and sequences that a careless
server takes for the end of data (SMTP smuggling).

What this file will not do: read a socket, know a session, or refuse anything for its content.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

END = b"\r\n.\r\n"  # RFC 5321 §4.1.1.4: the only end of data
_DOT = b"\r\n."  # a line that begins with a dot
_STEP = 1 << 20
LINE_LIMIT = 998  # RFC 5321 §4.5.3.1.6 without CRLF; RFC 5322 §2.1.1

_BARE_LF = re.compile(rb"(?<!\r)\n")
_BARE_CR = re.compile(rb"\r(?!\n)")
_DOT_ALONE = re.compile(rb"(?:\A|(?<=\r\n))\.(?![.\r\n])")
_DOTS_AFTER_LF = re.compile(rb"(?<!\r)\n\.\.")
_FALSE_END = re.compile(rb"(\A|\r\n|\r|\n)\.(?=(\r\n|\r|\n))")
_NAMES = {b"": "<CR><LF>", b"\r\n": "<CR><LF>", b"\r": "<CR>", b"\n": "<LF>"}


class FaultKind(StrEnum):
    """Every fault a receiver can see on the wire, by the word it is stored under."""

    # in the content of DATA
    BARE_LF = "bare-lf"
    BARE_CR = "bare-cr"
    NUL = "nul"
    LONG_LINE = "long-line"
    DOT_NOT_DOUBLED = "dot-not-doubled"
    DOT_DOUBLED_AFTER_LF = "dot-doubled-after-lf"
    FALSE_END = "false-end-of-data"
    UNDECLARED_8BIT = "undeclared-8bit"
    # in the conversation
    EARLY_TALK = "early-talk"
    OUT_OF_ORDER = "out-of-order"
    NOT_UNDERSTOOD = "not-understood"
    BAD_SYNTAX = "bad-syntax"
    LONG_COMMAND = "long-command"
    COMMAND_BARE_LF = "command-bare-lf"
    LONG_PATH = "long-path"
    UNDECLARED_UTF8 = "undeclared-utf8"
    CLEAR_AUTH = "clear-auth"
    AFTER_STARTTLS = "after-starttls"
    # why a session ended without its message
    TLS_FAILED = "tls-failed"
    TLS_ON_CLEAR_PORT = "tls-on-clear-port"
    SILENT_ON_TLS_PORT = "silent-on-tls-port"
    CUT_OFF = "cut-off"
    IDLE = "idle"
    TOO_BIG = "too-big"


@dataclass(frozen=True, slots=True)
class WireFault:
    """One kind of fault: how often, where first, and what stood there.

    ``position`` is the octet offset of the first one in the content as it was sent, from 0 (None for faults of
    the conversation). ``text`` is what stood there, printable and short; never a secret.
    """

    kind: FaultKind
    detail: str
    count: int = 1
    position: int | None = None
    line: int | None = None
    text: str = ""


class Room:
    """Room for octets that are not stored yet, shared by all sessions, so that memory is bounded."""

    def __init__(self, octets: int) -> None:
        self.octets = octets
        self.taken = 0

    def take(self, octets: int) -> bool:
        """Reserve; False (and nothing reserved) when there is not so much room."""
        if self.taken + octets > self.octets:
            return False
        self.taken += octets
        return True

    def give_back(self, octets: int) -> None:
        """Return what was reserved."""
        self.taken -= octets


class Content:
    """Collects the content of one DATA command.

    ``limit`` is the largest size that is kept; beyond it, or without room, the octets are counted and let go
    while the end is still looked for, so that the reply comes where the client expects it. ``dotted`` is False where
    certainly no line begins with a dot: the pass that finds the end tells, since the end is such a line itself.
    """

    def __init__(self, limit: int | None = None, room: Room | None = None) -> None:
        self.limit = limit
        self.room = room
        self.octets = 0  # of the content so far, the final dot and its CRLF included
        self.too_big = False
        self.no_room = False
        self.ended = False
        self.dotted = False
        self._parts: list[bytes] = []
        self._reserved = 0
        self._tail = b"\r\n"  # the CRLF of the DATA command itself may begin the end of data

    def feed(self, data: bytes) -> bytes | None:
        """Take octets as they come. None while the end is not seen; then what lies behind it (maybe nothing)."""
        end = self._find_end(data)
        self._keep(data if end is None else data[:end])
        if end is None:
            self._tail = (self._tail + data[-4:])[-4:]
            return None
        self.ended = True
        return data[end:]

    def _find_end(self, data: bytes) -> int | None:
        """The offset just behind CRLF.CRLF, looked for across the seam with what came before."""
        seam = self._tail + data[:4]
        if _DOT in seam:
            found = seam.find(END)
            if found >= 0:
                return found + len(END) - len(self._tail)
            self.dotted = True
        found = data.find(END if self.dotted else _DOT)
        if found >= 0 and not data.startswith(END, found):
            self.dotted = True
            found = data.find(END, found)
        return found + len(END) if found >= 0 else None

    def _keep(self, data: bytes) -> None:
        self.octets += len(data)
        if self.too_big or self.no_room:
            return
        if self.limit is not None and self.octets - 3 > self.limit:  # the dot and CRLF of the end do not count
            self.too_big = True
        elif self.room is not None and not self.room.take(len(data)):
            self.no_room = True
        else:
            self._reserved += len(data)
            self._parts.append(data)
            return
        self.let_go()

    def let_go(self) -> None:
        """Forget the octets and give the room back."""
        self._parts.clear()
        if self.room is not None:
            self.room.give_back(self._reserved)
        self._reserved = 0

    def take(self) -> bytes:
        """The content as it was sent, dots still doubled, up to and with the CRLF before the final dot. Once.

        The room stays reserved until `let_go`, because the caller now holds the octets.
        """
        if not self.ended or self.too_big or self.no_room:
            raise ValueError("there is no content to be had")
        if len(self._parts[-1]) >= 3:  # spare a copy of the whole
            self._parts[-1] = self._parts[-1][:-3]
            wire = b"".join(self._parts)
        else:
            wire = b"".join(self._parts)[:-3]
        self._parts.clear()
        return wire


def unstuffed(wire: bytes, *, dotted: bool = True) -> bytes:
    """The message: of each line that begins with a dot, the first one removed (RFC 5321 §4.5.2).

    Lines begin after CRLF only: ``LF..`` stays as it is (RFC 5321 §2.3.8). ``dotted`` is `Content.dotted`.
    """
    if not dotted or not _has_dot_line(wire):
        return wire
    content = wire.replace(b"\r\n.", b"\r\n")
    return content[1:] if wire.startswith(b".") else content


def _has_dot_line(wire: bytes) -> bool:
    return wire.startswith(b".") or _DOT in wire


def examine(wire: bytes, *, dotted: bool = True) -> tuple[WireFault, ...]:
    """Every fault of the wire, one entry a kind, in linear time; sound mail costs a few passes of C.

    ``dotted`` is `Content.dotted`.
    """
    pairs = feeds = returns = 0
    for start in range(0, len(wire), _STEP):  # in steps, so that other threads have their turn
        end = start + _STEP
        pairs += wire.count(b"\r\n", start, end + 1)
        feeds += wire.count(b"\n", start, end)
        returns += wire.count(b"\r", start, end)
    feeds, returns = feeds - pairs, returns - pairs
    return tuple(fault for fault in _faults(wire, feeds, returns, dotted=dotted) if fault is not None)


def _faults(wire: bytes, feeds: int, returns: int, *, dotted: bool) -> Iterator[WireFault | None]:
    if feeds:  # RFC 5321 §2.3.8
        yield _fault(
            wire, FaultKind.BARE_LF, _first(_BARE_LF, wire), feeds, f"{feeds} line feed(s) without a carriage return"
        )
    if returns:
        yield _fault(
            wire,
            FaultKind.BARE_CR,
            _first(_BARE_CR, wire),
            returns,
            f"{returns} carriage return(s) without a line feed",
        )
    if b"\0" in wire:  # RFC 5322 §2.2: NUL has no place in a message
        nuls = wire.count(b"\0")
        yield _fault(wire, FaultKind.NUL, wire.find(b"\0"), nuls, f"{nuls} NUL octet(s)")
    yield _long_lines(wire)
    if dotted and _has_dot_line(wire):
        yield _dots_not_doubled(wire)
    if feeds:
        yield _dots_after_line_feed(wire)
    if feeds or returns:
        yield _false_ends(wire)


def _long_lines(wire: bytes) -> WireFault | None:
    """Lines over 998 octets, a doubled dot not counted, found by leaps: linear, and cheap on sound mail."""
    start = first = longest = count = 0
    while start < len(wire):
        first_octet = start + wire.startswith(b".", start)
        last = wire.rfind(b"\n", start, first_octet + LINE_LIMIT + 2)
        if last >= 0:
            start = last + 1  # every line up to here fits
            continue
        end = wire.find(b"\n", start)
        end = len(wire) if end < 0 else end
        length = end - (wire[end - 1 : end] == b"\r") - first_octet
        if length > LINE_LIMIT:
            first, count = (start, 1) if not count else (first, count + 1)
            longest = max(longest, length)
        start = end + 1
    if not count:
        return None
    return _fault(
        wire, FaultKind.LONG_LINE, first, count,
        f"{count} line(s) over {LINE_LIMIT} octets, the longest of {longest}",
    )  # fmt: skip


def _dots_not_doubled(wire: bytes) -> WireFault | None:
    """A line that begins with one dot: the receiver takes it away (RFC 5321 §4.5.2)."""
    alone = wire.count(b"\r\n.") - wire.count(b"\r\n..") + (wire.startswith(b".") and not wire.startswith(b".."))
    if not alone:
        return None
    count = sum(1 for _ in _DOT_ALONE.finditer(wire))
    if not count:  # ".CR" and ".LF": an end-of-data look-alike or a bare carriage return, told there
        return None
    return _fault(
        wire, FaultKind.DOT_NOT_DOUBLED, _first(_DOT_ALONE, wire), count,
        f"{count} line(s) begin with a single dot, which the receiver removes",
    )  # fmt: skip


def _dots_after_line_feed(wire: bytes) -> WireFault | None:
    """Dots doubled after a bare LF, where no receiver undoes it."""
    count = sum(1 for _ in _DOTS_AFTER_LF.finditer(wire))
    if not count:
        return None
    return _fault(
        wire, FaultKind.DOT_DOUBLED_AFTER_LF, _first(_DOTS_AFTER_LF, wire), count,
        f"{count} line(s) after a bare line feed begin with a doubled dot, which no receiver removes",
    )  # fmt: skip


def _false_ends(wire: bytes) -> WireFault | None:
    """Sequences other than CRLF.CRLF that some servers take for the end of data: SMTP smuggling.

    ``CRLF.CR`` is not among them: what follows decides, and a CRLF after it makes a line of its own.
    """
    count, first, seen = 0, 0, dict[str, None]()
    for match in _FALSE_END.finditer(wire):
        before, after = match[1], match[2]
        if before in (b"", b"\r\n") and after != b"\n":
            continue
        if not count:
            first = match.start()
        count += 1
        if len(seen) < 6:
            seen[f"{_NAMES[before]}.{_NAMES[after]}"] = None
    if not count:
        return None
    return _fault(
        wire, FaultKind.FALSE_END, first, count,
        f"{count} sequence(s) that some servers take for the end of data: {', '.join(seen)}",
    )  # fmt: skip


def _first(pattern: re.Pattern[bytes], wire: bytes) -> int:
    found = pattern.search(wire)
    return found.start() if found else 0


def _fault(wire: bytes, kind: FaultKind, position: int, count: int, detail: str) -> WireFault:
    line = wire.count(b"\n", 0, position) + 1
    return WireFault(
        kind, f"{detail}; the first at octet {position}, line {line}", count, position, line, _excerpt(wire, position)
    )


def _excerpt(wire: bytes, position: int) -> str:
    """A few octets around the place, printable."""
    piece = wire[max(0, position - 12) : position + 28].decode("ascii", "backslashreplace")
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in piece)
