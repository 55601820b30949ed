"""The contracts other programs rely on: exit statuses, formats, JSON by the schema, --quiet, --fail-on, -o."""

from __future__ import annotations

import json
import os
import shutil
import smtplib
import threading
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from deliverkit.cli import VERBS, files
from tests.cli.command import ROOT, Typed, start

SCHEMA = jsonschema.Draft202012Validator(json.loads((ROOT / "docs" / "report.schema.json").read_text("utf-8")))
CLOSED = ("--closed-world", "--zone", "good.zone")
SEND = ("send", "--from", "a@example.com", "--to", "b@example.com", "--dry-run", "--closed-world")
CHECK_HOST = ("check-host", *CLOSED, "--mail-from", "a@example.com", "--client-ip")
SPF = ("audit", *CLOSED, "--only", "spf")

REPORTING = {
    "audit": (*SPF, "example.com"),
    "show": ("show", "spf", "example.com", *CLOSED),
    "check-host": (*CHECK_HOST, "192.0.2.1"),
    "probe": ("probe", "--offline", "192.0.2.1:25"),
    "send": SEND,
    "doctor": ("doctor", "--static", "."),
    "verify": ("verify", "--closed-world", "message.eml"),
}
"""Every verb that ends with a report, at its simplest. The sink has tests of its own below."""


@pytest.fixture(autouse=True)
def message(folder: Path) -> None:
    """A stored message to verify."""
    shutil.copy(ROOT / "fixtures" / "messages" / "signed.eml", folder / "message.eml")


def test_every_verb_is_under_contract() -> None:
    """A new verb must be added to the table above, or be one that makes no report."""
    exempt = {"sink", "diff", "fix", "explain", "demo", "completion", "init", "check", "baseline"}
    assert {*REPORTING, *exempt} == set(VERBS)


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_help(deliverkit: Typed, verb: str) -> None:
    """Its own usage line and nothing on stderr."""
    ended = deliverkit(verb, "--help")
    assert (ended.status, ended.err) == (0, "")
    assert ended.out.startswith(f"Usage: deliverkit {verb} ")


# -- exit statuses ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "status"),
    [
        (("--help",), 0),
        (("--version",), 0),
        ((), 2),
        ((*SPF, "example.com"), 0),
        ((*SPF, "example.org"), 1),
        ((*SPF, "example.com", "example.org"), 1),
        (("audit", "--offline", "--only", "spf", "example.com"), 3),
        (("audit", "--offline", "--zone", "good.zone", "--only", "spf", "example.com", "example.org"), 3),
        (("audit", "--offline", "--only", "spf", "--fail-on", "never", "example.com"), 0),
        (("show", "spf", "example.org", *CLOSED), 0),
        (("show", "spf", "example.org", "--offline"), 3),
        ((*CHECK_HOST, "192.0.2.1"), 0),
        ((*CHECK_HOST, "192.0.2.2"), 1),
        ((*CHECK_HOST, "192.0.2.2", "--fail-on", "never"), 0),
        (("check-host", "--offline", "--mail-from", "a@example.com", "--client-ip", "192.0.2.1"), 3),
        (("probe", "--offline", "192.0.2.1"), 0),
        (("probe", "--offline", "mx.example.com"), 3),
        (("probe", "127.0.0.1:1/mx", "--control", "none"), 1),
        (SEND, 0),
        ((*SEND, "--subject", "Hello {{ name }}", "--fail-on", "warning"), 1),
        (("send", "--from", "a@example.com", "--to", "b@example.com", "--via", "127.0.0.1:1"), 3),
        (("verify", "--offline", "message.eml"), 3),
        (("explain",), 0),
        (("explain", "SPF004"), 0),
        (("explain", "spf 4"), 0),
        (("explain", "too-many-lookups"), 0),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else str(value),
)
def test_exit_status(deliverkit: Typed, words: tuple[str, ...], status: int) -> None:
    """0 nothing at the threshold, 1 a finding, 2 usage, 3 something decisive could not be told."""
    assert deliverkit(*words).status == status


@pytest.mark.parametrize(
    ("level", "status"), [("error", 0), ("warning", 1), ("note", 1), ("never", 0)], ids=lambda v: str(v)
)
def test_fail_on_moves_the_threshold_for_a_warning(deliverkit: Typed, folder: Path, level: str, status: int) -> None:
    """A domain whose worst finding is a warning."""
    (folder / "good.zone").write_text('$ORIGIN example.com.\n@ TXT "v=spf1 mx ?all"\n@ MX 10 mx\nmx A 192.0.2.1\n')
    ended = deliverkit(*SPF, "example.com", "--fail-on", level)
    assert "WARNING" in ended.out
    assert ended.status == status


