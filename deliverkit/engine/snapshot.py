"""A snapshot: what one environment is, so that it can be compared with another where the same mail comes through.

Settings stand in it by role and name, in clear where they are no secret. Of a secret there is its shape alone, unless
the user gives a key that both machines share: then a keyed digest says whether two secrets are equal. Without such a
key no digest is written, because whoever holds the file could try passwords against it; a key inside the file would
help him, and people choose passwords that can be tried. The shared key itself is stretched (scrypt, RFC 7914), so that
it cannot be found from a digest sooner than by trying it slowly.

What this file will not do: read a snapshot (`snapshotfile`), compare two (`diff`), or send a packet.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias

from deliverkit.facts.settings.model import AppFacts, MailSettings
from deliverkit.facts.settings.values import Secret, Setting
from deliverkit.findings import Severity
from deliverkit.report.jsonable import jsonable
from deliverkit.report.model import Report
from deliverkit.report.plain import plain_json
from deliverkit.world.here import Here, look_around

SCHEMA = "deliverkit.snapshot/1"
SHORTEST_KEY = 16  # characters: a key that can be guessed would give the secrets away
_LONGEST = 500  # characters of one value
_MOST_EVENTS = 400  # of one transcript
_SALT = b"deliverkit.snapshot/1 digest"
_DATE = re.compile(r"(?:\w{3}, )?\d{1,2} \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}")  # RFC 5322 §3.3
Plain: TypeAlias = str | int | float | bool | None


@dataclass(frozen=True, slots=True)
class Value:
    """A setting in a role. Of a secret ``value`` is None, ``shape`` what may be told, ``digest`` None without a key."""

    name: str
    layer: str
    place: str | None
    value: Plain
    secret: bool = False
    shape: str | None = None
    digest: str | None = None
    via: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Transport:
    """One transport: its settings by role, and what the framework will do with it (None where nobody can tell)."""

    framework: str
    version: str | None
    environment: str
    place: str
    roles: dict[str, Value]
    plan: dict[str, Plain]


@dataclass(frozen=True, slots=True)
class SeenStep:
    """One rung of the ladder. ``server`` is host and port as configured; ``ok`` None where it could not be told."""

    server: str
    name: str
    ok: bool | None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Session:
    """One transcript: its events as a report holds them."""

    server: str
    events: tuple[dict[str, Plain | tuple[str, ...]], ...]


@dataclass(frozen=True, slots=True)
class Place:
    """Where it was looked from. ``ports`` maps "host:port" to "open" or to why not."""

    mode: str = ""
    resolvers: tuple[str, ...] = ()
    source_addresses: tuple[str, ...] = ()
    ipv6: str = "unknown"
    port25: str = "unknown"
    ports: dict[str, str] = field(default_factory=dict)
    hostname: str = ""
    ehlo: str | None = None
    trust_path: str | None = None
    trust_certificates: int | None = None
    trust_variables: tuple[str, ...] = ()
    clock_offset_s: float | None = None
    system: str = ""
    container: bool = False
    platforms: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Found:
    """A finding, as far as it matters in a comparison."""

    rule: str
    severity: str
    title: str


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One environment. ``digest_check`` tells whether two snapshots were taken with the same key."""

    name: str
    taken: str
    deliverkit: str
    transports: tuple[Transport, ...] = ()
    variables: dict[str, dict[str, bool]] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    place: Place = field(default_factory=Place)
    steps: tuple[SeenStep, ...] = ()
    sessions: tuple[Session, ...] = ()
    findings: tuple[Found, ...] = ()
    digest_check: str | None = None


def snapshot_json(snapshot: Snapshot) -> dict[str, Any]:
    """The file's content, to be written as JSON."""
    return {"schema": SCHEMA, **asdict(snapshot)}


def snapshot_text(report: Report, *, key: bytes | None = None) -> bytes:
    """The file for a report, seen from this machine."""
    text = json.dumps(snapshot_json(take(report, look_around(), key=key)), indent=2, ensure_ascii=False) + "\n"
    return plain_json(text).encode("utf-8", "backslashreplace")


def save_snapshot(report: Report, path: Path, *, key: bytes | None = None) -> None:
    """Write it, whole or not at all. Raises OSError."""
    from deliverkit.world.wholefile import write_whole

    write_whole(path, snapshot_text(report, key=key))


class WeakKey(ValueError):
    """A key for digests that could be guessed."""


def digest_key(text: str) -> bytes:
    """The key for digests from the text that both machines share. Raises WeakKey."""
    if len(text) < SHORTEST_KEY:
        raise WeakKey(f"the key for digests has fewer than {SHORTEST_KEY} characters: it could be guessed")
    octets = text.encode("utf-8", "surrogateescape")
    return hashlib.scrypt(octets, salt=_SALT, n=2**15, r=8, p=1, maxmem=2**26, dklen=32)


def take(report: Report, here: Here, *, key: bytes | None = None) -> Snapshot:
    """The snapshot of what the doctor saw (``report``) from ``here``."""
    from deliverkit import __version__

    app: AppFacts = report.facts["app"]
    ladders = _ladders(report)
    sessions = tuple(session for ladder in ladders if (session := _session(ladder)) is not None)
    return Snapshot(
        name=app.name,
        taken=jsonable(report.started),
        deliverkit=__version__,
        transports=tuple(_transport(one, key) for one in app.settings),
        variables=app.mail_variables,
        versions={**app.versions, "python": here.python, "openssl": here.openssl},
        place=_place(report, here, app, ladders, sessions),
        steps=tuple(step for ladder in ladders for step in _steps(ladder)) or tuple(_steps(jsonable(report.facts))),
        sessions=sessions,
        findings=tuple(
            Found(one.rule, one.severity.value, one.title)
            for one in report.findings
            if one.severity is not Severity.NOTE
        ),
        digest_check=None if key is None else hashlib.blake2b(b"which key", key=key, digest_size=8).hexdigest(),
    )


