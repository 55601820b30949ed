"""A fault in a record that people wrote: what is wrong, and exactly where. Parsers collect them, never raise."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """``kind`` is a stable slug that rules match on; ``span`` is a half-open range of characters in the record.

    ``fatal`` means the law discards the record (or the whole evaluation) because of it.
    """

    kind: str
    detail: str
    span: tuple[int, int]
    fatal: bool = False
