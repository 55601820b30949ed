"""SPF macros (RFC 7208 §7): parsed once with every fault and its place, expanded for one client and sender.

What this file will not do: ask DNS. The validated name behind ``%{p}`` is found by the evaluator and handed in.
"""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeAlias
from urllib.parse import quote

from deliverkit.protocols.fault import Fault
from deliverkit.protocols.spf.address import Client

NAME_OCTETS = 253  # RFC 7208 §7.3: a longer name is cut from the left
EXPLANATION_ONLY = frozenset("crt")  # RFC 7208 §7.2

# macro-expand = ( "%{" macro-letter transformers *delimiter "}" ) / "%%" / "%_" / "%-"        RFC 7208 §7.1
# transformers = *DIGIT [ "r" ]        delimiter = "." / "-" / "+" / "," / "/" / "_" / "="
_EXPAND = re.compile(r"%(?:([%_-])|\{([slodiphcrtvSLODIPHCRTV])([0-9]*)([rR]?)([.\-+,/_=]*)\})")
_LITERALS = {"%": "%", "_": " ", "-": "%20"}

_LABEL = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?")
_ADDRESS_LIKE = re.compile(r"\d{1,3}(\.\d{1,3}){3}|[0-9A-Fa-f]*:[0-9A-Fa-f:]*:[0-9A-Fa-f.:]*")


@dataclass(frozen=True, slots=True)
class Macro:
    """One ``%{…}``: the letter in lower case, how many right-hand parts, reversed or not, split at what."""

    letter: str
    parts: int = 0  # 0: all of them
    reverse: bool = False
    delimiters: str = ""
    escaped: bool = False  # an upper-case letter: the expansion is URL-escaped (§7.3)


Piece: TypeAlias = str | Macro


@dataclass(frozen=True, slots=True)
class MacroString:
    """A macro-string as written, and as pieces of literal text and macros."""

    text: str
    pieces: tuple[Piece, ...]
    letters: frozenset[str] = field(default=frozenset())

    @property
    def literal(self) -> bool:
        """True if it expands to the same text for every client and sender."""
        return not self.letters


@dataclass(frozen=True, slots=True)
class MacroContext:
    """What macros expand to (RFC 7208 §7.2). ``domain`` changes at every include and redirect; the rest does not."""

    client: Client
    domain: str
    sender: str
    helo: str
    receiver: str = "unknown"
    validated: str = "unknown"  # %{p}; RFC 7208 §7.3: "unknown" when no name is validated
    now: datetime | None = None

    def value(self, letter: str) -> str:
        """The plain expansion of a macro letter."""
        match letter:
            case "s":
                return self.sender
            case "l":
                return self.sender.rpartition("@")[0]
            case "o":
                return self.sender.rpartition("@")[2]
            case "d":
                return self.domain
            case "i":
                return self.client.dotted
            case "p":
                return self.validated
            case "v":
                return "in-addr" if self.client.family == 4 else "ip6"
            case "h":
                return self.helo
            case "c":
                return self.client.text
            case "r":
                return self.receiver
            case _:  # "t": seconds since the epoch
                return str(int(self.now.timestamp() if self.now else time.time()))


def parse_macro_string(text: str, start: int = 0, *, explanation: bool = False) -> tuple[MacroString, list[Fault]]:
    """macro-string = *( macro-expand / macro-literal ); with ``explanation`` spaces and %{c} %{r} %{t} are allowed.

    Fault spans are shifted by ``start``. Kinds: ``macro-syntax``, ``unknown-macro``, ``exp-only-macro``.
    """
    if "%" not in text:
        return MacroString(text, (text,) if text else ()), []
    pieces: list[Piece] = []
    faults: list[Fault] = []
    letters: set[str] = set()
    at = 0
    while (sign := text.find("%", at)) >= 0:
        if sign > at:
            pieces.append(text[at:sign])
        match = _EXPAND.match(text, sign)
        if match is None:
            at = _after_fault(text, sign, start, faults)
            pieces.append(text[sign:at])
            continue
        at = match.end()
        literal, letter, digits, reverse, delimiters = match.groups()
        if literal:
            pieces.append(_LITERALS[literal])
            continue
        span = (start + sign, start + at)
        if digits and not digits.strip("0"):  # §7.3: the number of parts must not be zero
            faults.append(Fault("macro-syntax", f"{match[0][:40]} keeps zero parts", span, fatal=True))
        if not explanation and letter.lower() in EXPLANATION_ONLY:
            detail = f"{match[0][:40]} is allowed in the text that exp= points at only"
            faults.append(Fault("exp-only-macro", detail, span, fatal=True))
        letters.add(letter.lower())
        parts = int(digits) if 0 < len(digits) < 5 else 9999 if digits else 0
        pieces.append(Macro(letter.lower(), parts, bool(reverse), delimiters, letter.isupper()))
    if at < len(text):
        pieces.append(text[at:])
    return MacroString(text, tuple(pieces), frozenset(letters)), faults


