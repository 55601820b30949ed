"""Plain DNS responses read by hand (RFC 1035 §4.1): the shapes that nearly every answer to a mail question has.

Records of the name asked or at the end of its aliases, or "no" with its SOA; dnspython takes fifty times as long for
one. Whatever is unusual is not judged here: `read_plain` returns None, and dnspython reads it (`dnsodd`). What it does
return equals what `dnsodd` would say; tests/world/test_dnsplain.py holds the two against each other.

What this file will not do: guess. Truncation, other opcodes, classes and response codes, signatures, options, names
with octets beyond letters, digits, hyphen and underscore, pointers to anything but a name that was read before,
records out of order, records of other names, bytes that are left over: all of them are unusual.
"""

from __future__ import annotations

import ipaddress
import re
import socket
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

MAX_CHAIN = 16
A, NS, CNAME, SOA, PTR, MX, TXT, AAAA, OPT, TLSA, SPF = 1, 2, 5, 6, 12, 15, 16, 28, 41, 52, 99
_IN = 1
_LARGEST_TTL = 0x7FFFFFFF  # RFC 2181 §8
_LONGEST_NAME = 253  # octets as text: 255 on the wire
_MOST_HOPS = 4  # pointers to pointers; what compresses names as RFC 1035 §4.1.4 says needs few
_NO_NAME = {0x8000: False, 0x8003: True}  # NOERROR, NXDOMAIN
_SINGLE, _SERVERS, _ADDRESSES = frozenset({CNAME, SOA}), frozenset({NS}), frozenset({A, AAAA})
_MASK = 0xFA0F  # QR, opcode, TC, rcode
_AA, _RA, _AD = 0x0400, 0x0080, 0x0020
_HEAD = struct.Struct("!5H")
_RECORD = struct.Struct("!HHIH")
_TAIL = struct.Struct("!IH")
_TIMES = struct.Struct("!5I")
_HASHED = {1: 32, 2: 64}  # octets of a matching type (RFC 6698 §2.1.3); dnspython refuses others
_LETTERS = b"-.0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz"
_PLAIN_OPT = re.compile(
    rb"\0\0\x29..\0\0[\0\x80]\0(?:\0\0|\0\x04\0[\x03\x0c]\0\0)", re.DOTALL
)  # RFC 6891 §6.1.2: root, OPT, size, no extended rcode, version 0; no option, or an empty NSID or padding
_COMMON_OPT = frozenset(
    b"\0\0\x29" + size.to_bytes(2, "big") + b"\0\0\0\0\0\0" for size in (512, 1220, 1232, 1280, 1400, 1452, 4096)
)

_MOST_NOES = 4096
_LONGEST_NO = 1232  # octets of a "no" that is kept: servers must not fill our memory
_noes: dict[tuple[bytes, int, str, int], int] = {}
"""What follows the question in a "no" that was read, where it began, the name but for its first label, and how many
additional records: how long it may be remembered. Whoever looks for selectors hears the same "no" eighty times. Equal
keys are read alike: pointers into the question find labels at the same places, of the same length."""

Names: TypeAlias = "list[tuple[int, int, str, int]]"
"""The names read so far: where their own labels begin and end, the whole name, how many pointers it took."""


@dataclass(slots=True)
class Said:
    """One response, read; nobody changes it (it is not frozen because that costs more than reading it).

    ``complete`` is False when the answer ends in an alias whose target the server did not go on to resolve: ``name`` is
    then to be asked for. ``lame`` marks a server that neither knows the zone nor asks others. ``problem`` says why the
    octets are no usable response.
    """

    rcode: str = "NOERROR"
    records: tuple[Any, ...] = ()
    ttl: int | None = None
    aliases: tuple[str, ...] = ()
    name: str = ""
    complete: bool = True
    truncated: bool = False
    authentic: bool = False
    lame: bool = False
    loop: bool = False
    extended_errors: tuple[tuple[int, str], ...] = ()
    problem: str = ""


class Unusual(Exception):
    """This message is for dnspython."""


Read: TypeAlias = "tuple[bool, tuple[Any, ...], int | None, tuple[str, ...], str, bool, bool]"
"""What a plain response says: that there is no such name, records, TTL, aliases, the name at their end, AD; and whether
that ends the question: an alias left unresolved and a lame server do not."""


def read_plain(octets: bytes, asked: bytes, name: str, type_: int) -> Said | None:
    """What a plain response says; None for anything unusual, also for a response to another question."""
    try:
        no_name, records, ttl, chain, owner, authentic, final = read(octets, asked, name, type_)
    except Exception:  # most often Unusual, or an offset beyond the end; dnspython says what it is
        return None
    return Said(
        rcode="NXDOMAIN" if no_name else "NOERROR",
        records=records,
        ttl=ttl,
        aliases=chain,
        name=owner,
        complete=final or not chain,
        authentic=authentic,
        lame=not (final or chain),
    )


