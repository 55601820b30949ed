"""Identifier Alignment and the DMARC result of one message."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliverkit.flow import Status, drive
from deliverkit.protocols.dmarc.align import DmarcResult, evaluate, spf_identifier
from tests.protocols.dmarc.worlds import hearing


def judge(header_from: str, zone: dict[str, Any], *dkim: str, **more: Any) -> DmarcResult:
    """Evaluate over a table; ``spf`` is the SPF domain that passed, ``failures`` unanswered names."""
    heard = hearing(zone, failures=more.pop("failures", None), asked=more.pop("asked", None))
    return drive(evaluate(header_from, dkim, more.pop("spf", None), **more), heard)


STRICT = {"_dmarc.example.com": "v=DMARC1; p=reject; adkim=s; aspf=s"}
RELAXED = {"_dmarc.example.com": "v=DMARC1; p=reject"}


def test_strict_alignment_is_not_relaxed() -> None:
    """Strict wants the same name: neither the parent nor a sibling will do."""
    assert judge("a@example.com", STRICT, "example.com").result == "pass"
    assert judge("a@example.com", STRICT, "mail.example.com").result == "fail"
    zone = {"_dmarc.a.example.com": STRICT["_dmarc.example.com"], **STRICT}
    assert judge("x@a.example.com", zone, "b.example.com", spf="example.com").result == "fail"


def test_relaxed_alignment_compares_organizational_domains() -> None:
    """Siblings and parents align, other domains do not, and the result says by what."""
    result = judge("x@a.example.com", RELAXED, "other.example", "b.example.com")
    assert (result.result, result.policy, result.domain) == ("pass", "reject", "example.com")
    assert result.identifier is not None and result.identifier.domain == "b.example.com"
    assert [one.aligned for one in result.dkim] == [False, True]
    assert judge("x@example.com", RELAXED, "com").result == "fail"


def test_spf_and_dkim_have_their_own_modes() -> None:
    """adkim=s does not make SPF strict, and the other way round."""
    zone = {"_dmarc.example.com": "v=DMARC1; p=reject; adkim=s"}
    assert judge("x@example.com", zone, "a.example.com").result == "fail"
    assert judge("x@example.com", zone, spf="a.example.com").result == "pass"


def test_each_identifier_has_a_walk_of_its_own() -> None:
    """psd=n below the Author Domain's organization splits it: the signer's walk ends elsewhere."""
    zone = {**RELAXED, "_dmarc.unit.example.com": "v=DMARC1; p=none; psd=n"}
    assert judge("x@example.com", zone, "mail.unit.example.com").result == "fail"
    assert judge("x@a.unit.example.com", zone, "b.unit.example.com").result == "pass"


def test_no_walk_for_the_same_domain() -> None:
    """The identifier equals the Author Domain: nothing more is asked."""
    asked: list[str] = []
    judge("x@example.com", RELAXED, "EXAMPLE.com", asked=asked)
    assert asked == ["TXT _dmarc.example.com", "TXT _dmarc.com"]


def test_a_helo_that_passed_does_not_satisfy_dmarc() -> None:
    """Only MAIL FROM counts; HELO stands in for it with a null reverse-path alone (CVE-2019-20790)."""
    assert spf_identifier("bounce@attacker.test", "example.com") == "attacker.test"
    assert spf_identifier("<bounce@news.example.com>", "mx.example.com") == "news.example.com"
    assert spf_identifier("<>", "mx.example.com") == "mx.example.com"
    assert spf_identifier("", "mx.example.com") == "mx.example.com"
    assert spf_identifier("", "") is None
    spoofed = spf_identifier("bounce@attacker.test", "example.com")
    assert judge("ceo@example.com", RELAXED, spf=spoofed).result == "fail"


def test_nothing_passed() -> None:
    """No identifier at all is a fail, with the policy that applies."""
    result = judge("x@example.com", {"_dmarc.example.com": "v=DMARC1; p=reject; t=y"})
    assert (result.result, result.policy, result.why) == ("fail", "quarantine", "neither DKIM nor SPF passed")


def test_a_check_that_ended_in_temperror_is_no_failure() -> None:
    """If an identifier that would align could not be checked, the policy may not be applied (RFC 9989 §5.3)."""
    assert judge("x@example.com", RELAXED, dkim_domains_unknown=["mail.example.com"]).result == "temperror"
    assert judge("x@example.com", RELAXED, spf_domain_unknown="example.com").result == "temperror"
    assert judge("x@example.com", RELAXED, dkim_domains_unknown=["other.example"]).result == "fail"
    assert judge("x@example.com", RELAXED, "example.com", spf_domain_unknown="example.com").result == "pass"


def test_an_unknown_record_is_a_temperror() -> None:
    """A timeout at the Author Domain's record never means "no record"."""
    result = judge("x@example.com", RELAXED, "example.com", failures={"_dmarc.example.com": Status.TIMEOUT})
    assert (result.result, result.policy) == ("temperror", None)
    assert "timeout" in result.why


def test_an_unknown_name_further_up_matters_only_if_it_could_change_the_outcome() -> None:
    """Whatever _dmarc.com may hold, two names below example.com share its fate; names of two domains might."""
    away = {"_dmarc.com": Status.SERVFAIL}
    zone = {**RELAXED, "_dmarc.a.example.com": "v=DMARC1; p=reject"}
    assert judge("x@a.example.com", zone, "b.example.com", failures=away).result == "pass"
    assert judge("x@a.example.com", zone, "other.com", failures=away).result == "temperror"
    assert judge("x@a.example.com", zone, "other.example", failures=away).result == "fail"


def test_a_record_without_policy_and_report_address_is_none() -> None:
    """No valid p, no rua: DMARC is not applied, whatever passed."""
    assert judge("x@example.com", {"_dmarc.example.com": "v=DMARC1"}, "example.com").result == "none"


@pytest.mark.parametrize("header_from", ["", "x@", "x@.", "a b", "x@192.0.2.1..", "x@" + "a" * 64 + ".example"])
def test_a_from_without_a_domain_is_a_permerror(header_from: str) -> None:
    """What is no domain has no policy."""
    assert judge(header_from, RELAXED).result == "permerror"


def test_international_domains_align_in_either_form() -> None:
    """U-labels and A-labels are the same domain."""
    zone = {"_dmarc.xn--bcher-kva.example": "v=DMARC1; p=reject; adkim=s"}
    assert judge("x@bücher.example", zone, "xn--bcher-kva.example").result == "pass"


@given(st.text(max_size=40), st.lists(st.text(max_size=30), max_size=3), st.none() | st.text(max_size=30))
def test_any_identifiers_give_a_result(header_from: str, dkim: list[str], spf: str | None) -> None:
    """No text from a message raises, and the result is one of the words."""
    result = judge(header_from, RELAXED, *dkim, spf=spf)
    assert result.result in ("pass", "fail", "none", "temperror", "permerror")
