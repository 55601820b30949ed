"""IP addresses: which of them can be reached from the Internet.

Imports nothing of ours. What this file will not do: look anything up, or open a socket.
"""

from __future__ import annotations

import ipaddress

_DOCUMENTATION = tuple(
    ipaddress.ip_network(text)
    for text in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32", "3fff::/20")
)
"""RFC 5737, RFC 3849 and RFC 9637: examples of public networks, and treated as such everywhere."""


def is_documentation(address: str) -> bool:
    """True for an address of a documentation network."""
    parsed = _parsed(address)
    return parsed is not None and any(parsed in network for network in _DOCUMENTATION)


def is_public(address: str) -> bool:
    """True if mail from anywhere could reach this address: global, or a documentation network standing for one.

    Private (RFC 1918, RFC 4193), shared (RFC 6598), loopback, link-local, multicast, reserved and unspecified
    addresses are not public; nor is text that is no address.
    """
    parsed = _parsed(address)
    if parsed is None:
        return False
    return is_documentation(address) or (parsed.is_global and not parsed.is_multicast)


def kind(address: str) -> str:
    """Say in a word what kind of address it is: "public", "loopback", "private", "link-local", …"""
    parsed = _parsed(address)
    if parsed is None:
        return "invalid"
    if is_public(address):
        return "public"
    traits = ("loopback", "unspecified", "link_local", "multicast", "private")
    return next((trait.replace("_", "-") for trait in traits if getattr(parsed, f"is_{trait}")), "reserved")


def _parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return None
    mapped = getattr(parsed, "ipv4_mapped", None)  # ::ffff:10.0.0.1 leads where 10.0.0.1 leads
    return mapped or parsed