def read(octets: bytes, asked: bytes, name: str, type_: int) -> Read:
    """Read a plain response. Any exception says that it is unusual, also that it answers another question.

    ``asked`` is the question section that was sent, ``name`` its canonical name, ``type_`` its type.
    """
    flags, questions, answers, authorities, additionals = _HEAD.unpack_from(octets, 2)
    no_name = _NO_NAME[flags & _MASK]
    at = 12 + len(asked)
    if questions != 1 or not (octets.startswith(asked, 12) or _same_question(octets[12:at], asked)):
        raise Unusual
    if authorities == 1 and not answers:
        return no_name, (), _no(octets, at, name, additionals), (), name, flags & _AD != 0, True
    names: Names = [(12, 12 + len(name), name, 0)]
    found: dict[Any, None] = {}  # a set that keeps its order: the same record twice is one (RFC 2181 §5)
    pointed = b"\xc0\x0c" + asked[-4:]  # the name asked, by a pointer to the question; type and class
    owner, ttl, left = name, _LARGEST_TTL, answers
    while left and octets.startswith(pointed, at):
        seconds, size = _TAIL.unpack_from(octets, at + 6)
        at, end = at + 12, at + 12 + size
        if seconds > _LARGEST_TTL or end > len(octets):
            raise Unusual
        found[_READERS[type_](octets, at, end, names)] = None
        if seconds < ttl:
            ttl = seconds
        at = end
        left -= 1
    chain: tuple[str, ...] = ()
    if left:
        chain, ttl, at = _by_aliases(octets, at, left, type_, names, found, ttl)
        owner = chain[-1] if chain else name
    says_no = False
    if found:
        if no_name or (answers - len(chain) > 1 and type_ in _SINGLE):
            raise Unusual
        if authorities:
            at = _skip(octets, at, authorities, names, _SERVERS)
    elif authorities == 1:
        ttl, at = _soa(octets, at, names)
        says_no = True
    elif authorities:
        raise Unusual
    _end(octets, at, additionals, names)
    told = bool(found) or says_no
    final = told or no_name or (not chain and flags & (_AA | _RA) != 0)  # RFC 2308 §2.1, §2.2
    return no_name, tuple(found), ttl if told else None, chain, owner, flags & _AD != 0, final


def _by_aliases(
    octets: bytes, at: int, left: int, type_: int, names: Names, found: dict[Any, None], ttl: int
) -> tuple[tuple[str, ...], int, int]:
    """The other records of an answer, whatever way their names are written: the aliases, the least TTL, the end."""
    name = owner = names[0][2]
    chain: list[str] = []
    for _ in range(left):
        of, kind, seconds, at, end = _record(octets, at, names)
        if of != owner:
            raise Unusual
        if kind == type_:
            found[_READERS[kind](octets, at, end, names)] = None
        elif kind == CNAME and not found and len(chain) < MAX_CHAIN:
            owner = _whole_name(octets, at, end, names)
            if owner == name or owner in chain:
                raise Unusual
            chain.append(owner)
        else:
            raise Unusual
        if seconds < ttl:
            ttl = seconds
        at = end
    return tuple(chain), ttl, at


def _no(octets: bytes, at: int, name: str, additionals: int) -> int:
    """How long a plain "no" may be remembered: all of it stands in the SOA after the question, at ``at``."""
    no = (octets[at:], at, name.partition(".")[2], additionals)
    known = _noes.get(no)
    if known is not None:
        return known
    names: Names = [(12, 12 + len(name), name, 0)]
    ttl, end = _soa(octets, at, names)
    _end(octets, end, additionals, names)
    if len(octets) <= _LONGEST_NO:
        if len(_noes) >= _MOST_NOES:
            _noes.clear()
        _noes[no] = ttl
    return ttl


def _end(octets: bytes, at: int, additionals: int, names: Names) -> None:
    """See to it that the message ends after its additional section."""
    if additionals == 1 and octets[at:] in _COMMON_OPT:
        return
    if additionals:
        at = _skip_additional(octets, at, additionals, names)
    if at != len(octets):
        raise Unusual


def _same_question(echo: bytes, asked: bytes) -> bool:
    """The same but for capitals in the name (RFC 1035 §2.3.3)."""
    return echo[-4:] == asked[-4:] and echo[:-4].lower() == asked[:-4].lower()


# -- names ----------------------------------------------------------------------------------------------


def _name(octets: bytes, at: int, names: Names) -> tuple[str, int]:
    """A plain name, in lower case without final dot, and where it ends. It is remembered for pointers to it.

    A pointer must lead to a label of a name that was read before: it never leads forward, nor round in circles.
    """
    begin, labels = at, []
    while size := octets[at]:
        if size >= 0xC0:
            break
        if size > 63:
            raise Unusual
        stop = at + 1 + size
        labels.append(octets[at + 1 : stop])  # one cut off by the end of the message has nothing after it
        at = stop
    if not labels:
        return (_pointed(octets, at, names)[0], at + 2) if size else ("", at + 1)
    literal = b".".join(labels)
    if literal.translate(None, _LETTERS) or literal.count(b".") != len(labels) - 1:
        raise Unusual
    text, hops, end = str(literal, "ascii").lower(), 0, at + 1
    if size:
        rest, hops = _pointed(octets, at, names)
        text, hops, end = f"{text}.{rest}", hops + 1, at + 2
    if len(text) > _LONGEST_NAME or hops > _MOST_HOPS:
        raise Unusual
    names.append((begin, at, text, hops))
    return text, end


