"""``deliverkit doctor --static`` on a small backend in Python that sends through QQ: the causes, with file and line."""

from __future__ import annotations

import json
from typing import Any

from tests.cli.command import ROOT, Typed

FOLDER = ROOT / "fixtures" / "settings" / "python-qq"
SECRET = "Chunjie-2026!"


def line_of(file: str, part: str) -> int:
    """The line of a file of the fixture that holds a text."""
    lines = (FOLDER / file).read_text(encoding="utf-8").splitlines()
    return next(n for n, line in enumerate(lines, 1) if part in line)


def test_a_backend_that_sends_through_qq(deliverkit: Typed) -> None:
    """The login password and the From header; the transport, and where each of its values comes from."""
    ended = deliverkit("doctor", "--static", FOLDER, "--format", "json")
    assert ended.status == 1 and SECRET not in ended.out + ended.err
    report: dict[str, Any] = json.loads(ended.out)
    (found,) = [one for one in report["findings"] if one["rule"] == "SET060"]
    (evidence,) = found["evidence"]
    assert (evidence["file"], evidence["line"]) == ("mailer/notify.py", line_of("mailer/notify.py", 'message["From"]'))
    assert "formataddr((name, address))" in found["fix"]["text"]
    (found,) = [one for one in report["findings"] if one["rule"] == "SET024"]  # QQ wants an authorization code
    assert {(e["file"], e["line"]) for e in found["evidence"]} == {(".env", line_of(".env", "SMTP_PASSWORD"))}
    assert {one["rule"] for one in report["findings"] if one["severity"] != "note"} == {"SET024", "SET060"}
    (transport,) = report["facts"]["app"]["transports"]
    assert (transport["plan"]["host"], transport["plan"]["port"], transport["plan"]["mode"]) == (
        "smtp.qq.com", 465, "implicit",
    )  # fmt: skip
    password = transport["roles"]["password"]
    assert password["shown"] == "(13 characters: mixed characters)"
    assert password["via"][0]["place"] == {"file": ".env", "line": line_of(".env", "SMTP_PASSWORD")}


def test_the_report_as_text_names_file_and_line(deliverkit: Typed) -> None:
    """What a person reads: cause, place, fix."""
    ended = deliverkit("doctor", "--static", FOLDER)
    assert (
        "ERROR SET060" in ended.out and "mailer/notify.py:11" in ended.out and "Fix: encode the name alone" in ended.out
    )
    assert SECRET not in ended.out
