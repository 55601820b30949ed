"""The SPF trees as lines: at most 60 columns where that is asked, and nothing that a screen would obey."""

from __future__ import annotations

from hypothesis import given, settings

from deliverkit.facts.spf import observe_spf
from deliverkit.flow import Status, drive
from deliverkit.protocols.spf.evaluate import check_host
from deliverkit.report.trees import check_host_lines, spf_tree_lines
from tests.protocols.spf.worlds import Zone, hearing, zones

ZONE = {
    "example.com": {
        "TXT": [
            "v=spf1 include:a.example mx a:gone.example ip4:192.0.2.1 ip4:192.0.2.2 ip4:192.0.2.3 ip4:192.0.2.4 -all"
        ],
        "MX": [(10, "mx.example")],
    },
    "a.example": "v=spf1 include:slow.example ip6:2001:db8::/32 ~all",
    "slow.example": Status.TIMEOUT,
    "mx.example": {"A": ["192.0.2.9"], "AAAA": ["2001:db8::9"]},
}


def test_a_tree() -> None:
    """What each term leads to, and what the whole costs."""
    facts = drive(observe_spf("example.com"), hearing(ZONE))
    assert spf_tree_lines(facts) == [
        "cost sum  example.com",
        "   2   1  ├ include:a.example",
        "   1   2  │ ├ include:slow.example  (no answer)",
        "          │ ├ ip6:2001:db8::/32",
        "          │ └ ~all",
        "   1   3  ├ mx  192.0.2.9, 2001:db8::9",
        "   1   4  ├ a:gone.example  (no address, void)",
        "          ├ 4 × ip4: 192.0.2.1, …",
        "          └ -all",
        "worst path: at least 4 of 10 lookups, 1 void",
    ]


def test_an_evaluation_marks_the_path_that_decided() -> None:
    """Arrows lead from the domain to the term that matched."""
    zone = {"example.com": "v=spf1 a:x.example include:a.example -all", "a.example": "v=spf1 ip4:192.0.2.0/24 -all"}
    check = drive(check_host("192.0.2.7", "example.com", "u@example.com", "h.example"), hearing(zone))
    assert check_host_lines(check) == [
        "pass: 192.0.2.7 for u@example.com",
        "  example.com",
        "  · a:x.example  no match (nothing found)",
        "  → include:a.example  match",
        "    → ip4:192.0.2.0/24  match",
        "cost: 2 of 10 lookups, 1 void",
    ]


def test_no_record_several_records_and_no_answer() -> None:
    """Where there is no tree, a line says why."""
    assert spf_tree_lines(drive(observe_spf("example.com"), hearing({}))) == ["example.com: no SPF records"]
    two = {"example.com": {"TXT": ["v=spf1 -all", "v=spf1 mx"]}}
    assert spf_tree_lines(drive(observe_spf("example.com"), hearing(two)))[0] == "example.com: 2 SPF records"
    late = drive(observe_spf("example.com"), hearing({"example.com": Status.TIMEOUT}))
    assert spf_tree_lines(late) == ["TXT example.com: timeout"]


def test_control_characters_are_escaped_and_long_lines_cut() -> None:
    """A record cannot draw on the screen, nor break the frame."""
    zone = {
        "example.com": "v=spf1 default=\x1b[2J\u202e mx:"
        + "x" * 80
        + ".example a:"
        + "\u2066y.example -all exp=a.example"
    }
    for line in spf_tree_lines(drive(observe_spf("example.com"), hearing(zone)), 60):
        assert len(line) <= 58 and line.isprintable()


@settings(max_examples=40, deadline=None)
@given(zone=zones())
def test_any_world_can_be_shown(zone: Zone) -> None:
    """Every tree and evaluation has lines that fit."""
    facts = drive(observe_spf("a.example", sends_from=("192.0.2.1",)), hearing(zone))
    lines = spf_tree_lines(facts, 60) + [line for check in facts.checks for line in check_host_lines(check, 60)]
    assert lines and all(len(line) <= 58 for line in lines)
