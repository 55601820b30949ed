"""Rules about the place we looked from: what is missing here must not be blamed on the servers."""

from __future__ import annotations

from deliverkit.facts.base import needs
from deliverkit.facts.vantage import Vantage
from deliverkit.findings import Severity, finding
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
