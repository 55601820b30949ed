"""The MX facts of a domain: which hosts take its mail, and at which addresses; and the flow that observes them."""

from __future__ import annotations

from dataclasses import dataclass

from deliverkit.addresses import is_public
from deliverkit.facts.base import Facts, Unobserved, missing
from deliverkit.flow import Answer, Flow, ask
from deliverkit.protocols.mx import MAX_HOSTS, Location, locate


@dataclass(frozen=True, repr=False)
class MxHost(Facts):
    """One host that takes the domain's mail. ``meant`` names the host intended where a final dot was forgotten."""

    name: str
    preference: int
    a: Answer
    aaaa: Answer
    meant: str | None = None

    @property
    def subject(self) -> str:
        return self.name

    @property
    def v4(self) -> tuple[str, ...]:
        """Its IPv4 addresses. Raises Unobserved when nobody could tell."""
        return _told(self.a)

    @property
    def v6(self) -> tuple[str, ...]:
        """Its IPv6 addresses. Raises Unobserved when nobody could tell."""
        return _told(self.aaaa)

    @property
    def addresses(self) -> tuple[str, ...]:
        """All its addresses, IPv4 first; those known, when one of the two questions failed."""
        found = (*self.a.records, *self.aaaa.records)
        return found if found else (*self.v4, *self.v6)

    @property
    def public(self) -> tuple[str, ...]:
        """The addresses that mail from the Internet could reach."""
        return tuple(address for address in self.addresses if is_public(address))

    @property
    def aliases(self) -> tuple[str, ...]:
        """The CNAME chain that was followed to its addresses."""
        return self.a.aliases or self.aaaa.aliases


def _told(answer: Answer) -> tuple[str, ...]:
    if not answer.known:
        raise Unobserved(answer.why())
    return answer.records


@dataclass(frozen=True, repr=False)
class MxFacts(Facts):
    """Where the domain's mail goes.

    ``hosts`` are the names that can be hosts, best preference first and each once; the domain itself when ``implicit``
    (no MX record, but an address). ``null`` is a null MX (RFC 7505). ``wildcard`` is the answer for ``*.domain``,
    ``spf`` the domain's TXT answer, asked only when ``null``, where it tells whether the domain sends mail.
    """

    domain: str
    answer: Answer
    hosts: tuple[MxHost, ...]
    null: bool
    implicit: bool
    wildcard: Answer | None = None
    spf: Answer | None = None

    @property
    def subject(self) -> str:
        return self.domain

    @property
    def exists(self) -> bool:
        """True unless the domain does not exist. Raises Unobserved when nobody could tell."""
        _told(self.answer)
        return self.answer.status.value != "nxdomain"

    @property
    def spf_texts(self) -> tuple[str, ...]:
        """The domain's TXT records, asked when ``null``. Raises Unobserved when nobody could tell."""
        if self.spf is None:
            return ()
        _told(self.spf)
        return self.spf.texts

    @property
    def receives(self) -> bool:
        """True if the domain has MX records other than a null MX: it is meant to receive. Raises Unobserved."""
        return bool(_told(self.answer)) and not self.null


def observe_mx(domain: str) -> Flow[MxFacts]:
    """Observe where a domain's mail goes."""
    located = yield from locate(domain)
    answer = located.answer
    if not answer.known:
        unknown = missing(answer.why())
        return MxFacts(domain, answer, hosts=unknown, null=unknown, implicit=unknown, wildcard=unknown, spf=unknown)
    wildcard = (yield from ask(f"*.{domain}", "MX")) if answer.records else None
    spf = (yield from ask(domain, "TXT")) if located.null else None
    hosts = tuple(_facts(location) for location in located.hosts)
    return MxFacts(domain, answer, hosts, located.null, located.implicit, wildcard, spf)


def _facts(location: Location) -> MxHost:
    beyond = missing(f"only the best {MAX_HOSTS} MX hosts are looked up")
    return MxHost(location.name, location.preference, location.a or beyond, location.aaaa or beyond, location.meant)
