"""Reports: the model, and one file per format. Renderers read a Report and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from importlib import import_module
from types import MappingProxyType

from deliverkit.report.model import Report

FORMATS = (
    "text", "json", "jsonl", "markdown", "html", "junit", "sarif", "github", "github-summary", "gitlab", "nagios",
    "prometheus", "csv",
)  # fmt: skip
"""Every format by the name that --format takes."""

_RENDERERS = MappingProxyType(
    {
        "json": ("jsonable", "render_json"),
        "jsonl": ("jsonable", "render_jsonl"),
        "markdown": ("markdown", "render_markdown"),
        "html": ("html", "render_html"),
        "junit": ("junit", "render_junit"),
        "sarif": ("sarif", "render_sarif"),
        "github": ("github", "render_github"),
        "github-summary": ("github", "render_github_summary"),
        "gitlab": ("gitlab", "render_gitlab"),
        "nagios": ("nagios", "render_nagios"),
        "prometheus": ("prometheus", "render_prometheus"),
        "csv": ("csvtable", "render_csv"),
    }
)
"""The file and the function of each format, imported when it is wanted."""

_WITH_THRESHOLD = ("junit", "sarif", "nagios")


def render(
    reports: Sequence[Report],
    format_: str,
    *,
    width: int = 100,
    color: bool = False,
    quiet: bool = False,
    fail_on: str = "error",
) -> str:
    """Reports as text in one of `FORMATS`. ``width``, ``color`` and ``quiet`` are for "text" alone.

    ``fail_on`` ("error", "warning", "note" or "never") is the severity from which a finding fails the run: formats
    that say so themselves (junit, sarif, nagios) must agree with the exit status.
    """
    if format_ == "text":
        from deliverkit.report.text import render_text

        return render_text(reports, width=width, color=color, quiet=quiet)
    file, function = _RENDERERS[format_]
    renderer = getattr(import_module(f"deliverkit.report.{file}"), function)
    rendered: str = renderer(reports, fail_on) if format_ in _WITH_THRESHOLD else renderer(reports)
    return rendered
