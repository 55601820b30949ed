"""The start stays lean: a verb imports what it needs, and an audit of zone files needs little."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ZONE = """\
$ORIGIN example.com.
$TTL 300
@ MX 10 mx
@ TXT "v=spf1 mx include:_spf.example.com -all"
_spf TXT "v=spf1 ip4:192.0.2.0/24 -all"
mx A 192.0.2.1
_dmarc TXT "v=DMARC1; p=reject; rua=mailto:dmarc@example.com"
s1._domainkey TXT "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
"""
LIBRARIES = ("aiosmtpd", "cryptography", "dkim", "dns", "jinja2", "nacl", "tabulate")
STANDARD = (
    "asyncio", "concurrent", "difflib", "email", "http", "importlib.metadata", "logging", "multiprocessing",
    "shlex", "smtplib", "socket", "sqlite3", "ssl", "subprocess", "tempfile", "tomllib", "zipfile",
)  # fmt: skip
OURS = tuple(
    f"deliverkit.{room}" for room in (
        "aio", "demo", "sink", "smtp",
        "engine.probe", "engine.send", "engine.verify", "facts.inspected", "facts.message",
        "protocols.dkim.verify", "protocols.dmarc.align", "protocols.spf.evaluate",
        "report.html", "rules.message", "rules.send", "rules.sink",
        "world.budget", "world.dns", "world.live", "world.smtp",
    )
)  # fmt: skip
CODE = """\
import json, sys
from deliverkit.cli import cli
try:
    status = cli.main(json.loads(sys.argv[1]), prog_name="deliverkit", standalone_mode=False)
except SystemExit as end:
    status = end.code
print(json.dumps([status, list(sys.modules)]), file=sys.stderr)
"""


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, frozenset[str]]:
    """What an audit of a zone file printed, and the modules it imported."""
    zone: Path = tmp_path_factory.mktemp("zone") / "example.com.zone"
    zone.write_text(ZONE)
    arguments = ["audit", "example.com", "--no-probe", "--offline", "--fail-on", "never", "--zone", str(zone)]
    done = subprocess.run(
        [sys.executable, "-c", CODE, json.dumps(arguments)], capture_output=True, text=True, timeout=60, check=True
    )
    status, modules = json.loads(done.stderr)
    assert status == 0
    return done.stdout, frozenset(modules)


def _loaded(modules: frozenset[str], packages: tuple[str, ...]) -> list[str]:
    return sorted(m for m in modules if any(m == p or m.startswith(f"{p}.") for p in packages))


def test_the_audit_was_a_whole_one(audited: tuple[str, frozenset[str]]) -> None:
    """Nothing is saved by leaving work out: every protocol was looked at."""
    said, modules = audited
    assert "example.com: " in said
    assert {
        f"deliverkit.facts.{p}" for p in ("bimi", "dkim", "dmarc", "mtasts", "mx", "ptr", "spf", "tlsrpt")
    } < modules


@pytest.mark.parametrize("unneeded", [LIBRARIES, STANDARD, OURS], ids=["libraries", "standard-library", "rooms"])
def test_an_audit_of_zone_files_imports_no_more_than_it_needs(
    audited: tuple[str, frozenset[str]], unneeded: tuple[str, ...]
) -> None:
    """No library but click, no event loop, and none of the rooms that speak SMTP or judge messages."""
    assert _loaded(audited[1], unneeded) == []


def test_a_check_of_zone_files_imports_no_event_loop(tmp_path: Path) -> None:
    """Nor a library, nor what speaks to servers: a repository is checked at every commit."""
    (tmp_path / "example.com.zone").write_text(ZONE)
    (tmp_path / "deliverkit.toml").write_text(
        'sources = "*.zone"\nworld = "offline"\n[defaults.expect]\nspf = "pass"\n'
    )
    told = ["check", "--config", str(tmp_path / "deliverkit.toml"), "--fail-on", "never"]
    done = subprocess.run(
        [sys.executable, "-c", CODE, json.dumps(told)], capture_output=True, text=True, timeout=60, check=True
    )
    status, modules = json.loads(done.stderr)
    assert status == 0
    assert "Sound: " in done.stdout
    unneeded = {*STANDARD, *LIBRARIES} - {"difflib", "tomllib"}  # a configuration is TOML
    assert _loaded(frozenset(modules), (*unneeded, "deliverkit.smtp.client", "deliverkit.engine.probe")) == []
