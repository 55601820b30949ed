"""The data of one record in a master file: tokens into the plain value that `flow.Answer` documents.

The types mail lives by are read here, with errors that say what to write instead. All others go to dnspython, which is
imported when the first of them is met.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import Any, NamedTuple

from deliverkit.world.values import canonical, text_octets

MAX_STRING = 255  # octets of one character-string (RFC 1035 §3.3)
MAX_RDATA = 65535
NO_ORIGIN = "a relative name, and no $ORIGIN says to what"
_ESCAPED = re.compile(r"\\(?:([0-9]{3})|(.))", re.DOTALL)
_FINAL_DOT = re.compile(r"(?:^|[^\\])(?:\\\\)*\.$")


class Token(NamedTuple):
    """A word of a master file, escapes untouched; ``quoted`` ones stood in quotation marks."""

    text: str
    quoted: bool
    line: int


class BadRdata(ValueError):
    """Data that cannot be read: which text, why, what to do."""

    def __init__(self, text: str, why: str, remedy: str, line: int | None = None) -> None:
        super().__init__(why)
        self.text, self.why, self.remedy, self.line = text, why, remedy, line


def parse(type_: str, fields: list[Token], origin: str | None) -> Any:
    """The plain value of a record's data. Raises BadRdata."""
    read = _READERS.get(type_)
    if read is None or (fields and fields[0].text == "\\#"):  # RFC 3597 §5: data in hexadecimal
        return _by_dnspython(type_, fields, origin)
    return read(type_, fields, origin)


def absolute_name(token: Token, origin: str | None) -> str:
    """The canonical name a token stands for, completed by the origin when it has no final dot."""
    text = token.text
    if text == "@" and not token.quoted:
        text = "."
        relative = True
    else:
        relative = not _FINAL_DOT.search(text)
    if relative:
        if origin is None:
            remedy = "put $ORIGIN example.com. before it, or write the full name with a final dot"
            raise BadRdata(token.text, NO_ORIGIN, remedy, token.line)
        text = origin if text == "." else text if origin == "." else f"{text}.{origin}"
    found = canonical(text)
    if found is None:
        remedy = "use labels of 1 to 63 octets, at most 255 octets in all (RFC 1035 §2.3.4)"
        raise BadRdata(token.text, "not a domain name", remedy, token.line)
    return found


def string_octets(token: Token) -> bytes:
    """The octets of a character-string, escapes resolved."""
    text = token.text
    if "\\" not in text:
        return text_octets(text)
    out = bytearray()
    at = 0
    for match in _ESCAPED.finditer(text):
        out += text_octets(text[at : match.start()])
        out += bytes([int(match[1]) & 0xFF]) if match[1] is not None else text_octets(match[2])
        at = match.end()
    return bytes(out + text_octets(text[at:]))


def _count(fields: list[Token], wanted: int, example: str) -> None:
    if len(fields) == wanted:
        return
    shown = " ".join(token.text for token in fields)
    why = "data is missing" if len(fields) < wanted else "more data than the type takes"
    raise BadRdata(shown, why, f"write {example}")


def _number(token: Token, bits: int, what: str, example: str) -> int:
    if not re.fullmatch(r"[0-9]{1,10}", token.text) or int(token.text) >= 2**bits:
        raise BadRdata(
            token.text, f"the {what} must be a number from 0 to {2**bits - 1}", f"write {example}", token.line
        )
    return int(token.text)


def _address(type_: str, fields: list[Token], _: str | None) -> str:
    example = "A 192.0.2.1" if type_ == "A" else "AAAA 2001:db8::1"
    _count(fields, 1, example)
    kind = ipaddress.IPv4Address if type_ == "A" else ipaddress.IPv6Address
    try:
        return str(kind(fields[0].text))
    except ValueError:
        version = "IPv4" if type_ == "A" else "IPv6"
        raise BadRdata(fields[0].text, f"not an {version} address", f"write {example}", fields[0].line) from None


