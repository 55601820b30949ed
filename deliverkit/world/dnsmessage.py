"""DNS messages (RFC 1035 §4.1, RFC 6891, RFC 8914): a question into octets, octets into what they say.

On dnspython. What this file will not do: open sockets, retry, or decide which server to believe. Nothing that a server
sends raises here: it becomes a `Said` with ``problem`` set.
"""

from __future__ import annotations

import functools
import ipaddress
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import dns.edns
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from deliverkit.flow import Question
from deliverkit.world.values import join_labels, plain_value, split_labels

PAYLOAD = 1232  # octets of UDP answer we take (DNS flag day 2020): never fragmented
MAX_CHAIN = 16
_RECURSIVE_AND_AUTHENTIC = 0x0120  # RD and AD
_LARGEST_TTL = 0x7FFFFFFF  # RFC 2181 §8
_PLAIN_RCODES = {0x8000: "NOERROR", 0x8003: "NXDOMAIN"}
_EMPTY_OPT = re.compile(
    rb"\x00\x00\x29..\x00\x00[\x00\x80]\x00\x00\x00", re.DOTALL
)  # root, OPT, size, no extended rcode


@dataclass(frozen=True, slots=True)
class Said:
    """One response, read.

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


class BadQuestion(ValueError):
    """A question that cannot be put on the wire."""


def wire_name(text: str) -> dns.name.Name:
    """The name in dnspython's form. Raises BadQuestion when it can be no DNS name."""
    labels = split_labels(text)
    if labels is None:
        raise BadQuestion(text)
    return dns.name.Name([*labels, b""])


def encode(question: Question, ident: int, *, edns: bool = True) -> bytes:
    """A recursive query that asks for the AD bit (RFC 6840 §5.7). Raises BadQuestion."""
    labels = split_labels(question.name)
    if labels is None:
        raise BadQuestion(question.name)
    name = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    header = struct.pack("!6H", ident, _RECURSIVE_AND_AUTHENTIC, 1, 0, 0, int(edns))
    option = struct.pack("!BHHIH", 0, dns.rdatatype.OPT, PAYLOAD, 0, 0) if edns else b""  # RFC 6891 §6.1.2
    return header + name + struct.pack("!HH", type_number(question.type), dns.rdataclass.IN) + option


@functools.cache
def type_number(word: str) -> int:
    """The number of a record type. Raises BadQuestion."""
    try:
        return int(dns.rdatatype.from_text(word))
    except (dns.exception.DNSException, ValueError):
        raise BadQuestion(word) from None


def answers(octets: bytes, ident: int) -> bool:
    """True if the header says that these octets are a response to the query of that id."""
    if len(octets) < 12:
        return False
    found, flags = struct.unpack_from("!HH", octets)
    return bool(found == ident and flags & 0x8000)


def decode(octets: bytes, question: Question) -> Said | None:
    """Read a response; None when it answers another question and must be ignored."""
    return _plain(octets, question) or _by_dnspython(octets, question)


def _by_dnspython(octets: bytes, question: Question) -> Said | None:
    try:
        message = dns.message.from_wire(octets, ignore_trailing=True, raise_on_truncation=False)
    except dns.message.Truncated:
        return Said(truncated=True)
    except Exception as bad:  # whatever a hostile server sends must end as a value
        truncated = len(octets) >= 3 and bool(octets[2] & 0x02)
        return Said(truncated=True) if truncated else Said(problem=f"no DNS message ({type(bad).__name__}: {bad})")
    if message.opcode() != dns.opcode.QUERY:
        return Said(problem=f"opcode {message.opcode()}")
    if not _matches(message, question):
        return None
    try:
        return _read(message, question)
    except Exception as bad:
        return Said(problem=f"an answer that cannot be read ({type(bad).__name__}: {bad})")


