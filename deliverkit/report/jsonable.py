"""Any of our values as plain JSON: facts, answers, findings, reports.

A facts class decides its own shape with ``to_json()`` where its fields are not what a reader wants; otherwise field
names are the keys. A missing fact is null. Octets that are no UTF-8 are shown escaped: nothing raises.
"""

from __future__ import annotations

import dataclasses
import json
import operator
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum
from pathlib import PurePath
from typing import Any

from deliverkit.facts.base import Facts, Missing
from deliverkit.flow import Answer, Question
from deliverkit.report.model import SCHEMA, Report
from deliverkit.report.plain import plain_json
from deliverkit.smtp.transcript import Transcript, event_name


def jsonable(value: Any) -> Any:
    """The value as dicts, lists, strings, numbers, booleans and None."""
    kind = type(value)
    way = _WAYS.get(kind)
    if way is None:
        way = _WAYS[kind] = _way(kind)
    return way(value)


_WAYS: dict[type, Callable[[Any], Any]] = {}
"""How the values of each class are shown: found out once a class, since a report holds a thousand values."""


def _way(kind: type) -> Callable[[Any], Any]:
    if issubclass(kind, (type(None), bool, int, float)) and not issubclass(kind, Enum):
        return lambda value: value
    if issubclass(kind, Enum):
        return lambda value: jsonable(value.value)
    if issubclass(kind, str):
        return _text
    if issubclass(kind, (bytes, bytearray)):
        return lambda value: bytes(value).decode("utf-8", "backslashreplace")
    if issubclass(kind, Missing):
        return lambda _: None
    if issubclass(kind, datetime):
        return lambda value: value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    if issubclass(kind, PurePath):
        return str
    if issubclass(kind, Answer):
        return _answer
    if issubclass(kind, Question):  # a tuple, but told by its fields
        return lambda value: {"name": jsonable(value.name), "type": value.type}
    if issubclass(kind, Transcript):
        return _transcript
    if hasattr(kind, "to_json"):
        return lambda value: jsonable(value.to_json())
    if dataclasses.is_dataclass(kind):
        return _fields(kind)
    if issubclass(kind, Mapping):
        return lambda value: {str(jsonable(k)): jsonable(v) for k, v in value.items()}
    if issubclass(kind, (set, frozenset)):
        return lambda value: [jsonable(v) for v in sorted(value)]
    if issubclass(kind, Sequence):
        return lambda value: [jsonable(v) for v in value]
    return str


def _text(value: str) -> str:
    return value if value.isascii() else value.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _fields(kind: type) -> Callable[[Any], Any]:
    """A dataclass: its public fields by name."""
    names = tuple(f.name for f in dataclasses.fields(kind) if not f.name.startswith("_"))
    if issubclass(kind, Facts):
        return lambda value: {name: jsonable(value.raw(name)) for name in names}
    if len(names) < 2:  # attrgetter gives a single value as itself
        return lambda value: {name: jsonable(getattr(value, name)) for name in names}
    values = operator.attrgetter(*names)
    return lambda value: dict(zip(names, map(jsonable, values(value)), strict=True))


def _answer(answer: Answer) -> dict[str, Any]:
    texts = answer.question.type in ("TXT", "SPF")
    shown: dict[str, Any] = {
        "name": answer.question.name,
        "type": answer.question.type,
        "status": answer.status.value,
        "records": jsonable(answer.texts if texts else answer.records),
        "ttl": answer.ttl,
        "aliases": list(answer.aliases),
        "authentic": answer.authentic,
        "server": answer.server,
    }
    if answer.detail:
        shown["detail"] = jsonable(answer.detail)
    if answer.extended_errors:
        shown["extended_errors"] = [{"code": code, "text": jsonable(text)} for code, text in answer.extended_errors]
    return shown


def _transcript(transcript: Transcript) -> dict[str, Any]:
    return {
        "client": transcript.client,
        "server": transcript.server,
        "events": [{"event": event_name(type(event)), **jsonable(event)} for event in transcript.events],
    }


def report_json(report: Report) -> dict[str, Any]:
    """One report as the object that ``docs/report.schema.json`` describes."""
    from deliverkit import __version__

    return {
        "schema": SCHEMA,
        "deliverkit": __version__,
        "subject": {k: v for k, v in jsonable(report.subject).items() if v is not None},
        "vantage": jsonable(report.vantage),
        "started": jsonable(report.started),
        "elapsed_s": report.elapsed_s,
        "verdict": report.verdict.value,
        "interrupted": report.interrupted,
        "findings": jsonable(report.findings),
        "inconclusive": jsonable(report.inconclusive),
        "not_asked": list(report.not_asked),
        "ignored": jsonable(report.ignored),
        "fixed": jsonable(report.fixed),
        "facts": jsonable(report.facts),
    }


_ENCODER = json.JSONEncoder(ensure_ascii=False, check_circular=False)


def json_line(report: Report) -> str:
    """One report as a line of JSON Lines."""
    return plain_json(_ENCODER.encode(report_json(report)) + "\n")


def render_jsonl(reports: Sequence[Report]) -> str:
    """All reports as JSON Lines."""
    return "".join(map(json_line, reports))


def render_json(reports: Sequence[Report]) -> str:
    """One report as an object, several in one object under ``reports``."""
    whole = report_json(reports[0]) if len(reports) == 1 else {"reports": [report_json(r) for r in reports]}
    return plain_json(json.dumps(whole, indent=2, ensure_ascii=False) + "\n")
