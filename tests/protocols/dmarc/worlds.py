"""A world of literals for the DMARC tests: names and texts in, a source of answers out. No socket, no file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from deliverkit.flow import Answer, Question, Status


def hearing(
    zone: Mapping[str, Any], asked: list[str] | None = None, failures: Mapping[str, Status] | None = None
) -> Callable[[Question], Answer]:
    """Answer from ``{name: text | [texts] | {type: records}}``; a name above one that exists is no NXDOMAIN."""

    def hear(question: Question) -> Answer:
        if asked is not None:
            asked.append(str(question))
        if failures and question.name in failures:
            return Answer(question, failures[question.name])
        entry = zone.get(question.name)
        if entry is None:
            below = any(name.endswith("." + question.name) for name in zone)
            return Answer(question, Status.NODATA if below else Status.NXDOMAIN)
        if isinstance(entry, str):
            entry = [entry]
        records = entry.get(question.type, ()) if isinstance(entry, dict) else entry
        if not records or (isinstance(entry, list) and question.type != "TXT"):
            return Answer(question, Status.NODATA)
        if question.type == "TXT":
            records = [
                (text.encode("utf-8", "surrogateescape"),) if isinstance(text, str) else text for text in records
            ]
        return Answer(question, Status.OK, tuple(records))

    return hear
