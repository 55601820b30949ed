"""DNS messages (RFC 1035 §4.1, RFC 6891): a question into octets, octets into what they say.

Queries are written here. Responses are read by hand where their shape is plain (`dnsplain`), and by dnspython where it
is not (`dnsodd`); both say the same. What this file will not do: open sockets, retry, or decide which server to
believe. Nothing that a server sends raises here: it becomes a `Said` with ``problem`` set.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass

from deliverkit.flow import Question
from deliverkit.world.dnsplain import Said, read_plain
from deliverkit.world.values import canonical, split_labels

PAYLOAD = 1232  # octets of UDP answer we take (DNS flag day 2020): never fragmented
_IN = b"\0\x01"
_PLAIN_QUERY = b"\x01\x20\0\x01\0\0\0\0\0\0"  # RD and AD; one question
_EDNS_QUERY = b"\x01\x20\0\x01\0\0\0\0\0\x01"
_OPT = b"\0\0\x29" + PAYLOAD.to_bytes(2, "big") + b"\0\0\0\0\0\0"  # RFC 6891 §6.1.2
_LETTERS = b"-.0123456789_abcdefghijklmnopqrstuvwxyz"
_PLAIN_LETTERS = _LETTERS.replace(b".", b"*")  # a wildcard is asked for at its own name
_LENGTHS = {size: bytes([size]) for size in range(1, 64)}
_TYPES = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "MX": 15, "TXT": 16, "AAAA": 28, "TLSA": 52, "SPF": 99}
_ENDS = {number: b"\0" + number.to_bytes(2, "big") + _IN for number in _TYPES.values()}


class BadQuestion(ValueError):
    """A question that cannot be put on the wire."""


@dataclass(slots=True)
class Asked:
    """A question with its question section: name, type and class on the wire. Nobody changes it.

    ``plain`` is its canonical name where that has only letters, digits, hyphens and underscores, or empty.
    """

    question: Question
    section: bytes
    type: int
    plain: str

    def query(self, *, edns: bool) -> bytes:
        """The query, without its id."""
        return query(self.section, edns)


def query(section: bytes, edns: bool) -> bytes:
    """A recursive query that asks for the AD bit (RFC 6840 §5.7), without its id."""
    return _EDNS_QUERY + section + _OPT if edns else _PLAIN_QUERY + section


def _label(label: bytes) -> bytes:
    """A plain label on the wire. Raises KeyError."""
    if label.translate(None, _PLAIN_LETTERS):
        raise KeyError
    return _LENGTHS[len(label)] + label


@functools.lru_cache(maxsize=4096)  # many questions are about names below one
def _plain_section(name: str) -> bytes:
    """A name of plain labels on the wire, without the root. Raises KeyError or UnicodeEncodeError."""
    return b"".join(map(_label, name.encode("ascii").split(b".")))


def asked(question: Question) -> Asked:
    """A question made ready. Raises BadQuestion."""
    section, type_, plain = written(question)
    return Asked(question, section, type_, plain)


def written(question: Question) -> tuple[bytes, int, str]:
    """The question section, the number of the type, and the name if it is plain: see `Asked`. Raises BadQuestion."""
    name, type_ = question.name, _TYPES.get(question.type) or type_number(question.type)
    try:
        first, _, rest = name.partition(".")
        section = _label(first.encode("ascii")) + (_plain_section(rest) if rest else b"")
        if len(name) > 253:
            raise KeyError
        plain = name
    except (KeyError, UnicodeEncodeError):  # an odd octet, an empty label or one too long, the root, a final dot
        labels = split_labels(name)
        if labels is None:
            raise BadQuestion(name) from None
        section = b"".join([bytes([len(label)]) + label for label in labels])
        plain = canonical(name) or ""
        if plain.encode("utf-8", "replace").translate(None, _LETTERS) or plain == ".":
            plain = ""
    return section + (_ENDS.get(type_) or b"\0" + type_.to_bytes(2, "big") + _IN), type_, plain


def encode(question: Question, ident: int, *, edns: bool = True) -> bytes:
    """A whole query. Raises BadQuestion."""
    return ident.to_bytes(2, "big") + asked(question).query(edns=edns)


@functools.cache
def type_number(word: str) -> int:
    """The number of a record type. Raises BadQuestion."""
    if word in _TYPES:
        return _TYPES[word]
    import dns.exception
    import dns.rdatatype

    try:
        return int(dns.rdatatype.from_text(word))
    except (dns.exception.DNSException, ValueError):
        raise BadQuestion(word) from None


def answers(octets: bytes, ident: int) -> bool:
    """True if the header says that these octets are a response to the query of that id."""
    return len(octets) >= 12 and octets[0] << 8 | octets[1] == ident and octets[2] >= 0x80


def decode(octets: bytes, asked: Asked) -> Said | None:
    """Read a response; None when it answers another question and must be ignored."""
    said = read_plain(octets, asked.section, asked.plain, asked.type) if asked.plain else None
    if said is None:
        from deliverkit.world.dnsodd import read_odd

        said = read_odd(octets, asked.question)
    return said
