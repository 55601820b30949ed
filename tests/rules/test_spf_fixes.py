"""What SPF findings offer is sound: records to publish parse, spans lie inside, records are mended and merged."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliverkit.findings import Finding
from deliverkit.protocols.spf.record import is_spf, parse_record
from deliverkit.report.model import Report
from deliverkit.rules.spf.repair import mended, merged, network_term, repaired
from deliverkit.world.story import load_story, run_story

STORIES = Path(__file__).parents[2] / "fixtures" / "stories" / "spf"
PATHS = sorted(STORIES.glob("*.toml"))


@pytest.fixture(scope="module")
def reports() -> dict[str, Report]:
    """Every SPF story, judged once."""
    return {path.stem: run_story(load_story(path)) for path in PATHS}


def test_offered_records_are_sound(reports: dict[str, Report]) -> None:
    """Each record that a finding offers is an SPF record without a syntax error."""
    offered = [(s, r.value) for s, report in reports.items() for f in report.findings for r in f.fix.records]
    assert len(offered) > 30
    for slug, value in offered:
        assert is_spf(value) and parse_record(value).fatal is None, (slug, value)


def test_every_finding_has_evidence_that_points_into_what_is_shown(reports: dict[str, Report]) -> None:
    """A finding names where it was seen; a span lies inside the value."""
    for slug, report in reports.items():
        for found in report.findings:
            assert found.evidence and found.detail and found.fix.text, (slug, found.rule)
            for evidence in found.evidence:
                if evidence.span is not None:
                    assert 0 <= evidence.span[0] < evidence.span[1] <= len(evidence.value), (slug, found.rule)


def test_no_rule_crashes(reports: dict[str, Report]) -> None:
    """A crash is our bug and never part of a story."""
    for report in reports.values():
        assert not [i for i in report.inconclusive if "crashed" in i.reason]


@pytest.mark.parametrize(
    ("broken", "sound"),
    [
        ("v=spf1 ip4:192.0.2.1~all", "v=spf1 ip4:192.0.2.1 ~all"),
        ("v=spf1; ip4:192.0.2.1; -all;", "v=spf1 ip4:192.0.2.1 -all"),
        ('"v=spf1 mx -all"', "v=spf1 mx -all"),
        (" v=spf1 mx -all", "v=spf1 mx -all"),
        ("\u201cv=spf1 mx -all\u201d", "v=spf1 mx -all"),
        ("v=spf1 include: mail.example.net -all", "v=spf1 include:mail.example.net -all"),
        ("v=spf1 ipv4:192.0.2.1 ipv6:2001:db8::1 -all", "v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 -all"),
        ("v=spf1 a:192.0.2.1 192.0.2.2 -all", "v=spf1 ip4:192.0.2.1 ip4:192.0.2.2 -all"),
        ("v=spf1 ip4:2001:db8::1 -all", "v=spf1 ip6:2001:db8::1 -all"),
        ("v=spf1 ip4:192.0.2.0/024 a/08 -all", "v=spf1 ip4:192.0.2.0/24 a/8 -all"),
        ("v=spf1 redirect:mail.example.net", "v=spf1 redirect=mail.example.net"),
        ("v=spf1 -redirect=mail.example.net", "v=spf1 redirect=mail.example.net"),
        ("v=spf1 include:\u201cmail.example.net\u201d -all", "v=spf1 include:mail.example.net -all"),
        ("v=sfp1 mx -all", "v=spf1 mx -all"),
        ("v=spf10 mx -all", "v=spf1 mx -all"),
        ("spf1 mx -all", "v=spf1 mx -all"),
        ("v=spf1include:mail.example.net-all", "v=spf1 include:mail.example.net -all"),
        ("v=spf1 mx \u2013all", "v=spf1 mx -all"),
        ("v=spf1 a aaaa mx -all", "v=spf1 a mx -all"),
        (
            "v=spf1 ip4:ip4:192.0.2.1 ip4.192.0.2.2 ip4192.0.2.3 -all",
            "v=spf1 ip4:192.0.2.1 ip4:192.0.2.2 ip4:192.0.2.3 -all",
        ),
        ("v=spf1 mx ~allv=spf1 include:mail.example.net -all", "v=spf1 mx include:mail.example.net ~all"),
        ("v=spf1 mx ~allgoogle-site-verification=abc", "v=spf1 mx ~all"),
        ("v=spf1 mx ~all\nMS=ms12345678", "v=spf1 mx ~all"),
        ("v=spf1 a: include:mail.example.net -all", None),
        ("v=spf1 mx: ip4:192.0.2.1 -all", None),
        ("v=spf1 mail.example.net -all", None),
        ("v=spf1 ip4:300.0.2.1 -all", None),
        ("v=spf1 foo:bar -all", None),
        ("v=spf1 redirect=a.example redirect=b.example", None),
    ],
)
def test_mending(broken: str, sound: str | None) -> None:
    """What editors and copying break is mended; what cannot be known is not guessed."""
    assert repaired(broken) == sound


def test_mending_puts_a_space_where_strings_met() -> None:
    """The places of the joins are given."""
    assert repaired("v=spf1 mxinclude:a.example-all", [9, 26]) == "v=spf1 mx include:a.example -all"


def test_merging_keeps_every_term_once_and_the_milder_end() -> None:
    """Two records at one name become one."""
    texts = ("v=spf1 include:a.example mx -all", "v=spf1 mx ip4:192.0.2.1 ~all")
    assert merged(map(parse_record, texts)) == "v=spf1 include:a.example mx ip4:192.0.2.1 ~all"
    assert merged(map(parse_record, ("v=spf1 mx -all", "v=spf1 ipv4:192.0.2.1"))) is None
    assert merged(map(parse_record, ("v=spf1 redirect=a.example", "v=spf1 redirect=b.example"))) is None


def _found(tmp_path: Path, zone: str, rule: str) -> Finding:
    """The one finding of a rule in the SPF audit of a zone."""
    story = tmp_path / "story.toml"
    story.write_text(f"title = \"t\"\nonly = [\"spf\"]\nzone = '''\n{zone}\n'''\n", encoding="utf-8")
    return next(found for found in run_story(load_story(story)).findings if found.rule == rule)


def test_the_only_sender_is_never_taken_out(tmp_path: Path) -> None:
    """A record that would fail all mail is worse than one that is a permerror."""
    alone = 'example.com. TXT "v=spf1 include:gone.example.net -all"'
    assert _found(tmp_path, alone, "SPF012").fix.records == ()
    beside = 'example.com. TXT "v=spf1 include:gone.example.net ip4:192.0.2.1 -all"'
    assert _found(tmp_path, beside, "SPF012").fix.records[0].value == "v=spf1 ip4:192.0.2.1 -all"
    voids = 'example.com. TXT "v=spf1 a:1.example.net a:2.example.net a:3.example.net -all"'
    assert _found(tmp_path, voids, "SPF018").fix.records == ()


def test_a_broken_term_is_never_lost(tmp_path: Path) -> None:
    """Beside a syntax error, no other finding offers a record without the broken term."""
    zone = 'example.com. TXT "v=spf1 ipv4:192.0.2.1 include:gone.example.net a:gone.example.com ip4:10.0.0.1 ?all"'
    for rule in ("SPF012", "SPF020", "SPF029"):
        assert _found(tmp_path, zone, rule).fix.records == (), rule
    assert "ip4:192.0.2.1" in _found(tmp_path, zone, "SPF005").fix.records[0].value


def test_hosts_of_a_provider_are_not_written_out_as_addresses(tmp_path: Path) -> None:
    """A provider's addresses change without telling; those of the domain's own hosts may be written down."""
    includes = " ".join(f"include:{n}.example.net" for n in range(9))
    others = "\n".join(f'{n}.example.net. TXT "v=spf1 ip4:198.51.100.{n + 1} -all"' for n in range(9))
    own = f'example.com. TXT "v=spf1 a mx {includes} -all"\nexample.com. A 192.0.2.1\n{others}'
    theirs = "\nexample.com. MX 10 mx.example.net.\nmx.example.net. A 198.51.100.99"
    shorter = _found(tmp_path, own + theirs, "SPF004").fix.records[0].value
    assert shorter.startswith("v=spf1 ip4:192.0.2.1 mx include:0.example.net")


def test_an_ipv4_mapped_address_is_listed_as_ipv4() -> None:
    """Receivers compare clients of that kind with ip4 terms only."""
    assert network_term("::ffff:192.0.2.1") == "ip4:192.0.2.1"
    assert network_term("2001:DB8::1") == "ip6:2001:db8::1"


def test_a_host_without_mx_is_not_taken_out(tmp_path: Path) -> None:
    """mx: of a server without MX was meant as a:, so no record without it is offered."""
    zone = 'example.com. TXT "v=spf1 ip4:192.0.2.1 mx:smtp.example.com -all"\nsmtp.example.com. A 192.0.2.9'
    found = _found(tmp_path, zone, "SPF020")
    assert "write a:smtp.example.com" in found.fix.text and found.fix.records == ()


def test_the_record_of_somebody_else_is_not_rewritten(tmp_path: Path) -> None:
    """What a redirect leads to outside the domain is told, not offered as a record to publish."""
    zone = 'example.com. TXT "v=spf1 redirect=spf.example.net"\n'
    zone += 'spf.example.net. TXT "v=spf1 ip4:10.0.0.0/8 ip4:192.0.2.1 -all"'
    assert _found(tmp_path, zone, "SPF029").fix.records == ()


@given(st.text(max_size=80), st.lists(st.integers(0, 80), max_size=3))
def test_mending_anything_gives_a_sound_record_or_nothing(text: str, joins: list[int]) -> None:
    """Whatever is mended can be published."""
    for given_text in (text, f"v=spf1 {text}"):
        found = repaired(given_text, joins)
        assert found is None or (is_spf(found) and parse_record(found).fatal is None)
    term = mended(text.replace(" ", ""))
    assert term is None or parse_record(f"v=spf1 {term}").fatal is None
