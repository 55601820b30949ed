"""``deliverkit send`` as a user calls it: what it prints, how it exits, what it refuses before anything is sent."""

from __future__ import annotations

import email
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from deliverkit.cli import cli
from tests.loopback.mailserver import Certificate, mail_server, make_certificate

ROOT = Path(__file__).parents[2]
BASE = ("send", "--from", "Ann <ann@example.com>", "--to", "bob@example.net")


def called(*arguments: str, **told: Any) -> Result:
    """Run the program in this process."""
    return CliRunner().invoke(cli, [*arguments], prog_name="deliverkit", **told)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Certificate:
    """A certificate for 127.0.0.1."""
    return make_certificate(tmp_path_factory.mktemp("tls"), "127.0.0.1")


@pytest.fixture(scope="module")
def key_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An Ed25519 key."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    path = tmp_path_factory.mktemp("keys") / "ed.pem"
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path.write_bytes(Ed25519PrivateKey.generate().private_bytes(*form))
    return path


def test_the_whole_verb_in_one_call(tmp_path: Path, certificate: Certificate, key_file: Path) -> None:
    """Template, attachment, unsubscribe, two recipients, login, signature, transcript, JSON that fits the schema."""
    import jsonschema

    (tmp_path / "mail.html").write_text("{% set subject = 'Hi ' ~ user.name %}<p>Hello {{ user.name }}</p>", "utf-8")
    (tmp_path / "data.toml").write_text("[user]\nname = 'Bob & Co'", "utf-8")
    (tmp_path / "报告.pdf").write_bytes(b"%PDF-1.7")
    (tmp_path / "secret").write_text("s3cret word\n", "utf-8")
    transcript = tmp_path / "session.txt"
    with mail_server(certificate, auth=True) as server:
        result = called(
            *BASE, "--cc", "carl@example.org", "--text", "Hello {{ user.name }}",
            "--template", str(tmp_path / "mail.html"), "--data", str(tmp_path / "data.toml"),
            "--attach", str(tmp_path / "报告.pdf"), "--unsubscribe", "https://example.com/u?t=1",
            "--header", "X-Campaign: Frühling", "--dkim-key", f"ed1={key_file}", "--via", server.via,
            "--tls", "starttls", "--ca-file", str(certificate.ca_file), "--password-file", str(tmp_path / "secret"),
            "--transcript", str(transcript), "--format", "json",
        )  # fmt: skip
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    jsonschema.validate(report, json.loads((ROOT / "docs" / "report.schema.json").read_text("utf-8")))
    assert report["verdict"] == "pass"
    assert report["facts"]["letter"]["signatures"][0]["algorithm"] == "ed25519-sha256"
    assert report["facts"]["send"][0]["auth"] == "PLAIN"
    assert {e["event"] for e in report["facts"]["transcript"]["events"]} >= {"connected", "line", "tls-started"}
    message = email.message_from_bytes(server.contents[0])
    assert message["Subject"] == "Hi Bob & Co"
    assert [p.get_content_type() for p in message.walk()] == [
        "multipart/mixed", "multipart/alternative", "text/plain", "text/html", "application/pdf",
    ]  # fmt: skip
    assert b"<p>Hello Bob &amp; Co</p>" in server.contents[0]
    assert server.recipients == [["bob@example.net", "carl@example.org"]]
    kept = transcript.read_text("utf-8")
    assert "MAIL FROM:<ann@example.com>" in kept
    assert "********" in kept
    for text in (kept, result.stdout):
        assert "s3cret" not in text and "czNjcmV0" not in text and "AGFubk" not in text


def test_the_default_message_says_what_it_is() -> None:
    """Without subject and body: a test message that says so, and a report to read."""
    with mail_server() as server:
        result = called(*BASE, "--via", server.via)
    assert result.exit_code == 0
    assert "bob@example.net via" in result.stdout and ": PASS" in result.stdout
    assert "250 2.0.0 queued" in result.stdout
    message = email.message_from_bytes(server.contents[0])
    assert message["Subject"] == "Test message from deliverkit"
    assert "test message" in message.get_payload()


def test_a_refusal_exits_with_1_and_an_unreachable_server_with_3() -> None:
    """The contract's two ways to fail, and --fail-on never."""
    with mail_server(replies={"RCPT": "550 5.1.1 no such user"}) as server:
        refused = called(*BASE, "--via", server.via)
        forgiven = called(*BASE, "--via", server.via, "--fail-on", "never")
        port = server.port
    unreached = called(*BASE, "--via", f"127.0.0.1:{port}")
    assert (refused.exit_code, forgiven.exit_code, unreached.exit_code) == (1, 0, 3)
    assert "SEND005" in refused.stdout


