"""JUnit XML is valid by the schema of Jenkins' plugin, and an independent reader counts what the report says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import xmlschema
from hypothesis import given
from junitparser import Error, Failure, JUnitXml, Skipped

from deliverkit.findings import Severity
from deliverkit.report import render
from deliverkit.report.model import Report, Subject
from tests.golden.render import GOLDEN
from tests.report.made import HOSTILE, everything, hostile_reports, one, report, unknown

SCHEMA = xmlschema.XMLSchema(Path(__file__).parents[2] / "fixtures" / "conformance" / "junit" / "junit-10.xsd")


def read(reports: list[Report], fail_on: str = "error") -> JUnitXml:
    """What junitparser makes of a document that is valid."""
    text = render(reports, "junit", fail_on=fail_on)
    SCHEMA.validate(text)
    return JUnitXml.fromstring(text.encode("utf-8"))


def outcomes(read: JUnitXml) -> dict[str, str]:
    """The outcome of each case of the first suite, by the id of its rule."""
    words = {Failure: "failure", Error: "error", Skipped: "skipped"}
    cases = list(next(iter(read)))
    return {case.name.split()[0]: words[type(case.result[0])] if case.result else "passed" for case in cases}


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.junit.xml")), ids=lambda path: path.name)
def test_renderings_are_valid(path: Path) -> None:
    """What a reviewer sees is what the schema allows."""
    SCHEMA.validate(path.read_text("utf-8"))


@given(hostile_reports())
def test_whatever_strangers_publish_is_valid(reports: list[Report]) -> None:
    """Well-formed, valid, one suite a subject."""
    assert len(list(read(reports))) == len(reports)


def test_every_outcome_has_its_word() -> None:
    """A finding at the threshold fails, one below passes with output, a decisive unknown is an error."""
    found = read([everything()])
    assert outcomes(found) == {
        "SPF004": "failure", "SPF018": "passed", "DMARC999": "passed", "MX999": "error", "PTR999": "skipped",
        "SPF001": "passed", "SPF002": "passed", "SPF003": "skipped", "BIMI001": "skipped", "DKIM001": "skipped",
    }  # fmt: skip
    suite = next(iter(found))
    assert (suite.tests, suite.failures, suite.errors, suite.skipped) == (10, 1, 1, 4)
    assert (found.tests, found.failures, found.errors) == (10, 1, 1)
    cases = {case.name.split()[0]: case for case in suite}
    assert (cases["SPF004"].classname, cases["SPF004"].name) == ("spf", "SPF004 too-many-lookups")
    assert cases["SPF004"].result[0].message == "zone:3: what is wrong here"
    assert "example.com TXT (zone:3)" in cases["SPF004"].result[0].text
    assert "WARNING SPF018" in cases["SPF018"].system_out
    assert cases["SPF004"].system_err == "could not be told: MX example.com: timeout"
    assert cases["DMARC999"].system_out.endswith("ignored: DMARC999 It is absent: none (in the baseline)")
    assert cases["DKIM001"].result[0].message.startswith("ignored: DKIM001 A fault: what is wrong here (the provider")


@pytest.mark.parametrize(
    ("fail_on", "failures", "errors"), [("error", 1, 1), ("warning", 2, 1), ("note", 3, 1), ("never", 0, 0)]
)
def test_the_threshold_is_that_of_the_exit_status(fail_on: str, failures: int, errors: int) -> None:
    """Failures and errors are there exactly when the run ends with 1 or 3."""
    found = read([everything()], fail_on)
    assert (found.failures, found.errors) == (failures, errors)
    assert bool(failures) == (everything().exit_status(fail_on) == 1)


def test_several_findings_of_a_rule_are_one_failure() -> None:
    """Readers take the first: its message counts the others, its text holds all."""
    found = read([report(one(text="first"), one(text="second"))])
    (case,) = next(iter(found))
    (failure,) = case.result
    assert failure.message == "zone:3: first (and 1 more)"
    assert "first" in failure.text and "second" in failure.text


def test_properties_tell_version_vantage_and_verdict() -> None:
    """As much as a reader of the report needs to know where it comes from."""
    told = {p.name: p.value for p in next(iter(read([everything()]))).properties()}
    assert (told["verdict"], told["vantage.mode"], told["subject.kind"]) == ("fail", "offline", "domain")
    assert told["deliverkit.version"]


def test_control_characters_are_visible_and_text_is_bounded() -> None:
    """What XML 1.0 cannot hold is escaped as on a terminal; a megabyte is cut."""
    text = render([report(one(text=HOSTILE + "]]>"), one(text="x" * 1_000_000))], "junit")
    assert "\\x1b]0;owned\\x07" in text
    assert "\\ufffe" in text
    assert "]]&gt;" in text
    assert len(text) < 60_000


def test_a_record_that_is_shown_and_no_report_at_all() -> None:
    """No rule was asked: an empty suite, an empty document."""
    shown = replace(report(), subject=Subject("record", "example.com"))
    assert read([shown]).tests == 0
    assert read([]).tests == 0


def test_a_long_run_has_a_time_that_the_schema_takes() -> None:
    """Thousands of seconds."""
    found = read([replace(report(one(Severity.NOTE), inconclusive=(unknown(),)), elapsed_s=12345.6789)])
    assert next(iter(found)).time == 12345.679
