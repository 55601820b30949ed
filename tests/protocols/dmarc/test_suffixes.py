"""The public suffix list beside the tree walk: the list's own test vectors, and where the two methods part."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from deliverkit.flow import Status, drive
from deliverkit.names import to_ascii
from deliverkit.protocols.dmarc.align import evaluate
from deliverkit.protocols.dmarc.discover import discover_dmarc
from deliverkit.protocols.dmarc.suffixes import SuffixAnswer, by_suffix_list, organizational_domain
from tests.protocols.dmarc.worlds import hearing

SUITE = Path(__file__).parents[3] / "fixtures" / "conformance" / "psl" / "tests.txt"
CASES = [line.split() for line in SUITE.read_text("utf-8").splitlines() if line.strip() and not line.startswith("//")]


def test_the_suite_is_whole() -> None:
    """No case is lost on the way from the file to the tests."""
    assert len(CASES) == 78


@pytest.mark.conformance("psl")
@pytest.mark.parametrize(("name", "expected"), CASES, ids=[case[0] for case in CASES])
def test_case(name: str, expected: str) -> None:
    """The registrable domain of each vector, as A-labels."""
    wanted = None if expected == "null" else to_ascii(expected)
    asked = {"null": ""}.get(name, name)  # the vectors' word for no input
    assert organizational_domain(asked if not asked or asked.startswith(".") else to_ascii(asked)) == wanted


def answer(domain: str, zone: dict[str, Any], asked: list[str] | None = None, **more: Any) -> SuffixAnswer:
    """What the list leads to for a domain over a table."""
    hear = hearing(zone, **more)
    discovery = drive(discover_dmarc(domain), hear)
    found = drive(by_suffix_list(discovery), hearing(zone, asked, **more))
    assert found is not None
    return found


REJECT = "v=DMARC1; p=reject; sp=quarantine"


def test_the_usual_domain_is_found_alike() -> None:
    """The record at the organization, seen from a subdomain; nothing is asked that the walk has not asked."""
    asked: list[str] = []
    found = answer("a.example.co.uk", {"_dmarc.example.co.uk": REJECT}, asked)
    assert (found.org_domain, found.record_domain, found.policy, found.taken_from) == (
        "example.co.uk",
        "example.co.uk",
        "quarantine",
        "sp",
    )
    assert found.differs == () and asked == []


@pytest.mark.parametrize(
    ("domain", "zone", "org_domain", "policy", "differs"),
    [
        # a record in between is not read by RFC 7489
        (
            "x.a.example.com",
            {"_dmarc.a.example.com": REJECT},
            "example.com",
            None,
            "organizational domain record policy",
        ),
        # the record stands at the Author Domain: only the circle of alignment differs
        ("a.example.com", {"_dmarc.a.example.com": REJECT}, "example.com", "reject", "organizational domain"),
        # a public suffix domain's policy is unknown to RFC 7489
        ("example.test", {"_dmarc.test": "v=DMARC1; p=reject; psd=y"}, "example.test", None, "record policy"),
        # several records at the Author Domain end the discovery (RFC 7489 §6.6.3), the walk goes on
        (
            "a.example.com",
            {"_dmarc.a.example.com": [REJECT, REJECT], "_dmarc.example.com": REJECT},
            "example.com",
            None,
            "record policy",
        ),
        # np is new: the list's receivers take sp
        ("no.example.com", {"_dmarc.example.com": "v=DMARC1; p=none; np=reject"}, "example.com", "none", "policy"),
        # the domain is a public suffix itself
        ("co.uk", {"_dmarc.co.uk": REJECT}, "co.uk", "reject", ""),
    ],
)
def test_where_the_methods_part(
    domain: str, zone: dict[str, Any], org_domain: str, policy: str | None, differs: str
) -> None:
    """What the list finds, and what the walk finds otherwise."""
    found = answer(domain, zone)
    assert (found.org_domain, found.policy) == (org_domain, policy)
    assert " ".join(found.differs or ()) == differs


def test_what_the_walk_did_not_reach_is_asked() -> None:
    """psd=n ended the walk below the domain that the list wants."""
    asked: list[str] = []
    zone = {"_dmarc.a.example.com": "v=DMARC1; psd=n; p=none", "_dmarc.example.com": REJECT}
    assert answer("b.a.example.com", zone, asked).record_domain == "example.com"
    assert asked == ["TXT _dmarc.example.com"]


def test_an_unanswered_question_is_no_difference() -> None:
    """A timeout above leaves open what differs; one at the domain leaves open everything."""
    found = answer("a.example.com", {"_dmarc.example.com": REJECT}, failures={"_dmarc.com": Status.TIMEOUT})
    assert (found.policy, found.differs) == ("quarantine", None)
    found = answer("example.com", {}, failures={"_dmarc.example.com": Status.TIMEOUT})
    assert found.trouble and found.differs is None


def test_alignment_by_the_list() -> None:
    """Siblings below a record of their own align by the list, not by their walks; strict is strict for both."""
    zone = {"_dmarc.a.example.com": "v=DMARC1; p=reject; aspf=s"}
    result = drive(evaluate("u@a.example.com", ["b.example.com", "other.test"], "example.com"), hearing(zone))
    assert result.result == "fail" and result.suffix is not None
    assert result.suffix.result == "pass"
    assert result.suffix.aligned == (
        ("dkim", "b.example.com", True),
        ("dkim", "other.test", False),
        ("spf", "example.com", False),
    )
    assert [one.walk and one.walk.domain for one in result.dkim] == ["b.example.com", "other.test"]


def test_without_the_extra_nothing_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    """The result is the same, and no comparison stands beside it."""
    monkeypatch.setitem(sys.modules, "publicsuffixlist", None)
    zone = {"_dmarc.example.com": REJECT}
    assert drive(by_suffix_list(drive(discover_dmarc("example.com"), hearing(zone))), hearing(zone)) is None
    result = drive(evaluate("u@example.com", ["example.com"]), hearing(zone))
    assert (result.result, result.suffix) == ("pass", None)
