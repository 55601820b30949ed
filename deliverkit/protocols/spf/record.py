"""An SPF record as people wrote it: every term, and every fault with its place (RFC 7208 §4.5, §4.6, §5, §6).

    record    = version terms *SP            version   = "v=spf1"
    terms     = *( 1*SP ( directive / modifier ) )
    directive = [ qualifier ] mechanism      qualifier = "+" / "-" / "?" / "~"
    modifier  = redirect / explanation / unknown-modifier

The parser never raises and never stops at the first fault. What this file will not do: ask DNS, or say whether a
legal record is a wise one.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias

from deliverkit.protocols.fault import Fault
from deliverkit.protocols.spf.address import parse_ip4, parse_ip6
from deliverkit.protocols.spf.macro import MacroString, parse_domain_spec, parse_macro_string

MECHANISMS = frozenset({"all", "include", "a", "mx", "ptr", "ip4", "ip6", "exists"})
LOOKUP_TERMS = frozenset({"include", "a", "mx", "ptr", "exists", "redirect"})  # RFC 7208 §4.6.4
LONGEST_DETAIL = 200  # a term may be as long as the record
LARGEST_KEPT = 8192  # octets: larger records are read anew each time, for strangers write them and memory is ours
REPORTING_MODIFIERS = frozenset({"ra", "rp", "rr"})  # RFC 6652 §3


class Result(StrEnum):
    """The results of check_host (RFC 7208 §2.6)."""

    NONE = "none"
    NEUTRAL = "neutral"
    PASS = "pass"  # noqa: S105 - a result
    FAIL = "fail"
    SOFTFAIL = "softfail"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


QUALIFIERS = {"+": Result.PASS, "-": Result.FAIL, "~": Result.SOFTFAIL, "?": Result.NEUTRAL}  # §4.6.2


@dataclass(frozen=True, slots=True)
class Directive:
    """A qualifier and a mechanism. ``spec`` is the domain-spec where one stands; networks are integers."""

    text: str
    span: tuple[int, int]
    qualifier: str
    name: str
    spec: MacroString | None = None
    network: int = 0
    prefix4: int = 32
    prefix6: int = 128

    @property
    def result(self) -> Result:
        """The result of a match."""
        return QUALIFIERS[self.qualifier]


@dataclass(frozen=True, slots=True)
class Modifier:
    """``name=value``. ``value_span`` covers the value alone."""

    text: str
    span: tuple[int, int]
    name: str
    spec: MacroString
    value_span: tuple[int, int]


Term: TypeAlias = Directive | Modifier


@dataclass(frozen=True, slots=True)
class Record:
    """A record with its terms in order. Terms that carry a fatal fault are left out of ``terms``."""

    text: str
    terms: tuple[Term, ...]
    faults: tuple[Fault, ...]
    directives: tuple[Directive, ...] = field(default=())
    redirect: Modifier | None = None
    explanation: Modifier | None = None

    @property
    def fatal(self) -> Fault | None:
        """The first syntax error: anywhere in the record, it makes the result permerror (RFC 7208 §4.6)."""
        return next((fault for fault in self.faults if fault.fatal), None)

    @property
    def all(self) -> Directive | None:
        """The first ``all``: directives after it are never tried (§5.1)."""
        return next((d for d in self.directives if d.name == "all"), None)

    @property
    def reachable(self) -> tuple[Directive, ...]:
        """The directives up to and including the first ``all``."""
        last = self.all
        return self.directives if last is None else self.directives[: self.directives.index(last) + 1]

    @property
    def effective_redirect(self) -> Modifier | None:
        """The redirect, unless an ``all`` anywhere in the record switches it off (§6.1)."""
        return None if self.all else self.redirect


def is_spf(text: str) -> bool:
    """RFC 7208 §4.5: exactly ``v=spf1`` in any case, or ``v=spf1`` and a space. Leading blanks disqualify."""
    return text[:6].lower() == "v=spf1" and text[6:7] in ("", " ")


def select(texts: Iterable[str]) -> tuple[int, ...]:
    """The positions of the SPF records among the TXT records of a name (RFC 7208 §4.5)."""
    return tuple(index for index, text in enumerate(texts) if is_spf(text))


_HALF = re.compile(r"[-+~?]?(?:include|exists|ip4|ip6|a|mx|ptr):", re.IGNORECASE)
_OTHER_HALF = re.compile(
    r"(?![-+~?]?(?:include|exists|ip4|ip6|a|mx|ptr)[:/])[0-9A-Za-z_%][^=]*[.:][^=]*", re.IGNORECASE
)


def parse_record(text: str) -> Record:
    """Parse one record that `is_spf` selected. Records are shared by many domains: parsed once, kept."""
    return _kept(text) if len(text) <= LARGEST_KEPT else _read(text)


def _read(text: str) -> Record:
    reader = _Reader(text)
    if not is_spf(text):
        reader.fault("no-version", "the record does not begin with v=spf1 and a space", 0, min(len(text), 6))
    words, at = [], 6
    for word in text[6:].split(" "):
        if word:
            words.append((word, at))
        at += len(word) + 1
    cut = False  # this word is the second half of a term that was cut in two
    for place, (word, start) in enumerate(words):
        if word[-1] == ":" and _HALF.fullmatch(word):
            after, begins = words[place + 1] if place + 1 < len(words) else ("", 0)
            if _OTHER_HALF.fullmatch(after):
                reader.cut_in_two(word, after, start, begins + len(after))
                cut = True
                continue
        if not cut and not reader.plain(word, start):
            reader.term(word, start)
        cut = False
    return reader.record()


_kept = functools.lru_cache(maxsize=4096)(_read)
functools.update_wrapper(parse_record, _read, assigned=(), updated=())


def forget() -> None:
    """Forget every record that was read (for measurements)."""
    _kept.cache_clear()


# names without macros that end in letters: a toplabel (§7.1), and no address
PLAIN_NAME = r"(?:[A-Za-z0-9_-]+\.)+[A-Za-z]{2,}"
PLAIN = re.compile(rf"([-+~?]?)(?:(include|a|mx|exists):({PLAIN_NAME})|(all|a|mx))")
_PREFIXES = {str(length): length for length in range(129)}


def plain_network(text: str) -> tuple[int, int, int] | None:
    """Family, network and prefix length of a term such as ``ip4:192.0.2.0/24``, as nearly all are written."""
    kind = text[:4]
    if kind == "ip4:":
        address, slash, digits = text[4:].partition("/")
        number = parse_ip4(address)
        prefix = _PREFIXES.get(digits, 99) if slash else 32
        return (4, number, prefix) if number is not None and prefix <= 32 else None
    if kind == "ip6:":
        address, slash, digits = text[4:].partition("/")
        number = parse_ip6(address)
        prefix = _PREFIXES.get(digits, 999) if slash else 128
        return (6, number, prefix) if number is not None and prefix <= 128 else None
    return None


class _Reader:
    """Collects terms and faults while a record is read from left to right."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.clean = text.isascii() and text.isprintable()  # visible US-ASCII and spaces
        self.terms: list[Term] = []
        self.directives: list[Directive] = []
        self.faults: list[Fault] = []
        self.modifiers: set[str] = set()  # redirect and exp that were met, and the first of each without a fault:
        self.named: dict[str, Modifier] = {}

    def fault(self, kind: str, detail: str, start: int, end: int, *, fatal: bool = True) -> None:
        detail = detail if len(detail) <= LONGEST_DETAIL else f"{detail[: LONGEST_DETAIL - 1]}…"
        self.faults.append(Fault(kind, detail, (start, end), fatal))

    def record(self) -> Record:
        return Record(
            self.text,
            tuple(self.terms),
            tuple(sorted(self.faults, key=lambda f: f.span)),
            tuple(self.directives),
            self.named.get("redirect"),
            self.named.get("exp"),
        )

    def directive(self, directive: Directive) -> None:
        self.terms.append(directive)
        self.directives.append(directive)

    def plain(self, text: str, start: int) -> bool:
        """Read a term that is written as nearly all are; False leaves it to `term`, which would read it alike."""
        span, network = (start, start + len(text)), plain_network(text)
        if network:
            prefixes = (network[2], 128) if network[0] == 4 else (32, network[2])
            self.directive(Directive(text, span, "+", text[:3], None, network[1], *prefixes))
            return True
        match = PLAIN.fullmatch(text)
        if match is None:
            return False
        qualifier, kind, name, bare = match.groups()
        spec = MacroString(name, (name,)) if name else None
        self.directive(Directive(text, span, qualifier or "+", kind or bare, spec))
        return True

    def cut_in_two(self, head: str, tail: str, start: int, end: int) -> None:
        """``include: example.com``: a space after the colon, which makes two broken terms of one."""
        self.fault("stray-space", f"no space belongs into a term: write {head}{tail}", start, end)

    def term(self, text: str, start: int) -> None:
        """Read one term: a modifier has its "=" before any ":" or "/" (§4.6.1), everything else is a directive."""
        if not self.clean and self._foreign_characters(text, start):
            return
        modifier = re.match(r"([A-Za-z][A-Za-z0-9\-_.]*)=", text) if "=" in text else None
        if modifier:
            self._modifier(text, start, modifier[1])
        else:
            self._directive(text, start)

    def _foreign_characters(self, text: str, start: int) -> bool:
        """Records are visible US-ASCII and spaces (RFC 7208 §3.1, §7.1 macro-literal)."""
        bad = re.search(r"[^\x21-\x7e]+", text)
        if bad is None:
            return False
        shown = bad[0].encode("ascii", "backslashreplace").decode("ascii")
        if re.search("[\u201c\u201d\u201e\u2018\u2019\u00ab\u00bb\uff02]", bad[0]):
            kind, detail = "typographic-quote", f"a typographic quotation mark ({shown})"
        elif re.search("[\u2010-\u2015\u2212]", bad[0]):
            kind, detail = "non-ascii", f"a typographic dash ({shown}) in place of a hyphen"
        elif bad[0].isascii():
            names = {"\t": "a tab", "\r": "a carriage return", "\n": "a line feed"}
            kind = "control-character"
            detail = f"{names.get(bad[0], f'control characters ({bad[0]!r})')}; only spaces may stand between terms"
        else:
            kind, detail = "non-ascii", f"characters that are not US-ASCII ({shown})"
        self.fault(kind, detail, start + bad.start(), start + bad.end())
        return True

    # -- modifiers (§6) ---------------------------------------------------------------------------------

    def _modifier(self, text: str, start: int, name: str) -> None:
        """name = ALPHA *( ALPHA / DIGIT / "-" / "_" / "." ); unknown ones are ignored, their macros are not."""
        value, at, end = text[len(name) + 1 :], start + len(name) + 1, start + len(text)
        kind = name.lower()
        if kind not in ("redirect", "exp"):
            self._unknown_modifier(name, value, text, start)
            return
        if kind in self.modifiers:  # §6
            self.fault("repeated-modifier", f"{kind}= stands more than once", start, end)
        self.modifiers.add(kind)
        if not value:  # §6.1, §6.2: domain-spec is not optional
            self.fault("empty-argument", f"{kind}= names no domain", start, end)
            return
        spec = self._domain_spec(value, at)
        if spec:
            modifier = Modifier(text, (start, end), kind, spec, (at, end))
            self.terms.append(modifier)
            self.named.setdefault(kind, modifier)

    def _unknown_modifier(self, name: str, value: str, text: str, start: int) -> None:
        """unknown-modifier = name "=" macro-string (§6); ``include=`` is one, and so has no effect."""
        at, end = start + len(name) + 1, start + len(text)
        parsed, faults = parse_macro_string(value, at)
        faults = [f for f in faults if f.kind != "exp-only-macro"]  # the grammar has no such bound here
        self.faults.extend(faults)
        if name.lower() in MECHANISMS:
            detail = f"{text} is an unknown modifier and is ignored: the mechanism is written {name}:{value}"
            self.fault("mechanism-with-equals", detail, start, end, fatal=False)
        elif text.lower() == "v=spf1":
            detail = "v=spf1 stands a second time: two records were pasted into one"
            self.fault("second-version", detail, start, end, fatal=False)
        elif name.lower() not in REPORTING_MODIFIERS:
            self.fault("unknown-modifier", f"{name}= is no known modifier and is ignored", start, end, fatal=False)
        if not faults:
            self.terms.append(Modifier(text, (start, end), name.lower(), parsed, (at, end)))

    # -- directives (§4.6.2, §5) ------------------------------------------------------------------------

    def _directive(self, text: str, start: int) -> None:
        qualifier = text[0] if text[0] in QUALIFIERS else ""
        body = text[len(qualifier) :]
        name = body.partition(":")[0].partition("/")[0]
        rest, at = body[len(name) :], start + len(qualifier) + len(name)
        kind = name.lower()
        if kind not in MECHANISMS:
            self._unknown_mechanism(text, start, name, rest)
            return
        if kind == "all":
            fields = self._bare(rest, at)
        elif kind in ("ip4", "ip6"):
            fields = self._network(kind, rest, at)
        elif kind in ("a", "mx"):
            fields = self._host(kind, rest, at)
        else:
            fields = self._target(kind, rest, at)
        if fields is not None:
            span = (start, start + len(text))
            self.directive(Directive(text, span, qualifier or "+", kind, **fields))

    def _bare(self, rest: str, at: int) -> dict[str, Any] | None:
        """all = "all" (§5.1)"""
        if rest:
            self.fault("unexpected-argument", f"all takes no argument, here {rest!r}", at, at + len(rest))
            return None
        return {}

    def _target(self, kind: str, rest: str, at: int) -> dict[str, Any] | None:
        """include = "include" ":" domain-spec; exists alike; ptr = "ptr" [ ":" domain-spec ] (§5.2, §5.7, §5.5)"""
        if not rest and kind == "ptr":
            return {}
        if not rest:
            self.fault("missing-argument", f"{kind} needs a domain: {kind}:example.com", at - len(kind), at)
            return None
        if rest[0] == "/":
            self.fault("unexpected-argument", f"{kind} takes no prefix length ({rest})", at, at + len(rest))
            return None
        spec = self._domain_spec(rest[1:], at + 1, kind)
        return {"spec": spec} if spec else None

    def _host(self, kind: str, rest: str, at: int) -> dict[str, Any] | None:
        """a = "a" [ ":" domain-spec ] [ dual-cidr-length ]; mx alike (§5.3, §5.4)"""
        # dual-cidr-length = [ ip4-cidr-length ] [ "/" ip6-cidr-length ], at the very end of the term
        match = re.fullmatch(r"(.*?)(?:/([0-9]+))?(?://([0-9]+))?", rest)
        assert match is not None  # every group may be empty
        argument, four, six = match.groups()
        if argument and argument[0] != ":":  # a slash that begins no prefix length
            detail = f"{rest!r} is no prefix length; {kind}/24, {kind}//64 and {kind}/24//64 are"
            self.fault("bad-prefix", detail, at, at + len(rest))
            return None
        fields: dict[str, Any] = {}
        for digits, limit, key, group in ((four, 32, "prefix4", 2), (six, 128, "prefix6", 3)):
            if digits is not None:
                fields[key] = self._prefix(digits, limit, at + match.start(group))
        if argument:
            fields["spec"] = self._domain_spec(argument[1:], at + 1, kind)
        return None if None in fields.values() else fields

    def _network(self, kind: str, rest: str, at: int) -> dict[str, Any] | None:
        """ip4 = "ip4" ":" ip4-network [ ip4-cidr-length ]; ip6 alike (§5.6)"""
        example = "192.0.2.1" if kind == "ip4" else "2001:db8::1"
        if len(rest) < 2 or rest[0] != ":":
            self.fault("missing-argument", f"{kind} needs an address: {kind}:{example}", at - len(kind), at + len(rest))
            return None
        if self._missing_space(rest[1:], at + 1):
            return None
        text, slash, digits = rest[1:].partition("/")
        number = parse_ip4(text) if kind == "ip4" else parse_ip6(text)
        limit, key = (32, "prefix4") if kind == "ip4" else (128, "prefix6")
        if number is None:
            self.fault(f"bad-{kind}", _why_no_address(kind, text), at + 1, at + 1 + len(text))
            return None
        prefix = self._prefix(digits, limit, at + 2 + len(text)) if slash else limit
        return None if prefix is None else {"network": number, key: prefix}

    def _prefix(self, digits: str, limit: int, at: int) -> int | None:
        """ip4-cidr-length = "/" ("0" / %x31-39 0*1DIGIT), 0 to 32; ip6-cidr-length alike, 0 to 128"""
        span = (at, at + len(digits))
        if not digits.isascii() or not digits.isdigit():
            self.fault("bad-prefix", f"{digits!r} is no prefix length (0 to {limit})", *span)
        elif len(digits) > 1 and digits[0] == "0":
            self.fault("leading-zero", f"the prefix length {digits} begins with a zero", *span)
        elif len(digits) > 3 or int(digits) > limit:
            self.fault("bad-prefix", f"the prefix length {digits} is more than {limit}", *span)
        else:
            return int(digits)
        return None

    def _domain_spec(self, text: str, at: int, kind: str = "") -> MacroString | None:
        """domain-spec = macro-string domain-end (§7.1)"""
        if not text:
            self.fault("empty-argument", f"no domain after {kind}:", at - 1 - len(kind), at)
            return None
        spec, faults = parse_domain_spec(text, at)
        if any(f.kind == "bad-domain" for f in faults) and self._missing_space(text, at):
            return None
        self.faults.extend(faults)
        return None if faults else spec

    # -- what people write instead ----------------------------------------------------------------------

    def _missing_space(self, text: str, at: int) -> bool:
        """``ip4:192.0.2.1~all``: the next term stands in this one."""
        match = re.search(r"[-~?+]all$", text, re.IGNORECASE) if text[-3:].lower() == "all" else None
        if not match or not match.start():
            return False
        self.fault("missing-space", f"no space before {match[0]}", at + match.start(), at + match.end())
        return True

    def _unknown_mechanism(self, text: str, start: int, name: str, rest: str) -> None:
        span = (start, start + len(text))
        bare = name.strip("\"';,.<>()").lower()
        if name.lower() in ("redirect", "exp") and rest[:1] == ":":  # §4.6.1: modifiers have "="
            self.fault("modifier-with-colon", f"{name} is a modifier: write {name.lower()}={rest[1:]}", *span)
        elif re.match(r"[-+~?](redirect|exp)=", text, re.IGNORECASE):
            self.fault("qualifier-on-modifier", f"a modifier takes no qualifier: write {text[1:]}", *span)
        elif text.strip("\"';,") != text and (bare in MECHANISMS or not bare):
            self.fault("stray-punctuation", f"{text!r}: terms are separated by spaces and nothing else", *span)
        elif self._missing_space(text, start):
            return
        elif _ADDRESS.fullmatch(text.lstrip("+-~?")):
            self.fault(
                "bare-address", f"{text} is an address without its mechanism: write ip4:{text.lstrip('+-~?')}", *span
            )
        else:
            self.fault("unknown-mechanism", _why_no_mechanism(text, name, bare), *span)


