"""Fixes chosen and kept: the gravest first, one a file at a time, and what makes anything worse is put back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from deliverkit.config import Config
from deliverkit.engine.check import CheckOptions, check
from deliverkit.engine.edit.model import SourceFile
from deliverkit.engine.fix import Fixed, FixOptions, Judge, fix, raised
from deliverkit.engine.fixfiles import CannotWrite, write_changes
from deliverkit.facts.vantage import Vantage
from deliverkit.findings import Finding, Fix, Inconclusive, RecordText, Severity
from deliverkit.flow import at_once
from deliverkit.report.model import Report, Subject
from deliverkit.world.masterfile import unsaved

ZONE = '$ORIGIN example.com.\n$TTL 300\n@ SOA ns h 7 2 3 4 5\n@ TXT "one"\n@ TXT "two"\nwww A 192.0.2.1\n'
NOW = datetime(2026, 11, 25, tzinfo=UTC)


@pytest.fixture
def source(tmp_path: Path) -> SourceFile:
    """One zone."""
    (tmp_path / "z.zone").write_text(ZONE)
    return SourceFile(tmp_path / "z.zone", "z.zone")


def found(rule: str, severity: str, old: str, new: str, subject: str = "example.com") -> Finding:
    """A finding whose fix replaces one text."""
    change = Fix(
        "do it",
        (RecordText("example.com", "TXT", new),),
        (RecordText("example.com", "TXT", old),),
        rejudged=True,
        effect=f"{severity} → pass",
    )
    return Finding(rule, rule.lower(), Severity(severity), subject, "t", "d", (), change, "RFC 1")


def report(*findings: Finding, name: str = "example.com", inconclusive: tuple[Inconclusive, ...] = ()) -> Report:
    """What a judge says of a domain."""
    return Report(Subject("domain", name), Vantage("test"), NOW, 0.0, findings, inconclusive)


def told_by(source: SourceFile, *rules: tuple[str, list[Finding]]) -> Judge:
    """A judge who finds what is listed behind each text, as long as the text is in the file."""

    async def judge(changed: Mapping[Path, bytes]) -> list[Report]:
        text = changed.get(source.path.resolve(), source.path.read_bytes()).decode()
        return [report(*(finding for word, findings in rules if word in text for finding in findings))]

    return judge


def done(source: SourceFile, judge: Judge, options: FixOptions | None = None) -> Fixed:
    """The outcome."""
    return at_once(fix([source], judge, options or FixOptions()))


def test_the_gravest_comes_first_and_all_that_help_are_kept(source: SourceFile) -> None:
    """Two findings, two steps; the files change in memory alone."""
    warning, error = found("B002", "warning", "two", "2"), found("A001", "error", "one", "1")
    fixed = done(source, told_by(source, ('"two"', [warning]), ('"one"', [error])))
    assert [step.finding.rule for step in fixed.steps] == ["A001", "B002"]
    (octets,) = fixed.after.values()
    assert octets.decode() == ZONE.replace("one", "1").replace("two", "2")
    assert source.path.read_text() == ZONE and not fixed.left


def test_what_makes_it_worse_is_put_back(source: SourceFile) -> None:
    """Another finding as grave came: the file stays, the reason is told."""
    bad, new = found("A001", "error", "one", "1"), found("C003", "error", "nowhere", "1")
    fixed = done(source, told_by(source, ('"one"', [bad]), ('"1"', [new])))
    assert not fixed.steps and not fixed.after
    assert fixed.left[0].why == "was tried and put back: C003 came up for example.com (d)"


def test_what_does_not_help_is_put_back(source: SourceFile) -> None:
    """The finding is still there."""
    fixed = done(source, told_by(source, ("example.com", [found("A001", "error", "one", "1")])))
    assert not fixed.steps and fixed.left[0].why == "was tried and put back: the finding is still there"


def test_what_cannot_be_told_afterwards_is_put_back(source: SourceFile) -> None:
    """A decisive fact that got lost is no improvement."""

    async def judge(changed: Mapping[Path, bytes]) -> list[Report]:
        if changed:
            return [report(inconclusive=(Inconclusive("SPF001", "example.com", "timeout", decisive=True),))]
        return [report(found("A001", "error", "one", "1"))]

    assert done(source, judge).left[0].why.startswith("was tried and put back: SPF001 could not be told any more")


def test_a_judge_who_was_interrupted_decides_nothing(source: SourceFile) -> None:
    """An audit that is cancelled returns what it saw; that is not enough to write by."""

    async def judge(changed: Mapping[Path, bytes]) -> list[Report]:
        seen = report(*([] if changed else [found("A001", "error", "one", "1")]))
        return [replace(seen, interrupted=bool(changed))]

    with pytest.raises(KeyboardInterrupt):
        done(source, judge)


def test_the_next_step_of_a_rollout_waits(source: SourceFile) -> None:
    """DMARC021 leads to DMARC034: reports come first, so one run takes one step."""
    first, second = found("DMARC021", "warning", "one", "1"), found("DMARC034", "note", "1", "11")
    fixed = done(source, told_by(source, ('"one"', [first]), ('"1"', [second])), FixOptions(least=Severity.NOTE))
    assert [step.finding.rule for step in fixed.steps] == ["DMARC021"]
    assert "next step after that for DMARC021" in fixed.left[0].why


def test_a_fix_in_a_circle_ends(source: SourceFile) -> None:
    """One back, one forth: each is applied once."""
    there, back = found("A001", "error", "one", "1"), found("B002", "warning", "1", "one")
    fixed = done(source, told_by(source, ('"one"', [there]), ('"1"', [back])))
    assert [step.finding.rule for step in fixed.steps] == ["A001"]
    assert fixed.left[0].why.startswith("was tried and put back")


def test_notes_and_other_rules_only_on_wish(source: SourceFile) -> None:
    """The default leaves notes alone, and does not speak of them."""
    judge = told_by(source, ('"one"', [found("A001", "note", "one", "1")]))
    assert done(source, judge) == Fixed(reports=done(source, judge).reports, zones=done(source, judge).zones)
    assert done(source, judge, FixOptions(least=Severity.NOTE)).steps
    assert not done(source, judge, FixOptions(least=Severity.NOTE, rules=frozenset({"B002"}))).steps
    assert not done(source, judge, FixOptions(least=Severity.NOTE, domains=frozenset({"example.net"}))).steps


def test_zones_are_fixed_side_by_side_and_one_bad_apple_is_found(tmp_path: Path) -> None:
    """A round judges the fixes of several zones together; where that goes wrong each is tried alone."""
    sources = []
    for name in ("a.example", "b.example", "c.example"):
        path = tmp_path / f"{name}.zone"
        path.write_text(f'$ORIGIN {name}.\n@ 300 TXT "one"\n')
        sources.append(SourceFile(path, path.name))
    judged = []

    async def judge(changed: Mapping[Path, bytes]) -> list[Report]:
        judged.append(len(changed))
        reports = []
        for one in sources:
            name = one.path.stem
            text = changed.get(one.path.resolve(), one.path.read_bytes()).decode()
            change = Fix(
                "x", (RecordText(name, "TXT", "1"),), (RecordText(name, "TXT", "one"),), rejudged=True, effect="e"
            )
            bad = Finding("A001", "a", Severity.ERROR, name, "t", "d", (), change, "r")
            worse = Finding("C003", "c", Severity.ERROR, name, "t", "d", (), Fix("x"), "r")
            reports.append(report(*([bad] if "one" in text else [worse] if name == "b.example" else []), name=name))
        return reports

    fixed = at_once(fix(sources, judge))
    assert [step.subject.name for step in fixed.steps] == ["a.example", "c.example"]
    assert [left.subject.name for left in fixed.left] == ["b.example"]
    assert judged[:2] == [0, 3]


def test_the_serial_is_raised_on_wish(source: SourceFile) -> None:
    """By the rules of serials; else it is told."""
    judge = told_by(source, ('"one"', [found("A001", "error", "one", "1")]))
    kept, up = done(source, judge), done(source, judge, FixOptions(serial_of=date(2026, 11, 25)))
    assert [(s.before, s.after, s.place) for s in (*kept.serials, *up.serials)] == [
        (7, 7, "z.zone:3"),
        (7, 8, "z.zone:3"),
    ]
    assert next(iter(up.after.values())).decode() == ZONE.replace("one", "1").replace("h 7", "h 8")


@pytest.mark.parametrize(
    ("serial", "after"),
    [(1, 2), (2026112400, 2026112500), (2026112500, 2026112501), (2026112599, 2026112600), (2**32 - 1, 1), (0, 1)],
)
def test_serials(serial: int, after: int) -> None:
    """Of the form YYYYMMDDnn by the date, others by one."""
    assert raised(serial, date(2026, 11, 25)) == after


def test_nothing_is_written_over_other_work(source: SourceFile) -> None:
    """Neither when the file changed, nor when it became a link or went away."""
    fixed = done(source, told_by(source, ('"one"', [found("A001", "error", "one", "1")])))
    write_changes(fixed)
    assert source.path.read_text() == ZONE.replace("one", "1")
    with pytest.raises(CannotWrite, match="changed while it was judged"):
        write_changes(fixed)
    source.path.unlink()
    with pytest.raises(CannotWrite, match="cannot be read any more"):
        write_changes(fixed)


def test_real_rules_judge_what_is_not_written(tmp_path: Path) -> None:
    """The judge of paths sees the change, and the file on disk is as it was."""
    path = tmp_path / "example.com.zone"
    path.write_text(
        '$ORIGIN example.com.\n$TTL 300\n@ SOA ns h 7 2 3 4 5\n@ MX 10 mx\nmx A 192.0.2.1\n@ TXT "v=spf1 mx +all"\n'
    )
    config, asked = Config(folder=tmp_path, world="closed-world"), CheckOptions(paths=(path,), only=("spf",))
    before = at_once(check(config, asked))
    with unsaved({path: path.read_bytes().replace(b"+all", b"-all")}):
        after = at_once(check(config, asked))
    assert "SPF022" in {f.rule for r in before for f in r.findings}
    assert "SPF022" not in {f.rule for r in after for f in r.findings}
