"""Lines that were added to a body: a footer at the end, a banner at the beginning, a block within.

The canonical forms of RFC 6376 §3.4 work line by line, so the lines of the canonical body are cut, not those of the
message, and one pass with a running hash tries every footer there can be. What this file will not do: decode a part.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from deliverkit.facts.message.mutation.proof import BodyProof
from deliverkit.protocols.dkim.canonical import relaxed_body, simple_body

_BLOCK = 60  # lines of a block within the body
_BANNER = 40  # lines of a banner
_ENDS = 24  # places where a block within the body may end
_LINE_COST = 64  # octets that a line costs in the pass beside its hashing
_FORMS = {"relaxed": relaxed_body, "simple": simple_body}
_MARK = re.compile(rb"(?im)^(?:--[^\r\n]+|</body>|</html>)")


@dataclass(frozen=True, slots=True)
class Added:
    """Lines ``first`` to ``last`` (from 0, ``last`` excluded) that were not there when the body was signed."""

    first: int
    last: int
    lines: tuple[bytes, ...]


def footer(body: bytes, proof: BodyProof, *, ending: bytes = b"\r\n", form: str | None = None) -> Added | None:
    """The lines at the end without which the body is the one that was signed. One linear pass.

    ``ending`` and ``form`` are what a faulty signer hashed: other line ends, another canonical form.
    """
    if proof.length is not None:  # l= leaves what follows unsigned: a footer breaks nothing
        return None
    whole = (proof.canonical if form is None else _FORMS[form])(body)
    lines = whole.split(b"\r\n")[:-1]
    proof.budget.spend(len(whole) + _LINE_COST * len(lines) // 2)
    running, found = hashlib.sha256(), None
    for number, line in enumerate(lines):
        running.update(line)
        running.update(ending)
        if line and running.digest() == proof.wanted:
            found = number + 1
            break
    if found is None or found == len(lines):
        return None
    return Added(found, len(lines), tuple(lines[found:]))


def within(body: bytes, proof: BodyProof, *, deep: bool = True) -> Added | None:
    """A block of lines that was put at the beginning or, where ``deep``, before a boundary or the end of HTML."""
    cut = _Cut(body, proof)
    for last in range(1, min(_BANNER, len(cut.lines)) + 1):
        if cut.agrees(0, last):
            return cut.added(0, last)
    for first, last in _blocks(cut.lines) if deep else ():
        if cut.agrees(first, last):
            return cut.added(first, last)
    return None


def _blocks(lines: list[bytes]) -> Iterator[tuple[int, int]]:
    """Blocks that end before a boundary or the end of the HTML, the shortest first; then those behind a header."""
    marks = [n for n, line in enumerate(lines) if _MARK.match(line)][:_ENDS]
    ends = sorted({n - back for n in marks for back in (0, 1) if n - back > 0 and (not back or not lines[n - 1])})
    for length in range(1, _BLOCK + 1):
        for end in ends:
            if end - length > 0:
                yield end - length, end
    starts = _behind_headers(lines, marks)
    for length in range(1, _BANNER + 1):
        for start in starts:
            if start + length <= len(lines):
                yield start, start + length


def _behind_headers(lines: list[bytes], marks: Iterable[int]) -> list[int]:
    """Where parts begin: behind the empty line that follows a boundary, and behind a line that opens the HTML."""
    found = []
    for mark in marks:
        end = next((n for n in range(mark + 1, min(mark + 20, len(lines))) if not lines[n]), None)
        if end is not None:
            found.append(end + 1)
    found += [n + 1 for n, line in enumerate(lines[:2000]) if re.match(rb"(?i)\s*<body", line)][:4]
    return sorted(set(found))


class _Cut:
    """The canonical body with lines taken out: what stands before is hashed once, what follows is hashed anew."""

    def __init__(self, body: bytes, proof: BodyProof) -> None:
        self.proof = proof
        self.whole = proof.canonical(body)
        self.lines = self.whole.split(b"\r\n")[:-1]
        proof.budget.work(len(self.whole) + 16 * len(self.lines))
        self._offsets = [0]
        for line in self.lines:
            self._offsets.append(self._offsets[-1] + len(line) + 2)
        self._before: dict[int, hashlib._Hash] = {}

    def added(self, first: int, last: int) -> Added:
        return Added(first, last, tuple(self.lines[first:last]))

    def agrees(self, first: int, last: int) -> bool:
        if last >= len(self.lines):
            return False  # a footer: `footer` has tried it
        start, rest = self._offsets[first], memoryview(self.whole)[self._offsets[last] :]
        self.proof.budget.spend((len(rest) >> 2) + _LINE_COST)
        if self.proof.length is not None:
            cut = (self.whole[:start] + rest)[: self.proof.length]
            return hashlib.sha256(cut).digest() == self.proof.wanted
        if first not in self._before:
            self.proof.budget.spend(start >> 2)
            self._before[first] = hashlib.sha256(memoryview(self.whole)[:start])
        hashed = self._before[first].copy()
        hashed.update(rest)
        return hashed.digest() == self.proof.wanted
