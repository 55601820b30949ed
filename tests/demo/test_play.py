"""The demo's job in this process: both verdicts as planned, nothing but loopback dialled, no password told."""

from __future__ import annotations

import asyncio
import base64
import ipaddress
import socket
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from deliverkit.demo.embedded import PASSWORD
from deliverkit.demo.play import Played, play
from deliverkit.demo.routes import RoutedSmtp
from deliverkit.report import render
from deliverkit.smtp.dialogue import Connect, Connected, Hangup, SmtpFlow, Trouble, TroubleKind
from deliverkit.world.smtp import LiveSmtp

DIALLED: list[Any] = []
ASKS_NOBODY = (
    "192.0.2.1",
    "2001:db8::1",
)  # a datagram socket is turned there, to see our own address; it sends nothing
_watching = False


def _hook(event: str, arguments: tuple[Any, ...]) -> None:
    """An audit hook cannot be taken away again, only told to look aside."""
    if not _watching or event not in ("socket.connect", "socket.sendto", "socket.bind"):
        return
    unsent = event == "socket.connect" and arguments[0].type & socket.SOCK_DGRAM and arguments[-1][0] in ASKS_NOBODY
    if not unsent:
        DIALLED.append(arguments[-1])


@pytest.fixture(scope="module")
def played() -> Iterator[tuple[Played, ...]]:
    """The job, with every connection, datagram and listener of this process noted."""
    global _watching
    sys.addaudithook(_hook)
    _watching = True
    try:
        yield asyncio.run(asyncio.wait_for(play(), 60))
    finally:
        _watching = False


def test_both_domains_end_as_planned(played: tuple[Played, ...]) -> None:
    """The sound one has nothing above a note; of the twin every planted fault is named."""
    assert [one.verdict.value for one in played] == ["pass", "fail"]
    assert [one.missed for one in played] == [(), ()]
    assert all(one.as_planned for one in played)


def test_nothing_but_loopback_is_dialled(played: tuple[Played, ...]) -> None:
    """Each socket connects, sends and listens on 127.0.0.0/8 or ::1, on a port that needs no root."""
    assert played
    places = [place for place in DIALLED if isinstance(place, tuple)]
    assert len(places) > 10
    assert {host for host, *_ in places if not ipaddress.ip_address(host).is_loopback} == set()
    assert all(port == 0 or port >= 1024 for _, port, *_ in places)


def test_the_password_is_told_nowhere(played: tuple[Played, ...]) -> None:
    """In none of the formats, neither as it is nor in base64."""
    reports = [step.report for one in played for step in one.steps]
    told = "".join(render(reports, form) for form in ("text", "json", "markdown", "html"))
    assert "AUTH PLAIN ********" in told
    for form in (PASSWORD, base64.b64encode(PASSWORD.encode()).decode()[:-2]):
        assert form not in told


def test_an_address_nobody_plays_is_refused_without_a_packet() -> None:
    """The routed door knows its hosts; anything else is answered by itself."""

    def flow() -> SmtpFlow[Connected | Trouble]:
        heard = yield Connect("198.51.100.99", 25)
        yield Hangup()
        return heard

    async def work() -> Connected | Trouble:
        door = RoutedSmtp(LiveSmtp(), {("192.0.2.25", 25): ("127.0.0.1", 1)}, "ca.pem")
        return (await door.converse(flow()))[0]

    heard = asyncio.run(work())
    assert isinstance(heard, Trouble)
    assert heard.kind is TroubleKind.REFUSED
    assert "embedded world" in heard.detail
