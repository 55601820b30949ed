"""Real clients send into the sink: swaks, Nodemailer and PHPMailer, in the clear, with STARTTLS and implicit TLS.

Each logs in. What is captured must be, octet for octet, what the client sent, and a DKIM signature made by the client
must pass our verification.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import deliverkit
from deliverkit.engine.verify import Verification
from deliverkit.facts.message import AuthenticationFacts
from deliverkit.findings import Severity
from deliverkit.protocols.dkim.sign import sign
from deliverkit.protocols.dkim.verify import Kind
from deliverkit.sink import CapturedMessage, Credentials, Judging
from deliverkit.smtp.content import FaultKind
from deliverkit.world import World
from tests.peers.run import run, script
from tests.peers.signing import DOMAIN, key_pairs, records
from tests.peers.sinkside import BackgroundSink

USER, PASSWORD = "ann@example.com", "s3cret word"
SENDS_FROM = "192.0.2.26"
MODES = {"clear": "smtp", "starttls": "starttls", "implicit": "smtps"}
RAW = (
    b"From: Ann <ann@example.com>\r\nTo: Bob <bob@example.org>\r\nSubject: octets\r\n"
    b"Date: Sun, 22 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@example.com>\r\n"
    b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n"
    b".\r\n..\r\n.dot\r\n\r\n \t\r\nblanks at the end \t\r\n" + b"x" * 998 + b"\r\nFrom here on\r\n\r\n\r\n"
)


def closed_world() -> World:
    """The sender's domain, as it should be, and nothing else."""
    known: dict[str, dict[str, Any]] = {name: {"TXT": record} for name, record in records().items()}
    known[DOMAIN] = {"TXT": f"v=spf1 ip4:{SENDS_FROM} -all"}
    known[f"_dmarc.{DOMAIN}"] = {"TXT": "v=DMARC1; p=reject"}
    known["client.example.com"] = {"A": SENDS_FROM, "TXT": "v=spf1 a -all"}
    known["26.2.0.192.in-addr.arpa"] = {"PTR": "client.example.com."}
    return World.from_records(known)


@pytest.fixture(scope="module")
def background() -> Iterator[BackgroundSink]:
    """A sink with all three listeners, which wants a login and judges as if mail came from the sender's server."""
    listeners = dict.fromkeys(MODES.values(), "127.0.0.1:0")
    login = Credentials(USER, PASSWORD, required=True, in_clear=True)
    judging = Judging(client_ip=SENDS_FROM)
    with BackgroundSink(**listeners, credentials=login, judging=judging, world=closed_world()) as running:
        yield running


def place(background: BackgroundSink, mode: str) -> tuple[str, int]:
    """Where the listener for a mode is."""
    where = {str(listener): address for listener, address in background.sink.addresses.items()}
    return where[MODES[mode]].host, where[MODES[mode]].port


def ca_file(background: BackgroundSink) -> Path:
    """The authority of the sink's certificate."""
    assert background.sink.ca_file is not None
    return background.sink.ca_file


def caught(background: BackgroundSink, recipient: str) -> CapturedMessage:
    """The message for this recipient."""
    return background.wait_for(lambda message: message.rcpt_tos == (recipient,))


def check_session(message: CapturedMessage, mode: str) -> None:
    """The message came the way it should, after a login; on the wire nothing was wrong but a password in the clear."""
    assert message.listener == MODES[mode]
    assert bool(message.tls) is (mode != "clear")
    assert message.authenticated_as == USER
    assert message.mail_from == USER
    assert [fault.kind for fault in message.faults] == ([FaultKind.CLEAR_AUTH] if mode == "clear" else [])
    assert PASSWORD not in repr(message.transcript.lines())


def authenticated(message: CapturedMessage) -> AuthenticationFacts:
    """What our verification says of a message that was caught."""
    assert message.report is not None
    told: AuthenticationFacts = message.report.facts["authentication"]
    return told


def check_authenticated(message: CapturedMessage, mode: str, *flaws: str) -> None:
    """SPF, DKIM and DMARC pass; the client's own flaws are found, and beside them no rule sees more than a note."""
    told = authenticated(message)
    assert message.report is not None
    assert (told.spf.result, [one.result for one in told.dkim], told.dmarc.result) == ("pass", ["pass"], "pass")
    expected = [*flaws, *(["credentials were sent"] if mode == "clear" else [])]
    details = [found.detail for found in message.report.findings]
    assert all(any(flaw in detail for detail in details) for flaw in expected), details
    above = [found.detail for found in message.report.findings if found.severity is not Severity.NOTE]
    assert [detail for detail in above if not any(flaw in detail for flaw in expected)] == []


def check_changes_are_found(message: CapturedMessage) -> None:
    """The same octets with one of them changed fail, and the failure says where."""
    head, _, body = message.raw.partition(b"\r\n\r\n")
    for changed, kind in (
        (head + b"\r\n\r\n" + body.replace(b"Hello", b"Hullo", 1), Kind.BODY_HASH),
        (head.replace(b"From: ", b"From: x", 1) + b"\r\n\r\n" + body, Kind.SIGNATURE),
    ):
        assert changed != message.raw
        report: Verification = deliverkit.verify(
            changed, world=closed_world(), client_ip="198.51.100.1", mail_from=USER
        )
        assert [one.kind for one in report.authentication.dkim] == [kind]
        assert report.verdict == "fail"


