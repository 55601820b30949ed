"""The GitHub Action: its steps, run by hand with bash as a runner would.

A runner evaluates ``${{ … }}`` and puts the results into the environment; so do these tests. The check itself is run
where `deliverkit check` is there; what is handed to it is proven with a program that writes down its arguments.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.ci.repository import ROOT, write_repository
from tests.repositories.sample import FAULTS, copied

FOLDER = ROOT / ".github" / "actions" / "check"
ACTION: dict[str, Any] = yaml.safe_load((FOLDER / "action.yml").read_text("utf-8"))
STEPS: dict[str, dict[str, Any]] = {step["id"]: step for step in ACTION["runs"]["steps"]}
EXPRESSION = re.compile(r"\$\{\{\s*([\w.-]+)\s*\}\}")

RECORDS = """\
#!{python}
import json, os, sys
with open(os.environ["SEEN"], "w") as seen:
    json.dump(sys.argv[1:], seen)
for word in sys.argv:
    if word.startswith("--output=sarif:"):
        open(word.partition(":")[2], "w").close()
sys.exit(int(os.environ["STATUS"]))
"""


class Runner:
    """As much of a runner as a composite action sees."""

    def __init__(self, folder: Path) -> None:
        self.workspace = folder / "workspace"
        self.temporary = folder / "temporary"
        self.output = folder / "output"
        self.summary = folder / "summary.md"
        self.outputs: dict[str, str] = {}
        self.workspace.mkdir()
        self.temporary.mkdir()
        self.output.touch()

    def run(self, step: str, inputs: dict[str, str], **environment: str) -> subprocess.CompletedProcess[str]:
        """Run one step; its outputs are kept as ``steps.STEP.outputs.NAME``."""
        given = {f"inputs.{name}": str(told["default"]) for name, told in ACTION["inputs"].items()}
        given |= {f"inputs.{name}": value for name, value in inputs.items()}
        given |= {"github.action_path": str(FOLDER), "steps.python.outputs.python-path": sys.executable, **self.outputs}
        told = {name: EXPRESSION.sub(lambda m: given[m[1]], value) for name, value in STEPS[step]["env"].items()}
        self.output.write_text("")
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", STEPS[step]["run"]],
            cwd=self.workspace,
            env={
                **os.environ, **told, **environment,
                "RUNNER_TEMP": str(self.temporary),
                "GITHUB_OUTPUT": str(self.output),
                "GITHUB_STEP_SUMMARY": str(self.summary),
                "GITHUB_ACTIONS": "true",
            },
            capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        for line in self.output.read_text().splitlines():
            name, _, value = line.partition("=")
            self.outputs[f"steps.{step}.outputs.{name}"] = value
        return done


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    """A runner with an empty workspace."""
    return Runner(tmp_path)


@pytest.fixture
def recorded(runner: Runner) -> tuple[Runner, Path]:
    """A runner in which the program writes its arguments into a file."""
    program = runner.temporary / "program"
    program.write_text(RECORDS.format(python=sys.executable))
    program.chmod(0o755)
    runner.outputs["steps.install.outputs.program"] = str(program)
    return runner, runner.temporary / "seen.json"


def test_no_input_is_written_into_a_script() -> None:
    """What somebody typed, or named a branch, is a word and never a command."""
    for step in ACTION["runs"]["steps"]:
        assert "${{" not in step.get("run", "")
        assert ("run" in step) == (step.get("shell") == "bash")


def test_each_input_is_used_and_explained() -> None:
    """And nothing else is."""
    text = json.dumps(ACTION["runs"])
    assert set(re.findall(r"inputs\.([\w-]+)", text)) == set(ACTION["inputs"])
    assert all(told["description"] and "default" in told for told in ACTION["inputs"].values())
    used = set(re.findall(r"steps\.([\w-]+)\.outputs", json.dumps(ACTION)))
    assert used <= set(STEPS)


def test_the_defaults(recorded: tuple[Runner, Path]) -> None:
    """Annotations, a summary and SARIF; the outputs name the file and the status."""
    runner, seen = recorded
    done = runner.run("check", {}, SEEN=str(seen), STATUS="0")
    assert done.returncode == 0, done.stderr
    assert json.loads(seen.read_text()) == [
        "check", "--format=github", f"--output=github-summary:{runner.summary}", "--output=sarif:deliverkit.sarif"
    ]  # fmt: skip
    assert runner.outputs["steps.check.outputs.status"] == "0"
    assert runner.outputs["steps.check.outputs.sarif"] == "deliverkit.sarif"


@pytest.mark.parametrize("status", [1, 2, 3, 130])
def test_the_step_ends_with_the_status_of_the_check(recorded: tuple[Runner, Path], status: int) -> None:
    """The outputs are there all the same."""
    runner, seen = recorded
    assert runner.run("check", {}, SEEN=str(seen), STATUS=str(status)).returncode == status
    assert runner.outputs["steps.check.outputs.status"] == str(status)
    assert runner.outputs["steps.check.outputs.sarif"] == "deliverkit.sarif"


def test_every_input_reaches_the_check_as_one_word(recorded: tuple[Runner, Path]) -> None:
    """Blanks, quotes and what a shell would run are letters like others."""
    runner, seen = recorded
    evil = 'x"; touch evil; $(touch evil) `touch evil`'
    inputs = {
        "config": evil,
        "environment": "staging $HOME",
        "fail-on": "warning",
        "replay": "a b.jsonl",
        "args": f"--only\r\nspf,dmarc\n\nzones/a b.zone\n{evil}\n",
        "annotations": "false",
        "summary": "false",
        "sarif-file": "",
    }
    assert runner.run("check", inputs, SEEN=str(seen), STATUS="0").returncode == 0
    assert json.loads(seen.read_text()) == [
        "check", f"--config={evil}", "--environment=staging $HOME", "--fail-on=warning", "--replay=a b.jsonl",
        "--only", "spf,dmarc", "zones/a b.zone", evil,
    ]  # fmt: skip
    assert "steps.check.outputs.sarif" not in runner.outputs
    assert not list(runner.workspace.rglob("evil"))


def test_an_output_cannot_be_forged(recorded: tuple[Runner, Path]) -> None:
    """A name with a line end makes no second output."""
    runner, seen = recorded
    runner.run("check", {"sarif-file": "a.sarif\nstatus=0"}, SEEN=str(seen), STATUS="1")
    assert runner.outputs["steps.check.outputs.status"] == "1"


def test_a_version_that_is_none_is_refused(runner: Runner) -> None:
    """Before anything is installed."""
    done = runner.run("install", {"version": "1.0 --index-url=https://evil.example"})
    assert done.returncode == 2
    assert done.stdout.startswith("::error title=deliverkit::the input version is no version")
    assert not (runner.temporary / "deliverkit").exists()


@pytest.mark.peer("package-index")
def test_the_steps_by_hand(runner: Runner) -> None:
    """Installed from the action's own checkout, then run on a faulty repository and on its sound twin."""
    done = runner.run("install", {})
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("deliverkit ")
    program = Path(runner.outputs["steps.install.outputs.program"])
    assert program.is_file()
    write_repository(runner.workspace)
    bad = runner.run("check", {})
    assert bad.returncode == 1, bad.stdout + bad.stderr
    assert "::error file=zones/bad.example.zone,line=8," in bad.stdout
    assert "bad.example" in runner.summary.read_text()
    assert json.loads((runner.workspace / "deliverkit.sarif").read_text())["version"] == "2.1.0"
    shutil.rmtree(runner.workspace)
    write_repository(runner.workspace, sound=True)
    good = runner.run("check", {"fail-on": "error"})
    assert good.returncode == 0, good.stdout + good.stderr
    assert "::error" not in good.stdout
    for name, status in (("faulty", 1), ("sound", 0)):  # the sample repository, with its ten faults and without
        shutil.rmtree(runner.workspace)
        copied(name, runner.workspace)
        done = runner.run("check", {})
        assert done.returncode == status, done.stdout + done.stderr
        annotated = [f"file={fault['file']},line={fault['line']}," in done.stdout for fault in FAULTS]
        assert annotated == [name == "faulty"] * 10
