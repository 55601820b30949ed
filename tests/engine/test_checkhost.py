"""check-host as a library verb: results, identities, and the report that sets the exit status."""

from __future__ import annotations

import pytest

import deliverkit
from deliverkit.engine.checkhost import BadInput, CheckHost
from deliverkit.world import World

RECORDS = {
    "example.com": {"TXT": ["v=spf1 mx -all exp=why.example.com"], "MX": ["10 mx.example.com."]},
    "mx.example.com": {"A": ["192.0.2.1"]},
    "why.example.com": {"TXT": ["%{i} is a stranger to %{d}, says %{r}"]},
    "soft.example": {"TXT": ["v=spf1 ~all"]},
    "mx.example.net": {"TXT": ["v=spf1 a -all"], "A": ["198.51.100.1"]},
}


def check(client_ip: str, mail_from: str, helo: str = "mx.example.net", *, host: str | None = None) -> CheckHost:
    """check_host in a closed world; ``host`` is what becomes of the question for the MX host."""
    told = {("mx.example.com", "A"): host} if host else {}
    return deliverkit.check_host(client_ip, mail_from, helo, world=World.from_records(RECORDS, told))


def test_pass_with_trace() -> None:
    """The contract of the library: result, explanation, trace."""
    found = check("192.0.2.1", "a@example.com")
    assert (found.result, found.explanation, found.report.verdict) == ("pass", None, "pass")
    assert [step.term for step in found.trace.steps] == ["mx"]


def test_fail_with_the_domain_s_explanation() -> None:
    """A fail is an error, and exit status 1."""
    found = check("198.51.100.9", "a@example.com")
    assert (found.result, found.explanation) == ("fail", "198.51.100.9 is a stranger to example.com, says unknown")
    assert [f.rule for f in found.report.findings] == ["SPF042"]
    assert found.report.exit_status() == 1


@pytest.mark.parametrize("null", ["", "<>"])
def test_a_null_reverse_path_checks_the_helo_identity(null: str) -> None:
    """postmaster@helo stands in (RFC 7208 §2.4)."""
    found = check("198.51.100.1", null)
    assert (found.result, found.check.sender) == ("pass", "postmaster@mx.example.net")


def test_softfail_is_a_warning_and_none_a_note() -> None:
    """The statuses of the contract: neither reaches the default threshold."""
    soft, none = check("192.0.2.1", "a@soft.example"), check("192.0.2.1", "a@none.example")
    assert (soft.report.findings[0].severity, soft.report.exit_status()) == ("warning", 0)
    assert (none.report.findings[0].severity, none.report.exit_status("warning")) == ("note", 0)


def test_temperror_is_a_decisive_unknown() -> None:
    """Exit status 3, with the lookup that nobody answered."""
    found = check("192.0.2.1", "a@example.com", host="timeout")
    assert found.result == "temperror"
    assert [(i.rule, i.decisive) for i in found.report.inconclusive] == [("SPF042", True)]
    assert "A mx.example.com: timeout" in found.report.inconclusive[0].reason
    assert (found.report.verdict, found.report.exit_status()) == ("unknown", 3)


def test_bad_input_says_what_to_give() -> None:
    """No address, and nobody to check."""
    with pytest.raises(BadInput, match="no IPv4 or IPv6 address"):
        check("mx.example.com", "a@example.com")
    with pytest.raises(BadInput, match="HELO"):
        check("192.0.2.1", "", "")


def test_a_domain_that_is_none_gets_none() -> None:
    """RFC 7208 §4.3: a single label or an address literal is no error of the caller."""
    assert check("192.0.2.1", "a@localhost").result == "none"
    assert check("192.0.2.1", "a@[192.0.2.1]").result == "none"
