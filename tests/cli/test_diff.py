"""``deliverkit diff`` and ``doctor --save`` as a person types them: statuses, formats, bad input."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from deliverkit.engine.diff import SCHEMA
from tests.cli.command import Typed

DEV = "smtp://ann:abcdefgh-1@mail.shop.example:587"
PROD = "smtps://ann:abcdefgh-2@mail.shop.example:587"


@pytest.fixture
def saved(deliverkit: Typed, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """dev.json and prod.json, with digests of one key."""
    monkeypatch.setenv("KEY", "0123456789abcdef0123")
    for name, url in (("dev", DEV), ("prod", PROD)):
        words = ("--static", "--url", url, "--save", f"{name}.json", "--digest-key-env", "KEY")
        assert deliverkit("doctor", *words).status in (0, 1)
    return folder


def test_the_likeliest_cause_is_on_top(deliverkit: Typed, saved: Path) -> None:
    """Status 1, the contradiction first, the passwords by their digests; nothing on stderr."""
    ended = deliverkit("diff", saved / "dev.json", "prod.json")
    assert (ended.status, ended.err) == (1, "")
    kinds = [line for line in ended.out.splitlines() if line[:1].isupper()]
    assert kinds[0].startswith("VERY LIKELY  port and encryption contradict each other")
    assert "the passwords differ" in ended.out
    assert deliverkit("diff", "dev.json", "prod.json", "-q").out.count("\n") == 1


def test_json_is_as_documented(deliverkit: Typed, saved: Path) -> None:
    """One object, with a schema of its own; by the suffix of -o too."""
    told: dict[str, Any] = json.loads(deliverkit("diff", "dev.json", "prod.json", "--format", "json").out)
    assert (told["schema"], told["kind"], told["same"]) == (SCHEMA, "snapshots", False)
    assert {"kind", "likelihood", "word", "where", "what", "old", "new", "title", "why", "change", "scale"} == set(
        told["differences"][0]
    )
    assert deliverkit("diff", "dev.json", "prod.json", "-o", "out.json").out == ""
    assert json.loads((saved / "out.json").read_text()) == told


def test_nothing_differs_is_status_0(deliverkit: Typed, saved: Path) -> None:
    """A copy, and a copy by standard input."""
    (saved / "copy.json").write_text((saved / "dev.json").read_text())
    ended = deliverkit("diff", "dev.json", "copy.json")
    assert (ended.status, ended.out) == (0, "dev.json and copy.json: nothing differs\n")


def test_one_side_may_come_from_standard_input(deliverkit: Typed, saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """ "-" as everywhere."""
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO((saved / "prod.json").read_bytes())))
    assert deliverkit("diff", "dev.json", "-").status == 1
    assert "both standard input" in deliverkit("diff", "-", "-").complaint


def test_reports_are_compared_too(deliverkit: Typed, folder: Path) -> None:
    """Of any verb, as JSON."""
    for name in ("a", "b"):
        words = ("--closed-world", "--zone", "good.zone", "--only", "spf", "--format", "json")
        assert deliverkit("audit", "example.com", *words, "-o", f"{name}.json").status in (0, 1)
        (folder / "good.zone").write_text((folder / "good.zone").read_text().replace("v=spf1 mx", "v=spf1 mx +all mx"))
    assert deliverkit("diff", "a.json", "a.json").status == 2
    ended = deliverkit("diff", "a.json", "b.json")
    assert ended.status == 1
    assert "verdict" in ended.out


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        ("", "no JSON, or cut short"),
        ('{"schema": "deliverkit.snapshot/1", "name"', "no JSON, or cut short"),
        ('{"schema": "deliverkit.snapshot/9"}', "is not what this version compares"),
        ('{"schema": "deliverkit.snapshot/1"}', "name is missing"),
        ("{}", "neither a snapshot of doctor --save nor a JSON report"),
        (None, "No such file"),
    ],
)
def test_bad_input_is_named(deliverkit: Typed, saved: Path, content: str | None, complaint: str) -> None:
    """Status 2, the file, what is wrong."""
    if content is not None:
        (saved / "bad.json").write_text(content)
    for words in (("dev.json", "bad.json"), ("bad.json", "dev.json")):
        ended = deliverkit("diff", *words)
        assert ended.status == 2
        assert "bad.json" in ended.complaint
        assert complaint in ended.complaint


@pytest.mark.parametrize(
    ("other", "complaint"),
    [("none.zone", "none.zone is not there, and"), ("prod.json", "prod.json holds no zone, and")],
)
def test_a_zone_beside_something_else_is_bad_input(deliverkit: Typed, saved: Path, other: str, complaint: str) -> None:
    """The one that is at fault is named, on either side."""
    for words in (("good.zone", other), (other, "good.zone")):
        ended = deliverkit("diff", *words)
        assert ended.status == 2
        assert f"{complaint} good.zone holds some: give zones on both sides" in ended.complaint


def test_the_same_file_twice_is_bad_input(deliverkit: Typed, saved: Path) -> None:
    """By another name too."""
    assert "the same file" in deliverkit("diff", "dev.json", "dev.json").complaint
    assert deliverkit("diff", "dev.json", saved / "dev.json").status == 2


def test_what_a_file_says_cannot_steer_the_terminal(deliverkit: Typed, saved: Path) -> None:
    """Escapes, half surrogates and directions in any text."""
    told = json.loads((saved / "dev.json").read_text())
    told["transports"][0]["roles"]["host"]["value"] = "\x1b[2J\u202eevil\ud800"
    told["transports"][0]["place"] = "\x1b]0;x\x07"
    (saved / "evil.json").write_text(json.dumps(told))
    for form in ("text", "json"):
        ended = deliverkit("diff", "dev.json", "evil.json", "--format", form)
        assert ended.status == 1
        assert not {"\x1b", "\u202e", "\x07", "\ud800"} & set(ended.out)


# -- what the doctor is given ---------------------------------------------------------------------------------


@pytest.fixture
def app(folder: Path) -> Path:
    """A Laravel application without a host."""
    (folder / "app").mkdir()
    (folder / "app" / "artisan").write_text("#!/usr/bin/env php")
    (folder / "app" / ".env").write_text("MAIL_MAILER=smtp\nMAIL_HOST=tree.example.com\nMAIL_PORT=587\n")
    return folder / "app"


def _hosts(told: str) -> list[str]:
    return [one["plan"]["host"] for one in json.loads(told)["facts"]["app"]["transports"]]


def test_a_file_of_variables_wins_over_those_of_the_tree(deliverkit: Typed, app: Path) -> None:
    """Of several the last one wins."""
    (app.parent / "my.env").write_text("MAIL_HOST=mine.example.com\n")
    (app.parent / "last.env").write_text("MAIL_HOST=last.example.com\n")
    words = ("doctor", "app", "--static", "--format", "json", "--fail-on", "never")
    assert _hosts(deliverkit(*words).out) == ["tree.example.com"]
    assert _hosts(deliverkit(*words, "--env-file", "my.env").out) == ["mine.example.com"]
    assert _hosts(deliverkit(*words, "--env-file", "my.env", "--env-file", "last.env").out) == ["last.example.com"]


def test_the_variables_of_the_shell_count_unless_files_are_named(
    deliverkit: Typed, app: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the application would be given them; switched off and on."""
    monkeypatch.setenv("MAIL_HOST", "shell.example.com")
    monkeypatch.delenv("APP_ENV", raising=False)
    (app.parent / "my.env").write_text("MAIL_PORT=465\n")
    words = ("doctor", "app", "--static", "--format", "json", "--fail-on", "never")
    assert _hosts(deliverkit(*words).out) == ["shell.example.com"]
    assert _hosts(deliverkit(*words, "--no-process-env").out) == ["tree.example.com"]
    assert _hosts(deliverkit(*words, "--env-file", "my.env").out) == ["tree.example.com"]
    assert _hosts(deliverkit(*words, "--env-file", "my.env", "--process-env").out) == ["shell.example.com"]


