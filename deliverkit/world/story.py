"""Stories: one small world in a TOML file, and the complete list of what must be found in it.

The format is described in ``fixtures/stories/README.md``; scripted SMTP servers in `deliverkit.world.script`. A story
opens no socket. `run_story` judges it with the same engines the verbs use.
"""

from __future__ import annotations

import asyncio
import tomllib
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deliverkit.facts.vantage import Vantage
from deliverkit.findings import Severity
from deliverkit.flow import Status
from deliverkit.names import key
from deliverkit.world import World
from deliverkit.world.overlay import ZoneDoor
from deliverkit.world.script import ScriptedSmtp
from deliverkit.world.table import NowhereDns, fixed_clock, read_failures
from deliverkit.world.zone import Zone, ZoneError

if TYPE_CHECKING:
    from deliverkit.report.model import Report

NOW = datetime(2026, 11, 22, 10, 0, 0, tzinfo=UTC)
KINDS = ("audit", "verify", "probe")
_WORLD_KEYS = frozenset(("now", "zone", "failures", "vantage", "smtp", "message"))
_KEYS = _WORLD_KEYS | {"title", "kind", "subject", "only", "options", "expect", "inconclusive"}


class StoryError(ValueError):
    """A story that cannot be read: which file, and why."""


@dataclass(frozen=True)
class Story:
    """A story as it is told. ``fixtures`` is the folder that messages and keys are named from."""

    path: Path
    title: str
    kind: str
    subject: str
    only: tuple[str, ...]
    now: datetime
    zone: str
    fixtures: Path
    failures: dict[tuple[str, str], Status] = field(default_factory=dict)
    options: dict[str, Any] = field(default_factory=dict)
    vantage: dict[str, Any] = field(default_factory=dict)
    smtp: dict[str, dict[str, Any]] = field(default_factory=dict)
    message: dict[str, Any] = field(default_factory=dict)
    expect: tuple[dict[str, Any], ...] = ()
    inconclusive: tuple[dict[str, Any], ...] = ()

    def world(self) -> World:
        """The closed world of this story."""
        records = Zone.parse(self.zone, origin=".", file=self.path.name).records() if self.zone.strip() else ()
        zone = Zone(".", records, file=self.path.name, cuts=False)
        vantage = replace(Vantage("story"), **{k: _frozen(v) for k, v in self.vantage.items()})
        dns = ZoneDoor([zone], NowhereDns(Status.NXDOMAIN), self.failures)
        return World(dns, ScriptedSmtp(self.smtp, self.now), vantage, fixed_clock(self.now))

    def raw_message(self) -> bytes:
        """The message of a verify story: a file byte for byte, or text whose LF become CRLF."""
        if "file" in self.message:
            file: Path = self.fixtures / "messages" / self.message["file"]
            return file.read_bytes()
        text: str = self.message.get("text", "")
        return text.replace("\r\n", "\n").replace("\n", "\r\n").encode("utf-8", "surrogateescape")


def load_story(path: Path) -> Story:
    """Read a story. Raises StoryError that names the file."""
    try:
        told = tomllib.loads(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as bad:
        raise StoryError(f"{path}: {bad}") from None
    try:
        return _story(path, told)
    except (ValueError, KeyError, TypeError) as bad:
        raise StoryError(f"{path}: {bad}") from None


def _story(path: Path, told: dict[str, Any]) -> Story:
    unknown = set(told) - _KEYS
    if unknown:
        raise ValueError(f"unknown keys: {', '.join(sorted(unknown))}")
    kind = told.get("kind", "audit")
    if kind not in KINDS:
        raise ValueError(f"kind {kind!r} is none of {', '.join(KINDS)}")
    now = told.get("now", NOW)
    return Story(
        path=path,
        title=told["title"],
        kind=kind,
        subject=told.get("subject", "example.com"),
        only=tuple(told.get("only", [path.parent.name])),
        now=now if now.tzinfo else now.replace(tzinfo=UTC),
        zone=told.get("zone", ""),
        fixtures=next((p.parent for p in path.resolve().parents if p.name == "stories"), path.parent),
        failures=_failures(told.get("failures", {})),
        options=told.get("options", {}),
        vantage=told.get("vantage", {}),
        smtp=told.get("smtp", {}),
        message=told.get("message", {}),
        expect=tuple(told.get("expect", [])),
        inconclusive=tuple(told.get("inconclusive", [])),
    )


def _failures(told: dict[str, str]) -> dict[tuple[str, str], Status]:
    """``"TXT slow.example" = "timeout"``."""
    pairs = {}
    for words, status in told.items():
        type_, _, name = words.partition(" ")
        pairs[key(name.strip()), type_] = status
    return read_failures(pairs)


def run_story(story: Story) -> Report:
    """Judge a story's world with the engine of its kind; only the families under test are kept."""
    return _only(asyncio.run(_RUNNERS[story.kind](story, story.world())), story.only)


async def _audit(story: Story, world: World) -> Report:
    from deliverkit.engine.audit import AuditOptions, audit

    options = {k: _frozen(v) for k, v in story.options.items()}
    options.setdefault("probe", bool(story.smtp))
    if "dkim_keys" in options:
        options["dkim_keys"] = {s: story.fixtures / file for s, file in story.options["dkim_keys"].items()}
    if "severities" in options:
        options["severities"] = {r: Severity(word) for r, word in story.options["severities"].items()}
    return await audit(story.subject, world=world, options=AuditOptions(only=story.only, **options))


async def _verify(story: Story, world: World) -> Report:
    from deliverkit.engine.verify import verify

    options = {k: _frozen(v) for k, v in story.options.items()}
    report: Report = await verify(story.raw_message(), world=world, **options)
    return report


async def _probe(story: Story, world: World) -> Report:
    from deliverkit.engine.probe import ProbeOptions, probe

    options = ProbeOptions(**{k: _frozen(v) for k, v in story.options.items()})
    reports: list[Report] = await probe([story.subject], world=world, options=options)
    return reports[0]


_RUNNERS = {"audit": _audit, "verify": _verify, "probe": _probe}


def _only(report: Report, only: tuple[str, ...]) -> Report:
    """The report with the findings of the families under test alone; of all when none of them is a family."""
    from deliverkit.rules.registry import all_rules

    family = {r.id: r.family for r in all_rules()}
    wanted = set(only) & set(family.values())
    if not wanted:
        return report

    def kept(rule: str) -> bool:
        return family.get(rule) in wanted

    return replace(
        report,
        findings=tuple(f for f in report.findings if kept(f.rule)),
        inconclusive=tuple(i for i in report.inconclusive if kept(i.rule)),
        passed=tuple(r for r in report.passed if kept(r)),
        not_applicable=tuple(r for r in report.not_applicable if kept(r)),
        not_asked=tuple(r for r in report.not_asked if kept(r)),
    )


def _frozen(value: Any) -> Any:
    """Lists become tuples, as options want them."""
    return tuple(value) if isinstance(value, list) else value


__all__ = ["Story", "StoryError", "ZoneError", "load_story", "run_story"]
