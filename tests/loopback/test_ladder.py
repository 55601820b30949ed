"""The doctor's ladder over real sockets: it stops at the rung that breaks, says what would work, leaks no secret."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import socket
import ssl
import time
from collections.abc import Awaitable, Iterator
from pathlib import Path
from typing import Any

import pytest

from deliverkit.engine.diff import compared
from deliverkit.engine.doctor import DoctorOptions, doctor
from deliverkit.engine.ladder import climb_all
from deliverkit.engine.snapshot import snapshot_text
from deliverkit.engine.snapshotfile import read_octets
from deliverkit.engine.transport import LadderOptions
from deliverkit.facts.ladder import LadderFacts
from deliverkit.facts.settings.model import MailSettings, Plan
from deliverkit.facts.settings.tree import ToldTree
from deliverkit.facts.settings.values import Place, Setting
from deliverkit.findings import Finding
from deliverkit.report import render
from deliverkit.report.model import Report
from deliverkit.rules.registry import judge, rules_of
from deliverkit.world import World
from deliverkit.world.smtp import LiveSmtp
from tests.loopback.authority import Authority
from tests.loopback.faulty import Conversation, Talk, context, server
from tests.loopback.mailserver import mail_server, make_certificate

HOST = "mail.shop.example"
SECRET = "Xk9vQ2mLp7Rt"


def app(port: int, *, host: str = HOST, secure: str = "false", more: str = "", auth: bool = True) -> ToldTree:
    """An application with one Nodemailer transport."""
    login = 'auth: { user: "ann@example.com", pass: process.env.SMTP_PASS },' if auth else ""
    source = f"""const nodemailer = require("nodemailer");
exports.transport = nodemailer.createTransport({{
  host: "{host}",
  port: {port},
  secure: {secure},
  {more}
  {login}
}});
"""
    package = '{"dependencies": {"nodemailer": "^9"}}'
    return ToldTree({"package.json": package, "mail.js": source, ".env": f"SMTP_PASS={SECRET}\n"})


def world(**records: str) -> World:
    """DNS is told, SMTP is real."""
    names = {HOST: {"A": "127.0.0.1", **records}}
    table = World.from_records({**names, "control.example": {"A": "127.0.0.2"}})
    return World(table.dns, LiveSmtp(allow_private=True), table.vantage)


async def examined(tree: ToldTree, here: World | None = None, *, send: bool = False, **told: Any) -> Report:
    """The doctor's report; nothing is asked beside the server but what ``told`` says."""
    chosen = {"beside": {}, "controls": {}, "connect_s": 1.0, "reply_s": 1.0, **told}
    options = DoctorOptions(environment="", ladder=LadderOptions(**chosen), send=send)
    async with here or world() as there:
        return await doctor(tree, name="shop", world=there, options=options)


def run(work: Awaitable[Report]) -> Report:
    """Run one test's coroutine, never longer than twenty seconds."""

    async def bounded() -> Report:
        async with asyncio.timeout(20):
            return await work

    return asyncio.run(bounded())


def against(conversation: Conversation, tls: ssl.SSLContext | None = None, **told: Any) -> Report:
    """The report on an application whose server holds this conversation."""
    made = {name: told.pop(name) for name in ("secure", "more", "auth") if name in told}

    async def work() -> Report:
        async with server(conversation, tls) as port:
            return await examined(app(port, **made), **told)

    return run(work())


def broke(report: Report) -> tuple[str, bool | None]:
    """The last step, and whether it held."""
    last = report.facts["steps"][-1]
    return last.name, last.ok


def findings(report: Report) -> list[Finding]:
    """The findings of the ladder; what the settings alone show is another matter."""
    return [f for f in report.findings if "SET100" <= f.rule <= "SET119"]


def rules(report: Report) -> list[str]:
    """The rules of the ladder with a finding."""
    return [f.rule for f in findings(report)]


def without_secrets(report: Report) -> None:
    """Neither JSON nor text nor HTML nor a snapshot holds the password, in clear or encoded."""
    plain = f"\0ann@example.com\0{SECRET}"
    forms = {SECRET, base64.b64encode(SECRET.encode()).decode(), base64.b64encode(plain.encode()).decode()}
    for format_ in ("json", "text", "html"):
        text = render([report], format_, width=400, color=False, quiet=False)
        assert not [form for form in forms if form in text]
    assert not [form for form in forms if form in snapshot_text(report).decode("utf-8")]


