"""What differs between two snapshots: settings, variables, vantage, versions. Unranked, and the same both ways round.

What this file will not do: say how likely a difference explains a failure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import TypeAlias

from deliverkit.data.differences import Change, changes
from deliverkit.engine.snapshot import Place, Plain, Snapshot, Transport, Value

_HOSTS = ("host", "service", "url")
_NEEDED = (*_HOSTS, "user")
_ROLE_KINDS = {
    "host": "host", "service": "host", "url": "host", "port": "port", "user": "user", "mechanism": "mechanism",
    "from": "from", "verify": "verify", "secure": "mode", "starttls": "mode", "connect-timeout": "timeout",
    "greeting-timeout": "timeout", "socket-timeout": "timeout", "helo": "helo", "backend": "delivery",
}  # fmt: skip
_PLAN_KINDS = {
    "delivery": "delivery", "host": "host", "port": "port", "mode": "mode", "verify": "verify",
    "mechanism": "mechanism",
    "connect_s": "timeout", "greeting_s": "timeout", "socket_s": "timeout",
}  # fmt: skip
_TOLD_BY = {  # fields of the plan that say the same as roles: told once
    "host": ("host", "service", "url"), "port": ("port",), "verify": ("verify",), "mechanism": ("mechanism",),
    "delivery": ("backend",), "connect_s": ("connect-timeout",), "greeting_s": ("greeting-timeout",),
    "socket_s": ("socket-timeout",), "mode": ("mode",),
}  # fmt: skip
_IMPLICIT, _STARTTLS = (465, 2465), (25, 587, 2525, 2587)
_OFFSET_S = 300  # seconds: what certificates and tokens commonly forgive
_LOCAL = re.compile(
    r"localhost(?:\.localdomain)?|\[?127\.[\d.]+\]?|\[?(?:IPv6:)?::1\]?|[0-9a-f]{12}|[^.\[:]+|.*\.(?:local|internal|lan|home)",
    re.IGNORECASE,
)
Pair: TypeAlias = tuple[Transport | None, Transport | None]


@dataclass(frozen=True, slots=True)
class Raw:
    """A difference of a kind of ``data/differences.toml``; ``why`` where it says more than the kind's own."""

    kind: str
    where: str
    what: str
    old: str | None
    new: str | None
    why: str = ""


# -- transports ---------------------------------------------------------------------------------------------------


def transports(old: Snapshot, new: Snapshot, unknown: list[str]) -> Iterator[Raw]:
    """Transport by transport, then the variables that no role told of. ``unknown`` is told what cannot be compared."""
    same_key = old.digest_check is not None and old.digest_check == new.digest_check
    told: set[str] = set()
    for a, b in _paired(old.transports, new.transports):
        if a is None or b is None:
            one = a or b
            assert one is not None
            yield Raw("transport", one.place, one.framework, _called(a), _called(b))
            continue
        told |= {name for side in (a, b) for value in side.roles.values() for name in (value.name, *value.via)}
        where = " / ".join(sorted({f"{side.framework} {side.place}" for side in (a, b)}))
        roles = list(_roles(a, b, where, same_key, unknown))
        yield from roles
        yield from _plans(a, b, where, {one.what for one in roles})
    yield from _variables(old, new, told)


def _called(one: Transport | None) -> str | None:
    return None if one is None else f"{one.framework} at {one.place}"


def _paired(old: Sequence[Transport], new: Sequence[Transport]) -> list[Pair]:
    """Transports that stand for each other: of one framework in one file, of one framework, at last by their order."""
    left, right = list(old), list(new)
    pairs: list[Pair] = []
    for key in (lambda t: (t.framework, t.place.rpartition(":")[0]), lambda t: (t.framework,), lambda _: ()):
        for value in sorted({key(one) for one in left} & {key(one) for one in right}):
            ours, theirs = ([one for one in side if key(one) == value] for side in (left, right))
            for a, b in zip(ours, theirs, strict=False):
                pairs.append((a, b))
                left.remove(a)
                right.remove(b)
    return [*pairs, *((one, None) for one in left), *((None, one) for one in right)]


