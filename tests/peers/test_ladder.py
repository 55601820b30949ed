"""The doctor against a real Postfix with a login, and its advice against a real Nodemailer.

The ladder stops at the right rung; an application run with its own settings fails, and with the proposed change it
sends.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from deliverkit.engine.doctor import DoctorOptions, doctor
from deliverkit.engine.sourcetree import DiskTree
from deliverkit.engine.transport import LadderOptions
from deliverkit.facts.vantage import Vantage
from deliverkit.report import render
from deliverkit.report.model import Report
from deliverkit.world import World
from deliverkit.world.smtp import LiveSmtp
from deliverkit.world.table import offline_world
from tests.loopback.authority import Authority
from tests.loopback.test_ladder import full_queue
from tests.peers.addresses import own_network
from tests.peers.dovecot import LoginServer
from tests.peers.postfix import Endpoint, Postfix
from tests.peers.programs import find, node_modules

pytestmark = pytest.mark.peer("postfix")

NETWORK = own_network()
HOST, OTHER = f"{NETWORK}1", f"{NETWORK}2"
USER, PASSWORD = "ann@example.com", "s3cret word"
SILENT, STRIPPED, DEMANDS, PICKY = 2526, 2527, 2528, 2529
MAIL_JS = """const nodemailer = require("nodemailer");

module.exports = nodemailer.createTransport({
  host: process.env.SMTP_HOST,
  port: Number(process.env.SMTP_PORT),
  secure: process.env.SMTP_SECURE,
  auth: { user: process.env.SMTP_USER, pass: process.env.SMTP_PASS },
  connectionTimeout: 2000,
  greetingTimeout: 2000,
});
"""


@dataclass(frozen=True)
class Running:
    """What the tests talk to."""

    postfix: Postfix
    logins: LoginServer
    ca_file: str


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    """Postfix on the usual ports of one address, a faulty port each beside them, a wrong certificate at the other."""
    authority = Authority()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="deliverkit-postfix-")))
        folder.chmod(0o755)
        chain, key = authority.issue(HOST).write(folder, "good")
        wrong, wrong_key = authority.issue("mx.hoster.example").write(folder, "wrong")
        login = {
            "smtpd_sasl_auth_enable": "yes",
            "smtpd_sasl_type": "dovecot",
            "smtpd_sasl_path": str(folder / "login"),
            "smtpd_relay_restrictions": "permit_sasl_authenticated, reject_unauth_destination",
        }
        tls = {
            **login,
            "smtpd_tls_auth_only": "yes",
            "smtpd_tls_chain_files": f"{key}, {chain}",
            "smtpd_tls_security_level": "may",
        }
        picky = {
            "smtpd_sender_login_maps": "static:somebody-else",
            "smtpd_sender_restrictions": "reject_sender_login_mismatch",
            "smtpd_delay_reject": "no",
        }
        endpoints = [
            Endpoint(HOST, 587, tls),
            Endpoint(HOST, 465, {**tls, "smtpd_tls_wrappermode": "yes"}),
            Endpoint(HOST, STRIPPED, {**login, "smtpd_tls_security_level": "none"}),
            Endpoint(HOST, DEMANDS, {**tls, "smtpd_tls_security_level": "encrypt"}),
            Endpoint(HOST, PICKY, {**tls, **picky}),
            Endpoint(OTHER, 587, {**tls, "smtpd_tls_chain_files": f"{wrong_key}, {wrong}"}),
        ]
        logins = stack.enter_context(LoginServer(folder / "login", USER, PASSWORD))
        postfix = Postfix(folder / "instance", endpoints)
        stack.callback(postfix.stop)
        postfix.start()
        stack.enter_context(full_queue(SILENT, HOST))
        yield Running(postfix, logins, str(authority.write_root(folder)))


def written(folder: Path, *, source: str = MAIL_JS, **variables: Any) -> Path:
    """An application on the disk, with its variables."""
    told = {
        "SMTP_HOST": HOST,
        "SMTP_PORT": 587,
        "SMTP_SECURE": "",
        "SMTP_USER": USER,
        "SMTP_PASS": PASSWORD,
        **variables,
    }
    (folder / "package.json").write_text('{"dependencies": {"nodemailer": "^9"}}')
    (folder / "mail.js").write_text(source)
    (folder / ".env").write_text("".join(f'{name}="{value}"\n' for name, value in told.items()))
    return folder


def examined(folder: Path, running: Running | str, **told: Any) -> Report:
    """The doctor's report on the application; nobody but the server is asked."""
    ca_file = running if isinstance(running, str) else running.ca_file
    ladder = LadderOptions(ca_file=ca_file, controls={}, **{"connect_s": 1.0, "reply_s": 2.0, **told})

    async def work() -> Report:
        async with World(offline_world().dns, LiveSmtp(), Vantage("live")) as world:
            options = DoctorOptions(environment="", ladder=ladder)
            return await doctor(DiskTree(folder), name="shop", world=world, options=options)

    report = asyncio.run(work())
    assert PASSWORD not in render([report], "json", width=80, color=False, quiet=False)
    return report


def broke(report: Report) -> tuple[str, bool | None]:
    """The last step, and whether it held."""
    last = report.facts["steps"][-1]
    return last.name, last.ok