@pytest.fixture(scope="module")
def good(authority: Authority, folder: Path) -> ssl.SSLContext:
    """The TLS of a server with a certificate that holds."""
    return context(*authority.issue(HOST).write(folder, "good"))


def starttls(tls: ssl.SSLContext, *inside: str, **answers: str) -> Conversation:
    """A submission server that wants STARTTLS; ``inside`` is offered under TLS."""

    async def conversation(talk: Talk) -> None:
        await talk.say("220 mail.shop.example ESMTP")
        while line := await talk.hear():
            if line.startswith("EHLO"):
                await talk.say("250-mail.shop.example", "250 STARTTLS")
            elif line == "STARTTLS":
                await talk.say("220 go ahead")
                await talk.start_tls(tls)
                await talk.serve(*inside, greeting=None, **answers)
                return
            elif line == "QUIT":
                await talk.say("221 bye")
                return
            else:
                await talk.say("530 5.7.0 Must issue a STARTTLS command first")

    return conversation


AUTH = ("AUTH PLAIN LOGIN", "8BITMIME")


def test_every_rung_holds(good: ssl.SSLContext, ca_file: str) -> None:
    """To RCPT, in order, with the login the application would make."""
    said = starttls(good, *AUTH, AUTH="235 2.7.0 ok")
    report = against(said, more="requireTLS: true,", ca_file=ca_file, to="bob@example.net")
    assert [(s.name, s.ok) for s in report.facts["steps"]] == [
        ("resolve", True), ("connect", True), ("greeting", True), ("EHLO", True), ("TLS", True), ("certificate", True),
        ("AUTH", True), ("MAIL FROM", True), ("RCPT TO", True),
    ]  # fmt: skip
    assert rules(report) == []
    assert report.exit_status() == 0
    without_secrets(report)
    steps = json.loads(render([report], "json", width=80, color=False, quiet=False))["facts"]["steps"]
    assert {"name", "ok", "elapsed_s", "detail"} <= set(steps[0])


def test_a_silent_server_and_tls_at_once_beside_it(good: ssl.SSLContext, ca_file: str) -> None:
    """The greeting never comes; the port beside it, probed at the same time, is proved to work."""

    async def silent(talk: Talk) -> None:
        await talk.stall()

    async def implicit(talk: Talk) -> None:
        await talk.serve(*AUTH)

    async def work() -> Report:
        async with server(silent) as port, server(implicit, good) as beside:
            return await examined(app(port), beside={beside: "submissions"}, ca_file=ca_file)

    report = run(work())
    assert broke(report) == ("greeting", False)
    assert rules(report) == ["SET103"]
    assert [way.mode for way in report.facts["ladder"][0].ways] == ["implicit"]
    assert "answers with TLS from the first byte" in findings(report)[0].fix.text
    assert "Change port (mail.js:4) from" in findings(report)[0].fix.text


def test_a_clear_start_on_a_port_that_waits_for_tls(good: ssl.SSLContext, ca_file: str) -> None:
    """The same port is tried with TLS once the greeting did not come, and that is the proof."""

    async def implicit(talk: Talk) -> None:
        await talk.serve(*AUTH)

    report = against(implicit, good, ca_file=ca_file)
    assert broke(report) == ("greeting", False)
    fix = findings(report)[0].fix.text
    assert fix.startswith("Change secure (mail.js:5) from false to true. Proved from here: port ")


def test_tls_at_once_with_a_server_that_speaks_first(good: ssl.SSLContext, ca_file: str) -> None:
    """Wrong version number; STARTTLS on the same port is the proof."""
    report = against(starttls(good, *AUTH), secure="true", ca_file=ca_file)
    assert broke(report) == ("TLS", False)
    assert rules(report) == ["SET102"]
    assert "Change secure (mail.js:5) from true to false. Proved from here" in findings(report)[0].fix.text


