"""IP addresses: which of them can be reached from the Internet.

Imports nothing of ours. What this file will not do: look anything up, or open a socket.
"""

from __future__ import annotations

import functools
import ipaddress

KEPT = 4096  # addresses whose kind is remembered: several rules ask about the same ones, and hosts are shared
_DOCUMENTATION = tuple(
    ipaddress.ip_network(text)
    for text in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "3fff::/20")
)
"""RFC 5737, RFC 3849 and RFC 9637: examples of public networks, and treated as such everywhere."""

_TRANSLATED = (
    ipaddress.IPv6Network("64:ff9b::/96"),  # NAT64, RFC 6052 §2.1
    ipaddress.IPv6Network("::/96"),  # IPv4-compatible, RFC 4291 §2.5.5.1
)
_NOWHERE = (  # not global, though `ipaddress` of some Python versions says so
    ipaddress.IPv4Network("192.0.0.0/24"),  # IETF protocol assignments, RFC 6890
    ipaddress.IPv4Network("192.88.99.0/24"),  # 6to4 relays, RFC 7526
    ipaddress.IPv6Network("fec0::/10"),  # site-local, RFC 3879
    ipaddress.IPv6Network("64:ff9b:1::/48"),  # NAT64 for local use, RFC 8215
    ipaddress.IPv6Network("5f00::/16"),  # segment routing, RFC 9602
)


_SHARED = ipaddress.ip_network("100.64.0.0/10")
"""RFC 6598: between an access provider and its customers."""


@functools.lru_cache(maxsize=KEPT)
def is_documentation(address: str) -> bool:
    """True for an address of a documentation network."""
    parsed = _parsed(address)
    return parsed is not None and any(parsed in network for network in _DOCUMENTATION)


@functools.lru_cache(maxsize=KEPT)
def is_public(address: str) -> bool:
    """True if mail from anywhere could reach this address: global, or a documentation network standing for one.

    Private (RFC 1918, RFC 4193), shared (RFC 6598), loopback, link-local, multicast, reserved and unspecified
    addresses are not public; nor is text that is no address.
    """
    parsed = _parsed(address)
    if parsed is None:
        return False
    if parsed.is_multicast or any(parsed in network for network in _NOWHERE):
        return False
    return is_documentation(address) or parsed.is_global


@functools.lru_cache(maxsize=KEPT)
def kind(address: str) -> str:
    """Say in a word what kind of address it is: "public", "loopback", "private", "link-local", …"""
    parsed = _parsed(address)
    if parsed is None:
        return "invalid"
    if is_public(address):
        return "public"
    if parsed in _SHARED:
        return "shared"
    if any(parsed in network for network in _NOWHERE):
        return "reserved"  # of which Python versions think differently
    traits = ("loopback", "unspecified", "link_local", "multicast", "reserved", "private")
    return next((trait.replace("_", "-") for trait in traits if getattr(parsed, f"is_{trait}")), "reserved")


def _parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return None
    return _embedded(parsed) or parsed if isinstance(parsed, ipaddress.IPv6Address) else parsed


def _embedded(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """The IPv4 address an IPv6 one leads to: ::ffff:10.0.0.1 leads where 10.0.0.1 leads."""
    if address.ipv4_mapped or address.sixtofour:  # RFC 4291 §2.5.5.2, RFC 3056
        return address.ipv4_mapped or address.sixtofour
    if address.teredo:  # RFC 4380 §4: the client's address behind the server's
        return address.teredo[1]
    if int(address) > 1 and any(address in network for network in _TRANSLATED):  # "::" and "::1" are their own
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return None
