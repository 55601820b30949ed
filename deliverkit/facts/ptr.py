"""The reverse names of the addresses a domain sends from and receives at, and the flows that observe them."""

from __future__ import annotations

from dataclasses import dataclass

from deliverkit.facts.base import Facts, missing
from deliverkit.flow import Answer, Flow, together
from deliverkit.protocols.iprev import Iprev, IprevResult, ReverseName, iprev
from deliverkit.protocols.mx import locate

MAX_HOST_ADDRESSES = 10
"""MX addresses looked up in reverse: what stands there is worth a note only."""


@dataclass(frozen=True, repr=False)
class IprevFacts(Facts):
    """One address's iprev (RFC 8601 §3). ``result`` is missing when nobody could tell; `raw` keeps ``outcome``.

    ``name`` is the name that leads back to the address; ``host`` the MX host the address belongs to, if it does.
    """

    address: str
    outcome: IprevResult
    result: IprevResult
    answer: Answer
    names: tuple[ReverseName, ...]
    name: str | None
    reason: str
    host: str | None = None

    @property
    def subject(self) -> str:
        return self.address


@dataclass(frozen=True, repr=False)
class PtrFacts(Facts):
    """Reverse names. ``senders``: the addresses given by ``--sends-from``; ``hosts``: those of the MX hosts."""

    domain: str
    senders: tuple[IprevFacts, ...]
    hosts: tuple[IprevFacts, ...]

    @property
    def subject(self) -> str:
        return self.domain


def observe_iprev(address: str, *, host: str | None = None) -> Flow[IprevFacts]:
    """Observe one address's iprev."""
    found: Iprev = yield from iprev(address)
    unknown = found.result is IprevResult.TEMPERROR
    return IprevFacts(
        address=found.address,
        outcome=found.result,
        result=missing(found.reason) if unknown else found.result,
        answer=found.answer,
        names=found.names,
        name=found.name,
        reason=found.reason,
        host=host,
    )


def observe_ptr(domain: str, *, sends_from: tuple[str, ...] = ()) -> Flow[PtrFacts]:
    """Observe the reverse names of the sending addresses and of the MX hosts' addresses."""
    senders, hosts = yield from together(_senders(sends_from), _hosts(domain))
    return PtrFacts(domain, senders, hosts)


def _senders(addresses: tuple[str, ...]) -> Flow[tuple[IprevFacts, ...]]:
    return (yield from together(*(observe_iprev(address) for address in addresses)))


def _hosts(domain: str) -> Flow[tuple[IprevFacts, ...]]:
    """The MX hosts' addresses; each once, however many hosts share it."""
    located = yield from locate(domain)
    if not located.answer.known:
        return missing(located.answer.why())  # type: ignore[no-any-return]
    owners: dict[str, str] = {}
    for host in located.hosts:
        for answer in (host.a, host.aaaa):
            for address in answer.records if answer else ():
                owners.setdefault(address, host.name)
    if located.implicit:
        return ()  # a web server's name is nobody's business here
    chosen = list(owners.items())[:MAX_HOST_ADDRESSES]
    return (yield from together(*(observe_iprev(address, host=host) for address, host in chosen)))
