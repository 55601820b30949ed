"""The next step of a DMARC rollout: which one, why, and only where SPF and DKIM allow it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import deliverkit
from deliverkit.findings import Finding
from deliverkit.protocols.dkim.keys import load_private_key
from deliverkit.world import World

KEY = load_private_key(next((Path(__file__).parents[2] / "fixtures" / "keys").glob("*rsa*2048*.pem"))).record
RUA = "rua=mailto:dmarc@example.com"


def audited(
    dmarc: str, *, spf: str = "v=spf1 ip4:192.0.2.1 -all", key: str | None = KEY, only: Any = ()
) -> dict[str, Finding]:
    """The findings of example.com, by rule."""
    records: dict[str, dict[str, Any]] = {
        "example.com": {"TXT": [spf], "MX": ["10 mx.example.com."]},
        "mx.example.com": {"A": ["192.0.2.1"]},
        "_dmarc.example.com": {"TXT": [dmarc]},
    }
    if key:
        records["s1._domainkey.example.com"] = {"TXT": [key]}
    world = World.from_records(records)
    report = deliverkit.audit("example.com", world=world, selectors=["s1"] if key else [], probe=False, only=only)
    return {f.rule: f for f in report.findings}


def test_reports_come_first() -> None:
    """p=none without rua: the address is the step, nothing else."""
    found = audited("v=DMARC1; p=none")
    assert found["DMARC020"].fix.records[0].value == f"v=DMARC1; p=none; {RUA}"
    assert "DMARC021" not in found


@pytest.mark.parametrize(
    ("now", "then", "effect"),
    [
        (f"v=DMARC1; p=none; np=reject; {RUA}", f"v=DMARC1; p=quarantine; np=reject; {RUA}", "none → quarantine"),
        (
            f"v=DMARC1; p=none; sp=none; np=reject; {RUA}",
            f"v=DMARC1; p=quarantine; np=reject; {RUA}",
            "none → quarantine",
        ),
        (f"v=DMARC1; p=none; t=y; np=reject; {RUA}", f"v=DMARC1; p=quarantine; np=reject; {RUA}", "none → quarantine"),
        (f"v=DMARC1; p=quarantine; np=reject; {RUA}", f"v=DMARC1; p=reject; np=reject; {RUA}", "quarantine → reject"),
        (f"v=DMARC1; p=quarantine; sp=reject; {RUA}", f"v=DMARC1; p=reject; sp=reject; {RUA}", "quarantine → reject"),
    ],
)
def test_one_step_at_a_time(now: str, then: str, effect: str) -> None:
    """None, quarantine, reject; subdomains do not stay behind, and test mode goes."""
    found = audited(now)
    fix = found["DMARC034" if "p=quarantine" in now else "DMARC021"].fix
    assert [record.value for record in fix.records] == [then]
    assert fix.rejudged and fix.effect.startswith(f"note → pass, DMARC policy {effect}")
    assert fix.text.startswith("next step: ")


def test_the_last_step_is_the_last() -> None:
    """At reject there is nothing left; in test mode another rule speaks."""
    assert not {"DMARC021", "DMARC034"} & set(audited(f"v=DMARC1; p=reject; {RUA}"))
    assert "DMARC034" not in audited(f"v=DMARC1; p=quarantine; t=y; {RUA}")
    assert "DMARC034" not in audited("v=DMARC1; p=quarantine")


@pytest.mark.parametrize(
    ("facts", "lacking"),
    [
        ({"key": None}, "sign all mail with DKIM"),
        ({"spf": "v=spf1 include:gone.example.net -all"}, "correct the SPF record"),
        ({"spf": "other=1"}, "publish one SPF record"),
        ({"spf": "v=spf1 ipv4:192.0.2.1 -all"}, "correct the SPF record"),
        ({"only": ["dmarc"]}, "it was not looked at"),
    ],
)
def test_no_step_before_the_ground_is_firm(facts: dict[str, Any], lacking: str) -> None:
    """Whatever could lose the domain's own mail comes first; then no record is offered."""
    fix = audited(f"v=DMARC1; p=none; np=reject; {RUA}", **facts)["DMARC021"].fix
    assert fix.records == () and fix.text.startswith("before the next step") and lacking in fix.text
    assert "DMARC034" not in audited(f"v=DMARC1; p=quarantine; np=reject; {RUA}", **facts)


def test_a_domain_that_sends_nothing_goes_to_reject_at_once() -> None:
    """No mail can be lost."""
    fix = audited(f"v=DMARC1; p=none; np=reject; {RUA}", spf="v=spf1 -all", key=None)["DMARC021"].fix
    assert fix.records[0].value == f"v=DMARC1; p=reject; np=reject; {RUA}" and fix.rejudged


def test_a_step_of_the_domain_above_is_not_ours() -> None:
    """An inherited policy is raised where it stands, for all names below."""
    world = World.from_records(
        {
            "news.example.com": {"TXT": ["v=spf1 ip4:192.0.2.1 -all"], "MX": ["10 mx.example.com."]},
            "mx.example.com": {"A": ["192.0.2.1"]},
            "_dmarc.example.com": {"TXT": [f"v=DMARC1; p=none; {RUA}"]},
            "s1._domainkey.news.example.com": {"TXT": [KEY]},
        }
    )
    report = deliverkit.audit("news.example.com", world=world, selectors=["s1"], probe=False)
    fix = next(f.fix for f in report.findings if f.rule == "DMARC021")
    assert fix.records == () and "is taken at example.com" in fix.text
