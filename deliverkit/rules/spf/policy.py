"""What an SPF record says: whom it passes, whom it fails, and what in it says nothing (RFC 7208 §5, §6, §7)."""

from __future__ import annotations

from collections.abc import Iterator

from deliverkit.addresses import kind
from deliverkit.facts.base import Unobserved, needs
from deliverkit.facts.domain import DomainFacts
from deliverkit.facts.spf import ending
from deliverkit.findings import Severity, evidence_of, finding
from deliverkit.protocols.spf.address import text_of
from deliverkit.protocols.spf.macro import parse_macro_string
from deliverkit.protocols.spf.record import Directive, Record
from deliverkit.protocols.spf.tree import Branch, Node
from deliverkit.rules.registry import Findings, rule
from deliverkit.rules.spf.reading import (
    all_told,
    at,
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
from deliverkit.rules.spf.repair import replaced, without

HUGE4, WIDE4 = 15, 18  # prefixes up to these: 131,072 and 16,384 addresses or more
HUGE6, WIDE6 = 28, 31
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
            return 0 in (term.prefix4, term.prefix6) and any(a.records for a in branch.addresses)
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
    sound_record(facts)
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
        before = [t.text for t in record.terms if not (isinstance(t, Directive) and t.name == "all")]
        yield finding(
            f"{', '.join(short(d.text) for d in behind[:TOLD])} after {last.text}",
            at=tuple(e for d in behind[:TOLD] for e in here(facts.spf, d.span)),
            records=txt(facts.name, " ".join(["v=spf1", *before, last.text])),
        )


@rule("SPF027", Severity.WARNING, "RFC 7208 §11.4")
def huge_range(facts: DomainFacts) -> Findings:
    """The SPF record passes a huge range of addresses.

    Why: whoever controls a single host in the range can send in the name of the domain and passes SPF.
    Fix: name the addresses that really send.
    """
    for node, branch, prefix, bits in _ranges(facts):
        if 0 < prefix <= (HUGE4 if bits == 32 else HUGE6):
            yield finding(_size(node, branch, prefix, bits), at=at(node, branch.term.span))


@rule("SPF028", Severity.NOTE, "RFC 7208 §11.4")
def wide_range(facts: DomainFacts) -> Findings:
    """The SPF record passes a wide range of addresses.

    Why: few organisations send from as many hosts; each of them can send in the name of the domain.
    Fix: name the addresses that really send.
    """
    for node, branch, prefix, bits in _ranges(facts):
        low, high = (HUGE4, WIDE4) if bits == 32 else (HUGE6, WIDE6)
        if low < prefix <= high:
            yield finding(_size(node, branch, prefix, bits), at=at(node, branch.term.span))


def _ranges(facts: DomainFacts) -> Iterator[tuple[Node, Branch, int, int]]:
    """Prefix length and bits of every range that the domain's own records pass, of those that can send mail."""
    for node, branch in own_terms(facts):
        term = branch.term
        if not isinstance(term, Directive) or term.qualifier != "+" or _unreachable(term):
            continue
        if term.name in ("ip4", "a", "mx"):
            yield node, branch, term.prefix4, 32
        if term.name in ("ip6", "a", "mx"):
            yield node, branch, term.prefix6, 128


def _size(node: Node, branch: Branch, prefix: int, bits: int) -> str:
    many = f"{2 ** (32 - prefix):,} addresses" if bits == 32 else f"a /{prefix} of IPv6"
    return f"{short(branch.term.text)} in {where(node.path)} passes {many}"


@rule("SPF029", Severity.WARNING, "RFC 7208 §5.6")
def range_nobody_sends_from(facts: DomainFacts) -> Findings:
    """The SPF record names addresses that no mail on the Internet comes from.

    Why: private, loopback and similar addresses never reach another mail server, so the term authorises nobody; usually
    the public address behind which the server stands was meant.
    Fix: replace it by the public address that the mail leaves from, or remove it.
    """
    for node, branch in own_terms(facts):
        term = branch.term
        word = _unreachable(term) if isinstance(term, Directive) else None
        if word:
            yield finding(
                f"{short(term.text)} is {word}",
                at=at(node, term.span),
                records=txt(node.domain, without(node.record, [term.span]) if node.record else None),
            )


def _unreachable(term: Directive) -> str | None:
    """What kind of network nobody sends from it is, or None."""
    if term.name not in ("ip4", "ip6"):
        return None
    if term.name == "ip6" and term.prefix6 >= 96 and term.network >> 32 == 0xFFFF:
        return "an IPv4-mapped address, and clients of that kind are compared with ip4 terms only (RFC 7208 §5)"
    family, prefix, bits = (4, term.prefix4, 32) if term.name == "ip4" else (6, term.prefix6, 128)
    if prefix < (8 if family == 4 else 7):
        return None
    first = term.network >> (bits - prefix) << (bits - prefix)
    last = first | ((1 << (bits - prefix)) - 1)
    kinds = {kind(text_of(first, family)), kind(text_of(last, family))}
    return None if "public" in kinds else f"{kinds.pop()} space"


@rule("SPF030", Severity.NOTE, "RFC 7208 §4.6.4")
def overlapping_terms(facts: DomainFacts) -> Findings:
    """Terms of the SPF record repeat or cover each other.

    Why: they make the record longer and harder to maintain, and a repeated a, mx or include costs a lookup each time.
    Fix: remove the terms that say nothing new.
    """
    record = one_record(facts)
    covered = list(_covered(record))
    if covered:
        told = "; ".join(f"{short(later.text)} {how} {short(earlier.text)}" for later, how, earlier in covered[:TOLD])
        yield finding(
            told + (f"; and {len(covered) - TOLD} more" if len(covered) > TOLD else ""),
            at=tuple(e for later, _, _ in covered[:TOLD] for e in here(facts.spf, later.span)),
            records=txt(facts.name, without(record, [later.span for later, _, _ in covered])),
        )


def _covered(record: Record) -> Iterator[tuple[Directive, str, Directive]]:
    """Terms that an earlier or wider one of the same qualifier makes superfluous."""
    seen: dict[str, Directive] = {}
    networks: dict[str, list[Directive]] = {"ip4": [], "ip6": []}
    for directive in record.reachable:
        text = directive.qualifier + directive.text.lstrip("+-~?").lower()
        if text in seen:
            yield directive, "repeats", seen[text]
            continue
        seen[text] = directive
        if directive.name in networks:
            networks[directive.name].append(directive)
    for name, directives in networks.items():
        yield from _nested(directives, 32 if name == "ip4" else 128)


def _nested(directives: list[Directive], bits: int) -> Iterator[tuple[Directive, str, Directive]]:
    """Networks inside a wider one: sorted by first address, the widest first, each is compared with its neighbour."""

    def prefix(directive: Directive) -> int:
        return directive.prefix4 if bits == 32 else directive.prefix6

    def bounds(directive: Directive) -> tuple[int, int]:
        free = bits - prefix(directive)
        first = directive.network >> free << free
        return first, first | ((1 << free) - 1)

    for qualifier in "+-~?":
        wide: Directive | None = None
        same = (d for d in directives if d.qualifier == qualifier and prefix(d))
        for directive in sorted(same, key=lambda d: (bounds(d)[0], prefix(d))):
            if wide is not None and bounds(directive)[1] <= bounds(wide)[1]:
                yield directive, "is inside", wide
            else:
                wide = directive


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
    for node, branch, answer in answers:
        if not answer.known:
            raise Unobserved(answer.why())
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