@pytest.mark.parametrize(("level", "status"), [("error", 0), ("warning", 0), ("note", 1), ("never", 0)])
def test_fail_on_moves_the_threshold_for_a_note(deliverkit: Typed, folder: Path, level: str, status: int) -> None:
    """A DMARC record that asks for no reports is worth a note and no more."""
    (folder / "good.zone").write_text('$ORIGIN example.com.\n_dmarc TXT "v=DMARC1; p=reject"\n@ MX 0 .\n')
    ended = deliverkit("audit", *CLOSED, "--only", "dmarc", "example.com", "--fail-on", level)
    assert ended.out.startswith("example.com: PASS   1 note")
    assert ended.status == status


# -- formats ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("verb", REPORTING)
def test_json_is_what_the_schema_says(deliverkit: Typed, verb: str) -> None:
    """One object for one subject; a line of its own with jsonl."""
    ended = deliverkit(*REPORTING[verb], "--format", "json")
    report = json.loads(ended.out)
    SCHEMA.validate(report)
    assert report["verdict"] in ("pass", "risk", "fail", "unknown")
    lines = deliverkit(*REPORTING[verb], "--format", "jsonl").out.splitlines()
    assert len(lines) == 1
    SCHEMA.validate(json.loads(lines[0]))


@pytest.mark.parametrize("verb", REPORTING)
def test_every_format_of_every_verb(deliverkit: Typed, verb: str) -> None:
    """Text, Markdown and HTML each begin as such, and the status is the same in all."""
    begins = {"text": "", "markdown": "# ", "html": "<!doctype html>", "json": "{", "jsonl": "{"}
    statuses = set()
    for format_, first in begins.items():
        ended = deliverkit(*REPORTING[verb], "--format", format_)
        assert ended.out.startswith(first)
        assert ended.out.endswith("\n")
        assert ended.err == ""
        statuses.add(ended.status)
    assert len(statuses) == 1


@pytest.mark.parametrize(
    ("words", "names"),
    [
        ((*SPF, "example.com", "example.org"), ["example.com", "example.org"]),
        (("probe", "--offline", "192.0.2.1:25", "192.0.2.2:25"), ["192.0.2.1", "192.0.2.2"]),
        (("verify", "--closed-world", "message.eml", "message.eml"), ["message.eml", "message.eml"]),
    ],
)
def test_several_subjects(deliverkit: Typed, words: tuple[str, ...], names: list[str]) -> None:
    """JSON wraps them in one object, JSON Lines gives each its line, --quiet each its line."""
    whole = json.loads(deliverkit(*words, "--format", "json").out)
    SCHEMA.validate(whole)
    assert [one["subject"]["name"] for one in whole["reports"]] == names
    lines = [json.loads(line) for line in deliverkit(*words, "--format", "jsonl").out.splitlines()]
    assert [one["subject"]["name"] for one in lines] == names
    quiet = deliverkit(*words, "--quiet").out.splitlines()
    assert [line.partition(": ")[0] for line in quiet] == names


@pytest.mark.parametrize("verb", REPORTING)
def test_quiet_is_one_line_a_subject(deliverkit: Typed, verb: str) -> None:
    """The verdict line, with the same status as the whole report."""
    whole, quiet = deliverkit(*REPORTING[verb]), deliverkit(*REPORTING[verb], "-q")
    assert len(quiet.out.splitlines()) == 1
    assert quiet.status == whole.status
    if verb != "send":  # whose subject is a fresh Message-ID
        assert whole.out.splitlines()[0] == quiet.out.splitlines()[0]


def test_explain_as_json_and_markdown(deliverkit: Typed) -> None:
    """One rule, and all of them."""
    one = json.loads(deliverkit("explain", "SPF004", "--format", "json").out)
    assert one["rule"] == "SPF004"
    every = json.loads(deliverkit("explain", "--format", "json").out)
    assert one in every
    assert deliverkit("explain", "--format", "markdown").out.startswith("|")


