"""The probe over real sockets and real TLS: every kind of bad certificate and broken TLS, each told from the others."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID

from deliverkit.engine.probe import ProbeOptions, probe
from deliverkit.facts.base import NotAsked
from deliverkit.facts.vantage import Vantage
from deliverkit.report.model import Report
from deliverkit.smtp.client import Auth, Stage, Submission, submit_flow
from deliverkit.smtp.dialogue import Connect, Handshake, Hear, Say, Trouble, TroubleKind
from deliverkit.smtp.transcript import Transcript
from deliverkit.world import World
from deliverkit.world.smtp import LiveSmtp
from deliverkit.world.table import offline_world
from tests.loopback.authority import Authority, Issued
from tests.loopback.faulty import Conversation, Talk, context, server

T = TypeVar("T")
NAME = "mail.example.com"
LOGIN = "AUTH PLAIN LOGIN"


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run one test's coroutine, never longer than twenty seconds."""

    async def bounded() -> T:
        async with asyncio.timeout(20):
            return await work

    return asyncio.run(bounded())


def here() -> World:
    """A world whose SMTP is real and whose DNS is nothing: the targets are addresses."""
    below = offline_world()
    return World(below.dns, LiveSmtp(), Vantage("live"))


def probed(
    conversation: Conversation, role: str, *, tls: ssl.SSLContext | None = None, **options: Any
) -> tuple[Report, Any]:
    """The report and the row of one port that holds this conversation."""

    async def work() -> Report:
        async with server(conversation, tls) as port:
            chosen = ProbeOptions(
                **{"name": NAME, "connect_s": 2, "greeting_s": 0.5, "reply_s": 2, "controls": (), **options}
            )
            return (await probe([f"127.0.0.1:{port}/{role}"], world=here(), options=chosen))[0]

    report = run(work())
    return report, report.facts["ports"][0]


def starttls(tls: ssl.SSLContext, *under: str) -> Conversation:
    """A decent server that offers STARTTLS and these keywords under TLS."""

    async def conversation(talk: Talk) -> None:
        await talk.say(f"220 {NAME} ESMTP")
        await talk.hear()
        await talk.say(f"250-{NAME}", "250-STARTTLS", "250 PIPELINING")
        if await talk.hear() == "STARTTLS":
            await talk.say("220 2.0.0 ready")
            await talk.start_tls(tls)
        await talk.serve(*under, greeting=None)

    return conversation


class Walled(LiveSmtp):
    """A network that swallows whatever goes to port 25."""

    async def converse(self, flow: Any, *, from_dns: bool = False) -> Any:
        """Carry a flow, unless it connects to port 25."""
        asked = next(flow)
        if asked.port != 25:
            return await super().converse(_resumed(flow, asked), from_dns=from_dns)
        heard: Any = Trouble(TroubleKind.TIMEOUT, "no answer", "connection")
        try:
            while True:
                asked = flow.send(heard)
                heard = None
        except StopIteration as stop:
            return stop.value, Transcript("-", "-")


def _resumed(flow: Any, asked: Any) -> Any:
    """A flow whose first ask was taken already."""
    try:
        while True:
            asked = flow.send((yield asked))
    except StopIteration as stop:
        return stop.value


def found(report: Report) -> set[str]:
    """The ids of the findings that are errors or warnings."""
    return {f.rule for f in report.findings if f.severity != "note"}


@pytest.fixture(scope="module")
def certified(authority: Authority, folder: Path) -> Callable[..., ssl.SSLContext]:
    """A server's TLS context for an issued certificate."""

    def made(issued: Issued, **how: Any) -> ssl.SSLContext:
        return context(*issued.write(folder, f"leaf-{issued.certificate.serial_number:x}"), **how)

    return made


