"""Targets of a probe: what a person typed, made into one target per (host, address, port).

Every name is looked up once, and its addresses stay the same for the whole run. What this file will not do: connect.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast, get_args

from deliverkit.facts.base import Unobserved, missing
from deliverkit.facts.host import PortFacts, unprobed
from deliverkit.facts.mx import observe_mx
from deliverkit.flow import Question
from deliverkit.names import BadName, meant
from deliverkit.smtp.inspect import Role, Target
from deliverkit.world import World

ROLES: dict[int, Role] = {25: "mx", 587: "submission", 465: "submissions"}
PORTS = (25, 465, 587)
CONTROLS = ("smtp.gmail.com:465", "smtp.office365.com:587")
"""Hosts that answer on port 25 and on the port named: two operators, asked only when port 25 answers nowhere."""

_MOST_ADDRESSES = 16  # of one host


class BadTarget(ValueError):
    """A target that cannot be meant; the message says what was expected."""


@dataclass(frozen=True)
class ProbeOptions:
    """How to probe. ``name`` goes into SNI and is verified, instead of the host's own; ``helo`` is said in EHLO.

    ``ports`` are probed where a target names none; ``role`` is the role of a target that states none. ``controls`` are
    asked when port 25 answers nowhere; empty asks nobody. ``seconds`` bounds the whole run.
    """

    ports: tuple[int, ...] = ()
    name: str | None = None
    ca_file: str | None = None
    deep: bool = False
    relay_test: bool = False
    role: Role | None = None
    helo: str | None = None
    connect_s: float = 10.0
    greeting_s: float = 30.0
    reply_s: float = 30.0
    seconds: float = 300.0
    controls: tuple[str, ...] = CONTROLS
    severities: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Wanted:
    """A target as the user wrote it: a host, the ports of it with their roles, and whether they were named."""

    host: str
    ports: tuple[tuple[int, Role], ...]
    named: bool
    address: str | None  # when the host is an IP literal
    remark: str | None = None


def read_target(text: str, options: ProbeOptions | None = None) -> Wanted:
    """Read ``HOST[:PORT][/mx|/submission|/submissions]``; an IPv6 literal stands in brackets. Raises BadTarget."""
    options = options or ProbeOptions()
    place, word, remark = _place_and_role(text)
    role = cast(Role, word) if word else options.role
    if role is not None and role not in get_args(Role):
        raise BadTarget(f"{text}: the role {word!r} is none of mx, submission, submissions")
    host, port = _host_and_port(place, text)
    address = _address(host)
    if address is None:
        try:
            typed = meant(host)
        except BadName as bad:
            raise BadTarget(str(bad)) from None
        told = typed.remark if typed.remark != "a single label: a top-level domain?" else None
        host, remark = typed.name, remark or told
    numbers = (port,) if port is not None else options.ports or _ports_of(role)
    pairs = tuple((number, _role_of(number, role, text)) for number in dict.fromkeys(numbers))
    return Wanted(address or host, pairs, port is not None or bool(options.ports) or bool(word), address, remark)


def _place_and_role(text: str) -> tuple[str, str, str | None]:
    """HOST[:PORT], the role or "", and a remark where a URL was typed: its path is no role."""
    place, _, word = text.strip().partition("/")
    if word.startswith("/") and place.endswith(":"):
        return word[1:].partition("/")[0].rpartition("@")[2], "", "read from a URL"
    return place, word.lower(), None


def _host_and_port(place: str, text: str) -> tuple[str, int | None]:
    if place.startswith("["):
        host, bracket, rest = place[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise BadTarget(f"{text}: expected [IPv6-ADDRESS] or [IPv6-ADDRESS]:PORT")
        if _address(host) is None:
            raise BadTarget(f"{text}: {host!r} is not an IP address")
        return host, _port(rest[1:], text) if rest else None
    if place.count(":") > 1:
        if _address(place) is None:
            raise BadTarget(f"{text}: expected HOST[:PORT][/mx|/submission|/submissions]")
        return place, None
    host, colon, number = place.partition(":")
    if not host:
        raise BadTarget(f"{text}: no host is named; expected HOST[:PORT][/mx|/submission|/submissions]")
    return host, _port(number, text) if colon else None


def _port(number: str, text: str) -> int:
    if not number.isascii() or not number.isdigit() or not 0 < int(number[:6]) < 65536:
        raise BadTarget(f"{text}: {number!r} is not a port number")
    return int(number)


def _ports_of(role: Role | None) -> tuple[int, ...]:
    return PORTS if role is None else tuple(port for port, usual in ROLES.items() if usual == role)


def _role_of(port: int, role: Role | None, text: str) -> Role:
    if role is None and port not in ROLES:
        raise BadTarget(f"{text}: port {port} has no customary role; write {text}/mx, /submission or /submissions")
    return role or ROLES[port]


def _address(text: str) -> str | None:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None


# -- who is to be probed ----------------------------------------------------------------------------------


async def audit_targets(domain: str, submission: Iterable[str], world: World) -> tuple[Target, ...]:
    """Port 25 of each MX host of a domain, ports 465 and 587 of each submission host the user named."""
    targets: list[Target] = []
    options = ProbeOptions()
    try:
        mx = await world.run(observe_mx(domain))
        names = () if mx.null else tuple(host.name for host in mx.hosts)
    except Unobserved:
        names = ()  # the rules about MX say so
    wanted = [read_target(f"{name}:25/mx", options) for name in names if _readable(name)]
    wanted += [replace(read_target(text, replace(options, ports=(465, 587))), named=False) for text in submission]
    for found, _ in await asyncio.gather(*(resolved(one, world, options) for one in wanted)):
        targets += found
    return tuple(targets)


def _readable(name: str) -> bool:
    """False for an MX that is no host name, which the rules about MX report."""
    try:
        read_target(f"{name}:25/mx")
    except BadTarget:
        return False
    return True


async def resolved(
    wanted: Wanted, world: World, options: ProbeOptions
) -> tuple[tuple[Target, ...], tuple[PortFacts, ...]]:
    """The targets of a host, IPv4 first; or, when it has no address, rows that say why nothing was probed."""
    if wanted.address is not None:
        return tuple(_target(wanted, wanted.address, p, r, options, from_dns=False) for p, r in wanted.ports), ()
    answers = await asyncio.gather(*(world.ask(Question(wanted.host, type_)) for type_ in ("A", "AAAA")))
    addresses = [address for answer in answers for address in answer.records][:_MOST_ADDRESSES]
    if addresses:
        pairs = [(address, p, r) for p, r in wanted.ports for address in addresses]
        return tuple(_target(wanted, a, p, r, options, from_dns=True) for a, p, r in pairs), ()
    unknown = next((answer for answer in answers if not answer.known), None)
    nowhere = missing(unknown.why()) if unknown is not None else None
    told = False if nowhere is None else nowhere
    return (), tuple(unprobed(wanted.host, "-", p, r, told, "no-address", named=wanted.named) for p, r in wanted.ports)


def _target(wanted: Wanted, address: str, port: int, role: Role, options: ProbeOptions, *, from_dns: bool) -> Target:
    name = options.name or wanted.host
    return Target(
        host=wanted.host,
        address=address,
        port=port,
        role=role,
        server_name=name if _address(name) is None else None,
        verify_name=name,
        ca_file=options.ca_file,
        helo=options.helo,
        deep=options.deep,
        relay_test=options.relay_test,
        named=wanted.named,
        from_dns=from_dns,
        connect_s=options.connect_s,
        greeting_s=options.greeting_s,
        reply_s=options.reply_s,
    )
