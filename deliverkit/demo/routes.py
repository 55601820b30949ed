"""Carry connections for documentation addresses to loopback ports: the embedded world needs no root and no network.

The demo's zones speak of 192.0.2.25 port 25 as a real domain would. This door, laid over the live one, dials the
listener on loopback that plays that host instead. An address nobody plays is refused, as a closed port would be.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeAlias, TypeVar

from deliverkit.smtp.dialogue import Connect, Connected, Handshake, SmtpFlow, Trouble, TroubleKind
from deliverkit.smtp.transcript import Transcript
from deliverkit.world.doors import SmtpDoor

T = TypeVar("T")
Place: TypeAlias = tuple[str, int]


class RoutedSmtp:
    """An SMTP door that knows which loopback port plays which host, and trusts the demo's own authority."""

    def __init__(self, below: SmtpDoor, routes: Mapping[Place, Place], ca_file: str) -> None:
        self._below = below
        self._routes = routes
        self._ca_file = ca_file

    async def converse(self, flow: SmtpFlow[T], *, from_dns: bool = False) -> tuple[T, Transcript]:  # noqa: ARG002
        """Run the flow with its addresses routed; nothing but loopback is ever dialled."""
        return await self._below.converse(routed(flow, self._routes, self._ca_file), from_dns=False)

    async def aclose(self) -> None:
        """Let go of the door below."""
        await self._below.aclose()


def routed(flow: SmtpFlow[T], routes: Mapping[Place, Place], ca_file: str) -> SmtpFlow[T]:
    """The flow with each Connect turned to the listener that plays that host."""
    try:
        asked = next(flow)
        while True:
            heard: Any
            if isinstance(asked, Connect):
                place = routes.get((asked.address, asked.port))
                if place is None:
                    heard = Trouble(TroubleKind.REFUSED, "nobody listens there in the embedded world", "connection")
                else:
                    heard = yield replace(asked, address=place[0], port=place[1])
                    if isinstance(heard, Connected):
                        heard = replace(heard, address=asked.address, port=asked.port)
            elif isinstance(asked, Handshake) and asked.ca_file is None:
                heard = yield replace(asked, ca_file=ca_file)
            else:
                heard = yield asked
            asked = flow.send(heard)
    except StopIteration as end:
        result: T = end.value
        return result
