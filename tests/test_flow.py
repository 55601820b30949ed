"""Flows: the two drivers hear the same answers and return the same result."""

from __future__ import annotations

import asyncio

from deliverkit.flow import Answer, Flow, Question, Status, adrive, ask, drive, together


def hear(question: Question) -> Answer:
    """Answer every question with its own name."""
    return Answer(question, Status.OK, ((question.name.encode(),),))


async def ahear(question: Question) -> Answer:
    """The same, awaited."""
    await asyncio.sleep(0)
    return hear(question)


def flow() -> Flow[tuple[str, ...]]:
    """One question, then three side by side, one of which asks twice."""
    first = yield from ask("a", "TXT")

    def two() -> Flow[Answer]:
        yield from ask("b", "TXT")
        return (yield from ask("c", "TXT"))

    rest = yield from together(ask("d", "TXT"), two(), ask("e", "TXT"))
    return (first.texts[0], *(answer.texts[0] for answer in rest))


def test_both_drivers_run_a_flow_to_the_same_end() -> None:
    """Results keep the order of the flows, whatever order the answers came in."""
    assert drive(flow(), hear) == ("a", "d", "c", "e")
    assert asyncio.run(adrive(flow(), ahear)) == ("a", "d", "c", "e")


def test_together_runs_side_by_side() -> None:
    """The asynchronous driver has all questions of one level in flight at once."""
    flying: set[str] = set()
    most = 0

    async def slow(question: Question) -> Answer:
        nonlocal most
        flying.add(question.name)
        most = max(most, len(flying))
        for _ in range(5):
            await asyncio.sleep(0)
        flying.discard(question.name)
        return hear(question)

    asyncio.run(adrive(together(*(ask(name, "A") for name in "abcdef")), slow))
    assert most == 6


def test_an_answer_tells_known_from_unknown() -> None:
    """A timeout is never "no record"; octets that are no UTF-8 survive."""
    question = Question("example.com", "TXT")
    assert Answer(question, Status.NXDOMAIN).known
    assert not Answer(question, Status.TIMEOUT).known
    assert Answer(question, Status.OK, ((b"a\xff", b"b"),)).texts == ("a\udcffb",)
    assert Answer(question, Status.SERVFAIL, detail="2 servers").why() == "TXT example.com: servfail (2 servers)"
