"""An SPF record made ready for many evaluations: networks as tables, targets without macros expanded, questions made.

Records are shared by many domains and hold hundreds of ip4 terms. A run of terms that need no question becomes, for
each family, one table a mask: network → place of the first term that names it. A client is then matched by one AND
and one probe for each mask, however many terms there are, and the term that RFC 7208 §4.6.2 would come to first is
the one with the smallest place.

What this file will not do: evaluate, or ask. `deliverkit.protocols.spf.evaluate` walks what is made here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from deliverkit.flow import Question
from deliverkit.protocols.fault import Fault
from deliverkit.protocols.spf.lookups import askable
from deliverkit.protocols.spf.macro import MacroString, literal_name
from deliverkit.protocols.spf.record import LARGEST_KEPT, Directive, Modifier, Record, is_spf, parse_record

Table: TypeAlias = "tuple[int, dict[int, int]]"  # a mask; the bits under it → the place of the term
MOST_KEPT = 4096
NOWHERE = 1 << 32  # behind every place


def is_address(domain: str) -> bool:
    """True for 192.0.2.1 and [192.0.2.1], which clients say in HELO: no domain name (RFC 7208 §2.3)."""
    return domain.startswith("[") or domain.rpartition(".")[2].isdigit()


def record_question(domain: str) -> Question | None:
    """The question for the record of a domain; None for what is no domain to ask about (RFC 7208 §4.3)."""
    if "." not in domain or not askable(domain) or is_address(domain):
        return None
    return Question(domain.lower(), "TXT")


@dataclass(frozen=True, slots=True)
class Networks:
    """A run of directives that need no question: ip4, ip6 (RFC 7208 §5.6) and all (§5.1), which every client is in."""

    four: tuple[Table, ...]
    six: tuple[Table, ...]

    def first(self, family: int, number: int) -> int:
        """The place of the first directive that holds the address; -1 if none does."""
        first = NOWHERE
        for mask, places in self.four if family == 4 else self.six:
            place = places.get(number & mask, NOWHERE)
            if place < first:
                first = place
        return first if first < NOWHERE else -1


@dataclass(frozen=True, slots=True)
class Query:
    """A term that asks. ``target`` is the name it asks about if that is the same for every client and sender.

    ``place`` counts the directives from 0; that of a redirect is behind them all. ``leads`` says that the term leads to
    another record: an include or a redirect; ``question`` then asks for the record of the target.
    """

    term: Directive | Modifier
    place: int
    text: str
    name: str
    spec: MacroString | None
    leads: bool
    target: str | None
    question: Question | None
    shifts: tuple[int, int] = (0, 0)  # how many bits of an address are the host's: IPv4, IPv6


@dataclass(frozen=True, slots=True)
class Program:
    """A record as it is walked: its parts in order, and the redirect that counts (RFC 7208 §6.1)."""

    record: Record
    fatal: Fault | None  # the first syntax error: such a record is never walked (§4.6), and has no parts
    parts: tuple[Networks | Query, ...]
    redirect: Query | None


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
        return Program(record, fatal, (), None)
    parts: list[Networks | Query] = []
    run: _Run | None = None
    for place, directive in enumerate(record.directives):
        if directive.name in ("ip4", "ip6", "all"):
            run = run or _Run()
            run.add(directive, place)
            continue
        if run:
            parts.append(run.networks())
            run = None
        parts.append(_query(directive, place, directive.name, directive.spec))
    if run:
        parts.append(run.networks())
    redirect = record.effective_redirect
    after = _query(redirect, len(record.directives), "redirect", redirect.spec) if redirect else None
    return Program(record, None, tuple(parts), after)


class _Run:
    """Directives that need no question, one behind the other."""

    def __init__(self) -> None:
        self.four: dict[int, dict[int, int]] = {}
        self.six: dict[int, dict[int, int]] = {}

    def add(self, directive: Directive, place: int) -> None:
        """Host bits of a network are ignored (§5.6); of two terms for one network the first is come to."""
        if directive.name != "ip6":  # all is a network of no bits in both families
            mask = _MASKS4[directive.prefix4 if directive.name == "ip4" else 0]
            self.four.setdefault(mask, {}).setdefault(directive.network & mask, place)
        if directive.name != "ip4":
            mask = _MASKS6[directive.prefix6 if directive.name == "ip6" else 0]
            self.six.setdefault(mask, {}).setdefault(directive.network & mask, place)

    def networks(self) -> Networks:
        return Networks(tuple(self.four.items()), tuple(self.six.items()))


_MASKS4 = tuple(((1 << prefix) - 1) << (32 - prefix) for prefix in range(33))
_MASKS6 = tuple(((1 << prefix) - 1) << (128 - prefix) for prefix in range(129))


def _query(term: Directive | Modifier, place: int, name: str, spec: MacroString | None) -> Query:
    target = literal_name(spec) if spec and spec.literal else None
    leads = name in ("include", "redirect")
    question = record_question(target.removesuffix(".")) if target and leads else None
    shifts = (32 - term.prefix4, 128 - term.prefix6) if isinstance(term, Directive) else (0, 0)
    return Query(term, place, term.text, name, spec, leads, target, question, shifts)
