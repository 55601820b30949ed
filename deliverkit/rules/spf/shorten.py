"""The SPF record with fewer lookups: what can be left out, written out, or at last flattened; the gentlest way first.

1. Left out: terms that find nothing, includes without a record or that pass nobody, and those whose addresses other
   terms pass already. 2. Written out: the domain's own hosts and includes, whose addresses its owner knows.
3. Small includes of others, as the few addresses they stand for. 4. Everything fixed as addresses. The last two cost
   upkeep, and say so.

Each way is counted again over the answers in hand, and every step leaves the same addresses authorised. What this file
will not do: ask anything, or drop a sender.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from deliverkit.facts.domain import DomainFacts
from deliverkit.findings import RecordText
from deliverkit.flow import Answer, Question, Status, drive
from deliverkit.names import within
from deliverkit.protocols.spf.reach import Ranges, difference, matching, networks, union
from deliverkit.protocols.spf.record import Directive, parse_record
from deliverkit.protocols.spf.tree import FAMILIES, MAX_DEPTH, Branch, Node, State, Tree, spf_tree
from deliverkit.rules.spf.reading import short

SMALL = 4
"""Networks up to which another's include may be written out before the whole record is."""
ROOM = 450
"""Octets of one SPF record that leave an answer within 512 (RFC 7208 §3.4)."""
TOLD = 5
MOST_NETWORKS = 300
"""Networks that ten records of `ROOM` octets do not hold."""
MOST_TERMS = 150
"""Terms of one record up to which it is shortened: nobody who writes more by hand reads the advice."""

_Terms = dict[str, Branch | None]
"""The terms that are left, in order, and what they lead to; None for what was written out."""


@dataclass(frozen=True)
class Shortened:
    """Records to publish, what was done, and what it costs from now on ("" for nothing)."""

    records: tuple[RecordText, ...]
    done: str
    upkeep: str
    lookups: int

    @property
    def advice(self) -> str:
        """What the shorter record does, and what it costs from then on."""
        what = "this record" if len(self.records) == 1 else "these records"
        price = f". {self.upkeep}" if self.upkeep else ""
        return f"publish {what}, with {self.lookups} lookups: {self.done}{price}"


class _Unseen(Exception):
    """A question that the tree did not ask."""


def shortened(facts: DomainFacts, tree: Tree, most: int, *, others: bool, flat: bool = False) -> Shortened | None:
    """The gentlest way to at most so many lookups, or None.

    ``others`` allows includes of others to be written out, ``flat`` all of them.
    """
    node = _changed(tree)
    if node.record is None or node.record.fatal or len(node.branches) > MOST_TERMS:
        return None
    plan = _Plan(facts, tree, node)
    for step in (plan.leave_out, plan.write_out_own):
        step()
    for way in (lambda: True, plan.write_out_small if others else None, plan.flatten if flat else None):
        while way is not None and way():
            found = plan.result()
            if found and found.lookups <= most:
                return found
            if way is not plan.write_out_small:
                break
    return None


def without_repetition(facts: DomainFacts, tree: Tree, branch: Branch) -> tuple[RecordText, ...]:
    """The record without a term of it whose addresses the others pass as well; nothing where that cannot be said."""
    plan, text = _Plan(facts, tree, tree.root), branch.term.text
    if not plan.plain or not plan.covered(text, branch):
        return ()
    plan.take(text, {})
    return (RecordText(tree.root.domain, "TXT", " ".join(["v=spf1", *plan.terms])),)


def _changed(tree: Tree) -> Node:
    """The record to change: the domain's own, or the one below the domain that it is redirected to."""
    node = tree.root
    while node.record and not node.record.directives:
        inner = next((b.node for b in node.branches if b.term.name == "redirect" and b.node), None)
        if inner is None or inner.record is None or not within(inner.domain, tree.root.domain):
            break
        node = inner
    return node


