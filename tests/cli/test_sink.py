"""``deliverkit sink`` as a program: what it prints, how it ends, and what it leaves behind."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
import signal
import smtplib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from deliverkit.cli import cli
from deliverkit.sink import Inbox
from tests.sink.clients import MESSAGE

ZONE = '$ORIGIN example.com.\n@ 3600 TXT "v=spf1 ip4:192.0.2.7 -all"\n_dmarc 3600 TXT "v=DMARC1; p=reject"\n'


class Running:
    """A sink in a process of its own."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert process.stderr is not None
        line = process.stderr.readline()
        assert line.startswith("deliverkit sink: listening "), line + process.stderr.read()
        self.words = dict(word.partition("=")[::2] for word in line.split()[3:])

    def send(self, raw: bytes = MESSAGE, listener: str = "smtp") -> None:
        """Send a message to it."""
        host, _, port = self.words[listener].rpartition(":")
        with smtplib.SMTP(host, int(port), timeout=20) as client:
            client.sendmail("a@example.com", ["b@example.org"], raw)

    def ended(self) -> tuple[int, str, str]:
        """Its exit status, stdout and the rest of stderr."""
        out, err = self.process.communicate(timeout=30)
        return self.process.returncode, out, err


@contextlib.contextmanager
def running(*arguments: object) -> Iterator[Running]:
    """Start ``deliverkit sink`` on a free port and wait until it listens."""
    words = ["sink", "--smtp", "127.0.0.1:0", "--closed-world", *map(str, arguments)]
    process = subprocess.Popen(
        [sys.executable, "-m", "deliverkit", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        yield Running(process)
    finally:
        process.kill()
        process.communicate()


def refused(*arguments: str) -> str:
    """The message of a run that must end with status 2."""
    result = CliRunner().invoke(cli, ["sink", "--closed-world", *arguments])
    assert result.exit_code == 2, result.output
    return result.output


def test_once_prints_the_verdict_first_and_ends(tmp_path: Path) -> None:
    """One message, one block, a status; the store holds the octets."""
    with running("--once", "--timeout", 20, "--store", tmp_path / "mail.db", "--no-color") as sink:
        sink.send()
        status, out, _ = sink.ended()
    assert out.startswith("message 1: ")
    assert "<a@example.com> to <b@example.org>: hello" in out
    assert status == 0
    inbox = Inbox(tmp_path / "mail.db")
    kept = inbox.get(1)
    inbox.close()
    assert kept is not None
    assert kept.raw == MESSAGE
    assert kept.verdict is not None


def test_a_message_with_an_error_ends_with_1_and_json() -> None:
    """A dot that was not doubled is an error; the JSON report says where."""
    with running("--expect", 1, "--timeout", 20, "--format", "json") as sink:
        host, _, port = sink.words["smtp"].rpartition(":")
        with smtplib.SMTP(host, int(port), timeout=20) as client:
            client.ehlo("c.example.com")
            client.mail("a@example.com")
            client.rcpt("b@example.org")
            client.putcmd("data")
            client.getreply()
            client.send(b"Subject: hi\r\n\r\n.hidden\r\n.\r\n")
            assert client.getreply()[0] == 250
        status, out, _ = sink.ended()
    report = json.loads(out)
    assert status == 1
    assert report["subject"]["name"] == "message 1"
    finding = next(f for f in report["findings"] if f["rule"] == "SINK001")
    assert finding["severity"] == "error"
    assert ".hidden" in finding["evidence"][0]["value"]
    assert report["facts"]["capture"]["faults"][0]["position"] == 15


def test_fail_on_never_and_spf_as_if_from_an_address(tmp_path: Path) -> None:
    """--client-ip and --dkim-zone decide SPF; --fail-on never makes findings harmless."""
    (tmp_path / "example.zone").write_text(ZONE, "utf-8")
    results = {}
    for address in ("192.0.2.7", "203.0.113.9"):
        options = ["--client-ip", address, "--dkim-zone", tmp_path / "example.zone", "--fail-on", "never"]
        with running("--once", "--timeout", 20, "--format", "jsonl", *options) as sink:
            sink.send()
            status, out, _ = sink.ended()
        assert status == 0
        results[address] = json.loads(out)["facts"]["authentication"]["spf"]["result"]
    assert results == {"192.0.2.7": "pass", "203.0.113.9": "fail"}


def test_fewer_than_expected_ends_with_3() -> None:
    """What came is shown, and how many are missing is said."""
    with running("--expect", 3, "--timeout", 2, "--quiet") as sink:
        sink.send()
        status, out, err = sink.ended()
    assert status == 3
    assert out.startswith("message 1: ")
    assert "1 of 3 messages came" in err


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_it_in_order(tmp_path: Path, number: signal.Signals, status: int) -> None:
    """Ctrl-C and SIGTERM leave the store whole and print no traceback; the report is still written."""
    with running("--store", tmp_path / "folder", "-o", tmp_path / "report.json") as sink:
        sink.send()
        sink.process.send_signal(number)
        ended, _, err = sink.ended()
    assert ended == status
    assert "Traceback" not in err
    inbox = Inbox(tmp_path / "folder")
    assert [m.raw for m in inbox.messages()] == [MESSAGE]
    inbox.close()
    assert json.loads((tmp_path / "report.json").read_text("utf-8"))["subject"]["name"] == "message 1"


def test_starttls_with_the_self_made_authority_and_exports(tmp_path: Path) -> None:
    """One command starts everything; the line on stderr names the authority to trust; exports are byte-exact."""
    import ssl

    exports = ["--export", f"maildir:{tmp_path / 'maildir'}", "--export", f"eml:{tmp_path / 'eml'}"]
    with running(
        "--starttls", "127.0.0.1:0", "--tls-dir", tmp_path / "tls", "--once", "--timeout", 20, *exports
    ) as sink:
        assert sink.words["ca"] == str(tmp_path / "tls" / "ca.pem")
        host, _, port = sink.words["starttls"].rpartition(":")
        with smtplib.SMTP(host, int(port), timeout=20) as client:
            client.starttls(context=ssl.create_default_context(cafile=sink.words["ca"]))
            client.sendmail("a@example.com", ["b@example.org"], MESSAGE)
        assert sink.ended()[0] == 0
    files = [*(tmp_path / "maildir" / "new").iterdir(), *(tmp_path / "eml").iterdir()]
    assert [file.read_bytes() for file in files] == [MESSAGE, MESSAGE]


def test_a_session_without_a_message_is_shown_and_decides_nothing() -> None:
    """A client with the wrong TLS mode: the report names the cause, the status says that nothing came."""

    async def knock(host: str, port: int) -> None:
        _, writer = await asyncio.open_connection(host, port)
        writer.write(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
        await writer.drain()
        writer.close()

    with running("--expect", 1, "--timeout", 2, "--no-color") as sink:
        host, _, port = sink.words["smtp"].rpartition(":")
        asyncio.run(knock(host, int(port)))
        status, out, _ = sink.ended()
    assert status == 3
    assert re.search(r"session of 127\.0\.0\.1:\d+: FAIL", out)
    assert "SINK014" in out


def test_what_cannot_be_opened_is_one_clear_line(tmp_path: Path) -> None:
    """Ports, stores, certificates, logins, addresses: status 2, the reason, no traceback."""
    with running() as sink:
        assert "the port is in use" in refused("--smtp", sink.words["smtp"])
    (tmp_path / "file").write_bytes(b"")
    (tmp_path / "bad.zone").write_text('$ORIGIN example.com.\n@ IN TXT "unclosed\n', "utf-8")
    any_port = ("--smtp", "127.0.0.1:0")
    cases = [
        (("--smtp", "0.0.0.0:0"), "other machines"),
        (("--smtp", "nowhere"), "ADDR:PORT"),
        (("--smtp", "192.0.2.1:0", "--allow-remote"), "no such address"),
        ((*any_port, "--store", str(tmp_path / "file")), "cannot keep messages"),
        ((*any_port, "--tls-cert", "x.pem"), "belong together"),
        (("--smtps", "127.0.0.1:0", "--tls-cert", "absent.pem", "--tls-key", "absent.pem"), "cannot read absent.pem"),
        ((*any_port, "--auth", "env:SINK_NOTHING"), "SINK_NOTHING"),
        ((*any_port, "--auth-required"), "need --auth"),
        ((*any_port, "--client-ip", "nowhere"), "no IP address"),
        ((*any_port, "--max-size", "much"), "no size"),
        ((*any_port, "--export", "mbox:x"), "maildir:DIR"),
        ((*any_port, "--export", f"eml:{tmp_path / 'file'}"), "cannot export"),
        ((*any_port, "--once", "--expect", "2"), "--once means --expect 1"),
        ((*any_port, "--zone", str(tmp_path / "bad.zone")), "bad.zone"),
    ]
    for arguments, why in cases:
        assert why in refused(*arguments)