def test_a_sound_submission_port(authority: Authority, ca_file: str, certified: Any) -> None:
    """STARTTLS, TLS 1.3, a trusted chain for the right name, AUTH under TLS only."""
    report, row = probed(starttls(certified(authority.issue(NAME)), LOGIN), "submission", ca_file=ca_file)
    assert found(report) == set()
    assert (row.mode, row.starttls, row.auth, row.auth_in_clear) == ("starttls", True, ("PLAIN", "LOGIN"), ())
    assert (row.tls.version, row.tls.trusted, row.tls.trust_problem, row.tls.name_matches) == (
        "TLSv1.3",
        True,
        None,
        True,
    )
    assert row.tls.certificate.names == (NAME,)
    assert [one.subject for one in row.tls.issuers] == ["CN=Test Intermediate"]
    assert report.verdict == "pass"


def test_a_sound_submissions_port(authority: Authority, ca_file: str, certified: Any) -> None:
    """TLS at once; no STARTTLS inside it is no fault."""

    async def conversation(talk: Talk) -> None:
        await talk.serve(LOGIN)

    report, row = probed(conversation, "submissions", tls=certified(authority.issue(NAME)), ca_file=ca_file)
    assert found(report) == set()
    assert (row.mode, row.starttls, row.ehlo, row.auth) == ("implicit", None, None, ("PLAIN", "LOGIN"))


FAULTY: dict[str, tuple[Callable[[Authority], Issued], str, str | None]] = {
    "expired": (lambda a: a.issue(NAME, start=-60, end=-3), "TLS010", "expired"),
    "not-yet-valid": (lambda a: a.issue(NAME, start=3, end=60), "TLS011", "not-yet-valid"),
    "self-signed": (lambda a: a.self_signed(NAME), "TLS012", "self-signed"),
    "without-intermediate": (lambda a: a.issue(NAME, with_intermediate=False), "TLS013", "incomplete-chain"),
    "private-ca": (lambda _: Authority(name="Stranger").issue(NAME), "TLS014", "unknown-ca"),
    "client-certificate": (
        lambda a: a.issue(NAME, purpose=ExtendedKeyUsageOID.CLIENT_AUTH),
        "TLS014",
        "wrong-purpose",
    ),
    "other-name": (lambda a: a.issue("www.example.com"), "TLS015", None),
    "common-name-only": (lambda a: a.issue(NAME, alternative_names=False), "TLS015", None),
    "rsa-1024": (lambda a: a.issue(NAME, key="rsa1024"), "TLS016", "weak-key"),
    "ends-in-five-days": (lambda a: a.issue(NAME, end=5), "TLS030", None),
}


@pytest.mark.parametrize("fault", FAULTY)
def test_faulty_certificates_are_told_apart(fault: str, authority: Authority, ca_file: str, certified: Any) -> None:
    """Each fault is its own finding, and the handshake worked all the same."""
    issue, rule, problem = FAULTY[fault]
    report, row = probed(starttls(certified(issue(authority)), LOGIN), "submission", ca_file=ca_file)
    assert found(report) == {rule}
    assert row.tls.trust_problem == problem
    assert row.tls_error is None
    assert row.starttls is True


@pytest.mark.parametrize("fault", ["expired", "self-signed", "without-intermediate", "other-name"])
def test_the_same_faults_weigh_less_on_an_mx(fault: str, authority: Authority, ca_file: str, certified: Any) -> None:
    """Opportunistic TLS verifies nothing: no error."""
    issue, _, _ = FAULTY[fault]
    report, _ = probed(starttls(certified(issue(authority))), "mx", ca_file=ca_file)
    assert report.verdict in ("pass", "risk")
    assert {f.rule for f in report.findings} & {"TLS020", "TLS021", "TLS022"}


def test_tls_1_1_is_seen_and_reported(authority: Authority, ca_file: str, certified: Any) -> None:
    """An old server is shown with the version it speaks, not as a failed handshake."""
    tls = certified(authority.issue(NAME, key="rsa2048"), old=True)
    report, row = probed(starttls(tls, LOGIN), "submission", ca_file=ca_file)
    assert found(report) == {"TLS031"}
    assert row.tls.version == "TLSv1.1"


def test_the_name_verified_is_the_name_given(authority: Authority, ca_file: str, certified: Any) -> None:
    """An address is matched against iPAddress entries, a name against dNSName ones; SNI carries names only."""
    tls = certified(authority.issue(NAME, "127.0.0.1"))
    for name in (None, NAME):
        _, row = probed(starttls(tls), "mx", ca_file=ca_file, name=name)
        assert (row.tls.name, row.tls.name_matches) == (name or "127.0.0.1", True)


