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
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from deliverkit.flow import Question
from deliverkit.protocols.fault import Fault
from deliverkit.protocols.spf.address import FIRST, FOURTH, SECOND, THIRD
from deliverkit.protocols.spf.lookups import question_about
from deliverkit.protocols.spf.macro import NAME_OCTETS, MacroString, literal_name
from deliverkit.protocols.spf.record import (
    LARGEST_KEPT,
    PLAIN_NAME,
    QUALIFIERS,
    Modifier,
    Record,
    Result,
    is_spf,
    parse_record,
    plain_network,
)

if TYPE_CHECKING:
    from deliverkit.protocols.spf.trace import Entered, Tried

Tables: TypeAlias = "tuple[tuple[int, dict[int, int]], ...]"  # a mask; the bits under it → the place of the term
Steps: TypeAlias = "tuple[tuple[Tables, int, Query | None], ...]"
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

    For each family the tables, and the place of the first term that holds every address. ``query`` is the term behind
    them, which asks; it is None at the record's end.
    """

    four: tuple[Tables, int]
    six: tuple[Tables, int]
    query: Query | None

    def first(self, four: bool, number: int) -> int:
        """The place of the first directive that holds the address; NOWHERE if none does."""
        tables, first = self.four if four else self.six
        for mask, places in tables:
            network = number & mask
            if network in places and places[network] < first:
                first = places[network]
        return first


@dataclass(slots=True)  # neither is changed once made; frozen, and as named tuples, they are slower to make or to read
class Query:
    """A term that asks. ``target`` is the name it asks about if that is the same for every client and sender; else
    ``spec`` says how it is made. A term with neither asks about the domain at hand.

    ``place`` counts the directives from 0; that of a redirect is behind them all. ``leads`` says that the term leads to
    another record, that of ``domain``: an include or a redirect. ``question`` is what is asked about the target,
    ``question6`` for an IPv6 client. ``local`` says that the name is made with the sender's local part.
    """

    text: str
    place: int
    name: str
    spec: MacroString | None
    leads: bool
    local: bool
    target: str | None
    domain: str
    question: Question | None
    question6: Question | None
    shifts: tuple[int, int]  # how many bits of an address are the host's: IPv4, IPv6
    last: Tried | None = field(default=None, repr=False, compare=False)  # its note, when it last led to no match


@dataclass(slots=True)
class Program:
    """A record as it is walked: its parts in order, and the redirect that counts (RFC 7208 §6.1)."""

    text: str
    fatal: Fault | None = None  # the first syntax error: such a record is never walked (§4.6), and has no parts
    parts: tuple[Networks, ...] = ()
    redirect: Query | None = None
    explanation: Modifier | None = None
    terms: tuple[str, ...] = ()  # the directives as written, by place
    results: tuple[Result, ...] = ()  # of a match, by place
    steps4: Steps | None = field(default=None, repr=False, compare=False)  # what a client of the family walks,
    steps6: Steps | None = field(default=None, repr=False, compare=False)  # made when the first one comes
    flat4: tuple[Tables, int] | None = field(default=None, repr=False, compare=False)  # the only step of a record
    flat6: tuple[Tables, int] | None = field(default=None, repr=False, compare=False)  # in which nothing asks
    last: Entered | None = field(default=None, repr=False, compare=False)  # of a flat one, how it ended last
    edges4: list[int] | None = field(default=None, repr=False, compare=False)  # of its networks, by `settled`
    edges6: list[int] | None = field(default=None, repr=False, compare=False)

    def steps(self, four: bool) -> Steps:
        """The parts as one family sees them, each a plain tuple: that is taken apart fastest."""
        steps = tuple([(*(part.four if four else part.six), part.query) for part in self.parts])
        flat = steps[0][:2] if len(steps) == 1 and steps[0][2] is None and self.redirect is None else None
        if four:
            self.steps4, self.flat4 = steps, flat
        else:
            self.steps6, self.flat6 = steps, flat
        return steps

    @property
    def record(self) -> Record:
        """The record with every term and its place in the text."""
        return parse_record(self.text)


NO_PROGRAM = Program("")  # where there is no record to walk
_kept: dict[tuple[tuple[bytes, ...], ...], tuple[int, Program | None]] = {}
_walked: dict[tuple[tuple[bytes, ...], ...], Program] = {}  # those of them that are one record, and can be walked
read_before = _walked.get


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
            forget()
        _kept[records] = read
        if read[1] and not read[1].fatal:
            _walked[records] = read[1]
    return read


def forget() -> None:
    """Forget every record that was read."""
    _kept.clear()
    _walked.clear()


def compiled(text: str) -> Program:
    """The program of a record: a plain one is read for its networks and names alone, any other by the whole grammar."""
    return plain_program(text) or program_of(parse_record(text))


def program_of(record: Record) -> Program:
    """The program of a record with whatever is in it."""
    fatal = record.fatal
    if fatal:
        return Program(record.text, fatal)
    made = _Maker()
    for place, directive in enumerate(record.directives):
        name = directive.name
        if name == "ip4":
            _hold(made.four, MASKS4[directive.prefix4], directive.network, place)
        elif name == "ip6":
            _hold(made.six, MASKS6[directive.prefix6], directive.network, place)
        elif name == "all":
            made.every(place)
        else:
            shifts = 32 - directive.prefix4, 128 - directive.prefix6
            made.query(_query(directive.text, place, name, directive.spec, shifts))
    redirect, count = record.effective_redirect, len(record.directives)
    return Program(
        record.text,
        None,
        made.end(),
        _query(redirect.text, count, "redirect", redirect.spec, (0, 0)) if redirect else None,
        record.explanation,
        tuple([directive.text for directive in record.directives]),
        tuple([directive.result for directive in record.directives]),
    )


def plain_program(text: str) -> Program | None:
    """The program of a record in which every term is plain; None for any other. Most records are plain.

    A record that was not read before costs more here than in all the rest of a check: one glance decides what a term
    is, and the octets of an ip4 term are looked up where they stand in the number.
    """
    if text[:7] != "v=spf1 ":
        return None
    words = text[7:].split(" ")
    if "" in words:  # terms may have several spaces between them (§4.6.1)
        words = [word for word in words if word]
    redirect = _taken_redirect(words) if "redirect=" in text else ""
    if redirect is None:
        return None
    made, results = _Maker(), [Result.PASS] * len(words)
    four = made.four
    for place, word in enumerate(words):
        if word[:4] == "ip4:":
            try:
                a, b, c, d = word.split(".")
                if "/" in d:
                    d, _, digits = d.partition("/")
                    mask = _SLASHED4[digits]
                else:
                    mask = 0xFFFFFFFF
                network = _FIRST[a] | SECOND[b] | THIRD[c] | FOURTH[d]
            except (ValueError, KeyError):
                return None
            if mask in four:
                four[mask].setdefault(network & mask, place)
            else:
                four[mask] = {network & mask: place}
        elif word[:4] == "ip6:":
            found = plain_network(word)
            if found is None:
                return None
            _hold(made.six, MASKS6[found[2]], found[1], place)
        elif not _plain_term(word, place, made, results):
            return None
    after = None if made.ends or not redirect else _plain_query(redirect, len(words), "redirect", _cut(redirect[9:]))
    return Program(text, None, made.end(), after, None, tuple(words), tuple(results))


def _taken_redirect(words: list[str]) -> str | None:
    """Take the redirect out of the words; None if it is not a plain one, or not the only one."""
    found = [word for word in words if word.startswith("redirect=")]
    if len(found) == 1:
        words.remove(found[0])
        return found[0] if _PLAIN_NAME.fullmatch(found[0], 9) else None
    return None if found else ""


def _plain_term(word: str, place: int, made: _Maker, results: list[Result]) -> bool:
    """Take up a plain term that is neither ip4 nor ip6; False if it is not plain."""
    kind, colon, name = word.partition(":")
    qualifier = QUALIFIERS.get(kind[:1])
    if qualifier:
        kind, results[place] = kind[1:], qualifier
    if colon:
        if kind not in _NAMING or not _PLAIN_NAME.fullmatch(name):
            return False
        made.query(_plain_query(word, place, kind, _cut(name)))
    elif kind == "all":
        made.every(place)
    elif kind == "a" or kind == "mx":
        made.query(_plain_query(word, place, kind, None))
    else:
        return False
    return True


def _cut(name: str) -> str:
    """A plain name is its own expansion, unless it is too long (§7.3)."""
    return name if len(name) <= NAME_OCTETS else literal_name(MacroString(name, (name,)))


_NAMING = frozenset({"include", "a", "mx", "exists"})
_PLAIN_NAME = re.compile(PLAIN_NAME)
MASKS4 = tuple(((1 << prefix) - 1) << (32 - prefix) for prefix in range(33))
MASKS6 = tuple(((1 << prefix) - 1) << (128 - prefix) for prefix in range(129))
_SLASHED4 = {str(prefix): mask for prefix, mask in enumerate(MASKS4)}
_FIRST = {f"ip4:{octet}": number for octet, number in FIRST.items()}


class _Maker:
    """Puts the parts of a program together, term by term."""

    def __init__(self) -> None:
        self.parts: list[Networks] = []
        self.four: dict[int, dict[int, int]] = {}  # of the run at hand: mask → network → place
        self.six: dict[int, dict[int, int]] = {}
        self.all = NOWHERE  # the first all of the run at hand
        self.ends = False

    def every(self, place: int) -> None:
        """All is a network of no bits, in both families (§5.1)."""
        self.all = min(self.all, place)
        self.ends = True

    def query(self, query: Query | None) -> None:
        """A directive that asks ends the run of those that do not."""
        self.parts.append(Networks(_taken(self.four, self.all), _taken(self.six, self.all), query))
        self.all = NOWHERE

    def end(self) -> tuple[Networks, ...]:
        """The parts; the record ends."""
        if self.four or self.six or self.all < NOWHERE:
            self.query(None)
        return tuple(self.parts)


def _hold(tables: dict[int, dict[int, int]], mask: int, network: int, place: int) -> None:
    """Host bits of a network are ignored (§5.6); of two terms for one network the first is come to."""
    tables.setdefault(mask, {}).setdefault(network & mask, place)


def _taken(tables: dict[int, dict[int, int]], first: int) -> tuple[Tables, int]:
    """What was held, and the place of the first term that holds every address; the next run begins."""
    if not tables:
        return (), first
    every = tables.pop(0, None)
    taken = tuple(tables.items()), min(every[0], first) if every else first
    tables.clear()
    return taken


_LEADING = ("include", "redirect")
_ASKED = {"mx": ("MX", "MX"), "exists": ("A", "A"), "a": ("A", "AAAA")}


def _query(text: str, place: int, name: str, spec: MacroString | None, shifts: tuple[int, int]) -> Query:
    letters = spec.letters if spec else ""
    if letters:
        local = "s" in letters or "l" in letters
        return Query(text, place, name, spec, name in _LEADING, local, None, "", None, None, shifts)
    return _plain_query(text, place, name, literal_name(spec) if spec else None, shifts)


def _plain_query(text: str, place: int, name: str, target: str | None, shifts: tuple[int, int] = (0, 0)) -> Query:
    """A term whose name holds no macros, or has none: what it asks is known."""
    question = question6 = None
    domain, leads = "", name in _LEADING
    if target and leads:
        domain = target.removesuffix(".")
        question = record_question(domain)
    elif target and name in _ASKED:
        type4, type6 = _ASKED[name]
        question = question_about(target, type4)
        question6 = question if type4 == type6 else question_about(target, type6)
    return Query(text, place, name, None, leads, False, target, domain, question, question6, shifts)
