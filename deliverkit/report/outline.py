"""The SPF tree, the DMARC walk and the providers as nested data, from which the HTML report makes lists that fold.

The texts are those of the terminal, made safe by `plain`; the numbers stand by themselves. What this file will not do:
write HTML, or judge.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from deliverkit.facts.base import Missing
from deliverkit.facts.dmarc import DmarcFacts
from deliverkit.protocols.dmarc.discover import Discovery, Step, Walk
from deliverkit.protocols.dmarc.suffixes import SuffixAnswer
from deliverkit.protocols.spf.cost import Priced, priced
from deliverkit.protocols.spf.tree import State
from deliverkit.report.dmarc_text import (
    by_list,
    compared,
    destination_text,
    identifiers,
    list_is_due,
    outcome,
    suffix_lines,
    without_consequence,
)
from deliverkit.report.plain import plain
from deliverkit.report.trees import MOST_LINES, cost_lines, grouped, remark, run_text, state_word

if TYPE_CHECKING:
    from deliverkit.facts.message.authentication import AuthenticationFacts
    from deliverkit.facts.providers import ProvidersFacts
    from deliverkit.facts.spf import SpfFacts

_WIDE = 100_000  # one line: the browser wraps


def spf_outline(facts: SpfFacts) -> dict[str, Any] | None:
    """The tree with the price of each branch; None where no tree was grown."""
    tree = facts.raw("tree")
    if isinstance(tree, Missing) or tree is None:
        return None
    root = tree.root
    return {
        "kind": "tree",
        "root": plain(facts.domain),
        "state": "" if root.state is State.RECORD else state_word(root),
        "twigs": _twigs(priced(tree), [MOST_LINES]),
        "costs": list(cost_lines(tree)),
    }


def _twigs(branches: Sequence[Priced], left: list[int]) -> list[dict[str, Any]]:
    """The terms of one record; ``left`` is how many may still be shown."""
    twigs: list[dict[str, Any]] = []
    for group in grouped(branches):
        if left[0] <= 0:
            break
        shown = [group[0]] if len(group) > 3 else group
        for one in shown:
            left[0] -= 1
            text = run_text(group) if len(group) > 3 else plain(one.branch.term.text)
            twigs.append(
                {
                    "text": text,
                    "remark": remark(one).strip(),
                    "cost": one.all_lookups,
                    "number": one.so_far,
                    "state": "over" if one.over else "dead" if one.dead else "",
                    "twigs": _twigs(one.inner, left),
                }
            )
    return twigs


def dmarc_outline(facts: DmarcFacts | Discovery) -> dict[str, Any]:
    """The walk of a domain, beside it the list's answer, and the report addresses."""
    if isinstance(facts, Discovery):
        return _walked(facts, None)
    suffix, destinations = facts.raw("suffix"), facts.raw("destinations")
    outline = _walked(facts.discovery, None if isinstance(suffix, Missing) else suffix)
    known = () if isinstance(destinations, Missing) else destinations
    return {**outline, "destinations": [destination_text(one) for one in known]}


def provider_outline(facts: ProvidersFacts) -> dict[str, Any] | None:
    """The providers with what is in place of each; None without any."""
    from deliverkit.report.providers_text import provider_rows

    rows = [(plain(one.provider.name), one.via, [row for row in provider_rows(one) if row[1]]) for one in facts.seen]
    return {"kind": "providers", "providers": rows} if rows else None


def message_outline(facts: AuthenticationFacts) -> dict[str, Any] | None:
    """The walk of the Author Domain and those of the identifiers that passed."""
    result = facts.raw("dmarc")
    if isinstance(result, Missing) or result.discovery is None:
        return None
    held = [
        {
            "head": plain(f"{one.method} {one.domain}"),
            "aligned": {True: "aligned", False: "not aligned", None: "unknown"}[one.aligned],
            "why": plain(f"{one.why}{by_list(one, result)}"),
            "steps": [] if one.walk is None else _steps(one.walk.steps, None),
            "org": "" if one.walk is None else _organization(one.walk),
        }
        for one in identifiers(result)
    ]
    outline = _walked(result.discovery, result.suffix.answer if result.suffix else None)
    return {**outline, "identifiers": held, **({} if list_is_due(result) else {"suffix": ""})}


def _walked(discovery: Discovery, suffix: SuffixAnswer | None) -> dict[str, Any]:
    differ = suffix is not None and bool(suffix.differs) and not without_consequence(discovery, suffix)
    return {
        "kind": "walk",
        "outcome": outcome(discovery),
        "steps": _steps(discovery.steps, discovery.step),
        "org": _organization(discovery.walk),
        "suffix": suffix_lines(discovery, suffix, _WIDE)[0],
        "compared": compared(discovery, suffix) if suffix and differ else [],
        "destinations": [],
        "identifiers": [],
    }


def _steps(steps: Sequence[Step], deciding: Step | None) -> list[dict[str, Any]]:
    return [
        {
            "name": plain(step.name),
            "seen": plain(step.seen, 600),
            "record": step.record is not None,
            "why": plain(step.why),
            "decides": step is deciding,
        }
        for step in steps
    ]


def _organization(walked: Walk) -> str:
    return plain(f"{walked.org_domain} ({walked.org_reason})" if walked.org_domain else walked.org_reason)
