"""GitLab's Code Quality report has what GitLab asks of every entry."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given

from deliverkit.findings import Severity
from deliverkit.report import render
from deliverkit.report.model import Report, Subject
from tests.golden.render import GOLDEN
from tests.report.made import bare, everything, hostile_reports, one, report

SCHEMA = jsonschema.Draft202012Validator(
    {
        "type": "array",
        "items": {
            "type": "object",
            "required": ["description", "check_name", "fingerprint", "severity", "location"],
            "properties": {
                "description": {"type": "string", "minLength": 1},
                "check_name": {"type": "string", "minLength": 1},
                "fingerprint": {"type": "string", "minLength": 1},
                "severity": {"enum": ["info", "minor", "major", "critical", "blocker"]},
                "location": {
                    "type": "object",
                    "required": ["path", "lines"],
                    "properties": {
                        "path": {"type": "string", "pattern": r"^(?!\./)"},
                        "lines": {
                            "type": "object",
                            "required": ["begin"],
                            "properties": {"begin": {"type": "integer", "minimum": 1}},
                        },
                    },
                },
            },
        },
    }
)
"""By GitLab's documentation of the format: GitLab publishes no schema of it."""


def entries(*reports: Report) -> list[dict[str, Any]]:
    """The entries of a report that is valid."""
    found = json.loads(render(reports, "gitlab"))
    SCHEMA.validate(found)
    return found  # type: ignore[no-any-return]


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.gitlab.json")), ids=lambda path: path.name)
def test_renderings_are_valid(path: Path) -> None:
    """What a reviewer sees is what GitLab takes."""
    SCHEMA.validate(json.loads(path.read_text("utf-8")))


@given(hostile_reports())
def test_whatever_strangers_publish_is_valid(reports: list[Report]) -> None:
    """And every fingerprint is there once."""
    found = entries(*reports)
    assert len({entry["fingerprint"] for entry in found}) == len(found)


def test_severities_and_places() -> None:
    """The line of the record; line 1 of the configuration, or the subject's name, where none is known."""
    configuration = replace(report(), subject=Subject("configuration", "deliverkit.toml"))
    found = entries(report(one(), one(Severity.WARNING), bare(Severity.NOTE)), configuration)
    assert [(e["severity"], e["location"]["path"], e["location"]["lines"]["begin"]) for e in found] == [
        ("critical", "zone", 3),
        ("major", "zone", 3),
        ("info", "deliverkit.toml", 1),
    ]
    assert entries(report(bare()))[0]["location"]["path"] == "example.com"


def test_decisive_unknowns_are_listed_and_ignored_findings_are_not() -> None:
    """What nobody could tell must not look like a pass."""
    told = [entry["check_name"].split()[0] for entry in entries(everything())]
    assert told == ["SPF004", "SPF018", "DMARC999", "MX999", "SPF004"]
    assert entries(everything())[3]["severity"] == "minor"


def test_a_subject_typed_twice_has_its_findings_once() -> None:
    """GitLab compares by fingerprint and drops what is doubled."""
    assert len(entries(report(one()), report(one()))) == 1
