"""Reading what a snapshot or a report holds, from a file that anybody may have written.

The form of a snapshot is that of its dataclasses: each field is read by its type, and what has another type is refused
with its path. Sizes and depths are bounded. What this file will not do: compare.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import math
import types
import typing
from pathlib import Path
from typing import Any

from deliverkit.engine.snapshot import SCHEMA, Snapshot
from deliverkit.report.model import SCHEMA as REPORT

LARGEST = 16 * 2**20  # octets of a file
_MOST = 2_000  # entries of one list or table of a snapshot
_LONGEST = 4_000  # characters of one text of a snapshot


class NotComparable(ValueError):
    """A file that is no snapshot and no report of ours: which, and why."""


def read_octets(octets: bytes, name: str) -> Snapshot | list[dict[str, Any]]:
    """A snapshot, or the reports that a file holds (one object, several, or JSON Lines). Raises NotComparable."""
    if len(octets) > LARGEST:
        raise NotComparable(f"{name}: larger than {LARGEST // 2**20} MB; no snapshot or report of ours is")
    try:
        text = octets.decode("utf-8-sig")
    except UnicodeDecodeError as bad:
        raise NotComparable(
            f"{name}: not UTF-8 text (octet {bad.start}); give a file that doctor --save wrote"
        ) from None
    try:
        told = json.loads(text, parse_constant=_no_number)
    except (ValueError, RecursionError) as bad:
        lines = _lines(text)
        if lines is None:
            raise NotComparable(f"{name}: no JSON, or cut short: {_why(bad)}; write it again") from None
        told = {"reports": lines}
    return _known(told, name)


def read_file(path: Path) -> Snapshot | list[dict[str, Any]]:
    """The same for a file. Raises NotComparable."""
    try:
        with path.open("rb") as file:
            return read_octets(file.read(LARGEST + 1), str(path))
    except OSError as bad:
        raise NotComparable(f"{path}: {bad.strerror or bad}") from None


def _no_number(word: str) -> Any:
    raise ValueError(f"{word} is no JSON")


def _why(bad: Exception) -> str:
    if isinstance(bad, json.JSONDecodeError):
        return f"line {bad.lineno}: {bad.msg}"
    return "nested too deeply" if isinstance(bad, RecursionError) else str(bad)[:200]


def _lines(text: str) -> list[Any] | None:
    try:
        found = [json.loads(line, parse_constant=_no_number) for line in text.splitlines() if line.strip()]
    except (ValueError, RecursionError):
        return None
    return found if len(found) > 1 else None


def _known(told: Any, name: str) -> Snapshot | list[dict[str, Any]]:
    schema = told.get("schema") if isinstance(told, dict) else None
    if schema == SCHEMA:
        rest = {key: value for key, value in told.items() if key != "schema"}
        found: Snapshot = _built(Snapshot, rest, name, "")
        return found
    reports = told.get("reports") if isinstance(told, dict) and "reports" in told else [told]
    if (
        isinstance(reports, list)
        and reports
        and all(isinstance(r, dict) and r.get("schema") == REPORT for r in reports)
    ):
        return [_report(report, f"{name}: report {number}") for number, report in enumerate(reports, 1)]
    if isinstance(schema, str) and schema.startswith("deliverkit."):
        raise NotComparable(f"{name}: {schema[:60]!r} is not what this version compares ({SCHEMA}, {REPORT})")
    raise NotComparable(f"{name}: neither a snapshot of doctor --save nor a JSON report ({SCHEMA}, {REPORT})")


def _report(report: dict[str, Any], where: str) -> dict[str, Any]:
    """What is compared of a report: subject, verdict, findings, each of the type it must have, and facts as they are.

    `engine.posture` reads the facts, and trusts none of them.
    """
    subject, findings = report.get("subject"), report.get("findings")
    if not isinstance(subject, dict) or not isinstance(findings, list):
        raise NotComparable(f"{where}: it has no subject or no findings")
    kept = []
    for number, one in enumerate(findings, 1):
        if not isinstance(one, dict) or not isinstance(one.get("rule"), str):
            raise NotComparable(f"{where}: finding {number} names no rule")
        kept.append({key: _text(one.get(key)) for key in ("rule", "severity", "subject", "title", "detail")})
    told = {key: _text(subject.get(key)) for key in ("kind", "name")}
    facts = report.get("facts") if isinstance(report.get("facts"), dict) else {}
    return {"subject": told, "verdict": _text(report.get("verdict"))[:20], "findings": kept, "facts": facts}


# -- by the types of the fields -----------------------------------------------------------------------------------


@functools.cache
def _hints(kind: Any) -> dict[str, Any]:
    return typing.get_type_hints(kind)


def _built(kind: Any, told: Any, file: str, path: str) -> Any:
    if not isinstance(told, dict):
        raise _wrong(file, path, "an object", told)
    values = {}
    for one in dataclasses.fields(kind):
        inner = f"{path}.{one.name}".lstrip(".")
        if one.name in told:
            values[one.name] = _value(_hints(kind)[one.name], told[one.name], file, inner)
        elif one.default is dataclasses.MISSING and one.default_factory is dataclasses.MISSING:
            raise NotComparable(f"{file}: {inner} is missing: no whole snapshot")
    return kind(**values)


def _value(hint: Any, told: Any, file: str, path: str) -> Any:
    if dataclasses.is_dataclass(hint):
        return _built(hint, told, file, path)
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin is types.UnionType or origin is typing.Union:
        for one in inner:
            try:
                return _value(one, told, file, path)
            except NotComparable:
                continue
        raise _wrong(file, path, "a plain value", told)
    if origin is tuple:
        if not isinstance(told, list) or len(told) > _MOST:
            raise _wrong(file, path, f"a list of at most {_MOST}", told)
        return tuple(_value(inner[0], item, file, f"{path}[{number}]") for number, item in enumerate(told))
    if origin is dict:
        if not isinstance(told, dict) or len(told) > _MOST:
            raise _wrong(file, path, f"an object of at most {_MOST} entries", told)
        return {_text(key)[:200]: _value(inner[1], item, file, f"{path}.{key[:40]}") for key, item in told.items()}
    return _plain(hint, told, file, path)


def _plain(hint: Any, told: Any, file: str, path: str) -> Any:
    if hint is str and isinstance(told, str):
        return _text(told)
    if hint is type(None) and told is None:
        return None
    if hint is bool and isinstance(told, bool):
        return told
    if hint is int and type(told) is int and abs(told) < 2**63:
        return told
    if hint is float and type(told) in (int, float) and math.isfinite(told) and abs(told) < 2**63:
        return float(told)
    words = {str: "a text", bool: "true or false", int: "a whole number", float: "a number", type(None): "null"}
    raise _wrong(file, path, words.get(hint, "a plain value"), told)


def _text(value: Any) -> str:
    """Text, bounded; what is no character (half a surrogate pair) is replaced."""
    told = "" if value is None else str(value)[:_LONGEST]
    return told if told.isascii() else told.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _wrong(file: str, path: str, wanted: str, told: Any) -> NotComparable:
    return NotComparable(f"{file}: {path or 'the whole'} is {type(told).__name__}, and {wanted} belongs there")
