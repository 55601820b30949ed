"""Client addresses and networks as plain integers: comparing them is one exclusive-or and one shift.

What this file will not do: build an ``ipaddress`` object per term. Records hold thousands of ``ip4`` terms.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

BITS = {4: 32, 6: 128}

# qnum = DIGIT / %x31-39 DIGIT / "1" 2DIGIT / "2" %x30-34 DIGIT / "25" %x30-35        RFC 7208 §5.6
_QNUM = r"(25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IP4 = re.compile(rf"{_QNUM}\.{_QNUM}\.{_QNUM}\.{_QNUM}")
_IP6 = re.compile(r"[0-9A-Fa-f:.]+")  # the rest of RFC 4291 §2.2 is left to the standard library
_MAPPED = 0xFFFF << 32


class BadAddress(ValueError):
    """The text is no IP address."""


def parse_ip4(text: str) -> int | None:
    """An IPv4 address as an integer, or None."""
    match = _IP4.fullmatch(text)
    if match is None:
        return None
    a, b, c, d = match.groups()
    return int(a) << 24 | int(b) << 16 | int(c) << 8 | int(d)


def parse_ip6(text: str) -> int | None:
    """An IPv6 address as an integer, or None. No zone index, no brackets."""
    if not _IP6.fullmatch(text) or ":" not in text:
        return None
    try:
        return int(ipaddress.IPv6Address(text))
    except ValueError:
        return None


def in_network(address: int, network: int, prefix: int, bits: int) -> bool:
    """True if the first ``prefix`` bits agree. Host bits of the network are ignored (RFC 7208 §5.6)."""
    return (address ^ network) >> (bits - prefix) == 0


def text_of(address: int, family: int) -> str:
    """The usual spelling of an address."""
    return str(ipaddress.IPv4Address(address) if family == 4 else ipaddress.IPv6Address(address))


@dataclass(frozen=True, slots=True)
class Client:
    """The SMTP client: an IPv4-mapped IPv6 address is the IPv4 address it maps (RFC 7208 §5)."""

    number: int
    family: int
    text: str

    @classmethod
    def of(cls, text: str) -> Client:
        """Read an address. Raises BadAddress."""
        text = text.strip()
        number = parse_ip4(text)
        if number is not None:
            return cls(number, 4, text_of(number, 4))
        number = parse_ip6(text)
        if number is None:
            raise BadAddress(f"{text!r} is no IPv4 or IPv6 address")
        if number >> 32 == _MAPPED >> 32:
            return cls(number & 0xFFFFFFFF, 4, text_of(number & 0xFFFFFFFF, 4))
        return cls(number, 6, text_of(number, 6))

    @property
    def dotted(self) -> str:
        """The ``i`` macro: dotted quad, or 32 nibbles with dots between (RFC 7208 §7.3)."""
        return self.text if self.family == 4 else ".".join(f"{self.number:032X}")

    @property
    def reverse_name(self) -> str:
        """Where its PTR records stand (RFC 1035 §3.5, RFC 3596 §2.5)."""
        suffix = "in-addr.arpa" if self.family == 4 else "ip6.arpa"
        return f"{'.'.join(reversed(self.dotted.split('.')))}.{suffix}".lower()

    @property
    def question(self) -> str:
        """The type of record that holds addresses of its family."""
        return "A" if self.family == 4 else "AAAA"

    def within(self, network: int, prefix: int) -> bool:
        """True if the address lies in a network of its own family."""
        return in_network(self.number, network, prefix, BITS[self.family])
