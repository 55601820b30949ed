"""The manners of measuring: what a bar says, and the summary that is written from the results."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.bench import __main__ as bench
from tests.bench import measure
from tests.bench.measure import Bar


def test_a_bar_is_met_on_its_side() -> None:
    """A ratio must reach its bound, a delay must not exceed it, and the margin counts the same way for both."""
    assert Bar("speed", 20, 10).met and Bar("speed", 20, 10).margin == 2
    assert not Bar("speed", 9.99, 10).met
    assert Bar("delay", 25, 50, "ms", at_most=True).margin == 2
    assert not Bar("delay", 51, 50, "ms", at_most=True).met
    assert "NOT MET" in str(Bar("speed", 9.99, 10))


def test_the_summary_tells_every_bar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The bars of every result stand in the table, the missed ones are returned, and the picture is written."""
    pytest.importorskip("matplotlib")
    for module in (bench, measure):
        monkeypatch.setattr(module, "REPORTS", tmp_path)
    measure.write("cli", "A title", ["row"], [["a"]], ["a note"], [Bar("fast enough", 3, 2), Bar("too slow", 1, 2)])
    assert [bar.what for bar in bench.summarise()] == ["too slow"]
    assert "| too slow | 1 x | at least 2 x | **no** | [cli](cli.md) |" in (tmp_path / "README.md").read_text()
    assert "fast enough" in (tmp_path / "bars.svg").read_text()
    assert json.loads((tmp_path / "cli.json").read_text())["bars"][0]["met"] is True


def test_the_same_figures_draw_the_same_picture(tmp_path: Path) -> None:
    """A diff of the picture shows a change of the figures and nothing else."""
    pytest.importorskip("matplotlib")
    from tests.bench.plot import plot_bars

    bars = [Bar("one", 3, 2), Bar("two", 1, 2, "ms", at_most=True)]
    plot_bars(bars, tmp_path / "a.svg")
    plot_bars(bars, tmp_path / "b.svg")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
