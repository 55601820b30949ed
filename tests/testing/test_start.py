"""What the plugin costs a project that does not use it: next to nothing, and nothing at all is imported.

The entry point is put where pytest looks, in a folder of its own, so that this holds also where deliverkit is not
installed as a package.
"""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEAVY = ("aiosmtpd", "asyncio", "cryptography", "dkim", "dns", "email.message", "jinja2", "nacl", "ssl")
OURS = {"deliverkit", "deliverkit.testing", "deliverkit.testing.plugin"}
CONFTEST = """\
import json, pathlib, sys
before = set(sys.modules)
def pytest_sessionfinish(session):
    names = [name for name in sys.modules if name.startswith("deliverkit")]
    pathlib.Path("modules.json").write_text(json.dumps([names, sorted(sys.modules)]))
"""


def entry_points() -> dict[str, str]:
    """What the package registers with pytest."""
    told = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    found: dict[str, str] = told["project"]["entry-points"]["pytest11"]
    return found


@pytest.fixture
def project(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """A project without any use of deliverkit, and the environment in which the plugin is installed."""
    installed = tmp_path / "site"
    info = installed / "deliverkit-0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: deliverkit\nVersion: 0\n")
    lines = [f"{name} = {module}" for name, module in entry_points().items()]
    (info / "entry_points.txt").write_text("\n".join(["[pytest11]", *lines, ""]))
    folder = tmp_path / "project"
    folder.mkdir()
    (folder / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    (folder / "conftest.py").write_text(CONFTEST)
    (folder / "test_nothing.py").write_text("def test_nothing():\n    pass\n")
    path = os.pathsep.join([str(installed), str(ROOT)])
    return folder, {**os.environ, "PYTHONPATH": path, "PYTEST_ADDOPTS": ""}


def run(project: tuple[Path, dict[str, str]], *arguments: str) -> subprocess.CompletedProcess[str]:
    """pytest there."""
    folder, environment = project
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
        cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip


def test_the_entry_point_names_a_module() -> None:
    """It is called by the project's name, so that ``-p no:deliverkit`` switches it off."""
    assert list(entry_points()) == ["deliverkit"]
    importlib.import_module(entry_points()["deliverkit"])


def test_a_project_that_does_not_use_it_imports_one_small_file(project: tuple[Path, dict[str, str]]) -> None:
    """The plugin is there, and nothing of what it is made of."""
    done = run(project, "-q")
    assert done.returncode == 0, done.stdout + done.stderr
    ours, everything = json.loads((project[0] / "modules.json").read_text())
    assert set(ours) == OURS
    without = run(project, "-q", "-p", "no:deliverkit")
    assert without.returncode == 0
    ours, plain = json.loads((project[0] / "modules.json").read_text())
    assert not [name for name in ours if name.startswith("deliverkit.testing")]
    heavy = [name for name in set(everything) - set(plain) if name in HEAVY]
    assert heavy == []


def test_its_fixtures_and_options_are_announced(project: tuple[Path, dict[str, str]]) -> None:
    """`--help` and `--fixtures` tell what there is."""
    said = run(project, "--help").stdout
    assert "--deliverkit-config=FILE" in said.replace(" FILE", "=FILE")
    assert "deliverkit_config" in said
    shown = run(project, "--fixtures").stdout
    for name in ("deliverkit_dns", "deliverkit_sink", "deliverkit_sink_factory"):
        assert name in shown