def test_a_dry_run_shows_the_message_and_sends_nothing(key_file: Path) -> None:
    """Every octet that would go, the coverage of the signature, and no connection."""
    with mail_server() as server:
        result = called(*BASE, "--via", server.via, "--subject", "Grüße", "--dkim-key", f"s1={key_file}", "--dry-run")
    assert (result.exit_code, server.sessions) == (0, 0)
    assert "| Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?=" in result.stdout
    assert "oversigned: from, reply-to, to" in result.stdout
    assert "body hash " in result.stdout
    assert "MAIL FROM:<ann@example.com>" in result.stdout


def test_a_dry_run_needs_no_network() -> None:
    """--offline goes with --dry-run, and with nothing else of this verb."""
    assert called(*BASE, "--offline", "--dry-run").exit_code == 0
    refused = called(*BASE, "--offline")
    assert refused.exit_code == 2
    assert "--dry-run" in refused.output


def test_an_existing_message_goes_as_it_stands(tmp_path: Path) -> None:
    """--eml: the recipients of its header, or those of --to; the octets unchanged but for line ends."""
    eml = tmp_path / "old.eml"
    eml.write_bytes(b"From: ann@example.com\nTo: bob@example.net\nSubject: x\n\nold body\n")
    with mail_server() as server:
        first = called("send", "--eml", str(eml), "--via", server.via)
        second = called("send", "--eml", str(eml), "--to", "eve@example.org", "--via", server.via)
    assert (first.exit_code, second.exit_code) == (0, 0)
    assert server.recipients == [["bob@example.net"], ["eve@example.org"]]
    assert server.contents[0] == eml.read_bytes().replace(b"\n", b"\r\n")
    clash = called("send", "--eml", str(eml), "--subject", "other")
    assert clash.exit_code == 2 and "--subject" in clash.output


def test_a_run_prints_its_rate() -> None:
    """--count 25 to a server of this machine needs no --yes and tells the messages a second."""
    with mail_server() as server:
        result = called(*BASE, "--via", server.via, "--count", "25")
    assert result.exit_code == 0
    assert len(server.contents) == 25
    assert "25 messages in " in result.stdout and "messages/s" in result.stdout


