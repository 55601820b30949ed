"""The registry: outcomes of rules, and the shape of their documentation."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from deliverkit.facts.base import NotApplicable, Unobserved
from deliverkit.facts.vantage import Vantage
from deliverkit.findings import Severity, finding
from deliverkit.rules import registry
from deliverkit.rules.registry import Findings, Rule, families, judge, rules_of

HERE = Vantage("offline")


def made(function: Callable[[Vantage], Findings]) -> Rule:
    """A rule around a function, unregistered."""
    return Rule("T001", "t", "test", Severity.ERROR, "RFC 1", "T.", "w", "f", function)


def finds(facts: Vantage) -> Findings:
    """Finds one thing."""
    yield finding(facts.mode)


def passes(facts: Vantage) -> Findings:
    """Finds nothing."""
    yield from ()


def does_not_apply(facts: Vantage) -> Findings:
    """Has nothing to judge."""
    raise NotApplicable
    yield finding("never")


def finds_then_cannot_tell(facts: Vantage) -> Findings:
    """Finds one thing, then meets a fact nobody could tell."""
    yield finding("first")
    raise Unobserved("TXT example.com: timeout")


def crashes(facts: Vantage) -> Findings:
    """Has a bug."""
    yield finding("before")
    raise ZeroDivisionError


def test_each_outcome_is_told_apart() -> None:
    """Finding, pass, not applicable."""
    assert [f.detail for f in judge(HERE, [made(finds)]).findings] == ["offline"]
    assert judge(HERE, [made(passes)]).passed == ("T001",)
    assert judge(HERE, [made(does_not_apply)]).not_applicable == ("T001",)


def test_a_finding_survives_an_unknown_that_follows_it() -> None:
    """Both are told: what was found, and that the rest could not be."""
    said = judge(HERE, [made(finds_then_cannot_tell)])
    assert [f.detail for f in said.findings] == ["first"]
    assert [(i.reason, i.decisive) for i in said.inconclusive] == [("TXT example.com: timeout", True)]
    assert said.passed == ()


def test_a_crash_is_listed_and_costs_nothing_else() -> None:
    """Our bug is decisive, and the other rules' findings stay."""
    said = judge(HERE, [made(crashes), made(finds)])
    assert said.crashed == ("T001",)
    assert [f.detail for f in said.findings] == ["before", "offline"]
    assert "ZeroDivisionError" in said.inconclusive[0].reason
    assert said.inconclusive[0].decisive


def test_severity_is_policy() -> None:
    """An override changes the finding, and whether an unknown is decisive."""
    said = judge(HERE, [made(finds_then_cannot_tell)], {"T001": Severity.NOTE})
    assert said.findings[0].severity is Severity.NOTE
    assert not said.inconclusive[0].decisive


def test_only_the_families_wanted_are_given() -> None:
    """A verb loads what it needs."""
    assert {r.family for r in rules_of("mx", "ptr")} == {"mx", "ptr"}
    assert {"spf", "dkim", "dmarc", "message"} <= set(families())


@pytest.mark.parametrize("text", ["", "Only a title.", "Title.\n\nWhy: because.", "Title.\nFix: this."])
def test_a_rule_without_its_documentation_is_refused(text: str) -> None:
    """Title, Why and Fix are not optional."""

    def bare(facts: Vantage) -> Findings:
        yield from ()

    bare.__doc__ = text
    with pytest.raises(ValueError, match="docstring"):
        registry.rule("T999", Severity.NOTE, "RFC 1")(bare)


def test_facts_that_changed_are_judged_as_if_for_the_first_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rules that read no changed field are not asked again, and it makes no difference to what is said."""
    from deliverkit.engine import audit
    from deliverkit.findings import Judgement
    from deliverkit.report.model import merge
    from deliverkit.world.story import load_story, run_story

    compared = []
    again = audit._Judges.again

    def both(judges: audit._Judges, facts: audit.DomainFacts) -> Judgement:
        said = again(judges, facts)
        compared.append(said)
        assert said == merge([judge(facts, judges.rules, judges._severities), *judges._besides])
        return said

    monkeypatch.setattr(audit._Judges, "again", both)
    folder = Path(__file__).parents[2] / "fixtures" / "stories"
    for family in ("whole", "dmarc", "providers"):
        for file in sorted((folder / family).glob("*.toml"))[:40]:
            if 'kind = "' not in file.read_text("utf-8"):
                run_story(load_story(file))
    assert len(compared) > 20
