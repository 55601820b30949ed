"""A first configuration: what DNS says becomes what is expected, and the text is one that check reads."""

from __future__ import annotations

import asyncio
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliverkit.config import Config, parse_config
from deliverkit.engine.init import _text, looked_at, sources_below, written, zones_of
from deliverkit.world import World

KEY = "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="
SENDING: dict[str, dict[str, Any]] = {
    "example.com": {"MX": "10 mx.example.com.", "TXT": "v=spf1 mx include:_spf.google.com ~all"},
    "mx.example.com": {"A": "192.0.2.1"},
    "_spf.google.com": {"TXT": "v=spf1 ip4:192.0.2.0/24 ~all"},
    "_dmarc.example.com": {"TXT": "v=DMARC1; p=quarantine; sp=reject; rua=mailto:d@example.com"},
    "mine._domainkey.example.com": {"TXT": KEY},
    "_mta-sts.example.com": {"TXT": "v=STSv1; id=1"},
    "_smtp._tls.example.com": {"TXT": "v=TLSRPTv1; rua=mailto:t@example.com"},
}


def _written(records: dict[str, dict[str, Any]], failures: Any = None, selectors: tuple[str, ...] = ()) -> str:
    world = World.from_records(records, failures=failures or {})
    report = asyncio.run(looked_at("example.com", world=world, selectors=selectors))
    return written([report], today=date(2026, 11, 25))


def _read(text: str) -> Config:
    return parse_config(text, file=Path("/repo/deliverkit.toml"))


def test_what_is_published_is_expected() -> None:
    text = _written(SENDING, selectors=("mine",))
    (domain,) = _read(text).domains
    assert domain.selectors == ("mine",)
    expect = domain.expect
    assert (expect.spf, expect.spf_all, expect.lookups_max, expect.dkim) == ("pass", "~all", 8, ("mine",))
    assert (expect.dmarc, expect.dmarc_subdomains) == ("quarantine", "reject")
    assert expect.dmarc_rua == ("mailto:d@example.com",)
    assert (expect.mx, expect.mta_sts, expect.tls_rpt, expect.bimi) == (("mx.example.com",), "record", True, None)
    assert "today 2" in text
    assert "google" in text  # recognised, and left to the owner as a comment


def test_a_parked_domain_is_called_so() -> None:
    records = {"example.com": {"MX": "0 .", "TXT": "v=spf1 -all"}, "_dmarc.example.com": {"TXT": "v=DMARC1; p=reject"}}
    (domain,) = _read(_written(records)).domains
    assert domain.parked
    assert (domain.expect.mx, domain.expect.spf_all) == (("",), "-all")


def test_a_domain_without_anything_expects_nothing_it_has_not() -> None:
    (domain,) = _read(_written({"example.com": {"A": "192.0.2.1"}})).domains
    assert domain.expect.spf is None
    assert domain.expect.dmarc is None
    assert domain.expect.mx == ()


def test_what_could_not_be_told_is_said_and_not_expected() -> None:
    text = _written(SENDING, {("example.com", "TXT"): "timeout", ("_dmarc.example.com", "TXT"): "servfail"})
    (domain,) = _read(text).domains
    assert domain.expect.spf is None
    assert domain.expect.dmarc is None
    assert "# spf = …  # could not be told: TXT example.com: timeout" in text


@given(st.text())
def test_any_text_is_a_toml_string(text: str) -> None:
    import tomllib

    told: str = tomllib.loads(f"a = {_text(text)}")["a"]
    assert told == text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Two zones of one folder, one beside a note, and a file that is none."""
    zone = '$ORIGIN {name}.\n@ 3600 SOA ns hostmaster 1 2 3 4 5\n@ 3600 NS ns\ns7._domainkey 3600 TXT "v=DKIM1; p="\n'
    (tmp_path / "zones").mkdir()
    (tmp_path / "dns").mkdir()
    for place in ("zones/a.example", "zones/b.example", "dns/c.example"):
        (tmp_path / f"{place}.zone").write_text(zone.format(name=place.partition("/")[2]))
    (tmp_path / "zones" / "2.0.192.in-addr.arpa.zone").write_text(zone.format(name="2.0.192.in-addr.arpa"))
    (tmp_path / "package.json").write_text("{}")
    (tmp_path / "compose.yaml").write_text("services:\n  web:\n    image: nginx\n")
    return tmp_path


def test_sources_and_their_zones_are_found(repository: Path) -> None:
    patterns = sources_below(repository)
    assert patterns == ["dns/c.example.zone", "zones/*.zone"]
    assert zones_of(repository, patterns) == {"a.example": ("s7",), "b.example": ("s7",), "c.example": ("s7",)}
