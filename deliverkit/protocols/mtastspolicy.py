"""The MTA-STS policy (RFC 8461 §3.2): what stands at ``https://mta-sts.<domain>/.well-known/mta-sts.txt``.

A parser of whatever a web server hands out: it never raises, and says of every line what is wrong with it. What this
file will not do: fetch the policy, or hold an opinion about it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from deliverkit.names import key

MODES = ("enforce", "testing", "none")
MOST_AGE = 31_557_600  # seconds, RFC 8461 §3.2
LARGEST = 65_536  # octets; RFC 8461 §3.3 suggests 64 kilobytes
MOST_LINES = 2_000
_FIELD = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.-]{0,31}):[ \t]*(.*?)[ \t]*", re.DOTALL)
_PATTERN = re.compile(r"(?:\*\.)?(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z0-9-]{1,63}")
"""A host or a pattern of them (§3.2); the names are those of RFC 5321, without a final dot."""


@dataclass(frozen=True, slots=True)
class PolicyFault:
    """What is wrong in the policy; ``line`` counts from 1. ``fatal``: senders cannot use the policy."""

    kind: str
    detail: str
    line: int
    fatal: bool = False


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy as it was read. ``mode`` and ``max_age`` are None when absent or invalid; ``mx`` are the patterns."""

    text: str
    mode: str | None
    max_age: int | None
    mx: tuple[str, ...]
    faults: tuple[PolicyFault, ...]

    @property
    def valid(self) -> bool:
        """True if senders can use it."""
        return not any(fault.fatal for fault in self.faults)

    def covers(self, host: str) -> bool:
        """Whether a host matches one of the patterns; ``*.`` stands for exactly one label (§4.1)."""
        name = key(host)
        above = name.partition(".")[2]
        return any(pattern in (name, f"*.{above}") for pattern in map(key, self.mx))

    def to_json(self) -> dict[str, object]:
        """The policy for reports, the text left out."""
        shown = {name: getattr(self, name) for name in ("mode", "max_age", "mx", "faults")}
        return {**shown, "valid": self.valid}


def parse_policy(octets: bytes) -> Policy:
    """Read a policy. Lines end with LF or CRLF (§3.2); the first value of a field wins, but for mx."""
    text = octets[:LARGEST].decode("utf-8", "replace")
    faults: list[PolicyFault] = []
    if octets[:3] == b"\xef\xbb\xbf":
        faults.append(PolicyFault("byte-order-mark", "the file begins with a byte order mark", 1, fatal=True))
        text = text.removeprefix("\ufeff")
    if len(octets) > LARGEST:
        faults.append(PolicyFault("too-large", f"more than {LARGEST} octets", 1))
    fields: dict[str, tuple[str, int]] = {}
    patterns: list[tuple[str, int]] = []
    lines = re.split(r"\r?\n", text)
    for number, line in enumerate(lines[:MOST_LINES], 1):
        if not line.strip(" \t"):
            if number < len(lines):
                faults.append(PolicyFault("empty-line", "an empty line", number))
            continue
        match = _FIELD.fullmatch(line)
        if match is None:
            faults.append(PolicyFault("no-field", f"{line[:60]!r} is no field of the form name: value", number, True))
        elif match[1] == "mx":
            patterns.append((match[2], number))
        elif match[1] in fields:
            faults.append(PolicyFault("twice", f"{match[1]} stands there twice; the first one counts", number))
        else:
            fields[match[1]] = match[2], number
    faults += _version(fields)
    mode = _mode(fields, faults)
    age = _max_age(fields, faults)
    for pattern, number in patterns:
        if not _PATTERN.fullmatch(pattern):
            faults.append(PolicyFault("bad-mx", f"mx: {pattern[:80]} is no host and no pattern", number, True))
    if not patterns and mode in ("enforce", "testing"):
        faults.append(PolicyFault("no-mx", f"mode {mode} without any mx", 1, True))
    ordered = tuple(sorted(faults, key=lambda fault: fault.line))
    return Policy(text, mode, age, tuple(pattern for pattern, _ in patterns), ordered)


def _version(fields: dict[str, tuple[str, int]]) -> list[PolicyFault]:
    value, line = fields.get("version", ("", 1))
    if value == "STSv1":
        return []
    return [PolicyFault("version", f"version: {value[:40]}" if value else "no version: STSv1", line, True)]


def _mode(fields: dict[str, tuple[str, int]], faults: list[PolicyFault]) -> str | None:
    value, line = fields.get("mode", ("", 1))
    if value in MODES:
        return value
    told = f"mode: {value[:40]} is none of" if value else "no mode: one of"
    faults.append(PolicyFault("mode", f"{told} {', '.join(MODES)}", line, True))
    return None


def _max_age(fields: dict[str, tuple[str, int]], faults: list[PolicyFault]) -> int | None:
    value, line = fields.get("max_age", ("", 1))
    if not re.fullmatch(r"[0-9]{1,10}", value):
        told = f"max_age: {value[:40]} is no number of seconds" if value else "no max_age in seconds"
        faults.append(PolicyFault("max-age", told, line, True))
        return None
    if int(value) > MOST_AGE:
        faults.append(PolicyFault("max-age", f"max_age: {value} is more than {MOST_AGE} (a year)", line, True))
        return None
    return int(value)
