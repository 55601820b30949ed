"""The sample repositories below ``fixtures/repositories``, and the faults that are planted in one of them."""

from __future__ import annotations

import shutil
import tomllib
from pathlib import Path
from typing import Any

REPOSITORIES = Path(__file__).parents[2] / "fixtures" / "repositories"
FAULTS: list[dict[str, Any]] = tomllib.loads((REPOSITORIES / "faults.toml").read_text("utf-8"))["fault"]
"""File, line, rules and words of each."""


def copied(name: str, folder: Path) -> Path:
    """A copy of "sound" or "faulty"."""
    shutil.copytree(REPOSITORIES / name, folder)
    return folder


def place(fault: dict[str, Any]) -> str:
    """Where it stands, as reports write it."""
    return f"{fault['file']}:{fault['line']}"
