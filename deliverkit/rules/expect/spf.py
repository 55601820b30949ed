"""What is expected of SPF: its result, how it ends, whom it includes, and what it costs."""

from __future__ import annotations

from collections.abc import Iterator

from deliverkit.facts.base import Unobserved
from deliverkit.facts.expected import ExpectedFacts
from deliverkit.facts.spf import SpfFacts, ending
from deliverkit.findings import Draft, Evidence, Severity
from deliverkit.protocols.spf.record import QUALIFIERS, Result
from deliverkit.protocols.spf.tree import Tree
from deliverkit.rules.expect.reading import seen, told, unmet
from deliverkit.rules.registry import Findings, rule
from deliverkit.rules.spf.reading import all_told, at, here
from deliverkit.rules.spf.shorten import shortened

_NONE = "there is no SPF record"


@rule("EXP001", Severity.ERROR, "RFC 7208 §2.6")
def spf_result_differs(facts: ExpectedFacts) -> Findings:
    """SPF has another result than the one that is expected.

    Why: receivers take mail from the addresses you named otherwise than you mean them to.
    Fix: correct the SPF record so that it has this result for your addresses, or change what is expected.
    """
    wanted, spf = facts.wanted("spf"), facts.domain.spf
    if not facts.domain.sends_from:
        yield from _without_addresses(facts, wanted, spf)
        return
    unknown = None
    for check in spf.checks:
        if check.result is Result.TEMPERROR:
            unknown = f"SPF for {check.client_ip}: temperror ({check.unanswered})"
        elif check.result.value != wanted:
            yield unmet(facts, "spf", f"{check.client_ip} gets {check.result.value}", _shown(spf))
    if unknown:
        raise Unobserved(unknown)


def _without_addresses(facts: ExpectedFacts, wanted: str, spf: SpfFacts) -> Iterator[Draft]:
    """Without addresses: "pass" is a record that can be evaluated, others are what everybody else gets."""
    result = _result(spf)
    if wanted == "pass" and result not in (Result.NONE, Result.PERMERROR):
        return
    if result.value != wanted:
        words = {Result.NONE: _NONE, Result.PERMERROR: "the SPF record ends in permerror"}
        yield unmet(facts, "spf", words.get(result, f"whoever is not listed gets {result.value}"), _shown(spf))


def _result(spf: SpfFacts) -> Result:
    """The result for a client that nothing lists. Raises Unobserved where it depends on what nobody told."""
    if not spf.candidates:
        return Result.NONE
    if spf.tree is None or (spf.parsed is not None and spf.parsed.fatal):  # §4.5: more than one; §4.6: syntax
        return Result.PERMERROR
    if spf.tree.permerror:
        return Result.PERMERROR
    all_told(spf.tree)
    end = ending(spf.tree.root)
    return Result.NEUTRAL if end is None or end[1] is None else QUALIFIERS[end[1]]  # §4.7: neutral without an all


@rule("EXP002", Severity.ERROR, "RFC 7208 §5.1")
def spf_ends_otherwise(facts: ExpectedFacts) -> Findings:
    """The SPF record does not end as expected.

    Why: the last term says what becomes of mail from everybody else; a weaker one lets forgeries through.
    Fix: end the record with the term that is expected, or change what is expected.
    """
    wanted, spf = facts.wanted("spf-all"), facts.domain.spf
    tree = _tree(spf)
    if tree is None:
        yield unmet(facts, "spf-all", _NONE if not spf.candidates else "there are several SPF records", _shown(spf))
        return
    end = ending(tree.root)
    if end is None:
        all_told(tree)
        yield unmet(facts, "spf-all", "the record leads to none that could end", _shown(spf))
        return
    node, qualifier = end
    if qualifier is None:
        yield unmet(facts, "spf-all", "the record ends without an all", at(node))
    elif f"{qualifier}all" != wanted:
        span = node.record.all.span if node.record and node.record.all else None
        yield unmet(facts, "spf-all", f"the record ends with {qualifier}all", at(node, span))


@rule("EXP003", Severity.ERROR, "RFC 7208 §5.2")
def spf_lacks_an_include(facts: ExpectedFacts) -> Findings:
    """The SPF record does not include a name that it must.

    Why: mail that leaves through this provider fails SPF.
    Fix: add include: with this name in front of the all, or change what is expected.
    """
    wanted, spf = facts.wanted("spf-includes"), facts.domain.spf
    tree = _tree(spf)
    held: set[str] = set()
    if tree is not None:
        branches = (branch for node in tree.root.walk() for branch in node.branches if branch.reachable)
        held = {b.target.lower().rstrip(".") for b in branches if b.target and b.term.name in ("include", "redirect")}
    missing = [name for name in wanted if name.lower().rstrip(".") not in held]
    if missing and tree is not None:
        all_told(tree)
    for name in missing:
        yield unmet(facts, "spf-includes", f"nothing includes {name}", _shown(spf))


@rule("EXP004", Severity.ERROR, "RFC 7208 §4.6.4")
def spf_needs_more_lookups(facts: ExpectedFacts) -> Findings:
    """SPF needs more DNS lookups than expected.

    Why: at eleven every receiver answers permerror; the reserve that you wanted to keep is used up.
    Fix: take out includes that no longer send for you, or raise lookups-max.
    """
    yield from _too_many(facts, "lookups-max", "DNS lookups")


@rule("EXP005", Severity.ERROR, "RFC 7208 §4.6.4")
def spf_has_more_void_lookups(facts: ExpectedFacts) -> Findings:
    """More lookups of SPF find nothing than expected.

    Why: at three every receiver may answer permerror; the reserve that you wanted to keep is used up.
    Fix: take out the terms whose names have no records, or raise voids-max.
    """
    yield from _too_many(facts, "voids-max", "lookups that find nothing")


def _too_many(facts: ExpectedFacts, key: str, what: str) -> Iterator[Draft]:
    most, spf = facts.wanted(key), facts.domain.spf
    tree = _tree(spf)
    if tree is None:
        return  # no record needs no lookup
    counts = (worst.lookup_count if key == "lookups-max" else worst.void_count for worst in tree.worst)
    worst = max(counts)
    if worst > most:
        shorter = shortened(facts.domain, tree, most, others=True, flat=True) if key == "lookups-max" else None
        records, fix = (shorter.records, shorter.advice) if shorter else ((), None)
        yield unmet(facts, key, f"{worst} {what}", _shown(spf), records=records, fix=fix)
    else:
        all_told(tree)


def _tree(spf: SpfFacts) -> Tree | None:
    told(spf.answer)
    return spf.tree


def _shown(spf: SpfFacts) -> tuple[Evidence, ...]:
    return here(spf) if spf.candidates else seen(spf.answer)
