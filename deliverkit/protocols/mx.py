"""Where a domain's mail goes (RFC 5321 §5.1, RFC 7505): MX records, the implicit MX, and the addresses of each host.

`locate` is the flow. It answers what a sending server would learn; it neither connects nor judges.
"""

from __future__ import annotations

import functools
import ipaddress
import re
from dataclasses import dataclass
from enum import StrEnum

from deliverkit.flow import Answer, Flow, ask, together
from deliverkit.names import labels, within

MAX_HOSTS = 25
"""MX hosts whose addresses are looked up; the rest is told apart as not looked at."""

_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?", re.IGNORECASE)
"""RFC 5321 §4.1.2 sub-domain, and the underscore: no host name has it, yet most senders deliver to such a name."""


class TargetKind(StrEnum):
    """What the right side of an MX record is."""

    HOST = "host"
    NULL = "null"  # "." (RFC 7505 §3)
    ADDRESS = "address"  # an IP address written where a name belongs
    LOCALHOST = "localhost"
    INVALID = "invalid"  # no host name: digits only, a blank, a hyphen at its end, …


@dataclass(frozen=True, slots=True)
class Location:
    """One host that takes mail. ``a`` and ``aaaa`` are None when it was beyond `MAX_HOSTS`.

    ``meant`` is set when the name does not exist but does so without the domain at its end, or carries the domain twice
    (``mx.example.com.example.com``): the final dot was forgotten in the zone file.
    """

    name: str
    preference: int
    a: Answer | None
    aaaa: Answer | None
    meant: str | None = None


@dataclass(frozen=True, slots=True)
class Located:
    """What `locate` learned: the MX answer, the hosts best preference first, and how they came about.

    ``hosts`` holds every name that can be a host, once, with its best preference. ``implicit`` means there is no MX
    record and the domain itself is the host (RFC 5321 §5.1).
    """

    answer: Answer
    hosts: tuple[Location, ...] = ()
    null: bool = False
    implicit: bool = False


@functools.lru_cache(maxsize=1024)
def target_kind(name: str) -> TargetKind:
    """Tell what an MX record points at."""
    if name == ".":
        return TargetKind.NULL
    if embedded_address(name) is not None:
        return TargetKind.ADDRESS
    parts = labels(name)
    if parts[-1] == "localhost" or name in ("localhost.localdomain", "localdomain"):
        return TargetKind.LOCALHOST  # RFC 6761 §6.3
    if parts[-1].isdigit() or not all(_LABEL.fullmatch(part) for part in parts):
        return TargetKind.INVALID
    return TargetKind.HOST


@functools.lru_cache(maxsize=1024)
def embedded_address(name: str, origin: str | None = None) -> str | None:
    """The IP address a name spells, perhaps with the origin appended by the zone file (``192.0.2.1.example.com``)."""
    text = name
    if origin and name.endswith("." + origin):
        text = name[: -len(origin) - 1]
    text = text.strip("[]").removeprefix("ipv6:")
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        return None


def is_null(answer: Answer) -> bool:
    """True for a null MX: one record, whose host is the root (RFC 7505 §3)."""
    return len(answer.records) == 1 and answer.records[0][1] == "."


def locate(domain: str) -> Flow[Located]:
    """Find the hosts that take a domain's mail, and their addresses."""
    answer = yield from ask(domain, "MX")
    if not answer.known:
        return Located(answer)
    if not answer.records:
        return (yield from _implicit(domain, answer))
    if is_null(answer):
        return Located(answer, null=True)
    best: dict[str, int] = {}
    for preference, name in answer.records:
        if target_kind(name) is TargetKind.HOST and embedded_address(name, domain) is None:
            best[name] = min(preference, best.get(name, preference))
    ranked = sorted(best.items(), key=lambda item: (item[1], item[0]))
    located = yield from together(*(_host(name, preference, domain) for name, preference in ranked[:MAX_HOSTS]))
    beyond = tuple(Location(name, preference, None, None) for name, preference in ranked[MAX_HOSTS:])
    return Located(answer, (*located, *beyond))


def _implicit(domain: str, answer: Answer) -> Flow[Located]:
    """No MX record: the domain's own addresses take the mail, if it has any (RFC 5321 §5.1)."""
    a, aaaa = yield from together(ask(domain, "A"), ask(domain, "AAAA"))
    if a.records or aaaa.records or not (a.known and aaaa.known):
        return Located(answer, (Location(domain, 0, a, aaaa),), implicit=True)
    return Located(answer)


def _host(name: str, preference: int, domain: str) -> Flow[Location]:
    a, aaaa = yield from together(ask(name, "A"), ask(name, "AAAA"))
    absent = a.known and aaaa.known and not a.records and not aaaa.records
    doubled = name.endswith(f".{domain}.{domain}")  # it may resolve all the same, through a wildcard
    meant = (yield from _without_origin(name, domain)) if absent or doubled else None
    return Location(name, preference, a, aaaa, meant)


def _without_origin(name: str, domain: str) -> Flow[str | None]:
    """The existing host that a name with a doubled origin stands for.

    The zone's origin is the domain itself or an ancestor of it, so each is tried that leaves a name of several labels.
    """
    parts = labels(domain)
    for origin in (".".join(parts[i:]) for i in range(max(len(parts) - 1, 1))):
        rest = name.removesuffix("." + origin)
        if rest == name or "." not in rest or not within(name, origin):
            continue
        a, aaaa = yield from together(ask(rest, "A"), ask(rest, "AAAA"))
        if a.records or aaaa.records:
            return rest
        if within(rest, domain):
            return rest  # mx.example.com.example.com: the doubling speaks for itself
    return None
