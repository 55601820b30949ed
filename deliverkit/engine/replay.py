"""A journal run again: the same verbs on the same subjects in the world it tells, and so the same reports.

Here too the options of the verbs become JSON and come back, checked like those a person types. What this file will not
do: read a file other than the journal, open a socket, or compare a command line with a journal (`cli.journal` does).
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Collection, Coroutine, Mapping
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deliverkit.findings import Severity
from deliverkit.report.model import Report
from deliverkit.world.journal import BELOW, Journal, JournalError, Section
from deliverkit.world.journal_replay import ReplayedWorld
from deliverkit.world.journal_values import BadValue, Json, fitted, made, member, plain, wrong

if TYPE_CHECKING:
    from deliverkit.engine.audit import AuditOptions
    from deliverkit.engine.probe import ProbeOptions
    from deliverkit.facts.dkim import KeyFile
    from deliverkit.facts.expected import Expectations
    from deliverkit.world import World

_APART = frozenset({"dkim_keys"})  # written as lines of their own, and of each key the public half alone
_WORD = str | None
_VERIFY: dict[str, Any] = {
    **dict.fromkeys(("client_ip", "helo", "mail_from", "profile"), _WORD),
    "smtputf8": bool | None,
}
_KEY: dict[str, Any] = {"file": str, "type": str, "bits": int, "public": str, "problem": str}


# -- options as JSON --------------------------------------------------------------------------------------


def options_json(options: Any) -> Json:
    """The options of a verb that are not the usual ones."""
    told: Mapping[str, Any] = options or {}
    if is_dataclass(options) and not isinstance(options, type):
        usual = type(options)()
        told = {f.name: getattr(options, f.name) for f in fields(options)}
        told = {name: value for name, value in told.items() if value != getattr(usual, name)}
    return {name: plain(value) for name, value in told.items() if name not in _APART and value is not None}


def public_keys(options: Any) -> dict[str, Json]:
    """The public halves of the private keys an audit compares, by selector, with the names of their files."""
    from deliverkit.facts.dkim import KeyFile

    told = {}
    for selector, file in (getattr(options, "dkim_keys", None) or {}).items():
        key_file = file if isinstance(file, KeyFile) else KeyFile.read(file)
        line: Json = {"file": str(key_file.path)}
        if key_file.key is not None:
            public = base64.b64encode(key_file.key.public).decode()
            line |= {"type": key_file.key.type, "bits": key_file.key.bits, "public": public}
        if key_file.problem is not None:
            line["problem"] = key_file.problem
        told[selector] = line
    return told


def audit_options(section: Section) -> AuditOptions:
    """The options of an audit. Raises ValueError."""
    from deliverkit.engine.audit import AuditOptions, checked

    told, severities = _severities(section.options)
    expect = _expectations(told.pop("expect", None))
    options = replace(made(AuditOptions, told, "options"), severities=severities, expect=expect)
    return checked(replace(options, dkim_keys={name: _key_file(key) for name, key in section.keys.items()}))


def probe_options(section: Section) -> tuple[tuple[str, ...], ProbeOptions]:
    """The targets of a probe, and its options. Raises ValueError."""
    from deliverkit.engine.targets import BadTarget, ProbeOptions
    from deliverkit.names import to_ascii
    from deliverkit.smtp.client import unfit

    told, severities = _severities(section.options)
    targets = fitted(tuple[str, ...], told.pop("targets", None), "targets")
    options = replace(made(ProbeOptions, told, "options"), severities=severities)
    if why := unfit(options.helo or "", "the EHLO name"):
        raise ValueError(why)
    for text in options.controls:
        host, _, port = text.rpartition(":")
        if not host or not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536):
            raise BadTarget(f"the control {text!r}: expected HOST:PORT")
    return targets, replace(options, name=to_ascii(options.name) if options.name else None)


def verify_options(section: Section) -> dict[str, Any]:
    """The options of a verification. Raises ValueError."""
    for name in section.options:
        if name not in _VERIFY:
            raise wrong("options", name, f"one of {', '.join(_VERIFY)}")
    return {name: fitted(_VERIFY[name], value, name) for name, value in section.options.items()}


def _severities(options: Json) -> tuple[Json, dict[str, Severity]]:
    """The other options, and the severities that were overridden."""
    told = dict(options)
    severities = told.pop("severities", {})
    if not isinstance(severities, Mapping):
        raise wrong("severities", severities, "an object")
    return told, {rule: member(Severity, word, "severities") for rule, word in severities.items()}


def _expectations(told: Any) -> Expectations | None:
    """What was expected of the domain: words, numbers and lists of words by their keys."""
    from deliverkit.facts.expected import OBSERVED, Expectations

    if told is None:
        return None
    if not isinstance(told, Mapping) or not isinstance(told.get("values"), Mapping):
        raise wrong("expect", told, "an object with values")
    lines, file = told.get("lines", {}), told.get("file")
    if not isinstance(lines, Mapping):
        raise wrong("expect", lines, "an object of lines")
    values = {}
    for key, value in told["values"].items():
        if key not in OBSERVED:
            raise wrong("expect", key, f"one of {', '.join(OBSERVED)}")
        if not isinstance(value, (str, int, list)):
            raise wrong(key, value, "a text, a number, true or false, or a list of texts")
        values[key] = fitted(tuple[str, ...], value, key) if isinstance(value, list) else value
    numbers = {key: fitted(int, line, "expect") for key, line in lines.items()}
    return Expectations(values, numbers, fitted(str | None, file, "expect"))


def _key_file(told: Json) -> KeyFile:
    """A key file as a journal knows it: without the secret."""
    from deliverkit.facts.dkim import KeyFile
    from deliverkit.protocols.dkim.keys import PrivateKey

    line = {name: fitted(_KEY.get(name, type(None)), value, name) for name, value in told.items()}
    path = Path(line.get("file", ""))
    if "public" not in line:
        return KeyFile(path, problem=line.get("problem", "the journal does not hold its public half"))
    try:
        public = base64.b64decode(line["public"], validate=True)
    except (binascii.Error, ValueError):
        raise wrong("public", line["public"], "base64") from None
    return KeyFile(path, PrivateKey(line.get("type", ""), line.get("bits", 0), public, b""), line.get("problem"))


# -- running it again -------------------------------------------------------------------------------------


async def replay(journal: Journal, sections: Collection[Section] | None = None) -> list[Report]:
    """The reports of a journal, or of some of its sections. Raises JournalError for what cannot have been recorded.

    A subject whose report was never made, because Ctrl-C came before, has none in a replay either.
    """
    reports: list[Report] = []
    for section in journal.sections if sections is None else sections:
        if section.verb == BELOW:
            what = "holds what lies below the sources of a check, and not the sources themselves"
            raise JournalError(f"{journal.origin} {what}: deliverkit check --replay {journal.origin}")
        world = ReplayedWorld(journal).showing(section)
        try:
            reports += await _RUNNERS[section.verb](section, world)
        except ValueError as bad:
            raise JournalError(f"{journal.origin}: {section.verb} {section.subject}: {bad}") from None
    return [replace(report, interrupted=True) for report in reports] if journal.interrupted else reports


async def _audit(section: Section, world: World) -> list[Report]:
    from deliverkit.engine.audit import audit

    options = audit_options(section)
    return [await audit(section.subject, world=world, options=options)] if section.finished else []


async def _probe(section: Section, world: World) -> list[Report]:
    from deliverkit.engine.probe import probe

    targets, options = probe_options(section)
    return await probe(targets, world=world, options=options) if section.finished else []


async def _verify(section: Section, world: World) -> list[Report]:
    from deliverkit.engine.verify import unverified, verify

    known = verify_options(section)
    if section.finished:
        if section.message is None:
            raise BadValue("the message is not in the journal")
        return [await verify(section.message, world=world, name=section.subject, **known)]
    why = section.late.get("verify")
    return [] if why is None else [unverified(section.subject, why, world)]


_RUNNERS: dict[str, Callable[[Section, World], Coroutine[Any, Any, list[Report]]]] = {
    "audit": _audit,
    "probe": _probe,
    "verify": _verify,
}
