"""check_host beyond the suite: void lookups of two families, limits, explanations, and worlds that mean harm."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deliverkit.flow import Answer, Question, Status, drive
from deliverkit.protocols.spf.address import BadAddress
from deliverkit.protocols.spf.evaluate import CheckResult, check_host
from tests.protocols.spf.worlds import Zone, hearing, zones

THREE_V4_HOSTS = {
    "example.com": {"TXT": ["v=spf1 mx -all"], "MX": [(10, "a.example"), (20, "b.example"), (30, "c.example")]},
    "a.example": {"A": ["192.0.2.1"]},
    "b.example": {"A": ["192.0.2.2"]},
    "c.example": {"A": ["192.0.2.3"]},
}


def check(zone: Zone, ip: str = "192.0.2.1", sender: str = "user@example.com", **options: bool) -> CheckResult:
    """check_host for the sender's domain in a world of literals."""
    return drive(check_host(ip, sender.rpartition("@")[2], sender, "mx.example.net", **options), hearing(zone))


def test_hosts_with_addresses_of_the_other_family_are_no_voids() -> None:
    """An A-only MX is not void because its AAAA is empty; the strict reading stands beside it."""
    found = check(THREE_V4_HOSTS, "2001:db8::1")
    assert (found.result, found.voids, found.voids_strict) == ("fail", 0, 3)
    assert check(THREE_V4_HOSTS, "2001:db8::1", strict_voids=True).result == "permerror"
    assert check(THREE_V4_HOSTS, "192.0.2.3").result == "pass"


def test_hosts_of_neither_family_are_voids_for_both() -> None:
    """Three hosts without any address end in permerror for every client."""
    zone = {**THREE_V4_HOSTS, "a.example": {}, "b.example": {}, "c.example": {}}
    for ip in ("192.0.2.3", "2001:db8::1"):
        found = check(zone, ip)
        assert (found.result, found.voids) == ("permerror", 3)
        assert "third lookup that found nothing" in found.reason


def test_a_void_lookup_is_counted_once_and_not_as_a_lookup() -> None:
    """Two voids behind a redirect: lookups and voids are counted apart."""
    found = check({"example.com": "v=spf1 a:x.example redirect=r.example", "r.example": "v=spf1 a:y.example ?all"})
    assert (found.result, found.lookups, found.voids) == ("neutral", 3, 2)


def test_mx_hosts_do_not_count_as_lookups() -> None:
    """One mx with ten hosts is one lookup; an eleventh host makes it a permerror."""
    hosts = {f"m{i}.example": {"A": [f"192.0.2.{i}"]} for i in range(1, 12)}
    zone = {**hosts, "example.com": {"TXT": ["v=spf1 mx -all"], "MX": [(i, f"m{i}.example") for i in range(1, 11)]}}
    assert (check(zone, "192.0.2.10").result, check(zone, "192.0.2.10").lookups) == ("pass", 1)
    zone["example.com"]["MX"].append((0, "m11.example"))
    assert check(zone, "192.0.2.10").result == "permerror"


def test_null_mx_names_no_host() -> None:
    """MX 0 . leads to no address lookup and is no void."""
    found = check({"example.com": {"TXT": ["v=spf1 mx -all"], "MX": [(0, ".")]}})
    assert (found.result, found.voids_strict) == ("fail", 0)


def test_the_d_macro_follows_the_include_and_o_does_not() -> None:
    """%{d} in an included record is the included domain, %{o} the sender's."""
    asked: list[str] = []
    zone = {"example.com": "v=spf1 include:p.example -all", "p.example": "v=spf1 exists:%{d}.x exists:%{o}.y -all"}
    drive(check_host("192.0.2.1", "example.com", "u@example.com", "h"), hearing(zone, asked))
    assert "A p.example.x" in asked and "A example.com.y" in asked


def test_redirect_is_ignored_beside_all_and_used_without() -> None:
    """RFC 7208 §6.1, wherever the all stands."""
    zone = {"example.com": "v=spf1 redirect=r.example ~all", "r.example": "v=spf1 +all"}
    assert check(zone).result == "softfail"
    assert check({**zone, "example.com": "v=spf1 redirect=r.example"}).result == "pass"


