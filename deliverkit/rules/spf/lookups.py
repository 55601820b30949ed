"""What an SPF record leads to and what that costs: limits, dead ends and loops (RFC 7208 §4.6.4, §5.2, §6.1)."""

from __future__ import annotations

from collections.abc import Iterator

from deliverkit.facts.base import NotApplicable
from deliverkit.facts.domain import DomainFacts
from deliverkit.facts.spf import parent_of
from deliverkit.findings import Draft, Evidence, Fix, Severity, finding
from deliverkit.names import within
from deliverkit.protocols.spf.lookups import MAX_HOSTS, MAX_LOOKUPS, MAX_VOIDS
from deliverkit.protocols.spf.record import parse_record
from deliverkit.protocols.spf.tree import FAMILIES, MAX_STEPS, Branch, Node, State, Tree, WorstPath
from deliverkit.rules.registry import Findings, rule
from deliverkit.rules.spf.reading import (
    all_told,
    at,
    by_record,
    cost,
    glued_end,
    grown,
    here,
    joined,
    one_record,
    own_terms,
    short,
    trimmed,
    txt,
    where,
)
from deliverkit.rules.spf.repair import replaced, with_addresses, without
from deliverkit.rules.spf.shorten import shortened, without_repetition

HEADROOM = 8
TOLD = 6


@rule("SPF004", Severity.ERROR, "RFC 7208 §4.6.4")
def too_many_lookups(facts: DomainFacts) -> Findings:
    """The SPF record needs more than ten DNS lookups.

    Why: receivers stop at the eleventh term that queries DNS and answer permerror, so DMARC cannot use SPF. Whoever is
    listed behind that term is never authorised.
    Fix: remove includes that no longer send for you; replace a and mx by the addresses they stand for; move a sender to
    a subdomain of its own.
    """
    tree = grown(facts)
    worst = _dearest(tree)
    if worst.lookup_count <= MAX_LOOKUPS or _looped(tree):
        all_told(tree)
        return
    eleventh = worst.lookups[MAX_LOOKUPS]
    number = f"at least {MAX_STEPS}" if worst.lookup_count >= MAX_STEPS else str(worst.lookup_count)
    detail = (
        f"{number} terms query DNS on the worst path, {MAX_LOOKUPS} are allowed; "
        f"the eleventh is {short(eleventh.term)} in {where(eleventh.path)}. {_shares(tree)}"
    )
    shorter = shortened(facts, tree, MAX_LOOKUPS, others=True, flat=True)
    at_ = _top(facts, tree, eleventh.path)
    yield finding(detail, at=at_, fix=shorter.advice if shorter else None, records=shorter.records if shorter else ())


def _dearest(tree: Tree) -> WorstPath:
    return max(tree.worst, key=lambda worst: worst.lookup_count)


def _looped(tree: Tree) -> bool:
    return any(branch.node and branch.node.state is State.LOOP for _, branch in tree.root.entered())


def _shares(tree: Tree) -> str:
    """What the dearest terms of the domain's own record cost, dearest first."""
    costs = [
        (cost(branch), short(branch.term.text)) for branch in tree.root.branches if branch.reachable and branch.counts
    ]
    told = (f"{text} {number}" for number, text in sorted(costs, key=lambda c: -c[0])[:5])
    return f"Dearest: {', '.join(told)}"


def _top(facts: DomainFacts, tree: Tree, path: tuple[str, ...]) -> tuple[Evidence, ...]:
    """The domain's own term that begins a path."""
    if len(path) < 2:
        return here(facts.spf)
    first = next((b for b in tree.root.branches if b.node and b.node.domain == path[1]), None)
    return here(facts.spf, first.term.span if first else None)


@rule("SPF015", Severity.NOTE, "RFC 7208 §4.6.4")
def few_lookups_left(facts: DomainFacts) -> Findings:
    """The SPF record is close to the limit of ten DNS lookups.

    Why: when an included provider adds one or two includes of its own, the record becomes a permerror overnight.
    Fix: remove includes that no longer send for you, before that happens.
    """
    tree = grown(facts)
    number = _dearest(tree).lookup_count
    if HEADROOM <= number < MAX_LOOKUPS and not _looped(tree):
        shorter = shortened(facts, tree, HEADROOM - 1, others=False)
        yield finding(
            f"{number} of {MAX_LOOKUPS} lookups are used. {_shares(tree)}",
            at=here(facts.spf),
            fix=shorter.advice if shorter else None,
            records=shorter.records if shorter else (),
        )
        return
    all_told(tree)


