"""Ctrl-C and readers that went away: the right status, what was found so far, and no noise."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path

import jsonschema
import pytest

from tests.cli.command import ROOT, start

SCHEMA = jsonschema.Draft202012Validator(json.loads((ROOT / "docs" / "report.schema.json").read_text("utf-8")))
MESSAGE = ROOT / "fixtures" / "messages" / "signed.eml"
WAIT = 30


class Silence:
    """A name server and a mail server on one port that take what comes and never answer."""

    def __init__(self) -> None:
        self.mail = socket.create_server(("127.0.0.1", 0))
        self.names = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.names.bind(self.mail.getsockname())
        self.mail.settimeout(WAIT)
        self.names.settimeout(WAIT)
        self.address = f"127.0.0.1:{self.mail.getsockname()[1]}"
        self.callers: list[socket.socket] = []

    def asked(self) -> None:
        """Wait until a question came."""
        self.names.recv(4096)

    def asked_again(self) -> None:
        """Wait until a question was repeated: whatever needed no answer is long done by then."""
        seen: set[bytes] = set()
        while (question := self.names.recv(4096)[12:].lower()) not in seen:
            seen.add(question)

    def called(self) -> None:
        """Wait until a connection was made, and hold it."""
        self.callers.append(self.mail.accept()[0])

    def close(self) -> None:
        """Let go of everything."""
        for one in (*self.callers, self.mail, self.names):
            one.close()


@pytest.fixture
def silence() -> Iterator[Silence]:
    """Something to wait for."""
    made = Silence()
    yield made
    made.close()


def interrupt(process: subprocess.Popen[bytes]) -> tuple[str, str]:
    """Press Ctrl-C; the program must end with 130 and without a traceback. What it said."""
    process.send_signal(signal.SIGINT)
    out, err = (octets.decode() for octets in process.communicate(timeout=WAIT))
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert "a fault of ours" not in err
    return out, err


def test_an_audit_of_many_writes_what_was_found(folder: Path, silence: Silence) -> None:
    """A domain of a zone file is done, others wait for a resolver: each has its report in the file."""
    words = ("audit", "example.com", "slow.example", "slower.example", "--only", "spf", "--zone", "good.zone")
    process = start(*words, "--nameserver", silence.address, "-o", "reports.json", cwd=folder)
    silence.asked_again()
    assert interrupt(process)[0] == ""
    whole = json.loads((folder / "reports.json").read_text("utf-8"))
    SCHEMA.validate(whole)
    names = [(one["subject"]["name"], one["verdict"]) for one in whole["reports"]]
    assert names == [("example.com", "pass"), ("slow.example", "unknown"), ("slower.example", "unknown")]
    assert all(one["interrupted"] for one in whole["reports"])


def test_a_probe_writes_the_ports_that_were_seen(folder: Path, silence: Silence) -> None:
    """One refuses, two keep us waiting; two at a time are visited, so the second call tells that the first is done."""
    targets = ("127.0.0.1:1/mx", f"{silence.address}/mx", f"{silence.address}/submission")
    process = start("probe", *targets, "--control", "none", "--format", "jsonl", cwd=folder)
    silence.called()
    silence.called()
    seen, waiting, _ = (json.loads(line) for line in interrupt(process)[0].splitlines())
    assert seen["facts"]["ports"][0]["reachable"] is False
    assert waiting["facts"]["ports"][0]["reachable"] is None
    assert waiting["interrupted"]
    assert "interrupted" in waiting["inconclusive"][0]["reason"]


def test_a_verification_names_the_message_under_way(folder: Path, silence: Silence) -> None:
    """Its DNS never answers."""
    process = start("verify", MESSAGE, "-q", "--nameserver", silence.address, cwd=folder)
    silence.asked()
    out, err = interrupt(process)
    assert out == f"{MESSAGE}: UNKNOWN   nothing found; 1 could not be told; interrupted\n"
    assert err.strip() == ""


def test_a_question_about_one_record_ends_quietly(folder: Path, silence: Silence) -> None:
    """Nothing was found yet, so nothing is written."""
    process = start("show", "spf", "example.com", "--nameserver", silence.address, cwd=folder)
    silence.asked()
    out, err = interrupt(process)
    assert (out, err.strip()) == ("", "")


def test_a_sink_writes_its_reports(folder: Path) -> None:
    """Here none; the file is there all the same. Messages and SIGTERM are tested in test_sink.py."""
    process = start("sink", "--smtp", "127.0.0.1:0", "-o", "sink.json", cwd=folder)
    assert process.stderr is not None
    assert b"listening" in process.stderr.readline()
    interrupt(process)
    assert json.loads((folder / "sink.json").read_text("utf-8")) == {"reports": []}


def test_a_demo_leaves_nothing_behind(folder: Path) -> None:
    """No half of a page, no temporary folder."""
    (folder / "temporary").mkdir()
    process = start("demo", cwd=folder, environment={"TMPDIR": str(folder / "temporary")})
    assert process.stdout is not None
    while b"audit" not in (line := process.stdout.readline()):
        assert line, "the demo ended before its first step"
    interrupt(process)
    assert not (folder / "deliverkit-demo.html").exists()
    assert list((folder / "temporary").iterdir()) == []


@pytest.mark.parametrize("format_", ["text", "json", "html"])
def test_a_reader_that_took_what_it_wanted(folder: Path, format_: str) -> None:
    """`| head -1`: no noise, and the status a shell gives a broken pipe, not the one of a finding."""
    domains = [f"d{number}.example" for number in range(120)]
    words = ("audit", "--closed-world", "--no-probe", "--format", format_, *domains)
    process = start(*words, cwd=folder)
    assert process.stdout is not None
    assert process.stdout.readline()
    process.stdout.close()
    assert process.stderr is not None
    assert process.stderr.read() == b""
    process.stderr.close()
    assert process.wait(WAIT) == 141
