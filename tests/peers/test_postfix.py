"""The probe against a real Postfix in its three roles: what it was told to be is what is found, fault by fault.

One instance with an address a host, each listening on 25, 587 and 465 as real hosts do.
"""

from __future__ import annotations

import asyncio
import json
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deliverkit.engine.probe import ProbeOptions, probe
from deliverkit.facts.host import PortFacts
from deliverkit.facts.vantage import Vantage
from deliverkit.findings import Severity
from deliverkit.report.model import Report
from deliverkit.world import World
from deliverkit.world.smtp import LiveSmtp
from deliverkit.world.table import offline_world
from tests.loopback.authority import Authority, Issued
from tests.peers.addresses import own_network
from tests.peers.dovecot import MECHANISMS, LoginServer
from tests.peers.postfix import Endpoint, Postfix
from tests.peers.run import run

pytestmark = pytest.mark.peer("postfix")

NAME = "mx.example.test"
NETWORK = own_network()
Settings = dict[str, str]

MX: Settings = {"smtpd_tls_security_level": "may"}
SUBMISSION: Settings = {
    "smtpd_tls_security_level": "encrypt",
    "smtpd_tls_auth_only": "yes",
    "smtpd_sasl_auth_enable": "yes",
    "smtpd_sasl_type": "dovecot",
    "smtpd_relay_restrictions": "permit_sasl_authenticated, reject_unauth_destination",
}
SUBMISSIONS = {**SUBMISSION, "smtpd_tls_wrappermode": "yes"}
USUAL = {25: MX, 587: SUBMISSION, 465: SUBMISSIONS}
CLEAR: Settings = {"smtpd_tls_security_level": "none"}
OLD: Settings = {"smtpd_tls_protocols": "TLSv1.1", "smtpd_tls_mandatory_protocols": "TLSv1.1"}


@dataclass(frozen=True)
class Host:
    """A host: the certificate it shows, the settings of its ports, and what must be found on each.

    ``expected`` maps a port to its errors and warnings; ``notes`` to notes that must be among the findings.
    """

    certificate: str
    ports: dict[int, Settings]
    expected: dict[int, set[str]]
    notes: dict[int, set[str]]


def shows(certificate: str, mx: str | None, submission: str, note: str | None = None) -> Host:
    """A host that is well but for its certificate."""
    expected = {25: {mx} if mx else set(), 587: {submission}, 465: {submission}}
    return Host(certificate, USUAL, expected, {25: {note}} if note else {})


def misses(port: int, settings: Settings, *rules: str, certificate: str = "good") -> Host:
    """A host with one port, and what is wrong with it."""
    return Host(certificate, {port: settings}, {port: set(rules)}, {})


HOSTS = {
    "sound": Host("good", USUAL, {25: set(), 587: set(), 465: set()}, {}),
    "expired": shows("expired", "TLS021", "TLS010"),
    "not yet valid": shows("not-yet", "TLS021", "TLS011"),
    "other name": shows("other-name", None, "TLS015", "TLS022"),
    "self-signed": shows("self-signed", None, "TLS012", "TLS020"),
    "without intermediate": shows("no-chain", None, "TLS013", "TLS020"),
    "unknown authority": shows("stranger", None, "TLS014", "TLS020"),
    "RSA 1024": shows("rsa-1024", "TLS023", "TLS016"),
    "25 without STARTTLS": misses(25, CLEAR, "TLS004"),
    "25 of TLS 1.1": misses(25, {**MX, **OLD}, "TLS032", certificate="rsa-2048"),
    "25 that greets with a refusal": misses(
        25, {**MX, "smtpd_client_restrictions": "reject", "smtpd_delay_reject": "no"}, "SMTP005"
    ),
    "587 without STARTTLS": misses(587, {**SUBMISSION, **CLEAR, "smtpd_tls_auth_only": "no"}, "TLS002"),
    "587 with AUTH in the clear": misses(587, {**SUBMISSION, **MX, "smtpd_tls_auth_only": "no"}, "SMTP007"),
    "587 without AUTH": misses(587, {"smtpd_tls_security_level": "encrypt"}, "SMTP008"),
    "587 with implicit TLS": misses(587, SUBMISSIONS, "TLS003"),
    "587 of TLS 1.1": misses(587, {**SUBMISSION, **OLD}, "TLS031", certificate="rsa-2048"),
    "587 with a key that is not the certificate's": misses(587, SUBMISSION, "TLS006", certificate="mismatched"),
    "465 in the clear": misses(465, SUBMISSION, "TLS001"),
    "587 that takes MAIL before TLS": misses(587, {**SUBMISSION, **MX}),
    "25 that relays": misses(25, {**MX, "smtpd_relay_restrictions": "permit_mynetworks, reject_unauth_destination"}),
}
ADDRESSES = {name: f"{NETWORK}{number}" for number, name in enumerate(HOSTS, 1)}


@pytest.fixture(scope="module")
def authority() -> Authority:
    """The authority the probe trusts."""
    return Authority()


