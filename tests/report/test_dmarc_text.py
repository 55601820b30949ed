"""DMARC for the terminal: the walk explained, in few columns, without tricks from the wire."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from deliverkit.facts.base import not_asked
from deliverkit.facts.dmarc import observe_dmarc
from deliverkit.facts.message.authentication import AuthenticationFacts
from deliverkit.flow import Status, drive
from deliverkit.protocols.dmarc.align import evaluate
from deliverkit.protocols.dmarc.discover import discover_dmarc
from deliverkit.report.dmarc_text import dmarc_lines, message_lines
from tests.protocols.dmarc.worlds import hearing


def lines(zone: dict[str, Any], domain: str = "news.example.com", width: int = 60, **more: Any) -> list[str]:
    """The facts of a domain over a table, as lines."""
    return dmarc_lines(drive(observe_dmarc(domain), hearing(zone, **more)), width)


def test_the_walk_is_told_step_by_step() -> None:
    """Each name, what was seen, what followed; first the outcome, last the Organizational Domain and the reports."""
    zone = {"_dmarc.example.com": "v=DMARC1; p=reject; sp=quarantine; t=y; rua=mailto:a@reports.example"}
    assert lines(zone) == [
        "news.example.com: policy none (sp=quarantine, for a",
        "subdomain; t=y asks for one level less), from the record of",
        "its Organizational Domain, _dmarc.example.com",
        "1. _dmarc.news.example.com",
        "   saw: no such name",
        "   so:  go on to _dmarc.example.com",
        "2. _dmarc.example.com",
        "   saw: v=DMARC1; p=reject; sp=quarantine; t=y;",
        "        rua=mailto:a@reports.example",
        "   so:  no psd tag, so a shorter name may hold a record too:",
        "        go on to _dmarc.com",
        "3. _dmarc.com",
        "   saw: no such name",
        "   so:  no label is left: the walk ends",
        "Organizational Domain: example.com (the shortest name on the",
        "way that has a record)",
        "Receivers that still follow RFC 7489 (public suffix list)",
        "find the same: Organizational Domain example.com, the record",
        "_dmarc.example.com",
        "rua mailto:a@reports.example: no record with v=DMARC1 at",
        "   example.com._report._dmarc.reports.example; its host",
        "   takes no mail",
    ]


@pytest.mark.parametrize(
    ("zone", "domain", "words"),
    [
        ({}, "example.com", "no DMARC record applies"),
        ({"_dmarc.example.com": "v=DMARC1"}, "example.com", "so DMARC is not applied"),
        ({"_dmarc.example.com": "v=DMARC1; rua=mailto:a@example.com"}, "example.com", "as if p=none"),
        ({"_dmarc.example.com": "v=DMARC1; p=none; np=reject"}, "x.example.com", "for the domain does not exist"),
        ({"_dmarc.test": "v=DMARC1; p=reject; psd=y"}, "example.test", "its Public Suffix Domain"),
    ],
)
def test_the_outcome_comes_first(zone: dict[str, Any], domain: str, words: str) -> None:
    """The first sentence says what applies and why."""
    assert words in lines(zone, domain, 200)[0]


def test_what_could_not_be_told_is_said() -> None:
    """An unanswered question appears in the outcome and at its step."""
    shown = lines({}, "example.com", 200, failures={"_dmarc.com": Status.SERVFAIL})
    assert shown[0] == "example.com: the policy could not be told: TXT _dmarc.com: servfail"
    assert "   saw: servfail" in shown
    assert "Organizational Domain: could not be told: TXT _dmarc.com: servfail" in shown
    assert "cannot be compared" in shown[-1]


def test_a_discovery_alone_is_enough() -> None:
    """`show dmarc` has no facts, only the discovery."""
    discovery = drive(discover_dmarc("example.com"), hearing({"_dmarc.example.com": "v=DMARC1; p=reject"}))
    assert dmarc_lines(discovery)[0] == "example.com: policy reject (p=reject), from its own record, _dmarc.example.com"


def test_nothing_from_the_wire_reaches_the_screen_raw() -> None:
    """Escape sequences, line breaks and octets that are no UTF-8 are shown escaped, in 60 columns."""
    evil = "v=DMARC1; p=reject; x=\x1b[31m\r\n\u202eevil\udcff" + "y" * 5000
    shown = lines({"_dmarc.example.com": evil}, "example.com")
    assert all(len(line) <= 60 and line.isprintable() for line in shown)
    assert len(shown) < 40


def test_the_two_methods_stand_beside_each_other_where_they_differ() -> None:
    """A table of three rows, stacked on a narrow screen."""
    zone = {"_dmarc.a.example.com": "v=DMARC1; p=reject"}
    shown = lines(zone, "x.a.example.com", 130)
    start = next(n for n, line in enumerate(shown) if "find something else" in line)
    assert [line.split() for line in shown[start + 1 : start + 5]] == [
        ["tree", "walk", "public", "suffix", "list"],
        ["Organizational", "Domain", "a.example.com", "example.com"],
        ["record", "_dmarc.a.example.com", "no", "record"],
        ["policy", "reject", "(p)", "none", "applies"],
    ]
    assert all(len(line) <= 60 for line in lines(zone, "x.a.example.com", 60))
    assert "no consequence" in " ".join(lines({}, "a.example.com", 200))


def test_without_the_extra_the_report_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """No error: a line with the command."""
    monkeypatch.setitem(sys.modules, "publicsuffixlist", None)
    shown = lines({"_dmarc.example.com": "v=DMARC1; p=reject"}, "example.com", 200)
    assert "not compared; the public suffix list is not installed: pip install 'deliverkit[psl]'" in shown[-1]


def test_each_identifier_of_a_message_has_its_walk() -> None:
    """The Author Domain's walk, then that of each identifier, and where the list says otherwise."""
    zone = {"_dmarc.a.example.com": "v=DMARC1; p=reject"}
    result = drive(evaluate("u@a.example.com", ["b.example.com"], "a.example.com"), hearing(zone))
    shown = "\n".join(message_lines(AuthenticationFacts(spf=not_asked("-"), dkim=(), dmarc=result), 110))
    assert "1. _dmarc.a.example.com" in shown
    assert "dkim b.example.com: not aligned; relaxed: b.example.com belongs to b.example.com" in shown
    assert "its own walk: _dmarc.b.example.com: no such name, _dmarc.example.com: no such name" in shown
    assert "by the public suffix list it is aligned" in " ".join(shown.split())
    assert "spf a.example.com: aligned; it is the Author Domain itself" in shown
