"""What changed in meaning between two audits: named, weighed, and read from reports that anybody may have written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import deliverkit
from deliverkit.data.differences import kinds
from deliverkit.engine.diff import Comparison, diff
from deliverkit.engine.posture import Posture, posture
from deliverkit.engine.turns import turns
from deliverkit.report import render

KEY = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="  # RFC 8463 §A.1
OTHER = "v=DKIM1; k=ed25519; p=PUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw="
BASE: dict[str, dict[str, Any]] = {
    "example.com": {
        "MX": ["10 mx1.example.com.", "20 mx2.example.com."],
        "TXT": ["v=spf1 mx include:one.example -all"],
    },
    "mx1.example.com": {"A": "192.0.2.1"},
    "mx2.example.com": {"A": "192.0.2.2"},
    "mx3.example.com": {"A": "192.0.2.3"},
    "one.example": {"TXT": "v=spf1 ip4:192.0.2.0/24 -all"},
    "two.example": {"TXT": "v=spf1 a:a.two.example a:b.two.example -all"},
    "a.two.example": {"A": "192.0.2.9"},
    "b.two.example": {"A": "192.0.2.10"},
    "ten.example": {"TXT": "v=spf1 " + " ".join(["a:a.two.example"] * 9) + " -all"},
    "_dmarc.example.com": {"TXT": "v=DMARC1; p=quarantine; rua=mailto:d@example.com"},
    "s1._domainkey.example.com": {"TXT": KEY},
    "_mta-sts.example.com": {"TXT": "v=STSv1; id=1"},
}


def _with(**changed: Any) -> dict[str, dict[str, Any]]:
    """The base with other records at some names; "name/TYPE" without a value is gone."""
    told = {name: dict(types) for name, types in BASE.items()}
    for place, value in changed["at"].items():
        name, _, type_ = place.partition("/")
        if value is None:
            told.get(name, {}).pop(type_, None)
        else:
            told.setdefault(name, {})[type_] = value
    return told


def _report(records: dict[str, dict[str, Any]], failures: dict[tuple[str, str], str] | None = None) -> dict[str, Any]:
    world = deliverkit.World.from_records(records, failures=failures)
    report = deliverkit.audit("example.com", world=world, selectors=["s1"], probe=False)
    told: dict[str, Any] = json.loads(render([report], "json"))
    return told


def _turned(at: dict[str, Any]) -> list[tuple[str, str, str | None, str | None, str]]:
    sides = [posture(_report(records)) for records in (BASE, _with(at=at))]
    assert sides[0] and sides[1]
    return [(t.kind, t.what, t.old, t.new, t.why) for t in turns(*sides)]


SPF, DMARC, RUA = "example.com/TXT", "_dmarc.example.com/TXT", "rua=mailto:d@example.com"
TWO = ("spf-allowed", "include:two.example")
STRICT, UNSEEN = ("dmarc-strict", "alignment (adkim)"), ("dmarc-reports-gone", "report addresses")
OVER = ("spf-over-the-limit", "SPF lookups")
LOOKUPS = ("spf-lookups", "SPF lookups")
TURNS: list[tuple[dict[str, Any], list[tuple[str, str]]]] = [
    ({}, []),
    ({SPF: "v=spf1 mx include:one.example include:two.example -all"}, [LOOKUPS, TWO]),
    ({SPF: "v=spf1 mx include:one.example include:ten.example -all"}, [OVER, ("spf-allowed", "include:ten.example")]),
    ({SPF: "v=spf1 mx -all"}, [LOOKUPS, ("spf-no-longer-allowed", "include:one.example")]),
    ({SPF: "v=spf1 mx include:one.example ~all"}, [("spf-weakened", "the end of SPF")]),
    ({SPF: "v=spf1 mx include:one.example +all"}, [("spf-everybody", "the end of SPF")]),
    ({SPF: None}, [("spf-record", "SPF")]),
    ({SPF: ["v=spf1 mx -all", "v=spf1 a -all"]}, [("spf-several", "SPF")]),
    ({"one.example/TXT": "v=spf1 a:a.two.example -all"}, [("spf-lookups", "SPF lookups")]),
    ({DMARC: "v=DMARC1; p=none; " + RUA}, [("dmarc-weakened", "policy")]),
    ({DMARC: "v=DMARC1; p=reject; " + RUA}, [("dmarc-strengthened", "policy")]),
    ({DMARC: "v=DMARC1; p=quarantine; sp=none; " + RUA}, [("dmarc-weakened", "sp (policy of subdomains)")]),
    ({DMARC: "v=DMARC1; p=quarantine; adkim=s"}, [STRICT, UNSEEN]),
    ({DMARC: "v=DMARC1; p=quarantine; t=y; " + RUA}, [("dmarc-weakened", "test mode (t=y)")]),
    ({DMARC: None}, [("dmarc-gone", "DMARC")]),
    ({"s1._domainkey.example.com/TXT": OTHER}, [("dkim-key-replaced", "selector s1")]),
    ({"s1._domainkey.example.com/TXT": "k=ed25519;" + KEY.partition("ed25519;")[2]}, []),
    ({"s1._domainkey.example.com/TXT": None}, [("dkim-key-gone", "selector s1")]),
    ({"s1._domainkey.example.com/TXT": "v=DKIM1; p="}, [("dkim-key-gone", "selector s1")]),
    ({"google._domainkey.example.com/TXT": OTHER}, [("dkim-key-new", "selector google")]),
    ({"example.com/MX": "0 ."}, [("mx-gone", "MX")]),
    ({"example.com/MX": ["20 mx1.example.com.", "10 mx2.example.com."]}, [("mx-order", "MX")]),
    ({"example.com/MX": ["10 mx1.example.com."]}, [("mx-changed", "MX")]),
    ({"example.com/MX": ["10 mx3.example.com."]}, [("mx-replaced", "MX")]),
    ({"_mta-sts.example.com/TXT": "v=STSv1; id=2"}, [("mta-sts", "MTA-STS record")]),
    ({"_smtp._tls.example.com/TXT": "v=TLSRPTv1; rua=mailto:t@example.com"}, [("tls-rpt", "TLS-RPT record")]),
]  # fmt: skip


@pytest.mark.parametrize(("at", "expected"), TURNS, ids=lambda value: str(value)[:60])
def test_each_turn_is_named(at: dict[str, Any], expected: list[tuple[str, str]]) -> None:
    found = _turned(at)
    assert [(kind, what) for kind, what, *_ in found] == expected
    assert all(kind in kinds() for kind, *_ in found)


def test_an_include_says_what_it_costs() -> None:
    found = _turned({"example.com/TXT": "v=spf1 mx include:one.example include:two.example -all"})
    assert ("spf-lookups", "SPF lookups", "2", "5", "") in found
    assert found[-1][4] == "+3 lookups, now 5"


def test_a_key_that_goes_says_what_is_left() -> None:
    found = _turned({"s1._domainkey.example.com/TXT": None, "google._domainkey.example.com/TXT": OTHER})
    gone = next(turn for turn in found if turn[0] == "dkim-key-gone")
    assert gone[4].endswith("what is left: google")


def _compared(tmp_path: Path, old: dict[str, Any], new: dict[str, Any]) -> Comparison:
    files = []
    for name, told in (("old.json", old), ("new.json", new)):
        files.append(tmp_path / name)
        files[-1].write_text(json.dumps(told))
    return diff(*files)


def test_the_gravest_comes_first_and_findings_beside_it(tmp_path: Path) -> None:
    at = {"example.com/TXT": "v=spf1 mx include:ten.example ~all", "_dmarc.example.com/TXT": "v=DMARC1; p=none"}
    found = _compared(tmp_path, _report(BASE), _report(_with(at=at)))
    told = [one.kind for one in found.differences]
    assert told[0] == "spf-over-the-limit"
    assert told.index("spf-no-longer-allowed") < told.index("dmarc-weakened") < told.index("spf-weakened")
    assert any(one.what.startswith("SPF004") for one in found.differences)
    assert found.kind == "reports"


def test_what_one_side_could_not_tell_is_no_change(tmp_path: Path) -> None:
    lost = _report(BASE, {("example.com", "TXT"): "timeout", ("example.com", "MX"): "servfail"})
    found = _compared(tmp_path, _report(BASE), lost)
    assert {one.kind for one in found.differences} <= {"verdict", "report-error", "report-warning", "report-note"}
    assert "spf of example.com: one side could not tell" in found.unknown
    assert "mx of example.com: one side could not tell" in found.unknown


def test_a_report_on_something_else_has_no_posture() -> None:
    assert posture({"subject": {"kind": "host", "name": "mx.example.com"}, "facts": {"ports": []}}) is None


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
_FACTS = _report(BASE)["facts"]


def _paths(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, one in inner for found in _paths(one, (*path, key)))]


@given(st.sampled_from([path for path in _paths(_FACTS) if path]), _JSON)
def test_facts_of_any_shape_are_read(path: tuple[Any, ...], value: Any) -> None:
    """One value of a report replaced by anything: nothing raises, and what is told has its types."""
    facts = json.loads(json.dumps(_FACTS))
    place = facts
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    subject = {"kind": "domain", "name": "example.com"}
    told, sound = posture({"subject": subject, "facts": facts}), posture({"subject": subject, "facts": _FACTS})
    assert isinstance(sound, Posture)
    if told is not None:
        for pair in ((told, sound), (sound, told)):
            assert all(isinstance(turn.what, str) for turn in turns(*pair))
