"""Several outputs at once, each in its format; and the exit status, the same in every format but a plugin's."""

from __future__ import annotations

import json
import re
import signal
import smtplib
from pathlib import Path

import pytest

from deliverkit.report import FORMATS
from tests.cli.command import Typed, start
from tests.cli.test_signals import Silence, silence  # noqa: F401 - a fixture

CLOSED = ("--closed-world", "--zone", "good.zone")
SPF = ("audit", *CLOSED, "--only", "spf")
BEGINS = {
    "text": "example.", "json": "{", "jsonl": "{", "markdown": "# ", "html": "<!doctype html>", "junit": "<?xml",
    "sarif": "{", "github": ("example.", "::"), "github-summary": "## deliverkit: ", "gitlab": "[",
    "nagios": "DELIVERKIT ", "prometheus": "# HELP ", "csv": "kind,subject,",
}  # fmt: skip
RUNS = {
    0: (*SPF, "example.com"),
    1: (*SPF, "example.org"),
    2: (*SPF, "a..b"),
    3: ("audit", "--offline", "--only", "spf", "example.com"),
}
PLUGIN = {0: 0, 1: 2, 2: 2, 3: 3}


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("status", RUNS)
def test_the_exit_status_in_every_format(deliverkit: Typed, format_: str, status: int) -> None:
    """0 nothing, 1 a finding, 2 usage, 3 unknown; a plugin says 2 CRITICAL for 1. Printed, and written to a file."""
    ended = deliverkit(*RUNS[status], "--format", format_)
    assert ended.status == (PLUGIN[status] if format_ == "nagios" else status)
    assert ended.out.startswith(BEGINS[format_]) if status != 2 else ended.out == ""
    written = deliverkit(*RUNS[status], "-o", f"{format_}:report")
    assert (written.status, written.out) == (status, "")
    assert Path("report").exists() is (status != 2)


@pytest.mark.parametrize("format_", FORMATS)
def test_ctrl_c_ends_every_format_with_130(folder: Path, silence: Silence, format_: str) -> None:  # noqa: F811
    """What was found so far is still written, whole."""
    words = ("audit", "example.com", "slow.example", "--only", "spf", "--zone", "good.zone")
    process = start(*words, "--nameserver", silence.address, "--format", format_, cwd=folder)
    silence.asked_again()
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=30)
    assert (process.returncode, err) == (130, b"")
    assert out.decode().startswith(BEGINS[format_])


@pytest.mark.parametrize(
    ("name", "format_"),
    [
        ("r.xml", "junit"),
        ("r.junit.xml", "junit"),
        ("r.sarif", "sarif"),
        ("r.SARIF.json", "sarif"),
        ("r.gitlab.json", "gitlab"),
        ("gl-code-quality-report.json", "gitlab"),
        ("r.prom", "prometheus"),
        ("r.csv", "csv"),
        ("github:r.txt", "github"),
        ("JSON:r.csv", "json"),
        ("csv:./a:b.json", "csv"),
        ("./csv:r.html", "html"),
    ],
)
def test_suffix_and_prefix_choose_the_format(deliverkit: Typed, folder: Path, name: str, format_: str) -> None:
    """The longest suffix counts, whatever its case; a format in front counts more."""
    before = set(folder.rglob("*"))
    assert deliverkit(*SPF, "example.com", "-o", name).out == ""
    (made,) = set(folder.rglob("*")) - before
    assert made.read_text("utf-8").startswith(BEGINS[format_])


def test_several_files_at_once(deliverkit: Typed, folder: Path) -> None:
    """Each in its format, nothing on standard output, the status of the findings."""
    ended = deliverkit(*SPF, "example.com", "example.org", "-o", "a.sarif", "-o", "b.xml", "-o", "c.json")
    assert (ended.status, ended.out) == (1, "")
    assert json.loads((folder / "a.sarif").read_text("utf-8"))["version"] == "2.1.0"
    assert (folder / "b.xml").read_text("utf-8").count("<testsuite ") == 2
    assert len(json.loads((folder / "c.json").read_text("utf-8"))["reports"]) == 2


