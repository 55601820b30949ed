"""The report on a zone of a source: its subject, its findings on their lines, and fixes that help."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest

from deliverkit.engine.sources import judge_source
from deliverkit.facts.source import SourceFacts, SourceRecord
from deliverkit.findings import Finding, Severity
from deliverkit.report.jsonable import report_json
from deliverkit.report.model import Verdict
from deliverkit.rules.registry import rules_of
from deliverkit.world.masterfile import parse_master_text
from deliverkit.world.sources import SourceZone
from deliverkit.world.story import Story, load_story
from deliverkit.world.values import TEXT_TYPES, presentation
from tests.world.sources.written import read_text

STORIES = sorted((Path(__file__).parents[2] / "fixtures/stories/source").glob("*.toml"))
HEAD = "$ORIGIN example.com.\n$TTL 3600\n"


def zone(folder: Path, text: str) -> SourceZone:
    """The zone of a master file."""
    return read_text(folder, "zones/example.com.zone", HEAD + text)[0]


def test_the_report_is_about_the_zone(tmp_path: Path) -> None:
    """Kind, name, file; verdict and exit status as of any report; no facts, since a zone may be large."""
    report = judge_source(zone(tmp_path, "@ CNAME www.example.net.\n").facts)
    assert (report.subject.kind, report.subject.name, report.subject.remark) == (
        "zone",
        "example.com",
        "zones/example.com.zone",
    )
    assert report.verdict is Verdict.FAIL and report.exit_status() == 1
    assert [(f.rule, f.evidence[0].place) for f in report.findings] == [("SRC010", "zones/example.com.zone:3")]
    assert report_json(report)["facts"] == {}
    assert set(report.passed) | {"SRC010"} | set(report.not_applicable) == {rule.id for rule in rules_of("source")}


def test_severities_and_rules_can_be_chosen(tmp_path: Path) -> None:
    """As for every verb."""
    facts = zone(tmp_path, "@ CNAME www.example.net.\n").facts
    report = judge_source(facts, severities={"SRC010": Severity.NOTE})
    assert [f.severity for f in report.findings] == [Severity.NOTE] and report.verdict is Verdict.PASS
    assert judge_source(facts, rules=[rule for rule in rules_of("source") if rule.id != "SRC010"]).findings == ()


def told(path: Path) -> tuple[Story, str]:
    """A story about a master file, and its text."""
    story = load_story(path)
    return story, story.files.get("example.com.zone", "")


@pytest.mark.parametrize("path", [p for p in STORIES if told(p)[1]], ids=lambda p: p.stem)
def test_fixes_of_master_files_help(path: Path, tmp_path: Path) -> None:
    """Each fix that names records, applied to the zone and judged again: its finding is gone, and nothing is worse."""
    before = read_text(tmp_path, "z.zone", told(path)[1])[0]
    report = judge_source(before.facts)
    for finding in report.findings:
        if not finding.fix.changes_dns:
            continue
        assert finding.fix.effect.startswith("not re-judged: ")
        after = judge_source(read_text(tmp_path, "after.zone", changed(before.facts, finding))[0].facts)
        was, now = (Counter((f.rule, f.subject) for f in one.findings) for one in (report, after))
        assert now[finding.rule, finding.subject] < was[finding.rule, finding.subject]
        assert now <= was


def changed(facts: SourceFacts, finding: Finding) -> str:
    """The zone as a master file without what is removed, and with what is published."""
    gone = parse_master_text("\n".join(r.line for r in finding.fix.removes), origin=".").records
    keys = {(r.name, r.type, _value(r.type, r.value)) for r in gone}
    kept = [r for r in facts.records if (r.name, r.type, _value(r.type, r.value)) not in keys]
    assert len(kept) < len(facts.records), "nothing was removed"
    lines = [f"{r.name}. {r.lasting} {r.type} {_text(r)}" for r in kept]
    return "\n".join([f"$ORIGIN {facts.origin}.", "$TTL 3600", *lines, *(r.line for r in finding.fix.records)]) + "\n"


def _text(record: SourceRecord) -> str:
    return record.text if record.type in TEXT_TYPES else presentation(record.type, record.value)


def _value(type_: str, value: object) -> object:
    return b"".join(value) if type_ in TEXT_TYPES else value  # type: ignore[call-overload]


def test_what_a_provider_takes_is_no_fault(tmp_path: Path) -> None:
    """Underscores, wildcards below, a delegated target, an alias chain, several keys: nothing to say."""
    text = (
        "@ SOA ns1.example.net. h 1 2 3 4 5\n@ NS ns1.example.net.\n@ MX 10 mx\n@ MX 20 mail.sub\nmx A 192.0.2.1\n"
        'sub NS ns1.example.net.\n*.dev CNAME lb.example.net.\n@ TXT "v=spf1 mx " "-all"\n@ TXT unquoted\n'
        '_dmarc TXT "v=DMARC1; p=none"\nwww CNAME example.com.\nlist.example.com. A 192.0.2.4\n'
        's1._domainkey TXT "v=DKIM1; " "k=rsa;" "p=abc"\nbig 60 TXT words that nobody reads\n'
    )
    assert judge_source(zone(tmp_path, text).facts).findings == ()


def test_nothing_secret_is_shown(tmp_path: Path) -> None:
    """A private key that somebody published is not repeated by the report."""
    key = "MIICXAIBAAKBgQ" + "C7VJTUt9Us8cKj" * 20
    text = f'k._domainkey.example.com TXT "v=DKIM1; k=rsa; p=-----BEGIN RSA PRIVATE KEY-----" "{key[:200]}"\n'
    text += f'k3._domainkey TXT "v=DKIM1\\\\; p=-----BEGIN RSA PRIVATE KEY-----{key[:100]}"\n'
    report = judge_source(zone(tmp_path, text).facts)
    assert {"SRC001", "SRC036"} <= {f.rule for f in report.findings}
    assert key[:15] not in repr(report.findings)
