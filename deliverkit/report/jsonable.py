"""Any of our values as plain JSON: facts, answers, findings, reports.

A facts class decides its own shape with ``to_json()`` where its fields are not what a reader wants; otherwise field
names are the keys. A missing fact is null. Octets that are no UTF-8 are shown escaped: nothing raises.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from enum import Enum
from pathlib import PurePath
from typing import Any

from deliverkit.facts.base import Facts, Missing
from deliverkit.flow import Answer
from deliverkit.report.model import SCHEMA, Report
from deliverkit.smtp.transcript import Transcript


def jsonable(value: Any) -> Any:
    """The value as dicts, lists, strings, numbers, booleans and None."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, Enum):
        return jsonable(value.value)
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    if isinstance(value, (bytes, bytearray)):
        return bytes(value).decode("utf-8", "backslashreplace")
    if isinstance(value, Missing):
        return None
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, Answer):
        return _answer(value)
    if isinstance(value, Transcript):
        return _transcript(value)
    if hasattr(value, "to_json"):
        return jsonable(value.to_json())
    if dataclasses.is_dataclass(value):
        names = [f.name for f in dataclasses.fields(value) if not f.name.startswith("_")]
        if isinstance(value, Facts):
            return {name: jsonable(value.raw(name)) for name in names}
        return {name: jsonable(getattr(value, name)) for name in names}
    if isinstance(value, Mapping):
        return {str(jsonable(k)): jsonable(v) for k, v in value.items()}
    if isinstance(value, (Sequence, set, frozenset)):
        return [jsonable(v) for v in (sorted(value) if isinstance(value, (set, frozenset)) else value)]
    return str(value)


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
        "events": [{"event": _event_name(event), **jsonable(event)} for event in transcript.events],
    }


def _event_name(event: Any) -> str:
    """ "tls-started" for TlsStarted."""
    name = type(event).__name__
    return name[0].lower() + "".join(f"-{c.lower()}" if c.isupper() else c for c in name[1:])


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
        "facts": jsonable(report.facts),
    }
