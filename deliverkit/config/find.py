"""Looking for the configuration as ruff looks for its own: in the folder, then in each folder above it."""

from __future__ import annotations

import tomllib
from pathlib import Path

NAMES = (".deliverkit.toml", "deliverkit.toml", "pyproject.toml")
"""The first that is there counts; a pyproject.toml only if it has a table ``[tool.deliverkit]``."""


def find_config(start: Path) -> Path | None:
    """The configuration that holds for a folder (or for the folder of a file); None where there is none."""
    folder = start.absolute()
    folder = folder if folder.is_dir() else folder.parent
    for here in (folder, *folder.parents):
        for name in NAMES:
            file = here / name
            if file.is_file() and (name != "pyproject.toml" or _has_table(file)):
                return file
    return None


def _has_table(file: Path) -> bool:
    """Whether a pyproject.toml speaks of deliverkit; one that cannot be read is another program's business."""
    try:
        octets = file.read_bytes()
        if b"deliverkit" not in octets:
            return False
        told = tomllib.loads(octets.decode("utf-8"))
    except (OSError, ValueError):
        return False
    tool = told.get("tool")
    return isinstance(tool, dict) and "deliverkit" in tool
