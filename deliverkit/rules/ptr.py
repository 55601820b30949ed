"""Opinions about reverse names: those of the addresses a domain sends from weigh more than those of its MX hosts.

Receivers look at the address that connects; the PTR of a host that only receives is a matter of tidiness.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable

from deliverkit.addresses import is_public, kind
from deliverkit.facts.base import NotApplicable, Unobserved
from deliverkit.facts.domain import DomainFacts
from deliverkit.facts.ptr import IprevFacts
from deliverkit.findings import Evidence, RecordText, Severity, evidence_of, finding
from deliverkit.names import reverse
from deliverkit.protocols.iprev import IprevResult
from deliverkit.rules.registry import Findings, rule

MANY_NAMES = 10


def _senders(facts: DomainFacts) -> tuple[IprevFacts, ...]:
    """The public addresses the domain sends from."""
    found = tuple(sender for sender in facts.ptr.senders if is_public(sender.address))
    if not found:
        raise NotApplicable
    return found


def _hosts(facts: DomainFacts) -> tuple[IprevFacts, ...]:
    """The public addresses of the MX hosts that are not sending addresses as well."""
    senders = {sender.address for sender in facts.ptr.senders}
    found = tuple(h for h in facts.ptr.hosts if h.address not in senders and is_public(h.address))
    if not found:
        raise NotApplicable
    return found


def _with(result: IprevResult, every: tuple[IprevFacts, ...]) -> tuple[IprevFacts, ...]:
    """Those with this result. Inconclusive when there is none and something could not be told."""
    found = tuple(one for one in every if one.outcome is result)
    unknown = [one for one in every if one.outcome is IprevResult.TEMPERROR]
    if not found and unknown:
        raise Unobserved(unknown[0].reason)
    return found


def _named(facts: DomainFacts) -> tuple[IprevFacts, ...]:
    """The senders that have names, whether or not these lead back."""
    senders = _senders(facts)
    named = tuple(one for one in senders if one.names)
    unknown = [one for one in senders if not one.answer.known]
    if not named and unknown:
        raise Unobserved(unknown[0].reason)
    if not named:
        raise NotApplicable
    return named


def _evidence(every: Iterable[IprevFacts]) -> tuple[Evidence, ...]:
    return tuple(evidence for one in list(every)[:5] for evidence in evidence_of(one.answer)[:3])


def _forward(one: IprevFacts) -> tuple[Evidence, ...]:
    return tuple(evidence for name in one.names[:3] for evidence in evidence_of(name.forward)[:3])


def _described(every: tuple[IprevFacts, ...]) -> str:
    shown = [f"{one.address} ({one.host})" if one.host else one.address for one in every[:5]]
    return ", ".join(shown) + (f" and {len(every) - 5} more" if len(every) > 5 else "")


@rule("PTR001", Severity.WARNING, "RFC 8601 §3")
def sender_without_name(facts: DomainFacts) -> Findings:
    """An address the domain sends from has no reverse name (PTR).

    Why: large receivers refuse or defer such mail (Gmail with 550 5.7.25, over IPv6 without exception), others score it
    as spam.
    Fix: have the PTR record set by whoever owns the address (hosting provider, ISP), to a name that leads back to it.
    """
    found = _with(IprevResult.PERMERROR, _senders(facts))
    if found:
        yield finding(
            f"no PTR for {_described(found)}",
            at=_evidence(found),
            fix="ask the owner of the address (hosting provider, ISP) for a PTR record to the host's own name, "
            "and give that name an A or AAAA record with the same address",
            records=tuple(record for one in found[:5] for record in _both_ways(facts, one.address)),
        )


def _both_ways(facts: DomainFacts, address: str) -> tuple[RecordText, ...]:
    """A name for an address and the way back; the name is that of the MX host which has the address, if one does."""
    host = next((one.host for one in facts.ptr.hosts if one.address == address and one.host), None)
    name = host or f"mail.{facts.name}"
    forward = RecordText(name, "AAAA" if ":" in address else "A", address)
    return (RecordText(reverse(address), "PTR", f"{name}."), *(() if host else (forward,)))


@rule("PTR002", Severity.WARNING, "RFC 8601 §3")
def sender_name_leads_elsewhere(facts: DomainFacts) -> Findings:
    """The reverse name of an address the domain sends from does not lead back to it.

    Why: anyone can give an address any name; only a name that leads back proves anything. Receivers treat the mismatch
    like a missing name.
    Fix: give the PTR name an A or AAAA record with this address, or have the PTR point to a name that has one.
    """
    for one in _with(IprevResult.FAIL, _senders(facts)):
        type_ = "AAAA" if ":" in one.address else "A"
        yield finding(
            one.reason,
            at=(*_evidence([one]), *_forward(one)),
            records=(RecordText(one.names[0].name, type_, one.address),),
        )


@rule("PTR003", Severity.NOTE, "RFC 1912 §2.1")
def mx_host_without_name(facts: DomainFacts) -> Findings:
    """An address of an MX host has no reverse name (PTR).

    Why: nothing as long as the host only receives; if it sends as well, its mail is refused.
    Fix: have the PTR set to the host's name; if the host sends mail, repeat the audit with --sends-from.
    """
    found = _with(IprevResult.PERMERROR, _hosts(facts))
    if found:
        yield finding(f"no PTR for {_described(found)}", at=_evidence(found))


@rule("PTR004", Severity.NOTE, "RFC 1912 §2.1")
def mx_host_name_leads_elsewhere(facts: DomainFacts) -> Findings:
    """The reverse name of an MX host's address does not lead back to it.

    Why: nothing as long as the host only receives; if it sends as well, receivers hold it against its mail.
    Fix: give the PTR name an A or AAAA record with this address, or correct the PTR.
    """
    found = _with(IprevResult.FAIL, _hosts(facts))
    if found:
        detail = "; ".join(one.reason for one in found[:5])
        yield finding(detail, at=(*_evidence(found), *(e for one in found[:3] for e in _forward(one))))


@rule("PTR005", Severity.NOTE, "RFC 8601 §3")
def generic_sender_name(facts: DomainFacts) -> Findings:
    """The reverse name of a sending address is made of the address itself.

    Why: names such as 192-0-2-1.dynamic.example are given in bulk to customers' connections; many filters count mail
    from them as sent by infected machines.
    Fix: have the PTR set to the mail host's own name, such as mail.example.com.
    """
    found = [one for one in _named(facts) if all(_spells(name.name, one.address) for name in one.names)]
    if found:
        told = ", ".join(f"{one.address} is {one.names[0].name}" for one in found[:5])
        yield finding(told, at=_evidence(found))


def _spells(name: str, address: str) -> bool:
    """True if the first labels of the name hold the numbers of the address, in either order."""
    parsed = ipaddress.ip_address(address)
    head = name.rpartition(".")[0].rpartition(".")[0] or name
    if parsed.version == 6:
        digits = re.sub(r"[^0-9a-f]", "", head)
        return parsed.exploded.replace(":", "") in digits
    octets = str(parsed).split(".")
    numbers = [str(int(number)) for number in re.findall(r"[0-9]{1,3}", head)]
    runs = [numbers[i : i + 4] for i in range(len(numbers) - 3)]
    return octets in runs or octets[::-1] in runs


@rule("PTR006", Severity.NOTE, "RFC 7208 §5.5, RFC 8601 §3")
def too_many_sender_names(facts: DomainFacts) -> Findings:
    """A sending address has more than ten reverse names.

    Why: receivers look at a few of them, in an order nobody controls; whether the one that leads back is among them is
    chance.
    Fix: keep one PTR record: the name the host says in EHLO.
    """
    for one in _named(facts):
        if len(one.answer.records) > MANY_NAMES:
            yield finding(f"{one.address} has {len(one.answer.records)} PTR records", at=_evidence([one]))


@rule("PTR007", Severity.WARNING, "RFC 1918 §3")
def sender_is_not_public(facts: DomainFacts) -> Findings:
    """An address given as the domain's sending address cannot be seen by receivers.

    Why: mail leaves such a host through address translation, and receivers judge the public address behind which it
    stands: SPF and reverse names were checked for the wrong one.
    Fix: give --sends-from the public address that the mail leaves from (of the NAT gateway or the relay).
    """
    if not facts.ptr.senders:
        raise NotApplicable
    for sender in facts.ptr.senders:
        if not is_public(sender.address):
            seen = Evidence("dns", reverse(sender.address), "PTR", sender.answer.status.value)
            yield finding(f"{sender.address} is a {kind(sender.address)} address", at=seen)