@pytest.mark.parametrize(
    ("words", "printed", "files"),
    [
        (("-o", "a.sarif", "-o", "-"), "text", {"a.sarif": "sarif"}),
        (("-o", "a.sarif", "-o", "csv:-"), "csv", {"a.sarif": "sarif"}),
        (("-o", "a.sarif", "-o", "b.xml", "--format", "markdown"), "markdown", {"a.sarif": "sarif", "b.xml": "junit"}),
        (("-o", "a.sarif", "-o", "-", "--format", "json"), "json", {"a.sarif": "sarif"}),
        (("-o", "sarif:a.sarif", "--format", "json"), "json", {"a.sarif": "sarif"}),
        (("-o", "a.sarif", "--format", "json"), None, {"a.sarif": "json"}),
        (("-o", "a.sarif", "--format", "github"), "github", {"a.sarif": "sarif"}),
        (("-o", "a.xml", "--format", "nagios"), "nagios", {"a.xml": "junit"}),
        (("-o", "-", "--format", "csv"), "csv", {}),
        ((), "text", {}),
    ],
)
def test_what_is_printed_beside_files(
    deliverkit: Typed, folder: Path, words: tuple[str, ...], printed: str | None, files: dict[str, str]
) -> None:
    """Standard output has what --format or "-" asks for; of a single file --format is the format, as ever."""
    ended = deliverkit(*SPF, "example.com", *words)
    assert ended.status == 0
    assert ended.out == "" if printed is None else ended.out.startswith(BEGINS[printed])
    for name, format_ in files.items():
        assert (folder / name).read_text("utf-8").startswith(BEGINS[format_])


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("-o", "a.sarif", "-o", "./a.sarif"), "two outputs on a.sarif (sarif and sarif): give each a file of its own"),
        (("-o", "json:x", "-o", "csv:x"), "two outputs on x (json and csv)"),
        (("-o", "-", "-o", "json:-"), "two outputs on standard output (text and json)"),
        (("-o", "json:-", "--format", "csv"), "two outputs on standard output (json and csv)"),
        (("-o", "a.xml", "-o", "none/b.xml"), "cannot write none/b.xml: there is no directory"),
        (("-o", "sarfi:x"), "-o sarfi:x: there is no format 'sarfi'; did you mean sarif:x? The formats: text, json,"),
        (("-o", "report:x"), "A file of this name is written ./report:x"),
        (("-o", "sarif:"), "-o sarif: names no file: write sarif:FILE, or sarif:- for standard output"),
    ],
)
def test_what_cannot_be_written_is_refused_before_the_work(
    deliverkit: Typed, folder: Path, words: tuple[str, ...], complaint: str
) -> None:
    """One line, status 2, and no file."""
    before = set(folder.iterdir())
    ended = deliverkit(*SPF, "example.com", *words)
    assert ended.status == 2
    assert complaint in ended.complaint
    assert set(folder.iterdir()) == before


def test_a_link_to_a_file_is_the_same_file(deliverkit: Typed, folder: Path) -> None:
    """Whichever was written last would win."""
    (folder / "real.json").write_text("{}")
    (folder / "link.json").symlink_to("real.json")
    ended = deliverkit(*SPF, "example.com", "-o", "real.json", "-o", "link.json")
    assert (ended.status, (folder / "real.json").read_text()) == (2, "{}")


def test_a_journal_is_no_output(deliverkit: Typed) -> None:
    """Not the second one either."""
    ended = deliverkit(*SPF, "example.com", "-o", "a.sarif", "-o", "b.json", "--record", "b.json")
    assert ended.complaint == "Error: --record b.json: name a file of its own for the journal"


@pytest.mark.parametrize(("fail_on", "status"), [("error", 1), ("warning", 2), ("never", 0)])
def test_a_plugin_follows_the_threshold(deliverkit: Typed, folder: Path, fail_on: str, status: int) -> None:
    """A warning at --fail-on warning is CRITICAL; the default makes it WARNING."""
    (folder / "good.zone").write_text('$ORIGIN example.com.\n@ TXT "v=spf1 mx ?all"\n@ MX 10 mx\nmx A 192.0.2.1\n')
    ended = deliverkit(*SPF, "example.com", "--fail-on", fail_on, "--format", "nagios")
    assert ended.status == status
    word = {0: "OK", 1: "WARNING", 2: "CRITICAL"}[status]
    assert ended.out.startswith(f"DELIVERKIT {word} - example.com: 1 warning")


@pytest.mark.parametrize("format_", [f for f in FORMATS if f not in ("text", "html")])
def test_reports_for_programs_have_no_colour_and_the_same_text_everywhere(
    deliverkit: Typed, folder: Path, format_: str
) -> None:
    """What is printed is what is written, but for the time that it took."""
    printed = deliverkit(*SPF, "example.com", "--format", format_).out
    deliverkit(*SPF, "example.com", "-o", f"{format_}:r")
    assert "\x1b" not in printed
    written = (folder / "r").read_bytes().decode()
    assert re.sub(r"\d+", "0", printed) == re.sub(r"\d+", "0", written)


def test_the_sink_prints_at_once_and_writes_files_at_the_end(folder: Path) -> None:
    """The plugin's line and status for one message without a signature; the file in its own format."""
    words = (
        "sink",
        "--smtp",
        "127.0.0.1:0",
        "--once",
        *CLOSED,
        "--fail-on",
        "warning",
        "--format",
        "nagios",
        "-o",
        "mail.xml",
    )
    process = start(*words, cwd=folder)
    assert process.stderr is not None
    listening = process.stderr.readline().decode()
    port = int(listening.split("smtp=127.0.0.1:")[1].split()[0])
    with smtplib.SMTP("127.0.0.1", port, timeout=20) as client:
        client.sendmail("a@example.com", ["b@example.org"], "From: a@example.com\r\nSubject: x\r\n\r\nx\r\n")
    out, _ = process.communicate(timeout=30)
    assert out.decode().startswith("DELIVERKIT CRITICAL - message 1: ")
    assert process.returncode == 2
    assert (folder / "mail.xml").read_text("utf-8").startswith("<?xml")
