"""What the sink saw beside what the message shows: one cause makes one finding."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime

import pytest

from deliverkit.engine.capture import with_capture
from deliverkit.engine.verify import verify
from deliverkit.facts.capture import CaptureFacts
from deliverkit.smtp.content import examine, unstuffed
from deliverkit.world import World
from tests.make_messages import message

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("body", "seen", "twin"),
    [("one\n..two\r\n", "SINK002", "MSG035"), ("one\n.\ntwo\r\n", "SINK003", "MSG033")],
)
def test_what_the_wire_shows_is_not_told_a_second_time(body: str, seen: str, twin: str) -> None:
    """A doubled dot after a bare LF and a false end of data: the rule that saw the wire speaks, its twin does not."""
    wire = message(body)
    report = asyncio.run(verify(unstuffed(wire), world=World.from_records({}, now=NOW)))
    assert twin in {finding.rule for finding in report.findings}
    facts = CaptureFacts("m", "198.51.100.9:40025", "smtp", None, "", (), len(wire), None, None, tuple(examine(wire)))
    both = with_capture(report, facts)
    assert [finding.rule for finding in both.findings if finding.rule in (seen, twin)] == [seen]
    assert twin in both.not_applicable
