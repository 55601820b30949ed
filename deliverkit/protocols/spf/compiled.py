"""An SPF record made ready for many evaluations: networks as tables, targets without macros expanded, questions made.

Records are shared by many domains and hold hundreds of ip4 terms. A run of terms that need no question becomes, for
each family, one table a mask: network → place of the first term that names it. A client is then matched by one AND
and one probe for each mask, however many terms there are, and the term that RFC 7208 §4.6.2 would come to first is
the one with the smallest place.

What this file will not do: evaluate, or ask. `deliverkit.protocols.spf.evaluate` walks what is made here.
"""

from __future__ import annotations

import functools
import re
from typing import NamedTuple, TypeAlias

from deliverkit.flow import Question
from deliverkit.protocols.fault import Fault
from deliverkit.protocols.spf.lookups import question_about
from deliverkit.protocols.spf.macro import NAME_OCTETS, MacroString, literal_name
from deliverkit.protocols.spf.record import (
    LARGEST_KEPT,
    PLAIN,
    PLAIN_NAME,
    QUALIFIERS,
    Modifier,
    Record,
    Result,
    is_spf,
    parse_record,
    plain_network,
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

    text: str
    fatal: Fault | None = None  # the first syntax error: such a record is never walked (§4.6), and has no parts
    parts: tuple[Networks | Query, ...] = ()
    redirect: Query | None = None
    explanation: Modifier | None = None
    terms: tuple[str, ...] = ()  # the directives as written, by place
    results: tuple[Result, ...] = ()  # of a match, by place

    @property
    def record(self) -> Record:
        """The record with every term and its place in the text."""
        return parse_record(self.text)


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
    read = len(chosen), compiled(chosen[0]) if len(chosen) == 1 else None
    if sum(map(len, texts)) <= LARGEST_KEPT:
        if len(_kept) >= MOST_KEPT:
            _kept.clear()
        _kept[records] = read
    return read


def forget() -> None:
    """Forget every record that was read (for measurements)."""
    _kept.clear()


def compiled(text: str) -> Program:
    """The program of a record: a plain one is read for its networks and names alone, any other by the whole grammar."""
    return plain_program(text) or program_of(parse_record(text))


def program_of(record: Record) -> Program:
    """The program of a record with whatever is in it."""
    fatal = record.fatal
    if fatal:
        return Program(record.text, fatal)
    made = _Maker()
    for directive in record.directives:
        name = directive.name
        if name == "ip4":
            made.four.hold(directive.network, directive.prefix4, len(made.terms))
        elif name == "ip6":
            made.six.hold(directive.network, directive.prefix6, len(made.terms))
        elif name == "all":
            made.every()
        else:
            made.query(directive.text, name, directive.spec, (32 - directive.prefix4, 128 - directive.prefix6))
        made.term(directive.text, directive.qualifier)
    redirect = record.effective_redirect
    return made.program(record.text, (redirect.text, redirect.spec) if redirect else None, record.explanation)


def plain_program(text: str) -> Program | None:
    """The program of a record in which every term is plain; None for any other. Most records are plain."""
    if text[:7] != "v=spf1 ":
        return None
    made = _Maker()
    four, six, terms, results = made.four.hold, made.six.hold, made.terms, made.results
    redirect: tuple[str, MacroString] | None = None
    ends = False
    for word in text[7:].split(" "):
        network = plain_network(word)
        if network:
            family, number, prefix = network
            (four if family == 4 else six)(number, prefix, len(terms))
            terms.append(word)
            results.append(Result.PASS)
            continue
        match = _PLAIN_TERM.fullmatch(word)
        if match is None or (match[5] and redirect):
            if word:
                return None
            continue  # terms may have several spaces between them (§4.6.1)
        qualifier, kind, name, bare, target = match.groups()
        if target:
            redirect = word, MacroString(target, (target,))
            continue
        if bare == "all":
            ends = True
            made.every()
        else:
            made.query(word, kind or bare, MacroString(name, (name,)) if name else None, (0, 0))
        made.term(word, qualifier or "+")
    return made.program(text, None if ends else redirect, None)


_PLAIN_TERM = re.compile(rf"{PLAIN.pattern}|redirect=({PLAIN_NAME})")


class _Maker:
    """Puts a program together, term by term."""

    def __init__(self) -> None:
        self.parts: list[Networks | Query] = []
        self.terms: list[str] = []
        self.results: list[Result] = []
        self.four, self.six = _Run(MASKS4), _Run(MASKS6)

    def term(self, text: str, qualifier: str) -> None:
        """The next directive was read."""
        self.terms.append(text)
        self.results.append(QUALIFIERS[qualifier])

    def every(self) -> None:
        """All is a network of no bits, in both families (§5.1)."""
        self.four.hold(0, 0, len(self.terms))
        self.six.hold(0, 0, len(self.terms))

    def query(self, text: str, name: str, spec: MacroString | None, shifts: tuple[int, int]) -> None:
        """A directive that asks ends the run of those that do not."""
        self._close()
        self.parts.append(_query(text, len(self.terms), name, spec, shifts))

    def _close(self) -> None:
        if self.four.tables or self.six.tables:
            self.parts.append(Networks(self.four.taken(), self.six.taken()))

    def program(self, text: str, redirect: tuple[str, MacroString] | None, explanation: Modifier | None) -> Program:
        """The program; ``redirect`` is the text of the modifier that counts and its domain-spec."""
        self._close()
        after = redirect and _query(redirect[0], len(self.terms), "redirect", redirect[1], (0, 0))
        return Program(text, None, tuple(self.parts), after, explanation, tuple(self.terms), tuple(self.results))


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


def _query(text: str, place: int, name: str, spec: MacroString | None, shifts: tuple[int, int]) -> Query:
    leads = name in ("include", "redirect")
    letters = spec.letters if spec else ""
    target = literal_name(spec) if spec and not letters else None
    question = record_question(target.removesuffix(".")) if target and leads else None
    return Query(text, place, name, spec, leads, "s" in letters or "l" in letters, target, question, shifts)
