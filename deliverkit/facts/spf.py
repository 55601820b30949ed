"""The SPF facts of a domain: its record, everything the record leads to, and what it says of given addresses.

What this file will not do: say whether any of it is good. The law is in `deliverkit.protocols.spf`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from deliverkit.facts.base import Facts, missing, not_asked
from deliverkit.facts.placed import Misplaced
from deliverkit.flow import Answer, Each, Flow, Question, Status, Together, ask, together
from deliverkit.names import within
from deliverkit.protocols.spf.cost import Priced, priced
from deliverkit.protocols.spf.lookups import ask_name
from deliverkit.protocols.spf.record import Modifier, Record, is_spf, parse_record, select
from deliverkit.protocols.spf.tree import Branch, Node, State, Tree, WorstPath, spf_tree

if TYPE_CHECKING:
    from deliverkit.protocols.spf.trace import CheckResult

NOBODY = "_deliverkit-probe"  # a label that exists only where a wildcard answers


@dataclass(frozen=True, slots=True)
class NearMiss:
    """A TXT record that looks like SPF and is none (RFC 7208 §4.5). ``index`` is its place in the answer."""

    index: int
    text: str
    why: str


@dataclass(frozen=True, repr=False)
class SpfFacts(Facts):
    """What was observed. ``record`` is the text if there is exactly one record, ``parsed`` the same one parsed.

    ``candidates`` are the places of all SPF records in ``answer``. ``joins`` are the places in the text where two
    strings meet and a space is lacking. ``includes`` are the names that the domain's own records include or redirect
    to. ``elsewhere`` is looked for only when the domain has no record. ``checks`` are the results for the addresses
    that mail is sent from.
    """

    domain: str
    answer: Answer
    type99: Answer
    wildcard: Answer
    candidates: tuple[int, ...]
    near_misses: tuple[NearMiss, ...]
    elsewhere: tuple[Misplaced, ...]
    record: str | None
    parsed: Record | None
    joins: tuple[int, ...]
    tree: Tree | None
    includes: tuple[str, ...]
    checks: tuple[CheckResult, ...] = field(default=not_asked("no --sends-from was given"))

    @property
    def subject(self) -> str:
        return self.domain

    def to_json(self) -> dict[str, Any]:
        """The facts in the shape of the report."""
        tree = self.raw("tree")
        known = tree if isinstance(tree, Tree) else None
        return {
            "domain": self.domain,
            "record": self.raw("record"),
            "records": [self.answer.texts[i] for i in select(self.answer.texts)],
            "status": self.answer.status,
            "includes": self.raw("includes"),
            "worst_path": {f"ipv{w.family}": _worst_json(w) for w in known.worst} if known else None,
            "tree": node_json(known.root, priced(known)) if known else None,
            "unknown": known.unknown if known else [self.answer.why()] if not self.answer.known else [],
            "cut": known.cut if known else False,
            "type99": self.type99.texts,
            "near_misses": self.raw("near_misses"),
            "elsewhere": self.raw("elsewhere"),
            "checks": self.raw("checks"),
        }


def _worst_json(worst: WorstPath) -> dict[str, Any]:
    return {
        "lookups": worst.lookup_count,
        "voids": worst.void_count,
        "voids_strict": worst.void_count_strict,
        "terms": [{"term": step.term, "path": step.path} for step in worst.lookups],
        "void_terms": [{"term": s.term, "path": s.path, "number": s.number} for s in worst.voids_strict],
    }


def node_json(node: Node, branches: Sequence[Priced]) -> dict[str, Any]:
    """A node of the tree with all below it, each term with its price."""
    return {
        "domain": node.domain,
        "state": node.state,
        "record": node.record.text if node.record else None,
        "lookups": sum(one.all_lookups for one in branches),
        "terms": [_branch_json(one) for one in branches],
    }


def _branch_json(one: Priced) -> dict[str, Any]:
    branch = one.branch
    shown: dict[str, Any] = {"term": branch.term.text, "lookups": one.lookups}
    if one.all_lookups:
        shown |= one.to_json()
    if one.dead:
        shown["dead"] = True
    if not branch.reachable:
        shown["reachable"] = False
    if branch.target:
        shown["target"] = branch.target
    if branch.hosts:
        shown["hosts"] = branch.hosts
    addresses = [str(address) for answer in branch.addresses for address in answer.records]
    if addresses:
        shown["addresses"] = addresses
    if branch.node:
        shown["node"] = node_json(branch.node, one.inner)
    return shown


def observe_spf(domain: str, *, sends_from: tuple[str, ...] = ()) -> Flow[SpfFacts]:
    """Observe SPF. The first three questions go out together, then the tree grows wave by wave."""
    answer, type99, wildcard = yield from together(
        ask(domain, "TXT"), ask(domain, "SPF"), ask_name(f"{NOBODY}.{domain}", "TXT")
    )
    if not answer.known:
        return _untold(domain, answer, type99, wildcard)
    texts = answer.texts
    candidates = select(texts)
    near_misses = () if candidates else tuple(_near_misses(answer))
    elsewhere: tuple[Misplaced, ...] = ()
    if not candidates and not near_misses:
        elsewhere = yield from _look_elsewhere(domain, wildcard)
    one = candidates[0] if len(candidates) == 1 else None
    tree = None
    checks: Any = not_asked("no --sends-from was given")
    if candidates:
        tree = yield from spf_tree(domain, {answer.question: answer})
    if sends_from:
        from deliverkit.protocols.spf.evaluate import check_host

        known = tree.answers if tree else {answer.question: answer}
        asked = (check_host(address, domain, f"postmaster@{domain}", domain) for address in sends_from)
        checks = yield from together(*(recalling(check, known) for check in asked))
    return SpfFacts(
        domain=domain,
        answer=answer,
        type99=type99,
        wildcard=wildcard,
        candidates=candidates,
        near_misses=near_misses,
        elsewhere=elsewhere,
        record=None if one is None else texts[one],
        parsed=None if one is None else parse_record(texts[one]),
        joins=() if one is None else tuple(_joins(answer.records[one])),
        tree=tree if one is not None else None,
        includes=tuple(_includes(tree.root)) if tree else (),
        checks=checks,
    )


def _untold(domain: str, answer: Answer, type99: Answer, wildcard: Answer) -> SpfFacts:
    """Nobody told us the TXT records: everything that follows from them is missing."""
    why = missing(answer.why())
    return SpfFacts(
        domain=domain,
        answer=answer,
        type99=type99,
        wildcard=wildcard,
        candidates=why,
        near_misses=why,
        elsewhere=why,
        record=why,
        parsed=why,
        joins=why,
        tree=why,
        includes=why,
        checks=why,
    )


def recalling(flow: Flow[Any], known: dict[Question, Answer]) -> Flow[Any]:
    """The same flow, which asks only what is not known yet."""
    try:
        asked = next(flow)
        while True:
            if isinstance(asked, Together):
                heard: Any = yield Together(tuple(recalling(inner, known) for inner in asked.flows))
            elif isinstance(asked, Each):
                new = tuple(question for question in asked.questions if question not in known)
                told = dict(zip(new, (yield Each(new)), strict=True)) if new else {}
                heard = tuple(known.get(question) or told[question] for question in asked.questions)
            else:
                heard = known.get(asked) or (yield asked)
            asked = flow.send(heard)
    except StopIteration as stop:
        return stop.value


# -- whose records ---------------------------------------------------------------------------------------


def own_nodes(root: Node) -> Iterator[Node]:
    """The records that the domain's owner writes: its own, those below the domain, and what a redirect leads to."""
    yield root
    for branch in root.branches:
        inner = branch.node
        if inner and inner.record and (branch.term.name == "redirect" or within(inner.domain, root.path[0])):
            yield from own_nodes(inner)


