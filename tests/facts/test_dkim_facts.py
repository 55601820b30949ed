"""Observing keys: what is asked, in how many turns, and what is told when nobody answers."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from deliverkit.data import selectors
from deliverkit.facts.base import Unobserved
from deliverkit.facts.dkim import DkimFacts, nobody, observe_dkim
from deliverkit.flow import Answer, Each, Question, Status, Together
from deliverkit.report.dkim_text import dkim_lines
from deliverkit.report.jsonable import jsonable
from deliverkit.world import World
from tests.protocols.dkim.samples import KEYS, OTHER, RSA, hearing

KEY = RSA.record


def observe(records: Mapping[str, Any], failures: Mapping[tuple[str, str], str] | None = None, **how: Any) -> DkimFacts:
    """The facts of example.com in a closed world."""
    world = World.from_records(records, failures)
    return asyncio.run(world.run(observe_dkim("example.com", **how)))


def turns(records: Mapping[str, str]) -> list[list[Question]]:
    """The questions of each turn: those of one turn are asked side by side."""
    hear = hearing(records)
    flow = observe_dkim("example.com")
    asked, seen = next(flow), []
    try:
        while True:
            assert isinstance(asked, (Together, Each))
            questions = list(asked.questions) if isinstance(asked, Each) else [next(one) for one in asked.flows]
            seen.append(questions)
            asked = flow.send(tuple(hear(question) for question in questions))
    except StopIteration:
        return seen


def test_at_most_three_turns() -> None:
    """A whole observation is three round trips: what is certain, what is likely, what is common."""
    seen = turns({"_domainkey.example.com": "text", "google._domainkey.example.com": KEY})
    assert len(seen) == 3
    assert Question(f"{nobody('example.com')}._domainkey.example.com", "TXT") in seen[0]


def test_nxdomain_for_domainkey_saves_the_search() -> None:
    """Nothing is below a name that does not exist: one confirming question, and no search."""
    seen = turns({})
    assert [q for turn in seen[1:] for q in turn] == [Question("default._domainkey.example.com", "TXT")]
    assert observe({}).scan.nothing_below


def test_an_empty_domainkey_is_no_key_and_no_reason_to_stop() -> None:
    """NOERROR for _domainkey, empty, proves neither that a key exists nor that none does."""
    facts = observe({"rare77._domainkey.example.com": {"TXT": KEY}})
    assert facts.scan.below.status is Status.NODATA
    assert facts.selectors == ()
    usual = {selector.name for selector in selectors() if not selector.deep}
    assert {*facts.scan.tried, *facts.scan.passed_over} == usual
    assert set(facts.scan.passed_over) == {s.name for s in selectors() if s.after}


def test_the_second_of_a_pair_is_asked_where_the_first_exists() -> None:
    """A provider publishes both: unless the first certainly does not exist, the second is asked too."""
    facts = observe(
        {"fm1._domainkey.example.com": {"CNAME": "gone.example."}, "fm3._domainkey.example.com": {"TXT": KEY}},
        {("pdk1._domainkey.example.com", "TXT"): "timeout", ("kl._domainkey.example.com", "TXT"): "nodata"},
    )
    assert [one.selector for one in facts.selectors] == ["fm3"]
    assert {"fm2", "fm3", "pdk2", "kl2"} <= set(facts.scan.tried)
    assert "brevo2" in facts.scan.passed_over


def test_no_question_for_the_second_of_a_pair_that_a_wildcard_answers() -> None:
    """Below a wildcard every name exists, so nothing is passed over."""
    assert observe({"*._domainkey.example.com": {"TXT": KEY}}).scan.passed_over == ()


def test_a_selector_waits_for_one_that_is_asked_always() -> None:
    """No chains: whom others wait for waits for nobody, and is a common one."""
    usual = {selector.name: selector for selector in selectors() if not selector.deep}
    assert all(usual[selector.after].after == "" for selector in selectors() if selector.after)


def test_a_server_that_denies_what_only_has_children() -> None:
    """NXDOMAIN for _domainkey beside a key below it is a server's fault; the search goes on."""
    facts = observe(
        {"default._domainkey.example.com": {"TXT": KEY}, "mail._domainkey.example.com": {"TXT": KEY}},
        {("_domainkey.example.com", "TXT"): "nxdomain"},
    )
    assert [one.selector for one in facts.selectors] == ["default", "mail"]
    assert not facts.scan.nothing_below


def test_providers_name_their_selectors_first() -> None:
    """MX and SPF give the provider away; its selectors carry its name as source."""
    facts = observe(
        {
            "example.com": {"MX": ["10 aspmx.l.google.com."], "TXT": "v=spf1 INCLUDE:sendgrid.net -all"},
            "google._domainkey.example.com": {"TXT": KEY},
            "s2._domainkey.example.com": {"CNAME": "s2.u1.wl.example."},
            "s2.u1.wl.example": {"TXT": KEY},
            "zoho._domainkey.example.com": {"TXT": KEY},
        }
    )
    assert "Twilio SendGrid" in facts.providers and "Google Workspace" in facts.providers
    assert {one.selector: one.source for one in facts.selectors} == {
        "google": "provider Google Workspace",
        "s2": "provider Twilio SendGrid",
        "zoho": "discovery",
    }
    assert facts.selectors[1].answer.aliases == ("s2.u1.wl.example",)