def test_the_matched_path_goes_from_the_domain_inwards() -> None:
    """Each term that led to the result is named."""
    zone = {
        "example.com": "v=spf1 include:a.example -all",
        "a.example": "v=spf1 redirect=b.example",
        "b.example": "v=spf1 a",
    }
    found = check({**zone, "b.example": {"TXT": ["v=spf1 a"], "A": ["192.0.2.1"]}})
    assert found.matched == ("include:a.example", "redirect=b.example", "a")


def test_temperror_tells_which_lookup_nobody_answered() -> None:
    """SERVFAIL and timeouts are never "no record"."""
    found = check({"example.com": "v=spf1 include:slow.example -all", "slow.example": Status.SERVFAIL})
    assert (found.result, found.unanswered) == ("temperror", "TXT slow.example: servfail")
    unseen = check({"example.com": Status.UNOBSERVED})
    assert unseen.result == "temperror" and "unobserved" in unseen.reason


def test_a_local_part_of_other_letters_matches_no_term_that_uses_it() -> None:
    """RFC 8616 §4: terms with %{l} or %{s} do not match, others do."""
    zone = {"example.com": {"TXT": ["v=spf1 exists:%{l}.users.example a -all"], "A": ["192.0.2.9"]}}
    found = check({**zone, "\u00fc.users.example": {"A": ["127.0.0.2"]}}, sender="\u00fc@example.com")
    assert found.result == "fail" and "RFC 8616" in found.trace.steps[0].detail


def test_an_internationalized_sender_domain_is_asked_in_a_labels() -> None:
    """RFC 8616 §4."""
    assert check({"xn--bcher-kva.example": "v=spf1 +all"}, sender="u@b\u00fccher.example").result == "pass"


def test_explanations_cannot_carry_control_characters() -> None:
    """What a macro brings in from the envelope is made harmless (RFC 7208 §11.5)."""
    zone = {"example.com": "v=spf1 -all exp=why.example", "why.example": "mail of %{s} refused"}
    found = check(zone, sender="a\r\nX-Evil: 1\x1b[2J@example.com")
    assert found.explanation == "mail of a??X-Evil: 1?[2J@example.com refused"


def test_no_address_is_refused() -> None:
    """The client must be an address."""
    with pytest.raises(BadAddress):
        check({}, "mx.example.net")


@pytest.mark.parametrize("ip", ["192.0.2.77", "2001:db8:1::1"])
@settings(max_examples=60, deadline=None)
@given(zone=zones())
def test_any_world_ends_within_the_limits(ip: str, zone: Zone) -> None:
    """Ten lookups, two voids, and so a bounded number of questions, however the names point at each other."""
    asked: list[str] = []
    found = drive(check_host(ip, "a.example", "u@a.example", "h.example"), hearing(zone, asked))
    assert found.lookups <= 11 and found.voids <= 3 and found.voids <= found.voids_strict
    assert len(asked) < 1 + 11 * 22
    assert (found.result in ("permerror", "temperror", "none")) or found.lookups <= 10


@settings(max_examples=80, deadline=None)
@given(text=st.text(max_size=60), helo=st.text(max_size=10), local=st.text(max_size=10))
def test_any_record_gives_a_result(text: str, helo: str, local: str) -> None:
    """No text in DNS and no envelope makes the evaluation raise."""
    zone = {"example.com": {"TXT": [f"v=spf1 {text}"], "A": ["192.0.2.9", "no address"], "MX": [(1, "example.com")]}}
    drive(check_host("192.0.2.1", "example.com", f"{local}@example.com", helo), hearing(zone))


@pytest.mark.parametrize("helo", ["[192.0.2.1]", "192.0.2.1", "[IPv6:2001:db8::1]", "localhost", "mail..example", ""])
def test_a_helo_that_is_no_domain_gives_none_and_asks_nothing(helo: str) -> None:
    """Address literals, single labels and empty labels are no names to ask about (§2.3, §4.3)."""

    def nobody(question: Question) -> Answer:
        raise AssertionError(f"asked {question}")

    assert drive(check_host("192.0.2.1", helo, f"postmaster@{helo}", helo), nobody).result == "none"
