"""An SPF record as it was meant: mends what DNS editors and copying break, and checks what it mended.

Every function returns a record that parses without a fatal fault, or None. What this file will not do: guess a domain
or an address that is not written there.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable

from deliverkit.protocols.spf.address import parse_ip4, parse_ip6
from deliverkit.protocols.spf.record import Directive, Modifier, Record, is_spf, parse_record

_WRAPPING = "\"'`;,<>()\u201c\u201d\u201e\u2018\u2019\u00ab\u00bb\u200b\u200e\ufeff\uff02"
_QUOTES = '["\u201c\u201d\u201e\u2018\u2019\u00ab\u00bb\uff02]'
_DASHES = "[\u2010-\u2015\u2212\ufe63\uff0d]"
_LONGEST_MENDED = 300
_ALIASES = {
    "ip": "ip4", "ipv": "ip4", "ipv4": "ip4", "ip-4": "ip4", "ipv6": "ip6", "ip-6": "ip6", "includes": "include",
    "inlcude": "include", "inclde": "include", "incude": "include", "includ": "include", "nclude": "include",
    "mxs": "mx", "exist": "exists", "host": "a", "aaaa": "a", "prt": "ptr", "al": "all", "alll": "all",
}  # fmt: skip
_MECHANISM = r"(?:include:|exists:|ip[46]:|(?:a|mx|ptr)(?:[:/ ]|$)|[-~?+]?all(?: |$)|redirect=)"
_FOREIGN = re.compile(r"(?:[-~?+]?all)?_?((?:[a-z0-9_-]+-verification|ms|em|zoho|protonmail|_globalsign\S*)=.+)", re.I)
"""The text of another TXT record, such as a proof of ownership, that was pasted behind this one."""
_ALL = re.compile("[-~?+]?all", re.IGNORECASE)
_TAKES_NAME = "include|ip4|ip6|exists|a|mx|ptr"


def repaired(text: str, joins: Iterable[int] = ()) -> str | None:
    """The record with a space at each of ``joins`` and every broken term mended, or None if one cannot be."""
    for place in sorted(joins, reverse=True):
        text = f"{text[:place]} {text[place:]}"
    core = re.sub(r"[\s\u00a0;,]+", " ", text.strip(_WRAPPING + " \t\r\n")).strip()
    core = re.sub(_DASHES, "-", core)
    core = re.sub(
        r"^v\s*[=:]\s*(?:spf|sfp|psf)\s*[1lI]?0?(?![A-Za-z0-9]*[.:])\s*", "v=spf1 ", core, flags=re.IGNORECASE
    )
    core = re.sub(r"^spf1?\s+", "v=spf1 ", core, flags=re.IGNORECASE)
    core = re.sub(rf"^v=spf1(?={_MECHANISM})", "v=spf1 ", core, flags=re.IGNORECASE)
    core = re.sub(rf"\b({_TAKES_NAME}): +(?!{_MECHANISM})(?=[^ ]*[.:])", r"\1:", core, flags=re.IGNORECASE)
    core = re.sub(r"([-~?+]all)(?=v=spf1 )", r"\1 ", core, flags=re.IGNORECASE)
    if not is_spf(core):
        return None
    words = [word for word in core.split(" ")[1:] if word]
    terms = [mended(word) for word in words if word.lower() != "v=spf1"]
    if None in terms:
        return None
    kept = [part for term in terms if term for part in term.split(" ")]
    glued = re.fullmatch(r"(include:.+\.[a-z]{2,})([-~?+]all)", kept[-1], re.IGNORECASE) if kept else None
    if glued:  # a lawful name, but here nobody means it
        kept[-1:] = glued.groups()
    if "v=spf1" in map(str.lower, words):  # two records pasted into one
        kept = _one_end(kept)
    whole = " ".join(["v=spf1", *dict.fromkeys(kept)])
    return whole if _sound(whole) else None


def _one_end(terms: list[str]) -> list[str]:
    """The terms each once, and the mildest ``all`` behind them."""
    ends = [term for term in terms if _ALL.fullmatch(term)]
    return [*dict.fromkeys(term for term in terms if term not in ends), *sorted(ends, key=_severity)[:1]]


def _severity(end: str) -> int:
    return "+?~-".index(end[0] if end[0] in "+?~-" else "+")


def foreign(text: str) -> tuple[str, ...]:
    """The texts of other TXT records that were pasted into this one."""
    words = re.split(r"[\s;]+", text)
    return tuple(found[1] for word in words if (found := _FOREIGN.fullmatch(word.strip(_WRAPPING))))


def mended(term: str) -> str | None:
    """One term as it was meant; an empty text if nothing of it is left."""
    term = term.strip(_WRAPPING)
    pasted = _FOREIGN.fullmatch(term)
    if pasted:
        return term[: pasted.start(1)].rstrip("_")
    if not term or _sound(f"v=spf1 {term}"):
        return term
    if len(term) > _LONGEST_MENDED:
        return None
    term = re.sub(_QUOTES, "", term)
    split = re.fullmatch(r"(.+?)([-~?+]all)", term, re.IGNORECASE)
    if split and (left := mended(split[1])):
        return f"{left} {split[2]}"
    qualifier = term[0] if term[0] in "+-~?" else ""
    name, sign, value = re.fullmatch(r"([^:=/]*)([:=/]?)(.*)", term[len(qualifier) :], re.DOTALL).groups()  # type: ignore[union-attr]
    name = _ALIASES.get(name.lower(), name.lower())
    network = _network(value) if name in ("ip4", "ip6", "a", "mx", "include") else None
    network = network or _network(re.sub(r"^(?:ip[46]?[:.]*)+", "", term[len(qualifier) :], flags=re.IGNORECASE))
    if name in ("redirect", "exp"):
        tried = f"{name}={value}"
    elif network:
        tried = f"{qualifier}{network}"
    else:
        tried = _without_zeros(f"{qualifier}{name}{sign}{value}")
    return tried if _sound(f"v=spf1 {tried}") else None


def _network(text: str) -> str | None:
    """``ip4:…`` or ``ip6:…`` for an address with or without a prefix length; leading zeros are dropped."""
    address, slash, prefix = text.partition("/")
    prefix = prefix.lstrip("0") or "0" if slash else ""
    kind = "ip4" if parse_ip4(address) is not None else "ip6" if parse_ip6(address) is not None else None
    return f"{kind}:{address}{slash}{prefix}" if kind else None


def _without_zeros(term: str) -> str:
    return re.sub(r"(?<=/)0+(?=\d)", "", term)


def _sound(text: str) -> bool:
    return parse_record(text).fatal is None


# -- records made out of others ---------------------------------------------------------------------------


def merged(records: Iterable[Record]) -> str | None:
    """Several records as one: each term once, in order, and the mildest of their ``all``."""
    every = list(records)
    if any(record.fatal for record in every):
        return None
    terms = dict.fromkeys(
        term.text
        for record in every
        for term in record.terms
        if not (isinstance(term, Directive) and term.name == "all") and not _is_redirect(term)
    )
    redirects = {term.text for record in every for term in record.terms if _is_redirect(term)}
    strictness = "-~?+"
    endings = [record.all.qualifier for record in every if record.all]
    if endings:
        last = [f"{max(endings, key=strictness.index)}all"]
    elif len(redirects) == 1:
        last = sorted(redirects)
    else:
        last = [] if redirects else ["~all"]
    return None if redirects and not last else " ".join(["v=spf1", *terms, *last])


def _is_redirect(term: Directive | Modifier) -> bool:
    return isinstance(term, Modifier) and term.name == "redirect"


def without(record: Record, spans: Iterable[tuple[int, int]]) -> str | None:
    """The record without the terms at these places; None if nobody would be left, for then all mail would fail."""
    left = replaced(record, dict.fromkeys(spans, ""))
    kept = parse_record(left or "v=spf1")
    return left if kept.redirect or any(directive.name != "all" for directive in kept.directives) else None


def replaced(record: Record, change: dict[tuple[int, int], str]) -> str | None:
    """The record with the terms at these places written differently; an empty text drops the term.

    None for a record with a broken term, which would be lost.
    """
    terms = (change.get(term.span, term.text) for term in record.terms)
    return None if record.fatal else " ".join(["v=spf1", *(term for term in terms if term)])


def spliced(text: str, change: dict[tuple[int, int], str]) -> str:
    """The text with these places written differently, whatever stands around them."""
    for (start, end), new in sorted(change.items(), reverse=True):
        text = text[:start] + new + text[end:]
    return text


def with_addresses(record: Record, addresses: Iterable[str]) -> str:
    """The record with these addresses passed, before everything that might match them otherwise."""
    return " ".join(["v=spf1", *map(network_term, addresses), *(term.text for term in record.terms)])


def network_term(address: str) -> str:
    """``ip4:…`` or ``ip6:…`` for one address; ip4 for an IPv4-mapped one (RFC 7208 §5)."""
    parsed = ipaddress.ip_address(address)
    plain = getattr(parsed, "ipv4_mapped", None) or parsed
    return f"ip{plain.version}:{plain}"
