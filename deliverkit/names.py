"""DNS names: what a person typed, made into the A-label form that goes on the wire; parents; labels.

What this file will not do: look anything up, or decide what an Organizational Domain is.
"""

from __future__ import annotations

import ipaddress
import re
from typing import NamedTuple

_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?", re.IGNORECASE)


class BadName(ValueError):
    """The text is no domain name; the message says why and what was expected."""


class Typed(NamedTuple):
    """A domain as it was typed, the name that was meant, and a remark where the two differ."""

    given: str
    name: str
    remark: str | None = None


def meant(given: str) -> Typed:
    """Read a domain from what a person typed: IDN, capitals, a trailing dot, a URL, an e-mail address or HOST:PORT.

    Raises BadName (with the reason) when no domain can be made of it. IP addresses are no domains.
    """
    text = given.strip()
    remark = None
    url = re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]*://(?:[^@/]*@)?(\[[^\]]*\]|[^/:?#]*)(?:[:/?#].*)?", text)
    if url:
        text, remark = url[1], "read from a URL"
    elif "@" in text:
        text, remark = text.rpartition("@")[2].rstrip(">"), "read from an e-mail address"
    elif "/" in text:
        text, remark = text.split("/", 1)[0], "read from a URL"
    port = re.fullmatch(r"([^:]+):\d{1,5}", text)
    if port and remark is None:
        text, remark = port[1], "read without the port"
    try:
        ipaddress.ip_address(text.strip("[]"))
    except ValueError:
        pass
    else:
        raise BadName(f"{given!r} is an IP address; give the domain that sends or receives the mail")
    name = to_ascii(text)
    if name.rpartition(".")[2].isdigit():  # RFC 3696 §2: a top-level domain is not all digits
        raise BadName(f"{given!r} is neither an IP address nor a domain: its last label is a number")
    if "." not in name and not remark and name != "localhost":
        remark = "a single label: a top-level domain?"
    if remark is None and name != given.strip().rstrip(".").lower():
        remark = f"the A-label form of {given.strip()!r}"
    return Typed(given, name, remark)


def to_ascii(name: str) -> str:
    """A name as it is asked in DNS: lower-case A-labels (RFC 5891), no final dot. Raises BadName."""
    text = name.strip().replace("\u3002", ".").replace("\uff0e", ".").replace("\uff61", ".")
    text = text[:-1] if text.endswith(".") else text
    if not text:
        raise BadName("an empty name; expected a domain such as example.com")
    if not text.isascii():
        import idna  # heavy, and few names need it

        try:
            text = ".".join(
                part if part.isascii() else idna.encode(part, uts46=True).decode("ascii") for part in text.split(".")
            )
        except idna.IDNAError as bad:
            raise BadName(f"{name!r} is not a valid internationalized domain name: {bad}") from None
    text = text.lower()
    for label in text.split("."):
        if not label:
            raise BadName(f"{name!r} has an empty label (two dots in a row)")
        if len(label) > 63:
            raise BadName(f"{name!r} has a label of {len(label)} octets; 63 is the limit (RFC 1035 §2.3.4)")
        if not _LABEL.fullmatch(label):
            raise BadName(f"{name!r} is not a domain name: the label {label!r} has other characters than a-z 0-9 - _")
    if len(text) > 253:
        raise BadName(f"{name!r} is longer than 253 octets (RFC 1035 §2.3.4)")
    return text


def key(name: str) -> str:
    """The form names are compared in: lower case, no final dot; the root is "."."""
    return (name[:-1] if name.endswith(".") and name != "." else name).lower() or "."


def labels(name: str) -> tuple[str, ...]:
    """The labels of a name, leftmost first; none for the root."""
    return tuple(part for part in key(name).split(".") if part)


def parent(name: str) -> str | None:
    """The name one label shorter, or None for a single label."""
    return name.partition(".")[2] or None


def within(name: str, ancestor: str) -> bool:
    """True if name is ancestor or lies below it."""
    name, ancestor = key(name), key(ancestor)
    return ancestor == "." or name == ancestor or name.endswith("." + ancestor)


def reverse(address: str) -> str:
    """The in-addr.arpa or ip6.arpa name of an address (RFC 1035 §3.5, RFC 3596 §2.5)."""
    return ipaddress.ip_address(address).reverse_pointer