def test_the_password_may_come_from_the_environment_or_a_prompt(certificate: Certificate) -> None:
    """--password-env and --ask-password; what is typed is not shown."""
    login = ("--user", "ann@example.com", "--ca-file", str(certificate.ca_file), "--tls", "starttls")
    with mail_server(certificate, auth=True) as server:
        by_variable = called(*BASE, "--via", server.via, *login, "--password-env", "PW", env={"PW": "s3cret word"})
        by_prompt = called(*BASE, "--via", server.via, *login, "--ask-password", input="s3cret word\n")
    assert (by_variable.exit_code, by_prompt.exit_code) == (0, 0)
    assert len(server.logins) == 2
    assert "s3cret" not in by_variable.output + by_prompt.output


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("send", "--to", "bob@example.net"), "--from"),
        (("send", "--from", "ann@example.com"), "--to"),
        ((*BASE, "--to", "not an address"), "is no address"),
        ((*BASE, "--via", "127.0.0.1:99999"), "no port"),
        ((*BASE, "--via", "exa mple"), "not a domain name"),
        ((*BASE, "--provider", "gmial"), "did you mean 'gmail'"),
        ((*BASE, "--provider", "qq"), "authorization code"),
        ((*BASE, "--provider", "microsoft365"), "--oauth-token-env"),
        ((*BASE, "--provider", "ses", "--region", "mars", "--password-env", "HOME"), "--region mars"),
        ((*BASE, "--provider", "ses", "--region", "eu-west-1", "--password-env", "HOME"), "--user"),
        ((*BASE, "--provider", "outlook", "--password-env", "HOME"), "--oauth-token-env"),
        ((*BASE, "--region", "eu-west-1"), "--provider"),
        ((*BASE, "--password-env", "HOME"), "an MX takes no logins"),
        ((*BASE, "--via", "localhost", "--password-env", "DK_NOT_SET"), "is not set"),
        ((*BASE, "--via", "localhost", "--password-file", "/nonexistent"), "No such file"),
        ((*BASE, "--via", "localhost", "--password-file", "/dev/null"), "its first line is empty"),
        ((*BASE, "--via", "localhost", "--password-env", "HOME", "--user", "ann\x01auth="), "--user holds"),
        ((*BASE, "--via", "localhost", "--user", "ann"), "--password-env"),
        ((*BASE, "--via", "localhost", "--tls", "none", "--password-env", "HOME"), "in the clear"),
        ((*BASE, "--via", "localhost", "--password-env", "HOME", "--ask-password"), "exclude each other"),
        ((*BASE, "--count", "11"), "--yes"),
        ((*BASE, "--count", "0"), "count"),
        ((*BASE, "--text", "a", "--text-file", "b"), "exclude each other"),
        ((*BASE, "--text-file", "/nonexistent"), "No such file"),
        ((*BASE, "--attach", "/nonexistent.pdf"), "/nonexistent.pdf"),
        ((*BASE, "--subject", "Hi {{ name }}", "--set", "nmae=Bob"), "--subject:1: 'name' is undefined; did you mean"),
        ((*BASE, "--set", "x"), "--set"),
        ((*BASE, "--header", "X-Tag"), "expected 'Name: value'"),
        ((*BASE, "--subject", "a\nBcc: eve@example.org"), "subject holds a line feed"),
        ((*BASE, "--helo", "a.example\r\nRSET"), "--helo holds a carriage return"),
        ((*BASE, "--helo", "a b"), "--helo"),
        ((*BASE, "--mail-from", "a@example.com>\r\nRCPT TO:<b@example.com"), "--mail-from holds"),
        ((*BASE, "--dkim-key", "s1"), "SELECTOR=FILE"),
        ((*BASE, "--dkim-key", "s1=/nonexistent"), "/nonexistent"),
        ((*BASE, "--dkim-domain", "example.com"), "--dkim-key"),
        ((*BASE, "--ca-file", __file__), "no certificate"),
        ((*BASE, "--unsubscribe", "http://example.com/u"), "https"),
        (("send", "--eml", "/nonexistent.eml", "--via", "localhost"), "/nonexistent.eml"),
        (("send", "--eml", sys.executable, "--via", "localhost"), "is no message"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_sent(arguments: tuple[str, ...], told: str) -> None:
    """Exit status 2 and one line that names the option and says what to give instead; never a traceback."""
    result = called(*arguments)
    assert result.exit_code == 2, result.output
    assert told in result.output.replace("\n", " ")
    assert "Traceback" not in result.output


@pytest.mark.parametrize(("octets", "told"), [("", "is empty"), ("p\udcff\udcfe", "is not UTF-8 text")])
def test_a_variable_without_a_usable_secret_is_refused(octets: str, told: str) -> None:
    """An empty variable and one of another encoding: said by name, and nothing is connected to."""
    result = called(*BASE, "--via", "localhost:1", "--password-env", "DK_PW", env={"DK_PW": octets})
    assert result.exit_code == 2
    assert f"--password-env DK_PW: the environment variable {told}" in " ".join(result.output.split())


@pytest.mark.parametrize(
    "to", ["bob@[localhost]", "bob@x..y", "bob@example.net\x1b[31m", "<bob@\0x>", "bob@b\xfccher.example"]
)
def test_recipients_of_an_eml_are_addresses_or_refused(tmp_path: Path, to: str) -> None:
    """What stands in its To goes into RCPT and to DNS, so it is read as strictly as --to; the file is named."""
    (tmp_path / "m.eml").write_bytes(f"From: ann@example.com\r\nTo: {to}\r\n\r\nx".encode("latin-1"))
    result = called("send", "--eml", str(tmp_path / "m.eml"), "--offline", "--dry-run")
    assert result.exit_code == 2, result.output
    assert "m.eml, To and Cc" in result.output
    assert "\x1b" not in result.output


def test_ctrl_c_writes_the_report_and_exits_with_130(tmp_path: Path) -> None:
    """The process gets SIGINT while the server holds the third message: two are reported as accepted."""
    report, transcript = tmp_path / "report.json", tmp_path / "session.txt"
    with mail_server(stalls_after=2) as server:
        process = subprocess.Popen(
            [sys.executable, "-m", "deliverkit", *BASE, "--via", server.via, "--count", "9", "-o", str(report),
             "--transcript", str(transcript)],
            cwd=ROOT, env={**os.environ, "PYTHONWARNINGS": "ignore"}, stderr=subprocess.PIPE,
        )  # fmt: skip
        assert server.stalled.wait(30)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert b"Traceback" not in errors
    told = json.loads(report.read_text("utf-8"))
    assert told["interrupted"] is True
    assert told["facts"]["send"][0]["accepted"] == 2
    assert transcript.read_text("utf-8").count("queued") == 2


def test_a_dry_run_finds_what_is_wrong_with_the_message() -> None:
    """The message rules judge what would be sent: a placeholder that nobody filled is told."""
    result = called(*BASE, "--text", "Dear {{ customer.name }}", "--dry-run", "--fail-on", "warning")
    assert result.exit_code == 1
    assert "{{ customer.name }}" in result.stdout
