"""Zones before and after a change: what changed in meaning, whatever kind of source holds them."""

from __future__ import annotations

from pathlib import Path

import pytest

import deliverkit
from deliverkit.engine.diff import Comparison
from deliverkit.engine.snapshotfile import NotComparable
from deliverkit.world import World

ZONE = """$ORIGIN example.com.
$TTL 3600
@ SOA ns1 hostmaster 1 7200 900 1209600 300
@ NS ns1
@ MX 10 mx
@ TXT "v=spf1 mx {includes}-all"
mx A 192.0.2.25
ns1 A 192.0.2.53
_dmarc TXT "v=DMARC1; p={policy}; rua=mailto:d@example.com"
s1._domainkey TXT "v=DKIM1; k=ed25519; p={key}"
"""
KEY, OTHER = "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=", "PUAXw+hDiVqStwqnTRt+vJyYLM8uxJaMwM1V8Sr0Zgw="


def _zone(includes: str = "", policy: str = "reject", key: str = KEY) -> str:
    return ZONE.format(includes=includes, policy=policy, key=key)


def _kinds(found: Comparison) -> list[str]:
    return [one.kind for one in found.differences if not one.kind.startswith(("report-", "verdict"))]


@pytest.fixture
def sides(tmp_path: Path) -> tuple[Path, Path]:
    """Two folders of a repository."""
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
    return tmp_path / "old", tmp_path / "new"


def test_two_zone_files(sides: tuple[Path, Path]) -> None:
    old, new = sides[0] / "a.zone", sides[1] / "b.zone"
    old.write_text(_zone())
    new.write_text(_zone("include:one.example ", "none", OTHER))
    found = deliverkit.diff(old, new)
    assert found.kind == "zones"
    assert _kinds(found) == ["dkim-key-replaced", "dmarc-weakened", "spf-lookups", "spf-allowed"]
    assert _kinds(deliverkit.diff(new, old))[0] == "dkim-key-replaced"


def test_nothing_changed_in_meaning(sides: tuple[Path, Path]) -> None:
    old, new = sides[0] / "a.zone", sides[1] / "b.zone"
    old.write_text(_zone())
    new.write_text("; a comment\n" + _zone().replace("3600", "7200").replace("mx A", "mx  300 IN A"))
    assert deliverkit.diff(old, new).same


def test_what_an_include_costs_is_asked_of_the_world(sides: tuple[Path, Path]) -> None:
    old, new = sides[0] / "a.zone", sides[1] / "a.zone"
    old.write_text(_zone())
    new.write_text(_zone("include:one.example "))
    records = {
        "one.example": {"TXT": "v=spf1 include:two.example -all"},
        "two.example": {"TXT": "v=spf1 ip4:192.0.2.0/24 -all"},
    }
    world = World.from_records(records)
    found = deliverkit.diff(old, new, world=world)
    assert [(one.old, one.new, one.why) for one in found.differences if one.kind == "spf-allowed"] == [
        (None, "include:one.example", "+2 lookups, now 3")
    ]


def test_folders_of_different_sources(sides: tuple[Path, Path]) -> None:
    """The zone moved from BIND to octoDNS, and lost a server on its way; another one is new."""
    pytest.importorskip("yaml")
    (sides[0] / "example.com.zone").write_text(_zone())
    (sides[1] / "example.com.yaml").write_text(
        "'':\n"
        "  - {type: NS, values: [ns1.example.com.]}\n"
        "  - {type: TXT, values: [v=spf1 mx -all]}\n"
        "ns1: {type: A, value: 192.0.2.53}\n"
        "mx: {type: A, value: 192.0.2.25}\n"
        "_dmarc: {type: TXT, value: v=DMARC1\\; p=reject\\; rua=mailto:d@example.com}\n"
        f"s1._domainkey: {{type: TXT, value: v=DKIM1\\; k=ed25519\\; p={KEY}}}\n"
    )
    (sides[1] / "example.net.zone").write_text(_zone().replace("example.com", "example.net"))
    found = deliverkit.diff(*sides)
    assert _kinds(found)[0] == "mx-gone"
    assert f"example.net: only in {sides[1]}" in found.unknown


def test_what_cannot_be_compared_is_said(sides: tuple[Path, Path]) -> None:
    old, new = sides[0] / "a.zone", sides[1] / "a.zone"
    old.write_text(_zone())
    new.write_text(_zone().replace("example.com", "example.net"))
    with pytest.raises(NotComparable, match=r"no zone in common: example\.com and example\.net"):
        deliverkit.diff(old, new)
    new.write_text(_zone().replace("192.0.2.25", "192.0.2.256"))
    with pytest.raises(NotComparable, match=r"a\.zone:7: "):
        deliverkit.diff(old, new)
