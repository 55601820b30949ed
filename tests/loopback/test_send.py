"""Real sends over loopback sockets to an aiosmtpd server: TLS, logins, refusals, runs over one connection, Ctrl-C."""

from __future__ import annotations

import asyncio
import email
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dkim
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from deliverkit.engine.draft import Draft, content_of, writer_of
from deliverkit.engine.send import SendOptions, send
from deliverkit.protocols.dkim.keys import load_private_key
from deliverkit.protocols.dkim.sign import SigningKey
from deliverkit.report import render
from deliverkit.report.model import Report
from deliverkit.smtp.submission import Auth
from deliverkit.world import World
from deliverkit.world.smtp import LiveSmtp
from tests.loopback.mailserver import Certificate, MailServer, mail_server, make_certificate

WRITE = writer_of(content_of(Draft(header_from="Ann <ann@example.com>", to=("bob@example.net",), text="hello\n.dot\n")))
AUTH = Auth("ann@example.com", "s3cret word")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A certificate for 127.0.0.1 by a private CA."""
    return make_certificate(tmp_path_factory.mktemp("tls"), "127.0.0.1")


@pytest.fixture(scope="module")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An RSA key for signing."""
    path = tmp_path_factory.mktemp("keys") / "s1.pem"
    key = rsa.generate_private_key(65537, 2048)
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return path


def world(records: dict[str, dict[str, Any]] | None = None) -> World:
    """A world whose DNS is a table and whose SMTP is real."""
    table = World.from_records(records or {})
    return World(table.dns, LiveSmtp(allow_private=True), table.vantage)


def sent(server: MailServer, **told: Any) -> Report:
    """Send from ann to bob through the server."""
    options = SendOptions(
        **{
            "mail_from": "ann@example.com",
            "recipients": ("bob@example.net",),
            "relay": (server.host, server.port),
            "helo": "client.example.com",
            **told,
        }
    )

    async def run() -> Report:
        async with world() as here:
            return await send(WRITE, options, world=here)

    return asyncio.run(run())


def rules(report: Report) -> list[str]:
    """The rules with a finding."""
    return [f.rule for f in report.findings]


def test_a_signed_message_arrives_octet_for_octet(key_file: Path) -> None:
    """What the server takes is what was signed: dkimpy verifies it, dots at line starts included."""
    private = load_private_key(key_file)
    with mail_server() as server:
        report = sent(server, keys=(SigningKey("s1", "example.com", private),))
    assert report.exit_status() == 0
    assert rules(report) == []
    assert b"\r\n.dot\r\n" in server.contents[0]
    assert dkim.verify(server.contents[0], dnsfunc=lambda name, timeout=5: private.record.encode())
    letter = report.facts["letter"]
    assert letter.raw == server.contents[0]
    assert {"from", "to", "subject", "reply-to"} <= set(letter.coverage[0].oversigned)


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", None])
def test_a_login_over_starttls_leaves_no_trace_of_the_password(certificate: Certificate, mechanism: str | None) -> None:
    """The server gets the password, over TLS; report, transcript and repr do not have it in any form."""
    with mail_server(certificate, auth=True) as server:
        auth = Auth(AUTH.username, AUTH.secret, mechanism)
        report = sent(server, auth=auth, tls="starttls", ca_file=str(certificate.ca_file))
    assert rules(report) == []
    assert server.logins[0][1:] == (b"ann@example.com", b"s3cret word")
    assert server.logins[0][0] == (mechanism or "PLAIN")
    assert_no_secret("".join(render([report], form) for form in ("text", "json", "html", "markdown")) + repr(auth))


def assert_no_secret(text: str) -> None:
    """Neither the password nor its base64 forms."""
    for form in ("s3cret word", "czNjcmV0IHdvcmQ", "AGFubkBleGFtcGxlLmNvbQBzM2NyZXQgd29yZA"):
        assert form not in text


def test_implicit_tls(certificate: Certificate) -> None:
    """TLS before the first word, with a login."""
    with mail_server(certificate, implicit=True, auth=True) as server:
        report = sent(server, auth=AUTH, tls="implicit", ca_file=str(certificate.ca_file))
    assert rules(report) == []
    assert len(server.contents) == 1


def test_no_password_goes_to_an_unverified_server(certificate: Certificate, tmp_path: Path) -> None:
    """A certificate of an unknown CA: the password stays here, and --insecure sends it."""
    with mail_server(certificate, auth=True) as server:
        other = str(make_certificate(tmp_path, "other.example").ca_file)
        withheld = sent(server, auth=AUTH, tls="starttls", ca_file=other)
        assert server.logins == []
        insecure = sent(server, auth=AUTH, tls="starttls", ca_file=other, insecure=True)
    assert (rules(withheld), withheld.exit_status()) == (["SEND011"], 1)
    assert (rules(insecure), insecure.exit_status()) == ([], 0)
    assert len(server.logins) == 1


