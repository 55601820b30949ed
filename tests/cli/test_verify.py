"""``deliverkit verify`` as a user meets it: files in, exit status and report out."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from deliverkit.cli import cli
from tests.engine.test_verify import KEY
from tests.make_messages import message, sign

NOW = "2026-11-22T10:00:00Z"
ZONE = f"""$ORIGIN example.com.
@ TXT "v=spf1 ip4:192.0.2.1 -all"
_dmarc TXT "v=DMARC1; p=reject"
s1._domainkey TXT "{KEY[:200]}" "{KEY[200:]}"
"""


@pytest.fixture
def zone(tmp_path: Path) -> Path:
    """The zone of the shop."""
    path = tmp_path / "example.com.zone"
    path.write_text(ZONE)
    return path


def run(*words: str | Path, **more: object) -> Result:
    """The verb in a closed world at a fixed time."""
    return CliRunner().invoke(cli, ["verify", "--closed-world", "--now", NOW, *map(str, words)], **more)  # type: ignore[arg-type]


def test_a_sound_message_exits_with_0(tmp_path: Path, zone: Path) -> None:
    """Judged against an unpublished zone file."""
    file = tmp_path / "sound.eml"
    file.write_bytes(sign(message()))
    result = run(file, "--zone", zone)
    assert result.exit_code == 0, result.output
    assert result.output.startswith(f"{file}: PASS")


def test_a_failing_message_exits_with_1_and_says_why(tmp_path: Path, zone: Path) -> None:
    """A foreign client, unsigned, at p=reject."""
    file = tmp_path / "forged.eml"
    file.write_bytes(message())
    result = run(file, "--zone", zone, "--client-ip", "192.0.2.9", "--helo", "evil.example")
    assert result.exit_code == 1
    assert "MSG001" in result.output
    assert "MSG025" in result.output


def test_what_cannot_be_told_exits_with_3(tmp_path: Path, zone: Path) -> None:
    """Unsigned, and no client address was given."""
    file = tmp_path / "unsigned.eml"
    file.write_bytes(message())
    result = run(file, "--zone", zone)
    assert result.exit_code == 3
    assert "no client address was given" in " ".join(result.output.split())


def test_standard_input_and_json(zone: Path) -> None:
    """``-`` and one object."""
    result = run("-", "--zone", zone, "--format", "json", input=sign(message()))
    assert result.exit_code == 0
    told = json.loads(result.output)
    assert told["subject"] == {"kind": "message", "name": "standard input"}
    assert told["facts"]["authentication"]["dkim"][0]["result"] == "pass"


def test_an_mbox_makes_one_report_a_message(tmp_path: Path, zone: Path) -> None:
    """Several subjects make a list of reports."""
    file = tmp_path / "inbox"
    mark = b"From a@example.com Sun Nov 22 10:00:00 2026\r\n"
    file.write_bytes(mark + sign(message()) + b"\r\n" + mark + message() + b"\r\n")
    told = json.loads(run(file, "--zone", zone, "--format", "json").output)
    assert [(r["subject"]["name"], r["verdict"]) for r in told["reports"]] == [
        (f"{file}#1", "pass"),
        (f"{file}#2", "unknown"),
    ]


def test_the_bulk_profile_asks_for_more(tmp_path: Path, zone: Path) -> None:
    """The same message, as bulk mail."""
    file = tmp_path / "sound.eml"
    file.write_bytes(sign(message()))
    result = run(file, "--zone", zone, "--profile", "bulk")
    assert result.exit_code == 1
    assert "MSG150" in result.output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--client-ip", "192.0.2", "mail.eml"), "--client-ip '192.0.2' is no IP address"),
        (("--now", "yesterday", "mail.eml"), "--now 'yesterday' is no time"),
        (("--profile", "spam", "mail.eml"), "--profile"),
        (("absent.eml",), "cannot read absent.eml"),
        (("empty.eml",), "empty.eml is empty"),
        (("binary.eml",), "binary.eml holds no mail message: it is binary"),
        (("folder",), "folder is a directory"),
        ((), "FILE"),
        (("mail.eml", "--zone", "absent.zone"), "absent.zone"),
    ],
)
def test_wrong_usage_exits_with_2_and_one_clear_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], said: str
) -> None:
    """No traceback, the file named."""
    monkeypatch.chdir(tmp_path)
    Path("mail.eml").write_bytes(message())
    Path("empty.eml").write_bytes(b"")
    Path("binary.eml").write_bytes(b"\x7fELF" + b"\0" * 100)
    Path("folder").mkdir()
    result = run(*words)
    assert result.exit_code == 2, result.output
    assert said in result.output
    assert "Traceback" not in result.output


def test_the_help_names_every_option() -> None:
    """Options of the contract."""
    text = CliRunner().invoke(cli, ["verify", "--help"]).output
    for option in (
        "--client-ip",
        "--helo",
        "--mail-from",
        "--profile",
        "--now",
        "--zone",
        "--closed-world",
        "--fail-on",
    ):
        assert option in text
