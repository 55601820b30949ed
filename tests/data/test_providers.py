"""The providers as a whole, and how one is recognised without reading them all."""

from __future__ import annotations

import pytest

from deliverkit.data import Provider, providers, recognise

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
