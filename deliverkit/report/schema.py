"""The JSON schema of a report, made from the code that writes reports (``docs/report.schema.json``)."""

from __future__ import annotations

import dataclasses
import types
import typing
from datetime import date
from typing import Any

from deliverkit.findings import Evidence, Finding, Fix, Inconclusive, RecordText, Severity
from deliverkit.report.model import SCHEMA, Ignored, Verdict

_PLAIN: dict[Any, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    bool: {"type": "boolean"},
    float: {"type": "number"},
    date: {"type": "string", "format": "date"},
}


def report_schema() -> dict[str, Any]:
    """One report, or ``{"reports": [...]}``; unknown keys are allowed only inside ``facts`` and ``vantage``."""
    report = {
        "type": "object",
        "additionalProperties": False,
        "required": [
            "schema",
            "deliverkit",
            "subject",
            "vantage",
            "started",
            "elapsed_s",
            "verdict",
            "findings",
            "inconclusive",
            "not_asked",
            "facts",
        ],
        "properties": {
            "schema": {"const": SCHEMA},
            "deliverkit": {"type": "string", "pattern": r"^\d+\.\d+\.\d+"},
            "subject": {
                "type": "object",
                "additionalProperties": False,
                "required": ["kind", "name"],
                "properties": {
                    "kind": {"type": "string"},
                    "name": {"type": "string"},
                    "remark": {"type": "string", "description": "what was read where something else was typed"},
                },
            },
            "vantage": {"type": "object", "required": ["mode"], "properties": {"mode": {"type": "string"}}},
            "started": {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$"},
            "elapsed_s": {"type": "number", "minimum": 0},
            "verdict": {"enum": [v.value for v in Verdict]},
            "interrupted": {"type": "boolean", "description": "true after Ctrl-C: what was found so far"},
            "findings": {"type": "array", "items": _of(Finding)},
            "inconclusive": {"type": "array", "items": _of(Inconclusive)},
            "not_asked": {"type": "array", "items": {"type": "string"}},
            "ignored": {
                "type": "array",
                "items": _of(Ignored),
                "description": 'findings that do not count: by an "ignore" of the configuration, or by the "baseline"',
            },
            "fixed": {
                "type": "array",
                "items": {"type": "string"},
                "description": "what the baseline holds and nobody finds any more",
            },
            "facts": {"type": "object", "description": "one key a protocol; null where nothing was observed"},
        },
    }
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "deliverkit report",
        "oneOf": [
            {"$ref": "#/$defs/report"},
            {
                "type": "object",
                "additionalProperties": False,
                "required": ["reports"],
                "properties": {"reports": {"type": "array", "items": {"$ref": "#/$defs/report"}}},
            },
        ],
        "$defs": {"report": report},
    }


def _of(kind: type) -> dict[str, Any]:
    """The schema of a dataclass of ours: every field, nothing else."""
    hints = typing.get_type_hints(kind)
    fields = [f for f in dataclasses.fields(kind) if f.name != "otherwise"]  # of a fix: no report holds any
    return {
        "type": "object",
        "additionalProperties": False,
        "required": [f.name for f in fields],
        "properties": {f.name: _value(hints[f.name]) for f in fields},
    }


def _value(hint: Any) -> dict[str, Any]:
    if hint in _PLAIN:
        return dict(_PLAIN[hint])
    if hint is Severity:
        return {"enum": [s.value for s in Severity]}
    if hint in (Evidence, Finding, Fix, RecordText):
        return _of(hint)
    if isinstance(hint, types.UnionType):
        parts = [part for part in typing.get_args(hint) if part is not type(None)]
        return {"anyOf": [*(_value(part) for part in parts), {"type": "null"}]}
    if typing.get_origin(hint) is tuple:
        inner, *rest = typing.get_args(hint)
        if rest == [Ellipsis]:
            return {"type": "array", "items": _value(inner)}
        return {"type": "array", "items": _value(inner), "minItems": 1 + len(rest), "maxItems": 1 + len(rest)}
    raise TypeError(f"no schema for {hint!r}")
