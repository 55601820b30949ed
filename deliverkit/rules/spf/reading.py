"""What several SPF rules read: the one record, the tree, evidence with its place, and a way to name a path.

A reader raises `NotApplicable` where there is nothing to judge, so that one cause makes one finding.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from deliverkit.facts.base import NotApplicable, Unobserved, needs
from deliverkit.facts.domain import DomainFacts
from deliverkit.facts.spf import SpfFacts, own_nodes
from deliverkit.findings import Evidence, RecordText, evidence_of
from deliverkit.names import within
from deliverkit.protocols.spf.record import Record, select
from deliverkit.protocols.spf.tree import Branch, Node, State, Tree
from deliverkit.rules.spf.repair import without

LONGEST = 100  # characters of a stranger's text in one sentence


def one_record(facts: DomainFacts) -> Record:
    """The record, with or without faults; not applicable when there is none or more than one."""
    return needs(facts.spf.parsed)


def sound_record(facts: DomainFacts) -> Record:
    """The record, if its syntax is right: with a fault in it, what it says is nothing at all."""
    record = one_record(facts)
    if record.fatal:
        raise NotApplicable
    return record


def grown(facts: DomainFacts) -> Tree:
    """The tree of the one record."""
    return needs(facts.spf.tree)


def own_terms(facts: DomainFacts) -> Iterator[tuple[Node, Branch]]:
    """The reachable terms of the records that the domain's owner writes."""
    for node in own_nodes(grown(facts).root):
        for branch in node.branches:
            if branch.reachable:
                yield node, branch


def joined(facts: DomainFacts, span: tuple[int, int]) -> bool:
    """True for a term of the domain's record into which two strings ran together; another rule tells of it."""
    return any(span[0] < place < span[1] for place in facts.spf.joins)


def by_record(pairs: Iterable[tuple[Node, Branch]]) -> list[tuple[Node, list[Branch]]]:
    """The terms grouped by the record they stand in."""
    grouped: dict[str, tuple[Node, list[Branch]]] = {}
    for node, branch in pairs:
        grouped.setdefault(node.domain.lower(), (node, []))[1].append(branch)
    return list(grouped.values())


def trimmed(facts: DomainFacts, node: Node, branches: Iterable[Branch]) -> tuple[RecordText, ...]:
    """The record without these terms, where it is the domain's own to change."""
    if node.record is None or not within(node.domain, facts.name):
        return ()
    return txt(node.domain, without(node.record, [branch.term.span for branch in branches]))


def glued_end(name: str) -> bool:
    """True for a name such as example.net-all: the space before -all is missing."""
    head, sign, tail = name.rpartition("-")
    return bool(sign) and tail.lower() == "all" and "." in head


def all_told(tree: Tree) -> None:
    """End inconclusive if a part of the tree could not be seen."""
    if tree.unknown:
        raise Unobserved("; ".join(tree.unknown[:3]))


def here(spf: SpfFacts, span: tuple[int, int] | None = None) -> tuple[Evidence, ...]:
    """The domain's own record, with a place in it."""
    return evidence_of(spf.answer, spf.candidates[0], span=span)


def at(node: Node, span: tuple[int, int] | None = None) -> tuple[Evidence, ...]:
    """The record of a node, with a place in it; or how its name was answered."""
    if node.answer is None:
        return ()
    chosen = select(node.answer.texts) if node.answer.records else ()
    if node.record and chosen:
        return evidence_of(node.answer, chosen[0], span=span)
    if node.state is State.MANY:
        return tuple(e for index in chosen for e in evidence_of(node.answer, index))
    question = node.answer.question
    return (
        Evidence(
            "dns", question.name, question.type, "no SPF record" if node.answer.records else node.answer.status.value
        ),
    )


def where(path: tuple[str, ...]) -> str:
    """A path through records: "example.com > a.example > b.example"."""
    return " > ".join(path)


def short(text: str) -> str:
    """A term or record for a sentence; whole it stands in the evidence."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def txt(name: str, value: str | None) -> tuple[RecordText, ...]:
    """A TXT record to publish, if there is one to offer."""
    return () if value is None else (RecordText(name, "TXT", value),)


def cost(branch: Branch) -> int:
    """The lookups a term stands for, with everything below it."""
    below = sum(cost(inner) for inner in branch.node.branches if inner.reachable) if branch.node else 0
    return int(branch.counts and branch.reachable) + below