def _pointed(octets: bytes, at: int, names: Names) -> tuple[str, int]:
    """The name a pointer leads to (RFC 1035 §4.1.4), and how many pointers that one took.

    In a plain name each label stands as far from the beginning of the text as it does on the wire.
    """
    to = (octets[at] & 0x3F) << 8 | octets[at + 1]
    for begin, end, text, hops in names:
        if begin <= to < end:
            at = to - begin
            if not at or text[at - 1] == ".":
                return text[at:], hops
    raise Unusual


def _whole_name(octets: bytes, at: int, end: int, names: Names) -> str:
    """Data that is one name."""
    text, stop = _name(octets, at, names)
    if stop != end:
        raise Unusual
    return text or "."


# -- records --------------------------------------------------------------------------------------------


def _record(octets: bytes, at: int, names: Names) -> tuple[str, int, int, int, int]:
    """Owner, type, TTL, and where the data of a record begins and ends."""
    if octets[at : at + 2] == b"\xc0\x0c":
        owner, at = names[0][2], at + 2
    else:
        owner, at = _name(octets, at, names)
    kind, class_, ttl, size = _RECORD.unpack_from(octets, at)
    end = at + 10 + size
    if class_ != _IN or ttl > _LARGEST_TTL or end > len(octets):
        raise Unusual
    return owner or ".", kind, ttl, at + 10, end


def _soa(octets: bytes, at: int, names: Names) -> tuple[int, int]:
    """How long "no" may be remembered: the lesser of the SOA's TTL and its minimum (RFC 2308 §5)."""
    _, kind, ttl, at, end = _record(octets, at, names)
    if kind != SOA:
        raise Unusual
    return min(ttl, _soa_data(octets, at, end, names)[-1]), end


def _skip(octets: bytes, at: int, count: int, names: Names, kinds: frozenset[int]) -> int:
    """Where records end that nobody asked for. They are read all the same: a broken one breaks the message."""
    for _ in range(count):
        _, kind, _, at, end = _record(octets, at, names)
        if kind not in kinds:
            raise Unusual
        _READERS[kind](octets, at, end, names)
        at = end
    return at


def _skip_additional(octets: bytes, at: int, count: int, names: Names) -> int:
    """Where the additional section ends: addresses, and one OPT at its end."""
    if opt := _PLAIN_OPT.match(octets, at if count == 1 else max(len(octets) - 11, at)):
        if count > 1 and _skip(octets, at, count - 1, names, _ADDRESSES) != opt.start():
            raise Unusual
        return opt.end()
    return _skip(octets, at, count, names, _ADDRESSES)


# -- their data, as `flow.Answer` documents it ----------------------------------------------------------


def _texts(octets: bytes, at: int, end: int, _: Names) -> tuple[bytes, ...]:
    """The character-strings of a TXT record (RFC 1035 §3.3.14)."""
    stop = at + 1 + octets[at]
    if stop == end:
        return (octets[at + 1 : end],)
    strings = []
    while at < end:
        stop = at + 1 + octets[at]
        strings.append(octets[at + 1 : stop])
        at = stop
    if at != end or not strings:
        raise Unusual
    return tuple(strings)


def _ipv4(octets: bytes, at: int, end: int, _: Names) -> str:
    if end - at != 4:
        raise Unusual
    return f"{octets[at]}.{octets[at + 1]}.{octets[at + 2]}.{octets[at + 3]}"


def _ipv6(octets: bytes, at: int, end: int, _: Names) -> str:
    if end - at != 16:
        raise Unusual
    if octets[at]:
        return socket.inet_ntop(socket.AF_INET6, octets[at:end])
    return str(ipaddress.IPv6Address(octets[at:end]))  # `inet_ntop` writes some of these with a dotted end


def _mx(octets: bytes, at: int, end: int, names: Names) -> tuple[int, str]:
    return octets[at] << 8 | octets[at + 1], _whole_name(octets, at + 2, end, names)


def _soa_data(octets: bytes, at: int, end: int, names: Names) -> tuple[Any, ...]:
    mname, at = _name(octets, at, names)
    rname, at = _name(octets, at, names)
    if at + 20 != end:
        raise Unusual
    return (mname or ".", rname or ".", *_TIMES.unpack_from(octets, at))


def _tlsa(octets: bytes, at: int, end: int, _: Names) -> tuple[int, int, int, bytes]:
    if end - at != _HASHED.get(octets[at + 2], 0) + 3:
        raise Unusual
    return octets[at], octets[at + 1], octets[at + 2], octets[at + 3 : end]


_READERS: dict[int, Callable[[bytes, int, int, Names], Any]] = {
    A: _ipv4,
    AAAA: _ipv6,
    CNAME: _whole_name,
    MX: _mx,
    NS: _whole_name,
    PTR: _whole_name,
    SOA: _soa_data,
    SPF: _texts,
    TLSA: _tlsa,
    TXT: _texts,
}