def _includes(root: Node) -> Iterator[str]:
    names = (
        branch.target
        for node in own_nodes(root)
        for branch in node.branches
        if branch.reachable and branch.target and branch.term.name in ("include", "redirect")
    )
    yield from dict.fromkeys(names)


def parent_of(root: Node, node: Node) -> tuple[Node, Branch]:
    """The record and the term that lead to a node below the root."""
    return next((n, b) for n in root.walk() for b in n.branches if b.node is node)


def ending(root: Node) -> tuple[Node, str | None] | None:
    """Where a client that nothing matches ends: the record, and the qualifier of its ``all`` or None without one.

    None when that cannot be said: the redirect leads to no readable record.
    """
    node = root
    while node.state is State.RECORD and node.record:
        if node.record.all:
            return node, node.record.all.qualifier
        following = next((b.node for b in node.branches if b.term.name == "redirect" and b.reachable), None)
        if following is None:
            return node, None
        node = following
    return None


# -- what people write instead ---------------------------------------------------------------------------

_QUOTES = "\"'\u201c\u201d\u201e\u2018\u2019\u00ab\u00bb"
_LOOKS_LIKE_SPF = re.compile(r"v\s*[=:]\s*(spf|sfp|psf)(?!2\.0/)|spf\s*1?\s+.*([-~?+]all|include:)", re.IGNORECASE)


