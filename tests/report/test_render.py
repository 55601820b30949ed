"""Every format renders every report: hostile text is harmless, narrow and wide terminals are both served."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import jsonschema
import pytest

from deliverkit.findings import Fix, Inconclusive, RecordText, Severity
from deliverkit.report import FORMATS, render
from deliverkit.report.model import Ignored, Verdict, exit_status
from deliverkit.report.plain import plain
from tests.report.made import HOSTILE, everything, one, report

SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "report.schema.json").read_text("utf-8"))


@pytest.mark.parametrize("format_", FORMATS)
def test_hostile_text_is_harmless_in_every_format(format_: str) -> None:
    """No control character, no direction trick and no raw tag leaves a renderer."""
    lost = Inconclusive("SPF001", HOSTILE, HOSTILE, True)
    kept = Ignored(one(text=HOSTILE), "ignore", HOSTILE)
    said = render([report(one(text=HOSTILE), inconclusive=(lost,), ignored=(kept,), fixed=(HOSTILE,))], format_)
    said = said.replace("\r\n", "\n") if format_ == "csv" else said
    assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe]", said)
    assert "\u202e" not in said
    assert "\U000e0041" not in said
    if format_ == "json":
        assert json.loads(said)["findings"][0]["detail"] == HOSTILE.replace("\udcff", "\\xff")
    if format_ == "html":
        assert "<script" not in said
    said.encode("utf-8")


@pytest.mark.parametrize("format_", ["text", "markdown", "html"])
def test_a_fix_says_what_goes_what_comes_and_what_it_changes(format_: str) -> None:
    """What goes is a comment, so that the lines can be pasted into a zone; no string is longer than 255 octets."""
    long = RecordText("s1._domainkey.example.com", "TXT", "v=DKIM1; k=rsa; p=" + "A" * 400)
    fix = Fix(
        "Move it.", (long,), (RecordText("s1.example.com", "TXT", "v=DKIM1"),), rejudged=True, effect="error → pass"
    )
    finding = replace(one(), fix=fix)
    said = unescape(render([report(finding)], format_))
    assert '; remove: s1.example.com. TXT "v=DKIM1"' in said
    assert 's1._domainkey.example.com. TXT ( "v=DKIM1; k=rsa; p=AAA' in said and 'AAA" )' in said
    assert "Then: error → pass" in said.replace("\\", "")
    unsure = replace(finding, fix=replace(fix, rejudged=False, effect="not re-judged: TXT x: timeout"))
    assert "Not re-judged: TXT x: timeout" in unescape(render([report(unsure)], format_)).replace("\\", "")


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in ("meta", "br", "link"):
            self.open.append(tag)
        self.links += [value or "" for name, value in attrs if name in ("href", "src")]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_html_is_one_file_without_script_or_foreign_resource() -> None:
    """Well-formed, and every link stays inside the page."""
    said = render([report(one()), report()], "html")
    tags = _Tags()
    tags.feed(said)
    assert tags.open == []
    assert all(link.startswith("#") for link in tags.links)
    assert "prefers-color-scheme: dark" in said
    assert "@media print" in said


@pytest.mark.parametrize("format_", ["json", "jsonl"])
def test_json_validates_against_the_schema(format_: str) -> None:
    """One report is an object; several are wrapped, or a line each."""
    one_, two = report(one()), report(one(Severity.NOTE), inconclusive=(Inconclusive("A", "b", "c", False),))
    validator = jsonschema.Draft202012Validator(SCHEMA)
    if format_ == "json":
        validator.validate(json.loads(render([one_], "json")))
        assert len(json.loads(render([one_, two], "json"))["reports"]) == 2
        validator.validate(json.loads(render([one_, two], "json")))
    else:
        for line in render([one_, two], "jsonl").splitlines():
            validator.validate(json.loads(line))


@pytest.mark.parametrize("width", [60, 80, 200])
def test_text_keeps_to_the_width(width: int) -> None:
    """Only a record to be copied may be longer than the terminal is wide."""
    long = "word " * 60
    said = render([report(one(text=long), one(Severity.NOTE))], "text", width=width)
    for line in said.splitlines():
        assert len(line) <= width or line.lstrip().startswith(("example.com. TXT", "; remove: ")), line


@pytest.mark.parametrize("format_", ["text", "markdown", "html"])
def test_what_is_ignored_and_what_was_fixed_is_told(format_: str) -> None:
    """A section with rule, reason and day; a line; counts behind the verdict. Neither changes the verdict."""
    said = unescape(render([everything()], format_)).replace("\\", "")
    counts = "1 error, 1 warning, 1 note; 3 could not be told; 2 ignored; 1 fixed since the baseline"
    assert counts in said
    assert "Ignored" in said
    assert "DKIM001 A fault: what is wrong here (the provider moves the key, until 2027-01-31)" in " ".join(
        said.split()
    )
    assert "DMARC999 It is absent: none (in the baseline)" in said
    assert "Fixed since the baseline:" in said and "TLSRPT001 example.com: no record" in said
    only = report(ignored=(Ignored(one(), "ignore", "known"),))
    assert (only.verdict, only.exit_status()) == (Verdict.PASS, 0)


def test_json_holds_what_is_ignored_and_what_was_fixed() -> None:
    """The whole finding, who ignores it, why and until when."""
    whole = json.loads(render([everything()], "json"))
    jsonschema.Draft202012Validator(SCHEMA).validate(whole)
    said, held = whole["ignored"]
    assert (said["finding"]["rule"], said["by"], said["until"]) == ("DKIM001", "ignore", "2027-01-31")
    assert (held["by"], held["until"]) == ("baseline", None)
    assert whole["fixed"] == ["TLSRPT001 example.com: no record"]


def test_text_says_the_verdict_first_and_points_at_the_span() -> None:
    """The first line is the verdict; a caret line stands under the guilty term."""
    lines = render([report(one(), one(Severity.NOTE))], "text", width=100).splitlines()
    assert lines[0] == "example.com: FAIL   1 error, 1 note"
    caret = next(n for n, line in enumerate(lines) if "^" in line)
    start = lines[caret].index("^")
    assert lines[caret - 1][start : start + lines[caret].count("^")] == "include:a"
    assert render([report()], "text", quiet=True) == "example.com: PASS   nothing found\n"


def test_verdict_and_exit_status_follow_the_contract() -> None:
    """Errors before decisive unknowns before warnings; --fail-on moves the threshold."""
    decisive, idle = Inconclusive("A", "b", "c", True), Inconclusive("A", "b", "c", False)
    assert report().verdict is Verdict.PASS
    assert report(one(Severity.NOTE)).verdict is Verdict.PASS
    assert report(one(Severity.WARNING)).verdict is Verdict.RISK
    assert report(one(Severity.WARNING), inconclusive=(decisive,)).verdict is Verdict.UNKNOWN
    assert report(one(), inconclusive=(decisive,)).verdict is Verdict.FAIL
    assert report(inconclusive=(idle,)).exit_status() == 0
    assert report(inconclusive=(decisive,)).exit_status() == 3
    assert report(one(), inconclusive=(decisive,)).exit_status() == 1
    assert report(one(Severity.WARNING)).exit_status() == 0
    assert report(one(Severity.WARNING)).exit_status("warning") == 1
    assert report(one()).exit_status("never") == 0
    assert exit_status([report(), report(inconclusive=(decisive,)), report(one())]) == 1
    assert exit_status([report(), report(inconclusive=(decisive,))]) == 3
    assert exit_status([report(one(), interrupted=True)]) == 130


def test_plain_cuts_and_escapes() -> None:
    """What is escaped stays readable; what is too long says so."""
    assert plain("a\tb\x00\udcfe") == "a\\x09b\\x00\\xfe"
    assert plain("abcdef", 4) == "abc…"
    assert plain("ünïcode 名称") == "ünïcode 名称"
