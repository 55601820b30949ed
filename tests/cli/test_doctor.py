"""``deliverkit doctor`` as it is typed: what sends packets and what does not, exit statuses, options without sense."""

from __future__ import annotations

import json
import signal
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.cli.command import ROOT, Ended, Typed, start
from tests.loopback.mailserver import mail_server, make_certificate
from tests.loopback.test_ladder import full_queue

SCHEMA = jsonschema.Draft202012Validator(json.loads((ROOT / "docs" / "report.schema.json").read_text("utf-8")))
NOBODY = "127.0.0.1:1"  # no resolver there: a question ends at once
SECRET = "s3cret word"
KEY = ROOT / "fixtures" / "keys" / "test-only-rsa2048.pem"


def application(folder: Path, port: int, *, host: str = "127.0.0.1", more: str = "") -> Path:
    """A folder with one transport in it."""
    app = folder / "shop"
    app.mkdir()
    (app / "package.json").write_text('{"dependencies": {"nodemailer": "^9"}}')
    (app / ".env").write_text(f'SMTP_PASS="{SECRET}"\n')
    login = 'auth: { user: "ann@example.com", pass: process.env.SMTP_PASS }'
    (app / "mail.js").write_text(
        'const nodemailer = require("nodemailer");\n'
        f'nodemailer.createTransport({{ host: "{host}", port: {port}, secure: false, {more} {login} }});\n'
    )
    return app


def steps(ended: Ended) -> list[tuple[str, bool | None]]:
    """Names and outcomes, out of JSON that is valid."""
    report: dict[str, Any] = json.loads(ended.out)
    SCHEMA.validate(report)
    assert SECRET not in ended.out
    return [(step["name"], step["ok"]) for step in report["facts"].get("steps", ())]


@pytest.fixture
def silent() -> Iterator[int]:
    """A port that takes connections and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_static_sends_no_packet(deliverkit: Typed, folder: Path, silent: int) -> None:
    """The settings are judged; there are no steps."""
    app = application(folder, silent)
    ended = deliverkit("doctor", app, "--static", "--format", "json")
    assert steps(ended) == []
    assert "ladder" not in json.loads(ended.out)["facts"]


@pytest.mark.parametrize("word", ["--offline", "--closed-world"])
def test_a_world_without_sockets_is_static(deliverkit: Typed, folder: Path, silent: int, word: str) -> None:
    """No connection is made where none may be."""
    assert steps(deliverkit("doctor", application(folder, silent), word, "--format", "json")) == []


def test_the_ladder_is_climbed_without_being_asked_for(deliverkit: Typed, folder: Path) -> None:
    """To the sender, or with --to to the recipient; with --send a message arrives, signed."""
    certificate = make_certificate(folder, "127.0.0.1")
    with mail_server(certificate, auth=True) as server:
        app = application(folder, server.port, more="requireTLS: true,")
        words = ("doctor", app, "--nameserver", NOBODY, "--ca-file", certificate.ca_file, "--format", "json")
        assert steps(deliverkit(*words))[-1] == ("MAIL FROM", True)
        assert steps(deliverkit(*words, "--to", "bob@example.net"))[-1] == ("RCPT TO", True)
        assert server.contents == []
        sent = deliverkit(*words, "--to", "bob@example.net", "--send", "--dkim-key", f"s1={KEY}")
        assert steps(sent)[-1] == ("send", True)
        assert b"DKIM-Signature:" in server.contents[0]


def test_a_server_that_was_not_reached_is_status_3(deliverkit: Typed, folder: Path) -> None:
    """Whether it is the network here or the server there cannot be told."""
    (folder / "host.zone").write_text("$ORIGIN shop.example.\nmail IN A 127.0.0.1\n")
    with full_queue() as port:
        app = application(folder, port, host="mail.shop.example", more="requireTLS: true,")
        words = ("--zone", "host.zone", "--allow-private", "--nameserver", NOBODY, "--connect-timeout", "0.3")
        ended = deliverkit("doctor", app, *words, "--format", "json")
    assert steps(ended)[-1] == ("connect", None)
    decisive = [one["rule"] for one in json.loads(ended.out)["inconclusive"] if one["decisive"]]
    assert "SET101" in decisive
    assert ended.status in (1, 3)  # 1 where a rule about the settings alone finds an error


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--send",), "--send: nobody is named"),
        (("--static", "--to", "bob@example.net"), "--to and --send need the server"),
        (("--offline", "--to", "bob@example.net", "--send"), "--to and --send need the server"),
        (("--dkim-key", "s1=key.pem"), "--dkim-key: nothing is sent without --send"),
        (("--to", "bob"), "--to bob: no mail address"),
        (("--to", "bob@example.net>\r\nDATA"), "a line break in --to"),
        (("--to", "bob@example.net", "--send", "--dkim-key", "s1"), "--dkim-key s1: expected SELECTOR=FILE"),
        (("--to", "bob@example.net", "--send", "--dkim-key", "s1=good.zone"), "--dkim-key: good.zone"),
        (("--ca-file", "good.zone"), "--ca-file good.zone: there is no certificate"),
        (("--ca-file", "nowhere.pem"), "--ca-file nowhere.pem: No such file"),
    ],
)
def test_options_that_make_no_sense(deliverkit: Typed, folder: Path, words: tuple[str, ...], told: str) -> None:
    """Status 2 and one line, before anything is read or sent."""
    ended = deliverkit("doctor", ".", *words)
    assert ended.status == 2
    assert told in ended.complaint


def test_ctrl_c_writes_what_was_found(folder: Path, silent: int) -> None:
    """130, and the report has the steps before the one that was waited for."""
    app = application(folder, silent)
    words = ("doctor", app, "--nameserver", NOBODY, "-o", "report.json")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(30)
        (app / "mail.js").write_text((app / "mail.js").read_text().replace(str(silent), str(listener.getsockname()[1])))
        process = start(*words, cwd=folder)
        caller = listener.accept()[0]
        caller.sendall(b"220 mail.example.com ESMTP\r\n")
        assert caller.recv(4).startswith(b"EHLO")
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=30)
        caller.close()
    assert process.returncode == 130, err
    assert b"Traceback" not in err
    report = json.loads((folder / "report.json").read_text("utf-8"))
    assert report["interrupted"] is True
    assert [(s["name"], s["ok"]) for s in report["facts"]["steps"]][-2:] == [("greeting", True), ("EHLO", None)]


def test_the_library_has_the_same_verb(folder: Path, silent: int) -> None:
    """Static without a packet; live with a world of one's own, in which nobody greets."""
    import deliverkit as library
    from deliverkit.world.smtp import LiveSmtp

    app = application(folder, silent)
    assert library.doctor(app, static=True).facts["steps"] == []
    table = library.World.from_records({})
    world = library.World(table.dns, LiveSmtp(), table.vantage)
    report = library.doctor(app, world=world, reply_timeout=0.3)
    assert [(step.name, step.ok) for step in report.facts["steps"]][-1] == ("greeting", False)


def test_where_nothing_was_found_nothing_passes(deliverkit: Typed, folder: Path) -> None:
    """A folder without mail settings, the wrong one perhaps: unknown, and it is said why."""
    (folder / "empty").mkdir()
    ended = deliverkit("doctor", "--static", "empty")
    assert ended.status == 3
    assert "empty: UNKNOWN" in ended.out and "no mail settings were found" in ended.out