@pytest.fixture(scope="module")
def ca_file(authority: Authority, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Its root."""
    return str(authority.write_root(tmp_path_factory.mktemp("root")))


def certificates(authority: Authority) -> dict[str, Issued]:
    """Good ones and bad ones."""
    good = authority.issue(NAME)
    return {
        "good": good,
        "expired": authority.issue(NAME, start=-60, end=-3),
        "not-yet": authority.issue(NAME, start=3),
        "other-name": authority.issue("www.example.test"),
        "self-signed": authority.self_signed(NAME),
        "no-chain": authority.issue(NAME, with_intermediate=False),
        "stranger": Authority(name="Stranger").issue(NAME),
        "rsa-1024": authority.issue(NAME, key="rsa1024"),
        "rsa-2048": authority.issue(NAME, key="rsa2048"),
        "mismatched": Issued(good.certificate, authority.issue(NAME, key="ec-other").key, good.chain),
    }


@pytest.fixture(scope="module", autouse=True)
def postfix(authority: Authority) -> Iterator[Postfix]:
    """One instance with every host."""
    with tempfile.TemporaryDirectory(prefix="deliverkit-postfix-") as name:
        folder = Path(name)
        folder.chmod(0o755)
        files = {name: one.write(folder, name) for name, one in certificates(authority).items()}
        endpoints = []
        for name, host in HOSTS.items():
            chain, key = files[host.certificate]
            own = {"smtpd_tls_chain_files": f"{key}, {chain}", "smtpd_sasl_path": str(folder / "login")}
            if name == "25 that relays":
                own["mynetworks"] = "127.0.0.0/8"
            endpoints += [Endpoint(ADDRESSES[name], port, {**own, **told}) for port, told in host.ports.items()]
        server = Postfix(folder / "instance", endpoints)
        with LoginServer(folder / "login", "ann@example.test", "secret"):
            try:
                server.start()
                yield server
            finally:
                server.stop()


def probed(name: str, **options: Any) -> Report:
    """The report on one host."""

    async def work() -> Report:
        world = World(offline_world().dns, LiveSmtp(), Vantage("live"))
        ports = tuple(HOSTS[name].ports)
        chosen = ProbeOptions(ports=ports, name=NAME, greeting_s=2, reply_s=5, controls=(), **options)
        return (await probe([ADDRESSES[name]], world=world, options=chosen))[0]

    return asyncio.run(work())


def row(report: Report, port: int = 587) -> PortFacts:
    """What was seen on a port."""
    found: PortFacts = next(one for one in report.facts["ports"] if one.port == port)
    return found


@pytest.mark.parametrize("name", HOSTS)
def test_what_postfix_was_told_to_be_is_what_is_found(name: str, ca_file: str) -> None:
    """Errors and warnings of each port are exactly those of the host's fault, and nothing is left open."""
    report = probed(name, ca_file=ca_file)
    for port, expected in HOSTS[name].expected.items():
        found = [f for f in report.findings if f.subject == f"{ADDRESSES[name]}:{port}"]
        assert {f.rule for f in found if f.severity is not Severity.NOTE} == expected
        assert HOSTS[name].notes.get(port, set()) <= {f.rule for f in found if f.severity is Severity.NOTE}
    assert not any(one.decisive for one in report.inconclusive)


def test_the_rows_of_a_sound_host(ca_file: str) -> None:
    """Modes, TLS, the chain, and AUTH under TLS only, in all three roles."""
    report = probed("sound", ca_file=ca_file)
    assert report.verdict == "pass"
    modes = {25: "starttls", 587: "starttls", 465: "implicit"}
    for port, mode in modes.items():
        seen = row(report, port)
        assert (seen.mode, seen.mode_expected, seen.auth_in_clear) == (mode, mode, ())
        assert seen.greeting.startswith(f"220 {NAME} ESMTP")
        assert set(seen.auth) == (set() if port == 25 else set(MECHANISMS))
        assert seen.tls is not None
        assert (seen.tls.version, seen.tls.trusted, seen.tls.name_matches) == ("TLSv1.3", True, True)
        assert [one.subject for one in seen.tls.issuers] == ["CN=Test Intermediate"]


def test_offered_is_not_trusted_is_not_named(ca_file: str) -> None:
    """With a bad certificate STARTTLS is offered and the handshake works; trust and name are facts of their own."""
    expired, other = row(probed("expired", ca_file=ca_file)), row(probed("other name", ca_file=ca_file))
    for seen, trusted, matches in ((expired, False, True), (other, True, False)):
        assert (seen.starttls, seen.tls_error) == (True, None)
        assert seen.tls is not None
        assert (seen.tls.trusted, seen.tls.name_matches) == (trusted, matches)


def test_587_that_enforces_tls(ca_file: str) -> None:
    """530 to MAIL before STARTTLS; under TLS the stranger gets no relay."""
    report = probed("sound", ca_file=ca_file, deep=True, relay_test=True)
    assert row(report).mail_in_clear.startswith("530 5.7.0 Must issue a STARTTLS")
    for port in USUAL:
        assert row(report, port).relay.startswith("554 5.7.1")
    assert "SMTP010" not in {f.rule for f in report.findings}
    assert report.verdict == "pass"


def test_587_that_takes_mail_before_tls(ca_file: str) -> None:
    """TLS offered and not demanded is a note, and only when deeply asked."""
    report = probed("587 that takes MAIL before TLS", ca_file=ca_file, deep=True)
    assert row(report).mail_in_clear.startswith("250 ")
    assert "SMTP010" in {f.rule for f in report.findings}


def test_an_open_relay_is_an_error(ca_file: str) -> None:
    """250 to RCPT for a stranger, from a stranger."""
    report = probed("25 that relays", ca_file=ca_file, relay_test=True)
    assert {f.rule for f in report.findings if f.severity is Severity.ERROR} == {"SMTP009"}


def test_the_command_says_the_same(ca_file: str) -> None:
    """`deliverkit probe` of a sound host and of an expired one: status 0 and 1, JSON on standard output."""
    for name, status, verdict in (("sound", 0, "pass"), ("expired", 1, "fail")):
        options = ["--name", NAME, "--ca-file", ca_file, "--format", "json"]
        done = run([sys.executable, "-m", "deliverkit", "probe", ADDRESSES[name], *options])
        assert done.returncode == status, done.stderr
        told = json.loads(done.stdout)
        assert told["verdict"] == verdict
        assert [one["port"] for one in told["facts"]["ports"]] == [25, 465, 587]
