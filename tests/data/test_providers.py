"""The providers as a whole, and how one is recognised without reading them all."""

from __future__ import annotations

import re
from datetime import date

import pytest

from deliverkit.data import Provider, mailbox_provider, nearest, providers, providers_at, recognise

BY_MX = [(f"mx1.{suffix}", p) for p in providers() for suffix in p.mx]
BY_INCLUDE = [(p.spf_include, p) for p in providers() if p.spf_include]


def test_every_entry_is_a_provider_of_its_own() -> None:
    """The file is read entry by entry: none is lost, none is read twice."""
    ids = [p.id for p in providers()]
    assert len(ids) == len(set(ids)) > 60


def test_names_to_recognise_by_are_written_in_lower_case() -> None:
    """They are looked for in the text of the file, so its case counts."""
    names = [name for p in providers() for name in (*p.mx, p.spf_include or "")]
    assert names == [name.lower().rstrip(".") for name in names]


@pytest.mark.parametrize(("host", "expected"), BY_MX, ids=str)
def test_every_provider_is_recognised_by_its_mx_hosts(host: str, expected: Provider) -> None:
    """Whatever the case and the final dot; a host that only ends in the same letters is another's."""
    assert expected in recognise((f"{host.upper()}.",))
    assert recognise((f"{expected.mx[0].replace('.', '-')}.example",)) == ()


@pytest.mark.parametrize(("name", "expected"), BY_INCLUDE, ids=str)
def test_every_provider_is_recognised_by_its_include(name: str, expected: Provider) -> None:
    """As DNS compares names: without case."""
    assert expected in recognise((), (name.upper(),))


def test_a_domain_that_runs_its_own_mail_has_no_provider() -> None:
    """Neither does the root."""
    assert recognise(("mx1.example.com", "."), ("_spf.example.com",)) == ()


BY_TARGET = [(f"x.y.{suffix}", p) for p in providers() for suffix in p.dkim_targets]


@pytest.mark.parametrize(("target", "expected"), BY_TARGET, ids=str)
def test_every_provider_is_recognised_by_its_dkim_aliases(target: str, expected: Provider) -> None:
    """Whatever stands in front of the suffix."""
    assert expected in recognise((), (), (target.upper(),))


def test_aliases_agree_with_the_selectors_and_the_prose() -> None:
    """dkim_cname is the structure of dkim_record: its selectors are listed, its targets end as dkim_targets say."""
    for p in providers():
        for selector, target in p.dkim_cname:
            assert selector in p.dkim_selectors, (p.id, selector)
            assert any(target.endswith(suffix) for suffix in p.dkim_targets), (p.id, target)
            assert ".".join(target.split(".")[-2:]) in p.entry["dkim_record"], (p.id, target)
        if p.mail_from:
            assert p.mail_from[0] in p.spf_needed


def test_a_misspelt_provider_has_a_nearest() -> None:
    """By id and by alias; far words have none."""
    assert nearest("sendgird") == "sendgrid"
    assert nearest("offiec365") == "office365"
    assert nearest("qwertyuiop") is None


def test_shapes_of_passwords_can_be_asked_and_told() -> None:
    """Each is a pattern with its words; none takes everything."""
    shaped = [p for p in providers() if "password_shape" in p.entry]
    assert len(shaped) > 10
    for p in shaped:
        assert p.entry["password_told"]
        assert re.fullmatch(p.entry["password_shape"], "Winter2026!") is None


def test_ends_of_passwords_are_days() -> None:
    """With the words that say for whom."""
    dated = {p.id: p.entry for p in providers() if "password_login_ends" in p.entry}
    assert {"outlook", "microsoft365"} <= set(dated)
    assert all(isinstance(entry["password_login_ends"], date) for entry in dated.values())
    assert all(entry["password_login_told"] for entry in dated.values())


@pytest.mark.parametrize("known", providers(), ids=lambda p: p.id)
def test_every_provider_is_found_at_its_hosts(known: Provider) -> None:
    """Endpoints, other hosts, and every region."""
    hosts = {e.host.replace("{region}", "eu-central-1") for e in known.endpoints} | set(
        known.entry.get("other_hosts", ())
    )
    assert all(known in providers_at(host.upper()) for host in hosts)


def test_a_host_nobody_lists_is_nobodys() -> None:
    """Nor is a name that only contains one."""
    assert providers_at("mail.shop.example") == ()
    assert providers_at("smtp.gmail.com.shop.example") == ()
    assert providers_at("") == ()


def test_the_domain_of_an_address_tells_its_provider() -> None:
    """A sending service has no addresses of people."""
    found = mailbox_provider("gmail.com")
    assert found is not None
    assert found.id == "gmail"
    assert mailbox_provider("smtp.gmail.com") is None
    assert mailbox_provider("shop.example") is None
