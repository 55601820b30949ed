"""An SPF record made ready for many evaluations: networks as tables, targets without macros expanded, questions made.

Records are shared by many domains and hold hundreds of ip4 terms. A run of terms that need no question becomes, for
each family, one table a mask: network → place of the first term that names it. A client is then matched by one AND
and one probe for each mask, however many terms there are, and the term that RFC 7208 §4.6.2 would come to first is
the one with the smallest place.

What this file will not do: evaluate, or ask. `deliverkit.protocols.spf.evaluate` walks what is made here.
"""

from __future__ import annotations

import functools
from typing import NamedTuple, TypeAlias

from deliverkit.flow import Question
from deliverkit.protocols.fault import Fault
from deliverkit.protocols.spf.lookups import question_about
from deliverkit.protocols.spf.macro import NAME_OCTETS, MacroString, literal_name
from deliverkit.protocols.spf.record import (
    LARGEST_KEPT,
    QUALIFIERS,
    Directive,
    Modifier,
    Record,
    Result,
    is_spf,
    parse_record,
)

Tables: TypeAlias = "tuple[tuple[int, dict[int, int]], ...]"  # a mask; the bits under it → the place of the term
MOST_KEPT = 4096
NOWHERE = 1 << 32  # behind every place


def is_address(domain: str) -> bool:
    """True for 192.0.2.1 and [192.0.2.1], which clients say in HELO: no domain name (RFC 7208 §2.3)."""
    return domain.startswith("[") or domain.rpartition(".")[2].isdigit()


def record_question(domain: str) -> Question | None:
    """The question for the record of a domain; None for what is no domain to ask about (RFC 7208 §4.3)."""
    return _record_question(domain) if len(domain) <= NAME_OCTETS else None


@functools.lru_cache(maxsize=4096)
def _record_question(domain: str) -> Question | None:
    return None if "." not in domain or is_address(domain) else question_about(domain, "TXT")


class Networks(NamedTuple):
    """A run of directives that need no question: ip4, ip6 (RFC 7208 §5.6) and all (§5.1), which every client is in.

    For each family the tables, and the place of the first term that holds every address.
    """

    four: tuple[Tables, int]
    six: tuple[Tables, int]

    def first(self, four: bool, number: int) -> int:
        """The place of the first directive that holds the address; NOWHERE if none does."""
        tables, first = self.four if four else self.six
        for mask, places in tables:
            network = number & mask
            if network in places and places[network] < first:
                first = places[network]
        return first


class Query(NamedTuple):
    """A term that asks. ``target`` is the name it asks about if that is the same for every client and sender.

    ``place`` counts the directives from 0; that of a redirect is behind them all. ``leads`` says that the term leads to
    another record: an include or a redirect; ``question`` then asks for the record of the target. ``local`` says that
    the name is made with the sender's local part.
    """

    text: str
    place: int
    name: str
    spec: MacroString | None
    leads: bool
    local: bool
    target: str | None
    question: Question | None
    shifts: tuple[int, int]  # how many bits of an address are the host's: IPv4, IPv6


class Program(NamedTuple):
    """A record as it is walked: its parts in order, and the redirect that counts (RFC 7208 §6.1)."""

    record: Record
    fatal: Fault | None  # the first syntax error: such a record is never walked (§4.6), and has no parts
    parts: tuple[Networks | Query, ...] = ()
    redirect: Query | None = None
    results: tuple[Result, ...] = ()  # of a match, by place


_kept: dict[tuple[tuple[bytes, ...], ...], tuple[int, Program | None]] = {}


def published(records: tuple[tuple[bytes, ...], ...]) -> tuple[int, Program | None]:
    """How many of these TXT records are SPF (RFC 7208 §4.5), and the one there should be.

    What was read is kept, but no giant: strangers write these records, and memory is ours.
    """
    known = _kept.get(records)
    if known is not None:
        return known
    texts = [b"".join(record).decode("utf-8", "surrogateescape") for record in records]  # §3.3
    chosen = [text for text in texts if is_spf(text)]
    read = len(chosen), compiled(parse_record(chosen[0])) if len(chosen) == 1 else None
    if sum(map(len, texts)) <= LARGEST_KEPT:
        if len(_kept) >= MOST_KEPT:
            _kept.clear()
        _kept[records] = read
    return read


def forget() -> None:
    """Forget every record that was read (for measurements)."""
    _kept.clear()


def compiled(record: Record) -> Program:
    """The program of a record."""
    fatal = record.fatal
    if fatal:
        return Program(record, fatal)
    parts: list[Networks | Query] = []
    four, six = _Run(MASKS4), _Run(MASKS6)
    for place, directive in enumerate(record.directives):
        name = directive.name
        if name == "ip4":
            four.hold(directive.network, directive.prefix4, place)
        elif name == "ip6":
            six.hold(directive.network, directive.prefix6, place)
        elif name == "all":  # a network of no bits, in both families
            four.hold(0, 0, place)
            six.hold(0, 0, place)
        else:
            if four.tables or six.tables:
                parts.append(Networks(four.taken(), six.taken()))
            parts.append(_query(directive, place, name))
    if four.tables or six.tables:
        parts.append(Networks(four.taken(), six.taken()))
    redirect = record.effective_redirect
    after = _query(redirect, len(record.directives), "redirect") if redirect else None
    return Program(record, None, tuple(parts), after, tuple([QUALIFIERS[d.qualifier] for d in record.directives]))


class _Run:
    """The networks of one family in directives that need no question, one behind the other."""

    def __init__(self, masks: tuple[int, ...]) -> None:
        self.masks = masks
        self.tables: dict[int, dict[int, int]] = {}

    def hold(self, network: int, prefix: int, place: int) -> None:
        """Host bits of a network are ignored (§5.6); of two terms for one network the first is come to."""
        mask = self.masks[prefix]
        table = self.tables.get(mask)
        if table is None:
            self.tables[mask] = {network & mask: place}
        else:
            table.setdefault(network & mask, place)

    def taken(self) -> tuple[Tables, int]:
        """What was held; the next run begins."""
        every = self.tables.pop(0, None)
        tables = tuple(self.tables.items())
        self.tables = {}
        return tables, every[0] if every else NOWHERE


MASKS4 = tuple(((1 << prefix) - 1) << (32 - prefix) for prefix in range(33))
MASKS6 = tuple(((1 << prefix) - 1) << (128 - prefix) for prefix in range(129))


def _query(term: Directive | Modifier, place: int, name: str) -> Query:
    spec = term.spec
    leads = name in ("include", "redirect")
    letters = spec.letters if spec else ""
    local = "s" in letters or "l" in letters
    target = literal_name(spec) if spec and not letters else None
    question = record_question(target.removesuffix(".")) if target and leads else None
    shifts = (32 - term.prefix4, 128 - term.prefix6) if isinstance(term, Directive) else (0, 0)
    return Query(term.text, place, name, spec, leads, local, target, question, shifts)