def _plain(octets: bytes, question: Question) -> Said | None:
    """A plain answer, read without dnspython; None for anything unusual.

    Most questions of an audit are answered "no" (NODATA or NXDOMAIN with one SOA, RFC 2308 §2) or by TXT, A or AAAA
    records of the name itself, and dnspython takes fifteen times as long to read that.
    """
    if len(octets) < 12:
        return None
    flags, questions, found, authority, additional = struct.unpack_from("!5H", octets, 2)
    rcode = _PLAIN_RCODES.get(flags & 0xFA0F)  # QR, opcode, TC, rcode
    labels = split_labels(question.name)
    if rcode is None or questions != 1 or additional > 1 or labels is None:
        return None
    asked = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    end = 12 + len(asked) + 4
    tail = struct.pack("!HH", type_number(question.type), dns.rdataclass.IN)
    if octets[12 : end - 4].lower() != asked.lower() or octets[end - 4 : end] != tail:
        return None
    records: tuple[Any, ...] = ()
    try:
        if (found, authority) == (0, 1):
            ttl, end = _one_soa(octets, end)
        elif found and not authority and rcode == "NOERROR":
            records, ttl, end = _own_records(octets, end, found, tail)
        else:
            return None
    except (IndexError, struct.error):
        return None
    rest = octets[end:]
    if (additional and not _EMPTY_OPT.fullmatch(rest)) or (rest and not additional):
        return None
    name = join_labels(labels)
    return Said(rcode=rcode, records=records, ttl=ttl, name=name, authentic=bool(flags & dns.flags.AD))


def _one_soa(octets: bytes, at: int) -> tuple[int, int]:
    """How long "no" may be remembered (RFC 2308 §5), and where the record ends. Raises IndexError."""
    at = _after_name(octets, at)
    type_, class_, ttl, size = struct.unpack_from("!HHIH", octets, at)
    begin, end = at + 10, at + 10 + size
    whole = _after_name(octets, _after_name(octets, begin)) + 20 == end
    if (type_, class_) != (dns.rdatatype.SOA, dns.rdataclass.IN) or not whole or ttl > _LARGEST_TTL:
        raise IndexError
    minimum: int = struct.unpack_from("!I", octets, end - 4)[0]
    return min(ttl, minimum), end


def _own_records(octets: bytes, at: int, count: int, tail: bytes) -> tuple[tuple[Any, ...], int, int]:
    """The records of the name that was asked, their TTL, and where they end. Raises IndexError for any other."""
    read = _READERS.get(tail)
    if read is None:
        raise IndexError
    records: dict[Any, None] = {}  # a set that keeps its order: the same record twice is one (RFC 2181 §5)
    ttls = []
    for _ in range(count):
        if octets[at : at + 6] != b"\xc0\x0c" + tail:  # a pointer to the question, its type, IN
            raise IndexError
        ttl, size = struct.unpack_from("!IH", octets, at + 6)
        data = octets[at + 12 : at + 12 + size]
        if len(data) != size or ttl > _LARGEST_TTL:
            raise IndexError
        records[read(data)] = None
        ttls.append(ttl)
        at += 12 + size
    return tuple(records), min(ttls), at


def _strings(data: bytes) -> tuple[bytes, ...]:
    """The character-strings of a TXT record (RFC 1035 §3.3.14). Raises IndexError."""
    strings, at = [], 0
    while at < len(data):
        end = at + 1 + data[at]
        strings.append(data[at + 1 : end])
        at = end
    if at != len(data) or not strings:
        raise IndexError
    return tuple(strings)


def _address(data: bytes) -> str:
    if len(data) not in (4, 16):
        raise IndexError
    return str(ipaddress.ip_address(data))


_READERS: dict[bytes, Callable[[bytes], Any]] = {
    struct.pack("!HH", dns.rdatatype.TXT, dns.rdataclass.IN): _strings,
    struct.pack("!HH", dns.rdatatype.A, dns.rdataclass.IN): _address,
    struct.pack("!HH", dns.rdatatype.AAAA, dns.rdataclass.IN): _address,
}


