"""What a person types as a target, what a domain's targets are, and what is asked when port 25 is silent."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliverkit.engine.probe import BadTarget, ProbeOptions, audit_targets, probe, probe_all, read_target, vantage_after
from deliverkit.facts.base import NotAsked, Unobserved
from deliverkit.facts.vantage import Vantage
from deliverkit.report.model import Report
from deliverkit.smtp.transcript import Transcript
from deliverkit.world import World
from deliverkit.world.script import ScriptedSmtp
from deliverkit.world.table import table_world


@pytest.mark.parametrize(
    ("text", "host", "ports", "named"),
    [
        ("mx.example.com", "mx.example.com", ((25, "mx"), (465, "submissions"), (587, "submission")), False),
        ("mx.example.com:25", "mx.example.com", ((25, "mx"),), True),
        ("MAIL.Example.COM.:587", "mail.example.com", ((587, "submission"),), True),
        ("mail.example.com:2525/submission", "mail.example.com", ((2525, "submission"),), True),
        ("mail.example.com/submissions", "mail.example.com", ((465, "submissions"),), True),
        ("mx.example.com:587/mx", "mx.example.com", ((587, "mx"),), True),
        ("192.0.2.1:465", "192.0.2.1", ((465, "submissions"),), True),
        ("[2001:DB8::1]:25", "2001:db8::1", ((25, "mx"),), True),
        ("2001:db8::1/mx", "2001:db8::1", ((25, "mx"),), True),
        ("bücher.example:25", "xn--bcher-kva.example", ((25, "mx"),), True),
    ],
)
def test_targets_are_read(text: str, host: str, ports: tuple[tuple[int, str], ...], named: bool) -> None:
    """Host, ports and roles; the role follows the port unless it is stated."""
    wanted = read_target(text)
    assert (wanted.host, wanted.ports, wanted.named) == (host, ports, named)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("mx.example.com:2525", "no customary role"),
        ("mx.example.com:0", "not a port number"),
        ("mx.example.com:99999", "not a port number"),
        ("mx.example.com:", "not a port number"),
        ("mx.example.com:25/relay", "none of mx, submission, submissions"),
        ("[2001:db8::1", "expected [IPv6-ADDRESS]"),
        ("[mx.example.com]:25", "not an IP address"),
        (":25", "no host is named"),
        ("", "no host is named"),
        ("a:b:c", "expected HOST"),
        ("mx..example.com", "empty label"),
    ],
)
def test_what_is_no_target_is_refused_with_a_reason(text: str, reason: str) -> None:
    """The message says what was expected."""
    with pytest.raises(BadTarget) as bad:
        read_target(text)
    assert reason in str(bad.value)


@given(st.text(max_size=60))
def test_any_text_is_a_target_or_is_refused(text: str) -> None:
    """Nothing else is raised."""
    try:
        wanted = read_target(text)
    except BadTarget:
        return
    assert wanted.ports


RECORDS: dict[str, dict[str, Any]] = {
    "example.com": {"MX": ["10 mx1.example.com.", "20 mx2.example.com."]},
    "mx1.example.com": {"A": ["192.0.2.1"], "AAAA": ["2001:db8::1"]},
    "mx2.example.com": {"A": ["192.0.2.2"]},
    "mail.example.com": {"A": ["192.0.2.40"]},
    "null.example.com": {"MX": ["0 ."]},
    "inside.example.com": {"A": ["10.0.0.1"]},
}


def world(scripts: dict[str, dict[str, Any]] | None = None, vantage: Vantage | None = None) -> World:
    """The records above and scripted servers."""
    told = table_world(RECORDS, {})
    return World(told.dns, ScriptedSmtp(scripts or {}, told.now()), vantage or Vantage("story"))


def test_a_domain_is_probed_at_its_mx_hosts_and_submission_hosts() -> None:
    """Port 25 of every address of every MX host; 465 and 587 of the hosts the user named; nothing of a null MX."""
    targets = asyncio.run(audit_targets("example.com", ["mail.example.com"], world()))
    assert [(t.host, t.address, t.port, t.role, t.named) for t in targets] == [
        ("mx1.example.com", "192.0.2.1", 25, "mx", True),
        ("mx1.example.com", "2001:db8::1", 25, "mx", True),
        ("mx2.example.com", "192.0.2.2", 25, "mx", True),
        ("mail.example.com", "192.0.2.40", 465, "submissions", False),
        ("mail.example.com", "192.0.2.40", 587, "submission", False),
    ]
    assert all(t.verify_name == t.server_name == t.host for t in targets)
    assert asyncio.run(audit_targets("null.example.com", [], world())) == ()


@pytest.mark.parametrize("host", ["127.0.0.1.", "[::1].", "169.254.169.254.", "localhost.", "[127.0.0.1]:22/mx."])
def test_an_mx_record_cannot_name_an_address_to_knock_at(host: str) -> None:
    """What stands in somebody's MX record is no target that the user typed: an address in it is never dialled."""
    there = World.from_records({"example.com": {"MX": f"10 {host}"}})
    targets = asyncio.run(audit_targets("example.com", [], there))
    assert [target.address for target in targets if not target.from_dns] == []