def test_465_in_the_clear() -> None:
    """A clear-text server where TLS comes first is named at once, with its greeting."""

    async def conversation(talk: Talk) -> None:
        await talk.serve(LOGIN, greeting=f"220 {NAME} ESMTP")

    report, row = probed(conversation, "submissions")
    assert found(report) == {"TLS001"}
    assert row.mode == "clear"
    assert row.greeting == f"220 {NAME} ESMTP"


def test_587_with_implicit_tls(authority: Authority, ca_file: str, certified: Any) -> None:
    """A submission port that says nothing is offered TLS before it is given up."""

    async def conversation(talk: Talk) -> None:
        await talk.serve(LOGIN)

    report, row = probed(conversation, "submission", tls=certified(authority.issue(NAME)), ca_file=ca_file)
    assert found(report) == {"TLS003"}
    assert row.mode == "implicit"
    assert row.auth == ("PLAIN", "LOGIN")


def test_octets_injected_before_tls_are_dropped_and_reported(
    authority: Authority, ca_file: str, certified: Any
) -> None:
    """What came in one segment with the 220 is no reply to the EHLO under TLS."""
    tls = certified(authority.issue(NAME))

    async def conversation(talk: Talk) -> None:
        await talk.say(f"220 {NAME} ESMTP")
        await talk.hear()
        await talk.say(f"250-{NAME}", "250 STARTTLS")
        await talk.hear()
        await talk.say(b"220 ready\r\n250-evil.example\r\n250 AUTH PLAIN\r\n")
        await talk.start_tls(tls)
        await talk.serve("8BITMIME", greeting=None)

    report, row = probed(conversation, "mx", ca_file=ca_file)
    assert found(report) == {"TLS033"}
    assert row.injected == "250-evil.example\r\n250 AUTH PLAIN\r\n"
    assert row.ehlo_tls == ("8BITMIME",)


def test_a_server_that_goes_on_in_the_clear_after_starttls() -> None:
    """The handshake fails; STARTTLS was offered all the same, and what came instead is shown."""

    async def conversation(talk: Talk) -> None:
        await talk.say(f"220 {NAME} ESMTP")
        await talk.hear()
        await talk.say(f"250-{NAME}", "250 STARTTLS")
        await talk.hear()
        await talk.say("220 ready")
        await talk.reader.read(100)
        await talk.say("500 5.5.2 what was that?")
        await talk.stall()

    report, row = probed(conversation, "submission")
    assert found(report) == {"TLS008"}
    assert row.starttls is True
    assert row.tls is None
    assert row.tls_error == "the server answered in the clear"
    assert any("500 5.5.2" in line for line in row.transcript.lines())


@pytest.mark.parametrize(
    ("ending", "told"), [("stalls", "the handshake did not end"), ("closes", "the server closed the connection")]
)
@pytest.mark.parametrize("role", ["mx", "submission", "submissions"])
def test_a_handshake_that_does_not_come_about(role: str, ending: str, told: str) -> None:
    """STARTTLS was taken, or the port begins with TLS, and then nothing or the end: told apart, within the time."""

    async def conversation(talk: Talk) -> None:
        if role != "submissions":
            await talk.say(f"220 {NAME} ESMTP")
            await talk.hear()
            await talk.say(f"250-{NAME}", "250 STARTTLS")
            await talk.hear()
            await talk.say("220 ready")
        await talk.reader.read(1000)
        if ending == "stalls":
            await talk.stall()

    report, row = probed(conversation, role, reply_s=0.3)
    assert found(report) == {"TLS009" if role == "mx" else "TLS008"}
    assert told in row.tls_error
    assert row.starttls is (None if role == "submissions" else True)


