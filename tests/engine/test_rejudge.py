"""Fixes are tried before they are offered: useless ones go, unanswerable ones are marked, dear ones are bounded."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import deliverkit
from deliverkit.engine.rejudge import MOST, Trial, with_outcomes
from deliverkit.facts.vantage import Vantage
from deliverkit.findings import Finding, Fix, Inconclusive, Judgement, RecordText, Severity
from deliverkit.flow import Answer, Question
from deliverkit.report.model import Report, Subject
from deliverkit.rules.registry import Rule
from deliverkit.world import World
from deliverkit.world.changes import Changes

SPF = RecordText("example.com", "TXT", "v=spf1 mx -all")
RECORDS: dict[str, dict[str, Any]] = {"example.com": {"TXT": ["v=spf1 ?all", "other=1"]}}


def nothing(_: Any) -> Iterator[Any]:
    """A rule that says nothing."""
    yield from ()


def rule(id_: str) -> Rule:
    """A rule with general advice."""
    return Rule(id_, "slug", "spf", Severity.ERROR, "RFC", "Title.", "Why.", "The general advice.", nothing)


def found(id_: str, severity: Severity, fix: Fix | None = None, detail: str = "here") -> Finding:
    """A finding about example.com."""
    return Finding(id_, "slug", severity, "example.com", "Title.", detail, (), fix or Fix("do something"), "RFC")


def settled(
    *findings: Finding, after: Judgement | Exception, world: World | None = None, passed: tuple[str, ...] = ()
) -> tuple[Report, list[Changes]]:
    """The report with its fixes tried in a subject that is judged ``after`` whatever is published."""
    asked: list[Changes] = []
    before = Judgement(findings, passed=passed)
    report = Report(Subject("domain", "example.com"), Vantage("story"), datetime.now(UTC), 0.0).judged_by(before)

    async def again(_: World, changes: Changes) -> Trial:
        asked.append(changes)
        if isinstance(after, Exception):
            raise after
        return Trial(after, {"lookups": "8"})

    here = world or World.from_records(RECORDS)
    rules = [rule(f.rule) for f in findings]
    work = with_outcomes(report, Trial(before, {"lookups": "12"}), again, world=here, known={}, rules=rules)
    return asyncio.run(work), asked


def test_a_fix_that_helps_says_how() -> None:
    """What is replaced is named, and what changes."""
    report, asked = settled(found("A", Severity.ERROR, Fix("publish", (SPF,))), after=Judgement())
    fix = report.findings[0].fix
    assert fix.rejudged and fix.effect == "error → pass, lookups 12 → 8, verdict fail → pass"
    assert fix.removes == (RecordText("example.com", "TXT", "v=spf1 ?all"),)  # other=1 stays
    assert len(asked) == 1


@pytest.mark.parametrize(
    "after",
    [
        Judgement((found("A", Severity.ERROR, detail="still, in other words"),)),
        Judgement((found("B", Severity.ERROR),)),
        Judgement((found("C", Severity.WARNING),)),  # a rule that judged before, and was content
    ],
)
def test_a_fix_that_does_not_help_is_not_offered(after: Judgement) -> None:
    """Its records go, and the general advice takes their place."""
    report, _ = settled(found("A", Severity.ERROR, Fix("publish", (SPF,))), after=after, passed=("C",))
    assert report.findings[0].fix == Fix("The general advice.")


def test_a_milder_fault_that_was_hidden_is_told() -> None:
    """A rule that could not judge before may speak now."""
    report, _ = settled(
        found("A", Severity.ERROR, Fix("publish", (SPF,))), after=Judgement((found("C", Severity.WARNING),))
    )
    assert report.findings[0].fix.effect == "error → warning (C), lookups 12 → 8, verdict fail → risk"


def test_a_note_is_not_exchanged_for_another() -> None:
    """Nothing as grave as the finding itself may come."""
    report, _ = settled(
        found("A", Severity.NOTE, Fix("publish", (SPF,))), after=Judgement((found("B", Severity.NOTE),))
    )
    assert report.findings[0].fix == Fix("The general advice.")


def test_the_second_fix_is_tried_when_the_first_does_not_help() -> None:
    """Alternatives are tried in their order, and none is left in the report."""
    bad = RecordText("example.com", "TXT", "v=spf1 +all")
    offered = Fix("first", (bad,), otherwise=(Fix("second", (SPF,)),))
    before = Judgement((found("A", Severity.ERROR, offered),))
    report = Report(Subject("domain", "example.com"), Vantage("story"), datetime.now(UTC), 0.0).judged_by(before)

    async def again(_: World, changes: Changes) -> Trial:
        bad = any(b"+all" in b"".join(record.value) for record in changes.added)
        return Trial(before if bad else Judgement())

    world = World.from_records(RECORDS)
    done = asyncio.run(with_outcomes(report, Trial(before), again, world=world, known={}, rules=[rule("A")]))
    assert done.findings[0].fix.text == "second" and done.findings[0].fix.otherwise == ()


def test_what_nobody_tells_is_marked() -> None:
    """The fix stays, and says why it was not judged: DNS failed before, or in the changed world."""
    world = World.from_records(RECORDS, failures={("example.com", "TXT"): "servfail"})
    fix = Fix("publish", (SPF,))
    report, asked = settled(found("A", Severity.ERROR, fix), after=Judgement(), world=world)
    assert report.findings[0].fix.records == (SPF,) and not report.findings[0].fix.rejudged
    assert report.findings[0].fix.effect.startswith("not re-judged: TXT example.com: servfail")
    assert asked == []
    late = Judgement(inconclusive=(Inconclusive("A", "example.com", "MX example.net: timeout"),))
    report, _ = settled(found("A", Severity.ERROR, fix), after=late)
    assert report.findings[0].fix.effect == "not re-judged: MX example.net: timeout"
    decisive = Judgement(inconclusive=(Inconclusive("B", "example.com", "A b.example: timeout", decisive=True),))
    report, _ = settled(found("A", Severity.ERROR, fix), after=decisive)
    assert report.findings[0].fix.effect == "not re-judged: A b.example: timeout"


def test_equal_fixes_are_tried_once_and_there_is_a_most() -> None:
    """A subject with many fixes does not take forever."""
    same = [found(f"S{n}", Severity.ERROR, Fix("publish", (SPF,))) for n in range(30)]
    report, asked = settled(*same, after=Judgement())
    assert len(asked) == 1 and all(f.fix.rejudged for f in report.findings)
    many = [
        found(
            f"M{n}", Severity.ERROR, Fix("publish", (RecordText("example.com", "TXT", f"v=spf1 ip4:192.0.2.{n} -all"),))
        )
        for n in range(30)
    ]
    report, asked = settled(*many, after=Judgement())
    assert len(asked) == MOST
    late = [f.fix.effect for f in report.findings if not f.fix.rejudged]
    assert len(late) == 10 and late[0].startswith(f"not re-judged: {MOST} other fixes of this subject were")


@pytest.mark.parametrize(
    "record",
    [
        RecordText(f"{'a' * 70}.example.com", "TXT", "x"),
        RecordText("mail.example.com", "A", "192.0.2.999"),
        RecordText("example.com", "MX", "ten mail.example.com."),
    ],
)
def test_what_no_zone_could_hold_is_not_offered(record: RecordText) -> None:
    """The record is read as a zone file is."""
    report, asked = settled(found("A", Severity.ERROR, Fix("publish", (record,))), after=Judgement())
    assert report.findings[0].fix == Fix("The general advice.") and asked == []


def test_hostile_text_in_a_record_is_escaped_and_still_compared() -> None:
    """Quotation marks, line ends, escapes and octets that are no UTF-8 stand in the record that goes."""
    text = 'v=spf1 "\\; \n\x1b[31m ?all'
    world = World.from_records({"example.com": {"TXT": [(text.encode() + b"\xff",)]}})
    report, asked = settled(found("A", Severity.ERROR, Fix("publish", (SPF,))), after=Judgement(), world=world)
    (gone,) = report.findings[0].fix.removes
    assert "\n" not in gone.line and "\x1b" not in gone.line and gone.line.endswith('\\255"')
    assert {value for _, _, value in asked[0].removed} == {text.encode() + b"\xff"}


def test_two_fixes_of_one_record_say_that_they_exclude_each_other() -> None:
    """Pasted beside each other they would be two records of one kind."""
    first, second = (RecordText("example.com", "TXT", f"v=spf1 ip4:192.0.2.{n} -all") for n in (1, 2))
    report, _ = settled(
        found("A", Severity.ERROR, Fix("one", (first,))),
        found("B", Severity.ERROR, Fix("two", (second,))),
        found("C", Severity.ERROR, Fix("one again", (first,))),
        after=Judgement(),
    )
    effects = [f.fix.effect for f in report.findings]
    assert effects[1].endswith("; publish it in place of the record for A, not beside it")
    assert "beside" not in effects[0] + effects[2]


def test_an_alias_is_named_among_what_goes() -> None:
    """A TXT record cannot stand beside a CNAME; an address is not put there at all."""
    world = World.from_records(
        {"_dmarc.example.com": {"CNAME": ["x.example.net."]}, "mail.example.com": {"CNAME": ["y.example.net."]}}
    )
    text = RecordText("_dmarc.example.com", "TXT", "v=DMARC1; p=none")
    report, _ = settled(found("A", Severity.ERROR, Fix("publish", (text,))), after=Judgement(), world=world)
    assert report.findings[0].fix.removes == (RecordText("_dmarc.example.com", "CNAME", "x.example.net."),)
    address = RecordText("mail.example.com", "A", "192.0.2.1")
    report, _ = settled(found("A", Severity.ERROR, Fix("publish", (address,))), after=Judgement(), world=world)
    assert not report.findings[0].fix.changes_dns


def test_a_wildcard_is_not_named_among_what_goes() -> None:
    """It answers for the name, and stands elsewhere."""
    world = World.from_records({"*.example.com": {"TXT": ["v=DMARC1; p=none"]}, "example.com": {"TXT": ["x"]}})
    text = RecordText("_dmarc.example.com", "TXT", "v=DMARC1; p=reject")
    report, _ = settled(found("A", Severity.ERROR, Fix("publish", (text,))), after=Judgement(), world=world)
    assert report.findings[0].fix.rejudged and report.findings[0].fix.removes == ()


def test_an_invented_host_is_not_put_on_another() -> None:
    """mail.example.com is in use; adding an address there would send its visitors astray."""
    pointer = RecordText("9.2.0.192.in-addr.arpa", "PTR", "mail.example.com.")
    address = RecordText("mail.example.com", "A", "192.0.2.9")
    for records, offered in (({}, True), ({"A": ["192.0.2.9"]}, True), ({"AAAA": ["2001:db8::1"]}, False)):
        world = World.from_records({"mail.example.com": records} if records else {})
        fix = Fix("publish", (pointer, address))
        report, _ = settled(found("A", Severity.ERROR, fix), after=Judgement(), world=world)
        assert report.findings[0].fix.changes_dns is offered


def test_a_crash_of_ours_costs_nobody_the_report() -> None:
    """The fix is marked as not tried."""
    report, _ = settled(found("A", Severity.ERROR, Fix("publish", (SPF,))), after=ValueError("oops"))
    assert report.findings[0].fix.effect == "not re-judged: the trial crashed: ValueError: oops"


def test_a_private_key_in_dns_is_not_repeated() -> None:
    """It stands where the public key belongs, and is taken out; the report does not show it."""
    pem = (Path(__file__).parents[2] / "fixtures" / "keys").glob("*.pem")
    secret = next(path.read_text() for path in pem if "PRIVATE" in path.read_text())
    body = "".join(line for line in secret.splitlines() if "-----" not in line)
    world = World.from_records({"s1._domainkey.example.com": {"TXT": [f"v=DKIM1; k=rsa; p={body}"]}})
    new = RecordText("s1._domainkey.example.com", "TXT", "v=DKIM1; p=")
    report, _ = settled(found("A", Severity.ERROR, Fix("publish", (new,))), after=Judgement(), world=world)
    (gone,) = report.findings[0].fix.removes
    assert body[40:80] not in gone.value and "withheld" in gone.value


class Counting:
    """A DNS door that has to be waited for, and counts."""

    tell = None

    def __init__(self, below: World) -> None:
        self.below = below
        self.asked: list[Question] = []

    async def ask(self, question: Question) -> Answer:
        self.asked.append(question)
        await asyncio.sleep(0)
        return await self.below.ask(question)

    async def aclose(self) -> None:
        return None


def test_a_live_world_is_asked_hardly_anything_more() -> None:
    """The answers are in hand; a fix that leads to new names asks for those."""
    told = World.from_records(
        {
            "example.com": {"TXT": ["v=spf1 mx ?all"], "MX": ["10 mx.example.com."]},
            "mx.example.com": {"A": ["192.0.2.1"]},
        }
    )
    door = Counting(told)
    world = World(door, told.smtp, told.vantage, told.clock)
    report = deliverkit.audit("example.com", world=world, only=["spf"], probe=False)
    fix = next(f.fix for f in report.findings if f.rule == "SPF023")
    assert fix.rejudged and fix.effect == "warning → pass, verdict risk → pass"
    assert len(door.asked) == len(set(door.asked))


def test_ports_are_not_probed_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Judging again reads the ports that were seen."""
    from deliverkit.engine import probe
    from deliverkit.facts.host import PortFacts

    calls: list[object] = []

    async def probed(*_: object, **__: object) -> tuple[PortFacts, ...]:
        calls.append(1)
        return ()

    monkeypatch.setattr(probe, "probe_all", probed)
    world = World.from_records({"example.com": {"TXT": ["v=spf1 ?all"], "MX": ["10 mx.example.com."]}})
    report = deliverkit.audit("example.com", world=world)
    assert any(f.fix.rejudged for f in report.findings) and calls == [1]