def _after_fault(text: str, sign: int, start: int, faults: list[Fault]) -> int:
    """Note what is wrong with the per cent sign at ``sign``; say where to read on."""
    close = text.find("}", sign)
    if text.startswith("%{", sign) and close > 0:
        end = close + 1
        shown = text[sign : min(end, sign + 40)]
        letter = text[sign + 2]
        if letter.lower() not in "slodiphcrtv":
            faults.append(
                Fault(
                    "unknown-macro", f"{shown}: there is no macro letter {letter!r}", (start + sign, start + end), True
                )
            )
        else:
            detail = f"{shown} is no macro: after the letter come digits, r and delimiters (. - + , / _ =)"
            faults.append(Fault("macro-syntax", detail, (start + sign, start + end), True))
        return end
    end = min(sign + 2, len(text))
    detail = f"{text[sign:end]!r}: a per cent sign begins %{{…}}, or is written %%, %_ or %-"
    faults.append(Fault("macro-syntax", detail, (start + sign, start + end), True))
    return sign + 1


def parse_domain_spec(text: str, start: int = 0) -> tuple[MacroString, list[Fault]]:
    """domain-spec = macro-string domain-end; domain-end = ( "." toplabel [ "." ] ) / macro-expand (§7.1).

    Further fault kinds: ``ip-as-domain`` (an address where a name belongs) and ``bad-domain``.
    """
    parsed, faults = parse_macro_string(text, start)
    if faults or ("%" in text and _ends_in_macro(text)):
        return parsed, faults
    span = (start, start + len(text))
    if len(text) < 50 and _ADDRESS_LIKE.fullmatch(text):
        kind = "ip6" if ":" in text else "ip4"
        detail = f"{text} is an address where a name belongs; write {kind}:{text}"
        return parsed, [Fault("ip-as-domain", detail, span, True)]
    _, dot, label = text.removesuffix(".").rpartition(".")
    if not dot:
        why = f"{text[:80]!r} is a single label; a name of two labels or more is needed"
    elif not _is_toplabel(label):
        why = f"{text[-80:]!r} does not end in a valid top-level label ({label[-40:]!r})"
    else:
        return parsed, faults
    return parsed, [Fault("bad-domain", why, span, True)]


def _is_toplabel(label: str) -> bool:
    """toplabel = ( *alphanum ALPHA *alphanum ) / ( 1*alphanum "-" *( alphanum / "-" ) alphanum ): never all digits."""
    return _LABEL.fullmatch(label) is not None and not label.isdigit()


def _ends_in_macro(text: str) -> bool:
    """True if the last thing in a fault-free macro-string is a macro-expand."""
    end = 0
    for match in _EXPAND.finditer(text):
        end = match.end()
    return 0 < end == len(text)


def expand(string: MacroString, context: MacroContext) -> str:
    """The expansion, as text."""
    return "".join(p if isinstance(p, str) else _transformed(p, context.value(p.letter)) for p in string.pieces)


def expand_name(string: MacroString, context: MacroContext) -> str:
    """The expansion as a domain name (§7.3)."""
    return _name(expand(string, context))


def literal_name(string: MacroString) -> str:
    """The expansion of a literal macro-string as a domain name: the same for every client and sender."""
    text = string.text
    return _name("".join([piece for piece in string.pieces if isinstance(piece, str)]) if "%" in text else text)


def _name(text: str) -> str:
    """No final dot, cut from the left to 253 octets at a dot (§7.3)."""
    name = text.removesuffix(".")
    while len(name) > NAME_OCTETS and "." in name:
        name = name.partition(".")[2]
    return name


def _transformed(macro: Macro, value: str) -> str:
    """Split at the delimiters, reverse, keep the right-hand parts, join with dots, escape (§7.3)."""
    if macro.parts or macro.reverse or macro.delimiters:
        parts = re.split(f"[{re.escape(macro.delimiters or '.')}]", value)
        if macro.reverse:
            parts.reverse()
        value = ".".join(parts[-macro.parts :])
    return quote(value, safe="", errors="surrogatepass") if macro.escaped else value
