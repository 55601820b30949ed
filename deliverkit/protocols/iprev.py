"""iprev (RFC 8601 §3): does an address's name lead back to the address? Also known as FCrDNS.

A flow that any side may run: for the client of a message, for the addresses a domain sends from, for its MX hosts.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from enum import StrEnum

from deliverkit.flow import Answer, Flow, ask, together
from deliverkit.names import reverse

MAX_NAMES = 10
"""PTR names whose addresses are looked up, as RFC 7208 §4.6.4 bounds its own use of PTR."""


class IprevResult(StrEnum):
    """The results of RFC 8601 §2.7.3."""

    PASS = "pass"  # noqa: S105 - a result
    FAIL = "fail"  # names there are, none leads back
    TEMPERROR = "temperror"
    PERMERROR = "permerror"  # no PTR record


@dataclass(frozen=True, slots=True)
class ReverseName:
    """One PTR name, and the addresses it has in the family of the address asked about."""

    name: str
    forward: Answer
    leads_back: bool


@dataclass(frozen=True, slots=True)
class Iprev:
    """How an address fared. ``name`` is the first name that leads back; ``unasked`` counts names beyond `MAX_NAMES`."""

    address: str
    result: IprevResult
    answer: Answer
    names: tuple[ReverseName, ...] = ()
    unasked: int = 0

    @property
    def name(self) -> str | None:
        return next((found.name for found in self.names if found.leads_back), None)

    @property
    def reason(self) -> str:
        """The result in a few words."""
        if self.result is IprevResult.PASS:
            return f"{self.address} is {self.name}, which leads back to it"
        if self.result is IprevResult.PERMERROR:
            return f"{self.address} has no PTR record"
        if not self.names:
            return self.answer.why()
        if self.result is IprevResult.TEMPERROR:
            return next(found.forward.why() for found in self.names if not found.forward.known)
        told = (f"{found.name} ({', '.join(found.forward.records[:3]) or 'no address'})" for found in self.names)
        return f"{self.address} is called {'; '.join(told)}: none leads back"


def iprev(address: str) -> Flow[Iprev]:
    """Look an address up in reverse, and its names forward (RFC 8601 §3)."""
    address = _unmapped(address)
    answer = yield from ask(reverse(address), "PTR")
    if not answer.known:
        return Iprev(address, IprevResult.TEMPERROR, answer)
    if not answer.records:
        return Iprev(address, IprevResult.PERMERROR, answer)
    family = "AAAA" if ":" in address else "A"
    wanted = tuple(dict.fromkeys(answer.records))
    forwards = yield from together(*(ask(name, family) for name in wanted[:MAX_NAMES]))
    names = tuple(
        ReverseName(name, forward, address in forward.records) for name, forward in zip(wanted, forwards, strict=False)
    )
    return Iprev(address, _result(names), answer, names, unasked=max(len(wanted) - MAX_NAMES, 0))


def _result(names: tuple[ReverseName, ...]) -> IprevResult:
    if any(found.leads_back for found in names):
        return IprevResult.PASS
    if any(not found.forward.known for found in names):
        return IprevResult.TEMPERROR
    return IprevResult.FAIL


def _unmapped(address: str) -> str:
    """Canonical text; an IPv4 address in IPv6 clothes is the IPv4 address."""
    parsed = ipaddress.ip_address(address)
    return str(getattr(parsed, "ipv4_mapped", None) or parsed)
