"""A check over live DNS: what the sources say beside what is published, and whether those who answer agree."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from deliverkit.config import parse_config
from deliverkit.demo.nameserver import Nameserver
from deliverkit.engine.check import CheckOptions, check
from deliverkit.report.model import Report
from deliverkit.world.zone import Zone

ZONE = """$ORIGIN example.com.
$TTL 300
@ SOA ns1 hostmaster {serial} 7200 3600 1209600 60
@ NS ns1
@ NS ns2
ns1 A 192.0.2.1
ns2 A 192.0.2.2
@ MX 10 mx
mx A 192.0.2.25
@ TXT "v=spf1 {spf} -all"
_dmarc TXT "v=DMARC1; p=reject; rua=mailto:d@example.com"
"""


def _zone(serial: int = 1, spf: str = "mx") -> str:
    return ZONE.format(serial=serial, spf=spf)


@pytest.fixture
def servers() -> Iterator[tuple[Nameserver, Nameserver]]:
    """Two resolvers, or two servers of the zone: the second lags behind."""
    new, old = Zone.parse(_zone(2, "mx a:mx.example.com")), Zone.parse(_zone())
    with Nameserver([new]) as first, Nameserver([old]) as second:
        yield first, second


def _checked(folder: Path, text: str, **options: Any) -> dict[str, Report]:
    config = parse_config(text, file=folder / "deliverkit.toml")
    reports = asyncio.run(check(config, CheckOptions(**options)))
    return {report.subject.kind: report for report in reports}


def _rules(report: Report) -> list[str]:
    return [f.rule for f in report.findings if f.severity.value != "note"]


def test_several_resolvers_are_compared(servers: tuple[Nameserver, Nameserver], tmp_path: Path) -> None:
    told = _checked(
        tmp_path, f'domains = ["example.com"]\nnameservers = ["{servers[0].address}", "{servers[1].address}"]\n'
    )
    assert _rules(told["resolvers"]) == ["AGREE004"]


def test_one_resolver_is_compared_with_nobody(servers: tuple[Nameserver, Nameserver], tmp_path: Path) -> None:
    told = _checked(tmp_path, f'domains = ["example.com"]\nnameservers = ["{servers[0].address}"]\n')
    assert set(told) == {"configuration", "domain"}


def test_the_servers_of_the_zone_are_asked_and_compared(servers: tuple[Nameserver, Nameserver], tmp_path: Path) -> None:
    places = {"192.0.2.1": servers[0], "192.0.2.2": servers[1]}
    told = _checked(
        tmp_path,
        f'domains = ["example.com"]\nnameservers = ["{servers[1].address}"]\nauthoritative = true\n',
        where=lambda address: (places[address].host, places[address].port),
    )
    assert _rules(told["servers"]) == ["AGREE001"]
    assert told["domain"].facts["spf"].record == "v=spf1 mx a:mx.example.com -all"  # not what the resolver says


def test_a_source_is_compared_with_dns(servers: tuple[Nameserver, Nameserver], tmp_path: Path) -> None:
    (tmp_path / "example.com.zone").write_text(_zone(3, "mx ip4:192.0.2.99"))
    told = _checked(tmp_path, f'sources = "*.zone"\nnameservers = "{servers[0].address}"\ndrift = true\n')
    (drifted,) = told["drift"].findings
    assert (drifted.rule, drifted.evidence[0].file, drifted.evidence[0].line) == ("AGREE010", "example.com.zone", 10)
    assert told["domain"].facts["spf"].record == "v=spf1 mx ip4:192.0.2.99 -all"  # the source is what is judged


def test_offline_nobody_is_asked(tmp_path: Path) -> None:
    (tmp_path / "example.com.zone").write_text(_zone())
    told = _checked(tmp_path, 'sources = "*.zone"\nworld = "closed-world"\ndrift = true\nauthoritative = true\n')
    assert set(told) == {"configuration", "zone", "domain"}
