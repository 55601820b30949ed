"""By what providers are recognised, what is asked of those that were named, and what is seen to be in place."""

from __future__ import annotations

from typing import Any

import pytest

from deliverkit.data import provider
from deliverkit.engine.audit import AuditOptions, audit
from deliverkit.facts.base import Missing
from deliverkit.facts.dkim import observe_dkim
from deliverkit.facts.mx import observe_mx
from deliverkit.facts.providers import ProviderFacts, observe_providers
from deliverkit.facts.spf import observe_spf
from deliverkit.flow import Answer, Question, at_once, drive
from deliverkit.report.jsonable import jsonable
from deliverkit.report.providers_text import provider_lines
from deliverkit.world import World
from tests.protocols.dkim.samples import RSA
from tests.protocols.spf.worlds import hearing

KEY = RSA.record


def seen(records: dict[str, Any], via: tuple[str, ...] = (), failures: Any = None, **more: Any) -> list[ProviderFacts]:
    """The providers of example.com in a closed world."""
    world = World.from_records(records, failures=failures or {})
    options = AuditOptions(only=("providers",), via=via, probe=False, **more)
    facts = at_once(audit("example.com", world=world, options=options)).facts["providers"]
    assert max(map(len, provider_lines(facts, 60)), default=0) <= 60
    return list(facts.seen)


def by(one: ProviderFacts) -> set[tuple[str, str]]:
    """The signs as pairs."""
    return {(sign.kind, sign.name) for sign in one.signs}


def test_a_provider_is_recognised_by_mx_include_and_alias() -> None:
    """Each sign is kept with the name that gave it."""
    (one,) = seen(
        {
            "example.com": {
                "MX": ["10 in1-smtp.messagingengine.com."],
                "TXT": "v=spf1 include:spf.messagingengine.com -all",
            },
            "spf.messagingengine.com": {"TXT": "v=spf1 ip4:192.0.2.1 -all"},
            "fm1._domainkey.example.com": {"CNAME": "fm1.example.com.dkim.fmhosted.com."},
            "fm1.example.com.dkim.fmhosted.com": {"TXT": KEY},
        }
    )
    assert (one.provider.id, one.via) == ("fastmail", False)
    assert by(one) == {
        ("mx", "in1-smtp.messagingengine.com"),
        ("spf", "spf.messagingengine.com"),
        ("dkim", "fm1.example.com.dkim.fmhosted.com"),
    }
    assert (one.spf.how, one.dkim) == ("included", "in place")


def test_an_alias_alone_gives_a_provider_away() -> None:
    """Neither MX nor SPF tells of SendGrid; the alias of a common selector does."""
    (one,) = seen(
        {
            "example.com": {"TXT": "v=spf1 -all"},
            "s1._domainkey.example.com": {"CNAME": "s1.domainkey.u1.wl2.sendgrid.net."},
            "s1.domainkey.u1.wl2.sendgrid.net": {"TXT": KEY},
        }
    )
    assert (one.provider.id, {kind for kind, _ in by(one)}) == ("sendgrid", {"dkim"})


@pytest.mark.parametrize(
    ("mx", "expected"),
    [
        (
            "aspmx.l.google.com.",
            ["google-workspace"],
        ),  # Gmail's own hosts, but Gmail takes no mail for domains of others
        ("mxbiz1.qq.com.", ["exmail"]),
        ("mail.protonmail.ch.", ["proton-smtp"]),
        ("mx.example.net.", []),
    ],
)
def test_hosts_that_several_services_share(mx: str, expected: list[str]) -> None:
    """Services for persons are not taken for the provider of a domain."""
    assert [one.provider.id for one in seen({"example.com": {"MX": [f"10 {mx}"]}})] == expected


def test_an_include_that_several_share_names_one() -> None:
    """amazonses.com is SES's, unless more speaks for Resend."""
    zone: dict[str, Any] = {"example.com": {"TXT": "v=spf1 include:amazonses.com -all"}}
    assert [one.provider.id for one in seen(zone)] == ["ses"]
    assert [one.provider.id for one in seen(zone, via=("resend",))] == ["resend"]