def test_nothing_is_contacted_offline() -> None:
    """Every row is there, and not asked."""
    offline = world(vantage=Vantage("offline"))
    targets = asyncio.run(audit_targets("example.com", [], offline))
    rows = asyncio.run(probe_all(targets, world=offline))
    assert [row.address for row in rows] == ["192.0.2.1", "2001:db8::1", "192.0.2.2"]
    with pytest.raises(NotAsked):
        _ = rows[0].reachable


def probed(text: str, here: World, **options: Any) -> Report:
    """The report of one target."""
    return asyncio.run(probe([text], world=here, options=ProbeOptions(**options)))[0]


def test_a_private_address_out_of_dns_is_not_tried_and_not_called_sound() -> None:
    """The reason is given, the verdict is unknown, the exit status 3."""
    report = probed("inside.example.com:25", world())
    (row,) = report.facts["ports"]
    with pytest.raises(Unobserved, match="--allow-private"):
        _ = row.reachable
    assert report.verdict == "unknown"
    assert report.exit_status() == 3


def test_an_address_that_was_typed_may_be_private() -> None:
    """Addresses the user types may always be connected to."""
    report = probed("10.0.0.1:25", world({"10.0.0.1:25": {"ehlo": ["STARTTLS"]}}))
    assert report.facts["ports"][0].reachable is True


def test_a_resolver_that_fails_is_not_a_host_without_address() -> None:
    """SERVFAIL leaves it open whether there is a host."""
    told = table_world(RECORDS, {("mx1.example.com", "*"): "servfail"})
    report = probed("mx1.example.com:25", World(told.dns, ScriptedSmtp({}, told.now()), Vantage("story")))
    assert report.findings == ()
    assert report.exit_status() == 3


def test_the_time_of_the_whole_run_is_bounded() -> None:
    """What was not seen in time says so."""

    class Slow(ScriptedSmtp):
        """Servers that never answer."""

        async def converse(self, flow: Any, *, from_dns: bool = False) -> Any:
            """Wait until the run is over."""
            await asyncio.Event().wait()

    here = world()
    report = probed("192.0.2.1:25", World(here.dns, Slow({}, here.now()), Vantage("story")), seconds=0.05)
    assert "was spent" in report.inconclusive[0].reason
    assert report.exit_status() == 3


def test_a_cancelled_run_reports_what_it_saw() -> None:
    """Ctrl-C: the rows that are there stay, the others say "interrupted"."""
    seen = asyncio.Event()

    class Half(ScriptedSmtp):
        """One server answers, the other does not."""

        async def converse(self, flow: Any, *, from_dns: bool = False) -> Any:
            """Let the second conversation wait."""
            if seen.is_set():
                await asyncio.Event().wait()
            seen.set()
            return await super().converse(flow, from_dns=from_dns)

    async def work() -> list[Report]:
        here = world()
        door = Half({"192.0.2.1:25": {"ehlo": ["STARTTLS"]}}, here.now())
        there = World(here.dns, door, Vantage("story"))
        task = asyncio.create_task(probe(["192.0.2.1:25", "192.0.2.2:25"], world=there))
        await seen.wait()
        for _ in range(10):
            await asyncio.sleep(0)
        task.cancel()
        return await task

    first, second = asyncio.run(work())
    assert first.interrupted
    assert first.facts["ports"][0].reachable is True
    with pytest.raises(Unobserved, match="interrupted"):
        _ = second.facts["ports"][0].reachable


def test_the_vantage_learns_from_what_was_reached() -> None:
    """A port 25 that was reached is open from here; no route to any IPv6 address means there is no IPv6 here."""
    here = world({"192.0.2.1:25": {"ehlo": []}, "[2001:db8::1]:25": {"connect": "no-route"}})
    report = probed("mx1.example.com:25", here)
    assert (report.vantage.port25, report.vantage.ipv6) == ("open", "absent")
    (row, _) = report.facts["ports"]
    assert vantage_after([row], Vantage("live")).source_addresses == ("192.0.2.200",)
    assert isinstance(row.transcript, Transcript)
    assert replace(Vantage("live"), port25="blocked").port25 == "blocked"


def test_findings_at_several_addresses_are_said_once() -> None:
    """All addresses, some of them, or the only one."""
    plain = {"ehlo": ["8BITMIME"]}
    both = world({"192.0.2.1:25": plain, "[2001:db8::1]:25": plain})
    (found,) = (f for f in probed("mx1.example.com:25", both).findings if f.rule == "TLS004")
    assert found.detail.endswith("(at all 2 addresses)")
    one = world({"192.0.2.1:25": plain, "[2001:db8::1]:25": {"ehlo": ["STARTTLS"]}})
    (found,) = (f for f in probed("mx1.example.com:25", one).findings if f.rule == "TLS004")
    assert found.detail.endswith("(at 1 of 2 addresses: 192.0.2.1)")
    only = world({"192.0.2.2:25": plain})
    (found,) = (f for f in probed("mx2.example.com:25", only).findings if f.rule == "TLS004")
    assert found.detail.endswith("keywords")