def test_check_host_tries_its_fix() -> None:
    """The client is authorised in front of everything else, and the evaluation repeated."""
    world = World.from_records({"example.com": {"TXT": ["v=spf1 ip4:192.0.2.1 -all"]}})
    fix = deliverkit.check_host("192.0.2.9", "a@example.com", "mx.example", world=world).report.findings[0].fix
    assert fix.records[0].value == "v=spf1 ip4:192.0.2.9 ip4:192.0.2.1 -all"
    assert fix.effect == "error → pass, SPF fail → pass, verdict fail → pass" and fix.text.startswith("if 192.0.2.9 is")


def test_check_host_of_a_live_world_tries_its_fix_before_it_returns() -> None:
    """Reading the report waits for nobody."""
    told = World.from_records({"example.com": {"TXT": ["v=spf1 ip4:192.0.2.1 ~all"]}})
    world = World(Counting(told), told.smtp, told.vantage, told.clock)
    done = deliverkit.check_host("192.0.2.9", "a@example.com", "mx.example", world=world)
    assert done.report.findings[0].fix.effect == "warning → pass, SPF softfail → pass, verdict risk → pass"


def test_a_report_without_records_is_left_alone() -> None:
    """No fix, no trial."""
    finding = found("A", Severity.ERROR)
    report, asked = settled(finding, after=ValueError("never asked"))
    assert report.findings == (finding,) and asked == []
    assert replace(report).changes_dns is False
