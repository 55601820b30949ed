"""The mission's first story: a shop of Next.js that works at home and sends nothing in production."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from deliverkit.engine.doctor import DoctorOptions, doctor
from deliverkit.engine.sourcetree import DiskTree
from deliverkit.world import World
from tests.cli.command import ROOT, Typed

SHOP = ROOT / "fixtures" / "settings" / "nextjs-shop"
CAUSES = {
    "SET001": {(".env.production", 3), (".env.production", 2)},  # SMTP_SECURE=false is a text, and port 587
    "SET024": {(".env.production", 5)},  # a login password where Gmail wants an app password
    "SET040": {("app/api/contact/route.ts", 5)},  # nobody awaits the send
}
"""The causes, each with the places of its evidence."""
PASSWORD = "Winter2026!"


def places(finding: dict[str, Any]) -> set[tuple[str, int]]:
    """Where the evidence of a finding stands."""
    return {(one["file"], one["line"]) for one in finding["evidence"]}


def test_each_cause_is_named_with_file_and_line(deliverkit: Typed) -> None:
    """On the command line, in both formats; the password is nowhere."""
    ended = deliverkit("doctor", "--static", str(SHOP), "--format", "json")
    assert ended.status == 1
    report = json.loads(ended.out)
    found = {one["rule"]: one for one in report["findings"]}
    for rule, where in CAUSES.items():
        assert places(found[rule]) == where, rule
        assert found[rule]["severity"] == "error" and found[rule]["fix"]["text"]
    text = deliverkit("doctor", "--static", str(SHOP))
    assert "secure is the text" in text.out and "SMTP_SECURE (.env.production:3)" in text.out
    assert "app/api/contact/route.ts:5" in text.out
    assert PASSWORD not in ended.out + text.out + ended.err + text.err


def test_the_library_tells_the_same_of_the_folder() -> None:
    """And what the transport is: production, with the password's shape and the file that won."""
    report = asyncio.run(doctor(DiskTree(SHOP), name="shop", world=World.offline(), options=DoctorOptions()))
    assert CAUSES.keys() <= {finding.rule for finding in report.findings}
    (transport,) = report.facts["app"].settings
    assert (str(transport.place), transport.environment) == ("lib/mail.ts:3", "production")
    password = transport.roles["password"].origin
    assert (str(password.place), password.shown) == (".env.production:5", "(11 characters: mixed characters)")
    assert transport.roles["from"].value == "example.shop@gmail.com"
    shadowed = transport.roles["host"].origin.shadowed
    assert [(str(one.place), one.value) for one in shadowed] == [(".env:2", "localhost")]


def test_development_is_judged_when_it_is_asked_for(deliverkit: Typed) -> None:
    """At home the settings are sound: only the send that nobody awaits is left."""
    ended = deliverkit("doctor", "--static", "--environment", "development", str(SHOP), "--format", "json")
    assert "SET001" not in {one["rule"] for one in json.loads(ended.out)["findings"]}
