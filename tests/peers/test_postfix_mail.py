"""Mail through a real Postfix: what we send is taken or refused, and travels on to our sink with its signatures whole.

One instance; its submission service and its MX hand everything they accept to a sink of ours (``content_filter``), two
more have OpenDKIM sign on the way.
"""

from __future__ import annotations

import asyncio
import smtplib
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from deliverkit.engine.draft import Draft, content_of, writer_of
from deliverkit.engine.send import SendOptions, send
from deliverkit.facts.message import AuthenticationFacts
from deliverkit.facts.vantage import Vantage
from deliverkit.protocols.dkim.sign import sign
from deliverkit.protocols.dkim.verify import Kind
from deliverkit.report.model import Report
from deliverkit.sink import CapturedMessage
from deliverkit.smtp.submission import Auth
from deliverkit.world import World
from deliverkit.world.smtp import LiveSmtp
from deliverkit.world.table import offline_world
from tests.loopback.authority import Authority
from tests.peers.addresses import own_network
from tests.peers.dovecot import MECHANISMS, LoginServer
from tests.peers.opendkim import SigningMilter
from tests.peers.postfix import Endpoint, Postfix
from tests.peers.signing import key_pairs, records
from tests.peers.sinkside import BackgroundSink

pytestmark = pytest.mark.peer("postfix")

NETWORK = own_network()
HOST, SINK = f"{NETWORK}1", f"{NETWORK}2"
MILTERS = {"rsa": f"{NETWORK}11", "ed25519": f"{NETWORK}12"}
USER, PASSWORD = "ann@example.com", "s3cret word"
ONWARD = {"content_filter": f"smtp:[{SINK}]:2525"}
TEXT = "Hello,\n.\n..dots at the beginning of lines\nFrom here on\n\nGrüße\n\n\n"


@dataclass(frozen=True)
class Running:
    """What the tests talk to."""

    postfix: Postfix
    logins: LoginServer
    sink: BackgroundSink
    ca_file: str

    def caught(self, recipient: str) -> CapturedMessage:
        """What arrived at the sink for a recipient."""
        return self.sink.wait_for(lambda message: message.rcpt_tos == (recipient,))


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    """Postfix with a login server in front, and a sink behind it."""
    authority = Authority()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="deliverkit-postfix-")))
        folder.chmod(0o755)
        chain, key = authority.issue(HOST).write(folder, "good")
        tls = {"smtpd_tls_chain_files": f"{key}, {chain}", "smtpd_tls_security_level": "may"}
        login = {
            "smtpd_tls_auth_only": "yes",
            "smtpd_sasl_auth_enable": "yes",
            "smtpd_sasl_type": "dovecot",
            "smtpd_sasl_path": str(folder / "login"),
            "smtpd_relay_restrictions": "permit_sasl_authenticated, reject_unauth_destination",
        }
        endpoints = [
            Endpoint(HOST, 25, {**tls, **ONWARD}),
            Endpoint(HOST, 26, tls),
            Endpoint(HOST, 587, {**tls, **login, **ONWARD}),
            Endpoint(HOST, 465, {**tls, **login, **ONWARD, "smtpd_tls_wrappermode": "yes"}),
        ]
        endpoints += [
            Endpoint(address, 25, {**ONWARD, "smtpd_milters": f"inet:{address}:8891"}) for address in MILTERS.values()
        ]
        world = World.from_records({name: {"TXT": record} for name, record in records().items()})
        sink = stack.enter_context(BackgroundSink(starttls=f"{SINK}:2525", world=world, hostname="sink.example.test"))
        logins = stack.enter_context(LoginServer(folder / "login", USER, PASSWORD))
        postfix = Postfix(folder / "instance", endpoints)
        stack.callback(postfix.stop)
        postfix.start()
        yield Running(postfix, logins, sink, str(authority.write_root(folder)))


def sent(running: Running, port: int, recipient: str, **told: Any) -> Report:
    """Send a signed message through one of Postfix's ports."""
    draft = Draft(header_from=f"Ann Müller <{USER}>", to=(recipient,), subject="Grüße", text=TEXT)
    chosen = {"keys": tuple(pair.ours for pair in key_pairs().values()), "ca_file": running.ca_file, **told}
    options = SendOptions(USER, (recipient,), relay=(HOST, port), helo="client.example.com", **chosen)

    async def work() -> Report:
        async with World(offline_world().dns, LiveSmtp(), Vantage("live")) as world:
            return await send(writer_of(content_of(draft)), options, world=world)

    return asyncio.run(work())


