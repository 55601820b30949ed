"""Everything an SPF record leads to, whoever sends: the tree of records, and its worst path.

The tree grows in waves. `_Grower` draws the tree from the answers known so far and notes the questions it lacks;
those are asked side by side, and the tree is drawn again. So an audit waits for the longest chain of questions that
depend on each other and no longer, a domain named twice is asked once, and yet counts twice. The worst path is the one
on which no term matches for as long as possible (RFC 7208 §4.6.4 counts over all records entered).

What this file will not do: expand a macro that depends on the sender or the client; such a term is *dynamic*.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from deliverkit.flow import Answer, Flow, Question, Status, ask, together
from deliverkit.protocols.spf.address import Client
from deliverkit.protocols.spf.lookups import MAX_HOSTS, MAX_LOOKUPS, MAX_VOIDS, askable
from deliverkit.protocols.spf.macro import MacroContext, MacroString, expand_name
from deliverkit.protocols.spf.record import LOOKUP_TERMS, Directive, Modifier, Record, Term, parse_record, select

MAX_RECORDS = 60  # records entered; a sound domain needs a dozen
MAX_DEPTH = 15  # records inside each other; at 11 the evaluation has ended
MAX_TERMS = 5000  # drawn, over all records
MAX_QUESTIONS = 120  # asked for one tree
MAX_STEPS = 100  # kept of a worst path: ten are allowed
FAMILIES = (4, 6)

_TYPES = {4: "A", 6: "AAAA"}
_NOBODY = Client.of("0.0.0.0")  # noqa: S104 - nothing listens; no SMTP client has this address
_NO_HELO = "nobody.deliverkit.invalid"


class State(StrEnum):
    """What was found at a name that a record leads to."""

    RECORD = "record"
    INVALID = "invalid"  # a record with a syntax error: permerror (§4.6)
    NONE = "none"  # the name exists and has no SPF record
    NXDOMAIN = "nxdomain"
    MANY = "many"  # more than one record: permerror (§4.5)
    UNKNOWN = "unknown"  # nobody answered
    LOOP = "loop"  # the name is its own ancestor
    DYNAMIC = "dynamic"  # the name depends on the sender or the client
    CUT = "cut"  # our own bounds


BROKEN = frozenset({State.INVALID, State.MANY, State.NONE, State.NXDOMAIN, State.LOOP})
"""What makes a record that leads there a permerror (RFC 7208 §4.5, §4.6, §5.2, §6.1)."""


@dataclass(frozen=True, slots=True)
class Branch:
    """One term of a record, in its place. ``hosts`` are the MX hosts, at most ten of them asked for addresses.

    ``addresses`` are the answers about addresses; ``node`` is what an include or redirect leads to. ``probe`` is the
    answer that a dynamic ``exists`` gets for a client that cannot be: a match means that everybody matches.
    """

    term: Term
    reachable: bool
    counts: bool
    target: str | None = None
    lookup: Answer | None = None
    hosts: tuple[str, ...] = ()
    addresses: tuple[Answer, ...] = ()
    node: Node | None = None
    probe: Answer | None = None

    @property
    def dynamic(self) -> bool:
        """True if the name it asks for depends on the sender or the client."""
        return self.counts and self.target is None

    def voids(self, family: int, *, strict: bool = False) -> int:
        """Void lookups (§4.6.4) for clients of a family; see `lookups` for what ``strict`` means."""
        if self.term.name in ("include", "redirect", "ptr") or not self.counts:
            return 0
        asked = self.lookup or self.probe  # a dynamic exists finds nothing for a client it does not know
        if asked is not None and not asked.records:
            return int(asked.known)
        if self.term.name == "exists":
            return 0
        return sum(self._host_void(name, family, strict) for name in self._names())

    def _names(self) -> tuple[str, ...]:
        return self.hosts[:MAX_HOSTS] if self.term.name == "mx" else (self.target,) if self.target else ()

    def _host_void(self, name: str, family: int, strict: bool) -> bool:
        found = {a.question.type: a for a in self.addresses if a.question.name == name.lower()}
        own, other = found.get(_TYPES[family]), found.get(_TYPES[10 - family])
        if own is None or not own.known or own.records:
            return False
        return strict or other is None or (other.known and not other.records)


@dataclass(frozen=True, slots=True)
class Node:
    """A name whose record is entered, with its terms in order. ``path`` are the names from the root to here."""

    domain: str
    path: tuple[str, ...]
    state: State
    answer: Answer | None = None
    record: Record | None = None
    branches: tuple[Branch, ...] = ()

    def walk(self) -> Iterator[Node]:
        """This node and all below it, in the order of evaluation."""
        yield self
        for branch in self.branches:
            if branch.node:
                yield from branch.node.walk()

    def entered(self) -> Iterator[tuple[Node, Branch]]:
        """Every reachable term with the record it stands in, in the order of evaluation."""
        for branch in self.branches:
            if branch.reachable:
                yield self, branch
                if branch.node:
                    yield from branch.node.entered()


@dataclass(frozen=True, slots=True)
class Counted:
    """One term on a worst path: where it stands, and how much it counts."""

    term: str
    path: tuple[str, ...]
    number: int = 1


Steps: TypeAlias = tuple[Counted, ...]


@dataclass(frozen=True, slots=True)
class WorstPath:
    """The most that one evaluation can cost for clients of one family. ``lookups`` are term by term."""

    family: int
    lookups: Steps
    voids: Steps
    voids_strict: Steps

    @property
    def lookup_count(self) -> int:
        return total(self.lookups)

    @property
    def void_count(self) -> int:
        return total(self.voids)

    @property
    def void_count_strict(self) -> int:
        return total(self.voids_strict)


@dataclass(frozen=True, slots=True)
class Tree:
    """A grown tree. ``unknown`` says which questions nobody answered; ``cut`` is true at our own bounds."""

    root: Node
    worst: tuple[WorstPath, WorstPath]
    unknown: tuple[str, ...]
    cut: bool
    answers: dict[Question, Answer]

    @property
    def permerror(self) -> bool:
        """True if there is an evaluation that ends in permerror."""
        over = any(w.lookup_count > MAX_LOOKUPS or w.void_count > MAX_VOIDS for w in self.worst)
        crowded = any(len(branch.hosts) > MAX_HOSTS for _, branch in self.root.entered())
        return over or crowded or any(node.state in BROKEN for node in self.root.walk())


def spf_tree(domain: str, known: dict[Question, Answer] | None = None) -> Flow[Tree]:
    """Grow the tree of a domain. ``known`` are answers already in hand."""
    answers = dict(known or {})
    while True:
        grower = _Grower(domain, answers)
        root = grower.node(domain, ())
        lacking = list(dict.fromkeys(grower.lacking))[: max(MAX_QUESTIONS - len(answers), 0)]
        if not lacking:
            break
        heard = yield from together(*(ask(q.name, q.type) for q in lacking))
        answers.update(zip(lacking, heard, strict=True))
    unknown = tuple(dict.fromkeys(a.why() for q, a in answers.items() if q in grower.used and not a.known))
    four = worst_path(root, 4)
    worst = (four, worst_path(root, 6, four.lookups))
    return Tree(root, worst, unknown, grower.cut or bool(grower.lacking), answers)


class _Grower:
    """Draws the tree from the answers in hand, and notes the questions that are lacking."""

    def __init__(self, domain: str, answers: dict[Question, Answer]) -> None:
        self.domain = domain
        self.answers = answers
        self.lacking: list[Question] = []
        self.used: set[Question] = set()
        self.records = 0
        self.terms = 0
        self.cut = False

    def _told(self, name: str, type_: str) -> Answer | None:
        """The answer, if it is in hand; else its question is noted."""
        question = Question(name.lower(), type_)
        if not askable(question.name):
            return Answer(question, Status.NXDOMAIN, detail="a name that no DNS query can carry (RFC 1035 §2.3.4)")
        self.used.add(question)
        if question not in self.answers:
            self.lacking.append(question)
        return self.answers.get(question)

    def node(self, domain: str, above: tuple[str, ...]) -> Node:
        """The record at a name, and below it everything it leads to."""
        path = (*above, domain)
        if domain.lower() in (name.lower() for name in above):
            return Node(domain, path, State.LOOP)
        if self.records >= MAX_RECORDS or len(path) > MAX_DEPTH:
            self.cut = True
            return Node(domain, path, State.CUT)
        self.records += 1
        if "." not in domain:  # §4.3
            return Node(domain, path, State.NXDOMAIN)
        answer = self._told(domain, "TXT")
        if answer is None or not answer.known:
            return Node(domain, path, State.UNKNOWN, answer)
        texts = answer.texts
        chosen = select(texts)
        if not chosen:
            absent = answer.status is Status.NXDOMAIN
            return Node(domain, path, State.NXDOMAIN if absent else State.NONE, answer)
        if len(chosen) > 1:
            return Node(domain, path, State.MANY, answer)
        record = parse_record(texts[chosen[0]])
        state = State.INVALID if record.fatal else State.RECORD
        return Node(domain, path, state, answer, record, self._branches(record, domain, path))

    def _branches(self, record: Record, domain: str, path: tuple[str, ...]) -> tuple[Branch, ...]:
        """All terms; those after ``all`` and a redirect beside it are drawn but lead nowhere (§5.1, §6.1)."""
        last = len(record.reachable)
        room = MAX_TERMS - self.terms
        self.terms += len(record.terms)
        self.cut = self.cut or self.terms > MAX_TERMS
        modifiers = [t for t in record.terms if isinstance(t, Modifier)]
        return (
            *(self._directive(d, i < last, domain, path) for i, d in enumerate(record.directives[: max(room, 0)])),
            *(self._modifier(m, record, domain, path) for m in modifiers[: max(room, 0)]),
        )

    def _modifier(self, modifier: Modifier, record: Record, domain: str, path: tuple[str, ...]) -> Branch:
        if modifier is record.effective_redirect:
            target = self._name(modifier.spec, domain)
            return Branch(modifier, True, True, target, node=self._inner(target, modifier.spec, path))
        if modifier is record.explanation and (target := self._name(modifier.spec, domain)):
            return Branch(modifier, True, False, target, self._told(target, "TXT"))  # §4.6.4: costs no lookup
        return Branch(modifier, reachable=modifier.name != "redirect", counts=False)

    def _directive(self, directive: Directive, reachable: bool, domain: str, path: tuple[str, ...]) -> Branch:
        counts = directive.name in LOOKUP_TERMS
        if not counts or not reachable:
            return Branch(directive, reachable, counts)
        target = self._name(directive.spec, domain) if directive.spec else domain
        match directive.name:
            case "include":
                return Branch(directive, True, True, target, node=self._inner(target, directive.spec, path))
            case "exists" if target:
                return Branch(directive, True, True, target, self._told(target, "A"))
            case "exists" if directive.spec:
                return Branch(directive, True, True, probe=self._told(self._for_nobody(directive.spec, domain), "A"))
            case "a" if target:
                return Branch(directive, True, True, target, addresses=self._addresses((target,)))
            case "mx" if target:
                answer = self._told(target, "MX")
                hosts = tuple(h for _, h in sorted(answer.records) if h != ".") if answer else ()
                addresses = self._addresses(hosts[:MAX_HOSTS])
                return Branch(directive, True, True, target, answer, hosts, addresses)
            case _:  # ptr asks about the client; a dynamic name about nothing we know
                return Branch(directive, True, True, target)

    def _inner(self, target: str | None, spec: MacroString | None, path: tuple[str, ...]) -> Node:
        if target is None:
            text = spec.text if spec else ""
            return Node(text, (*path, text), State.DYNAMIC)
        return self.node(target, path)

    def _addresses(self, names: tuple[str, ...]) -> tuple[Answer, ...]:
        told = [self._told(name, type_) for name in names for type_ in _TYPES.values()]
        return tuple(answer for answer in told if answer is not None)

    def _name(self, spec: MacroString, domain: str) -> str | None:
        """The target-name if it is the same for every sender of the domain and every client (§7.2: d and o)."""
        if not spec.letters <= {"d", "o"}:
            return None
        return self._for_nobody(spec, domain)

    def _for_nobody(self, spec: MacroString, domain: str) -> str:
        return expand_name(spec, MacroContext(_NOBODY, domain, f"nobody@{self.domain}", _NO_HELO))


# -- the worst path -------------------------------------------------------------------------------------


def worst_path(root: Node, family: int, lookups: Steps | None = None) -> WorstPath:
    """The dearest evaluation for clients of a family: by lookups (the same for both), by voids, by voids to the letter.

    Most trees have no void at all, and then the paths need not be walked.
    """

    def void(strict: bool) -> Callable[[Branch], int]:
        return lambda branch: branch.voids(family, strict=strict)

    any_void = any(branch.voids(family, strict=True) for _, branch in root.entered())
    strict = _dearest(root, void(True)) if any_void else ()
    return WorstPath(
        family,
        _dearest(root, lambda branch: int(branch.counts)) if lookups is None else lookups,
        _dearest(root, void(False)) if strict else (),  # whatever is void is void to the letter
        strict,
    )


def total(steps: Steps) -> int:
    """What a path costs."""
    return sum(step.number for step in steps)


def _dearest(root: Node, weigh: Callable[[Branch], int]) -> Steps:
    passing, other = _paths(root, weigh)
    return max((path for path in (passing, other) if path is not None), key=total, default=())


def _paths(node: Node, weigh: Callable[[Branch], int]) -> tuple[Steps | None, Steps | None]:
    """The dearest way through a record that ends in pass, and the dearest that does not; None where there is no way.

    An include whose record passes ends the including record there (§5.2); any other result lets it go on.
    """
    ends: dict[bool, Steps | None] = {True: None, False: None}
    so_far: Steps = ()

    def end(passing: bool, path: Steps) -> None:
        best = ends[passing]
        if best is None or total(path) > total(best):
            ends[passing] = path

    for branch in node.branches:
        if not branch.reachable or (isinstance(branch.term, Modifier) and not branch.counts):
            continue
        cost = weigh(branch)
        if cost and len(so_far) < MAX_STEPS:
            so_far = (*so_far, Counted(branch.term.text, node.path, cost))
        if isinstance(branch.term, Modifier):  # the redirect: its result is the result
            inside = _paths(branch.node, weigh) if branch.node else (None, ())
            for passing, path in zip((True, False), inside, strict=True):
                if path is not None:
                    end(passing, (so_far + path)[:MAX_STEPS])
            return ends[True], ends[False]
        passes = branch.term.qualifier == "+"
        if branch.term.name == "all":
            end(passes, so_far)
            return ends[True], ends[False]
        if branch.term.name != "include" or branch.node is None:
            end(passes, so_far)
            continue
        matching, going_on = _paths(branch.node, weigh)
        if matching is not None:
            end(passes, (so_far + matching)[:MAX_STEPS])
        if going_on is None:  # the included record passes everybody
            return ends[True], ends[False]
        so_far = (so_far + going_on)[:MAX_STEPS]
    end(False, so_far)  # §4.7: neutral
    return ends[True], ends[False]