def test_a_wrong_password_is_a_refused_login(certificate: Certificate) -> None:
    """535 is a finding with the server's words, exit status 1."""
    with mail_server(certificate, auth=True) as server:
        report = sent(server, auth=Auth("ann@example.com", "wrong"), tls="starttls", ca_file=str(certificate.ca_file))
    assert (rules(report), report.exit_status()) == (["SEND003"], 1)
    assert "535" in report.findings[0].detail


@pytest.mark.parametrize(
    ("command", "reply", "rule", "status"),
    [
        ("MAIL", "553 5.7.1 <ann@example.com>: Sender address rejected: not owned by user x", "SEND004", 1),
        ("RCPT", "550 5.1.1 <bob@example.net>: Recipient address rejected: User unknown", "SEND005", 1),
        ("DATA", "554 5.7.1 Message rejected as spam", "SEND006", 1),
        ("MAIL", "451 4.3.0 try later", "SEND007", 3),
        ("RCPT", "450 4.2.0 <bob@example.net>: Recipient address rejected: Greylisted", "SEND007", 3),
        ("DATA", "452 4.3.1 no space", "SEND007", 3),
    ],
)
def test_a_refusal_is_told_at_its_stage(command: str, reply: str, rule: str, status: int) -> None:
    """5xx is a finding and status 1; 4xx is a warning, and whether the mail is taken stays unknown: status 3."""
    with mail_server(replies={command: reply}) as server:
        report = sent(server)
    assert (rules(report), report.exit_status()) == ([rule], status)
    assert reply[:3] in report.findings[0].detail
    assert server.contents == []


def test_one_refused_recipient_does_not_keep_the_message_from_the_other() -> None:
    """The accepted one gets it; the refused one is an error."""
    with mail_server(replies={"RCPT no@example.net": "550 5.1.1 unknown user"}) as server:
        report = sent(server, recipients=("bob@example.net", "no@example.net"))
    assert server.recipients == [["bob@example.net"]]
    assert (rules(report), report.exit_status()) == (["SEND005"], 1)


def test_a_run_of_messages_uses_one_connection() -> None:
    """Twenty messages, one session, each with its own Message-ID and nonce, and a rate."""
    with mail_server() as server:
        report = sent(server, count=20)
    parsed = [email.message_from_bytes(content) for content in server.contents]
    assert (len(parsed), server.sessions) == (20, 1)
    assert len({m["Message-ID"] for m in parsed}) == len({m["X-Deliverkit-Nonce"] for m in parsed}) == 20
    throughput = report.facts["throughput"]
    assert throughput.messages == 20
    assert throughput.per_second > 0
    assert re.search(r"20 messages in .* messages/s", render([report], "text"))


def test_nobody_listening_is_not_reached() -> None:
    """A closed port: status 3, and the reason names it."""
    with mail_server() as server:
        port = server.port
    report = sent(MailServer(port=port))
    assert report.exit_status() == 3
    assert rules(report) == ["SEND019"]
    assert f"Nothing listens on port {port}" in report.findings[0].fix.text
    assert "refused" in report.inconclusive[0].reason


def test_direct_to_the_mx_goes_on_to_the_next_host() -> None:
    """The first MX host does not answer, the second takes the mail; the dead one is a warning."""
    with mail_server() as server:
        records: dict[str, dict[str, Any]] = {
            "example.net": {"MX": ["10 dead.example.net.", "20 mx.example.net."]},
            "dead.example.net": {"A": "127.0.0.2"},
            "mx.example.net": {"A": "127.0.0.1"},
        }
        options = SendOptions("ann@example.com", ("bob@example.net",), mx_port=server.port, helo="client.example.com")

        async def run() -> Report:
            async with world(records) as here:
                return await send(WRITE, options, world=here)

        report = asyncio.run(run())
    assert rules(report) == ["SEND017"]
    assert len(server.contents) == 1
    assert [a.address for a in report.facts["send"][0].attempts] == ["127.0.0.2", "127.0.0.1"]


