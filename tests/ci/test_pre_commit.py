"""The pre-commit hooks: the manifest, which files they take, and a commit that they stop."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from deliverkit.cli import VERBS
from tests.ci.repository import FAULT, ROOT, committed, write_repository
from tests.peers.programs import peer_command
from tests.repositories.sample import FAULTS, copied, place

MANIFEST = ROOT / ".pre-commit-hooks.yaml"
HOOKS: dict[str, dict[str, Any]] = {hook["id"]: hook for hook in yaml.safe_load(MANIFEST.read_text("utf-8"))}


def pre_commit(*words: str, cwd: Path, home: Path, check: bool = False) -> subprocess.CompletedProcess[str]:
    """Run the real program, with a cache of its own."""
    program = peer_command("pre-commit")
    assert program is not None
    environment = {
        **os.environ,
        "PRE_COMMIT_HOME": str(home),
        "NO_COLOR": "1",
    }
    return subprocess.run(
        [program, *words], cwd=cwd, env=environment, capture_output=True, text=True, timeout=300, check=check
    )


@pytest.mark.parametrize(
    ("path", "taken"),
    [
        ("deliverkit.toml", True),
        ("dns/.deliverkit.toml", True),
        ("zones/example.com.zone", True),
        ("example.com.zone", True),
        ("zones/example.com.yaml", True),
        ("zone/internal/example.com.yml", True),
        ("bind/db.example.com", True),
        ("plan.json", True),
        ("infra/prod.tfplan.json", True),
        ("tfplan.json", True),
        ("package.json", False),
        ("docs/zones.md", False),
        (".github/workflows/ci.yaml", False),
        ("explan.json", False),
        ("db.py", False),
    ],
)
def test_the_files_that_are_taken(path: str, taken: bool) -> None:
    """As pre-commit looks for them: the pattern is searched in the path from the top of the repository."""
    assert (re.search(HOOKS["deliverkit-check"]["files"], path) is not None) is taken


def test_the_hooks_name_a_verb_that_is_there() -> None:
    """Both run `deliverkit check`, one with the names of files and one without."""
    assert all(hook["entry"].split()[1] in VERBS for hook in HOOKS.values())


def test_what_the_hooks_install_is_what_the_extras_name() -> None:
    """octoDNS needs YAML; pre-commit installs no extra of its own."""
    import tomllib

    extras = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]["optional-dependencies"]
    known = {requirement for extra in extras.values() for requirement in extra}
    for hook in HOOKS.values():
        assert set(hook["additional_dependencies"]) <= known


@pytest.mark.peer("pre-commit")
def test_the_manifest_is_one(tmp_path: Path) -> None:
    """By pre-commit's own word."""
    done = pre_commit("validate-manifest", str(MANIFEST), cwd=tmp_path, home=tmp_path / "home")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.peer("pre-commit", "package-index")
def test_a_commit_that_breaks_mail_is_stopped(tmp_path: Path) -> None:
    """From the hook's own environment, which pre-commit makes of a checkout of ours."""
    ours = tmp_path / "deliverkit"
    kept = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "deliverkit", ours / "deliverkit", ignore=kept)
    for name in ("pyproject.toml", "README.md", "LICENSE", MANIFEST.name):
        shutil.copy(ROOT / name, ours / name)
    committed(ours)
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
    subprocess.run(["git", *identity, "commit", "-qm", "ours"], cwd=ours, check=True, timeout=60)
    theirs = write_repository(tmp_path / "theirs")
    (theirs / "package.json").write_text("{}\n")
    committed(theirs)
    home = tmp_path / "home"

    def run(hook: str, *files: str) -> subprocess.CompletedProcess[str]:
        some = ["--files", *files] if files else ["--all-files"]
        return pre_commit("try-repo", str(ours), hook, "--verbose", *some, cwd=theirs, home=home)

    nothing = run("deliverkit-check", "package.json")
    assert nothing.returncode == 0, nothing.stdout + nothing.stderr
    assert "(no files to check)" in nothing.stdout
    bad = run("deliverkit-check", "zones/bad.example.zone")
    assert bad.returncode == 1, bad.stdout + bad.stderr
    assert "bad.example: FAIL" in bad.stdout
    assert f"{FAULT[0]}:{FAULT[1]}" in bad.stdout
    assert "good.example" not in bad.stdout
    good = run("deliverkit-check", "zones/good.example.zone")
    assert good.returncode == 0, good.stdout + good.stderr
    assert run("deliverkit-check-all").returncode == 1
    for name, status in (("faulty", 1), ("sound", 0)):  # the sample repository, with its ten faults and without
        theirs = committed(copied(name, tmp_path / name))
        everything = run("deliverkit-check-all")
        assert everything.returncode == status, everything.stdout + everything.stderr
        assert all((place(fault) in everything.stdout) is (name == "faulty") for fault in FAULTS)
