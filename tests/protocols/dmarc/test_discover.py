"""The tree walk and the policy found by it: which names are asked, where it stops, and what it explains."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliverkit.flow import Answer, Question, Status, drive
from deliverkit.protocols.dmarc.discover import Discovery, Source, discover_dmarc, walk, walked_names
from tests.protocols.dmarc.worlds import hearing

REJECT = "v=DMARC1; p=reject"


def discover(domain: str, zone: dict[str, Any], **more: Any) -> Discovery:
    """Discover over a table."""
    return drive(discover_dmarc(domain), hearing(zone, **more))


def test_the_own_record_decides() -> None:
    """The Author Domain's record gives the policy by its p; the walk goes on for the Organizational Domain."""
    found = discover(
        "news.example.com", {"_dmarc.news.example.com": "v=DMARC1; p=quarantine", "_dmarc.example.com": REJECT}
    )
    assert (found.policy, found.taken_from, found.source) == ("quarantine", "p", Source.AUTHOR)
    assert (found.record_domain, found.org_domain) == ("news.example.com", "example.com")
    assert [step.name for step in found.steps] == ["_dmarc.news.example.com", "_dmarc.example.com", "_dmarc.com"]


def test_records_in_between_are_not_used_for_policy() -> None:
    """a.b.example.com has no record; that of example.com decides, not that of b.example.com."""
    found = discover("a.b.example.com", {"_dmarc.b.example.com": REJECT, "_dmarc.example.com": "v=DMARC1; p=none"})
    assert (found.record_domain, found.policy, found.source) == ("example.com", "none", Source.ORGANIZATIONAL)


def test_thirteen_labels_make_eight_queries() -> None:
    """The full name, then the names of 7, 6, 5, 4, 3, 2 and 1 labels."""
    names = list(walked_names("a.b.c.d.e.f.g.h.i.j.mail.example.com"))
    assert [name.count(".") + 1 for name in names] == [13, 7, 6, 5, 4, 3, 2, 1]
    assert [name.count(".") + 1 for name in walked_names("a.b.c.d.e.f.example.com")] == [8, 7, 6, 5, 4, 3, 2, 1]
    assert list(walked_names("example.com")) == ["example.com", "com"]
    assert list(walked_names("com")) == ["com"]


def test_the_walk_goes_on_for_nodata_as_for_nxdomain() -> None:
    """A name server that answers NODATA for a name that does not exist does not end the walk."""
    zone = {"_dmarc.example.com": REJECT, "_dmarc.a.example.com": {"A": ["192.0.2.1"]}}
    assert discover("a.example.com", zone).steps[0].answer.status is Status.NODATA
    assert discover("b.example.com", zone).steps[0].answer.status is Status.NXDOMAIN
    assert {discover(f"{host}.example.com", zone).policy for host in "ab"} == {"reject"}


def test_unrelated_txt_records_are_passed_over() -> None:
    """Text of other kinds at _dmarc neither aborts the walk nor counts as a second record."""
    found = discover(
        "a.example.com", {"_dmarc.a.example.com": ["v=spf1 -all", "x"], "_dmarc.example.com": ["y", REJECT]}
    )
    assert found.policy == "reject"
    assert found.steps[0].seen == "2 TXT records, none for DMARC"
    assert found.steps[1].index == 1


def test_several_records_are_all_discarded() -> None:
    """The walk goes on as if the name held none (RFC 9989 §4.10 step 2)."""
    found = discover(
        "a.example.com", {"_dmarc.a.example.com": [REJECT, REJECT], "_dmarc.example.com": "v=DMARC1; p=none"}
    )
    assert (found.record_domain, found.policy) == ("example.com", "none")
    assert "discarded" in found.steps[0].why
    assert discover("example.com", {"_dmarc.example.com": [REJECT, REJECT]}).record is None


def test_a_public_suffix_domain_at_a_single_label() -> None:
    """_dmarc.gov is asked; psd=y there makes the domain below it the Organizational Domain and gives the policy."""
    suffix = {"_dmarc.gov": "v=DMARC1; p=reject; sp=quarantine; psd=y"}
    found = discover("mail.agency.gov", {**suffix, "mail.agency.gov": {"A": ["192.0.2.1"]}})
    assert (found.org_domain, found.source, found.record_domain) == ("agency.gov", Source.SUFFIX, "gov")
    assert (found.policy, found.taken_from) == ("quarantine", "sp")
    preferred = discover("mail.agency.gov", {**suffix, "_dmarc.agency.gov": "v=DMARC1; p=none"})
    assert (preferred.source, preferred.policy) == (Source.ORGANIZATIONAL, "none")


