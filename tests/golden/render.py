"""Renders chosen stories in every format, so that a reviewer sees each change of output in a diff.

Nothing in a rendering may vary: the world's clock stands still, the elapsed time is fixed, no path is absolute.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

from deliverkit.report import render
from deliverkit.report.model import Report
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

SUFFIXES = {".txt": "text", ".json": "json", ".md": "markdown", ".html": "html"}
_WIDTH = 100
_AT = re.compile(r'"at": [0-9.e-]+')  # seconds since a transcript began


def golden_pages() -> dict[Path, str]:
    """Every rendering by the file it belongs in."""
    pages = {}
    for name, story in STORIES.items():
        report = _fixed(run_story(load_story(ROOT / "fixtures" / "stories" / f"{story}.toml")))
        for suffix, format_ in SUFFIXES.items():
            pages[GOLDEN / f"{name}{suffix}"] = _AT.sub('"at": 0.0', render([report], format_, width=_WIDTH))
    return pages


def _fixed(report: Report) -> Report:
    return replace(report, elapsed_s=0.1)
