"""What every test of the command line needs: a folder with a sound zone in it, and something to type commands into."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.command import GOOD_ZONE, Typed


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with ``good.zone`` in it."""
    (tmp_path / "good.zone").write_text(GOOD_ZONE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COLUMNS", raising=False)
    return tmp_path


@pytest.fixture
def deliverkit(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Typed:
    """Types ``deliverkit …`` in that folder."""
    return Typed(monkeypatch, capsys)