def test_psd_at_the_starting_name() -> None:
    """A PSD's own mail: psd=y at the name itself stops the walk and makes no other Organizational Domain."""
    found = discover("bank.example", {"_dmarc.bank.example": "v=DMARC1; p=reject; psd=y", "_dmarc.example": REJECT})
    assert (found.org_domain, len(found.steps), found.policy) == ("bank.example", 1, "reject")


def test_psd_n_stops_the_walk() -> None:
    """psd=n marks the Organizational Domain whatever stands above."""
    zone = {"_dmarc.b.example.com": "v=DMARC1; p=reject; psd=n", "_dmarc.example.com": "v=DMARC1; p=none"}
    found = discover("a.b.example.com", zone)
    assert (found.org_domain, found.policy, len(found.steps)) == ("b.example.com", "reject", 2)


def test_the_existence_of_the_author_domain_is_asked_only_when_it_matters() -> None:
    """sp and np equal: no question; different: one, and NODATA exists (RFC 9989 §3.2.13)."""
    asked: list[str] = []
    discover("a.example.com", {"_dmarc.example.com": "v=DMARC1; p=reject"}, asked=asked)
    assert "TXT a.example.com" not in asked
    zone = {"_dmarc.example.com": "v=DMARC1; p=none; np=reject", "x.b.example.com": {"A": ["192.0.2.1"]}}
    assert (discover("a.example.com", zone).exists, discover("a.example.com", zone).policy) == (False, "reject")
    assert (discover("b.example.com", zone).exists, discover("b.example.com", zone).policy) == (True, "none")


@pytest.mark.parametrize("name", ["_dmarc.a.example.com", "_dmarc.com", "a.example.com"])
def test_an_unanswered_question_that_matters_leaves_the_policy_unknown(name: str) -> None:
    """Own record, a name above, existence: each unknown is trouble, never "no record"."""
    zone = {"_dmarc.example.com": "v=DMARC1; p=none; np=reject"}
    found = discover("a.example.com", zone, failures={name: Status.TIMEOUT})
    assert found.policy is None and found.trouble and name in found.trouble and "timeout" in found.trouble


def test_the_own_policy_is_known_whatever_stands_above() -> None:
    """SERVFAIL further up makes the Organizational Domain unknown, not the policy."""
    found = discover("example.com", {"_dmarc.example.com": REJECT}, failures={"_dmarc.com": Status.SERVFAIL})
    assert (found.policy, found.trouble, found.org_domain) == ("reject", None, None)


def test_test_mode_asks_for_one_level_less() -> None:
    """t=y lowers what is applied, not what is published."""
    lowered = {
        p: discover("example.com", {"_dmarc.example.com": f"v=DMARC1; t=y; p={p}"})
        for p in ("reject", "quarantine", "none")
    }
    assert [found.policy for found in lowered.values()] == ["quarantine", "none", "none"]
    assert [found.published for found in lowered.values()] == ["reject", "quarantine", "none"]


def test_a_record_by_an_alias_counts() -> None:
    """A CNAME to a provider's record is followed, and the step says so."""

    def hear(question: Question) -> Answer:
        if question.name == "_dmarc.example.com":
            return Answer(question, Status.OK, ((REJECT.encode(),),), aliases=("example.com._d.provider.example",))
        return Answer(question, Status.NXDOMAIN)

    found = drive(discover_dmarc("example.com"), hear)
    assert found.policy == "reject"
    assert "by the alias example.com._d.provider.example" in found.steps[0].seen


def test_every_step_explains_itself() -> None:
    """What was seen and what followed stand beside each name."""
    steps = discover(
        "a.example.com", {"_dmarc.example.com": "v=DMARC1; p=none; psd=n", "_dmarc.a.example.com": "v=dmarc1; p=none"}
    ).steps
    assert [(step.name, step.seen, step.why) for step in steps] == [
        (
            "_dmarc.a.example.com",
            "1 TXT record meant for DMARC, but without a valid v=DMARC1 in front",
            "go on to _dmarc.example.com",
        ),
        ("_dmarc.example.com", "v=DMARC1; p=none; psd=n", "psd=n, the Organizational Domain: the walk ends"),
    ]


names = st.lists(st.sampled_from(["a", "b", "mail"]), min_size=1, max_size=14).map(".".join)
records = st.sampled_from([REJECT, "v=DMARC1; psd=y; p=none", "v=DMARC1; psd=n; p=none", [REJECT, REJECT], "x"])


@given(names, st.dictionaries(names.map("_dmarc.".__add__), records, max_size=8))
def test_any_tree_has_an_organizational_domain(domain: str, zone: dict[str, Any]) -> None:
    """At most eight queries; the Organizational Domain is the name itself or one above it."""
    walked = drive(walk(domain), hearing(zone))
    assert len(walked.steps) <= 8
    assert walked.org_domain is not None
    assert walked.org_domain == domain or domain.endswith("." + walked.org_domain)