@pytest.mark.peer("swaks")
@pytest.mark.parametrize(("mode", "mechanism"), [("clear", "LOGIN"), ("starttls", "PLAIN"), ("implicit", "LOGIN")])
def test_swaks(mode: str, mechanism: str, background: BackgroundSink, tmp_path: Path) -> None:
    """A message signed by us arrives through swaks as it was, so its signature passes."""
    signed = sign(RAW, [key_pairs()["rsa"].ours], now=datetime.now(UTC))
    (tmp_path / "message.eml").write_bytes(signed.removesuffix(b"\r\n"))  # swaks ends the last line itself
    host, port = place(background, mode)
    recipient = f"swaks-{mode}@example.org"
    tls = {"clear": [], "starttls": ["--tls"], "implicit": ["--tls-on-connect"]}[mode]
    verified = ["--tls-verify", "--tls-ca-path", str(ca_file(background))] if tls else []
    login = ["--auth", mechanism, "--auth-user", USER, "--auth-password", PASSWORD]
    envelope = ["--ehlo", "client.example.com", "--from", USER, "--to", recipient]
    target = ["--server", host, "--port", str(port)]
    done = run(["swaks", *target, *tls, *verified, *login, *envelope, "--data", f"@{tmp_path}/message.eml"])
    assert done.returncode == 0, done.stdout.decode(errors="replace")
    message = caught(background, recipient)
    assert message.raw == signed
    check_session(message, mode)
    check_authenticated(message, mode)


@pytest.mark.peer("nodemailer")
@pytest.mark.parametrize("mode", MODES)
def test_nodemailer(mode: str, background: BackgroundSink) -> None:
    """What it composes and signs passes; what it is given raw arrives as it was."""
    host, port = place(background, mode)
    pair = key_pairs()["rsa"]
    composed, raw = f"nodemailer-{mode}@example.org", f"nodemailer-raw-{mode}@example.org"
    job = {"host": host, "port": port, "mode": mode, "ca": ca_file(background).read_text(), "user": USER}
    job |= {"pass": PASSWORD, "from": USER, "to": composed, "raw_to": raw, "raw": base64.b64encode(RAW).decode()}
    job["dkim"] = {"domainName": DOMAIN, "keySelector": pair.selector, "privateKey": pair.pem}
    replies = script("nodemailer_send.js", job)
    assert replies["composed"].startswith("250 2.0.0")
    message = caught(background, composed)
    check_session(message, mode)
    check_authenticated(message, mode, "leaves out list-unsubscribe-post")  # which RFC 8058 §4 wants signed
    assert message.subject.startswith("Grüße aus Köln: your order has left")
    check_changes_are_found(message)
    assert caught(background, raw).raw == RAW


@pytest.mark.peer("phpmailer")
@pytest.mark.parametrize("mode", MODES)
def test_phpmailer(mode: str, background: BackgroundSink) -> None:
    """What it composes and signs passes, and is what it says it sent."""
    recipient = f"phpmailer-{mode}@example.org"
    sent = send_with_phpmailer(background, mode, recipient, "quoted-printable")
    message = caught(background, recipient)
    assert message.raw.rstrip() == sent.rstrip()
    check_session(message, mode)
    check_authenticated(message, mode, "Subject: an encoded word of")  # longer than RFC 2047 §2 allows
    check_changes_are_found(message)


@pytest.mark.peer("phpmailer")
def test_phpmailers_undeclared_8bit_is_seen_and_kept(background: BackgroundSink) -> None:
    """By default it sends UTF-8 as it is and never says BODY=8BITMIME; the signature over it passes all the same."""
    recipient = "phpmailer-8bit@example.org"
    sent = send_with_phpmailer(background, "starttls", recipient, "8bit")
    message = caught(background, recipient)
    assert message.raw.rstrip() == sent.rstrip()
    assert [fault.kind for fault in message.faults] == [FaultKind.UNDECLARED_8BIT]
    assert [one.result for one in authenticated(message).dkim] == ["pass"]


def send_with_phpmailer(background: BackgroundSink, mode: str, recipient: str, encoding: str) -> bytes:
    """Let PHPMailer compose, sign and send; the octets it says it sent."""
    host, port = place(background, mode)
    pair = key_pairs()["rsa"]
    job = {"host": host, "port": port, "mode": mode, "ca_file": str(ca_file(background)), "user": USER}
    job |= {"pass": PASSWORD, "from": USER, "to": recipient, "encoding": encoding}
    job["dkim"] = {"domain": DOMAIN, "selector": pair.selector, "key": pair.pem}
    return base64.b64decode(script("phpmailer_send.php", job)["sent"])


@pytest.mark.peer("swaks")
def test_a_wrong_password_is_turned_away(background: BackgroundSink) -> None:
    """535 to a real client, and no message is kept."""
    host, port = place(background, "clear")
    login = ["--auth", "PLAIN", "--auth-user", USER, "--auth-password", "wrong"]
    done = run(["swaks", "--server", host, "--port", str(port), *login, "--from", USER, "--to", "never@example.org"])
    assert done.returncode == 28  # swaks: AUTH failed
    assert b" 535 " in done.stdout
    assert not any(message.rcpt_tos == ("never@example.org",) for message in background.sink.messages())
