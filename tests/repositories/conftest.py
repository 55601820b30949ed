"""Something to type commands into."""

from __future__ import annotations

import pytest

from tests.cli.command import Typed


@pytest.fixture
def deliverkit(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Typed:
    """Types ``deliverkit …`` in the current folder."""
    monkeypatch.delenv("COLUMNS", raising=False)
    return Typed(monkeypatch, capsys)
