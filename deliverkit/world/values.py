"""Plain values: how records look inside an `Answer`, and how names are spelt so that they can be compared.

Every source of answers (zone file, table, wire) speaks through these forms, documented at `flow.Answer`. Only the
common types are read here; rarer ones are given to dnspython, imported when the first of them is met.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import dns.rdata

_COMMON = b"*-.0123456789_abcdefghijklmnopqrstuvwxyz"  # of most names that are asked for
_PLAIN = re.compile(r"[!-\[\]-~]*", re.ASCII)  # printable, no blank, no backslash
_ESCAPE = re.compile(r"\\(?:([0-9]{3})|(.))", re.DOTALL)
TEXT_TYPES = frozenset({"TXT", "SPF"})
NAME_TYPES = frozenset({"CNAME", "DNAME", "NS", "PTR"})


# -- names ----------------------------------------------------------------------------------------------


def split_labels(text: str) -> tuple[bytes, ...] | None:
    """The labels of a name in presentation form, octet by octet, case kept; None when it can be no DNS name.

    RFC 1035 §2.3.4: labels of 1 to 63 octets, at most 255 octets on the wire. A final dot is ignored; the root has
    no labels.
    """
    if text in ("", "."):
        return () if text else None
    if _PLAIN.fullmatch(text):
        text = text.removesuffix(".")
        found = tuple(label.encode("ascii") for label in text.split("."))
    else:
        found = _escaped_labels(text)
    if any(not 1 <= len(label) <= 63 for label in found) or sum(len(label) + 1 for label in found) > 254:
        return None
    return found


def _escaped_labels(text: str) -> tuple[bytes, ...]:
    """Split at the dots that are not escaped (RFC 1035 §5.1); other characters stand for their UTF-8 octets."""
    found: list[bytes] = []
    label = bytearray()
    at = 0
    while at < len(text):
        escape = _ESCAPE.match(text, at)
        if escape:
            label += _escape_octets(escape)
            at = escape.end()
            continue
        if text[at] == ".":
            found.append(bytes(label))
            label.clear()
        else:
            label += text_octets(text[at])
        at += 1
    if label or not text.endswith("."):
        found.append(bytes(label))
    return tuple(found)


def _escape_octets(escape: re.Match[str]) -> bytes:
    if escape[1] is not None:
        return bytes([int(escape[1]) & 0xFF])
    return text_octets(escape[2])


def text_octets(text: str) -> bytes:
    """The octets that text stands for: UTF-8, with surrogate escapes made the octets they came from."""
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:  # other lone surrogates stand for nothing
        return text.encode("utf-8", "replace")


def join_labels(labels: Sequence[bytes]) -> str:
    """A name as answers spell it: lower case, no final dot, odd octets escaped; the root is "."."""
    return ".".join(_label_text(label) for label in labels) or "."


def _label_text(label: bytes) -> str:
    text = label.decode("latin-1")
    if text.isascii() and text.replace("-", "").replace("_", "").isalnum():
        return text.lower()
    return "".join(
        f"\\{chr(octet)}" if octet in b".\\" else chr(octet).lower() if 0x21 <= octet <= 0x7E else f"\\{octet:03d}"
        for octet in label
    )


def is_canonical(text: str) -> bool:
    """True if a name of common letters is spelt as answers spell it, should it be a name: quicker than to spell it."""
    return not text.encode("utf-8", "replace").translate(None, _COMMON) and text[-1:] != "."


def canonical(text: str) -> str | None:
    """The form of a name that is compared and shown, or None when the text can be no DNS name."""
    if _PLAIN.fullmatch(text) and len(text) < 64 and ".." not in text and text[:1] != ".":
        return text.removesuffix(".").lower() or None
    found = split_labels(text)
    return None if found is None else join_labels(found)


# -- records --------------------------------------------------------------------------------------------


def character_strings(octets: bytes) -> tuple[bytes, ...]:
    """Cut text into character-strings of at most 255 octets (RFC 1035 §3.3)."""
    return tuple(octets[at : at + 255] for at in range(0, len(octets), 255)) or (b"",)


def plain_value(rdata: dns.rdata.Rdata) -> Any:
    """The plain value of a dnspython record, as `flow.Answer` documents it."""
    import dns.rdatatype

    type_ = dns.rdatatype.to_text(rdata.rdtype)
    r: Any = rdata
    if type_ in TEXT_TYPES:
        return tuple(bytes(string) for string in r.strings)
    if type_ in ("A", "AAAA"):
        return str(ipaddress.ip_address(r.address))
    if type_ == "MX":
        return int(r.preference), _name(r.exchange)
    if type_ in NAME_TYPES:
        return _name(r.target)
    if type_ == "TLSA":
        return int(r.usage), int(r.selector), int(r.mtype), bytes(r.cert)
    if type_ == "SOA":
        times = (int(r.serial), int(r.refresh), int(r.retry), int(r.expire), int(r.minimum))
        return (_name(r.mname), _name(r.rname), *times)
    return str(rdata.to_text())


def _name(name: Any) -> str:
    return join_labels([label for label in name.labels if label])


def presentation(type_: str, value: Any) -> str:
    """The presentation form of a plain value, every name absolute: what `dns.rdata.from_text` reads back."""
    if type_ in TEXT_TYPES:
        return " ".join(quoted(string) for string in value)
    if type_ == "MX":
        return f"{value[0]} {absolute(value[1])}"
    if type_ in NAME_TYPES:
        return absolute(value)
    if type_ == "TLSA":
        return f"{value[0]} {value[1]} {value[2]} {value[3].hex()}"
    if type_ == "SOA":
        return " ".join([absolute(value[0]), absolute(value[1]), *map(str, value[2:])])
    return str(value)


def absolute(name: str) -> str:
    """The name with its final dot."""
    return name if name.endswith(".") else name + "."


def quoted(octets: bytes) -> str:
    """One character-string in quotes, as master files write it."""
    inner = "".join(
        f"\\{chr(octet)}" if octet in b'"\\' else chr(octet) if 0x20 <= octet <= 0x7E else f"\\{octet:03d}"
        for octet in octets
    )
    return f'"{inner}"'