@contextlib.contextmanager
def full_queue(port: int = 0, host: str = "127.0.0.1") -> Iterator[int]:
    """A port whose accept queue is full: SYN packets get no answer."""
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket())
        listener.bind((host, port))
        listener.listen(0)
        port = listener.getsockname()[1]
        for _ in range(8):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex((host, port))
        yield port


def test_a_port_that_never_answers_costs_its_timeout_once(good: ssl.SSLContext, ca_file: str) -> None:
    """Three such ports and one that answers take about one timeout together; which port works is said."""

    async def implicit(talk: Talk) -> None:
        await talk.serve(*AUTH)

    async def work() -> Report:
        with full_queue() as first, full_queue() as second, full_queue() as third:
            async with server(implicit, good) as port:
                beside = {second: "submission", third: "mx", port: "submissions"}
                return await examined(app(first), beside=beside, ca_file=ca_file)

    began = time.monotonic()
    report = run(work())
    assert time.monotonic() - began < 2.9
    assert broke(report) == ("connect", False)
    assert rules(report) == ["SET101"]
    assert "no answer within 1 s" in findings(report)[0].detail
    assert "from false to true" in findings(report)[0].fix.text


def test_silence_everywhere_is_no_verdict() -> None:
    """Nothing beside it answers and no control could be asked: inconclusive, status 3."""

    async def work() -> Report:
        with full_queue() as port:
            return await examined(app(port), connect_s=0.3)

    report = run(work())
    assert broke(report) == ("connect", None)
    assert rules(report) == []
    assert report.exit_status() == 3


def test_a_control_that_answers_blames_the_host() -> None:
    """An unrelated host is reached on that port, so the network here lets it out."""

    async def polite(talk: Talk) -> None:
        await talk.serve()

    async def work() -> Report:
        async with server(polite, host="127.0.0.2") as port:
            with full_queue(port):
                return await examined(app(port), connect_s=0.3, controls={"control.example": (port,)})

    report = run(work())
    assert broke(report) == ("connect", False)
    assert "does get out from here, so it is this host" in findings(report)[0].detail


