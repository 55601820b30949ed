"""The doctor against Postfix with Dovecot's SASL, both real: the right login is climbed over, a wrong one stops it."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.loopback.authority import Authority
from tests.peers.addresses import own_network
from tests.peers.dovecotd import Dovecot
from tests.peers.postfix import Endpoint, Postfix
from tests.peers.test_ladder import PASSWORD, USER, broke, examined, live_rules, written

pytestmark = [pytest.mark.peer("postfix"), pytest.mark.peer("dovecot")]

HOST = f"{own_network()}1"


@pytest.fixture(scope="module")
def ca_file() -> Iterator[str]:
    """Postfix on 587 and 465 with logins by Dovecot; the file of the authority that signed its certificate."""
    authority = Authority()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="deliverkit-dovecot-")))
        folder.chmod(0o755)
        chain, key = authority.issue(HOST).write(folder, "good")
        dovecot = Dovecot(folder / "auth", USER, PASSWORD)
        stack.callback(dovecot.stop)
        dovecot.start()
        settings = {
            "smtpd_sasl_auth_enable": "yes",
            "smtpd_sasl_type": "dovecot",
            "smtpd_sasl_path": str(dovecot.socket),
            "smtpd_relay_restrictions": "permit_sasl_authenticated, reject_unauth_destination",
            "smtpd_tls_auth_only": "yes",
            "smtpd_tls_chain_files": f"{key}, {chain}",
            "smtpd_tls_security_level": "may",
        }
        postfix = Postfix(
            folder / "instance",
            [Endpoint(HOST, 587, settings), Endpoint(HOST, 465, {**settings, "smtpd_tls_wrappermode": "yes"})],
        )
        stack.callback(postfix.stop)
        postfix.start()
        yield str(authority.write_root(folder))


@pytest.mark.parametrize(("port", "secure"), [(587, ""), (465, "yes")])
def test_the_right_login_is_climbed_over(tmp_path: Path, ca_file: str, port: int, secure: str) -> None:
    """Up to MAIL FROM, without a finding."""
    report = examined(written(tmp_path, SMTP_HOST=HOST, SMTP_PORT=port, SMTP_SECURE=secure), ca_file)
    assert ("AUTH", True) in [(step.name, step.ok) for step in report.facts["steps"]]
    assert broke(report) == ("MAIL FROM", True)
    assert live_rules(report) == []


def test_a_wrong_password_stops_at_the_login(tmp_path: Path, ca_file: str) -> None:
    """Dovecot's refusal, as Postfix tells it: 535, and which variable to change."""
    report = examined(written(tmp_path, SMTP_HOST=HOST, SMTP_PASS="another word"), ca_file)
    assert broke(report) == ("AUTH", False)
    assert live_rules(report) == ["SET109"]
    [found] = [f for f in report.findings if f.rule == "SET109"]
    assert "535" in found.detail and "SMTP_PASS" in found.fix.text
