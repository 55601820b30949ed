"""SARIF is valid by the standard's schema, and says what code scanning and editors need."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given

from deliverkit.facts.vantage import Vantage
from deliverkit.findings import Evidence, Severity
from deliverkit.report import render
from deliverkit.report.model import Ignored, Report, Subject
from tests.golden.render import GOLDEN
from tests.report.made import bare, everything, hostile_reports, one, report, unknown

_FILE = Path(__file__).parents[2] / "fixtures" / "conformance" / "sarif" / "sarif-schema-2.1.0.json"
SCHEMA = jsonschema.Draft4Validator(json.loads(_FILE.read_text("utf-8")))


def run(*reports: Report, fail_on: str = "error") -> dict[str, Any]:
    """The one run of a log that is valid."""
    log = json.loads(render(reports, "sarif", fail_on=fail_on))
    SCHEMA.validate(log)
    (only,) = log["runs"]
    return only  # type: ignore[no-any-return]


def physical(result: dict[str, Any]) -> dict[str, Any] | None:
    """Where a result stands."""
    return result["locations"][0].get("physicalLocation")  # type: ignore[no-any-return]


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.sarif")), ids=lambda path: path.name)
def test_renderings_are_valid(path: Path) -> None:
    """What a reviewer sees is what the schema allows."""
    SCHEMA.validate(json.loads(path.read_text("utf-8")))


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    for inner in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _strings(inner)


@given(hostile_reports())
def test_whatever_strangers_publish_is_valid(reports: list[Report]) -> None:
    """Valid, every index leads to its rule, and every URI is ASCII without a blank."""
    only = run(*reports)
    rules = only["tool"]["driver"]["rules"]
    for result in only["results"]:
        assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
        where = physical(result)
        if where is not None:
            uri = where["artifactLocation"]["uri"]
            assert uri.isascii() and not set(uri) & set(' <>"\\^`{|}\n')
    assert len(only["results"]) == sum(len(r.findings) + len(r.ignored) for r in reports)


def test_a_finding_stands_on_the_line_that_caused_it() -> None:
    """Relative to the folder of the run; an absolute path is a file URI without a base."""
    found = one()
    assert physical(run(report(found))["results"][0]) == {
        "artifactLocation": {"uri": "zone", "uriBaseId": "%SRCROOT%"},
        "region": {"startLine": 3},
    }
    odd = replace(found.evidence[0], file="./zones/größe a#b%.zone")
    assert physical(run(report(replace(found, evidence=(odd,))))["results"][0])["artifactLocation"] == {  # type: ignore[index]
        "uri": "zones/gr%C3%B6%C3%9Fe%20a%23b%25.zone",
        "uriBaseId": "%SRCROOT%",
    }
    away = replace(found.evidence[0], file="/srv/z.zone", line=None)
    assert physical(run(report(replace(found, evidence=(away,))))["results"][0]) == {
        "artifactLocation": {"uri": "file:///srv/z.zone"}
    }


def test_the_first_evidence_in_a_file_counts_and_the_others_are_related() -> None:
    """A lookup without a file does not hide the record that has one."""
    seen = (
        Evidence("dns", "b.example", "TXT", "nxdomain"),
        Evidence("dns", "a.example", "TXT", "first", file="z", line=9),
        Evidence("dns", "a.example", "TXT", "second", file="z", line=11),
    )
    (result,) = run(report(replace(one(), evidence=seen)))["results"]
    assert physical(result)["region"] == {"startLine": 9}  # type: ignore[index]
    assert [r["physicalLocation"]["region"]["startLine"] for r in result["relatedLocations"]] == [11]
    assert result["properties"]["evidence"] == [
        "b.example TXT: nxdomain",
        "a.example TXT: first",
        "a.example TXT: second",
    ]


def test_what_is_missing_stands_in_the_file_where_it_would_be_mended() -> None:
    """The zone that is called after the domain, the only zone, the configuration of the run; else nowhere."""
    absent = report(bare())
    assert physical(run(absent)["results"][0]) is None
    assert run(absent)["results"][0]["locations"][0]["logicalLocations"][0]["name"] == "example.com"
    configuration = replace(report(), subject=Subject("configuration", "deliverkit.toml"))
    for reports, uri in (
        ([absent, configuration], "deliverkit.toml"),
        ([replace(absent, subject=Subject("zone", "example.com", "dns/zone.yaml")), configuration], "dns/zone.yaml"),
        ([replace(absent, vantage=Vantage("offline", zones=("only.zone",))), configuration], "only.zone"),
        ([replace(absent, vantage=Vantage("offline", zones=("a.zone", "z/example.com.zone")))], "z/example.com.zone"),
        ([replace(absent, vantage=Vantage("offline", zones=("a", "db.example.com")))], "db.example.com"),
    ):
        where = physical(run(*reports)["results"][0])
        assert where == {"artifactLocation": {"uri": uri, "uriBaseId": "%SRCROOT%"}}


def test_a_rule_brings_its_help() -> None:
    """Title, why and fix from the rule itself; of a rule that nobody has installed, what the finding says."""
    rules = {rule["id"]: rule for rule in run(everything())["tool"]["driver"]["rules"]}
    assert rules["SPF004"]["name"] == "TooManyLookups"
    assert rules["SPF004"]["shortDescription"]["text"] == "The SPF record needs more than ten DNS lookups."
    assert "eleventh" in rules["SPF004"]["fullDescription"]["text"]
    assert "**Fix.**" in rules["SPF004"]["help"]["markdown"]
    assert rules["SPF004"]["defaultConfiguration"]["level"] == "error"
    assert rules["SPF004"]["properties"]["tags"] == ["email", "spf"]
    assert rules["DMARC999"]["shortDescription"]["text"] == "It is absent."


def test_ignored_findings_are_suppressed_and_the_baseline_parts_old_and_new() -> None:
    """External, with the reason; without a baseline nothing is called new."""
    results = {r["ruleId"] + r["baselineState"]: r for r in run(everything())["results"]}
    assert results["DKIM001new"]["suppressions"][0]["justification"] == "the provider moves the key, until 2027-01-31"
    assert results["DMARC999unchanged"]["suppressions"][0]["kind"] == "external"
    assert results["DMARC999new"]["suppressions"] == []
    (plain,) = run(report(one()))["results"]
    assert "baselineState" not in plain and "suppressions" not in plain
    ignored = Ignored(one(), "ignore", "known", date(2027, 1, 1))
    assert all("baselineState" not in result for result in run(report(one(), ignored=(ignored,)))["results"])


@pytest.mark.parametrize("fail_on", ["error", "warning", "note", "never"])
def test_what_could_not_be_told_is_a_notification(fail_on: str) -> None:
    """With its rule; the run ended well, with the status of the contract."""
    only = run(everything(), fail_on=fail_on)
    (invocation,) = only["invocations"]
    assert invocation["executionSuccessful"] is True
    assert invocation["exitCode"] == everything().exit_status(fail_on)
    told = [(n["level"], n["associatedRule"]["id"]) for n in invocation["toolExecutionNotifications"]]
    assert told == [("error", "MX999"), ("note", "PTR999"), ("error", "SPF004")]
    (cut,) = run(replace(report(), interrupted=True))["invocations"]
    assert (cut["executionSuccessful"], cut["exitCode"]) == (False, 130)


def test_nothing_in_a_message_is_a_placeholder_or_a_link() -> None:
    """§3.11.5 and §3.11.6; the macros of SPF stay as they are."""
    (result,) = run(report(one(text="exists:%{i}.example {0} [text](1)")))["results"]
    assert "exists:%{i}.example {{0}} \\[text](1)" in result["message"]["text"]


def test_levels_and_fingerprints() -> None:
    """The severities are SARIF's levels; the same finding twice is told apart."""
    results = run(report(one(), one(), one(Severity.WARNING), one(Severity.NOTE), inconclusive=(unknown(),)))["results"]
    assert [r["level"] for r in results] == ["error", "error", "warning", "note"]
    assert len({r["partialFingerprints"]["deliverkit/v1"] for r in results}) == 4
