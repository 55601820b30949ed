"""Answers that are made quickly are answers like all others."""

from __future__ import annotations

import dataclasses

import pytest

from deliverkit.flow import Answer, Question, Status
from deliverkit.world.answered import _Unfrozen, answer_of, is_plain, read_answer
from deliverkit.world.dnsmessage import asked
from deliverkit.world.dnsplain import Said

QUESTION = Question("example.com", "A")


def test_an_answer_made_quickly_is_an_answer_like_any_other() -> None:
    """The same fields in the same order; equal, hashable and frozen."""
    shape = [(field.name, field.type) for field in dataclasses.fields(_Unfrozen)]
    assert shape == [(field.name, field.type) for field in dataclasses.fields(Answer)]
    section = asked(QUESTION).section
    octets = b"\0\7\x81\xa0\0\1\0\1\0\0\0\0" + section + b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\xc0\0\2\1"
    made = read_answer(octets, QUESTION, section, "example.com", 1, "192.0.2.53", 0.5)
    slow = Answer(QUESTION, Status.OK, ("192.0.2.1",), 60, (), True, "192.0.2.53", elapsed_s=0.5)
    assert made is not None
    assert type(made) is Answer
    assert made == slow
    assert hash(made) == hash(slow)
    assert dataclasses.replace(made, ttl=1) == dataclasses.replace(slow, ttl=1)
    with pytest.raises(dataclasses.FrozenInstanceError):
        made.ttl = 5  # type: ignore[misc]


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (Said(records=("192.0.2.1",)), Status.OK),
        (Said(), Status.NODATA),
        (Said(rcode="NXDOMAIN"), Status.NXDOMAIN),
    ],
)
def test_absence_has_two_kinds(said: Said, status: Status) -> None:
    """Told apart by the response code."""
    assert is_plain(said)
    assert answer_of(QUESTION, said, (), "192.0.2.53", 0.0).status is status


@pytest.mark.parametrize(
    "said",
    [
        Said(rcode="SERVFAIL"), Said(rcode="REFUSED"), Said(truncated=True), Said(lame=True), Said(loop=True),
        Said(complete=False), Said(problem="no DNS message"), Said(rcode="UNREACHABLE", problem="Connection refused"),
    ],
)  # fmt: skip
def test_what_is_not_final_is_not_plain(said: Said) -> None:
    """Somebody has to go on."""
    assert not is_plain(said)
