"""The DMARC facts: what is observed, how many questions it costs, what JSON shows of it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from deliverkit.facts.base import Unobserved
from deliverkit.facts.bimi import observe_bimi
from deliverkit.facts.dmarc import DmarcFacts, observe_dmarc
from deliverkit.facts.mtasts import observe_mtasts
from deliverkit.facts.placed import look_elsewhere
from deliverkit.facts.tlsrpt import observe_tlsrpt
from deliverkit.flow import Answer, Status, drive
from deliverkit.protocols.dmarc.record import is_dmarc
from deliverkit.report.jsonable import jsonable
from tests.protocols.dmarc.worlds import hearing

REJECT = "v=DMARC1; p=reject"


def observe(zone: dict[str, Any], domain: str = "example.com", **more: Any) -> DmarcFacts:
    """Observe over a table."""
    return drive(observe_dmarc(domain), hearing(zone, **more))


def test_an_invalid_record_is_kept() -> None:
    """The raw text is there even when receivers ignore it."""
    facts = observe({"_dmarc.example.com": "v=dmarc1; p=reject"})
    assert facts.record is None
    assert [record.text for _, record in facts.own] == ["v=dmarc1; p=reject"]


def test_nothing_else_is_asked_where_the_record_stands() -> None:
    """A sound domain costs the walk, the look for a CNAME, and its destinations."""
    asked: list[str] = []
    observe({"_dmarc.example.com": REJECT}, asked=asked)
    assert asked == ["TXT _dmarc.example.com", "TXT _dmarc.com", "CNAME _dmarc.example.com"]


def test_mistakes_are_looked_for_only_if_the_record_is_missing() -> None:
    """The apex, the doubled domain and the missing underscore: each asked once."""
    asked: list[str] = []
    facts = observe({"example.com": [REJECT, "v=spf1 -all"]}, asked=asked)
    assert [(stray.name, stray.text) for stray in facts.misplaced] == [("example.com", REJECT)]
    assert {"TXT example.com", "TXT _dmarc.example.com.example.com", "TXT dmarc.example.com"} <= set(asked)
    assert len(asked) == len(set(asked)) == 6


def test_an_unanswered_question_makes_the_facts_raise() -> None:
    """Every fact that depends on it says why; the discovery still tells how far it came."""
    facts = observe({"_dmarc.example.com": REJECT}, failures={"_dmarc.example.com": Status.TIMEOUT})
    for name in ("own", "record", "policy", "org_domain", "destinations", "misplaced", "alias", "mx"):
        with pytest.raises(Unobserved, match="timeout"):
            getattr(facts, name)
    assert facts.discovery.trouble == "TXT _dmarc.example.com: timeout"


def test_json_says_what_and_why() -> None:
    """The record, the policy, the Organizational Domain and the steps, all plain."""
    shown = jsonable(observe({"_dmarc.example.com": f"{REJECT}; sp=none; rua=mailto:a@example.com"}, "a.example.com"))
    assert (shown["policy"], shown["taken_from"], shown["org_domain"]) == ("none", "sp", "example.com")
    assert shown["record"]["rua"] == ["mailto:a@example.com"]
    assert [step["name"] for step in shown["steps"]] == ["_dmarc.a.example.com", "_dmarc.example.com", "_dmarc.com"]
    assert shown["destinations"][0]["consent"] == "own"
    json.dumps(shown)


def test_json_of_what_nobody_answered() -> None:
    """A missing fact is null, never absent."""
    shown = jsonable(observe({}, failures={"_dmarc.example.com": Status.SERVFAIL}))
    assert shown["own_records"] is None and shown["misplaced"] is None and shown["trouble"]
    for flow in (observe_tlsrpt, observe_mtasts, observe_bimi):
        facts = drive(flow("example.com"), lambda question: Answer(question, Status.TIMEOUT))
        shown = jsonable(facts)
        assert shown["record"] is None and shown["records"] is None
        assert facts.subject == "example.com"


def test_a_name_too_long_is_not_asked() -> None:
    """A doubled name beyond 253 octets cannot hold a record."""
    asked: list[str] = []
    domain = ".".join(["a" * 50] * 4)
    assert drive(look_elsewhere(domain, "_dmarc", is_dmarc), hearing({}, asked)) == ()
    assert asked == [f"TXT {domain}", f"TXT dmarc.{domain}"]


def test_optional_records_of_a_bare_domain() -> None:
    """No TLS-RPT, MTA-STS or BIMI: nothing found, nothing unknown."""
    for flow in (observe_tlsrpt, observe_mtasts, observe_bimi):
        facts = drive(flow("example.com"), hearing({}))
        assert (facts.record, facts.records, facts.misplaced) == (None, (), ())


def test_bimi_falls_back_to_the_organizational_domain() -> None:
    """A subdomain without a record has that of its Organizational Domain."""
    zone = {"_dmarc.example.com": REJECT, "default._bimi.example.com": "v=BIMI1; l=https://example.com/l.svg"}
    facts = drive(observe_bimi("news.example.com"), hearing(zone))
    assert facts.record is not None and facts.found_at == "example.com"
    away = drive(observe_bimi("news.example.com"), hearing(zone, failures={"_dmarc.com": Status.SERVFAIL}))
    with pytest.raises(Unobserved, match=r"_dmarc\.com"):
        _ = away.record