@pytest.mark.parametrize(
    ("reply", "rule"), [("454 4.7.0 TLS not available", "TLS007"), ("502 5.5.1 not implemented", "TLS007")]
)
def test_starttls_offered_and_refused(reply: str, rule: str) -> None:
    """Offered and refused is neither absent nor a bad certificate."""

    async def conversation(talk: Talk) -> None:
        await talk.serve("STARTTLS", STARTTLS=reply)

    report, row = probed(conversation, "mx")
    assert found(report) == {rule}
    assert (row.starttls, row.starttls_reply, row.tls) == (True, reply, None)


@pytest.mark.parametrize("greeting", ["421 4.3.2 too busy, come back", "450 4.7.1 greylisted"])
def test_a_busy_server_is_inconclusive(greeting: str) -> None:
    """4xx at the greeting says nothing about STARTTLS: not absent, not broken."""

    async def conversation(talk: Talk) -> None:
        await talk.say(greeting)
        await talk.hear()

    report, row = probed(conversation, "mx")
    assert found(report) == set()
    assert "TLS004" in {one.rule for one in report.inconclusive}
    assert row.greeting == greeting


def test_a_554_greeting_is_a_refusal() -> None:
    """554 is the server's no, with its words."""

    async def conversation(talk: Talk) -> None:
        await talk.say("554 5.7.1 your address is listed")
        await talk.hear()

    report, _ = probed(conversation, "mx")
    assert found(report) == {"SMTP005"}


@pytest.mark.parametrize(
    ("octets", "word"),
    [
        (b"", "falls silent"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "no SMTP reply"),
        (b"220 " + b"x" * 1_000_000, "reply without end"),
        (b"220-mx.example.com\r\n220 ES", "falls silent where the greeting was due: 220 mx.example.com"),
        (b"", "closes the connection"),
    ],
)
def test_servers_that_speak_no_smtp(octets: bytes, word: str) -> None:
    """Silence, garbage, endlessness, a drip and the end are told apart."""

    async def conversation(talk: Talk) -> None:
        await talk.say(octets)
        if word != "closes the connection":
            await talk.stall()

    report, _ = probed(conversation, "mx")
    assert found(report) == {"SMTP006"}
    assert word in next(f.detail for f in report.findings if f.rule == "SMTP006")


def test_a_closed_port_that_was_asked_for() -> None:
    """Connection refused is an error of the host that was asked for, and exit status 1."""

    async def work() -> Report:
        async with server(Talk.stall) as port:
            pass
        target = f"127.0.0.1:{port}/submission"
        return (await probe([target], world=here(), options=ProbeOptions(connect_s=2, controls=())))[0]

    report = run(work())
    assert found(report) == {"SMTP003"}
    assert report.exit_status() == 1


def test_deep_asks_what_goes_without_tls_and_login(authority: Authority, ca_file: str, certified: Any) -> None:
    """530 before TLS tells a port that enforces it from one that merely offers it; nothing is sent."""
    tls = certified(authority.issue(NAME))
    said: list[str] = []

    async def conversation(talk: Talk) -> None:
        talk.heard = said
        await talk.say(f"220 {NAME} ESMTP")
        await talk.hear()
        await talk.say(f"250-{NAME}", "250 STARTTLS")
        await talk.hear()
        await talk.say("530 5.7.0 Must issue a STARTTLS command first")
        await talk.hear()
        await talk.say("220 ready")
        await talk.start_tls(tls)
        await talk.serve(LOGIN, greeting=None, MAIL="530 5.7.0 Authentication required")

    report, row = probed(conversation, "submission", ca_file=ca_file, deep=True, relay_test=True)
    assert found(report) == set()
    assert row.mail_in_clear == "530 5.7.0 Must issue a STARTTLS command first"
    assert row.mail_without_login == row.relay == "530 5.7.0 Authentication required"
    assert "DATA" not in said


def test_without_deep_nothing_of_mail_is_said(authority: Authority, ca_file: str, certified: Any) -> None:
    """The ordinary probe says EHLO, STARTTLS, EHLO and QUIT."""
    said: list[str] = []
    inner = starttls(certified(authority.issue(NAME)))

    async def conversation(talk: Talk) -> None:
        talk.heard = said
        await inner(talk)

    _, row = probed(conversation, "mx", ca_file=ca_file)
    assert [line.split()[0] for line in said if line] == ["EHLO", "STARTTLS", "EHLO", "QUIT"]
    with pytest.raises(NotAsked):
        _ = row.relay


