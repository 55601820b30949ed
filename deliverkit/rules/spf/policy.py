"""What an SPF record says: whom it passes, whom it fails, and what in it says nothing (RFC 7208 §5, §6, §7)."""

from __future__ import annotations

from deliverkit.facts.base import NotApplicable, Unobserved, needs
from deliverkit.facts.domain import DomainFacts
from deliverkit.facts.spf import ending
from deliverkit.findings import Fix, Severity, evidence_of, finding
from deliverkit.protocols.spf.macro import parse_macro_string
from deliverkit.protocols.spf.record import Directive
from deliverkit.protocols.spf.tree import Branch, Node
from deliverkit.rules.registry import Findings, rule
from deliverkit.rules.spf.reading import (
    all_told,
    at,
    glued_end,
    grown,
    here,
    one_record,
    own_terms,
    short,
    sound_record,
    txt,
    where,
)
from deliverkit.rules.spf.record import NOTHING
from deliverkit.rules.spf.repair import repaired, replaced, without

TOLD = 6


@rule("SPF022", Severity.ERROR, "RFC 7208 §5.1")
def spf_passes_everybody(facts: DomainFacts) -> Findings:
    """The SPF record passes every server in the world.

    Why: anybody can send in the name of the domain and passes SPF, and by it DMARC.
    Fix: name the servers that send for the domain and end the record in ~all or -all.
    """
    tree = grown(facts)
    sound_record(facts)
    found = _everybody(tree.root)
    if found is None:
        all_told(tree)
        return
    node, branch = found
    term = short(branch.term.text)
    own = node is tree.root and branch.term.name == "all"
    record = replaced(one_record(facts), {branch.term.span: "~all"}) if own else None
    yield finding(
        f"{term} in {where(node.path)} matches every {_clients(branch.term)}client with the result pass",
        at=at(node, branch.term.span),
        records=txt(facts.name, record if record != "v=spf1 ~all" else None),
    )


def _clients(term: object) -> str:
    name = term.name if isinstance(term, Directive) else ""
    return {"ip4": "IPv4 ", "ip6": "IPv6 "}.get(name, "")


def _everybody(node: Node) -> tuple[Node, Branch] | None:
    """The term that passes all clients that reach it, here or where an include or redirect leads."""
    for branch in node.branches:
        term = branch.term
        if not branch.reachable:
            continue
        if isinstance(term, Directive) and term.qualifier != "+":
            continue
        if isinstance(term, Directive) and _matches_all(term, branch):
            return node, branch
        if branch.node and branch.node.record and not branch.node.record.fatal:
            found = _everybody(branch.node)
            if found:
                return found
    return None


def _matches_all(term: Directive, branch: Branch) -> bool:
    match term.name:
        case "all":
            return True
        case "ip4":
            return term.prefix4 == 0
        case "ip6":
            return term.prefix6 == 0
        case "a" | "mx":  # §5.3: /0 matches as soon as there is any address
            open_to = {"A": term.prefix4 == 0, "AAAA": term.prefix6 == 0}
            return any(answer.records and open_to[answer.question.type] for answer in branch.addresses)
        case _:
            return False


@rule("SPF023", Severity.WARNING, "RFC 7208 §2.6.2")
def spf_ends_neutral(facts: DomainFacts) -> Findings:
    """The SPF record ends in ?all.

    Why: servers that are not listed get the result neutral, which says nothing; forged mail is treated as if there were
    no record.
    Fix: list every server that sends for the domain, then end the record in ~all or -all.
    """
    sound_record(facts)
    end = _ending(facts)
    if end and end[1] == "?":
        node, last = end[0], end[0].record.all if end[0].record else None
        own = node is grown(facts).root and last
        record = replaced(one_record(facts), {last.span: "~all"}) if own and last else None
        yield finding(
            f"?all ends the record of {node.domain}",
            at=at(node, last.span if last else None),
            records=txt(facts.name, record),
        )


@rule("SPF024", Severity.WARNING, "RFC 7208 §4.7")
def spf_has_no_end(facts: DomainFacts) -> Findings:
    """The SPF record has neither an all nor a redirect.

    Why: servers that are not listed get the result neutral, as with ?all; forged mail is treated as if there were no
    record.
    Fix: end the record in ~all or -all.
    """
    record = sound_record(facts)
    if not record.all and any(glued_end(branch.target or "") for branch in grown(facts).root.branches):
        raise NotApplicable  # another rule tells of the space that is missing before -all
    end = _ending(facts)
    if end and end[1] is None:
        node = end[0]
        own = node is grown(facts).root and node.record
        yield finding(
            f"the record of {node.domain} ends without all",
            at=at(node),
            records=txt(facts.name, f"{node.record.text.rstrip()} ~all" if own and node.record else None),
        )


def _ending(facts: DomainFacts) -> tuple[Node, str | None] | None:
    """Where unlisted clients end, redirects followed; None where another rule tells why that cannot be said."""
    tree = grown(facts)
    end = ending(tree.root)
    if end is None:
        all_told(tree)
    return end


@rule("SPF025", Severity.WARNING, "RFC 7208 §6.1")
def redirect_ignored(facts: DomainFacts) -> Findings:
    """The redirect of the SPF record is ignored because of all.

    Why: a redirect is used only when nothing matched, and all always matches; the servers behind the redirect are not
    authorised.
    Fix: remove all to follow the redirect, or replace redirect= by include: before all, or remove the redirect.
    """
    record = sound_record(facts)
    if record.redirect and record.all:
        target = record.redirect.text.partition("=")[2]
        order = [t.text for t in record.terms if t not in (record.redirect, record.all)]
        yield finding(
            f"{short(record.redirect.text)} has no effect beside {record.all.text}",
            at=here(facts.spf, record.redirect.span),
            fix=f"if {target} sends for the domain, publish this record; else delete the redirect",
            records=txt(facts.name, " ".join(["v=spf1", *order, f"include:{target}", record.all.text])),
        )