def test_a_url_is_judged_by_itself(deliverkit: Typed, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From the command line and from standard input, under its host and port."""
    ended = deliverkit("doctor", "--static", "--url", PROD)
    assert ended.status == 1
    assert ended.out.startswith("mail.shop.example:587: FAIL")
    assert "SET001" in ended.out
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(DEV.encode() + b"\n")))
    assert deliverkit("doctor", "--static", "--url", "-").status == 0


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--url", "smtp.example.com"), "--url: this is no URL"),
        (("--url", "http://a:secret99@b"), "the scheme 'http' is none of smtp"),
        (("--url", "smtp://"), "the URL names no host"),
        (("app", "--url", DEV), "instead of a folder"),
        (("--env-file", "none.env"), "--env-file none.env: No such file"),
        (("--env-file", "binary.env"), "a binary file"),
        (("--env-file", "-", "--env-file", "-"), "standard input can be read once"),
        (("--save", "no/such/folder.json"), "there is no directory"),
        (("--digest-key-env", "KEY"), "give --save FILE too"),
        (("--save", "a.json", "--digest-key-env", "UNSET"), "UNSET is not set"),
        (("--save", "a.json", "--digest-key-env", "SHORT"), "fewer than 16 characters"),
    ],
)
def test_bad_options_are_named(
    deliverkit: Typed, app: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], complaint: str
) -> None:
    """Status 2 before any work, and no secret in what is said."""
    (app.parent / "binary.env").write_bytes(b"A\x00=\x00")
    monkeypatch.delenv("UNSET", raising=False)
    monkeypatch.setenv("SHORT", "short-secret")
    ended = deliverkit("doctor", "--static", *words)
    assert ended.status == 2
    assert complaint in ended.complaint
    assert "secret" not in ended.err.replace("No secret is in it", "")
    assert not (app.parent / "a.json").exists()
