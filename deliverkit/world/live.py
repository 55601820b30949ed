"""The live world: this machine's resolvers or those named, and real SMTP connections.

live (so many questions in flight) → shared (cache): the onion through which every question goes.
"""

from __future__ import annotations

import socket
from datetime import datetime

from deliverkit.facts.vantage import Vantage
from deliverkit.world import World
from deliverkit.world.dns import IN_FLIGHT, LiveDns
from deliverkit.world.pages import LivePages
from deliverkit.world.resolvers import parse_server, system_servers
from deliverkit.world.shared import SharedDoor
from deliverkit.world.smtp import LiveSmtp
from deliverkit.world.table import fixed_clock

MANY_IN_FLIGHT = 512
"""Questions at a time to resolvers that the user named for the work. Those of the system may be a dnsmasq, which
answers REFUSED beyond 150 (its ``dns-forward-max``), so they get no more than `dns.IN_FLIGHT`."""

_AFAR = ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1"))  # never sent to: only routed towards


def live_world(nameservers: tuple[str, ...] = (), *, allow_private: bool = False, now: datetime | None = None) -> World:
    """Open the real world. Raises BadNameserver for a text that names no server, NoNameserver when there is none."""
    servers = tuple(parse_server(text) for text in nameservers) or system_servers()
    vantage = Vantage(
        "live",
        resolvers=tuple(map(str, servers)),
        ad_trusted=all(server.is_local for server in servers),
        source_addresses=source_addresses(),
    )
    dns = SharedDoor(LiveDns(servers, in_flight=MANY_IN_FLIGHT if nameservers else IN_FLIGHT))
    clock = fixed_clock(now)
    return World(dns, LiveSmtp(allow_private, clock), vantage, clock, LivePages(allow_private))


def source_addresses() -> tuple[str, ...]:
    """The addresses this machine would send from, one a family. A UDP socket is routed; no packet leaves."""
    found = []
    for family, address in _AFAR:
        try:
            with socket.socket(family, socket.SOCK_DGRAM) as probe:
                probe.connect((address, 9))
                found.append(str(probe.getsockname()[0]))
        except OSError:
            continue  # no route in this family
    return tuple(found)
