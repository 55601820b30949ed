"""The bars as a picture: each figure as a multiple of what was asked for, on a logarithmic axis."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tests.bench.measure import Bar

MET, MISSED = "#2a7f62", "#b3412e"


def plot_bars(bars: Sequence[Bar], path: Path) -> None:
    """Write the picture. The same figures give the same octets, so that a diff shows a change of the figures."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    matplotlib.rcParams.update({"svg.hashsalt": "deliverkit", "font.size": 9, "svg.fonttype": "none"})
    shown = list(reversed(bars))
    figure, axes = pyplot.subplots(figsize=(10, 1 + 0.34 * max(len(shown), 1)), layout="constrained")
    for row, bar in enumerate(shown):
        axes.barh(row, bar.margin - 1, left=1, height=0.6, color=MET if bar.met else MISSED)
        said = f" {bar.measured:.3g} {bar.unit} (bar {'≤' if bar.at_most else '≥'} {bar.bound:g}) "
        axes.text(max(bar.margin, 1), row, said, va="center", ha="left", fontsize=8)
    axes.set_yticks(range(len(shown)), [bar.what for bar in shown])
    axes.set_xscale("log")
    margins = [bar.margin for bar in bars] or [1.0]
    axes.set_xlim(min(0.5, 0.8 * min(margins)), 6 * max(margins))
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_xlabel("times as good as the bar asks for (1: just met)")
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, format="svg", metadata={"Date": None})
    pyplot.close(figure)