def _after_name(octets: bytes, at: int) -> int:
    """Where a name ends (RFC 1035 §4.1.4). Raises IndexError for what is no name."""
    begin = at
    while (size := octets[at]) < 0xC0:
        if size > 63 or at - begin > 254:
            raise IndexError
        at += 1 + size
        if not size:
            return at
    if not 12 <= ((size & 0x3F) << 8 | octets[at + 1]) < begin:
        raise IndexError
    return at + 2


def _matches(message: dns.message.Message, question: Question) -> bool:
    """RFC 5452 §9.1: the question must come back. Error responses may leave it out (RFC 1035 §7.3)."""
    if not message.question:
        return message.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN)
    asked = message.question[0]
    wanted = asked.rdtype == type_number(question.type) and asked.rdclass == dns.rdataclass.IN
    return len(message.question) == 1 and wanted and asked.name == wire_name(question.name)


def _read(message: dns.message.Message, question: Question) -> Said:
    type_ = dns.rdatatype.RdataType.make(type_number(question.type))
    by_owner = {
        (rrset.name, rrset.rdtype): rrset for rrset in message.answer if rrset.rdclass == dns.rdataclass.IN
    }  # dnspython's names compare without case
    name = wire_name(question.name)
    chain: list[dns.name.Name] = []
    seen = {name}
    ttls: list[int] = []
    found: dns.rrset.RRset | None = None
    loop = False
    while (found := by_owner.get((name, type_))) is None:
        alias = by_owner.get((name, dns.rdatatype.CNAME))
        if alias is None:
            break
        name = alias[0].target
        ttls.append(alias.ttl)
        if name in seen or len(chain) >= MAX_CHAIN:
            loop = True
            break
        seen.add(name)
        chain.append(name)
    if found is not None:
        ttls.append(found.ttl)
    ttl = min(ttls, default=None) if found is not None else _negative_ttl(message)
    return Said(
        rcode=dns.rcode.to_text(message.rcode()),
        records=tuple(plain_value(rdata) for rdata in found) if found is not None else (),
        ttl=ttl,
        aliases=tuple(_text(target) for target in chain),
        name=_text(name),
        complete=found is not None or not chain or _says_no(message),
        truncated=bool(message.flags & dns.flags.TC),
        authentic=bool(message.flags & dns.flags.AD),
        lame=found is None and not chain and _is_lame(message),
        loop=loop,
        extended_errors=_extended_errors(message),
    )


def _says_no(message: dns.message.Message) -> bool:
    """True if the server resolved the whole chain and found nothing at its end (RFC 2308 §2.1, §2.2)."""
    if message.rcode() != dns.rcode.NOERROR:
        return True
    return any(rrset.rdtype == dns.rdatatype.SOA for rrset in message.authority)


def _is_lame(message: dns.message.Message) -> bool:
    """Neither authoritative nor recursive, and nothing but a referral: ask somebody else (RFC 2308 §2.2)."""
    if message.rcode() != dns.rcode.NOERROR or message.flags & (dns.flags.AA | dns.flags.RA):
        return False
    return not any(rrset.rdtype == dns.rdatatype.SOA for rrset in message.authority)


def _negative_ttl(message: dns.message.Message) -> int | None:
    """How long "no" may be remembered: the lesser of the SOA's TTL and its minimum (RFC 2308 §5)."""
    return next(
        (min(rrset.ttl, rrset[0].minimum) for rrset in message.authority if rrset.rdtype == dns.rdatatype.SOA), None
    )


def _extended_errors(message: dns.message.Message) -> tuple[tuple[int, str], ...]:
    """RFC 8914 codes with their texts."""
    return tuple(
        (int(option.code), str(option.text or ""))
        for option in message.options
        if isinstance(option, dns.edns.EDEOption)
    )


def _text(name: dns.name.Name) -> str:
    return join_labels([label for label in name.labels if label])
