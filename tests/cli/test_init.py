"""``deliverkit init`` on the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from deliverkit.config import load_config
from tests.cli.command import Typed

ZONE = """$ORIGIN example.com.
@ 3600 SOA ns hostmaster 1 2 3 4 5
@ 3600 NS ns
@ 3600 MX 10 mx
@ 3600 TXT "v=spf1 mx -all"
mx 3600 A 192.0.2.1
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one zone."""
    (tmp_path / "example.com.zone").write_text(ZONE)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_it_writes_what_check_reads(deliverkit: Typed, folder: Path) -> None:
    ended = deliverkit("init", "--closed-world", "--zone", "example.com.zone")
    assert (ended.status, ended.out) == (0, "")
    told = load_config(folder / "deliverkit.toml")
    assert [s.pattern for s in told.sources] == ["example.com.zone"]
    (domain,) = told.domains
    assert (domain.name, domain.expect.spf_all, domain.expect.mx) == ("example.com", "-all", ("mx.example.com",))


def test_it_never_writes_over_a_configuration_unasked(deliverkit: Typed, folder: Path) -> None:
    (folder / "deliverkit.toml").write_text("# mine\n")
    ended = deliverkit("init", "example.com", "--closed-world")
    assert ended.status == 2
    assert "is there already" in ended.err
    assert (folder / "deliverkit.toml").read_text() == "# mine\n"
    assert deliverkit("init", "example.com", "--closed-world", "--force").status == 0


def test_standard_output(deliverkit: Typed, folder: Path) -> None:
    ended = deliverkit("init", "example.net", "--closed-world", "-o", "-")
    assert ended.status == 0
    assert '[domains."example.net"]' in ended.out
    assert not (folder / "deliverkit.toml").exists()


def test_what_is_wrong_is_said(deliverkit: Typed, folder: Path) -> None:
    assert "empty label" in deliverkit("init", "a..b", "--closed-world").err
    (folder / "example.com.zone").write_text(ZONE + "@ MX\n")
    ended = deliverkit("init", "--closed-world")
    assert ended.status == 2
    assert "example.com.zone:7" in ended.err
    (folder / "example.com.zone").unlink()
    assert "name the domains to check" in deliverkit("init", "--closed-world").err
