"""What the first asking makes of a response."""

from __future__ import annotations

import dataclasses

import pytest

from deliverkit.flow import Answer, Question, Status
from deliverkit.world.dnsplain import Said
from deliverkit.world.firstasking import _Unfrozen, answer, is_plain

QUESTION = Question("example.com", "A")


def test_an_answer_made_quickly_is_an_answer_like_any_other() -> None:
    """The same fields in the same order; equal, hashable and frozen."""
    shape = [(field.name, field.type) for field in dataclasses.fields(_Unfrozen)]
    assert shape == [(field.name, field.type) for field in dataclasses.fields(Answer)]
    said = Said(records=("192.0.2.1",), ttl=60, authentic=True, extended_errors=((3, "stale"),))
    made = answer(QUESTION, said, ("a.example",), "192.0.2.53", 0.5)
    slow = Answer(
        QUESTION, Status.OK, ("192.0.2.1",), 60, ("a.example",), True, "192.0.2.53",
        extended_errors=((3, "stale"),), elapsed_s=0.5,
    )  # fmt: skip
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
    assert answer(QUESTION, said, (), "192.0.2.53", 0.0).status is status


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
