"""The probe against a real Postfix in all three roles, with good certificates and bad ones, at one instance."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deliverkit.engine.probe import ProbeOptions, probe
from deliverkit.facts.vantage import Vantage
from deliverkit.report.model import Report
from deliverkit.smtp.client import Envelope, Submission, submit_flow
from deliverkit.world import World
from deliverkit.world.smtp import LiveSmtp
from deliverkit.world.table import offline_world
from tests.loopback.authority import Authority, Issued
from tests.peers.postfix import Endpoint, Postfix

pytestmark = pytest.mark.peer("postfix")

NAME = "mail.example.test"
FIRST_PORT = 28125


@dataclass(frozen=True)
class Case:
    """One endpoint: its settings, the certificate it shows, the role it is probed in, and the grave findings."""

    role: str
    certificate: str
    settings: dict[str, str]
    findings: frozenset[str]


MAY = {"smtpd_tls_security_level": "may"}
MUST = {"smtpd_tls_security_level": "encrypt"}
WRAPPED = {"smtpd_tls_wrappermode": "yes", "smtpd_tls_security_level": "encrypt"}
NO_LOGIN = "SMTP008"  # this Postfix has no password store

CASES = {
    "mx": Case("mx", "good", MAY, frozenset()),
    "mx without STARTTLS": Case("mx", "good", {"smtpd_tls_security_level": "none"}, frozenset({"TLS004"})),
    "mx expired": Case("mx", "expired", MAY, frozenset({"TLS021"})),
    "mx self-signed": Case("mx", "self-signed", MAY, frozenset()),
    "submission": Case("submission", "good", MUST, frozenset({NO_LOGIN})),
    "submission without STARTTLS": Case(
        "submission", "good", {"smtpd_tls_security_level": "none"}, frozenset({"TLS002"})
    ),
    "submission expired": Case("submission", "expired", MUST, frozenset({NO_LOGIN, "TLS010"})),
    "submission self-signed": Case("submission", "self-signed", MUST, frozenset({NO_LOGIN, "TLS012"})),
    "submission other name": Case("submission", "other name", MUST, frozenset({NO_LOGIN, "TLS015"})),
    "submission without intermediate": Case("submission", "no chain", MUST, frozenset({NO_LOGIN, "TLS013"})),
    "submission with implicit TLS": Case("submission", "good", WRAPPED, frozenset({NO_LOGIN, "TLS003"})),
    "submissions": Case("submissions", "good", WRAPPED, frozenset({NO_LOGIN})),
    "submissions in the clear": Case("submissions", "good", MAY, frozenset({"TLS001"})),
    "submissions not yet valid": Case("submissions", "not yet", WRAPPED, frozenset({NO_LOGIN, "TLS011"})),
}
PORTS = {name: FIRST_PORT + number for number, name in enumerate(CASES)}


@pytest.fixture(scope="module")
def authority() -> Authority:
    """The authority the probe trusts."""
    return Authority()


@pytest.fixture(scope="module")
def ca_file(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Its root."""
    return str(authority.write_root(tmp_path_factory.mktemp("root")))


@pytest.fixture(scope="module", autouse=True)
def postfix(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postfix]:
    """One instance with every endpoint."""
    folder = tmp_path_factory.mktemp("postfix")
    folder.chmod(0o755)
    issued: dict[str, Issued] = {
        "good": authority.issue(NAME),
        "expired": authority.issue(NAME, start=-60, end=-3),
        "not yet": authority.issue(NAME, start=3),
        "self-signed": authority.self_signed(NAME),
        "other name": authority.issue("www.example.test"),
        "no chain": authority.issue(NAME, with_intermediate=False),
    }
    files = {name: one.write(folder, name.replace(" ", "-")) for name, one in issued.items()}
    endpoints = [
        Endpoint("127.0.0.1", PORTS[name], {**case.settings, "smtpd_tls_chain_files": _files(*files[case.certificate])})
        for name, case in CASES.items()
    ]
    server = Postfix(folder / "instance", endpoints)
    try:
        server.start()
        yield server
    finally:
        server.stop()


def _files(chain: Path, key: Path) -> str:
    return f"{key},{chain}"


def probed(name: str, **options: Any) -> Report:
    """The report of one endpoint."""

    async def work() -> Report:
        world = World(offline_world().dns, LiveSmtp(), Vantage("live"))
        chosen = ProbeOptions(name=NAME, greeting_s=2, reply_s=5, controls=(), **options)
        return (await probe([f"127.0.0.1:{PORTS[name]}/{CASES[name].role}"], world=world, options=chosen))[0]

    return asyncio.run(work())


@pytest.mark.parametrize("name", CASES)
def test_what_postfix_was_told_to_be_is_what_is_found(name: str, ca_file: str) -> None:
    """Warnings and errors are exactly those of the endpoint's fault."""
    report = probed(name, ca_file=ca_file)
    assert {f.rule for f in report.findings if f.severity != "note"} == CASES[name].findings
    assert not any(one.decisive for one in report.inconclusive)


def test_postfix_enforces_tls_and_refuses_to_relay(ca_file: str) -> None:
    """Deeply asked: 530 before STARTTLS, and no relay for strangers."""
    report = probed("submission", ca_file=ca_file, deep=True, relay_test=True)
    (row,) = report.facts["ports"]
    assert row.mail_in_clear.startswith("530 5.7.0 Must issue a STARTTLS")
    assert row.relay.startswith("554 5.7.1")
    assert {f.rule for f in report.findings if f.severity == "error"} == set()


def test_postfix_takes_what_we_send(ca_file: str) -> None:
    """Two messages over one connection, pipelined, under TLS; dots at the beginning of lines survive."""

    async def work() -> Any:
        submission = Submission("127.0.0.1", PORTS["mx"], verify_name=NAME, ca_file=ca_file, helo="client.example.test")
        content = b"From: a@example.test\r\nSubject: x\r\n\r\n.\r\n..dots\r\n"
        envelopes = [Envelope("a@example.test", ("b@example.test",), content) for _ in range(2)]
        envelopes.append(Envelope("a@example.test", ("b@elsewhere.example",), content))
        return (await LiveSmtp().converse(submit_flow(submission, envelopes)))[0]

    result = asyncio.run(work())
    assert [delivery.accepted for delivery in result.deliveries] == [True, True, False]
    assert "554 5.7.1" in str(result.deliveries[2].problem)
    assert result.tls.trusted
    assert result.tls.name_matches
