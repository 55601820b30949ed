"""The 29 RFC 9989 cases of the mailauth suite (fixtures/conformance/dmarc-rfc9989-mailauth), written by others."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from deliverkit.flow import Answer, Question, Status, drive
from deliverkit.protocols.dmarc.align import Alignment, DmarcResult, evaluate

SUITE = Path(__file__).parents[3] / "fixtures" / "conformance" / "dmarc-rfc9989-mailauth" / "cases.json"
CASES: list[dict[str, Any]] = json.loads(SUITE.read_text("utf-8"))

AGAINST_THE_RFC = {
    "does not inherit the org policy when the author domain publishes multiple records (§4.10 step 2)": (
        "RFC 9989 §4.10 step 2 discards several records at one name and lets the walk go on; "
        "only RFC 7489 §6.6.3 step 5 ended the processing there"
    )
}


def run(zone: Mapping[str, Any], call: Mapping[str, Any], asked: list[str]) -> DmarcResult:
    """Evaluate one call over the suite's zone: no entry is NXDOMAIN, no such type NODATA."""

    def hear(question: Question) -> Answer:
        asked.append(question.name)
        if question.name not in zone:
            return Answer(question, Status.NXDOMAIN)
        if question.type not in zone[question.name]:
            return Answer(question, Status.NODATA)
        strings = zone[question.name][question.type]
        return Answer(question, Status.OK, tuple(tuple(s.encode() for s in record) for record in strings))

    spf = [identifier["domain"] for identifier in call["spfDomains"]]
    assert len(spf) <= 1, "a message has one SPF identifier"
    dkim = [identifier["domain"] for identifier in call["dkimDomains"]]
    return drive(evaluate(call["headerFrom"], dkim, spf[0] if spf else None), hear)


def value_of(result: DmarcResult, path: str) -> Any:
    """The suite's names for what we call otherwise."""

    def aligned_with(alignment: Alignment | None) -> str | None:
        return alignment.org_domain if alignment and alignment.aligned else None

    dkim = result.dkim[0] if result.dkim else None
    return {
        "status.result": result.result,
        "policy": result.policy,
        "domain": result.domain,
        "rr": result.discovery.record.text if result.discovery and result.discovery.record else None,
        "alignment.spf.result": aligned_with(result.spf),
        "alignment.dkim.result": aligned_with(dkim),
        "alignment.dkim.strict": dkim.strict if dkim else None,
    }[path]


def check(actual: Any, says: str) -> None:
    """One chai expectation."""
    if match := re.fullmatch(r"to\.equal\('(.*)'\)", says):
        assert actual == match[1]
    elif match := re.fullmatch(r"to\.contain\('(.*)'\)", says):
        assert match[1] in actual
    elif match := re.fullmatch(r"to\.deep\.equal\(\[(.*)\]\)", says):
        assert actual == re.findall(r"'([^']*)'", match[1])
    elif says == "to.be.true":
        assert actual is True
    elif says == "to.not.be.ok":
        assert not actual
    else:
        raise AssertionError(f"the suite says {says!r}, which this test does not understand")


def test_the_suite_is_whole() -> None:
    """All 29 cases are here, and every skipped one is among them."""
    assert len(CASES) == 29
    assert set(AGAINST_THE_RFC) <= {case["name"] for case in CASES}


@pytest.mark.conformance("dmarc-rfc9989-mailauth")
@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_case(case: dict[str, Any]) -> None:
    """The case's expectations hold, those the suite's own library skips included."""
    if case["name"] in AGAINST_THE_RFC:
        pytest.skip(AGAINST_THE_RFC[case["name"]])
    results: dict[str, DmarcResult] = {}
    asked: list[str] = []
    for step in case["steps"]:
        if "call" in step:
            results[step["as"]] = run(step["zone"], step["call"], asked)
            continue
        name, _, path = step["expect"].partition(".")
        absent = re.fullmatch(r"to\.not\.have\.property\('(.*)'\)", step["is"])
        if absent:
            assert not hasattr(results[name], absent[1])
        elif name == "dmarcQueries":
            check([name for name in asked if name.startswith("_dmarc.")], step["is"])
        else:
            check(value_of(results[name], path), step["is"])
