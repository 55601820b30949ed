"""A faulty repository: its check fails, the fixes are written, its check passes, and nothing else has changed."""

from __future__ import annotations

import difflib
import shutil
from pathlib import Path

from deliverkit.config import load_config
from deliverkit.engine.check import CheckOptions, check
from deliverkit.engine.fix import FixOptions
from deliverkit.engine.fixcheck import fix_repository
from deliverkit.engine.fixfiles import write_changes
from deliverkit.flow import at_once
from deliverkit.report.model import Report, exit_status

FAULTY = Path(__file__).parents[2] / "fixtures" / "fix"
ASKED = CheckOptions(probe=False)


def checked(folder: Path) -> list[Report]:
    """What the check of the repository finds now."""
    return at_once(check(load_config(folder / "deliverkit.toml", None), ASKED))


def test_the_check_passes_after_the_fixes(tmp_path: Path) -> None:
    """Status 1 before, 0 after; lines without a fault stay, and so does the configuration."""
    for file in FAULTY.iterdir():
        shutil.copy(file, tmp_path / file.name)
    (tmp_path / "deliverkit.toml").write_text('sources = ["*.zone", "*.yaml"]\nworld = "closed-world"\n')
    assert exit_status(checked(tmp_path)) == 1
    fixed = at_once(fix_repository(load_config(tmp_path / "deliverkit.toml", None), ASKED))
    assert len(fixed.steps) == 7 and not fixed.left
    write_changes(fixed)
    assert exit_status(checked(tmp_path), "warning") == 0
    gone = [
        row
        for file in FAULTY.iterdir()
        for row in difflib.ndiff(file.read_text().splitlines(), (tmp_path / file.name).read_text().splitlines())
        if row.startswith("- ")
    ]
    assert len(gone) == 7  # one line a fault
    again = at_once(fix_repository(load_config(tmp_path / "deliverkit.toml", None), ASKED))
    assert not again.steps and not again.after


def test_what_is_ignored_is_left_alone(tmp_path: Path) -> None:
    """Nobody asked for it; and a rule alone may be asked for."""
    shutil.copy(FAULTY / "example.org.yaml", tmp_path / "example.org.yaml")
    (tmp_path / "deliverkit.toml").write_text(
        'sources = ["*.yaml"]\nworld = "closed-world"\n[[ignore]]\nrule = "SPF022"\nreason = "a test domain"\n'
    )
    config = load_config(tmp_path / "deliverkit.toml", None)
    fixed = at_once(fix_repository(config, ASKED))
    assert {step.finding.rule for step in fixed.steps} == {"SRC004", "SRC037"}
    only = at_once(fix_repository(config, ASKED, FixOptions(rules=frozenset({"SRC004"}))))
    assert [step.finding.rule for step in only.steps] == ["SRC004"]
