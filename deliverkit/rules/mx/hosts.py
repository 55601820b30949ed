"""Where a domain's MX hosts lead: to addresses that mail can reach, or nowhere.

Records that are wrong in themselves (an address, localhost, no host name) are judged in `deliverkit.rules.mx.records`
and counted out here, so that one cause makes one finding.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from deliverkit.addresses import is_public, kind
from deliverkit.facts.base import NotApplicable, Unobserved
from deliverkit.facts.domain import DomainFacts
from deliverkit.facts.mx import MxFacts, MxHost
from deliverkit.findings import Evidence, RecordText, Severity, evidence_of, finding
from deliverkit.rules.mx.records import at, listed, pointing_at
from deliverkit.rules.registry import Findings, rule


@dataclass(slots=True)
class _Sorted:
    """The hosts by where they lead. ``unknown`` holds the reasons why nobody could tell of the others."""

    reachable: list[MxHost] = field(default_factory=list)
    private: list[MxHost] = field(default_factory=list)
    nowhere: list[MxHost] = field(default_factory=list)
    unknown: list[str] = field(default_factory=list)

    @property
    def all_lost(self) -> bool:
        """Every host is known to lead nowhere mail could go."""
        return not self.reachable and not self.unknown


def _hosts(facts: DomainFacts) -> MxFacts:
    """The MX facts of a domain with MX hosts of its own."""
    if not facts.mx.receives or not facts.mx.hosts:
        raise NotApplicable
    return facts.mx


def _sorted(hosts: Iterable[MxHost]) -> _Sorted:
    """Sort the hosts whose names are not themselves the mistake."""
    found = _Sorted()
    for host in hosts:
        if host.meant is not None:
            continue
        try:
            group = found.reachable if host.public else None
            if group is None:
                group = found.private if (*host.v4, *host.v6) else found.nowhere
        except Unobserved as why:
            found.unknown.append(str(why))
        else:
            group.append(host)
    return found


def _told(found: _Sorted) -> None:
    """End inconclusive when something could not be told."""
    if found.unknown:
        raise Unobserved(found.unknown[0])


def _evidence(mx: MxFacts, host: MxHost) -> tuple[Evidence, ...]:
    return (*at(mx, host.name), *evidence_of(host.a)[:2], *evidence_of(host.aaaa)[:2])


def _fate(host: MxHost) -> str:
    """Why a host cannot be reached, in a few words."""
    if host.addresses:
        return f"{host.name} has only {', '.join(f'{kind(a)} addresses ({a})' for a in host.addresses[:2])}"
    absent = "does not exist" if host.a.status.value == "nxdomain" else "has no address"
    alias = f" (an alias of {host.aliases[-1]})" if host.aliases else ""
    return f"{host.name}{alias} {absent}"


@rule("MX009", Severity.ERROR, "RFC 1035 §5.1")
def mx_with_doubled_origin(facts: DomainFacts) -> Findings:
    """The name of an MX host carries the domain twice: a final dot was forgotten in the zone file.

    Why: a name without a final dot is completed by the zone's own name, so the MX points to a host that does not exist.
    Fix: end the host's name with a dot.
    """
    mx = _hosts(facts)
    for host in mx.hosts:
        if host.meant is not None:
            found = (*host.a.records, *host.aaaa.records)
            fate = f"resolves to {listed(found)}, most likely through a wildcard" if found else "does not exist"
            yield finding(
                f"{host.name} {fate}; {host.meant} was meant",
                at=at(mx, host.name),
                fix="end the name of the host with a dot (or write it without the domain)",
                records=(RecordText(facts.name, "MX", f"{host.preference} {host.meant}."),),
                removes=pointing_at(mx, host.name),
            )


@rule("MX010", Severity.ERROR, "RFC 5321 §5.1")
def no_mx_can_be_reached(facts: DomainFacts) -> Findings:
    """None of the MX hosts has an address that mail from the Internet could reach.

    Why: all mail to the domain waits in the senders' queues, and bounces after some days or at once.
    Fix: give the hosts A or AAAA records with public addresses, or correct the names in the MX records.
    """
    mx = _hosts(facts)
    found = _sorted(mx.hosts)
    lost = [*found.nowhere, *found.private]
    if found.reachable:
        return
    _told(found)
    if lost:
        evidence = tuple(e for host in lost[:3] for e in _evidence(mx, host))
        yield finding("; ".join(_fate(host) for host in lost[:5]), at=evidence)


@rule("MX011", Severity.WARNING, "RFC 5321 §5.1")
def mx_without_an_address(facts: DomainFacts) -> Findings:
    """One of the MX hosts has no address.

    Why: senders that pick it must try another one, and those that do not retry well lose the message; the redundancy
    is not there.
    Fix: give the host an A or AAAA record, or remove its MX record.
    """
    mx = _hosts(facts)
    found = _sorted(mx.hosts)
    if found.all_lost:
        raise NotApplicable
    if found.nowhere:
        evidence = tuple(e for host in found.nowhere[:3] for e in _evidence(mx, host))
        yield finding("; ".join(_fate(host) for host in found.nowhere[:5]), at=evidence)
        return
    _told(found)


@rule("MX012", Severity.WARNING, "RFC 1918 §3, RFC 5321 §5.1")
def mx_with_private_address(facts: DomainFacts) -> Findings:
    """An MX host has an address that cannot be reached from the Internet.

    Why: senders that pick the address time out, or deliver to a machine of their own network that happens to have it.
    Fix: remove the private address from public DNS; keep it in the internal view only.
    """
    mx = _hosts(facts)
    found = _sorted(mx.hosts)
    if found.all_lost:
        raise NotApplicable
    for host in (*found.reachable, *found.private):
        hidden = [address for address in host.addresses if not is_public(address)]
        if hidden:
            kinds = ", ".join(f"{address} ({kind(address)})" for address in hidden[:3])
            yield finding(f"{host.name} has the address {kinds}", at=_evidence(mx, host))
    if not found.reachable and not found.private:
        _told(found)


@rule("MX013", Severity.WARNING, "RFC 5321 §5.1, RFC 2181 §10.3")
def mx_is_an_alias(facts: DomainFacts) -> Findings:
    """An MX record points to an alias (CNAME).

    Why: the name in an MX must have addresses of its own. Many senders follow the alias, some refuse the domain, and
    certificates and DANE records are looked up under the one name or the other.
    Fix: let the MX point to the name that the alias stands for.
    """
    mx = _hosts(facts)
    found = _sorted(mx.hosts)
    if not (found.reachable or found.private):
        _told(found)
        raise NotApplicable
    for host in (*found.reachable, *found.private):
        if host.aliases:
            target = host.aliases[-1]
            yield finding(
                f"{host.name} is an alias of {target}",
                at=at(mx, host.name),
                fix=f"let the MX point to {target}",
                records=(RecordText(facts.name, "MX", f"{host.preference} {target}."),),
                removes=pointing_at(mx, host.name),
            )


@rule("MX017", Severity.WARNING, "RFC 5321 §5.2")
def no_mx_with_ipv4(facts: DomainFacts) -> Findings:
    """No MX host has an IPv4 address.

    Why: a large part of the mail servers sends over IPv4 only; for them the domain cannot be reached.
    Fix: give at least one MX host an A record.
    """
    mx = _hosts(facts)
    found = _sorted(mx.hosts)
    if not found.reachable:
        _told(found)
        raise NotApplicable
    if any(host.a.records for host in found.reachable):
        return
    names = [host.name for host in found.reachable if not host.v4]
    _told(found)
    yield finding(f"{listed(names)}: AAAA only", at=tuple(e for h in found.reachable[:3] for e in _evidence(mx, h)))


@rule("MX018", Severity.NOTE, "RFC 5321 §5.2")
def uneven_mx_families(facts: DomainFacts) -> Findings:
    """The MX hosts do not all have both IPv4 and IPv6 addresses.

    Why: over one of the families senders see fewer hosts than over the other, so redundancy and order of preference are
    not what the records seem to say.
    Fix: give every MX host the same families of addresses.
    """
    mx = _hosts(facts)
    found = _sorted(mx.hosts)
    _told(found)
    if not found.reachable:
        raise NotApplicable
    only_v4 = [host.name for host in found.reachable if host.v4 and not host.v6]
    only_v6 = [host.name for host in found.reachable if host.v6 and not host.v4]
    both = len(found.reachable) - len(only_v4) - len(only_v6)
    if not only_v4 and only_v6 and not both:
        raise NotApplicable  # MX017 speaks of it
    if (only_v4 and (both or only_v6)) or (only_v6 and both):
        told = [f"IPv4 only: {listed(only_v4)}"] if only_v4 else []
        told += [f"IPv6 only: {listed(only_v6)}"] if only_v6 else []
        yield finding("; ".join(told), at=at(mx, *only_v4, *only_v6))
