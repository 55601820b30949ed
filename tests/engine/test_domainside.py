"""The domain side of an application's mail: whom it asks about, and what a failing resolver makes of it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from deliverkit.data import provider
from deliverkit.engine.domainside import domain_sides, pairs
from deliverkit.facts.base import Missing
from deliverkit.facts.ladder import DomainSide
from deliverkit.facts.settings.model import MailSettings, Plan
from deliverkit.facts.settings.values import Place
from deliverkit.world import World

GOOGLE = provider("google-workspace")
SPF = {"example.com": {"TXT": "v=spf1 include:_spf.google.com -all"}, "_spf.google.com": {"TXT": "v=spf1 -all"}}


def transport(host: str) -> MailSettings:
    """A transport to a host."""
    plan = Plan("smtp", host, 587, "starttls", "", True, True)
    return MailSettings("nodemailer", "", Place("mail.js", 1), {}, plan)


@pytest.mark.parametrize(
    ("sender", "host", "found"),
    [
        ("ann@example.com", "smtp.gmail.com", "google-workspace"),
        ("ann@gmail.com", "smtp.gmail.com", None),  # the provider's own domain is not for us to judge
        ("ann@example.com", "127.0.0.1", None),
        ("ann@example.com", "mail.example.com", None),
        (None, "smtp.gmail.com", None),
        ("ann@", "smtp.gmail.com", None),
    ],
)
def test_whom_it_asks_about(sender: str | None, host: str, found: str | None) -> None:
    """A domain of one's own, sent through a provider that is known."""
    told = [one.id for _, one in pairs([(sender, transport(host))])]
    assert told == ([] if found is None else [found])


def side(records: dict[str, Any], failures: dict[tuple[str, str], str] | None = None) -> DomainSide:
    """What is seen of example.com through Google."""
    assert GOOGLE is not None
    world = World.from_records(records, failures)
    return asyncio.run(domain_sides([("example.com", GOOGLE)], world))[0]


def test_what_is_published() -> None:
    """Include, key and policy."""
    key = {"google._domainkey.example.com": {"TXT": "v=DKIM1; k=rsa; p=MFwwDQ"}}
    seen = side({**SPF, **key, "_dmarc.example.com": {"TXT": "v=DMARC1; p=reject"}})
    assert (seen.included, seen.published, seen.policy) == (True, ("google",), "reject")


def test_what_is_not_there() -> None:
    """A domain that knows nothing of the provider."""
    seen = side({"example.com": {"TXT": "v=spf1 mx -all"}})
    assert (seen.included, seen.published, seen.policy) == (False, (), None)


def test_a_resolver_that_fails_leaves_it_untold() -> None:
    """Unknown is neither yes nor no."""
    names = ("example.com", "_domainkey.example.com", "google._domainkey.example.com", "_dmarc.example.com")
    seen = side({"example.com": {"A": "192.0.2.1"}}, {(name, "*"): "timeout" for name in names})
    assert isinstance(seen.raw("included"), Missing)
    assert isinstance(seen.raw("published"), Missing)
    assert isinstance(seen.raw("policy"), Missing)


def test_an_include_below_a_record_nobody_answers_for() -> None:
    """The provider may stand behind it."""
    records = {"example.com": {"TXT": "v=spf1 include:all.example.com -all"}}
    seen = side(records, {("all.example.com", "*"): "timeout"})
    assert isinstance(seen.raw("included"), Missing)