def _roles(a: Transport, b: Transport, where: str, same_key: bool, unknown: list[str]) -> Iterator[Raw]:
    for role in sorted(a.roles.keys() | b.roles.keys()):
        ours, theirs = a.roles.get(role), b.roles.get(role)
        if role == "password" or any(one is not None and one.secret for one in (ours, theirs)):
            yield from _secrets(role, where, ours, theirs, same_key, unknown)
            continue
        old, new = _shown(ours), _shown(theirs)
        if old == new:
            continue
        if old is None or new is None:
            elsewhere = role in _HOSTS and a.plan.get("host") == b.plan.get("host") is not None  # told in another role
            needed = role in _NEEDED and not elsewhere
            yield Raw("setting-missing" if needed else "setting", where, role, _at(ours), _at(theirs))
        else:
            yield Raw(_kind(_ROLE_KINDS.get(role, "setting"), old, new), where, role, _at(ours), _at(theirs))


def _kind(kind: str, old: str, new: str) -> str:
    """The kind, sharpened where one of the names is only known where it is used."""
    local = [_LOCAL.fullmatch(text) is not None for text in (old, new)]
    return f"{kind}-local" if kind in ("host", "helo") and local[0] != local[1] else kind


def _secrets(
    role: str, where: str, ours: Value | None, theirs: Value | None, same_key: bool, unknown: list[str]
) -> Iterator[Raw]:
    old, new = _secret(ours), _secret(theirs)
    what = "password" if role == "password" else role
    if (old is None) != (new is None):
        yield Raw("password-missing", where, what, _at(ours, old), _at(theirs, new))
    elif old != new:
        yield Raw("password-shape", where, what, _at(ours, old), _at(theirs, new))
    elif ours is not None and theirs is not None and ours.secret and theirs.secret:
        if not (same_key and ours.digest and theirs.digest):
            unknown.append(f"{what} of {where}: both are {old}; whether they are equal, only digests with one key tell")
        elif ours.digest != theirs.digest:
            yield Raw("password", where, what, _at(ours, old), _at(theirs, new))


def _secret(value: Value | None) -> str | None:
    if value is None or not (value.secret or value.value):
        return None
    return (value.shape or "a secret") if value.secret else "in clear"


def _shown(value: Value | None) -> str | None:
    return None if value is None else _text(value.value)


def _text(value: Plain) -> str | None:
    if value is None:
        return None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def _at(value: Value | None, shown: str | None = None) -> str | None:
    """The value with the variable and the place it comes from."""
    said = shown if shown is not None else _shown(value)
    if value is None:
        return None
    origin = value.via[-1] if value.via else value.name
    if said is None:
        return f"not set ({origin})"
    return f"{said} ({origin}, {value.place or value.layer})"


def _plans(a: Transport, b: Transport, where: str, told: set[str]) -> Iterator[Raw]:
    fits = [_fits(side) for side in (a, b)]
    if None not in fits and fits[0] != fits[1]:
        yield Raw("port-mode", where, "port and encryption", _way(a), _way(b))
        told = {*told, "mode"}  # said with the port
    for name, kind in _PLAN_KINDS.items():
        old, new = (_text(side.plan.get(name)) for side in (a, b))
        both = old is not None and new is not None
        if both and old != new and not told & set(_TOLD_BY.get(name, ())):
            yield Raw(_kind(kind, old or "", new or ""), where, name, old, new)


def _fits(one: Transport) -> bool | None:
    """Whether the way TLS begins is what the port expects; None where nobody can tell (RFC 8314 §3.3)."""
    port, mode = one.plan.get("port"), one.plan.get("mode")
    if mode is None or port not in (*_IMPLICIT, *_STARTTLS):
        return None
    return (mode == "implicit") == (port in _IMPLICIT)


def _way(one: Transport) -> str:
    return f"port {one.plan.get('port')}, {one.plan.get('mode')}"


def _variables(old: Snapshot, new: Snapshot, told: set[str]) -> Iterator[Raw]:
    """Variables about mail that are set on one side only; those that the program is known to read weigh more."""
    ours, theirs = (_set(side) for side in (old, new))
    for name in sorted(ours.keys() | theirs.keys()):
        if ours.get(name, False) != theirs.get(name, False) and name not in told:
            read = name in ours and name in theirs  # named there without being set: something reads it
            was, now = ("set" if side.get(name) else None for side in (ours, theirs))
            yield Raw("variable-missing" if read else "variable", "", name, was, now)


def _set(side: Snapshot) -> dict[str, bool]:
    """Whether each variable is set in any of the environments of a snapshot."""
    found: dict[str, bool] = {}
    for values in side.variables.values():
        for name, is_set in values.items():
            found[name] = found.get(name, False) or is_set
    return found


# -- the place ----------------------------------------------------------------------------------------------------