def test_the_sink_writes_json_by_the_schema(folder: Path) -> None:
    """One message in, one report out, and the status of its findings."""
    process = start("sink", "--smtp", "127.0.0.1:0", "--once", "--format", "json", *CLOSED, cwd=folder)
    assert process.stderr is not None
    listening = process.stderr.readline().decode()
    port = int(listening.split("smtp=127.0.0.1:")[1].split()[0])
    with smtplib.SMTP("127.0.0.1", port, timeout=20) as client:
        client.sendmail("a@example.com", ["b@example.org"], (folder / "message.eml").read_bytes())
    out, _ = process.communicate(timeout=30)
    report = json.loads(out)
    SCHEMA.validate(report)
    assert report["facts"]["authentication"]["dkim"]
    assert process.returncode == {"pass": 0, "risk": 0, "fail": 1, "unknown": 3}[report["verdict"]]


# -- where it goes ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("r.json", "{"),
        ("r.JSON", "{"),
        ("r.jsonl", "{"),
        ("r.html", "<!doctype"),
        ("r.md", "# "),
        ("r.txt", "example.com: PASS"),
        ("r.other", "example.com: PASS"),
    ],
)
def test_the_suffix_chooses_the_format(deliverkit: Typed, folder: Path, name: str, first: str) -> None:
    """Unless --format says another; nothing goes to stdout then."""
    ended = deliverkit(*SPF, "example.com", "-o", name)
    assert (ended.status, ended.out) == (0, "")
    assert (folder / name).read_text("utf-8").startswith(first)
    deliverkit(*SPF, "example.com", "-o", name, "--format", "markdown")
    assert (folder / name).read_text("utf-8").startswith("# ")


def test_a_minus_is_standard_output(deliverkit: Typed, folder: Path) -> None:
    """As everywhere in Unix."""
    assert deliverkit(*SPF, "example.com", "-o", "-").out.startswith("example.com: PASS")
    assert not (folder / "-").exists()


def test_a_file_is_written_whole_or_not_at_all(
    deliverkit: Typed, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When the disk is full the old report stays, and no half of a new one lies beside it."""
    (folder / "report.json").write_text("the old one")
    before = sorted(folder.iterdir())

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    ended = deliverkit(*SPF, "example.com", "-o", "report.json")
    assert ended.status == 2
    assert ended.complaint == "Error: cannot write report.json: No space left on device"
    assert (folder / "report.json").read_text() == "the old one"
    assert sorted(folder.iterdir()) == before


def test_a_replaced_file_keeps_its_permissions_and_its_link(deliverkit: Typed, folder: Path) -> None:
    """A link still leads to the report, and what was private stays private."""
    real = folder / "real.json"
    real.write_text("old")
    real.chmod(0o600)
    (folder / "link.json").symlink_to(real)
    assert deliverkit(*SPF, "example.com", "-o", "link.json").status == 0
    assert (folder / "link.json").is_symlink()
    assert real.read_text("utf-8").startswith("{")
    assert real.stat().st_mode & 0o777 == 0o600


def test_a_pipe_is_written_to_and_never_replaced(deliverkit: Typed, folder: Path) -> None:
    """As root, a rename onto /dev/null would replace the device for the whole machine."""
    os.mkfifo(folder / "pipe")
    read: list[str] = []
    reader = threading.Thread(target=lambda: read.append((folder / "pipe").read_text("utf-8")))
    reader.start()
    assert deliverkit(*SPF, "example.com", "-q", "-o", "pipe").status == 0
    reader.join(10)
    assert (folder / "pipe").is_fifo()
    assert read == ["example.com: PASS   nothing found\n"]


def test_what_stands_among_the_devices_is_written_in_place(
    deliverkit: Typed, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """/dev/stdout may lead to a regular file: that file is open elsewhere and must stay the same one."""
    device = folder / "dev" / "stdout"
    device.parent.mkdir()
    device.write_text("")
    monkeypatch.setattr(files, "_SPECIAL_PLACES", (str(device.parent),))
    inode = device.stat().st_ino
    assert deliverkit(*SPF, "example.com", "-q", "-o", device).status == 0
    assert device.stat().st_ino == inode
    assert device.read_text() == "example.com: PASS   nothing found\n"


@pytest.mark.parametrize("columns", [60, 100, 200])
def test_text_keeps_to_the_terminal(deliverkit: Typed, monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    """Only a record to be copied, and the verdict of a long name, may be longer than the terminal is wide."""
    monkeypatch.setenv("COLUMNS", str(columns))
    for words in (("audit", *CLOSED, "--selector", "s1", "--no-probe", "example.com"), ("explain", "SPF004"), SEND):
        for line in deliverkit(*words).out.splitlines():
            assert len(line) <= columns or ". TXT " in line or ". PTR " in line or line.startswith("<"), line
