"""The records that DMARC, TLS-RPT, MTA-STS and BIMI findings offer to publish are themselves sound."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deliverkit.facts.base import not_asked
from deliverkit.facts.bimi import observe_bimi
from deliverkit.facts.dmarc import observe_dmarc
from deliverkit.facts.domain import DomainFacts
from deliverkit.facts.mtasts import observe_mtasts
from deliverkit.facts.tlsrpt import observe_tlsrpt
from deliverkit.flow import drive
from deliverkit.protocols.bimi import is_bimi, parse_bimi
from deliverkit.protocols.dmarc.record import is_dmarc, parse_dmarc
from deliverkit.protocols.mtasts import is_mtasts, parse_mtasts
from deliverkit.protocols.tlsrpt import is_tlsrpt, parse_tlsrpt
from deliverkit.rules.registry import all_rules, judge
from deliverkit.world.story import load_story, run_story
from tests.protocols.dmarc.worlds import hearing

STORIES = Path(__file__).parents[2] / "fixtures" / "stories"
PATHS = [path for family in ("bimi", "dmarc", "mtasts", "tlsrpt") for path in sorted((STORIES / family).glob("*.toml"))]


@pytest.mark.parametrize("path", PATHS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_offered_records_are_sound(path: Path) -> None:
    """Each offered record parses without a fault, except those a report address of the user's own still has."""
    for finding in run_story(load_story(path)).findings:
        for record in finding.fix.records:
            if is_dmarc(record.value):
                parsed = parse_dmarc(record.value)
                assert parsed.faults == ()
                assert parsed.applies or "._report._dmarc." in record.name
            elif is_tlsrpt(record.value):
                assert parse_tlsrpt(record.value).faults == ()
            elif is_mtasts(record.value):
                assert parse_mtasts(record.value).faults == ()
            else:
                assert is_bimi(record.value) and parse_bimi(record.value).valid
        assert finding.fix.text and finding.detail and finding.evidence


@pytest.mark.parametrize("path", PATHS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_evidence_points_into_the_record(path: Path) -> None:
    """Every span lies inside the value it is shown with."""
    for finding in run_story(load_story(path)).findings:
        for evidence in finding.evidence:
            if evidence.span is not None:
                assert 0 <= evidence.span[0] < evidence.span[1] <= len(evidence.value)


FAMILIES = ("bimi", "dmarc", "mtasts", "tlsrpt")
NAMES = (
    "_dmarc.example.com",
    "example.com",
    "_smtp._tls.example.com",
    "_mta-sts.example.com",
    "default._bimi.example.com",
)
PIECES = [
    "v=DMARC1;",
    "v=dmarc1",
    "p=reject;",
    "p=none;",
    "p=x;",
    "sp=none;",
    "sp=;",
    "np=quarantine;",
    "t=y;",
    "psd=y;",
    "psd=n;",
    "adkim=strict;",
    "pct=50;",
    "rua=mailto:a@example.com;",
    "rua=mailto:a@b.example!1m,x@c.example;",
    "ruf=https://d.example;",
    "fo=1:d:s;",
    ";;",
    "\\;",
    '"',
    "“",
    "v=TLSRPTv1;",
    "rua=",
    "v=STSv1;",
    "id=1;",
    "id=-;",
    "v=BIMI1;",
    "l=;",
    "l=http://a",
    "a=https://example.com/a.pem;",
    "avp=x",
    "=",
]
pieces = st.sampled_from(PIECES)
records = st.lists(pieces, max_size=9).map(" ".join) | st.text(max_size=60)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(NAMES), st.lists(records, min_size=1, max_size=2), min_size=1))
def test_no_record_makes_a_rule_crash(zone: dict[str, list[str]]) -> None:
    """Whatever stands at the names, every rule comes to an end, and what it offers can be published."""
    hear = hearing(zone)
    off = not_asked("a test")
    facts = DomainFacts(
        name="example.com",
        given="example.com",
        spf=off,
        dkim=off,
        mx=off,
        ptr=off,
        dmarc=drive(observe_dmarc("example.com"), hear),
        tlsrpt=drive(observe_tlsrpt("example.com"), hear),
        mtasts=drive(observe_mtasts("example.com"), hear),
        bimi=drive(observe_bimi("example.com"), hear),
    )
    judgement = judge(facts, [rule for rule in all_rules() if rule.family in FAMILIES])
    assert judgement.crashed == ()
    for finding in judgement.findings:
        for record in finding.fix.records:
            assert "\n" not in record.value
            if is_dmarc(record.value) and finding.rule != "DMARC003":
                assert parse_dmarc(record.value).faults == ()


def _offered(tmp_path: Path, zone: str, rule: str) -> list[str]:
    """What the one finding of a rule offers to publish, in an audit of SPF, DMARC and MX."""
    story = tmp_path / "story.toml"
    story.write_text(f'title = "t"\nonly = ["spf", "dmarc", "mx"]\nzone = \'\'\'\n{zone}\n\'\'\'\n', encoding="utf-8")
    found = next(finding for finding in run_story(load_story(story)).findings if finding.rule == rule)
    return [record.value for record in found.fix.records]


def test_a_domain_that_sends_is_not_told_to_reject_at_once(tmp_path: Path) -> None:
    """p=reject is offered only where nothing shows that the domain sends mail."""
    web = "example.com. A 198.51.100.1"
    assert _offered(tmp_path, web, "DMARC002") == ["v=DMARC1; p=reject"]
    assert _offered(tmp_path, f'{web}\nexample.com. TXT "v=spf1 ip4:192.0.2.1 -all"', "DMARC002") == []
    assert _offered(tmp_path, f'{web}\nexample.com. TXT "v=spf1 -all"', "DMARC002") == ["v=DMARC1; p=reject"]


def test_no_report_address_is_offered_at_a_domain_without_mail(tmp_path: Path) -> None:
    """Reports to a domain with a null MX would bounce."""
    record = '_dmarc.example.com. TXT "v=DMARC1; p=reject; np=reject"\nexample.com. MX'
    assert _offered(tmp_path, f"{record} 0 .", "DMARC040") == []
    with_mail = _offered(tmp_path, f"{record} 10 mx.example.com.", "DMARC040")
    assert with_mail == ["v=DMARC1; p=reject; np=reject; rua=mailto:dmarc@example.com"]