def test_a_refused_port() -> None:
    """Nobody listens: an error, whatever the ports beside it do."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        report = run(examined(app(unused.getsockname()[1])))
    assert broke(report) == ("connect", False)
    assert "refused" in findings(report)[0].detail


def test_a_name_that_does_not_exist() -> None:
    """The ladder stops on the ground, and asks nobody anything."""
    report = run(examined(app(587, host="mial.shop.example")))
    assert broke(report) == ("resolve", False)
    assert rules(report) == ["SET100"]
    assert findings(report)[0].evidence[0].place == "mail.js:3"


def test_a_private_address_out_of_dns_is_not_connected_to() -> None:
    """Unless --allow-private says so: inconclusive, with the way out."""
    table = World.from_records({HOST: {"A": "127.0.0.1"}})
    report = run(examined(app(587), World(table.dns, LiveSmtp(), table.vantage)))
    assert broke(report) == ("connect", None)
    assert report.exit_status() == 3


def test_ipv6_without_a_route_is_told_and_harmless(good: ssl.SSLContext, ca_file: str) -> None:
    """IPv4 carries the ladder; the step says what became of the other address."""
    said = starttls(good, *AUTH, AUTH="235 2.7.0 ok")

    async def work() -> Report:
        async with server(said) as port:
            here = world(AAAA="100::1")  # the discard prefix of RFC 6666
            return await examined(app(port), here, ca_file=ca_file)

    report = run(work())
    assert broke(report) == ("MAIL FROM", True)
    connect = next(step for step in report.facts["steps"] if step.name == "connect")
    assert "127.0.0.1 answers; 100::1 " in connect.detail
    assert set(rules(report)) <= {"SET114"}


@pytest.mark.parametrize(
    ("issued", "told"),
    [("self", "signed itself"), ("other", "another name"), ("old", "expired")],
)
def test_a_wrong_certificate_ends_it_before_the_password(
    issued: str, told: str, authority: Authority, folder: Path, ca_file: str
) -> None:
    """The application verifies, so the ladder stops there, and no AUTH is said."""
    leaf = {
        "self": lambda: authority.self_signed(HOST),
        "other": lambda: authority.issue("mx.hoster.example"),
        "old": lambda: authority.issue(HOST, end=-1),
    }[issued]()
    heard: list[str] = []
    tls = context(*leaf.write(folder, f"ladder-{issued}"))

    async def recorded(talk: Talk) -> None:
        talk.heard = heard
        await starttls(tls, *AUTH)(talk)

    report = against(recorded, ca_file=ca_file)
    assert broke(report) == ("certificate", False)
    assert rules(report) == ["SET107"]
    assert told in findings(report)[0].detail
    assert not [line for line in heard if "AUTH" in line]


def test_a_certificate_nobody_looks_at_keeps_the_password_here(authority: Authority, folder: Path) -> None:
    """rejectUnauthorized: false: the application would send it, we do not, and say so; --insecure does."""
    tls = context(*authority.self_signed(HOST).write(folder, "ladder-unverified"))
    said = starttls(tls, *AUTH, AUTH="235 2.7.0 ok")
    more = "tls: { rejectUnauthorized: false },"
    report = against(said, more=more)
    assert broke(report) == ("AUTH", None)
    assert rules(report) == ["SET108"]
    assert report.exit_status() == 3
    assert broke(against(said, more=more, insecure=True)) == ("MAIL FROM", True)


def test_a_password_in_the_clear_is_not_sent() -> None:
    """A server without TLS that offers a login; only with --insecure does the password go out, masked in the report."""
    heard: list[str] = []

    async def clear(talk: Talk) -> None:
        talk.heard = heard
        await talk.serve("AUTH PLAIN", AUTH="235 2.7.0 ok")

    report = against(clear)
    assert broke(report) == ("AUTH", None)
    assert not [line for line in heard if line.startswith("AUTH")]
    report = against(clear, insecure=True)
    assert broke(report) == ("MAIL FROM", True)
    assert [line for line in heard if line.startswith("AUTH PLAIN ")]
    without_secrets(report)


def test_starttls_that_was_stripped(good: ssl.SSLContext, ca_file: str) -> None:
    """The application demands it, nobody offers it; the port beside it is proved."""

    async def stripped(talk: Talk) -> None:
        await talk.serve("8BITMIME")

    async def implicit(talk: Talk) -> None:
        await talk.serve(*AUTH)

    async def work() -> Report:
        async with server(stripped) as port, server(implicit, good) as beside:
            tree = app(port, more="requireTLS: true,")
            return await examined(tree, beside={beside: "submissions"}, ca_file=ca_file)

    report = run(work())
    assert broke(report) == ("TLS", False)
    assert rules(report) == ["SET105"]
    assert "Proved from here" in findings(report)[0].fix.text


def test_a_server_that_demands_tls(good: ssl.SSLContext, ca_file: str) -> None:
    """ignoreTLS, and the server offers no login in the clear; STARTTLS on the same port is proved."""
    report = against(starttls(good, *AUTH), more="ignoreTLS: true,", ca_file=ca_file)
    assert broke(report) == ("AUTH", False)
    assert rules(report) == ["SET111"]
    assert "Take ignoreTLS out. Proved from here" in findings(report)[0].fix.text


@pytest.mark.parametrize(
    ("answers", "step", "rule"),
    [
        ({"AUTH": "535 5.7.8 authentication failed"}, "AUTH", "SET109"),
        ({"AUTH": "235 ok", "MAIL": "553 5.7.1 Sender address rejected: not owned by user"}, "MAIL FROM", "SET112"),
        ({"AUTH": "235 ok", "MAIL": "501 5.1.7 mail from must be the authorization user"}, "MAIL FROM", "SET112"),
        ({"AUTH": "235 ok", "RCPT": "550 5.1.1 no such user"}, "RCPT TO", "SET113"),
    ],
)  # fmt: skip
def test_refusals(answers: dict[str, str], step: str, rule: str, good: ssl.SSLContext, ca_file: str) -> None:
    """Each stops the ladder at its rung, with the server's words."""
    report = against(starttls(good, *AUTH, **answers), ca_file=ca_file, to="bob@example.net")
    assert broke(report) == (step, False)
    assert rules(report) == [rule]
    assert report.exit_status() == 1
    without_secrets(report)