def authenticated(message: CapturedMessage) -> AuthenticationFacts:
    """What our verification says of a message that was caught."""
    assert message.report is not None
    told: AuthenticationFacts = message.report.facts["authentication"]
    return told


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize(("port", "mode"), [(587, "starttls"), (465, "implicit")])
def test_a_submission_travels_on_with_its_signatures_whole(
    port: int, mode: str, mechanism: str, running: Running
) -> None:
    """Logged in, taken, queued, relayed to the sink, and both signatures pass there."""
    recipient = f"bob-{port}-{mechanism.lower()}@elsewhere.example"
    before = len(running.logins.logins)
    report = sent(running, port, recipient, auth=Auth(USER, PASSWORD, mechanism))
    assert [f"{f.rule}: {f.detail}" for f in report.findings] == []
    assert report.facts["send"][0].attempts[0].tls == mode
    assert running.logins.logins[before:] == [mechanism]
    message = running.caught(recipient)
    assert message.mail_from == USER
    assert message.faults == ()
    assert message.tls is not None
    letter = report.facts["letter"].raw
    assert message.raw.endswith(letter)  # Postfix put its own fields in front and changed nothing
    assert message.raw.startswith(b"Received: from client.example.com")
    assert [one.result for one in authenticated(message).dkim] == ["pass", "pass"]


def test_an_mx_takes_mail_for_its_own_domain(running: Running) -> None:
    """Port 25, STARTTLS because it is offered, no login; three messages over one connection, to discard."""
    report = sent(running, 26, "bob@example.test", tls="starttls", count=3)
    assert [f"{f.rule}: {f.detail}" for f in report.findings] == []
    assert report.facts["send"][0].accepted == 3
    assert report.exit_status() == 0
    assert running.postfix.log().count("connect from") >= 1


@pytest.mark.parametrize("port", [25, 587])
def test_a_refusal_to_relay_is_told_at_rcpt(port: int, running: Running) -> None:
    """554 5.7.1 without a login: the finding names the command, the recipient and the server's words."""
    report = sent(running, port, "bob@elsewhere.example")
    assert [f.rule for f in report.findings if f.severity == "error"] == ["SEND005"]
    assert "RCPT TO:<bob@elsewhere.example> with 554 5.7.1" in report.findings[0].detail
    assert "Relay access denied" in report.findings[0].detail
    assert report.findings[0].evidence[0].type == "RCPT"
    assert report.exit_status() == 1


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_a_wrong_password_is_a_refused_login(mechanism: str, running: Running) -> None:
    """535 5.7.8 by every mechanism, and the password is nowhere in the report."""
    report = sent(running, 587, "bob@elsewhere.example", auth=Auth(USER, "wr0ng word", mechanism))
    assert [f.rule for f in report.findings] == ["SEND003"]
    assert "535 5.7.8" in report.findings[0].detail
    assert "wr0ng word" not in repr(report)


def test_no_password_goes_to_an_unverified_postfix(running: Running) -> None:
    """Its certificate is for an address; asked for by a CA we do not know, no login is tried."""
    before = len(running.logins.logins)
    report = sent(running, 587, "bob@elsewhere.example", auth=Auth(USER, PASSWORD), ca_file=None)
    assert [f.rule for f in report.findings] == ["SEND011"]
    assert len(running.logins.logins) == before


def test_what_postfix_breaks_after_signing_is_named(running: Running) -> None:
    """A body line of two thousand octets is broken on the way; the sink says so, with the rule about it."""
    head = b"From: ann@example.com\r\nTo: long@example.test\r\nSubject: long\r\n\r\n"
    signed = sign(head + b"x" * 2000 + b"\r\n", [key_pairs()["rsa"].ours], now=datetime.now(UTC))
    with smtplib.SMTP(HOST, 25, local_hostname="client.example.com", timeout=20) as client:
        client.sendmail(USER, ["long@example.test"], signed)
    message = running.caught("long@example.test")
    told = authenticated(message)
    assert [one.kind for one in told.dkim] == [Kind.BODY_HASH]
    cause = told.cause(0) or ""
    assert "lines over" in cause
    assert "broken by a server after signing" in cause


@pytest.mark.peer("opendkim")
@pytest.mark.parametrize("type_", MILTERS)
def test_we_accept_what_opendkim_signs(type_: str, running: Running, tmp_path: Path) -> None:
    """Postfix's milter signs on the way; its Ed25519 over simple header fields is left out: nobody accepts that."""
    forms = ("relaxed/relaxed", "relaxed/simple", *(["simple/simple"] if type_ == "rsa" else []))
    for number, form in enumerate(forms):
        recipient = f"milter-{type_}-{number}@example.test"
        mail = f"From: {USER}\r\nTo: {recipient}\r\nSubject:  folded\r\n\tsubject \r\n\r\nHello \t\r\n.\r\n\r\n\r\n"
        with SigningMilter(tmp_path / str(number), MILTERS[type_], key_pairs()[type_], form):
            with smtplib.SMTP(MILTERS[type_], 25, local_hostname="client.example.com", timeout=20) as client:
                client.sendmail(USER, [recipient], mail)
            message = running.caught(recipient)
        (verdict,) = authenticated(message).dkim
        assert (verdict.result, verdict.algorithm) == ("pass", f"{type_}-sha256"), verdict.detail
        signature = verdict.signature
        assert f"{signature.header_canonicalization}/{signature.body_canonicalization}" == form
