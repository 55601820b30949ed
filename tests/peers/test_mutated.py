"""OpenDKIM and the mutated messages: what we say was changed after signing, or signed wrongly, it does not accept."""

from __future__ import annotations

from pathlib import Path

import pytest

from deliverkit.protocols.dkim.keys import load_private_key
from tests.mutated_messages import CAUSES
from tests.peers.run import run

FIXTURES = Path(__file__).parents[2] / "fixtures"


@pytest.mark.peer("opendkim")
def test_opendkim_refuses_the_mutated_and_accepts_what_they_were(tmp_path: Path) -> None:
    """One run over all of them, and over the message that most of them were made of."""
    record = load_private_key(FIXTURES / "keys" / "test-only-rsa2048.pem").record
    (tmp_path / "keys").write_text(f"s1._domainkey.example.com {record}\n")
    settings = {"RequireSafeKeys": "no", "Mode": "v", "Syslog": "no", "TestPublicKeys": tmp_path / "keys"}
    (tmp_path / "opendkim.conf").write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
    files = {name: FIXTURES / "messages" / f"mutated-{name}.eml" for name in CAUSES}
    files["original"] = FIXTURES / "messages" / "signed.eml"
    done = run(["opendkim", "-x", tmp_path / "opendkim.conf", "-t", ",".join(map(str, files.values()))])
    said = (done.stdout + done.stderr).decode().splitlines()
    good = {name for name, path in files.items() if any(str(path) in s and s.endswith("succeeded") for s in said)}
    failed = {name for name, path in files.items() if any(str(path) in s and "verification" in s for s in said)} - good
    assert good == {"original"}
    assert failed == set(CAUSES)
