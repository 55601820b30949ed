"""The exit statuses of a check, the same in every format and with the report in a file: 0, 1, 2, 3 and 130."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from deliverkit.cli.common import FORMATS
from deliverkit.engine import check as engine
from deliverkit.report.model import Report
from tests.cli.command import GOOD_ZONE, Typed

SITUATIONS = {
    0: (GOOD_ZONE, "closed-world"),
    1: (GOOD_ZONE.replace("-all", "+all"), "closed-world"),
    2: (GOOD_ZONE + "broken IN MX 10\n", "closed-world"),
    3: (GOOD_ZONE.replace("mx -all", "mx include:other.example -all"), "offline"),
    130: (GOOD_ZONE, "closed-world"),
}
OWN_STATUSES = ("nagios",)
"""Formats for programs that define what a status means."""


@pytest.mark.parametrize("format_", [one for one in FORMATS if one not in OWN_STATUSES])
@pytest.mark.parametrize("status", SITUATIONS)
def test_status(deliverkit: Typed, folder: Path, monkeypatch: pytest.MonkeyPatch, status: int, format_: str) -> None:
    """A report is always written, on standard output and in a file."""
    zone, world = SITUATIONS[status]
    (folder / "good.zone").write_text(zone)
    (folder / "deliverkit.toml").write_text(f'sources = "good.zone"\nworld = "{world}"\ndomains = ["b.example"]\n')
    if status == 130:
        audit = engine.audit

        async def stopped(name: str, **more: Any) -> Report:
            if name == "example.com":
                raise KeyboardInterrupt
            return await audit(name, **more)

        monkeypatch.setattr(engine, "audit", stopped)
    domains = {2: (), 130: ("b.example", "example.com")}.get(status, ("example.com",))
    words = ("check", *(word for domain in domains for word in ("--domain", domain)))
    printed = deliverkit(*words, "--format", format_)
    assert printed.status == status
    assert printed.out
    written = deliverkit(*words, "--format", format_, "-o", "report.out")
    assert written.status == status
    assert not written.out or format_ == "github"  # annotations are commands, which a runner reads there
    assert (folder / "report.out").read_text("utf-8")
    assert deliverkit(*words, "--format", format_, "--fail-on", "never").status == {1: 0, 3: 0}.get(status, status)