_BARE_NAME = re.compile(r"(?!(?:include|ip4|ip6|ip)\.)(?:[a-z0-9_][a-z0-9_-]*\.)+[a-z]{2,}", re.IGNORECASE)
_ADDRESS = re.compile(r"\d{1,3}(\.\d{1,3}){3}(/\d+)?")
_MEANT = {
    "ip": "ip4", "ipv": "ip4", "ipv4": "ip4", "ipv6": "ip6", "ip-4": "ip4", "ip-6": "ip6", "inlcude": "include",
    "includes": "include", "includ": "include", "nclude": "include", "inclde": "include", "incude": "include",
    "prt": "ptr", "mxs": "mx", "exist": "exists",
    "al": "all", "a11": "all", "alll": "all", "host": "a", "ipv4ip": "ip4", "redirct": "redirect=",
}  # fmt: skip


def _why_no_mechanism(text: str, name: str, bare: str) -> str:
    if bare == "aaaa":
        return "'aaaa' is no mechanism: a covers IPv6 addresses too"
    if bare in _MEANT:
        return f"{name!r} is no mechanism: {_MEANT[bare]} is meant"
    if bare.startswith("all") and len(bare) > 3:
        return f"{text!r}: something else runs into all; another text was pasted behind it"
    if _BARE_NAME.fullmatch(text):
        return f"{text} is a name without its mechanism: write include:{text}, or a:{text} if it is one server"
    return f"{name!r} is no mechanism" if name else f"{text!r} names no mechanism"


def _why_no_address(kind: str, text: str) -> str:
    if not text:
        return f"no address after {kind}:"
    if kind == "ip4" and parse_ip6(text) is not None:
        return f"{text} is an IPv6 address: write ip6:{text}"
    if kind == "ip6" and parse_ip4(text) is not None:
        return f"{text} is an IPv4 address: write ip4:{text}"
    if "," in text or ";" in text:
        return f"{text!r}: each address needs a term of its own"
    return f"{text!r} is no {'IPv4' if kind == 'ip4' else 'IPv6'} address"
