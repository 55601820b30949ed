"""The table of ports: nothing lost at 60 columns, nothing wasted at 200."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from deliverkit.engine.probe import probe
from deliverkit.facts.host import PortFacts
from deliverkit.facts.vantage import Vantage
from deliverkit.report.ports_text import port_lines
from deliverkit.world import World
from deliverkit.world.script import ScriptedSmtp
from deliverkit.world.table import table_world

SCRIPTS: dict[str, dict[str, Any]] = {
    "192.0.2.25:25": {"ehlo": ["STARTTLS"], "tls": {"self_signed": True, "names": ["other.example"]}},
    "192.0.2.25:465": {"greeting": "220 mx.example.com \x1b[31mESMTP", "ehlo": ["AUTH PLAIN LOGIN"]},
    "192.0.2.25:587": {"greeting": "421 4.3.2 busy"},
    "[2001:db8::25]:25": {"connect": "refused"},
    "[2001:db8::25]:465": {"connect": "no-route"},
}


@pytest.fixture(scope="module")
def rows() -> tuple[PortFacts, ...]:
    """Two addresses of one host, three ports, most things that can be found."""
    told = table_world({"mx.example.com": {"A": ["192.0.2.25"], "AAAA": ["2001:db8::25"]}}, {})
    world = World(told.dns, ScriptedSmtp(SCRIPTS, told.now()), Vantage("story"))
    found: tuple[PortFacts, ...] = asyncio.run(probe(["mx.example.com"], world=world))[0].facts["ports"]
    return found


@pytest.mark.parametrize("width", [60, 80, 100, 120, 200])
def test_no_line_is_wider_than_the_page(rows: tuple[PortFacts, ...], width: int) -> None:
    """At every width, every row and every word of it is there."""
    lines = port_lines(rows, width)
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    for word in ("192.0.2.25", "2001:db8::25", "refused", "no route from here", "greets with 421", "self-signed"):
        assert word in text
    assert "in the clear (!)" in text
    assert "other name" in text


def test_a_wide_page_shows_the_greeting_and_names_a_host_once(rows: tuple[PortFacts, ...]) -> None:
    """One table; control characters of a greeting are escaped."""
    lines = port_lines(rows, 200)
    assert len(lines) == 1 + len(rows)
    assert sum("mx.example.com " in line.split("220")[0] for line in lines) == 1
    assert any("421 4.3.2 busy" in line for line in lines)
    assert "\x1b" not in "\n".join(lines)


def test_nothing_probed_is_no_table() -> None:
    """No rows, no lines."""
    assert port_lines((), 100) == []