@rule("SPF016", Severity.WARNING, "RFC 7208 §4.6.4")
def no_lookup_left(facts: DomainFacts) -> Findings:
    """The SPF record uses all of its ten DNS lookups.

    Why: any include that a provider adds to its own record makes yours a permerror, without a change on your side.
    Fix: remove includes that no longer send for you; replace a and mx by the addresses they stand for.
    """
    tree = grown(facts)
    if _dearest(tree).lookup_count == MAX_LOOKUPS and not _looped(tree):
        shorter = shortened(facts, tree, MAX_LOOKUPS - 1, others=True)
        yield finding(
            f"all {MAX_LOOKUPS} lookups are used. {_shares(tree)}",
            at=here(facts.spf),
            fix=shorter.advice if shorter else None,
            records=shorter.records if shorter else (),
        )
        return
    all_told(tree)


@rule("SPF012", Severity.ERROR, "RFC 7208 §5.2")
def include_without_record(facts: DomainFacts) -> Findings:
    """The SPF record includes a name that has no SPF record.

    Why: an include whose target has no record makes the whole evaluation a permerror.
    Fix: remove the include, or correct its name.
    """
    tree = grown(facts)
    found = list(_dead_ends(facts, tree, "include"))
    if not found:
        all_told(tree)
    yield from found


@rule("SPF013", Severity.ERROR, "RFC 7208 §6.1")
def redirect_without_record(facts: DomainFacts) -> Findings:
    """The SPF record redirects to a name that has no SPF record.

    Why: the record of the target is the record of the domain; without it the result is permerror.
    Fix: correct the name after redirect=, or publish an SPF record there.
    """
    tree = grown(facts)
    found = list(_dead_ends(facts, tree, "redirect"))
    if not found:
        all_told(tree)
    yield from found


def _dead_ends(facts: DomainFacts, tree: Tree, kind: str) -> list[Draft]:
    """One finding for each name without a record that a term of this kind leads to."""
    told: dict[str, Draft] = {}
    for node, branch in tree.root.entered():
        inner = branch.node
        if inner is None or inner.state not in (State.NONE, State.NXDOMAIN) or branch.term.name != kind:
            continue
        if inner.domain.lower() in told or (node is tree.root and joined(facts, branch.term.span)):
            continue
        told[inner.domain.lower()] = _dead_end(facts, tree, node, branch, inner)
    return list(told.values())


def _dead_end(facts: DomainFacts, tree: Tree, node: Node, branch: Branch, inner: Node) -> Draft:
    what = "does not exist" if inner.state is State.NXDOMAIN else "has no SPF record"
    whose = "" if node is tree.root else f", in {where(node.path)}"
    glued = glued_end(inner.domain)
    hint = "; a space is missing before -all" if glued else ""
    fix, record = None, None
    if node is not tree.root and not within(node.domain, facts.name):
        fix = f"tell whoever runs {node.domain}, and remove the include that leads there until it is corrected"
    elif glued and node is tree.root:
        record = replaced(one_record(facts), {branch.term.span: branch.term.text[: -len("-all")] + " -all"})
    elif node is tree.root and branch.term.name == "include":
        record = without(one_record(facts), [branch.term.span])
        offer = f"publish this record, which leaves {short(branch.term.text)} out"
        fix = f"correct the name, or {offer}" if record else "correct the name, or name the servers that send instead"
    records, otherwise = txt(node.domain, record), () if glued else tuple(_named_instead(facts, node, branch))
    if otherwise and not records:  # nobody else would be left
        fix, records, otherwise = otherwise[0].text, otherwise[0].records, ()
    return finding(
        f"{inner.domain} {what} ({short(branch.term.text)}{whose}){hint}",
        at=(*at(node, branch.term.span), *at(inner)),
        fix=fix,
        records=records,
        otherwise=otherwise,
    )