class _Plan:
    """The terms of one record while it is shortened."""

    def __init__(self, facts: DomainFacts, tree: Tree, node: Node) -> None:
        self.facts = facts
        self.tree = tree
        self.node = node
        self.terms: _Terms = {}
        self.left_out: list[str] = []
        self.own: list[str] = []
        self.foreign: list[str] = []
        self.networks = 0
        self.chunks: list[list[str]] = []
        self._sets: dict[tuple[str, int], Ranges | None] = {}
        for branch in node.branches:
            if branch.reachable or not isinstance(branch.term, Directive):
                self.terms.setdefault(branch.term.text, branch)  # a term of the same words says nothing new
        # With a term of another result among them, the order of the terms counts: only what finds nobody may go.
        directives = [b.term for b in self.terms.values() if b and isinstance(b.term, Directive)]
        self.plain = all(term.qualifier == "+" for term in directives if term.name != "all")

    # -- the ways ---------------------------------------------------------------------------------------

    def leave_out(self) -> None:
        """Take out what authorises nobody, then what others cover, the dearest first."""
        for text, branch in self._includes_and_hosts():
            why = _nobody(branch, self.node.domain)
            if why and self._others(text):
                self.take(text, {})
                self.left_out.append(f"{short(text)} ({why})")
        if not self.plain:
            return
        for text, branch in sorted(self._includes_and_hosts(), key=lambda pair: -_weight(pair[1])):
            if self.covered(text, branch):
                self.take(text, {})
                self.left_out.append(f"{short(text)} (other terms pass all its addresses today)")

    def write_out_own(self) -> None:
        """Own includes as the terms they hold, then own hosts as addresses."""
        for _ in range(MAX_DEPTH):
            for text, branch in self._includes_and_hosts():
                if written := _as_terms(branch, self.tree.root.domain):
                    self.take(text, written)
                    self.own.append(short(text))
        for text, branch in self._includes_and_hosts():
            own = branch.node is None and all(within(name, self.tree.root.domain) for name in _led_to(branch))
            if own and (addresses := self._addresses(text, branch)):
                self.take(text, dict.fromkeys(addresses))
                self.own.append(short(text))

    def write_out_small(self) -> bool:
        """One more include of others, the one that saves most; False when there is none left."""
        candidates = [
            (_weight(branch), -len(written), text, written)
            for text, branch in self._includes_and_hosts()
            if self.plain and (written := self._addresses(text, branch, SMALL))
        ]
        if not candidates:
            return False
        _, _, text, written = max(candidates)
        self.take(text, dict.fromkeys(written))
        self.foreign.append(short(text))
        self.networks += len(written)
        return True

    def flatten(self) -> bool:
        """Everything fixed as addresses, over several records where one is too long."""
        if not self.plain:
            return False
        for text, branch in self._includes_and_hosts():
            if written := self._addresses(text, branch):
                self.take(text, dict.fromkeys(written))
                self.foreign.append(short(text))
                self.networks += len(written)
        addresses = _merged([text for text, branch in self.terms.items() if branch is None or _is_network(branch)])
        rest: _Terms = {t: b for t, b in self.terms.items() if b is not None and not _is_network(b)}
        if len(" ".join(["v=spf1", *addresses, *rest])) <= ROOM:
            self.terms = {**dict.fromkeys(addresses), **rest}
            return bool(self.foreign)
        self.terms, chunk = rest, ["v=spf1"]
        for address in addresses:
            if len(" ".join([*chunk, address, "-all"])) > ROOM:
                self.chunks.append(chunk)
                chunk = ["v=spf1"]
            chunk.append(address)
        self.chunks.append(chunk)
        return bool(self.foreign)

    # -- what comes of it ---------------------------------------------------------------------------------

    def result(self) -> Shortened | None:
        """The records as they are now, counted; None where nothing was done or it cannot be counted."""
        if not (self.left_out or self.own or self.foreign):
            return None
        used = {inner.domain.lower() for inner in self.tree.root.walk()}
        free = (name for n in range(1, 100) if (name := f"_spf{n}.{self.node.domain}") not in used)
        parts = {next(free): " ".join([*chunk, "-all"]) for chunk in self.chunks}
        links = [f"include:{name}" for name in parts]
        texts = {self.node.domain: " ".join(["v=spf1", *links, *self.terms]), **parts}
        lookups = _counted(self.tree, texts)
        if lookups is None:
            return None
        records = tuple(RecordText(name, "TXT", text) for name, text in texts.items())
        return Shortened(records, self._done(), self._upkeep(), lookups)

    def _done(self) -> str:
        said = [f"leaves out {_some(self.left_out)}"] if self.left_out else []
        said += [f"writes out {_some(self.own)}, which you run yourself"] if self.own else []
        said += [f"writes out {_some(self.foreign)} as the addresses of today"] if self.foreign else []
        return "; ".join(said)

    def _upkeep(self) -> str:
        if not self.foreign:
            return ""
        many = f"{self.networks} networks" if self.networks > 1 else "one network"
        whose = f"{len(self.foreign)} senders" if len(self.foreign) > 1 else "one sender"
        return (
            f"This has its price: {many} of {whose} stand in your record then, and may change without a word to you; "
            "mail from a new one fails until you write the record anew, so have a program compare it with what they "
            "publish every day. Better remove senders you do not use, or give one a subdomain of its own"
        )

    # -- terms --------------------------------------------------------------------------------------------

    def _includes_and_hosts(self) -> list[tuple[str, Branch]]:
        """The terms that ask DNS and pass, the redirect aside."""
        return [
            (text, branch)
            for text, branch in self.terms.items()
            if branch and branch.counts and isinstance(branch.term, Directive) and branch.term.qualifier == "+"
        ]

    def take(self, text: str, instead: _Terms) -> None:
        terms: _Terms = {}
        for old, branch in self.terms.items():
            for new, inner in instead.items() if old == text else ((old, branch),):
                terms.setdefault(new, inner)  # what was matched before matches no more
        self.terms = terms

    def _others(self, text: str) -> bool:
        """True if somebody is left without this term: a record that passes nobody fails all mail."""
        names = {other: branch.term.name if branch else "" for other, branch in self.terms.items() if other != text}
        return any(name not in ("all", "exp") for name in names.values())

    def covered(self, text: str, branch: Branch) -> bool:
        """True if the other terms pass every address that this one does."""
        for family in FAMILIES:
            own = self._reached(text, branch, family)
            others = (self._passed(t, b, family) for t, b in self.terms.items() if t != text)
            if own is None or difference(own, union(*others)):
                return False
        return True

    def _passed(self, text: str, branch: Branch | None, family: int) -> Ranges:
        """What a term passes besides; nothing is known of what does not pass, or depends on the sender."""
        term = branch.term if branch else parse_record(f"v=spf1 {text}").terms[0]
        if not isinstance(term, Directive) or term.name == "all" or term.qualifier != "+":
            return ()
        return self._reached(text, branch or Branch(term, reachable=True, counts=False), family) or ()

    def _addresses(self, text: str, branch: Branch, most: int = MOST_NETWORKS) -> list[str]:
        """The networks a term stands for; nothing where they are not fixed, not known or more than so many."""
        found: list[str] = []
        for family in FAMILIES:
            ranges = self._reached(text, branch, family)
            if ranges is None or len(ranges) > most:
                return []
            found += networks(ranges, family)
        return found if len(found) <= most else []

    def _reached(self, text: str, branch: Branch, family: int) -> Ranges | None:
        """What a term matches, worked out once."""
        if (text, family) not in self._sets:
            self._sets[text, family] = matching(branch, family)
        return self._sets[text, family]


