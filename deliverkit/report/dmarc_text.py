"""DMARC for the terminal: the walk step by step, the policy it led to, and where reports go. Pure text, no opinion.

Beside the walk stands the answer of the public suffix list (RFC 7489). For a message, each identifier has a walk of its
own (RFC 9989 §4.10.2), shown with what both methods make of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from deliverkit.facts.base import Missing
from deliverkit.facts.dmarc import DmarcFacts
from deliverkit.protocols.dmarc.destinations import Destination
from deliverkit.protocols.dmarc.discover import Discovery, Source, Step
from deliverkit.protocols.dmarc.suffixes import LACKING, SuffixAnswer
from deliverkit.report.plain import columns, fold, plain

if TYPE_CHECKING:  # reading a message is heavy, and an audit reads none
    from deliverkit.facts.message.authentication import AuthenticationFacts
    from deliverkit.protocols.dmarc.align import Alignment, DmarcResult

WIDTH = 100


def dmarc_lines(seen: DmarcFacts | Discovery, width: int = WIDTH) -> list[str]:
    """Explain the policy discovery of a domain, in lines of at most ``width`` columns."""
    discovery = seen.discovery if isinstance(seen, DmarcFacts) else seen
    lines = _walk_lines(discovery, width)
    if isinstance(seen, DmarcFacts):
        suffix = seen.raw("suffix")
        lines += suffix_lines(discovery, None if isinstance(suffix, Missing) else suffix, width)
    if isinstance(seen, DmarcFacts) and not isinstance(seen.raw("destinations"), Missing):
        for destination in seen.destinations:
            lines += fold(destination_text(destination), width, hanging="   ")
    return lines


def _walk_lines(discovery: Discovery, width: int) -> list[str]:
    """The outcome, every step, and the Organizational Domain."""
    lines = fold(outcome(discovery), width)
    for number, step in enumerate(discovery.steps, 1):
        lines += _step_lines(number, step, width)
    return lines + fold(_organizational(discovery), width)


def _step_lines(number: int, step: Step, width: int) -> list[str]:
    """One query: its name, what came back, what follows."""
    return [
        *fold(plain(step.name), width, f"{number}. ", hanging="   "),
        *fold(plain(step.seen, 600), width, "   saw: ", hanging="        "),
        *fold(plain(step.why), width, "   so:  ", hanging="        "),
    ]


def outcome(discovery: Discovery) -> str:
    """The policy that applies, and whose record says so."""
    domain = plain(discovery.domain)
    if discovery.trouble:
        return f"{domain}: the policy could not be told: {plain(discovery.trouble)}"
    if discovery.record is None:
        return f"{domain}: no DMARC record applies"
    where = f"{_whose(discovery)}, _dmarc.{plain(discovery.record_domain or '')}"
    if discovery.policy is None:
        return f"{domain}: {where} states no valid policy and no report address, so DMARC is not applied"
    return f"{domain}: policy {discovery.policy}{_because(discovery)}, from {where}"


def _whose(discovery: Discovery) -> str:
    return {
        Source.AUTHOR: "its own record",
        Source.ORGANIZATIONAL: "the record of its Organizational Domain",
        Source.SUFFIX: "the record of its Public Suffix Domain",
        None: "the record",
    }[discovery.source]


def _because(discovery: Discovery) -> str:
    """The tag the policy was taken from, and what t=y did to it."""
    if discovery.taken_from == "rua":
        return " (no valid policy, but a report address: as if p=none)"
    stated = f"{discovery.taken_from}={discovery.published}"
    if discovery.exists is False:
        stated += ", for the domain does not exist"
    elif discovery.source is not Source.AUTHOR:
        stated += ", for a subdomain"
    if discovery.policy != discovery.published:
        stated += "; t=y asks for one level less"
    return f" ({stated})"


def _organizational(discovery: Discovery) -> str:
    if discovery.org_domain is None:
        return f"Organizational Domain: {plain(discovery.walk.org_reason)}"
    return f"Organizational Domain: {plain(discovery.org_domain)} ({plain(discovery.walk.org_reason)})"


# -- beside the public suffix list ------------------------------------------------------------------------


def suffix_lines(discovery: Discovery, suffix: SuffixAnswer | None, width: int) -> list[str]:
    """The two methods beside each other, or why there is only one."""
    if suffix is None:
        return fold(f"Receivers that still follow RFC 7489: not compared; {LACKING}", width)
    if suffix.trouble:
        return fold(f"Receivers that still follow RFC 7489: could not be told: {plain(suffix.trouble)}", width)
    lines = fold(f"Receivers that still follow RFC 7489 {verdict_on(discovery, suffix)}", width)
    if suffix.differs and not without_consequence(discovery, suffix):
        rows = [("", "tree walk", "public suffix list"), *compared(discovery, suffix)]
        lines += [f"   {line}" for line in columns(rows, width - 3)]
    return lines


def without_consequence(discovery: Discovery, suffix: SuffixAnswer) -> bool:
    """True if no record applies by either method, so that nobody compares Organizational Domains."""
    return discovery.record is None and suffix.record is None


def verdict_on(discovery: Discovery, suffix: SuffixAnswer) -> str:
    """Whether the two methods differ, in a sentence without its subject."""
    if suffix.differs is None:
        return "cannot be compared: the walk was not answered"
    if not suffix.differs:
        record = f"the record {_at(suffix.record_domain)}" if suffix.record_domain else "no record"
        return f"(public suffix list) find the same: Organizational Domain {plain(suffix.org_domain)}, {plain(record)}"
    if without_consequence(discovery, suffix):
        return (
            f"(public suffix list) take {plain(suffix.org_domain)} for the Organizational Domain; "
            "that has no consequence, for no record applies either way"
        )
    return f"(public suffix list) find something else: {', '.join(suffix.differs)}"


def compared(discovery: Discovery, suffix: SuffixAnswer) -> list[tuple[str, str, str]]:
    """Three rows: what, by the walk, by the list."""
    told = "could not be told"
    stated = f"{discovery.published} ({discovery.taken_from})" if discovery.published else "none applies"
    old = f"{suffix.policy} ({suffix.taken_from})" if suffix.policy else "none applies"
    own = f"{suffix.org_domain} (itself a public suffix)" if suffix.is_suffix else suffix.org_domain
    rows = (
        ("Organizational Domain", discovery.org_domain or told, own),
        ("record", told if discovery.trouble else _at(discovery.record_domain), _at(suffix.record_domain)),
        ("policy", told if discovery.trouble else stated, old),
    )
    return [(what, plain(new), plain(before)) for what, new, before in rows]


def _at(domain: str | None) -> str:
    return "no record" if domain is None else f"_dmarc.{domain}"


# -- one message ------------------------------------------------------------------------------------------


def message_lines(facts: AuthenticationFacts, width: int = WIDTH) -> list[str]:
    """The discovery for the Author Domain of a message, and the walk of each identifier that passed."""
    result = facts.raw("dmarc")
    if isinstance(result, Missing) or result.discovery is None:
        return []
    lines = _walk_lines(result.discovery, width)
    for one in identifiers(result):
        lines += _identifier_lines(one, result, width)
    if result.suffix:
        lines += suffix_lines(result.discovery, result.suffix.answer, width)
        if result.suffix.result not in (None, result.result):
            lines += fold(f"DMARC result: {result.result} by the walk, {result.suffix.result} by the list", width)
    elif list_is_due(result):
        lines += suffix_lines(result.discovery, None, width)
    return lines


def list_is_due(result: DmarcResult) -> bool:
    """True if the list belongs beside the walk: the list is not asked where no policy applies to the message."""
    record = result.discovery.record if result.discovery else None
    return record is not None and record.applies


def identifiers(result: DmarcResult) -> list[Alignment]:
    """The identifiers that passed, as they were held against the Author Domain."""
    return [*result.dkim, *([result.spf] if result.spf else [])]


def _identifier_lines(one: Alignment, result: DmarcResult, width: int) -> list[str]:
    """One identifier: aligned or not and why, its own walk, and what the list makes of it."""
    word = {True: "aligned", False: "not aligned", None: "unknown"}[one.aligned]
    lines = fold(
        f"{one.method} {plain(one.domain)}: {word}; {plain(one.why)}{by_list(one, result)}", width, hanging="   "
    )
    if one.walk is not None:
        asked = ", ".join(f"{step.name}: {step.seen}" for step in one.walk.steps)
        lines += fold(f"its own walk: {plain(asked, 1200)}", width, "   ", hanging="     ")
        lines += fold(f"Organizational Domain: {plain(f'{one.org_domain} ({one.walk.org_reason})')}", width, "   ")
    return lines


def by_list(one: Alignment, result: DmarcResult) -> str:
    """ "; by the public suffix list: not aligned", where that differs."""
    said = {(method, domain): aligned for method, domain, aligned in result.suffix.aligned} if result.suffix else {}
    old = said.get((one.method, one.domain))
    if old is None or old == one.aligned:
        return ""
    return f"; by the public suffix list it is {'' if old else 'not '}aligned"


def destination_text(destination: Destination) -> str:
    """A report address, and whether reports may go there."""
    text = f"{destination.tag} {plain(destination.uri.text, 300)}: {plain(destination.why)}"
    return f"{text}; its host takes no mail" if destination.takes_mail is False else text
