"""Rules about the place we looked from: what is missing here must not be blamed on the servers."""

from __future__ import annotations

from deliverkit.facts.base import NotApplicable, needs
from deliverkit.facts.vantage import Vantage, ZoneFault
from deliverkit.findings import Evidence, Severity, finding
from deliverkit.rules.registry import Findings, rule


@rule("VANTAGE001", Severity.NOTE, "RFC 5068 §5; M3AAWG Managing Port 25")
def port_25_blocked_from_here(facts: Vantage) -> Findings:
    """Port 25 does not get out from here, so nothing was seen of any MX.

    Why: providers of access and of clouds block it against spam; the servers may be sound.
    Fix: probe from a machine that may send mail, or ask the provider to open port 25; submission (465, 587) is not
    affected.
    """
    state = needs(None if facts.port25 == "unknown" else facts.port25)
    if state == "blocked":
        yield finding("unrelated control hosts answer on their submission ports, and not on port 25")


@rule("VANTAGE002", Severity.NOTE, "RFC 6724 §2.1")
def no_ipv6_from_here(facts: Vantage) -> Findings:
    """There is no IPv6 here, so nothing was seen of the servers' IPv6 addresses.

    Why: servers that are dead on IPv6 look sound from here, and the other way round.
    Fix: probe from a machine that has IPv6 as well.
    """
    state = needs(None if facts.ipv6 == "unknown" else facts.ipv6)
    if state == "absent":
        yield finding("this machine has no route to any IPv6 address that was probed")


@rule("VANTAGE003", Severity.WARNING, "RFC 1035 §5.2")
def records_outside_the_zone(facts: Vantage) -> Findings:
    """A zone file holds records of names outside its zone.

    Why: name servers ignore them, so what they say is never published, and nothing of it was believed here.
    Fix: move them into the file of their own zone, or correct their names (a name without a final dot is completed by
    $ORIGIN).
    """
    outside = _zone_faults(facts, "outside")
    if outside:
        names = ", ".join(dict.fromkeys(fault.name for fault in outside[:5]))
        yield finding(f"outside {outside[0].origin}: {names}", at=tuple(_seen(fault) for fault in outside[:5]))


@rule("VANTAGE004", Severity.ERROR, "RFC 1034 §3.6.2, RFC 2181 §10.1")
def alias_beside_other_records(facts: Vantage) -> Findings:
    """A zone file has a CNAME beside other records of the same name.

    Why: an alias excludes all other records. Name servers refuse the file, and go on with the old zone or with none;
    those that take it give different answers to different resolvers.
    Fix: keep either the CNAME or the other records.
    """
    for fault in _zone_faults(facts, "alias")[:10]:
        yield finding(f"{fault.name} is an alias of {fault.value} and has other records", at=_seen(fault))


def _zone_faults(facts: Vantage, kind: str) -> list[ZoneFault]:
    if not facts.zones:
        raise NotApplicable
    return [fault for fault in facts.zone_faults if fault.kind == kind]


def _seen(fault: ZoneFault) -> Evidence:
    return Evidence("dns", fault.name, fault.type, fault.value, file=fault.file, line=fault.line)