_SHOWN = {"\t": "a tab", "\n": "a line feed", "\r": "a carriage return", "\u00a0": "a no-break space"}


def _near_misses(answer: Answer) -> Iterator[NearMiss]:
    """TXT records that were meant as SPF: the version is not exactly ``v=spf1`` and a space."""
    for index, text in enumerate(answer.texts):
        core = text.strip(" \t\r\n" + _QUOTES)
        if not _LOOKS_LIKE_SPF.match(core):
            continue
        first = answer.records[index][0].decode("utf-8", "surrogateescape") if answer.records[index] else ""
        if first.lower() == "v=spf1":
            why = "the first string ends after v=spf1, and strings are joined without a space"
        elif text[:1] in (" ", "\t") and is_spf(core):
            why = "a blank stands before v=spf1"
        elif text[:1] in _QUOTES:
            why = f"a quotation mark stands before v=spf1 ({text[:1]})"
        elif text[6:7] == ";" and text[:6].lower() == "v=spf1":
            why = "a semicolon follows v=spf1, where a space belongs"
        elif text[:6].lower() == "v=spf1":
            why = f"{_SHOWN.get(text[6:7], repr(text[6:7]))} follows v=spf1, where a space belongs"
        else:
            why = f"it begins with {core.split(' ')[0][:20]!r} instead of v=spf1"
        yield NearMiss(index, text, why)


def _look_elsewhere(domain: str, wildcard: Answer) -> Flow[tuple[Misplaced, ...]]:
    """SPF records at names where nobody asks for them, unless a wildcard answers everywhere."""
    places = {
        f"{domain}.{domain}": "with the domain doubled (a final dot or a relative name was forgotten)",
        f"_spf.{domain}": "at _spf, where only an include or redirect would find it",
        f"spf.{domain}": "at a subdomain of its own",
        f"_spf1.{domain}": "at a subdomain of its own",
    }
    names = [name for name in places if len(name) <= 253]
    answers = yield from together(*(ask(name, "TXT") for name in names))
    return tuple(
        Misplaced(places[name], answer, index)
        for name, answer in zip(names, answers, strict=True)
        if answer.status is Status.OK
        for index in select(answer.texts)
        if answer.texts[index] not in wildcard.texts
    )


_TERM_BEGINS = re.compile(
    r"""[-+~?]?(?:include:|exists:|ip[46]:|(?:a|mx|ptr)[:/])[^ ]+
      | [-+~?](?:all|a|mx|ptr)(?=[ ]|$)
      | all(?=[ ]|$)
      | (?:redirect|exp)=[^ ]+""",
    re.IGNORECASE | re.VERBOSE,
)


def _joins(strings: tuple[bytes, ...]) -> Iterator[int]:
    """Where two strings of the record meet inside a term although each side is a term of its own (§3.3)."""
    text = b"".join(strings).decode("utf-8", "surrogateescape")
    place = joined = 0
    for string in strings[:-1]:
        place += len(string.decode("utf-8", "surrogateescape"))
        left = text[max(text.rfind(" ", 0, place) + 1, joined) : place]
        if _TERM_BEGINS.match(text, place) and _is_term(left):
            yield place
            joined = place


def _is_term(text: str) -> bool:
    """True for a directive, or a modifier that RFC 7208 defines."""
    record = parse_record(f"v=spf1 {text}")
    return record.fatal is None and any(
        not isinstance(t, Modifier) or t.name in ("redirect", "exp") for t in record.terms
    )
