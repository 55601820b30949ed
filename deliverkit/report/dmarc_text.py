"""DMARC for the terminal: the walk step by step, the policy it led to, and where reports go. Pure text, no opinion."""

from __future__ import annotations

from deliverkit.facts.base import Missing
from deliverkit.facts.dmarc import DmarcFacts
from deliverkit.protocols.dmarc.destinations import Destination
from deliverkit.protocols.dmarc.discover import Discovery, Source, Step
from deliverkit.report.plain import fold, plain

WIDTH = 100


def dmarc_lines(seen: DmarcFacts | Discovery, width: int = WIDTH) -> list[str]:
    """Explain the policy discovery of a domain, in lines of at most ``width`` columns."""
    discovery = seen.discovery if isinstance(seen, DmarcFacts) else seen
    lines = fold(_outcome(discovery), width)
    for number, step in enumerate(discovery.steps, 1):
        lines += _step_lines(number, step, width)
    lines += fold(_organizational(discovery), width)
    if isinstance(seen, DmarcFacts) and not isinstance(seen.raw("destinations"), Missing):
        for destination in seen.destinations:
            lines += _destination_lines(destination, width)
    return lines


def _step_lines(number: int, step: Step, width: int) -> list[str]:
    """One query: its name, what came back, what follows."""
    return [
        *fold(plain(step.name), width, f"{number}. ", hanging="   "),
        *fold(plain(step.seen, 600), width, "   saw: ", hanging="        "),
        *fold(plain(step.why), width, "   so:  ", hanging="        "),
    ]


def _outcome(discovery: Discovery) -> str:
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
        return "Organizational Domain: could not be told"
    return f"Organizational Domain: {plain(discovery.org_domain)}"


def _destination_lines(destination: Destination, width: int) -> list[str]:
    text = f"{destination.tag} {plain(destination.uri.text, 300)}: {plain(destination.why)}"
    if destination.takes_mail is False:
        text += "; its host takes no mail"
    return fold(text, width, hanging="   ")