def _transport(one: MailSettings, key: bytes | None) -> Transport:
    plan = {name: value for name, value in jsonable(one.plan).items() if name != "why"}
    return Transport(
        framework=one.framework,
        version=one.version,
        environment=one.environment,
        place=str(one.place),
        roles={role: _value(setting, key) for role, setting in one.roles.items()},
        plan={name: _cut(value) for name, value in plan.items()},
    )


def _value(setting: Setting, key: bytes | None) -> Value:
    via = tuple(one.name for one in setting.chain[1:])
    place = None if setting.origin.place is None else str(setting.origin.place)
    if isinstance(setting.value, Secret):
        digest = None if key is None else setting.value.digest(key)
        shape = setting.value.shape
        return Value(setting.name, setting.origin.layer, place, None, secret=True, shape=shape, digest=digest, via=via)
    return Value(setting.name, setting.origin.layer, place, _cut(setting.value), via=via)


def _cut(value: Any) -> Plain:
    if isinstance(value, float) and not math.isfinite(value):
        return None  # what JavaScript makes of Number(undefined), of which JSON knows nothing
    if isinstance(value, (bool, int, float)) or value is None:
        return value
    return str(jsonable(value))[:_LONGEST]


# -- what the live part saw, as its JSON tells it -----------------------------------------------------------------


def _ladders(report: Report) -> list[dict[str, Any]]:
    found = jsonable(report.facts.get("ladder"))
    ones = found if isinstance(found, list) else [found]
    return [one for one in ones if isinstance(one, dict)]


def _steps(told: Mapping[str, Any]) -> list[SeenStep]:
    return [
        SeenStep(str(step.get("server") or told.get("server") or ""), str(step["name"]), step.get("ok"),
                 str(step.get("detail") or "")[:_LONGEST])
        for step in told.get("steps") or () if isinstance(step, Mapping) and "name" in step
    ]  # fmt: skip


def _session(ladder: Mapping[str, Any]) -> Session | None:
    transcript = ladder.get("transcript")
    if not isinstance(transcript, Mapping) or not transcript.get("events"):
        return None
    events = [
        {
            str(name): tuple(str(item)[:_LONGEST] for item in value[:16]) if isinstance(value, list) else _cut(value)
            for name, value in event.items()
        }
        for event in transcript["events"][:_MOST_EVENTS]
    ]
    return Session(str(ladder.get("server") or ""), tuple(events))


def _place(
    report: Report, here: Here, app: AppFacts, ladders: Sequence[Mapping[str, Any]], sessions: Sequence[Session]
) -> Place:
    seen = report.vantage
    known = tuple(dict.fromkeys([*(name for name, _ in app.platforms), *([here.platform] if here.platform else [])]))
    return Place(
        mode=seen.mode,
        resolvers=seen.resolvers or here.resolvers,
        source_addresses=seen.source_addresses or here.source_addresses,
        ipv6=str(jsonable(seen.raw("ipv6")) or "unknown"),
        port25=str(jsonable(seen.raw("port25")) or "unknown"),
        ports=dict(sorted(port for ladder in ladders for port in _ports(ladder))),
        hostname=here.hostname,
        ehlo=_ehlo(app, sessions),
        trust_path=here.trust_path,
        trust_certificates=here.trust_certificates,
        trust_variables=here.trust_variables,
        clock_offset_s=_clock(report.started, sessions),
        system=here.system,
        container=here.container,
        platforms=known,
    )


def _ports(ladder: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The host's ports, each "open" or why not: the one configured, and those beside it."""
    server = str(ladder.get("server") or "")
    host, colon, _ = server.rpartition(":")
    if not colon:
        return []
    found = {}
    for row in ladder.get("beside") or ():
        if isinstance(row, Mapping) and isinstance(row.get("reachable"), bool):
            found[f"{host}:{row.get('port')}"] = "open" if row["reachable"] else str(row.get("reason") or "closed")
    for step in _steps(ladder):
        if step.name == "connect" and step.ok is not None:
            found[server] = "open" if step.ok else found.get(server, "closed")
    return list(found.items())


def _ehlo(app: AppFacts, sessions: Sequence[Session]) -> str | None:
    """The name that was said, else the one that is configured."""
    for session in sessions:
        for event in session.events:
            text = str(event.get("text") or "")
            if event.get("by") == "client" and text[:5].upper() in ("EHLO ", "HELO "):
                return text[5:].strip()[:_LONGEST]
    named = (one.plan.raw("helo") for one in app.settings)
    return next((name for name in named if isinstance(name, str) and name), None)


def _clock(started: datetime, sessions: Sequence[Session]) -> float | None:
    """How many seconds the server's clock is ahead of ours, where its greeting tells the time (RFC 5321 §4.2)."""
    from email.utils import parsedate_to_datetime

    for session in sessions:
        greeting = next((e for e in session.events if e.get("by") == "server"), {})
        match = _DATE.search(str(greeting.get("text") or ""))
        at = greeting.get("at")
        if match is None or not isinstance(at, (int, float)):
            continue
        try:
            told = parsedate_to_datetime(match[0])
        except ValueError:
            continue
        return round((told.astimezone(UTC) - started - timedelta(seconds=float(at))).total_seconds(), 1)
    return None
