"""Nothing that came from the world is a workflow command of its own, and the gravest findings are shown."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given

from deliverkit.findings import Inconclusive, Severity
from deliverkit.report import render
from deliverkit.report.model import Ignored, Report, Subject
from tests.report.made import HOSTILE, bare, everything, hostile_reports, one, report, unknown

COMMAND = re.compile(r"::(error|warning|notice) ([^:]*)::(.*)")
PROPERTIES = ("file", "line", "title")


def commands(text: str) -> list[tuple[str, dict[str, str], str]]:
    """As the runner reads it: level, properties and message, unescaped."""
    found = []
    for line in text.splitlines():
        if match := COMMAND.fullmatch(line):
            level, told, message = match.groups()
            pairs = dict(pair.split("=", 1) for pair in told.split(","))
            found.append((level, {k: unescaped(v) for k, v in pairs.items()}, unescaped(message)))
    return found


def unescaped(text: str) -> str:
    """The runner's own table, in its order."""
    for escape, character in (("%0D", "\r"), ("%0A", "\n"), ("%3A", ":"), ("%2C", ","), ("%25", "%")):
        text = text.replace(escape, character)
    return text


@given(hostile_reports())
def test_strangers_write_no_command(reports: list[Report]) -> None:
    """Every line that the runner takes for a command is one of ours, with properties of ours."""
    text = render(reports, "github")
    for line in text.split("\n"):
        if line.lstrip().startswith("::"):
            assert COMMAND.fullmatch(line), line
        else:  # the older syntax is read anywhere in a line that is no command
            assert "##[" not in line
    for _, properties, _ in commands(text):
        assert set(properties) <= set(PROPERTIES)
    assert len(commands(text)) == sum(
        min(10, sum(level == wanted for level, _, _ in commands(text))) for wanted in ("error", "warning", "notice")
    )


def test_an_annotation_stands_on_its_line() -> None:
    """File, line and title; the message keeps its line breaks, percent signs and commas."""
    (found,) = commands(render([report(one(text="100%, a: b"))], "github"))
    level, properties, message = found
    assert (level, properties) == ("error", {"file": "zone", "line": "3", "title": "SPF999 some-fault"})
    assert message.startswith("example.com: A fault: 100%, a: b\nFix: Publish another record: 100%, a: b\n")
    assert message.endswith('example.com. TXT "v=spf1 mx -all"')


def test_what_has_no_file_has_a_title() -> None:
    """And what could not be told is a warning if it was decisive."""
    text = render([report(bare(Severity.NOTE), inconclusive=(unknown(), unknown(decisive=False)))], "github")
    assert [(level, set(told)) for level, told, _ in commands(text)] == [("warning", {"title"}), ("notice", {"title"})]
    assert "MX example.com: timeout: MX999" in text


def test_the_gravest_come_first_and_the_rest_is_counted() -> None:
    """Ten of each level are shown in a step; the log says how many more there are."""
    many = [one(Severity.NOTE)] * 12 + [one(Severity.ERROR)] * 11 + [one(Severity.WARNING)] * 3
    text = render([report(*many)], "github")
    levels = [level for level, _, _ in commands(text)]
    assert levels == ["error"] * 10 + ["warning"] * 3 + ["notice"] * 10
    assert text.splitlines()[-2:] == [
        "example.com: fail, 11 errors, 3 warnings, 12 notes",
        "deliverkit: 1 error, 2 notices more than GitHub shows; the other formats hold all",
    ]


def test_the_summary_is_a_table_and_folded_findings() -> None:
    """A row a subject; Markdown inside the element needs empty lines around it."""
    text = render([everything(), report()], "github-summary")
    assert text.startswith("## deliverkit: 1 error, 1 warning, 1 note in 2 subjects\n")
    assert "| example.com | **fail** | 1 | 1 | 1 | 3 | 2 |" in text
    assert Counter(re.findall("</?details", text)) == {"<details": 1, "</details": 1}
    assert "\n<details open><summary>example.com: fail, 1 error, 1 warning, 1 note; " in text
    assert "</summary>\n\n" in text
    assert "## Ignored" in text and "## Could not be told" in text and "**Fixed since the baseline:**" in text


@pytest.mark.parametrize("text", [HOSTILE, "</details><b>x", "<!-- ", "| a |\n|---|", "`", "&lt;"])
def test_strangers_write_no_markup(text: str) -> None:
    """Outside of code every tag is one of ours, and every row has its seven cells."""
    kept = Ignored(one(text=text), "ignore", text)
    told = report(one(text=text), ignored=(kept,), fixed=(text,), inconclusive=(Inconclusive("A", text, text),))
    said = render([replace(told, subject=Subject("message", text))], "github-summary")
    prose = re.sub(r"(?s)(`{3,})text\n.*?\n\1\n", "", said)
    prose = "\n".join(re.sub(r"(?<!`)(`+)(?!`).*?(?<!`)\1(?!`)", "", line) for line in prose.split("\n"))
    ours = {"<details>", "<details open>", "</details>", "<summary>", "</summary>"}
    assert set(re.findall(r"(?<!\\)<[^>]*>", prose)) <= ours
    assert "<!--" not in prose
    rows = [line for line in said.split("\n") if line.startswith("|")]
    assert [len(re.findall(r"(?<!\\)\|", row)) for row in rows] == [8, 8, 8]


@pytest.mark.parametrize(("subjects", "text"), [(3000, "x" * 400), (40_000, "")])
def test_the_summary_is_never_larger_than_github_takes(subjects: int, text: str) -> None:
    """A mebibyte; what is left out is counted, or the table gives way to the totals."""
    said = render([report(one(text=text))] * subjects, "github-summary")
    assert len(said.encode()) <= 1024 * 1024
    assert f"{subjects} errors" in said
    assert re.search(r"\d+ more subjects", said)