def _some(texts: list[str]) -> str:
    more = f" and {len(texts) - TOLD} more" if len(texts) > TOLD else ""
    return ", ".join(texts[:TOLD]) + more


def _weight(branch: Branch) -> int:
    below = sum(_weight(inner) for inner in branch.node.branches if inner.reachable) if branch.node else 0
    return int(branch.counts) + below


def _is_network(branch: Branch) -> bool:
    return branch.term.name in ("ip4", "ip6") and isinstance(branch.term, Directive) and branch.term.qualifier == "+"


def _nobody(branch: Branch, domain: str) -> str | None:
    """Why a term authorises nobody, or None. An mx of a host without MX was perhaps meant as a:."""
    if branch.term.name == "mx" and branch.target != domain:
        return None
    if branch.node and branch.node.state in (State.NONE, State.NXDOMAIN):
        return "has no SPF record"
    if branch.dynamic or any(matching(branch, family) != () for family in FAMILIES):
        return None
    return "passes nobody" if branch.node else "finds nothing"


def _led_to(branch: Branch) -> Iterator[str]:
    """The names whose owner decides what a or mx stands for."""
    yield from branch.hosts or (branch.target or "",)
    yield from (alias for answer in branch.addresses for alias in answer.aliases)


def _as_terms(branch: Branch, domain: str) -> _Terms:
    """The terms of an own include, if they mean the same in another record; else nothing."""
    node = branch.node
    if node is None or node.record is None or node.record.fatal or not within(node.domain, domain):
        return {}
    written: _Terms = {}
    for inner in node.branches:
        term = inner.term
        if not inner.reachable or term.name in ("all", "exp"):
            if isinstance(term, Directive) and inner.reachable and term.qualifier == "+":
                return {}
            continue
        if not isinstance(term, Directive) or term.qualifier != "+" or (term.spec is None and inner.counts):
            return {}
        if term.spec is not None and term.spec.letters & {"d"}:  # %{d} is another domain there
            return {}
        written[term.text] = inner
    return written


def _merged(terms: list[str]) -> list[str]:
    """Network terms without overlap, the fewest."""
    found: list[str] = []
    for family in FAMILIES:
        read = (Branch(t, reachable=True, counts=False) for t in parse_record(" ".join(["v=spf1", *terms])).directives)
        found += networks(union(*(matching(branch, family) or () for branch in read)), family)
    return found


def _counted(tree: Tree, texts: Mapping[str, str]) -> int | None:
    """The lookups on the worst path with these records in place; None if the answers in hand do not tell."""
    answers = dict(tree.answers)
    for name, text in texts.items():
        question = Question(name.lower(), "TXT")
        answers[question] = Answer(question, Status.OK, ((text.encode(),),))
    try:
        grown = drive(spf_tree(tree.root.domain, answers), _unseen)
    except _Unseen:
        return None
    return max(worst.lookup_count for worst in grown.worst)


def _unseen(question: Question) -> Answer:
    raise _Unseen(question)