def _named_instead(facts: DomainFacts, node: Node, branch: Branch) -> Iterator[Fix]:
    """The record with the addresses that mail is sent from in place of an include that leads nowhere."""
    own = node.domain == facts.name and node.record is not None and branch.term.name == "include"
    left = replaced(one_record(facts), {branch.term.span: ""}) if own and facts.sends_from else None
    if left is not None:
        named = ", ".join(facts.sends_from[:TOLD])
        said = f"publish this record, which names {named} instead of {short(branch.term.text)}"
        yield Fix(said, txt(node.domain, with_addresses(parse_record(left), facts.sends_from)))


@rule("SPF014", Severity.ERROR, "RFC 7208 §5.2")
def included_record_invalid(facts: DomainFacts) -> Findings:
    """A record that the SPF record leads to is invalid.

    Why: a permerror in an included record is a permerror of yours, whoever runs it.
    Fix: have the guilty record corrected, and remove the term that leads to it until then.
    """
    tree = grown(facts)
    guilty: dict[str, Node] = {}
    for _, branch in tree.root.entered():
        if branch.node and branch.node.state in (State.INVALID, State.MANY):
            guilty.setdefault(branch.node.domain.lower(), branch.node)
    if not guilty:
        all_told(tree)
    for node in guilty.values():
        fault = node.record.fatal if node.record else None
        why = f"has a syntax error: {fault.detail}" if fault else "has more than one SPF record"
        parent, branch = parent_of(tree.root, node)
        yield finding(
            f"{node.domain} {why} (reached by {short(branch.term.text)} in {where(parent.path)})",
            at=(*at(node, fault.span if fault else None), *at(parent, branch.term.span)),
        )


@rule("SPF017", Severity.ERROR, "RFC 7208 §4.6.4")
def include_loop(facts: DomainFacts) -> Findings:
    """The SPF record includes itself in a circle.

    Why: the evaluation goes round until the tenth lookup and ends in permerror.
    Fix: remove the include or redirect that closes the circle.
    """
    tree = grown(facts)
    told: set[frozenset[str]] = set()
    for node, branch in tree.root.entered():
        if branch.node is None or branch.node.state is not State.LOOP:
            continue
        names = [name.lower() for name in branch.node.path]
        circle = branch.node.path[names.index(names[-1]) :]
        if frozenset(map(str.lower, circle)) not in told:
            told.add(frozenset(map(str.lower, circle)))
            yield finding(f"{short(branch.term.text)} closes the circle {where(circle)}", at=at(node, branch.term.span))
    if not told:
        all_told(tree)


@rule("SPF018", Severity.ERROR, "RFC 7208 §4.6.4")
def too_many_void_lookups(facts: DomainFacts) -> Findings:
    """More than two lookups of the SPF record find nothing.

    Why: receivers end with permerror at the third lookup that gives no record, so the terms behind it never count.
    Fix: remove the terms whose names do not exist or have no address.
    """
    tree = grown(facts)
    worst = max(tree.worst, key=lambda w: w.void_count)
    if worst.void_count <= MAX_VOIDS:
        all_told(tree)
        return
    both = all(w.void_count > MAX_VOIDS for w in tree.worst)
    clients = "all clients" if both else f"IPv{worst.family} clients"
    dead = [b.term.span for b in tree.root.branches if _empty(b)]
    record = without(one_record(facts), dead) if dead else None
    yield finding(
        f"{worst.void_count} lookups find nothing for {clients}, {MAX_VOIDS} are allowed: "
        + ", ".join(f"{short(step.term)} ({where(step.path)})" for step in worst.voids[:6]),
        at=tuple(e for span in dead[:4] for e in here(facts.spf, span)) or here(facts.spf),
        fix="publish this record, without the terms that find nothing" if record else None,
        records=txt(facts.name, record),
    )


@rule("SPF019", Severity.NOTE, "RFC 7208 §4.6.4")
def void_lookups_for_one_family(facts: DomainFacts) -> Findings:
    """By the letter, more than two lookups find nothing for clients of one address family.

    Why: a host with IPv4 addresses only answers nothing to the AAAA lookup of an IPv6 client (or the other way round).
    Receivers that count those as void lookups end with permerror at the third, for clients of that family alone.
    Fix: give the hosts addresses of both families, or replace a and mx by the addresses you send from.
    """
    tree = grown(facts)
    if any(worst.void_count > MAX_VOIDS for worst in tree.worst):
        raise NotApplicable  # another rule tells of it
    worst = max(tree.worst, key=lambda w: w.void_count_strict)
    if worst.void_count_strict <= MAX_VOIDS:
        all_told(tree)
        return
    yield finding(
        f"an IPv{worst.family} client causes {worst.void_count_strict} empty answers, counted strictly: "
        + ", ".join(f"{short(step.term)} ({step.number})" for step in worst.voids_strict[:6]),
        at=here(facts.spf),
    )


