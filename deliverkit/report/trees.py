"""SPF as indented trees of plain lines: what a record leads to, and the path that one evaluation took.

A line that is too long is cut, never wrapped: the tree keeps its shape, and the records stand whole in the evidence and
in the JSON. Control characters are escaped. What this file will not do: judge.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING

from deliverkit.facts.base import Missing
from deliverkit.facts.checkhost import CheckHostFacts
from deliverkit.facts.spf import SpfFacts
from deliverkit.protocols.spf.lookups import MAX_LOOKUPS
from deliverkit.protocols.spf.tree import Branch, Node, State, Tree
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
    yield f"{plain(facts.domain)}{_state(tree.root)}"
    yield from _bounded(_node_lines(tree.root, ""))
    yield from _costs(tree)
    checks = facts.raw("checks")
    if not isinstance(checks, Missing):
        yield from (_verdict(check) for check in checks)


def _bounded(lines: Iterator[str]) -> Iterator[str]:
    for number, line in enumerate(lines):
        if number == MOST_LINES:
            yield "…"
            return
        yield line


def _costs(tree: Tree) -> Iterator[str]:
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


def _node_lines(node: Node, indent: str) -> Iterator[str]:
    """The terms of one record; runs of ip4 and ip6 share a line."""
    groups = [list(group) for _, group in groupby(node.branches, key=_run)]
    for number, group in enumerate(groups):
        last = number == len(groups) - 1
        lead, below = (f"{indent}└ ", f"{indent}  ") if last else (f"{indent}├ ", f"{indent}│ ")
        if len(group) > 3:
            yield from _run_line(group, lead)
            continue
        for branch in group:
            end = last and branch is group[-1]
            yield f"{lead if end or not last else indent + '├ '}{plain(branch.term.text)}{_remark(branch)}"
            if branch.node:
                yield from _node_lines(branch.node, below)


def _state(node: Node) -> str:
    return "" if node.state is State.RECORD else f"  ({_STATES[node.state]})"


def _run(branch: Branch) -> object:
    name = branch.term.name
    return (name, branch.reachable) if name in ("ip4", "ip6") else id(branch)


def _run_line(group: list[Branch], lead: str) -> Iterator[str]:
    name = group[0].term.name
    yield f"{lead}{len(group)} × {name}: {plain(group[0].term.text.partition(':')[2])}, …"


def _remark(branch: Branch) -> str:
    """What the term found, in a few words."""
    if not branch.reachable:
        return "  (never reached)"
    node = branch.node
    if node is not None:
        return _state(node)
    if branch.dynamic:
        return "  (depends on client or sender)" if branch.term.name != "ptr" else ""
    addresses = list(dict.fromkeys(str(a) for answer in branch.addresses for a in answer.records))
    if branch.counts and branch.lookup is not None and not branch.lookup.records:
        return f"  ({branch.lookup.status})"
    if branch.counts and branch.term.name in ("a", "mx"):
        unknown = next((a.status for a in branch.addresses if not a.known), None)
        shown = plain(", ".join(addresses[:2])) + (f" +{len(addresses) - 2}" if len(addresses) > 2 else "")
        return f"  {shown}" if addresses else f"  ({unknown or 'no address'})"
    return ""


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
