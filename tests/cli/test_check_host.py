"""``deliverkit check-host`` and ``show spf`` as a user runs them: text, JSON and exit status."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from deliverkit.cli import cli

ZONE = """\
$ORIGIN example.com.
@     TXT "v=spf1 include:_spf.example.com -all"
_spf  TXT "v=spf1 ip4:192.0.2.0/24 -all"
"""


@pytest.fixture
def zone(tmp_path: Path) -> Path:
    """A zone file with a sound record."""
    path = tmp_path / "example.com.zone"
    path.write_text(ZONE, "utf-8")
    return path


def run(*words: str) -> Result:
    """One run in a closed world."""
    return CliRunner().invoke(cli, [*words, "--closed-world"])


def test_pass_prints_the_path_that_matched(zone: Path) -> None:
    """Exit status 0; the path is an indented tree."""
    done = run("check-host", "--client-ip", "192.0.2.7", "--mail-from", "a@example.com", "--zone", str(zone))
    assert done.exit_code == 0, done.output
    assert "  → include:_spf.example.com  match\n" in done.output
    assert "    → ip4:192.0.2.0/24  match\n" in done.output


def test_fail_exits_with_one_and_json_holds_the_trace(zone: Path) -> None:
    """The JSON has the result and every step."""
    words = ("check-host", "--client-ip", "203.0.113.7", "--mail-from", "a@example.com", "--helo", "mx.example.net")
    done = run(*words, "--zone", str(zone), "--format", "json")
    assert done.exit_code == 1
    shown = json.loads(done.output)
    assert shown["facts"]["check_host"]["result"] == "fail"
    assert shown["facts"]["check_host"]["matched"] == ["-all"]
    assert shown["findings"][0]["rule"] == "SPF042"
    assert run(*words, "--zone", str(zone), "--fail-on", "never").exit_code == 0


def test_no_address_is_a_usage_error() -> None:
    """Exit status 2, with what was wrong."""
    done = run("check-host", "--client-ip", "nowhere", "--mail-from", "a@example.com")
    assert done.exit_code == 2 and "'nowhere' is no IPv4 or IPv6 address" in done.output


def test_offline_nothing_can_be_told() -> None:
    """Exit status 3: nobody was asked."""
    done = CliRunner().invoke(
        cli, ["check-host", "--client-ip", "192.0.2.1", "--mail-from", "a@example.com", "--offline"]
    )
    assert done.exit_code == 3 and "temperror" in done.output


def test_show_spf_prints_the_tree(zone: Path) -> None:
    """The lookup tree without opinions."""
    done = run("show", "spf", "example.com", "--zone", str(zone))
    assert done.exit_code == 0
    assert "   1   1  ├ include:_spf.example.com\n            │ ├ ip4:192.0.2.0/24\n" in done.output
    assert "worst path: 1 of 10 lookups, 0 void" in done.output