def test_a_private_address_out_of_dns_is_not_connected_to() -> None:
    """An MX record that points at this machine is not followed without --allow-private."""
    with mail_server() as server:
        table = World.from_records({"example.net": {"MX": "10 mx.example.net."}, "mx.example.net": {"A": "127.0.0.1"}})
        options = SendOptions("ann@example.com", ("bob@example.net",), mx_port=server.port)

        async def run() -> Report:
            async with World(table.dns, LiveSmtp(), table.vantage) as here:
                return await send(WRITE, options, world=here)

        report = asyncio.run(run())
    assert server.sessions == 0
    assert report.exit_status() == 3
    assert "not-allowed" in report.inconclusive[0].reason


def interrupted(server: MailServer, when: Callable[[], Any], **told: Any) -> Report:
    """A send that is cancelled, as Ctrl-C does, once ``when`` has returned."""
    options = SendOptions(
        "ann@example.com", ("bob@example.net",), relay=(server.host, server.port), helo="c.example.com", **told
    )

    async def run() -> Report:
        async with world() as here:
            task = asyncio.create_task(send(WRITE, options, world=here))
            await asyncio.to_thread(when)
            task.cancel()
            return await task

    return asyncio.run(run())


def test_ctrl_c_reports_what_was_accepted_so_far(monkeypatch: pytest.MonkeyPatch) -> None:
    """The server stalls at the fourth message; Ctrl-C leaves a report with three, and their transcript."""
    monkeypatch.setattr("deliverkit.engine.send._GRACE_S", 0.05)
    with mail_server(stalls_after=3) as server:
        report = interrupted(server, lambda: server.stalled.wait(20), count=10)
    assert report.interrupted
    assert report.facts["send"][0].accepted == 3
    assert rules(report) == ["SEND016"]  # the fourth was sent to its end: it may have been taken
    told = "\n".join(report.facts["transcript"].lines())
    assert told.count("< 250 2.0.0 queued") == 3
    assert "EHLO c.example.com" in told
    assert json.loads(render([report], "json"))["interrupted"] is True


def test_the_time_for_all_is_kept() -> None:
    """--timeout ends a run that hangs; it was not refused, so it stays unknown."""
    with mail_server(stalls_after=0) as server:
        report = sent(server, seconds=0.5)
    assert report.exit_status() == 3
    assert not report.interrupted
    assert "0.5 s" in render([report], "json")
    assert rules(report) == ["SEND016"]


def test_a_message_that_may_have_been_taken_goes_to_no_second_host() -> None:
    """The first MX host falls silent after the final dot: trying the second could deliver the message twice."""
    with mail_server(stalls_after=0) as server:
        records: dict[str, dict[str, Any]] = {
            "example.net": {"MX": ["10 mx1.example.net.", "20 mx2.example.net."]},
            "mx1.example.net": {"A": "127.0.0.1"},
            "mx2.example.net": {"A": "127.0.0.1"},
        }
        options = SendOptions(
            "ann@example.com", ("bob@example.net",), mx_port=server.port, helo="c.example.com", seconds=0.5
        )

        async def run() -> Report:
            async with world(records) as here:
                return await send(WRITE, options, world=here)

        report = asyncio.run(run())
    assert rules(report) == ["SEND016"]
    assert "may have the message" in report.findings[0].detail
    assert [attempt.host for attempt in report.facts["send"][0].attempts] == ["mx1.example.net"]
    assert server.sessions == 1


def test_an_internationalized_address_is_carried_with_smtputf8() -> None:
    """The server offers SMTPUTF8: header and envelope go in UTF-8."""
    content = content_of(Draft(header_from="用户 <用户@example.com>", to=("bob@example.net",), text="好"))
    with mail_server() as server:
        options = SendOptions(
            "用户@example.com", ("bob@example.net",), relay=(server.host, server.port), helo="c.example"
        )

        async def run() -> Report:
            async with world() as here:
                return await send(writer_of(content), options, world=here)

        report = asyncio.run(run())
    assert rules(report) == []
    assert server.senders == ["用户@example.com"]
    assert "From: 用户 <用户@example.com>\r\n".encode() in server.contents[0]


def test_the_library_sends_in_one_call(key_file: Path, tmp_path: Path) -> None:
    """``deliverkit.send`` is the verb's twin: addresses and files in, a report out."""
    import deliverkit

    (tmp_path / "a.txt").write_bytes(b"attached")
    with mail_server() as server:
        report = deliverkit.send(
            "Ann <ann@example.com>",
            ["bob@example.net"],
            subject="Grüße",
            attachments=[tmp_path / "a.txt"],
            headers={"X-Campaign": "spring"},
            dkim_keys={"s1": key_file},
            via=server.via,
            world=world(),
        )
    assert report.verdict == "pass"
    message = email.message_from_bytes(server.contents[0])
    assert message["X-Campaign"] == "spring"
    assert "s=s1" in message["DKIM-Signature"]