def test_what_is_asked_only_of_a_provider_that_was_named() -> None:
    """Recognition asks nothing; --via asks selectors, return path and the provider's own record, side by side."""
    hear = hearing({"example.com": "v=spf1 include:spf.mailjet.com -all", "spf.mailjet.com": "v=spf1 -all"})
    told = [
        drive(flow, hear)
        for flow in (observe_spf("example.com"), observe_dkim("example.com"), observe_mx("example.com"))
    ]
    asked: list[str] = []

    def listen(question: Question) -> Answer:
        asked.append(str(question))
        return hear(question)

    drive(observe_providers("example.com", (), *told), listen)
    assert asked == []
    named = [p for p in (provider("postmark"), provider("mandrill")) if p]
    drive(observe_providers("example.com", tuple(named), *told), listen)
    assert set(asked) == {
        "TXT pm-bounces.example.com",
        "TXT spf.mtasv.net",
        "TXT mte1._domainkey.example.com",
        "TXT mte2._domainkey.example.com",
        "TXT mandrill._domainkey.example.com",
        "TXT spf.mandrillapp.com",
    }


def test_the_states_of_selectors() -> None:
    """A key, an alias with and without a key, nothing, and no answer."""
    zone = {
        "example.com": {"TXT": "v=spf1 -all"},
        "gm1._domainkey.example.com": {"CNAME": "gm1.gandimail.net."},
        "gm1.gandimail.net": {"TXT": KEY},
        "gm2._domainkey.example.com": {"CNAME": "gm2.gandimail.net."},
    }
    (one,) = seen(zone, via=("gandi",), failures={("gm3._domainkey.example.com", "TXT"): "timeout"})
    assert [d.state for d in one.delegations] == ["delegated", "dangling", "unknown"]
    assert one.dkim == "in place"
    (one,) = seen({"example.com": {"TXT": "v=spf1 -all"}}, via=("gandi",))
    assert (one.dkim, [d.target for d in one.delegations]) == (
        "absent",
        ["gm1.gandimail.net", "gm2.gandimail.net", "gm3.gandimail.net"],
    )


def test_a_wildcard_is_no_key_of_the_provider() -> None:
    """What answers everywhere proves nothing about s1."""
    (one,) = seen({"example.com": {"TXT": "v=spf1 -all"}, "*._domainkey.example.com": {"TXT": KEY}}, via=("sendgrid",))
    assert one.dkim == "absent"


def test_a_target_is_filled_in() -> None:
    """The domain stands in the target, with dots or with dashes."""
    (one,) = seen({"example.com": {"TXT": "v=spf1 -all"}}, via=("brevo",))
    assert [d.target for d in one.delegations if d.target] == [
        "b1.example-com.dkim.brevo.com",
        "b2.example-com.dkim.brevo.com",
    ]


def test_spf_that_nobody_answers_is_missing() -> None:
    """A timeout is no absence."""
    (one,) = seen({}, via=("sendgrid",), failures={("example.com", "TXT"): "timeout"})
    assert isinstance(one.raw("spf"), Missing)
    assert jsonable(one)["spf"] is None


def test_a_partly_answered_provider_record_covers_nothing() -> None:
    """Only all addresses of the provider, known, count as listed."""
    zone = {
        "example.com": {"TXT": "v=spf1 ip4:192.0.2.0/24 -all"},
        "spf.mailjet.com": {"TXT": "v=spf1 ip4:192.0.2.0/28 include:more.example -all"},
        "more.example": {"TXT": "v=spf1 ip4:192.0.2.64/28 -all"},
    }
    assert seen(zone, via=("mailjet",))[0].spf.how == "covered"
    late = seen(zone, via=("mailjet",), failures={("more.example", "TXT"): "timeout"})
    assert late[0].spf.how == "absent"
    zone["more.example"] = {"TXT": "v=spf1 ip4:198.51.100.0/28 -all"}
    assert seen(zone, via=("mailjet",))[0].spf.how == "absent"


def test_hostile_names_stay_text() -> None:
    """Control characters in what DNS says reach no screen raw."""
    zone = {"s1._domainkey.example.com": {"CNAME": "s1\\027[31m.sendgrid.net."}, "example.com": {"TXT": "v=spf1 -all"}}
    world = World.from_records(zone)
    options = AuditOptions(only=("providers",), via=("sendgrid",), probe=False)
    facts = at_once(audit("example.com", world=world, options=options)).facts["providers"]
    assert facts.seen[0].dkim == "dangling"
    assert all(line.isprintable() for line in provider_lines(facts, 100))