@rule("SPF026", Severity.WARNING, "RFC 7208 §5.1")
def terms_after_all(facts: DomainFacts) -> Findings:
    """Terms stand behind all in the SPF record and are never reached.

    Why: all matches every client, so what stands behind it is never tried; the servers named there are not authorised.
    Fix: move all to the end of the record.
    """
    record = sound_record(facts)
    last = record.all
    behind = record.directives[len(record.reachable) :]
    if last and behind:
        pasted = any(fault.kind == "second-version" for fault in record.faults)
        before = [t.text for t in record.terms if t.name != "all"]
        whole = " ".join(["v=spf1", *before, last.text])
        kept = without(record, [directive.span for directive in behind])
        idle = Fix("publish this record, without the terms that never counted", txt(facts.name, kept))
        yield finding(
            f"{', '.join(short(d.text) for d in behind[:TOLD])} after {last.text}"
            + (": two records were pasted into one" if pasted else ""),
            at=tuple(e for d in behind[:TOLD] for e in here(facts.spf, d.span)),
            records=txt(facts.name, repaired(record.text) if pasted else whole),
            otherwise=(idle,) if kept and not pasted else (),
        )


@rule("SPF031", Severity.WARNING, "RFC 7208 §5.5")
def ptr_mechanism(facts: DomainFacts) -> Findings:
    """The SPF record uses ptr or the macro %{p}.

    Why: it is slow, unreliable and loads the reverse zones of strangers; RFC 7208 says it should not be published, and
    some receivers skip it.
    Fix: name the servers by ip4, ip6, a or include instead.
    """
    for node, branch in own_terms(facts):
        term = branch.term
        if term.name == "ptr":
            yield finding(f"{short(term.text)} in {where(node.path)}", at=at(node, term.span))
        elif term.spec and "p" in term.spec.letters:
            yield finding(f"%{{p}} in {short(term.text)} of {where(node.path)}", at=at(node, term.span))


@rule("SPF032", Severity.NOTE, "RFC 7208 §2.6")
def listed_without_pass(facts: DomainFacts) -> Findings:
    """A sender is listed in the SPF record, but not with the result pass.

    Why: mail from a server that matches a term with ? or ~ does not pass SPF, and cannot pass DMARC by it.
    Fix: remove the sign before the term if the server may send for the domain.
    """
    record = one_record(facts)
    guilty = [d for d in record.reachable if d.name != "all" and d.qualifier in "?~"]
    if guilty:
        change = {d.span: d.text[1:] for d in guilty}
        yield finding(
            "; ".join(f"{short(d.text)} gives {d.result}" for d in guilty[:TOLD]),
            at=tuple(e for d in guilty[:TOLD] for e in here(facts.spf, d.span)),
            records=txt(facts.name, replaced(record, change)),
        )


@rule("SPF034", Severity.NOTE, "RFC 7208 §6.2")
def explanation_not_readable(facts: DomainFacts) -> Findings:
    """The explanation that exp= points at cannot be used.

    Why: receivers that show an explanation for a fail fall back to their own text.
    Fix: publish exactly one TXT record of US-ASCII text at that name, or remove exp=.
    """
    tree = grown(facts)
    answers = [
        (node, branch, branch.lookup)
        for node, branch in own_terms(facts)
        if branch.term.name == "exp" and branch.lookup is not None
    ]
    for _, _, answer in answers:
        if not answer.known:
            raise Unobserved(answer.why())
    for node, branch, answer in answers:
        if len(answer.records) != 1:
            why = f"{len(answer.records)} TXT records" if answer.records else "no TXT record"
        elif not answer.texts[0].isascii():
            why = "a text that is not US-ASCII"
        else:
            faults = parse_macro_string(answer.texts[0], explanation=True)[1]
            if not faults:
                continue
            why = f"a text with a fault: {faults[0].detail}"
        yield finding(
            f"{short(branch.term.text)}: {answer.question.name} has {why}",
            at=(*at(node, branch.term.span), *evidence_of(answer)),
        )
    if not answers:
        all_told(tree)


@rule("SPF035", Severity.ERROR, "RFC 7208 §5.7")
def exists_matches_everybody(facts: DomainFacts) -> Findings:
    """An exists term of the SPF record matches clients that cannot be.

    Why: the name it asks for depends on the client, but a wildcard answers for every name, so every server in the world
    passes.
    Fix: remove the wildcard below that name, or the exists term.
    """
    tree = grown(facts)
    found = False
    for node, branch in tree.root.entered():
        term, probe = branch.term, branch.probe
        if probe and probe.records and isinstance(term, Directive) and term.qualifier == "+":
            found = True
            wild = f"{probe.question.name} has an address"
            detail = f"{short(term.text)} in {where(node.path)} matches the client 0.0.0.0: {wild}"
            yield finding(detail, at=(*at(node, term.span), *evidence_of(probe)))
    if not found:
        all_told(tree)


@rule("SPF039", Severity.WARNING, "M3AAWG Protecting Parked Domains Best Common Practices")
def parked_domain_sends(facts: DomainFacts) -> Findings:
    """A parked domain authorises servers to send for it.

    Why: nobody sends mail in its name, so every server it lists, and every unlisted one it does not fail, serves
    forgers.
    Fix: publish "v=spf1 -all".
    """
    needs(facts.parked or None)
    record = sound_record(facts)
    if [d.text.lower() for d in record.reachable] != ["-all"]:
        yield finding(
            f"the domain is parked, and its record is {short(record.text)!r}",
            at=here(facts.spf),
            records=txt(facts.name, NOTHING),
        )
