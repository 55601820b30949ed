"""Addresses as people type them: ``a@example.com``, ``"Doe, Ann" <a@example.com>``, and lists of them.

The domain becomes A-labels (RFC 5891); a local part that is not ASCII makes the message an SMTPUTF8 one (RFC 6531).
What this file will not do: groups, routes and comments of RFC 5322 §3.4; nobody types them on purpose.
"""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from dataclasses import dataclass

from deliverkit.names import BadName, to_ascii
from deliverkit.smtp.compose.values import BadValue, single_line

ATEXT = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~\-\u0080-\U0010ffff]"  # RFC 5322 §3.2.3, RFC 6532 §3.2
_DOT_ATOM = re.compile(rf"{ATEXT}+(\.{ATEXT}+)*")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_PATH = 254  # RFC 5321 §4.5.3.1.3: 256 octets with the angle brackets
_LITERAL = re.compile(r"\[(IPv6:)?([0-9A-Fa-f.:]+)\]", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Address:
    """A mailbox (RFC 5322 §3.4): ``name`` is the display name, decoded; ``local`` is without quotation marks."""

    name: str
    local: str
    domain: str

    @property
    def spec(self) -> str:
        """The addr-spec as it goes on the wire, the local part quoted where it is no dot-atom."""
        local = self.local if _DOT_ATOM.fullmatch(self.local) else quoted(self.local)
        return f"{local}@{self.domain}"

    @property
    def internationalized(self) -> bool:
        """True if the local part needs SMTPUTF8 (RFC 6531 §3.3)."""
        return not self.local.isascii()

    def __str__(self) -> str:
        return f"{self.name} <{self.spec}>" if self.name else self.spec


def quoted(text: str) -> str:
    """A quoted-string (RFC 5322 §3.2.4)."""
    return '"' + re.sub(r'(["\\])', r"\\\1", text) + '"'


def parse_addresses(option: str, text: str) -> tuple[Address, ...]:
    """The mailboxes of a comma-separated list. ``option`` names the value in errors: "--to"."""
    single_line(option, text)
    return tuple(parse_address(option, piece) for piece in split_mailboxes(option, text) if piece.strip())


def parse_address(option: str, text: str) -> Address:
    """One mailbox. Raises BadValue with what is wrong with it."""
    text = single_line(option, text).strip()
    if text.endswith(">"):
        name, bracket, spec = text[:-1].rpartition("<")
        if not bracket:
            raise BadValue(f"{option}: {text!r} has a '>' without its '<'")
        return _mailbox(option, text, _display_name(option, name.strip()), spec.strip())
    return _mailbox(option, text, "", text)


def _mailbox(option: str, text: str, name: str, spec: str) -> Address:
    local, at, domain = spec.rpartition("@")
    if not at or not local or not domain:
        hint = '; a name with a comma stands in quotes: "Doe, Ann" <a@example.com>' if "@" not in text else ""
        raise BadValue(f"{option}: {text!r} is no address; expected someone@example.com{hint}")
    address = Address(name, _local_part(option, local), _domain(option, domain))
    if len(address.spec.encode("utf-8")) > _PATH:
        raise BadValue(f"{option}: an address of more than {_PATH} octets (RFC 5321 §4.5.3.1.3)")
    return address


def _local_part(option: str, local: str) -> str:
    local = unicodedata.normalize("NFC", local)  # RFC 6532 §3.1
    match = _QUOTED.fullmatch(local)
    if match:
        local = re.sub(r"\\(.)", r"\1", match[1])
    elif not _DOT_ATOM.fullmatch(local):
        raise BadValue(f"{option}: the part {local!r} before the @ needs quotation marks or is mistyped")
    if len(local.encode("utf-8")) > 64:
        raise BadValue(f"{option}: the part before the @ is longer than 64 octets (RFC 5321 §4.5.3.1.1)")
    return local


def _domain(option: str, domain: str) -> str:
    literal = _LITERAL.fullmatch(domain)
    try:
        if literal:  # RFC 5321 §4.1.3
            address = ipaddress.ip_address(literal[2])
            return f"[IPv6:{address}]" if address.version == 6 else f"[{address}]"
        return to_ascii(domain)
    except (BadName, ValueError) as bad:
        raise BadValue(f"{option}: {bad}") from None


def _display_name(option: str, name: str) -> str:
    match = _QUOTED.fullmatch(name)
    if match:
        return re.sub(r"\\(.)", r"\1", match[1]).strip()
    if "<" in name or name.count('"') % 2:
        raise BadValue(f"{option}: the name {name!r} is mistyped; put it in quotation marks")
    return name


def split_mailboxes(option: str, text: str) -> list[str]:
    """Cut at commas that stand outside quotation marks and angle brackets."""
    pieces, start, inside = [], 0, ""
    position = 0
    while position < len(text):
        character = text[position]
        if inside == '"':
            if character == "\\":
                position += 1
            elif character == '"':
                inside = ""
        elif inside == "<":
            inside = "" if character == ">" else inside
        elif character in '"<':
            inside = character
        elif character == ",":
            pieces.append(text[start:position])
            start = position + 1
        position += 1
    if inside:
        raise BadValue(f"{option}: {text!r} has a {inside} that is never closed")
    return [*pieces, text[start:]]
