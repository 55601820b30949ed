"""The networks an SPF record names: too wide, out of reach, or named already (RFC 7208 §5.6, §11.4)."""

from __future__ import annotations

import functools
from collections.abc import Iterator

from deliverkit.addresses import kind
from deliverkit.facts.domain import DomainFacts
from deliverkit.findings import Severity, finding
from deliverkit.protocols.spf.address import text_of
from deliverkit.protocols.spf.record import Directive, Record
from deliverkit.protocols.spf.tree import Branch, Node
from deliverkit.rules.registry import Findings, rule
from deliverkit.rules.spf.reading import at, by_record, here, one_record, own_terms, short, trimmed, txt, where
from deliverkit.rules.spf.repair import without

HUGE4, WIDE4 = 14, 18  # prefixes up to these: 262,144 and 16,384 addresses or more; large providers publish /15s
HUGE6, WIDE6 = 28, 31
TOLD = 6


@rule("SPF027", Severity.WARNING, "RFC 7208 §11.4")
def huge_range(facts: DomainFacts) -> Findings:
    """The SPF record passes a huge range of addresses.

    Why: whoever controls a single host in the range can send in the name of the domain and passes SPF.
    Fix: name the addresses that really send.
    """
    for node, branch, prefix, bits in _ranges(facts):
        if 0 < prefix <= (HUGE4 if bits == 32 else HUGE6):
            yield finding(_size(node, branch, prefix, bits), at=at(node, branch.term.span))


@rule("SPF028", Severity.NOTE, "RFC 7208 §11.4")
def wide_range(facts: DomainFacts) -> Findings:
    """The SPF record passes a wide range of addresses.

    Why: few organisations send from as many hosts; each of them can send in the name of the domain.
    Fix: name the addresses that really send.
    """
    for node, branch, prefix, bits in _ranges(facts):
        low, high = (HUGE4, WIDE4) if bits == 32 else (HUGE6, WIDE6)
        if low < prefix <= high:
            yield finding(_size(node, branch, prefix, bits), at=at(node, branch.term.span))


def _ranges(facts: DomainFacts) -> Iterator[tuple[Node, Branch, int, int]]:
    """Prefix length and bits of every range that the domain's own records pass, of those that can send mail."""
    for node, branch in own_terms(facts):
        term = branch.term
        if not isinstance(term, Directive) or term.qualifier != "+" or _unreachable(term):
            continue
        if term.name in ("ip4", "a", "mx"):
            yield node, branch, term.prefix4, 32
        if term.name in ("ip6", "a", "mx"):
            yield node, branch, term.prefix6, 128


def _size(node: Node, branch: Branch, prefix: int, bits: int) -> str:
    many = f"{2 ** (32 - prefix):,} addresses" if bits == 32 else f"a /{prefix} of IPv6"
    return f"{short(branch.term.text)} in {where(node.path)} passes {many}"


@rule("SPF029", Severity.WARNING, "RFC 7208 §5.6")
def range_nobody_sends_from(facts: DomainFacts) -> Findings:
    """The SPF record names addresses that no mail on the Internet comes from.

    Why: private, loopback and similar addresses never reach another mail server, so the term authorises nobody; usually
    the public address behind which the server stands was meant.
    Fix: replace it by the public address that the mail leaves from, or remove it.
    """
    told = [(node, branch) for node, branch in own_terms(facts) if _word(branch)]
    for node, branches in by_record(told):
        yield finding(
            "; ".join(f"{short(branch.term.text)} is {_word(branch)}" for branch in branches[:TOLD]),
            at=tuple(e for branch in branches[:TOLD] for e in at(node, branch.term.span)),
            records=trimmed(facts, node, branches),
        )


def _word(branch: Branch) -> str | None:
    return _unreachable(branch.term) if isinstance(branch.term, Directive) else None


def _unreachable(term: Directive) -> str | None:
    """What kind of network nobody sends from it is, or None."""
    if term.name not in ("ip4", "ip6"):
        return None
    if term.name == "ip6" and term.prefix6 >= 96 and term.network >> 32 == 0xFFFF:
        return "an IPv4-mapped address, and clients of that kind are compared with ip4 terms only (RFC 7208 §5)"
    family, prefix, bits = (4, term.prefix4, 32) if term.name == "ip4" else (6, term.prefix6, 128)
    return _space(family, term.network, prefix, bits)


@functools.lru_cache(maxsize=4096)
def _space(family: int, network: int, prefix: int, bits: int) -> str | None:
    """The kind of space a network lies in, if no part of it is public; three rules ask about each."""
    if prefix < (8 if family == 4 else 7):
        return None
    first = network >> (bits - prefix) << (bits - prefix)
    last = first | ((1 << (bits - prefix)) - 1)
    kinds = {kind(text_of(first, family)), kind(text_of(last, family))}
    return None if "public" in kinds else f"{kinds.pop()} space"


@rule("SPF030", Severity.NOTE, "RFC 7208 §4.6.4")
def overlapping_terms(facts: DomainFacts) -> Findings:
    """Terms of the SPF record repeat or cover each other.

    Why: they make the record longer and harder to maintain, and a repeated a, mx or include costs a lookup each time.
    Fix: remove the terms that say nothing new.
    """
    record = one_record(facts)
    covered = list(_covered(record))
    if covered:
        told = "; ".join(f"{short(later.text)} {how} {short(earlier.text)}" for later, how, earlier in covered[:TOLD])
        yield finding(
            told + (f"; and {len(covered) - TOLD} more" if len(covered) > TOLD else ""),
            at=tuple(e for later, _, _ in covered[:TOLD] for e in here(facts.spf, later.span)),
            records=txt(facts.name, without(record, [later.span for later, _, _ in covered])),
        )


def _covered(record: Record) -> Iterator[tuple[Directive, str, Directive]]:
    """Terms that an earlier or wider one of the same qualifier makes superfluous."""
    seen: dict[str, Directive] = {}
    networks: dict[str, list[Directive]] = {"ip4": [], "ip6": []}
    for directive in record.reachable:
        text = directive.qualifier + directive.text.lstrip("+-~?").lower()
        if text in seen:
            yield directive, "repeats", seen[text]
            continue
        seen[text] = directive
        if directive.name in networks:
            networks[directive.name].append(directive)
    order = {directive: place for place, directive in enumerate(record.reachable)}
    for name, directives in networks.items():
        for later, how, wide in _nested(directives, 32 if name == "ip4" else 128):
            between = record.reachable[order[later] : order[wide]]  # empty where the wide one comes first
            if all(directive.qualifier == wide.qualifier for directive in between):
                yield later, how, wide


def _nested(directives: list[Directive], bits: int) -> Iterator[tuple[Directive, str, Directive]]:
    """Networks inside a wider one: sorted by first address, the widest first, each is compared with its neighbour."""

    def prefix(directive: Directive) -> int:
        return directive.prefix4 if bits == 32 else directive.prefix6

    def bounds(directive: Directive) -> tuple[int, int]:
        free = bits - prefix(directive)
        first = directive.network >> free << free
        return first, first | ((1 << free) - 1)

    for qualifier in "+-~?":
        wide: Directive | None = None
        same = (d for d in directives if d.qualifier == qualifier and prefix(d))
        for directive in sorted(same, key=lambda d: (bounds(d)[0], prefix(d))):
            if wide is not None and bounds(directive)[1] <= bounds(wide)[1]:
                yield directive, "is inside", wide
            else:
                wide = directive
