"""The openspf suite for RFC 7208: every case, result and explanation, over a table-driven DNS."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from deliverkit.flow import Answer, Question, Status, drive
from deliverkit.protocols.spf.evaluate import check_host

SUITE = Path(__file__).parents[2] / "fixtures" / "conformance" / "spf-rfc7208" / "rfc7208-tests.yml"
DOCUMENTS = [d for d in yaml.safe_load_all(SUITE.read_text("utf-8")) if d]
CASES = [(d["description"], name, case, d["zonedata"]) for d in DOCUMENTS for name, case in d["tests"].items()]


class Table:
    """DNS as the suite's zonedata tells it; its quirks are described in fixtures/conformance/README.md."""

    def __init__(self, zonedata: dict[str, list[Any]]) -> None:
        self.names = {name.lower(): entries for name, entries in zonedata.items()}

    def hear(self, question: Question) -> Answer:
        return self._answer(question, question.name.lower(), ())

    def _answer(self, question: Question, name: str, aliases: tuple[str, ...]) -> Answer:
        if name not in self.names:
            return Answer(question, Status.TIMEOUT if name.startswith("error.") else Status.NXDOMAIN, aliases=aliases)
        entries = self.names[name]
        records = [e for e in entries if isinstance(e, dict)]
        values = [e[question.type] for e in records if question.type in e and e[question.type] != "NONE"]
        if question.type == "TXT" and not any("TXT" in e for e in records):
            values = [e["SPF"] for e in records if "SPF" in e]
        if values:
            return Answer(question, Status.OK, tuple(map(self._value(question.type), values)), aliases=aliases)
        alias = next((str(e["CNAME"]).lower().rstrip(".") for e in records if "CNAME" in e), None)
        if alias in aliases:
            return Answer(question, Status.MALFORMED, detail="alias loop")
        if alias:
            return self._answer(question, alias, (*aliases, alias))
        return Answer(question, Status.TIMEOUT if "TIMEOUT" in entries else Status.NODATA, aliases=aliases)

    @staticmethod
    def _value(type_: str) -> Any:
        if type_ == "TXT":
            return lambda v: tuple(s.encode("latin-1") for s in ([v] if isinstance(v, str) else v))
        if type_ == "MX":
            return lambda v: (v[0], v[1].lower().rstrip("."))
        return lambda v: str(v).lower().rstrip(".")


def test_the_suite_is_whole() -> None:
    """No case is lost on the way from the file to the tests."""
    assert len(CASES) == 203


@pytest.mark.conformance("spf-rfc7208")
@pytest.mark.parametrize(("case", "zonedata"), [c[2:] for c in CASES], ids=[f"{c[0]}: {c[1]}" for c in CASES])
def test_case(case: dict[str, Any], zonedata: dict[str, list[Any]]) -> None:
    """check_host gives the suite's result, and its explanation where the case names one."""
    helo, mail_from = str(case["helo"]), case["mailfrom"]
    sender = mail_from or f"postmaster@{helo}"
    check = drive(check_host(case["host"], sender.rpartition("@")[2], sender, helo), Table(zonedata).hear)
    wanted = case["result"]
    assert check.result in (wanted if isinstance(wanted, list) else [wanted]), check.reason
    if isinstance(wanted, list):
        assert check.result == wanted[0], "the first acceptable result is the preferred one"
    if "explanation" in case:
        assert check.explanation == (None if case["explanation"] == "DEFAULT" else case["explanation"])
