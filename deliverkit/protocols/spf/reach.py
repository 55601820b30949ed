"""Which addresses a record passes: the exact set, for a record whose outcome depends on the client's address alone.

The set is a sorted tuple of ranges that do not touch. It is what `check_host` passes as long as the record stays within
the limits of RFC 7208 §4.6.4; those are counted in `tree`. What this file will not do: guess. Where a term depends on
the sender, or an answer is not known, there is no set.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Iterator
from itertools import groupby
from typing import TypeAlias

from deliverkit.protocols.spf.lookups import MAX_HOSTS
from deliverkit.protocols.spf.record import Directive
from deliverkit.protocols.spf.tree import Branch, Node, State

Ranges: TypeAlias = tuple[tuple[int, int], ...]
"""First and last address of each range, as integers."""

BITS = {4: 32, 6: 128}
MAX_TURNS = 40
"""Times that terms which pass and terms which do not take turns in one record; people write three."""
_TYPES = {4: "A", 6: "AAAA"}


def passing(node: Node, family: int) -> Ranges | None:
    """The addresses of a family (4 or 6) that the record at a node passes, or None where that cannot be said."""
    if node.state is not State.RECORD or node.record is None:
        return None
    passed: Ranges = ()
    left: Ranges = everything(family)
    turns = [(passes, tuple(run)) for passes, run in groupby(filter(_decides, node.branches), _passes)]
    for passes, run in turns if len(turns) <= MAX_TURNS else ():
        sets = [matching(branch, family) for branch in run]
        if None in sets:
            return None
        matched = union(*(one for one in sets if one is not None))
        if passes:
            passed = union(passed, intersection(left, matched))
        left = difference(left, matched)
    return passed if len(turns) <= MAX_TURNS else None


def _decides(branch: Branch) -> bool:
    return branch.reachable and (isinstance(branch.term, Directive) or branch.term.name == "redirect")


def _passes(branch: Branch) -> bool:
    """True if a match is a pass; of the redirect, whose result is the result (§6.1), what its record passes is."""
    return not isinstance(branch.term, Directive) or branch.term.qualifier == "+"


def matching(branch: Branch, family: int) -> Ranges | None:
    """The addresses a term matches; of a redirect those that its record passes. None where that cannot be said."""
    term = branch.term
    if not isinstance(term, Directive) or term.name == "include":  # §5.2: an include matches whom its record passes
        return passing(branch.node, family) if branch.node else None
    match term.name:
        case "all":
            return everything(family)
        case "ip4" | "ip6":
            if term.name != f"ip{family}":
                return ()
            return (_network(term.network, term.prefix4 if family == 4 else term.prefix6, family),)
        case "a" | "mx":
            return _of_hosts(branch, term, family)
        case "exists" if branch.lookup is not None and branch.lookup.known:
            return everything(family) if branch.lookup.records else ()
        case _:
            return None


def _of_hosts(branch: Branch, term: Directive, family: int) -> Ranges | None:
    asked = branch.addresses if branch.lookup is None else (branch.lookup, *branch.addresses)
    if branch.dynamic or len(branch.hosts) > MAX_HOSTS or not all(answer.known for answer in asked):
        return None
    prefix = term.prefix4 if family == 4 else term.prefix6
    found = (a for answer in branch.addresses if answer.question.type == _TYPES[family] for a in answer.records)
    return _sorted(_network(int(ipaddress.ip_address(address)), prefix, family) for address in found)


def _network(address: int, prefix: int, family: int) -> tuple[int, int]:
    free = BITS[family] - prefix
    first = address >> free << free
    return first, first | ((1 << free) - 1)


def everything(family: int) -> Ranges:
    """Every address of a family."""
    return ((0, (1 << BITS[family]) - 1),)


def union(*sets: Ranges) -> Ranges:
    """The addresses in any of the sets."""
    return _sorted(one for ranges in sets for one in ranges)


def _sorted(ranges: Iterable[tuple[int, int]]) -> Ranges:
    """The ranges in order, those that touch made one."""
    joined: list[tuple[int, int]] = []
    for first, last in sorted(ranges):
        if joined and first <= joined[-1][1] + 1:
            joined[-1] = joined[-1][0], max(joined[-1][1], last)
        else:
            joined.append((first, last))
    return tuple(joined)


def difference(ranges: Ranges, without: Ranges) -> Ranges:
    """The addresses in the first set and not in the second."""
    return tuple(_difference(ranges, without))


def _difference(ranges: Ranges, without: Ranges) -> Iterator[tuple[int, int]]:
    at = 0
    for first, last in ranges:
        while at < len(without) and without[at][1] < first:
            at += 1
        step = at
        while step < len(without) and without[step][0] <= last:
            gone_first, gone_last = without[step]
            if first < gone_first:
                yield first, gone_first - 1
            first = gone_last + 1
            step += 1
        if first <= last:
            yield first, last


def intersection(one: Ranges, other: Ranges) -> Ranges:
    """The addresses in both sets."""
    return difference(one, difference(one, other))


def networks(ranges: Ranges, family: int) -> tuple[str, ...]:
    """The fewest ``ip4:`` or ``ip6:`` terms that name exactly these addresses."""
    address = ipaddress.IPv4Address if family == 4 else ipaddress.IPv6Address
    found = (n for first, last in ranges for n in ipaddress.summarize_address_range(address(first), address(last)))
    whole = BITS[family]
    return tuple(f"ip{family}:{n.network_address if n.prefixlen == whole else n}" for n in found)