def _host(type_: str, fields: list[Token], origin: str | None) -> str:
    _count(fields, 1, f"{type_} host.example.com.")
    return absolute_name(fields[0], origin)


def _mx(_: str, fields: list[Token], origin: str | None) -> tuple[int, str]:
    example = "MX 10 mx.example.com. (preference, blank, host; a null MX is MX 0 .)"
    _count(fields, 2, example)
    return _number(fields[0], 16, "preference", example), absolute_name(fields[1], origin)


def _texts(type_: str, fields: list[Token], _: str | None) -> tuple[bytes, ...]:
    if not fields:
        raise BadRdata("", f"{type_} without text", f'write {type_} "v=spf1 -all"')
    strings = tuple(string_octets(token) for token in fields)
    for token, octets in zip(fields, strings, strict=True):
        if len(octets) > MAX_STRING:
            why = f"a character-string of {len(octets)} octets; {MAX_STRING} is the limit (RFC 1035 §3.3)"
            remedy = 'split it: "first part" "second part" (they are joined without a blank)'
            raise BadRdata(token.text, why, remedy, token.line)
    if sum(len(octets) + 1 for octets in strings) > MAX_RDATA:
        raise BadRdata(fields[0].text, f"a record of more than {MAX_RDATA} octets", "shorten it", fields[0].line)
    return strings


def _soa(_: str, fields: list[Token], origin: str | None) -> tuple[Any, ...]:
    from deliverkit.world.masterfile import parse_ttl

    example = "SOA ns.example.com. hostmaster.example.com. 1 7200 3600 1209600 3600"
    _count(fields, 7, example)
    serial = _number(fields[2], 32, "serial", example)
    times = [parse_ttl(token.text) for token in fields[3:]]
    for token, seconds in zip(fields[3:], times, strict=True):
        if seconds is None:
            raise BadRdata(token.text, "not a time", f"write {example}", token.line)
    return (absolute_name(fields[0], origin), absolute_name(fields[1], origin), serial, *times)


def _tlsa(_: str, fields: list[Token], __: str | None) -> tuple[int, int, int, bytes]:
    example = "TLSA 3 1 1 0123…"
    if len(fields) < 4:
        _count(fields, 4, example)
    numbers = [_number(token, 8, "field", example) for token in fields[:3]]
    text = "".join(token.text for token in fields[3:])
    try:
        data = bytes.fromhex(text)
    except ValueError:
        raise BadRdata(text, "the data is not hexadecimal", f"write {example}", fields[3].line) from None
    return numbers[0], numbers[1], numbers[2], data


def _by_dnspython(type_: str, fields: list[Token], origin: str | None) -> Any:
    """Any other type, or data in the form of RFC 3597."""
    import dns.exception
    import dns.name
    import dns.rdata
    import dns.rdatatype

    from deliverkit.world.values import plain_value

    shown = " ".join(f'"{token.text}"' if token.quoted else token.text for token in fields)
    try:
        number = dns.rdatatype.from_text(type_)
    except (dns.exception.DNSException, ValueError):
        remedy = "write NAME TYPE VALUE; is the name missing, or a quotation mark around the text?"
        raise BadRdata(type_, "not a record type", remedy) from None
    try:
        root = dns.name.from_text(origin or ".")
        return plain_value(dns.rdata.from_text("IN", number, shown, origin=root, relativize=False))
    except (dns.exception.DNSException, ValueError, OverflowError) as bad:
        raise BadRdata(shown, f"not the data of a {type_} record ({bad})", "see the type's own RFC") from None


_READERS: dict[str, Callable[[str, list[Token], str | None], Any]] = {
    "A": _address,
    "AAAA": _address,
    "CNAME": _host,
    "DNAME": _host,
    "NS": _host,
    "PTR": _host,
    "MX": _mx,
    "TXT": _texts,
    "SPF": _texts,
    "SOA": _soa,
    "TLSA": _tlsa,
}