def test_a_wildcard_makes_nothing_exist() -> None:
    """Answers that equal the one for a name nobody made are discarded; a key of its own is kept."""
    facts = observe({"*._domainkey.example.com": {"TXT": KEY}, "google._domainkey.example.com": {"TXT": OTHER.record}})
    assert [one.selector for one in facts.selectors] == ["google"]
    assert facts.scan.wildcard


def test_a_wildcard_alias_makes_nothing_exist_either() -> None:
    """A CNAME wildcard below _domainkey does not make every provider's selector a resting one."""
    facts = observe(
        {"example.com": {"MX": "10 mx.google.com."}, "*._domainkey.example.com": {"CNAME": "gone.example."}}
    )
    assert facts.selectors == ()


@pytest.mark.parametrize(
    "typed", ["s1", "S1", "s1._domainkey", "s1._domainkey.example.com", " s1._domainkey.example.com. "]
)
def test_a_selector_is_understood_however_it_is_typed(typed: str) -> None:
    """What is meant is asked, once."""
    facts = observe({"s1._domainkey.example.com": {"TXT": KEY}}, selectors=(typed, "s1"))
    assert [(one.selector, len(one.records)) for one in facts.given] == [("s1", 1)]


def test_a_given_selector_that_nobody_answers_is_unobserved() -> None:
    """A timeout is no absence: reading the records raises."""
    facts = observe({}, {("s1._domainkey.example.com", "TXT"): "timeout"}, selectors=("s1",))
    with pytest.raises(Unobserved, match="timeout"):
        _ = facts.given[0].records
    assert facts.given[0].misplaced == ()
    assert facts.answer.status is Status.TIMEOUT
    assert "could not be told" in "\n".join(dkim_lines(facts))


def test_a_dead_resolver_is_asked_once_and_no_more() -> None:
    """When neither _domainkey nor the guard is answered, seventy guesses would only wait; nothing can be told."""
    asked: list[Question] = []

    class Dead:
        async def ask(self, question: Question) -> Answer:
            asked.append(question)
            return Answer(question, Status.TIMEOUT)

    from deliverkit.flow import adrive

    facts = asyncio.run(adrive(observe_dkim("example.com"), Dead().ask))
    assert len(asked) == 4
    with pytest.raises(Unobserved, match="timeout"):
        _ = facts.selectors
    assert jsonable(facts)["selectors"] is None
    assert any("could not be told" in line for line in dkim_lines(facts))


def test_a_lost_guess_is_counted_and_hides_nothing() -> None:
    """One guess of many without an answer is a number in the scan."""
    facts = observe(
        {"_domainkey.example.com": {"TXT": "x"}, "mail._domainkey.example.com": {"TXT": KEY}},
        {("zoho._domainkey.example.com", "TXT"): "servfail"},
    )
    assert facts.scan.unanswered == 1
    assert [one.selector for one in facts.selectors] == ["mail"]


def test_private_keys_are_compared_and_never_shown() -> None:
    """A key file names a selector too; what it lacks is said, what it holds is not repeated."""
    facts = observe(
        {"s1._domainkey.example.com": {"TXT": KEY}, "s2._domainkey.example.com": {"TXT": KEY}},
        key_files={
            "s1": KEYS / "test-only-rsa2048.pem",
            "s2": KEYS / "test-only-rsa2048-b.pem",
            "s3": Path("nowhere.pem"),
        },
    )
    assert [one.private_matches for one in facts.given] == [True, False, None]
    told = str(jsonable(facts)) + "\n".join(dkim_lines(facts)) + repr(facts)
    assert "No such file" in told and "does NOT belong" in told
    assert "PRIVATE KEY" not in told
    assert (KEYS / "test-only-rsa2048-b.pem").read_text().split("\n")[12] not in told


def test_misplaced_keys_are_looked_for_only_when_one_is_missing() -> None:
    """Three more questions for a given selector without a key, none otherwise."""
    facts = observe({"s1.example.com": {"TXT": KEY}, "_domainkey.example.com": {"TXT": "x"}}, selectors=("s1",))
    assert [(wrong.name, wrong.mistake) for wrong in facts.given[0].misplaced] == [
        ("s1.example.com", "without _domainkey")
    ]
    facts = observe({"s1.example.com": {"TXT": KEY}, "s1._domainkey.example.com": {"TXT": KEY}}, selectors=("s1",))
    assert facts.given[0].misplaced == ()


@pytest.mark.parametrize("width", [60, 100, 200])
def test_lines_fit(width: int) -> None:
    """The text is readable on narrow and wide screens, and nothing from DNS reaches the terminal raw."""
    facts = observe(
        {"s1._domainkey.example.com": {"TXT": KEY + "; n=\x1b[31m\u202e"}, "s2.example.com": {"TXT": KEY}},
        selectors=("s1", "s2", "a b"),
    )
    lines = dkim_lines(facts, width)
    assert max(map(len, lines)) <= width
    assert not any("\x1b" in line or "\u202e" in line for line in lines)
