"""What `deliverkit fix` prints: a unified diff, the records as a zone file or as octoDNS YAML has them, or JSON. Pure.

What this file will not do: write to a screen or a file.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from typing import Any

from deliverkit.engine.edit.model import CannotApply, decoded
from deliverkit.engine.edit.octodnswords import key_text, natural, record_lines
from deliverkit.engine.edit.source import Held, records_of
from deliverkit.engine.fix import Fixed, Left, Step
from deliverkit.findings import Finding
from deliverkit.names import within
from deliverkit.report.model import Subject
from deliverkit.world.masterfile import ZoneRecord

_NO_END = "\n\\ No newline at end of file\n"
_WINDOW = 16
"""Characters of a secret that give it away."""
WITHHELD = "(private key withheld: this change can be written with --write, and not be applied as a patch)"
SCHEMA = "deliverkit.fix/1"


def as_diff(fixed: Fixed) -> str:
    """A diff for ``patch -p1`` or ``git apply``; octets that are no UTF-8 are surrogate escapes.

    A line with a private key is not shown, so that this one change can only be written.
    """
    parts: list[str] = []
    windows = {secret[at : at + _WINDOW] for secret in fixed.secrets for at in range(0, len(secret) - _WINDOW, _WINDOW)}
    for path, octets in fixed.after.items():
        name = fixed.names.get(path, str(path)).lstrip("/")
        tab = "\t" if " " in name else ""
        old, new = (_lines(decoded(one)) for one in (fixed.before[path], octets))
        rows = difflib.unified_diff(old, new, f"a/{name}{tab}", f"b/{name}{tab}")
        rows = (row if row.endswith("\n") else row + _NO_END for row in rows)
        parts += (f"{row[0]}{WITHHELD}\n" if any(window in row for window in windows) else row for row in rows)
    return "".join(parts)


def _lines(text: str) -> list[str]:
    """Lines as patch knows them: they end with a line feed and nothing else."""
    rows = [f"{row}\n" for row in text.split("\n")]
    last = rows.pop().removesuffix("\n")
    return [*rows, last] if last else rows


def as_zone(fixed: Fixed) -> str:
    """The records of every fix as a zone file has them, what goes in comments; those that were not applied too."""
    lines: list[str] = []
    for one in _proposed(fixed):
        applied = isinstance(one, Step)
        lines.append(f"; {one.finding.rule} {one.finding.subject}: {one.effect if isinstance(one, Step) else one.why}")
        rows = one.finding.fix.lines
        lines += rows if applied else [row if row.startswith(";") else f"; {row}" for row in rows]
        lines.append("")
    return "\n".join(_printable(line) for line in lines)


def _proposed(fixed: Fixed) -> Iterator[Step | Left]:
    yield from fixed.steps
    yield from (one for one in fixed.left if one.finding.fix.changes_dns)


def as_octodns(fixed: Fixed) -> str:
    """The records that changed as they are now, in octoDNS YAML, one mapping a zone."""
    named = {(r.name, r.type) for one in fixed.steps for r in _records(one.finding)}
    parts: list[str] = []
    for origin, zone in sorted(fixed.zones.items()):
        sets = sorted(key for key in named if within(key[0], origin) and _deepest(key[0], fixed) == origin)
        if not sets:
            continue
        parts.append(f"# {key_text(origin + '.')}\n---\n")
        names = sorted({name for name, _ in sets}, key=lambda name: natural(_relative(name, origin)))
        for name in names:
            parts += _name_lines(zone, name, origin)
    return "".join(f"{_printable(row)}\n" for row in "".join(parts).splitlines())


def _records(finding: Finding) -> Iterable[ZoneRecord]:
    try:
        return records_of((*finding.fix.removes, *finding.fix.records))
    except CannotApply:  # it was applied, so this does not happen
        return ()


def _deepest(name: str, fixed: Fixed) -> str:
    return max((origin for origin in fixed.zones if within(name, origin)), key=len)


def _relative(name: str, origin: str) -> str:
    return "" if name == origin else name[: -len(origin) - 1]


def _name_lines(zone: Held, name: str, origin: str) -> Iterator[str]:
    """All records of a name: a patch replaces the whole name."""
    sets: dict[str, list[ZoneRecord]] = {}
    ttls: dict[str, int | None] = {}
    for record in zone.facts.records:
        if record.name == name and record.type != "SOA" and record.value is not None and "lost" not in record.flags:
            sets.setdefault(record.type, []).append(ZoneRecord(name, record.type, 0, record.value, None))  # type: ignore[arg-type]
            ttls.setdefault(record.type, record.ttl)
    if not sets:
        yield f"# {key_text(_relative(name, origin))}: has no record any more\n"
        return
    yield f"{key_text(_relative(name, origin))}:\n"
    for type_, records in sorted(sets.items()):
        ttl = ttls[type_]
        rows = record_lines(records, None if ttl is None else str(ttl), escaped=True)
        if len(sets) > 1:
            rows = [f"- {rows[0]}", *(f"  {row}" for row in rows[1:])]
        yield from (f"  {row}\n" for row in rows)


def _printable(text: str) -> str:
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def as_json(fixed: Fixed, *, written: bool) -> dict[str, Any]:
    """Everything, for programs."""
    return {
        "schema": SCHEMA,
        "written": written,
        "files": [{"file": fixed.names.get(path, str(path))} for path in fixed.after],
        "steps": [
            {**_finding(one.finding, one.subject), "effect": one.effect, "files": list(one.files)}
            for one in fixed.steps
        ],
        "left": [{**_finding(one.finding, one.subject), "why": one.why or None} for one in fixed.left],
        "serials": [
            {"zone": one.origin, "place": one.place, "before": one.before, "after": one.after} for one in fixed.serials
        ],
        "diff": _printable(as_diff(fixed)),
    }


def _finding(finding: Finding, subject: Subject) -> dict[str, Any]:
    return {
        "rule": finding.rule,
        "slug": finding.slug,
        "severity": finding.severity.value,
        "subject": finding.subject,
        "of": {"kind": subject.kind, "name": subject.name},
        "detail": finding.detail,
        "place": next((one.place for one in finding.evidence if one.place), None),
        "fix": finding.fix.to_json(),
    }


def summary(fixed: Fixed, *, written: bool) -> list[str]:
    """What was done and what is left, line by line."""
    verb = "fixed" if written else "would be fixed"
    lines = []
    for one in fixed.steps:
        lines.append(f"{verb}: {one.finding.rule} {one.finding.subject} in {', '.join(one.files)}: {one.effect}")
    for serial in fixed.serials:
        if serial.before == serial.after:
            told = (
                f"{serial.place}: raise the serial {serial.before} of {serial.origin}, or secondaries keep the old zone"
            )
            lines.append(f"{told} (--bump-serial does)")
        else:
            lines.append(f"{serial.place}: serial of {serial.origin} {serial.before} → {serial.after}")
    for left in fixed.left:
        place = next((one.place for one in left.finding.evidence if one.place), "")
        lines.append(
            f"left: {left.finding.severity} {left.finding.rule} {left.finding.subject}: {left.finding.detail}"
            + (f" ({place})" if place else "")
        )
        if left.why:
            lines.append(f"  {left.why}")
        lines.append(f"  to do: {left.finding.fix.text}")
    if fixed.left and fixed.after and not written:
        lines.append("lines are counted as they are once the changes are written")
    return lines