def test_an_open_relay_is_found_without_sending_mail() -> None:
    """RCPT for a stranger is taken: that is enough to know."""
    said: list[str] = []

    async def conversation(talk: Talk) -> None:
        talk.heard = said
        await talk.serve()

    report, _ = probed(conversation, "mx", relay_test=True)
    assert "SMTP009" in found(report)
    assert "DATA" not in said
    assert "RSET" in said


def test_the_control_tells_a_blocked_network_from_a_dead_host() -> None:
    """Port 25 silent everywhere while a control answers on its other port: blocked from here, a note and no error."""

    async def work(up: bool) -> Report:
        async with server(Talk.stall) as port:
            control = f"127.0.0.1:{port}"
            if not up:
                control = "127.0.0.1:1"
            options = ProbeOptions(controls=(control,), connect_s=1)
            world = World(offline_world().dns, Walled(), Vantage("live"))
            return (await probe(["192.0.2.25:25"], world=world, options=options))[0]

    blocked = run(work(up=True))
    assert [f.rule for f in blocked.findings] == ["VANTAGE001"]
    assert blocked.vantage.port25 == "blocked"
    assert blocked.exit_status() == 0
    unknown = run(work(up=False))
    assert unknown.findings == ()
    assert unknown.exit_status() == 3


def test_no_password_without_verified_tls(authority: Authority, ca_file: str, certified: Any) -> None:
    """An untrusted chain, another name or no TLS at all: the secret stays here unless the user insists."""
    good, bad = certified(authority.issue(NAME)), certified(authority.self_signed(NAME))
    said: list[str] = []

    async def attempt(tls: ssl.SSLContext | None, **how: Any) -> Any:
        async def clear(talk: Talk) -> None:
            talk.heard = said
            await talk.serve(LOGIN, AUTH="235 2.7.0 ok")

        inner = starttls(tls, LOGIN) if tls else clear

        async def conversation(talk: Talk) -> None:
            talk.heard = said
            await inner(talk)

        async with server(conversation) as port:
            chosen: dict[str, Any] = {
                "tls": "starttls" if tls else "none",
                "verify_name": NAME,
                "ca_file": ca_file,
                **how,
            }
            submission = Submission("127.0.0.1", port, auth=Auth("ann", "secret"), reply_s=2, **chosen)
            return await LiveSmtp().converse(submit_flow(submission, []))

    for tls, how in (
        (bad, {}),
        (good, {"verify_name": "other.example.com"}),
        (good, {"verify_name": None}),
        (None, {}),
    ):
        said.clear()
        result, _ = run(attempt(tls, **how))
        assert result.stage is Stage.AUTH
        assert "no password is sent" in str(result.problem)
        assert not any(line.startswith("AUTH") for line in said)
    result, transcript = run(attempt(None, insecure=True))
    assert (result.stage, result.mechanism) == (None, "PLAIN")
    assert any(line.endswith("AUTH PLAIN ********") for line in transcript.lines())


def test_sni_carries_the_name_that_was_given(authority: Authority, ca_file: str, certified: Any) -> None:
    """SNI and the verified name are two knobs."""
    tls = certified(authority.issue(NAME))
    names: list[str | None] = []
    tls.sni_callback = lambda _socket, name, _context: names.append(name)

    async def work(server_name: str | None) -> Any:
        def flow(port: int) -> Any:
            yield Connect("127.0.0.1", port)
            session = yield Handshake(server_name, NAME, ca_file)
            yield Hear()
            yield Say("QUIT")
            return session

        async def conversation(talk: Talk) -> None:
            await talk.serve()

        async with server(conversation, tls) as port:
            return (await LiveSmtp().converse(flow(port)))[0]

    for name, sent in (
        ("a.example", "a.example"),
        (None, None),
        ("127.0.0.1", None),
        ("BÜCHER.example", "xn--bcher-kva.example"),
    ):
        names.clear()
        session = run(work(name))
        assert names == [sent]
        assert session.name_matches is True
