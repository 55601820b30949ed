"""Where a message goes: a relay that was named, or the MX hosts of the recipients' domain (RFC 5321 §5.1).

A route is a list of endpoints to try in order. What this file will not do: connect, or ask more than MX, A and AAAA.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass, replace
from typing import Any

from deliverkit.facts.base import missing
from deliverkit.facts.sending import TLS_FIRST
from deliverkit.flow import Answer, Flow, Status, ask, together
from deliverkit.names import BadName, to_ascii
from deliverkit.smtp.submission import TlsMode

_MOST_ADDRESSES = 10
LOOPBACK = ("127.0.0.1", "::1")  # RFC 6761 §6.3: localhost is never asked in DNS


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address to connect to. ``from_dns`` addresses are refused when they are private (see the SMTP door)."""

    host: str
    address: str
    port: int
    tls: TlsMode
    from_dns: bool = True


@dataclass(frozen=True)
class Route:
    """A destination. ``dead_end`` says why no mail can be sent there; it is a missing fact when DNS could not tell."""

    name: str
    by_mx: bool
    recipients: tuple[str, ...]
    endpoints: tuple[Endpoint, ...] = ()
    dead_end: Any = None  # str | None, or Missing


def read_relay(text: str) -> tuple[str, int | None]:
    """``HOST[:PORT]``, ``[IPv6]:PORT`` or an address. Raises BadName."""
    text = text.strip()
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise BadName(f"{text!r}: expected [ADDRESS]:PORT")
        return _host(host), _port(text, rest[1:]) if rest else None
    if text.count(":") == 1:
        host, _, port = text.partition(":")
        return _host(host), _port(text, port)
    return _host(text), None


def _host(host: str) -> str:
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return to_ascii(host)


def _port(text: str, port: str) -> int:
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise BadName(f"{text!r}: {port!r} is no port; expected HOST:PORT with a port from 1 to 65535")
    return int(port)


def default_tls(port: int, *, login: bool) -> TlsMode:
    """The mode a port speaks by convention; elsewhere TLS is demanded for a login and otherwise taken if offered."""
    if port in TLS_FIRST:
        return "implicit"
    return "starttls" if login or port == 587 else "opportunistic"


def relay_route(host: str, port: int, tls: TlsMode, recipients: tuple[str, ...]) -> Flow[Route]:
    """The route through a named relay: its addresses, IPv4 first, because IPv6 without a route costs a timeout."""
    name = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    route = Route(name, False, recipients)
    if is_address(host):
        return replace(route, endpoints=(Endpoint(host, host, port, tls, from_dns=False),))
    if host == "localhost" or host.endswith(".localhost"):
        return replace(route, endpoints=tuple(Endpoint(host, a, port, tls, from_dns=False) for a in LOOPBACK))
    found, unknown = yield from _addresses(host)
    if not found:
        return replace(route, dead_end=missing(unknown) if unknown else f"{host} has no address")
    return replace(route, endpoints=tuple(Endpoint(host, a, port, tls) for a in found[:_MOST_ADDRESSES]))


def mx_route(domain: str, port: int, tls: TlsMode, recipients: tuple[str, ...]) -> Flow[Route]:
    """The route to a domain's MX hosts in order of preference; the domain itself where it has none (RFC 5321 §5.1)."""
    route = Route(domain, True, recipients)
    if domain.startswith("["):  # an address literal (RFC 5321 §4.1.3)
        address = re.sub(r"^\[(IPv6:)?|\]$", "", domain, flags=re.IGNORECASE)
        if not is_address(address):
            return replace(route, dead_end=f"{domain} is no address literal")
        return replace(route, endpoints=(Endpoint(address, address, port, tls, from_dns=False),))
    answer = yield from ask(domain, "MX")
    if not answer.known:
        return replace(route, dead_end=missing(answer.why()))
    if answer.status is Status.NXDOMAIN:
        return replace(route, dead_end=f"{domain} does not exist")
    hosts = _hosts(answer) if answer.records else (domain,)
    if not hosts:
        return replace(route, dead_end=f"{domain} publishes a null MX: it accepts no mail")
    return (yield from _to_hosts(route, hosts, port, tls))


def _hosts(answer: Answer) -> tuple[str, ...]:
    """MX hosts by preference; "." is none (RFC 7505 §3)."""
    return tuple(dict.fromkeys(host for _, host in sorted(answer.records) if host != "."))


def _to_hosts(route: Route, hosts: tuple[str, ...], port: int, tls: TlsMode) -> Flow[Route]:
    found = yield from together(*(_addresses(host) for host in hosts))
    endpoints = [
        Endpoint(host, address, port, tls)
        for host, (addresses, _) in zip(hosts, found, strict=True)
        for address in addresses
    ]
    if endpoints:
        return replace(route, endpoints=tuple(endpoints[:_MOST_ADDRESSES]))
    unknown = next((why for _, why in found if why), None)
    if unknown:
        return replace(route, dead_end=missing(unknown))
    what = "has neither MX nor address" if hosts == (route.name,) else f"has no MX host with an address ({hosts[0]})"
    return replace(route, dead_end=f"{route.name} {what}")


def _addresses(host: str) -> Flow[tuple[tuple[str, ...], str | None]]:
    """A host's addresses, and why there might be more, when an answer was not to be had."""
    if is_address(host):  # an MX that is an address: not allowed (RFC 5321 §5.1), yet some publish it
        return (host,), None
    answers = yield from together(ask(host, "A"), ask(host, "AAAA"))
    found = tuple(address for answer in answers if answer.status is Status.OK for address in answer.records)
    return found, next((answer.why() for answer in answers if not answer.known), None)


def is_address(host: str) -> bool:
    """True for an IP address."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
