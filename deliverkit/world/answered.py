"""Answers of the live door, made as cheaply as they can be: one object for a plain response, nothing in between.

`read_answer` reads octets into an `Answer` where they are a plain response that ends a question; `answer_of` makes one
of a `Said`, for the longer ways. Both say the same (tests/world/test_dnsplain.py). What this file will not do: read a
message itself, or make anything of one that is not final.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from deliverkit.flow import Answer, Question, Source, Status
from deliverkit.world.dnsplain import Said, read

_OK, _NODATA, _NXDOMAIN = Status.OK, Status.NODATA, Status.NXDOMAIN


@dataclass(slots=True)
class _Unfrozen:
    """An `Answer` while it is made. A frozen dataclass takes three times as long to fill as one that is not."""

    question: Question
    status: Status
    records: tuple[Any, ...]
    ttl: int | None
    aliases: tuple[str, ...]
    authentic: bool
    server: str | None
    detail: str
    extended_errors: tuple[tuple[int, str], ...]
    sources: tuple[Source, ...]
    elapsed_s: float


def read_answer(
    octets: bytes, question: Question, section: bytes, name: str, type_: int, server: str, elapsed_s: float
) -> Answer | None:
    """What a plain response answers; None where it is unusual, or where somebody has to go on."""
    try:
        no_name, records, ttl, aliases, _, authentic, final = read(octets, section, name, type_)
    except Exception:  # for `dnsmessage.decode`
        return None
    if not final:
        return None
    status = _OK if records else _NXDOMAIN if no_name else _NODATA
    made: Any = _Unfrozen(question, status, records, ttl, aliases, authentic, server, "", (), (), elapsed_s)
    made.__class__ = Answer  # the same slots in the same order: tests/world/test_answered.py sees to it
    answer: Answer = made
    return answer


def answer_of(question: Question, said: Said, aliases: tuple[str, ...], server: str, elapsed_s: float) -> Answer:
    """What a response answers that `is_plain`, at the end of these aliases."""
    status = _OK if said.records else _NXDOMAIN if said.rcode == "NXDOMAIN" else _NODATA
    return Answer(
        question, status, said.records, said.ttl, aliases, said.authentic, server, "", said.extended_errors, (),
        elapsed_s,
    )  # fmt: skip


def is_plain(said: Said) -> bool:
    """True if a response is an answer, whole and final."""
    return (
        said.complete
        and (said.rcode == "NOERROR" or said.rcode == "NXDOMAIN")
        and not (said.problem or said.truncated or said.lame or said.loop)
    )
