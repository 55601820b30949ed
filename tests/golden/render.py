"""Renders chosen stories in every format, so that a reviewer sees each change of output in a diff.

Nothing in a rendering may vary: the world's clock stands still, the elapsed time is fixed, no path is absolute.
"""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from pathlib import Path

from deliverkit.config import Config
from deliverkit.engine.check import CheckOptions
from deliverkit.engine.fixcheck import fix_repository
from deliverkit.engine.fixshown import as_diff, as_octodns, as_zone, summary
from deliverkit.flow import at_once
from deliverkit.report import render
from deliverkit.report.model import Ignored, Report
from deliverkit.world.story import load_story, run_story

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "reports" / "golden"

STORIES = {
    "audit-sound": "whole/sound-rollout-with-reports-elsewhere",
    "audit-faulty-zone": "whole/faulty-final-dots-forgotten",
    "spf-eleven-lookups": "spf/eleven-lookups",
    "dkim-truncated-key": "dkim/truncated-base64",
    "dmarc-tree-walk": "dmarc/inherited-from-eight-labels",
    "message-spf-fail": "message/spf-fail",
    "message-dmarc-differs": "message/dmarc-differs-by-the-list",
    "provider-not-set-up": "providers/sendgrid-not-set-up",
    "message-changed-by-a-list": "message/mutated-by-a-list",
    "probe-certificate-for-another-name": "tls/certificate-for-another-name",
}
"""The name of the rendering, and the story below fixtures/stories."""

FAULTY = sorted((ROOT / "fixtures" / "fix").iterdir())
"""Source files with faults that `deliverkit fix` corrects."""

SUFFIXES = {".txt": "text", ".json": "json", ".md": "markdown", ".html": "html"}

FOR_PROGRAMS = {
    ".junit.xml": "junit",
    ".sarif": "sarif",
    ".github.txt": "github",
    ".github-summary.md": "github-summary",
    ".gitlab.json": "gitlab",
    ".nagios.txt": "nagios",
    ".prom": "prometheus",
    ".csv": "csv",
}
"""The formats that CI systems, monitoring and tables read, of these renderings:"""

IN_ALL_FORMATS = ("audit-sound", "audit-faulty-zone", "spf-eleven-lookups", "message-spf-fail", "ignored-and-fixed")
_WIDTH = 100
_AT = re.compile(r'"at": [0-9.e-]+')  # seconds since a transcript began


def golden_pages() -> dict[Path, str]:
    """Every rendering by the file it belongs in."""
    pages = {}
    for name, report in _reports().items():
        for suffix, format_ in suffixes(name).items():
            pages[GOLDEN / f"{name}{suffix}"] = _AT.sub('"at": 0.0', render([report], format_, width=_WIDTH))
    return {**pages, **_fix_pages()}


def _fix_pages() -> dict[Path, str]:
    """What `deliverkit fix` prints of the faulty files below fixtures/fix."""
    config = Config(folder=ROOT, world="closed-world")
    fixed = at_once(fix_repository(config, CheckOptions(paths=tuple(FAULTY))))
    shown = {".diff": as_diff(fixed), ".zone": as_zone(fixed), ".yaml": as_octodns(fixed)}
    shown[".txt"] = "\n".join(summary(fixed, written=False)) + "\n"
    return {GOLDEN / f"fix{suffix}": text for suffix, text in shown.items()}


def names() -> list[str]:
    """The names of all renderings, without suffix."""
    return [*STORIES, "ignored-and-fixed"]


def suffixes(name: str) -> dict[str, str]:
    """The formats in which this one is rendered, by suffix."""
    return SUFFIXES | FOR_PROGRAMS if name in IN_ALL_FORMATS else SUFFIXES


def _reports() -> dict[str, Report]:
    stories = {name: load_story(ROOT / "fixtures" / "stories" / f"{story}.toml") for name, story in STORIES.items()}
    reports = {name: replace(run_story(story), elapsed_s=0.1) for name, story in stories.items()}
    return {**reports, "ignored-and-fixed": _ignoring(reports["audit-faulty-zone"])}


def _ignoring(report: Report) -> Report:
    """The same report as a check shows it that ignores one finding, and has a baseline that holds two others."""
    said, held, *counted = report.findings
    ignored = (
        Ignored(said, "ignore", "the provider moves the key", date(2027, 1, 31)),
        Ignored(held, "baseline"),
    )
    return replace(
        report, findings=tuple(counted), ignored=ignored, fixed=("TLSRPT001 example.com: no record is published",)
    )
