"""Client addresses and networks as plain integers: comparing them is one exclusive-or and one shift.

What this file will not do: build an ``ipaddress`` object per term. Records hold thousands of ``ip4`` terms.
"""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass, field

BITS = {4: 32, 6: 128}

# qnum = DIGIT / %x31-39 DIGIT / "1" 2DIGIT / "2" %x30-34 DIGIT / "25" %x30-35        RFC 7208 §5.6
# where each of the four stands in the number
FIRST, SECOND, THIRD, FOURTH = ({str(octet): octet << shift for octet in range(256)} for shift in (24, 16, 8, 0))
LONGEST = 45  # RFC 4291 §2.2: no longer text is an address
_IP6 = re.compile(r"[0-9A-Fa-f:.]{2,}")
_MAPPED = 0xFFFF << 32


class BadAddress(ValueError):
    """The text is no IP address."""


def parse_ip4(text: str) -> int | None:
    """An IPv4 address as an integer, or None. Octets are decimal, without leading zeros."""
    try:
        a, b, c, d = text.split(".")
        return FIRST[a] | SECOND[b] | THIRD[c] | FOURTH[d]
    except (ValueError, KeyError):
        return None


def parse_ip6(text: str) -> int | None:
    """An IPv6 address as an integer, or None (RFC 4291 §2.2). No zone index, no brackets."""
    return _parse_ip6(text) if len(text) <= LONGEST else None


@functools.lru_cache(maxsize=4096)  # the same hosts are compared with one client after another
def _parse_ip6(text: str) -> int | None:
    if not _IP6.fullmatch(text) or ":" not in text:
        return None
    if "." in text:  # §2.2 3: the last two groups may be written as an IPv4 address
        head, _, tail = text.rpartition(":")
        four = parse_ip4(tail)
        if four is None:
            return None
        text = f"{head}:{four >> 16:x}:{four & 0xFFFF:x}"
    before, gap, after = text.partition("::")
    groups = before.split(":") if before else []
    behind = after.split(":") if after else []
    lacking = 8 - len(groups) - len(behind)
    if lacking < 1 if gap else lacking:  # §2.2 2: "::" stands for one group of zeros or more, and only once
        return None
    number = 0
    try:
        for group in groups:
            number = number << 16 | int(group, 16)
        number <<= 16 * lacking
        for group in behind:
            number = number << 16 | int(group, 16)
    except ValueError:  # an empty group
        return None
    return number if max(map(len, groups + behind), default=0) < 5 else None


def in_network(address: int, network: int, prefix: int, bits: int) -> bool:
    """True if the first ``prefix`` bits agree. Host bits of the network are ignored (RFC 7208 §5.6)."""
    return (address ^ network) >> (bits - prefix) == 0


def text_of(address: int, family: int) -> str:
    """The usual spelling of an address (RFC 5952)."""
    if family == 4:
        return f"{address >> 24}.{address >> 16 & 255}.{address >> 8 & 255}.{address & 255}"
    text = ":".join([f"{address >> shift & 0xFFFF:x}" for shift in range(112, -1, -16)])
    framed = f":{text}:"
    for zeros in range(8, 1, -1):  # RFC 5952 §4.2: the first of the longest runs of two groups or more
        at = framed.find(f":{'0:' * zeros}")
        if at >= 0:
            return f"{framed[1:at]}::{framed[at + 1 + 2 * zeros : -1]}"
    return text


@dataclass(slots=True, unsafe_hash=True)  # never changed once made; frozen, it would be slower to make
class Client:
    """The SMTP client: an IPv4-mapped IPv6 address is the IPv4 address it maps (RFC 7208 §5).

    ``spelt`` is the address as it was given, if that is how it is usually spelt: of IPv4 there is but one way.
    """

    number: int
    family: int
    spelt: str = field(default="", compare=False, repr=False)

    @classmethod
    def of(cls, text: str) -> Client:
        """Read an address. Raises BadAddress."""
        text = text.strip()
        number = parse_ip4(text)
        if number is not None:
            return cls(number, 4, text)
        number = parse_ip6(text)
        if number is None:
            raise BadAddress(f"{text!r} is no IPv4 or IPv6 address")
        if number >> 32 == _MAPPED >> 32:
            return cls(number & 0xFFFFFFFF, 4)
        return cls(number, 6)

    @property
    def text(self) -> str:
        """The address as it is usually spelt."""
        return self.spelt or text_of(self.number, self.family)

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
