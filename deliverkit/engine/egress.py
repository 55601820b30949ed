"""Is it them, or is it here? A port 25 that answers nowhere, weighed against a control.

Providers of access and of clouds block port 25 on the way out; a prober that does not know it blames the servers.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from deliverkit.engine.targets import ProbeOptions
from deliverkit.facts.base import Unobserved, missing, not_asked
from deliverkit.facts.host import PortFacts
from deliverkit.facts.vantage import Vantage
from deliverkit.flow import Question
from deliverkit.smtp.dialogue import Connect, Connected, Hangup, SmtpFlow, Trouble
from deliverkit.world import World

_KNOCK_S = 5.0
KNOWN_OPEN = {"smtp.gmail.com": (25, 465, 587), "smtp.mailgun.org": (25, 465, 587, 2525)}
"""Hosts of two operators, and the ports on which they are known to answer."""


async def weighed(rows: tuple[PortFacts, ...], world: World, options: ProbeOptions) -> tuple[PortFacts, ...]:
    """Rows of port 25 that no answer came from, with the control's word on whether port 25 gets out from here."""
    silent = [row for row in rows if _silent(row)]
    if not silent or any(row.port == 25 and row.raw("reachable") is True for row in rows):
        return rows
    egress = world.vantage.port25 if world.vantage.port25 != "unknown" else await _egress(world, options)
    if egress == "open":
        return rows
    if egress == "blocked":
        return tuple(_blocked(row) if _silent(row) else row for row in rows)
    return tuple(_unknown(row) if _silent(row) else row for row in rows)


def _silent(row: PortFacts) -> bool:
    """True for a port 25 from which nothing came: a filter on the way looks just like a dead host."""
    return row.port == 25 and row.reason in ("timeout", "unreachable") and row.raw("reachable") is False


def _blocked(row: PortFacts) -> PortFacts:
    return row.but(reason="blocked", reachable=not_asked("port 25 is blocked from here"))


def _unknown(row: PortFacts) -> PortFacts:
    why = f"{row.endpoint}: {row.reason}, and whether port 25 gets out from here could not be told"
    return row.but(reachable=missing(why))


async def _egress(world: World, options: ProbeOptions) -> str:
    """Ask the controls: "open", "blocked" (they answer on another port, never on 25) or "unknown"."""
    if world.vantage.mode != "live":
        return "unknown"
    tried = await asyncio.gather(*(_control(text, world, options) for text in options.controls))
    if any(on25 for on25, _ in tried):
        return "open"
    return "blocked" if any(other for _, other in tried) else "unknown"


async def _control(text: str, world: World, options: ProbeOptions) -> tuple[bool, bool]:
    """Whether a control host is reached on port 25, and whether on its other port. Nothing is said to it."""
    host, _, other = text.rpartition(":")
    typed = _is_address(host)
    records = (host,) if typed else (await world.ask(Question(host, "A"))).records
    if not records:
        return False, False
    address = str(records[0])

    async def stands(port: int) -> bool:
        flow, about = knock(address, port, min(options.connect_s, _KNOCK_S)), f"control {host}:{port} at {address}"
        try:
            return isinstance((await world.converse(flow, from_dns=not typed, about=about))[0], Connected)
        except Unobserved:
            return False

    on25, on_other = await asyncio.gather(stands(25), stands(int(other)))
    return on25, on_other


async def ports_out(
    ports: Collection[int], world: World, controls: Mapping[str, Collection[int]], connect_s: float
) -> dict[int, str]:
    """Whether ports get out from here: "open", "blocked" (the controls answer on other ports only) or "unknown"."""
    tried = await asyncio.gather(
        *(_knocked(host, open_ports, world, connect_s) for host, open_ports in controls.items())
    )
    answered = {port for one in tried for port in one}
    asked = {port for open_ports in controls.values() for port in open_ports}

    def word(port: int) -> str:
        if port in answered:
            return "open"
        return "blocked" if answered and port in asked else "unknown"

    return {port: word(port) for port in sorted(ports)}


async def _knocked(host: str, ports: Collection[int], world: World, connect_s: float) -> set[int]:
    """The ports of a control that answer; nothing is said to it."""
    records = (await world.ask(Question(host, "A"))).records
    if not records:
        return set()
    flows = (knock(str(records[0]), port, min(connect_s, _KNOCK_S)) for port in ports)
    heard = await asyncio.gather(*(world.converse(flow, from_dns=True) for flow in flows))
    return {port for port, (stands, _) in zip(ports, heard, strict=True) if isinstance(stands, Connected)}


def knock(address: str, port: int, timeout_s: float) -> SmtpFlow[Connected | Trouble]:
    """Connect and hang up: does TCP stand?"""
    heard: Connected | Trouble = yield Connect(address, port, timeout_s)
    yield Hangup()
    return heard


def vantage_after(ports: Iterable[PortFacts], vantage: Vantage) -> Vantage:
    """The vantage with what probing taught about it: whether port 25 gets out, whether IPv6 does."""
    rows = tuple(ports)
    on25 = [row for row in rows if row.port == 25]
    port25 = vantage.port25
    if any(row.raw("reachable") is True for row in on25):
        port25 = "open"
    elif any(row.reason == "blocked" for row in on25):
        port25 = "blocked"
    v6 = [row for row in rows if ":" in row.address]
    ipv6 = vantage.ipv6
    if any(row.raw("reachable") is True for row in v6):
        ipv6 = "works"
    elif v6 and all(row.reason == "no-route" for row in v6):
        ipv6 = "absent"
    local = {row.transcript.client.rpartition(":")[0].strip("[]") for row in rows if row.raw("reachable") is True}
    sources = tuple(dict.fromkeys((*vantage.source_addresses, *sorted(local - {"-", ""}))))
    return replace(vantage, port25=port25, ipv6=ipv6, source_addresses=sources)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
