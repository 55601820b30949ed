"""Journals of real sockets: what servers said over UDP, TCP and TLS comes out of the file again, word for word."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import dns.message
import dns.rcode
import pytest

from deliverkit.demo.nameserver import Nameserver
from deliverkit.engine.audit import AuditOptions, audit
from deliverkit.engine.probe import ProbeOptions, probe
from deliverkit.engine.replay import replay
from deliverkit.engine.verify import verify
from deliverkit.facts.vantage import Vantage
from deliverkit.report import render
from deliverkit.report.model import Report
from deliverkit.smtp.dialogue import Connect, Hangup, SmtpFlow
from deliverkit.world import World
from deliverkit.world.journal import Journal
from deliverkit.world.smtp import LiveSmtp
from deliverkit.world.table import offline_world
from tests.loopback.authority import Authority
from tests.loopback.faulty import Talk, context, server
from tests.loopback.nameservers import Twisted, fail, silent, zone
from tests.loopback.test_probe import NAME, Walled, starttls

MESSAGE = Path(__file__).parents[2] / "fixtures" / "messages" / "signed.eml"


def pages(reports: list[Report]) -> list[str]:
    """The reports in every form that says all or is read by people, the seconds they took apart."""
    timeless = [replace(report, elapsed_s=0.0) for report in reports]
    return [render(timeless, format_, width=100) for format_ in ("json", "text", "html")]


def again(journal: Journal) -> list[Report]:
    """The reports from the octets of the journal alone."""
    return asyncio.run(asyncio.wait_for(replay(Journal.parse(journal.octets())), 20))


def run(work: Callable[[Journal], Awaitable[list[Report]]]) -> tuple[Journal, list[Report]]:
    """Do some work with a journal, never longer than thirty seconds."""
    journal = Journal()

    async def bounded() -> list[Report]:
        async with asyncio.timeout(30):
            return await work(journal)

    return journal, asyncio.run(bounded())


def audited(nameserver: str, *domains: str, **options: Any) -> tuple[Journal, list[Report]]:
    """Audits side by side over one resolver."""

    async def work(journal: Journal) -> list[Report]:
        async with World.live([nameserver]).recorded(journal) as world:
            chosen = AuditOptions(probe=False, **options)
            return list(await asyncio.gather(*(audit(d, world=world, options=chosen) for d in domains)))

    return run(work)


def probed(*conversations: Any, world: World | None = None, **options: Any) -> tuple[Journal, list[Report]]:
    """Probes of submission ports that hold these conversations."""

    async def work(journal: Journal) -> list[Report]:
        nothing = offline_world()
        here = world or World(nothing.dns, LiveSmtp(), Vantage("live"))
        async with here.recorded(journal) as recorded:
            chosen = {"name": NAME, "connect_s": 2, "greeting_s": 0.5, "reply_s": 2, "controls": (), **options}
            return await _served(conversations, recorded, ProbeOptions(**chosen))

    return run(work)


async def _served(conversations: tuple[Any, ...], world: World, options: ProbeOptions) -> list[Report]:
    async with AsyncExitStack() as stack:
        ports = [await stack.enter_async_context(server(one)) for one in conversations]
        return await probe([f"127.0.0.1:{port}/submission" for port in ports], world=world, options=options)


def test_an_audit_of_several_domains() -> None:
    """Answers with their server, TTL and aliases; each domain has its own section."""
    with Nameserver([zone()]) as one:
        journal, reports = audited(one.address, "example.com", "mx.example.com", "alias.example.com")
    assert journal.subjects == ("example.com", "mx.example.com", "alias.example.com")
    assert any(answer.server for section in journal.sections for answer in section.answers.values())
    assert pages(again(journal)) == pages(reports)


@pytest.mark.parametrize("rcode", [dns.rcode.SERVFAIL, dns.rcode.REFUSED], ids=["servfail", "refused"])
def test_an_audit_that_was_told_nothing(rcode: dns.rcode.Rcode) -> None:
    """Unknown stays unknown, for the same reasons."""
    with Twisted(fail(rcode)) as one:
        journal, reports = audited(one.address, "example.com")
    assert reports[0].inconclusive
    assert pages(again(journal)) == pages(reports)


def test_an_audit_whose_time_was_spent() -> None:
    """What was late is late again, at once; what was in time is there."""
    with silent() as address:
        journal, reports = audited(address, "example.com", seconds=0.4)
    assert "spf" in journal.sections[0].late
    assert pages(again(journal)) == pages(reports)


def test_an_interrupted_audit() -> None:
    """Ctrl-C in the middle: the same report, marked the same."""

    async def work(journal: Journal) -> list[Report]:
        loop, asked = asyncio.get_running_loop(), asyncio.Event()

        def swallowed(_server: Twisted, _query: dns.message.Message, _transport: str) -> tuple[bytes, ...]:
            loop.call_soon_threadsafe(asked.set)
            return ()

        with Twisted(swallowed) as one:
            async with World.live([one.address]).recorded(journal) as world:
                task = asyncio.create_task(audit("example.com", world=world, options=AuditOptions(probe=False)))
                await asked.wait()
                task.cancel()
                return [await task]

    journal, reports = run(work)
    assert reports[0].interrupted
    assert pages(again(journal)) == pages(reports)


def test_a_budget_that_was_spent() -> None:
    """The questions beyond the budget were answered by nobody, and are again."""
    with Nameserver([zone()]) as one:

        async def work(journal: Journal) -> list[Report]:
            async with World.live([one.address]) as live:
                poor = World(live.with_budget(queries=5).dns, live.smtp, live.vantage)
                options = AuditOptions(probe=False, only=("mx", "spf"))
                return [await audit("example.com", world=poor.recorded(journal), options=options)]

        journal, reports = run(work)
    assert any(answer.status == "limit" for answer in journal.sections[0].answers.values())
    assert pages(again(journal)) == pages(reports)


def test_a_port_with_tls(authority: Authority, ca_file: str, folder: Path) -> None:
    """Transcript with its times, certificate and trust: no handshake is needed to see them again."""
    tls = context(*authority.issue(NAME).write(folder, "journal-leaf"))
    journal, reports = probed(starttls(tls, "AUTH PLAIN LOGIN"), ca_file=ca_file)
    assert reports[0].facts["ports"][0].tls.trusted is True
    lines = [json.loads(line) for line in journal.octets().splitlines()]
    (session,) = [
        turn["heard"]["tls-session"]
        for line in lines
        if "smtp" in line
        for turn in line["dialogue"]
        if "tls-session" in (turn["heard"] or {})
    ]
    assert session["der"][0]["base64"]
    assert pages(again(journal)) == pages(reports)


def test_ports_that_go_wrong() -> None:
    """Garbage with odd octets, a server that goes away, one that never greets, one that answers TLS in the clear."""

    async def garbage(talk: Talk) -> None:
        await talk.say(b"\x00\xff\x1b[2J what?\r\n")

    async def gone(talk: Talk) -> None:
        await talk.say("220 hello")
        await talk.hear()

    async def mute(talk: Talk) -> None:
        await talk.stall()

    async def clear(talk: Talk) -> None:
        await talk.say("220 hello")
        await talk.hear()
        await talk.say("250-hello", "250 STARTTLS")
        await talk.hear()
        await talk.say("220 go", "500 what is this?")
        await talk.stall()

    journal, reports = probed(garbage, gone, mute, clear)
    assert b"\x1b" not in journal.octets()
    assert pages(again(journal)) == pages(reports)


def test_a_port_that_was_not_seen_in_time() -> None:
    """The seconds that were left are part of the reason, and come out of the journal."""

    async def mute(talk: Talk) -> None:
        await talk.stall()

    journal, reports = probed(mute, seconds=0.4, greeting_s=20)
    assert journal.sections[0].late
    assert pages(again(journal)) == pages(reports)


def test_a_blocked_port_25() -> None:
    """The control is asked again in the journal, and the vantage is the same."""

    async def decent(talk: Talk) -> None:
        await talk.serve()

    async def work(journal: Journal) -> list[Report]:
        async with server(decent) as port:
            below = offline_world()
            world = World(below.dns, Walled(), Vantage("live")).recorded(journal)
            options = ProbeOptions(connect_s=2, controls=(f"127.0.0.1:{port}",))
            return await probe(["192.0.2.1:25"], world=world, options=options)

    journal, reports = run(work)
    assert reports[0].vantage.port25 == "blocked"
    assert pages(again(journal)) == pages(reports)


def test_a_verification() -> None:
    """The message is in the journal too, and so is its name."""
    with Nameserver([zone()]) as one:

        async def work(journal: Journal) -> list[Report]:
            async with World.live([one.address]).recorded(journal) as world:
                raw = MESSAGE.read_bytes()
                return [await verify(raw, world=world, client_ip="192.0.2.1", helo="mx.example.com", name="signed.eml")]

        journal, reports = run(work)
    assert journal.sections[0].message == MESSAGE.read_bytes()
    assert pages(again(journal)) == pages(reports)


def test_a_flow_that_asks_otherwise_is_told_nothing() -> None:
    """A prober of tomorrow says something else: the port was not seen by it, and nothing is made up."""

    async def decent(talk: Talk) -> None:
        await talk.serve()

    journal, _ = probed(decent)
    text = journal.octets().decode().replace('"hear": "greeting"', '"hear": "something else"')
    lines = [json.loads(line) for line in text.splitlines()[:-1]]
    other = Journal.parse(journal.octets())
    one = next(iter(other.sections[0].conversations.values()))
    one.dialogue = [(turn["ask"], turn["heard"]) for line in lines if "smtp" in line for turn in line["dialogue"]]
    (report,) = asyncio.run(replay(other))
    assert report.facts["ports"][0].raw("reachable").reason.endswith("not in the journal")
    assert not [found for found in report.findings if found.rule[:3] != "VAN"]


def test_two_conversations_about_the_same_are_told_apart() -> None:
    """In the order in which they were held."""

    async def decent(talk: Talk) -> None:
        await talk.serve()

    def knock(port: int) -> SmtpFlow[Any]:
        heard = yield Connect("127.0.0.1", port)
        yield Hangup()
        return type(heard).__name__

    async def work() -> tuple[list[str], list[str]]:
        journal = Journal()
        below = offline_world()
        world = World(below.dns, LiveSmtp(), Vantage("live")).recorded(journal)
        async with server(decent) as port:
            held = [(await world.converse(knock(p), about="it"))[0] for p in (port, 1)]
        told = World.replay(Journal.parse(journal.octets()))
        return held, [(await told.converse(knock(p), about="it"))[0] for p in (port, 1)]

    held, told = asyncio.run(work())
    assert held == told == ["Connected", "Trouble"]