def test_two_environments_part_where_one_login_is_refused(good: ssl.SSLContext, ca_file: str) -> None:
    """Their snapshots, from real sessions: the divergence is the refusal, and what breaks no login falls back."""
    answers = ("235 2.7.0 ok", "535 5.7.8 Username and Password not accepted")
    reports = [against(starttls(good, *AUTH, AUTH=answer), ca_file=ca_file) for answer in answers]
    dev, prod = (read_octets(snapshot_text(report), "a.json") for report in reports)
    found = compared(dev, prod, "dev.json", "prod.json")
    assert found.divergence is not None
    assert (found.divergence.old, found.divergence.new) == tuple(f"< {answer}" for answer in answers)
    assert found.divergence.before[-1].startswith("> AUTH ")
    assert found.divergence.meaning
    assert found.broke == ((), ("auth",))
    assert [one.likelihood for one in found.differences if one.kind == "port"] == [55 // 3]


def test_a_refusal_that_repeats_the_password_is_not_quoted_with_it(good: ssl.SSLContext, ca_file: str) -> None:
    """Some servers say what they heard."""
    report = against(starttls(good, *AUTH, AUTH=f"535 5.7.8 no: {SECRET}"), ca_file=ca_file)
    assert broke(report) == ("AUTH", False)
    without_secrets(report)


def test_a_server_that_puts_off_is_no_verdict(good: ssl.SSLContext, ca_file: str) -> None:
    """451 to RCPT: greylisting; inconclusive."""
    said = starttls(good, *AUTH, AUTH="235 ok", RCPT="451 4.7.1 greylisted, come back later")
    report = against(said, ca_file=ca_file, to="bob@example.net")
    assert broke(report) == ("RCPT TO", None)
    assert report.exit_status() == 3


def test_ctrl_c_keeps_what_was_found(good: ssl.SSLContext, ca_file: str) -> None:
    """Cancelled while the server is silent after EHLO: the steps before stay, and the report says so."""
    reached = asyncio.Event()

    async def stalls(talk: Talk) -> None:
        await talk.say("220 mail.shop.example ESMTP")
        await talk.hear()
        reached.set()
        await talk.stall()

    async def work() -> Report:
        async with server(stalls) as port:
            task = asyncio.create_task(examined(app(port), reply_s=15.0, ca_file=ca_file))
            await reached.wait()
            task.cancel()
            return await task

    report = run(work())
    assert report.interrupted
    assert [(s.name, s.ok) for s in report.facts["steps"]] == [
        ("resolve", True), ("connect", True), ("greeting", True), ("EHLO", None),
    ]  # fmt: skip
    assert report.facts["steps"][-1].detail == "interrupted"


def transport(port: int, framework: str, mode: Any, **roles: str) -> MailSettings:
    """A transport of any framework, each setting on a line of its own."""
    told = {
        role: Setting(f"X_{role.upper()}", value, Place("conf", line), "conf")
        for line, (role, value) in enumerate(roles.items(), 1)
    }
    plan = Plan("smtp", HOST, port, mode, "as the test says", verify=True, login=False)
    return MailSettings(framework, "", Place("conf"), told, plan)


@pytest.mark.parametrize(
    ("framework", "advice"),
    [
        ("django", 'Change X_STARTTLS (conf:2) from "False" to True.'),
        ("smtplib", "Use smtplib.SMTP with starttls(context=ssl.create_default_context()) (X_STARTTLS, conf:2)."),
        ("unheard-of", "Use STARTTLS, demanded (X_STARTTLS, conf:2)."),
    ],
)
def test_tls_demanded_before_mail_in_the_words_of_a_framework(
    framework: str, advice: str, good: ssl.SSLContext, ca_file: str
) -> None:
    """530 to MAIL from a client that neither logs in nor uses STARTTLS; the advice names variable, place and values."""

    async def work() -> LadderFacts:
        async with server(starttls(good)) as port, world() as here:
            roles = {"from": "Shop <shop@example.com>", "starttls": "False"}
            options = LadderOptions(ca_file=ca_file, beside={}, controls={}, connect_s=1.0, reply_s=1.0)
            one = transport(port, framework, "clear", **roles)
            ladders, interrupted = await climb_all([one, one], here, options, lambda _: None)
            assert (len(ladders), interrupted) == (1, False)
            return ladders[0]

    facts = asyncio.run(work())
    assert facts.steps[-1].name == "MAIL FROM"
    judgement = judge(facts, rules_of("settings"))
    assert [f.rule for f in judgement.findings] == ["SET111"]
    assert judgement.findings[0].fix.text.startswith(f"{advice} Proved from here: port ")


def test_a_flood_of_words_is_cut(good: ssl.SSLContext, ca_file: str) -> None:
    """A refusal of thousands of characters, with what a terminal would obey in it."""
    words = "535 5.7.8 " + "no\x1b[2J " * 3000
    report = against(starttls(good, *AUTH, AUTH=words), ca_file=ca_file)
    assert broke(report) == ("AUTH", False)
    assert len(report.facts["steps"][-1].detail) < 600
    assert len(findings(report)[0].detail) < 1000
    assert "\x1b" not in render([report], "text", width=100, color=False, quiet=False)


def test_what_only_a_run_could_tell_is_not_guessed(good: ssl.SSLContext, ca_file: str) -> None:
    """A login out of a function, a host out of a function: untold, with the reason, and the rest is climbed."""
    said = starttls(good, *AUTH, AUTH="235 ok")
    report = against(said, auth=False, more="auth: getAuth(), tls: { rejectUnauthorized: check() },", ca_file=ca_file)
    assert broke(report) == ("AUTH", None)
    assert "is not known without running the program" in report.facts["steps"][-1].detail
    report = run(examined(ToldTree({"mail.js": 'require("nodemailer").createTransport({ host: find(), port: 587 });'})))
    assert [(s.name, s.ok) for s in report.facts["steps"]] in ([("resolve", None)], [])


def test_one_server_and_login_is_climbed_once(good: ssl.SSLContext, ca_file: str) -> None:
    """Two files make the same transport."""
    connections = 0

    async def counted(talk: Talk) -> None:
        nonlocal connections
        connections += 1
        await starttls(good, *AUTH, AUTH="235 ok")(talk)

    async def work() -> Report:
        async with server(counted) as port:
            tree = app(port)
            source = tree.text("mail.js") or ""
            files = {"package.json": "{}", ".env": f"SMTP_PASS={SECRET}\n", "a.js": source, "b.js": source}
            return await examined(ToldTree(files), ca_file=ca_file)

    report = run(work())
    assert len(report.facts["app"].settings) == 2
    assert len(report.facts["ladder"]) == connections == 1


def test_send_delivers_one_message_and_nothing_is_sent_without_it(tmp_path: Path) -> None:
    """--send --to: a message arrives; without --send the server gets no content."""
    certificate = make_certificate(tmp_path, "127.0.0.1")
    with mail_server(certificate, auth=True) as running:
        files = app(running.port, host="127.0.0.1")
        tree = ToldTree({**{path: files.text(path) or "" for path in files.paths}, ".env": 'SMTP_PASS="s3cret word"\n'})
        told = {"ca_file": str(certificate.ca_file), "to": "bob@example.net"}
        report = run(examined(tree, **told))
        assert broke(report) == ("RCPT TO", True)
        assert running.contents == []
        report = run(examined(tree, send=True, **told))
        assert broke(report) == ("send", True)
        assert len(running.contents) == 1
        assert running.recipients == [["bob@example.net"]]
        running.replies["DATA"] = "554 5.7.1 no"
        report = run(examined(tree, send=True, **told))
        assert broke(report) == ("send", False)
        assert report.exit_status() == 1


def test_nothing_is_sent_where_no_sender_is_known() -> None:
    """A local catcher without TLS or login, and settings without an address: the ladder ends after EHLO."""
    with mail_server() as running:
        tree = app(running.port, host="127.0.0.1", auth=False)
        report = run(examined(tree, send=True, to="bob@example.net"))
        assert broke(report) == ("TLS", None)  # and nobody is known to send from
        assert running.contents == []
