"""The sample repository: ten faults on their lines, none in the twin, by every way a check is run in a pipeline."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from difflib import SequenceMatcher
from pathlib import Path

import pytest

from tests.cli.command import Typed
from tests.repositories.sample import FAULTS, REPOSITORIES, copied, place

FINDINGS = ("error", "warning")


@pytest.fixture(params=["sound", "faulty"])
def either(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, Path]:
    """A copy of one of the repositories, as a checkout has it, and we are in it."""
    return request.param, _copied(request.param, tmp_path, monkeypatch)


@pytest.fixture
def faulty(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the faulty one."""
    return _copied("faulty", tmp_path, monkeypatch)


def _copied(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = copied(name, tmp_path / "repository")
    (folder / ".git").mkdir()  # names in evidence are relative to the repository
    monkeypatch.chdir(folder)
    return folder


def _findings(deliverkit: Typed, *more: str) -> list[tuple[str, str, str, int]]:
    """Severity, rule, file and line of each finding that points into a file, by its first such evidence."""
    told = json.loads(deliverkit("check", *more, "--format", "json").out)
    found = []
    for finding in (finding for report in told["reports"] for finding in report["findings"]):
        place = next((e for e in finding["evidence"] if e["file"]), None)
        if place is not None:
            found.append((finding["severity"], finding["rule"], place["file"], place["line"]))
    return found


def test_each_planted_fault_is_found_on_its_line(deliverkit: Typed, faulty: Path) -> None:
    found = {found[1:] for found in _findings(deliverkit)}
    assert len(FAULTS) == 10
    for fault in FAULTS:
        for rule in fault["rules"]:
            assert (rule, fault["file"], fault["line"]) in found, fault["what"]


def test_nothing_else_is_found(deliverkit: Typed, faulty: Path) -> None:
    """Every error and warning that stands on a line stands on a planted one."""
    planted = {(fault["file"], fault["line"]) for fault in FAULTS}
    assert {found[2:] for found in _findings(deliverkit) if found[0] in FINDINGS} == planted


def test_the_status_tells_the_twins_apart(deliverkit: Typed, either: tuple[str, Path]) -> None:
    name, _ = either
    ended = deliverkit("check")
    assert ended.status == (1 if name == "faulty" else 0)
    if name == "sound":
        assert "error" not in ended.out
        assert "warning" not in ended.out


def test_the_sound_one_holds_no_finding_above_a_note(deliverkit: Typed, either: tuple[str, Path]) -> None:
    name, _ = either
    grave = [found for found in _findings(deliverkit) if found[0] in FINDINGS]
    assert bool(grave) is (name == "faulty")


@pytest.mark.parametrize(
    ("format_", "status"),
    [*((word, 1) for word in ("text", "json", "jsonl", "markdown", "html", "junit", "sarif", "github")),
     *((word, 1) for word in ("github-summary", "gitlab", "prometheus", "csv")), ("nagios", 2)],
)  # fmt: skip
def test_every_format_fails_the_pipeline(deliverkit: Typed, faulty: Path, format_: str, status: int) -> None:
    ended = deliverkit("check", "--format", format_)
    assert ended.status == status
    assert "SPF004" in ended.out or format_ in ("nagios",)


def test_annotations_stand_on_the_guilty_lines(deliverkit: Typed, faulty: Path) -> None:
    said = deliverkit("check", "--format", "github").out
    for fault in FAULTS:
        assert f"file={fault['file']},line={fault['line']}" in said, fault["what"]


def test_sarif_points_at_the_guilty_lines(deliverkit: Typed, faulty: Path) -> None:
    told = json.loads(deliverkit("check", "--format", "sarif").out)
    places = set()
    for result in told["runs"][0]["results"]:
        for location in result["locations"]:
            physical = location.get("physicalLocation", {})
            places.add((physical["artifactLocation"]["uri"], physical.get("region", {}).get("startLine")))
    assert {(fault["file"], fault["line"]) for fault in FAULTS} <= places


def test_a_baseline_lets_what_was_there_before_pass(deliverkit: Typed, faulty: Path) -> None:
    assert deliverkit("baseline", "write", "-o", "baseline.json").status == 0
    assert deliverkit("check", "--baseline", "baseline.json").status == 0
    zone = faulty / "zones" / "parked.example.zone"
    zone.write_text(zone.read_text("utf-8").replace("v=spf1 ?all", "v=spf1 +all"), "utf-8")
    assert deliverkit("check", "--baseline", "baseline.json").status == 1


def test_one_file_is_checked_alone(deliverkit: Typed, faulty: Path) -> None:
    """As pre-commit calls it."""
    assert deliverkit("check", "terraform/plan.json").status == 0  # two warnings
    assert deliverkit("check", "zones/keys.inc").status == 1


def test_what_changed_between_the_twins_is_told_by_its_meaning(deliverkit: Typed) -> None:
    ended = deliverkit("diff", REPOSITORIES / "sound", REPOSITORIES / "faulty")
    assert ended.status == 1
    for word in ("the DMARC policy is weaker", "SPF allows another sender", "more than one SPF record"):
        assert word in ended.out


# -- fixes, and other ways ----------------------------------------------------------------------------------


def _lines(folder: Path) -> dict[str, list[bytes]]:
    suffixes = (".zone", ".inc", ".yaml", ".json", ".toml", ".jsonl")
    files = (path for path in folder.rglob("*") if path.suffix in suffixes)
    return {path.relative_to(folder).as_posix(): path.read_bytes().splitlines(keepends=True) for path in files}


def test_fix_makes_the_check_pass_and_touches_no_other_octet(deliverkit: Typed, faulty: Path) -> None:
    """Only planted lines change; what stands in the plan is left, told, and no error."""
    before = _lines(faulty)
    ended = deliverkit("fix", "--write")
    assert ended.status == 0, ended.out
    assert deliverkit("check").status == 0
    after = _lines(faulty)
    planted = {(fault["file"], fault["line"]) for fault in FAULTS if not fault["file"].startswith("terraform")}
    planted.add(("octodns/news.example.yaml", 19))  # the second of two SPF records, which became one
    changed = set()
    for file, lines in before.items():
        for kind, first, end, _, _ in SequenceMatcher(None, lines, after[file], autojunk=False).get_opcodes():
            changed |= {(file, number + 1) for number in range(first, end) if kind != "equal"}
            assert kind in ("equal", "replace", "delete"), file
    assert changed == planted
    assert "terraform/plan.json:54" in ended.out
    assert deliverkit("fix").out == ""


def test_a_fix_is_shown_before_it_is_written(deliverkit: Typed, faulty: Path) -> None:
    before = _lines(faulty)
    ended = deliverkit("fix")
    assert ended.status == 1
    assert ended.out.startswith("--- a/")
    assert _lines(faulty) == before


def test_pytest_runs_the_same_check(either: tuple[str, Path]) -> None:
    """One test a report; the lines stand in what it prints."""
    name, folder = either
    words = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "deliverkit.testing.plugin",
        "-p",
        "no:cacheprovider",
        "--deliverkit",
    ]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORIES.parents[1]), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(words, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == (1 if name == "faulty" else 0), done.stdout
    grave = [fault for fault in FAULTS if not fault["file"].startswith(("terraform", "zones/parked"))]
    assert all((place(fault) in done.stdout) is (name == "faulty") for fault in grave)
