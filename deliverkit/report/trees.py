"""SPF as indented trees of plain lines: what a record leads to and costs, and the path that one evaluation took.

Before each term that asks DNS stand two numbers: what it costs with all below it, and how many lookups have been made
once it is asked, so that one sees where the limit of ten is passed.
A line that is too long is cut, never wrapped: the tree keeps its shape, and the records stand whole in the evidence and
in the JSON. Control characters are escaped. What this file will not do: judge.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from deliverkit.facts.base import Missing
from deliverkit.facts.checkhost import CheckHostFacts
from deliverkit.facts.spf import SpfFacts
from deliverkit.protocols.spf.cost import DEAD, Priced, priced
from deliverkit.protocols.spf.lookups import MAX_LOOKUPS
from deliverkit.protocols.spf.tree import FAMILIES, Branch, Node, State, Tree
from deliverkit.report.plain import fold, plain

if TYPE_CHECKING:
    from deliverkit.protocols.spf.trace import CheckResult, Evaluation, Step

MOST_COLUMNS = 118
MOST_LINES = 200

_STATES = {
    State.INVALID: "syntax error",
    State.NONE: "no SPF record",
    State.NXDOMAIN: "does not exist",
    State.MANY: "several SPF records",
    State.UNKNOWN: "no answer",
    State.LOOP: "a circle",
    State.DYNAMIC: "depends on the sender",
    State.CUT: "not followed further",
}


def spf_tree_lines(facts: SpfFacts, width: int = 60) -> list[str]:
    """The record, what it costs at worst, and every name it leads to."""
    return [_cut(line, width) for line in _tree_lines(facts)]


def _tree_lines(facts: SpfFacts) -> Iterator[str]:
    tree = facts.raw("tree")
    if isinstance(tree, Missing):
        yield plain(tree.reason)
        return
    if tree is None:
        texts = [facts.answer.texts[index] for index in facts.candidates]
        yield f"{plain(facts.domain)}: {len(texts) or 'no'} SPF records"
        yield from (f"  {plain(text)}" for text in texts)
        return
    branches = priced(tree)
    head = _HEAD if any(one.all_lookups for one in branches) else ""
    yield f"{head}{plain(facts.domain)}{_state(tree.root)}"
    yield from _bounded(_node_lines(branches, "", gutter=bool(head)))
    yield from cost_lines(tree)
    checks = facts.raw("checks")
    if not isinstance(checks, Missing):
        yield from (_verdict(check) for check in checks)


def _bounded(lines: Iterator[str]) -> Iterator[str]:
    for number, line in enumerate(lines):
        if number == MOST_LINES:
            yield "…"
            return
        yield line


def cost_lines(tree: Tree) -> Iterator[str]:
    """The worst path in numbers, once for each family where they differ."""
    more = "at least " if tree.cut or tree.unknown else ""
    four, six = tree.worst
    if (four.lookup_count, four.void_count, four.void_count_strict) == (
        six.lookup_count,
        six.void_count,
        six.void_count_strict,
    ):
        yield _cost("worst path", four.lookup_count, four.void_count, four.void_count_strict, more)
        return
    for worst in tree.worst:
        name = f"worst path, IPv{worst.family}"
        yield _cost(name, worst.lookup_count, worst.void_count, worst.void_count_strict, more)


def _cost(name: str, lookups: int, voids: int, strict: int, more: str) -> str:
    counted = f"{voids} void" if voids == strict else f"{voids} void ({strict} strictly)"
    return f"{name}: {more}{lookups} of {MAX_LOOKUPS} lookups, {counted}"


_HEAD = "cost sum  "


def _gutter(one: Priced) -> str:
    """ "   4   2  ": the cost of the branch, and the number of its first lookup; a number past the limit is marked."""
    if not one.lookups:
        return " " * len(_HEAD)
    number = "-" if one.so_far is None else f"{one.so_far}!" if one.over else f"{one.so_far} "
    return f"{one.all_lookups:>4}{number:>5} "


def _node_lines(branches: Sequence[Priced], indent: str, *, gutter: bool) -> Iterator[str]:
    """The terms of one record; runs of ip4 and ip6 share a line."""
    groups = grouped(branches)
    blank = " " * len(_HEAD) if gutter else ""
    for number, group in enumerate(groups):
        last = number == len(groups) - 1
        lead, below = (f"{indent}└ ", f"{indent}  ") if last else (f"{indent}├ ", f"{indent}│ ")
        if len(group) > 3:
            yield f"{blank}{lead}{run_text(group)}"
            continue
        for one in group:
            end = last and one is group[-1]
            front = f"{_gutter(one) if gutter else ''}{lead if end or not last else indent + '├ '}"
            yield f"{front}{plain(one.branch.term.text)}{remark(one)}"
            yield from _node_lines(one.inner, below, gutter=gutter)


def _state(node: Node) -> str:
    return "" if node.state is State.RECORD else f"  ({state_word(node)})"


def state_word(node: Node) -> str:
    """What is wrong at a node: "dead: does not exist"."""
    return f"dead: {_STATES[node.state]}" if node.state in DEAD else _STATES[node.state]


def grouped(branches: Sequence[Priced]) -> list[list[Priced]]:
    """The branches of a record, runs of ip4 and of ip6 together."""
    return [list(group) for _, group in groupby(branches, key=lambda one: _run(one.branch))]


def _run(branch: Branch) -> object:
    name = branch.term.name
    return (name, branch.reachable) if name in ("ip4", "ip6") else id(branch)


def run_text(group: Sequence[Priced]) -> str:
    """ "12 × ip4: 192.0.2.1, …"."""
    term = group[0].branch.term
    return f"{len(group)} × {term.name}: {plain(term.text.partition(':')[2])}, …"


def remark(one: Priced) -> str:
    """Where the term does harm, and what it found, in a few words; with two spaces in front."""
    first_over = one.over and one.so_far == MAX_LOOKUPS + 1
    return f"{'  (the limit is passed here)' if first_over else ''}{_found(one.branch)}"


def _found(branch: Branch) -> str:
    if not branch.reachable:
        return "  (dead: never reached)"
    node = branch.node
    if node is not None:
        return _state(node)
    if branch.dynamic:
        return "  (depends on client or sender)" if branch.term.name != "ptr" else ""
    addresses = list(dict.fromkeys(str(a) for answer in branch.addresses for a in answer.records))
    if branch.counts and branch.lookup is not None and not branch.lookup.records:
        return f"  ({branch.lookup.status}{_void(branch)})"
    if branch.counts and branch.term.name in ("a", "mx"):
        unknown = next((a.status for a in branch.addresses if not a.known), None)
        shown = plain(", ".join(addresses[:2])) + (f" +{len(addresses) - 2}" if len(addresses) > 2 else "")
        void = _void(branch)
        return f"  {shown}{f' ({void[2:]})' if void else ''}" if addresses else f"  ({unknown or 'no address'}{void})"
    return ""


def _void(branch: Branch) -> str:
    """ ", void", or for which clients it is void."""
    four, six = (branch.voids(family) for family in FAMILIES)
    if not four and not six:
        return ""
    number = f"{max(four, six)} × " if max(four, six) > 1 else ""
    return f", {number}void" if four == six else f", {number}void over IPv{4 if four > six else 6}"


def _cut(line: str, width: int) -> str:
    columns = min(max(width - 2, 40), MOST_COLUMNS)  # reports indent by two
    return line if len(line) <= columns else f"{line[: columns - 1]}…"


# -- one evaluation ---------------------------------------------------------------------------------------


def check_host_lines(facts: CheckHostFacts | CheckResult, width: int = 60) -> list[str]:
    """The evaluation step by step; the path that decided is marked with arrows."""
    check = facts.check if isinstance(facts, CheckHostFacts) else facts
    steps = _bounded(_evaluation_lines(check.trace, "  ", decided=True))
    strict = f" ({check.voids_strict} strictly)" if check.voids_strict != check.voids else ""
    return [
        *(_cut(line, width) for line in (_verdict(check), f"  {plain(check.trace.domain)}", *steps)),
        *(fold(f"explanation: {plain(check.explanation, 400)}", width - 2, hanging="  ") if check.explanation else ()),
        f"cost: {check.lookups} of {MAX_LOOKUPS} lookups, {check.voids} void{strict}",
    ]


def _verdict(check: CheckResult) -> str:
    return f"{check.result}: {plain(check.client_ip)} for {plain(check.sender)}"


def _evaluation_lines(trace: Evaluation, indent: str, *, decided: bool) -> Iterator[str]:
    if not trace.steps:
        yield f"{indent}  ({plain(trace.reason)})"
        return
    for number, step in enumerate(trace.steps):
        deciding = decided and number == len(trace.steps) - 1 and step.outcome != "no match"
        mark = "→" if deciding else "·"
        yield f"{indent}{mark} {plain(step.term)}  {_outcome(step)}"
        if step.inner:
            yield from _evaluation_lines(step.inner, f"{indent}  ", decided=deciding)
    if trace.steps[-1].outcome == "no match":
        yield f"{indent}  (no term matched: {trace.result})"


def _outcome(step: Step) -> str:
    """ "match (192.0.2.1)", "no match", "permerror"."""
    if step.outcome == "match" and step.detail:
        return f"match ({plain(step.detail)})"
    if step.outcome == "no match" and step.voids_strict:
        return "no match (nothing found)"
    return step.outcome
