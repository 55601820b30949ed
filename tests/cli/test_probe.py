"""The probe verb: options, usage errors, formats and exit statuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from deliverkit.cli.probe import probe
from tests.loopback.authority import Authority


def run(*args: str) -> Result:
    """The verb in this process, without a socket."""
    return CliRunner().invoke(probe, ["--offline", *args])


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["mx.example.com:2525"], "no customary role"),
        (["--ports", "25,x", "mx.example.com"], "not a port number"),
        (["--ports", "²5", "mx.example.com"], "not a port number"),
        (["--control", "mx.example.com:99999", "mx.example.com"], "expected HOST:PORT"),
        (["--control", "mx.example.com:²", "mx.example.com"], "expected HOST:PORT"),
        (["--name", "a b", "mx.example.com"], "not a domain name"),
        (["--helo", "a\nb", "mx.example.com"], "--helo"),
        (["--control", "somewhere", "mx.example.com"], "expected HOST:PORT"),
        (["--ca-file", "/nowhere.pem", "mx.example.com"], "does not exist"),
        ([], "Missing argument"),
    ],
)
def test_usage_errors(args: list[str], words: str) -> None:
    """Status 2 and one clear line."""
    result = run(*args)
    assert result.exit_code == 2
    assert words in result.output


def test_a_ca_file_without_certificates_is_a_usage_error(tmp_path: Path) -> None:
    """Not a verdict about a server."""
    file = tmp_path / "empty.pem"
    file.write_text("nothing here")
    result = run("--ca-file", str(file), "192.0.2.1:25")
    assert result.exit_code == 2
    assert "no certificates" in result.output


def test_offline_is_the_users_choice(tmp_path: Path) -> None:
    """Every port is listed as not asked, and the status is 0."""
    ca_file = Authority().write_root(tmp_path)
    result = run("--format", "json", "--ca-file", str(ca_file), "192.0.2.1", "[2001:db8::1]:587")
    assert result.exit_code == 0
    reports = json.loads(result.output)["reports"]
    assert [[row["port"] for row in one["facts"]["ports"]] for one in reports] == [[25, 465, 587], [587]]
    row = reports[0]["facts"]["ports"][0]
    assert (row["role"], row["reachable"], row["mode"], row["mode_expected"]) == ("mx", None, "unknown", "starttls")


def test_help_tells_every_option() -> None:
    """What the contract names is there."""
    text = run("--help").output
    for option in ("--ports", "--name", "--ca-file", "--deep", "--relay-test", "--format", "--zone", "--allow-private"):
        assert option in text
