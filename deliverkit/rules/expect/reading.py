"""What several rules of expectations read: the line that expects, and answers that say whether a record is there."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from deliverkit.facts.base import Unobserved
from deliverkit.facts.expected import ExpectedFacts
from deliverkit.findings import Draft, Evidence, RecordText, evidence_of, finding
from deliverkit.flow import Answer

_CONFIGURATION = "[expect]"


def unmet(
    facts: ExpectedFacts,
    key: str,
    detail: str,
    seen: Sequence[Evidence],
    *,
    records: tuple[RecordText, ...] = (),
    fix: str | None = None,
) -> Draft:
    """An expectation that does not hold: what was seen, then the line that expects otherwise; perhaps a way to it."""
    expect = facts.expect
    said = f"{key} = {_toml(expect.values[key])}"
    line = Evidence("file", expect.file or _CONFIGURATION, value=said, file=expect.file, line=expect.lines.get(key))
    return finding(f"{detail}; expected {said}", at=(*seen, line), records=records, fix=fix)


def _toml(value: Any) -> str:
    """A value as the configuration has it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (tuple, list)):
        if tuple(value) in ((), ("",)):
            return '"null"' if value else '"none"'
        return f"[{', '.join(map(_toml, value))}]"
    return f'"{value}"' if isinstance(value, str) else str(value)


def told(answer: Answer) -> Answer:
    """The answer, where there is one; else the rule ends inconclusive."""
    if not answer.known:
        raise Unobserved(answer.why())
    return answer


def seen(answer: Answer, index: int | None = None) -> tuple[Evidence, ...]:
    """The records of an answer, or its status: at most ten, for a domain may have many texts."""
    return evidence_of(answer, index)[:10]