def places(old: Snapshot, new: Snapshot) -> Iterator[Raw]:
    """What differs in where the two were taken."""
    a, b = old.place, new.place
    yield from _ports(old, new)
    for kind, what, ours, theirs in (
        ("resolver", "resolvers", ", ".join(a.resolvers), ", ".join(b.resolvers)),
        ("address", "source addresses", ", ".join(a.source_addresses), ", ".join(b.source_addresses)),
        ("platform", "platform", ", ".join(a.platforms), ", ".join(b.platforms)),
        ("system", "system", a.system, b.system),
    ):
        if ours != theirs and (kind == "platform" or (ours and theirs)):
            yield Raw(kind, "", what, ours or None, theirs or None)
    for kind, what, ours, theirs in (("ipv6", "IPv6", a.ipv6, b.ipv6), ("port25", "port 25", a.port25, b.port25)):
        if ours != theirs and "unknown" not in (ours, theirs):
            yield Raw(kind, "", what, ours, theirs)
    if a.container != b.container:
        yield Raw("container", "", "container", *("yes" if side.container else "no" for side in (a, b)))
    if a.ehlo and b.ehlo and a.ehlo != b.ehlo:
        yield Raw(_kind("helo", a.ehlo, b.ehlo), "", "EHLO name", a.ehlo, b.ehlo)
    yield from _trust(a, b)
    yield from _clocks(a, b)


def _ports(old: Snapshot, new: Snapshot) -> Iterator[Raw]:
    configured = {f"{t.plan.get('host')}:{t.plan.get('port')}" for side in (old, new) for t in side.transports}
    for server in sorted(old.place.ports.keys() & new.place.ports.keys()):
        ours, theirs = old.place.ports[server], new.place.ports[server]
        if (ours == "open") != (theirs == "open"):
            yield Raw("port-blocked" if server in configured else "port-beside", "", server, ours, theirs)


def _trust(a: Place, b: Place) -> Iterator[Raw]:
    ours, theirs = a.trust_certificates, b.trust_certificates
    if ours is None or theirs is None:
        return
    told = [f"{side.trust_certificates} certificates ({side.trust_path})" for side in (a, b)]
    if (ours == 0) != (theirs == 0):
        yield Raw("trust-empty", "", "trust store", *told)
    elif abs(ours - theirs) * 5 > max(ours, theirs) or a.trust_variables != b.trust_variables:
        named = [", ".join((one, *side.trust_variables)) for one, side in zip(told, (a, b), strict=True)]
        yield Raw("trust", "", "trust store", *named)


def _clocks(a: Place, b: Place) -> Iterator[Raw]:
    wrong = [None if side.clock_offset_s is None else abs(side.clock_offset_s) > _OFFSET_S for side in (a, b)]
    if True in wrong and wrong[0] != wrong[1]:
        was, now = (None if s.clock_offset_s is None else f"{s.clock_offset_s:+.0f} s to the server" for s in (a, b))
        yield Raw("clock", "", "clock", was, now)


# -- versions -----------------------------------------------------------------------------------------------------


def versions(old: Snapshot, new: Snapshot) -> Iterator[Raw]:
    """Versions that differ; across a change that matters to mail, which one."""
    ours, theirs = dict(old.versions), dict(new.versions)
    if old.deliverkit != new.deliverkit:
        yield Raw("system", "", "deliverkit", old.deliverkit, new.deliverkit)
    for name in sorted(ours.keys() & theirs.keys()):
        if ours[name] == theirs[name]:
            continue
        crossed = [c for c in changes() if c.name == name and _crosses(c, ours[name], theirs[name])]
        if crossed:
            what = "; ".join(f"{change.at}: {change.what}" for change in crossed)
            yield Raw("version-known", "", name, ours[name], theirs[name], why=what)
        else:
            yield Raw("version", "", name, ours[name], theirs[name])


def _crosses(change: Change, *told: str) -> bool:
    at = _numbers(change.at)
    seen = [_numbers(text) for text in told]
    if any(not numbers for numbers in seen):
        return False
    return len({_reached(numbers, at) for numbers in seen}) == 2


def _reached(numbers: tuple[int, ...], at: tuple[int, ...]) -> bool:
    pairs = list(zip_longest(numbers, at, fillvalue=0))
    return [one for one, _ in pairs] >= [other for _, other in pairs]


def _numbers(text: str) -> tuple[int, ...]:
    """The numbers of the first version in a text: "^6.9.1" is 6, 9, 1."""
    match = re.search(r"\d{1,6}(?:\.\d{1,6}){0,3}", text)
    return tuple(map(int, match[0].split("."))) if match else ()