@rule("SPF020", Severity.NOTE, "RFC 7208 §4.6.4")
def void_lookup(facts: DomainFacts) -> Findings:
    """A term of the SPF record finds nothing.

    Why: it authorises nobody and uses up a lookup; a name that does not exist may one day belong to somebody else, who
    then may send in your name.
    Fix: remove the term.
    """
    tree = grown(facts)
    if any(worst.void_count > MAX_VOIDS for worst in tree.worst):
        raise NotApplicable  # another rule tells of it
    empty = [(node, branch) for node, branch in own_terms(facts) if _empty(branch)]
    for node, branches in by_record(empty):
        meant = [branch for branch in branches if branch.term.name == "mx" and branch.target != node.domain]
        hint = f"; if {meant[0].target} itself sends mail, write a:{meant[0].target}" if meant else ""
        yield finding(
            "; ".join(_nothing(branch) for branch in branches[:TOLD]),
            at=tuple(e for branch in branches[:TOLD] for e in at(node, branch.term.span)),
            fix=f"remove the term{'s' if len(branches) > 1 else ''}{hint}",
            records=trimmed(facts, node, branches) if not meant else (),
        )
    if not empty:
        all_told(tree)


def _nothing(branch: Branch) -> str:
    what = "no MX record" if branch.term.name == "mx" and not branch.hosts else "no address"
    return f"{short(branch.term.text)} finds {what} at {branch.target}"


def _empty(branch: Branch) -> bool:
    """True for a term that finds nothing, whoever the client is; an mx with one host gone still finds others."""
    if not branch.reachable or branch.probe is not None or any(answer.records for answer in branch.addresses):
        return False
    return all(branch.voids(family) for family in FAMILIES)


@rule("SPF021", Severity.ERROR, "RFC 7208 §4.6.4")
def mx_with_too_many_hosts(facts: DomainFacts) -> Findings:
    """An mx term leads to more than ten hosts.

    Why: receivers look up the addresses of ten MX hosts at most; with more of them the mx term is a permerror.
    Fix: replace mx by ip4 and ip6 terms, or name fewer hosts in MX.
    """
    tree = grown(facts)
    told: set[str] = set()
    for node, branch in tree.root.entered():
        if len(branch.hosts) > MAX_HOSTS and branch.target and branch.target.lower() not in told:
            told.add(branch.target.lower())
            many = f"{len(branch.hosts)} MX hosts of {branch.target}"
            detail = f"{short(branch.term.text)} ({where(node.path)}) leads to {many}"
            yield finding(detail, at=at(node, branch.term.span))
    if not told:
        all_told(tree)


@rule("SPF038", Severity.NOTE, "RFC 7208 §4.6.4")
def included_twice(facts: DomainFacts) -> Findings:
    """The SPF record leads to the same name twice.

    Why: it is no loop, but each time counts against the limit of ten lookups.
    Fix: remove one of the two includes.
    """
    tree = grown(facts)
    ways: dict[str, list[tuple[Node, Branch]]] = {}
    for node, branch in tree.root.entered():
        if branch.node and branch.target and branch.node.state is not State.LOOP:
            ways.setdefault(branch.target.lower(), []).append((node, branch))
    for name, found in ways.items():
        repeated = len({branch.term.text.lower() for node, branch in found if node is tree.root}) == 1
        if len(found) > 1 and not _looped(tree) and not (repeated and all(node is tree.root for node, _ in found)):
            paths = "; ".join(dict.fromkeys(where(node.path) for node, _ in found))
            node, branch = found[-1]
            own = next((b for n, b in found if n is tree.root and b.term.name == "include"), None)
            records = without_repetition(facts, tree, own) if own else ()
            yield finding(
                f"{name} is reached {len(found)} times: from {paths}",
                at=at(node, branch.term.span),
                fix=f"publish this record, without {short(own.term.text)}" if own and records else None,
                records=records,
            )
