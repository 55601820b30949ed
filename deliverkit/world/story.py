"""Stories: one small world in a TOML file, and the complete list of what must be found in it.

The format is described in ``fixtures/stories/README.md``; scripted SMTP servers in `deliverkit.world.script`. A story
opens no socket. `run_story` judges it with the same engines the verbs use.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deliverkit.facts.vantage import Vantage, ZoneFault
from deliverkit.flow import Page, PageTrouble, Status
from deliverkit.names import key
from deliverkit.world import World
from deliverkit.world.overlay import ZoneDoor
from deliverkit.world.pages import ToldPages
from deliverkit.world.script import ScriptedSmtp
from deliverkit.world.table import NowhereDns, fixed_clock, read_failures
from deliverkit.world.zone import Zone

if TYPE_CHECKING:
    from deliverkit.report.model import Report

NOW = datetime(2026, 11, 22, 10, 0, 0, tzinfo=UTC)
_ESCAPE = re.compile(rb"\\(x[0-9A-Fa-f]{2}|[rn\\])")
_REPEATED = re.compile(rb"\\\{([^{}]*)\*(\d{1,8})\}")
KINDS = (
    "audit",
    "check-host",
    "verify",
    "probe",
    "sink",
    "send",
    "doctor",
    "servers",
    "resolvers",
    "drift",
    "zone-source",
    "check",
)
_WORLD_KEYS = frozenset(("now", "zone", "failures", "vantage", "smtp", "message", "files", "pages"))
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
    files: dict[str, str] = field(default_factory=dict)
    pages: dict[str, dict[str, Any]] = field(default_factory=dict)
    expect: tuple[dict[str, Any], ...] = ()
    inconclusive: tuple[dict[str, Any], ...] = ()

    def world(self) -> World:
        """The closed world of this story."""
        records = Zone.parse(self.zone, origin=".", file=self.path.name).records() if self.zone.strip() else ()
        zone = Zone(".", records, file=self.path.name, cuts=False)
        vantage = replace(Vantage("story"), **_told(self.vantage))
        dns = ZoneDoor([zone], NowhereDns(Status.NXDOMAIN), self.failures)
        smtp = ScriptedSmtp(self.smtp, self.now)
        pages = ToldPages(dict(map(_page, self.pages.items()))) if self.pages else None
        return World(dns, smtp, vantage, fixed_clock(self.now), pages)

    def raw_message(self) -> bytes:
        """The message of a verify story: a file byte for byte, or text whose LF become CRLF.

        ``escaped`` is such text with the escapes that ``fixtures/stories/README.md`` lists.
        """
        if "file" in self.message:
            file: Path = self.fixtures / "messages" / self.message["file"]
            return file.read_bytes()
        text: str = self.message.get("text", self.message.get("escaped", ""))
        octets = text.replace("\r\n", "\n").replace("\n", "\r\n").encode("utf-8")
        return _unescaped(octets) if "escaped" in self.message else octets


def _unescaped(octets: bytes) -> bytes:
    octets = _REPEATED.sub(lambda match: match[1] * int(match[2]), octets)
    single = {b"r": b"\r", b"n": b"\n", b"\\": b"\\"}
    return _ESCAPE.sub(lambda match: single.get(match[1]) or bytes.fromhex(match[1][1:].decode()), octets)


def _told(vantage: dict[str, Any]) -> dict[str, Any]:
    """The story's ``[vantage]`` as fields of `Vantage`."""
    told = {name: tuple(value) if isinstance(value, list) else value for name, value in vantage.items()}
    if "zone_faults" in told:
        told["zone_faults"] = tuple(ZoneFault(**fault) for fault in told["zone_faults"])
    return told


def _page(told: tuple[str, dict[str, Any]]) -> tuple[str, Page]:
    """A page of ``[pages."URL"]``: ``text`` (LF becomes CRLF), ``status``, ``media_type``, ``trouble``, ``detail``."""
    url, values = told
    known = {name: value for name, value in values.items() if name != "text"}
    if "trouble" in known:
        known["trouble"] = PageTrouble(known["trouble"])
    else:
        known = {"status": 200, "media_type": "text/plain", **known}
    return url, Page(url, octets=values.get("text", "").replace("\n", "\r\n").encode("utf-8"), **known)


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
        files=told.get("files", {}),
        pages=told.get("pages", {}),
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
    from deliverkit.engine.story import run_story as run

    return run(story)
