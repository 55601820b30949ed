"""The DMARC Policy Record (RFC 9989 §4.7, §4.8): one TXT text in, the record and every fault in it out.

Never raises. The record keeps what the law makes of the text (a tag with a syntax error has its default) and the
faults say where the text departs from it. Which record applies to a domain is `discover`'s business.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from deliverkit.protocols.fault import Fault
from deliverkit.protocols.taglist import TYPOGRAPHIC, Tag, TagList, parse_taglist
from deliverkit.protocols.uri import ReportUri, parse_uri_list

POLICIES = ("none", "quarantine", "reject")  # from the weakest to the strongest
KNOWN_TAGS = ("v", "p", "sp", "np", "adkim", "aspf", "fo", "psd", "rua", "ruf", "t")
REMOVED_TAGS = {  # RFC 9989 §C.5.2; receivers still on RFC 7489 read them
    "pct": "100",
    "rf": "afrf",
    "ri": "86400",
}
_VERSION = re.compile(r"[Vv][ \t]*=[ \t]*DMARC1[ \t]*(?:;|$)")  # RFC 9989 §4.8: the value is case-sensitive
_NEARLY = re.compile(rf"[\s\"'{TYPOGRAPHIC}]*v\s*[=:]?\s*[\"']?\s*DMARC", re.IGNORECASE)
_SWALLOWED = re.compile(r"[\s,]((?:np|sp|p|rua|ruf|adkim|aspf|fo|pct|psd|rf|ri|t)\s*=)", re.IGNORECASE)
_FO_PAIRS = ("0", "1", "d", "s", "d:s", "s:d")  # RFC 9989 §4.8; RFC 7489 allowed any list


@dataclass(frozen=True)
class DmarcRecord:
    """What a receiver makes of one text.

    ``version_ok`` is False for a text that receivers ignore altogether. ``p``, ``sp`` and ``np`` are None when absent
    or invalid; `broken_policies` tells the invalid ones. ``t`` is the test mode, ``rua`` and ``ruf`` hold invalid
    URIs too.
    """

    text: str
    version_ok: bool
    p: str | None
    sp: str | None
    np: str | None
    adkim: str
    aspf: str
    fo: tuple[str, ...]
    psd: str
    t: bool
    rua: tuple[ReportUri, ...]
    ruf: tuple[ReportUri, ...]
    tags: TagList
    faults: tuple[Fault, ...]

    @functools.cached_property  # every DMARC rule asks
    def broken_policies(self) -> tuple[str, ...]:
        """Those of sp and np that are there and invalid; they void the policy as a whole (RFC 9989 §4.10.1)."""
        return tuple(name for name in ("sp", "np") if self.tags.get(name) and not getattr(self, name))

    @property
    def policy_valid(self) -> bool:
        """True if the record states a policy: a valid p, and no invalid sp or np."""
        return self.p is not None and not self.broken_policies

    @functools.cached_property
    def reports_to(self) -> tuple[ReportUri, ...]:
        """The valid URIs of rua."""
        return tuple(uri for uri in self.rua if uri.valid)

    @property
    def applies(self) -> bool:
        """False if receivers apply no DMARC: no valid policy and nobody to report to (RFC 9989 §4.10.1)."""
        return self.version_ok and (self.policy_valid or bool(self.reports_to))

    def to_json(self) -> dict[str, object]:
        """The record as a reader of JSON wants it: the text, what the law makes of it, and the faults."""
        plain = {name: getattr(self, name) for name in ("text", "p", "sp", "np", "adkim", "aspf", "fo", "psd", "t")}
        plain["rua"] = [uri.text for uri in self.rua]
        plain["ruf"] = [uri.text for uri in self.ruf]
        return {**plain, "valid": self.applies, "faults": self.faults}

    def asked(self, tag: str) -> tuple[str, str]:
        """The policy asked for by p, sp or np, and the tag it is taken from (np falls back to sp, sp to p)."""
        if not self.policy_valid:
            return "none", "rua"  # RFC 9989 §4.10.1: as if the record said p=none
        for name in {"np": ("np", "sp", "p"), "sp": ("sp", "p"), "p": ("p",)}[tag]:
            value = getattr(self, name)
            if value:
                return value, name
        raise AssertionError("a valid policy has p")

    def span(self, tag: str) -> tuple[int, int] | None:
        """Where a tag stands, for pointing at it."""
        found = self.tags.get(tag)
        return found.span if found else None

    def faults_of(self, *kinds: str) -> tuple[Fault, ...]:
        """The faults of these kinds, in their order in the text."""
        return tuple(fault for fault in self.faults if fault.kind in kinds)


def is_dmarc(text: str) -> bool:
    """True if receivers take the text for a DMARC record (RFC 9989 §4.10 step 2)."""
    return bool(_VERSION.match(text))


def looks_like_dmarc(text: str) -> bool:
    """True if somebody meant the text to be a DMARC record, valid or not."""
    return bool(_NEARLY.match(text)) or (
        re.search(r"(?:^|;)\s*p\s*=\s*(?:none|quarantine|reject)\b", text, re.IGNORECASE) is not None
        and "dmarc" in text.casefold()
    )


@functools.lru_cache(maxsize=1024)
def parse_dmarc(text: str) -> DmarcRecord:
    """Read a DMARC record. Records are shared: those that are read several times are parsed once.

    Fault kinds beside those of `parse_taglist`: ``version`` (fatal), ``missing-semicolon``, ``invalid-policy``,
    ``invalid-value``, ``fo-combination``, ``fo-without-ruf``, ``removed-tag``, ``unknown-tag``, ``policy-not-second``
    and the ``uri-…`` kinds of `parse_uri_list`.
    """
    tags = parse_taglist(text, fold_names=True)
    first = {tag.name: tag for tag in reversed(tags.tags)}  # the first of its name wins
    faults = [*_version_faults(text, tags), *tags.faults]

    def choice(name: str, allowed: tuple[str, ...], kind: str = "invalid-value") -> str | None:
        tag = first.get(name)
        value = tag.value.lower() if tag else None
        if tag is None or value in allowed:
            return value
        faults.append(_value_fault(tag, allowed, kind))
        return None

    def uris(name: str) -> tuple[ReportUri, ...]:
        tag = first.get(name)
        listed = parse_uri_list(tag.value, tag.value_span[0]) if tag else ()
        faults.extend(fault for uri in listed for fault in uri.faults)
        return listed

    record = DmarcRecord(
        text=text,
        version_ok=is_dmarc(text),
        p=choice("p", POLICIES, "invalid-policy"),
        sp=choice("sp", POLICIES, "invalid-policy"),
        np=choice("np", POLICIES, "invalid-policy"),
        adkim=choice("adkim", ("r", "s")) or "r",
        aspf=choice("aspf", ("r", "s")) or "r",
        fo=_failure_options(first, faults.append),
        psd=choice("psd", ("y", "n", "u")) or "u",
        t=choice("t", ("y", "n")) == "y",
        rua=uris("rua"),
        ruf=uris("ruf"),
        tags=tags,
        faults=(),
    )
    faults.extend(_tag_faults(tags))
    return replace(record, faults=tuple(sorted(faults, key=lambda fault: fault.span)))


def _version_faults(text: str, tags: TagList) -> Iterator[Fault]:
    """Why receivers ignore the whole text (RFC 9989 §4.7 "v": first, and to the letter)."""
    if is_dmarc(text):
        return
    stripped = text.lstrip()
    version = tags.get("v")
    if is_dmarc(stripped):
        yield Fault("version", "blanks in front of v=DMARC1", (0, len(text) - len(stripped)), fatal=True)
    elif version is None:
        span = (0, min(len(text), 8))
        yield Fault("version", "the record does not start with v=DMARC1", span, fatal=True)
    elif version is not tags.tags[0]:
        yield Fault("version", "v=DMARC1 is not the first tag", version.span, fatal=True)
    elif version.value.upper() == "DMARC1" and version.value != "DMARC1":
        detail = f"the version is written {version.value}; it must be DMARC1 in capitals"
        yield Fault("version", detail, version.value_span, fatal=True)
    elif re.match(r"DMARC1[\s,]", version.value):
        yield Fault("version", "no semicolon after v=DMARC1", version.value_span, fatal=True)
    elif version.value == "DMARC1":  # "v=DMARC1" was right, but something stands before it or in it
        yield Fault("version", "the record does not start with v=DMARC1", version.span, fatal=True)
    else:
        yield Fault("version", f"the version is {version.value!r}, not DMARC1", version.value_span, fatal=True)


def _value_fault(tag: Tag, allowed: tuple[str, ...], kind: str) -> Fault:
    swallowed = _SWALLOWED.search(tag.value)
    if swallowed:
        place = (tag.value_span[0], tag.value_span[0] + swallowed.end())
        return Fault("missing-semicolon", f"no semicolon between {tag.name} and {swallowed[1]}", place)
    shown = tag.value if len(tag.value) <= 40 else tag.value[:39] + "…"
    choices = f"{', '.join(allowed[:-1])} or {allowed[-1]}"
    detail = f"{tag.name}={shown} is invalid: {choices} was expected"
    return Fault(kind, detail, tag.span if tag.value == "" else tag.value_span)


def _failure_options(first: dict[str, Tag], note: Callable[[Fault], None]) -> tuple[str, ...]:
    """The fo tag (RFC 9989 §4.7): ignored without ruf; lists as RFC 7489 allowed them are still understood."""
    tag = first.get("fo")
    if tag is None:
        return ("0",)
    options = tuple(option.strip().lower() for option in tag.value.split(":"))
    if any(option not in ("0", "1", "d", "s") for option in options):
        note(_value_fault(tag, _FO_PAIRS, "invalid-value"))
        return ("0",)
    if "ruf" not in first:
        note(Fault("fo-without-ruf", "fo without ruf is ignored", tag.span))
    if ":".join(options) not in _FO_PAIRS:
        note(Fault("fo-combination", f"fo={tag.value} is a combination that RFC 9989 dropped", tag.span))
    return options


def _tag_faults(tags: TagList) -> Iterator[Fault]:
    """Tags that RFC 9989 removed or never knew, and p in a place where older receivers do not look."""
    unknown = 0
    for tag in tags.tags:
        if tag.name in REMOVED_TAGS:
            yield Fault("removed-tag", f"{tag.name} was removed by RFC 9989", tag.span)
        elif tag.name not in KNOWN_TAGS:
            unknown += 1
            guess = 1 < len(tag.name) <= 20 and unknown <= 10  # a hostile record may hold thousands
            meant = _probably(tag.name) if guess else ""
            yield Fault("unknown-tag", f"the tag {tag.name[:40]} is unknown and ignored{meant}", tag.span)
    policy = tags.get("p")
    if policy and len(tags.tags) > 1 and tags.tags[1] is not policy:  # RFC 7489 §6.4
        yield Fault("policy-not-second", "p does not follow v directly", policy.span)


def _probably(name: str) -> str:
    """The tag that an unknown name comes close to, in words."""
    from difflib import get_close_matches

    near = get_close_matches(name, KNOWN_TAGS, n=1, cutoff=0.6)
    return f"; {near[0]} was probably meant" if near else ""