def live_rules(report: Report) -> list[str]:
    """The rules of the ladder with a finding."""
    return [f.rule for f in report.findings if "SET100" <= f.rule <= "SET119"]


@pytest.mark.parametrize(("port", "secure"), [(587, ""), (465, "yes")])
def test_a_sound_application_climbs_to_the_recipient(port: int, secure: str, running: Running, tmp_path: Path) -> None:
    """Resolve to RCPT, with a real login; the queue stays empty."""
    before = len(running.logins.logins)
    folder = written(tmp_path, SMTP_PORT=port, SMTP_SECURE=secure)
    report = examined(folder, running, to="bob@elsewhere.example")
    assert broke(report) == ("RCPT TO", True)
    assert live_rules(report) == []
    assert len(running.logins.logins) == before + 1
    assert not list((running.postfix.folder / "queue" / "active").glob("*"))


@pytest.mark.parametrize(
    ("variables", "step", "rule"),
    [
        ({"SMTP_PORT": SILENT}, "connect", "SET101"),
        ({"SMTP_HOST": OTHER}, "certificate", "SET107"),
        ({"SMTP_SECURE": "false"}, "TLS", "SET102"),
        ({"SMTP_PORT": 465}, "greeting", "SET103"),
        ({"SMTP_PASS": "wrong word"}, "AUTH", "SET109"),
        ({"SMTP_PORT": PICKY}, "MAIL FROM", "SET112"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_the_ladder_stops_at_the_right_rung(
    variables: dict[str, Any], step: str, rule: str, running: Running, tmp_path: Path
) -> None:
    """Each fault at its rung, by its rule."""
    report = examined(written(tmp_path, **variables), running)
    assert (broke(report), live_rules(report)) == ((step, False), [rule])
    assert report.exit_status() == 1


@pytest.mark.parametrize(
    ("port", "option", "step", "rule"),
    [(STRIPPED, "requireTLS", "TLS", "SET105"), (DEMANDS, "ignoreTLS", "AUTH", "SET111")],
)
def test_starttls_wanted_by_one_side_only(
    port: int, option: str, step: str, rule: str, running: Running, tmp_path: Path
) -> None:
    """The client demands what is not offered; the server demands what is not used."""
    source = MAIL_JS.replace("secure: process.env.SMTP_SECURE,", f"{option}: true,")
    report = examined(written(tmp_path, source=source, SMTP_PORT=port), running)
    assert (broke(report), live_rules(report)) == ((step, False), [rule])
    assert "Proved from here" in next(f for f in report.findings if f.rule == rule).fix.text


def nodemailer(folder: Path, running: Running) -> dict[str, str]:
    """Run the application, with the variables of its .env."""
    lines = (folder / ".env").read_text().splitlines()
    variables = {name: value.strip('"') for name, _, value in (line.partition("=") for line in lines)}
    env = {**os.environ, **variables, "NODE_PATH": str(node_modules()), "NODE_EXTRA_CA_CERTS": running.ca_file}
    script = Path(__file__).with_name("nodemailer_app.js")
    job = json.dumps({"to": "bob@elsewhere.example"}).encode()
    command = [str(find("node")), str(script)]
    done = subprocess.run(command, input=job, capture_output=True, cwd=folder, env=env, timeout=60, check=False)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    told: dict[str, str] = json.loads(done.stdout)
    return told


def changed(folder: Path, advice: str) -> None:
    """Do what the fix says: "Change SMTP_PORT (.env:2) from "2526" to 465."."""
    path = folder / ".env"
    lines = path.read_text().splitlines()
    told = re.findall(r"Change (\w+) \(\.env:(\d+)\) from \S+ to (an empty value|\S+?)\.(?:\s|$)", advice)
    assert told, advice
    for name, number, value in told:
        assert lines[int(number) - 1].startswith(f"{name}=")
        lines[int(number) - 1] = f'{name}="{"" if value == "an empty value" else value}"'
    path.write_text("\n".join(lines) + "\n")


@pytest.mark.peer("nodemailer")
@pytest.mark.parametrize(
    ("variables", "error"),
    [
        ({"SMTP_SECURE": "false"}, "wrong version number"),
        ({"SMTP_PORT": 465}, "Greeting never received"),
        ({"SMTP_PORT": SILENT}, "Connection timeout"),
        ({"SMTP_PORT": SILENT, "SMTP_SECURE": "yes"}, "Connection timeout"),
    ],
    ids=["text-false", "clear-on-465", "silent-port", "silent-port-with-tls"],
)
def test_nodemailer_fails_before_and_succeeds_after(
    variables: dict[str, Any], error: str, running: Running, tmp_path: Path
) -> None:
    """The application itself, first as it is, then with exactly the change the doctor wrote down."""
    folder = written(tmp_path, **variables)
    before = nodemailer(folder, running)
    assert error in before.get("message", ""), before
    report = examined(folder, running)
    finding = next(f for f in report.findings if f.rule in live_rules(report))
    assert "Proved from here" in finding.fix.text
    changed(folder, finding.fix.text)
    after = nodemailer(folder, running)
    assert after.get("sent", "").startswith("250 "), after
    assert broke(examined(folder, running)) == ("MAIL FROM", True)
