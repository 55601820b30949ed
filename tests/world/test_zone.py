"""A zone answers as an authoritative server does (RFC 1034 §4.3.2, RFC 4592, RFC 6672)."""

from __future__ import annotations

import asyncio
from pathlib import Path

import dns.name
import dns.rdatatype
import dns.zone
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliverkit.flow import Answer, Question, Status
from deliverkit.world import World
from deliverkit.world.values import presentation
from deliverkit.world.zone import Outcome, Zone, ZoneError

RFC4592 = """
$ORIGIN example.
$TTL 3600
@                 SOA   ns.example.com. hostmaster 1 2 3 4 5
                  NS    ns.example.com.
*                 TXT   "this is a wildcard"
*                 MX    10 host1
sub.*             TXT   "this is not a wildcard"
host1             A     192.0.2.1
_ssh._tcp.host1   TXT   "service"
_ssh._tcp.host2   TXT   "service"
subdel            NS    ns.example.com.
"""


@pytest.mark.parametrize(
    ("name", "type_", "outcome"),
    [
        ("host3.example", "MX", Outcome.RECORDS),
        ("host3.example", "A", Outcome.NODATA),
        ("foo.bar.example", "TXT", Outcome.RECORDS),
        ("host1.example", "MX", Outcome.NODATA),  # the name exists: no synthesis
        ("sub.*.example", "MX", Outcome.NODATA),
        ("_telnet._tcp.host1.example", "TXT", Outcome.NXDOMAIN),  # its closest encloser has no wildcard
        ("host.subdel.example", "A", Outcome.DELEGATED),
        ("subdel.example", "A", Outcome.DELEGATED),
        ("subdel.example", "DS", Outcome.NODATA),
        ("ghost.*.example", "MX", Outcome.NXDOMAIN),
        ("host2.example", "MX", Outcome.NODATA),  # an empty non-terminal
        ("example", "NS", Outcome.RECORDS),
        ("example.com", "A", Outcome.OUTSIDE),
        ("*.example", "TXT", Outcome.RECORDS),
    ],
)
def test_the_examples_of_rfc_4592(name: str, type_: str, outcome: Outcome) -> None:
    """RFC 4592 §2.2.1, name by name."""
    assert Zone.parse(RFC4592).find(name, type_).outcome is outcome


def ask(world: World, name: str, type_: str) -> Answer:
    """Ask one question."""
    return asyncio.run(world.ask(Question(name, type_)))


def test_offline_names_outside_the_zones_are_unobserved() -> None:
    """What we do not know is not absent; in a closed world it is."""
    zone = Zone.parse("$ORIGIN example.com.\n@ A 192.0.2.1\n")
    assert ask(World.offline().with_zone(zone), "example.net", "A").status is Status.UNOBSERVED
    assert ask(World.offline(closed=True).with_zone(zone), "example.net", "A").status is Status.NXDOMAIN
    assert ask(World.offline().with_zone(zone), "no.example.com", "A").status is Status.NXDOMAIN


def test_answers_name_file_and_line(tmp_path: Path) -> None:
    """Evidence from a file carries the place; the vantage carries the file."""
    path = tmp_path / "example.zone"
    path.write_text('$ORIGIN example.com.\n\n@ TXT ( "v=spf1"\n " -all" )\n@ TXT other\n')
    world = World.offline().with_zone(path)
    answer = ask(world, "example.com", "TXT")
    assert [(source.file, source.line) for source in answer.sources] == [(str(path), 3), (str(path), 5)]
    assert answer.texts[0] == "v=spf1 -all"
    assert (world.vantage.mode, world.vantage.zones) == ("offline", (str(path),))


def test_the_deepest_origin_decides() -> None:
    """A child zone's file answers for its names, whatever order the files come in."""
    parent = Zone.parse("$ORIGIN example.com.\n@ A 192.0.2.1\na.sub A 192.0.2.2\nsub NS ns.example.net.\n")
    child = Zone.parse("$ORIGIN sub.example.com.\na A 192.0.2.3\n")
    for zones in ((parent, child), (child, parent)):
        assert ask(World.offline().with_zone(*zones), "a.sub.example.com", "A").records == ("192.0.2.3",)
    assert ask(World.offline().with_zone(parent), "a.sub.example.com", "A").status is Status.UNOBSERVED  # delegated


def test_aliases_cross_zones_and_end() -> None:
    """CNAME chains are followed from zone to zone; a loop is malformed, a long chain too."""
    one = Zone.parse("$ORIGIN example.com.\na CNAME b.example.net.\nloop CNAME loop.example.net.\n")
    two = Zone.parse(
        "$ORIGIN example.net.\nb CNAME c\nc A 192.0.2.1\nloop CNAME loop.example.com.\n$GENERATE 1-30 l$ CNAME l${1}\n"
    )
    world = World.offline().with_zone(one, two)
    answer = ask(world, "a.example.com", "A")
    assert (answer.records, answer.aliases) == (("192.0.2.1",), ("b.example.net", "c.example.net"))
    assert ask(world, "a.example.com", "CNAME").records == ("b.example.net",)
    assert ask(world, "loop.example.com", "A").status is Status.MALFORMED
    assert ask(world, "l1.example.net", "A").status is Status.MALFORMED


def test_a_cname_beside_other_data_still_answers() -> None:
    """Unlawful (RFC 1034 §3.6.2), yet both can be seen: a finding elsewhere, no failure here."""
    zone = Zone.parse("$ORIGIN example.com.\n_dmarc TXT v=DMARC1\n_dmarc CNAME other.example.net.\n")
    world = World.offline().with_zone(zone)
    assert ask(world, "_dmarc.example.com", "TXT").texts == ("v=DMARC1",)
    assert ask(world, "_dmarc.example.com", "CNAME").records == ("other.example.net",)


def test_a_dname_redirects_what_lies_below() -> None:
    """RFC 6672: names below the owner move, the owner does not; asked for, the CNAME it stands for is the answer."""
    zone = Zone.parse("$ORIGIN example.com.\nold DNAME new\na.new A 192.0.2.1\n")
    world = World.offline().with_zone(zone)
    assert ask(world, "a.old.example.com", "A").records == ("192.0.2.1",)
    assert ask(world, "old.example.com", "A").status is Status.NODATA
    alias = ask(world, "a.old.example.com", "CNAME")
    assert (alias.records, alias.aliases) == (("a.new.example.com",), ())


def test_duplicates_are_one_record_and_strays_are_kept_apart() -> None:
    """RFC 2181 §5: a set holds no record twice. Out-of-zone records are remembered, not served."""
    zone = Zone.parse("$ORIGIN example.com.\n@ TXT a\n@ TXT a\nother.test. A 192.0.2.1\n")
    assert len(zone.get("example.com", "TXT")) == 1
    assert [record.name for record in zone.strays] == ["other.test"]


def test_a_forgotten_final_dot_doubles_the_origin() -> None:
    """Exactly as BIND reads it, so that the mistake can be seen before it is published."""
    zone = Zone.parse("$ORIGIN example.com.\n@ MX 10 mx.example.com\n_dmarc.example.com TXT v=DMARC1\n")
    assert zone.get("example.com", "MX")[0].value == (10, "mx.example.com.example.com")
    assert zone.get("_dmarc.example.com.example.com", "TXT")


def test_the_origin_must_be_told() -> None:
    """SOA owner first, then $ORIGIN, else an error that says what to add."""
    assert Zone.parse("example.com. SOA a. b. 1 2 3 4 5\n").origin == "example.com"
    assert Zone.parse("$ORIGIN com.\nexample SOA a. b. 1 2 3 4 5\n").origin == "example.com"
    with pytest.raises(ZoneError, match=r"begin the file with \$ORIGIN"):
        Zone.parse("example.com. A 192.0.2.1\n")


def test_long_names_of_wildcards_and_dnames_never_raise() -> None:
    """A DNAME whose result is too long does not exist (RFC 6672 §2.2)."""
    long = ".".join(["x" * 60] * 3)
    zone = Zone.parse(f"$ORIGIN example.com.\nold DNAME {long}.example.net.\n")
    assert zone.find(f"{'y' * 60}.old.example.com", "A").outcome is Outcome.NXDOMAIN


LABEL = st.sampled_from(["a", "b", "*", "www", "_dmarc"])
OWNER = st.lists(LABEL, min_size=1, max_size=3).map(".".join)
LINES = st.lists(
    st.one_of(
        st.tuples(OWNER, st.just("A"), st.integers(0, 255).map(lambda n: f"192.0.2.{n}")),
        st.tuples(OWNER, st.just("MX"), OWNER.map(lambda o: f"10 {o}")),
        st.tuples(OWNER, st.just("TXT"), st.text("abc;= ", max_size=9).map(lambda t: f'"{t}"')),
    ),
    min_size=1,
    max_size=12,
)


@given(LINES)
def test_master_files_read_as_dnspython_reads_them(lines: list[tuple[str, str, str]]) -> None:
    """An independent reader of master files finds the same records."""
    body = "\n".join(" ".join(line) for line in lines)
    text = f"$ORIGIN example.com.\n$TTL 60\n@ SOA ns hostmaster 1 2 3 4 5\n@ NS ns\n{body}\n"
    ours = {
        (f"{record.name}.", record.type, presentation(record.type, record.value))
        for record in Zone.parse(text).records()
        if record.type not in ("SOA", "NS")
    }
    theirs = {
        (name.to_text(), dns.rdatatype.to_text(rdata.rdtype), rdata.to_text())
        for name, _, rdata in dns.zone.from_text(text, relativize=False).iterate_rdatas()
        if rdata.rdtype not in (dns.rdatatype.SOA, dns.rdatatype.NS)
    }
    assert ours == theirs


@given(LINES, st.lists(LABEL, min_size=1, max_size=4).map(".".join), st.sampled_from(["A", "MX", "TXT", "AAAA"]))
def test_every_question_has_an_answer(lines: list[tuple[str, str, str]], owner: str, type_: str) -> None:
    """No question raises; records are those of the name or of a wildcard; what has records exists."""
    body = "\n".join(" ".join(line) for line in lines)
    zone = Zone.parse(f"$ORIGIN example.com.\n{body}\n")
    name = f"{owner}.example.com"
    found = zone.find(name, type_)
    if zone.get(name, type_):
        assert found.outcome is Outcome.RECORDS
        assert found.records == zone.get(name, type_)
    if found.outcome is Outcome.RECORDS and not zone.get(name, type_):
        assert found.wildcard is not None
        assert found.records == zone.get(found.wildcard, type_)
    assert dns.name.from_text(name)


def test_what_no_server_would_load_is_told_by_the_vantage(tmp_path: Path) -> None:
    """Records outside the zone and aliases beside data, with file and line; signed zones are no fault."""
    path = tmp_path / "draft.zone"
    path.write_text(
        "$ORIGIN example.com.\n@ A 192.0.2.1\nother.test. A 192.0.2.1\nwww CNAME web\nwww TXT x\n"
        "two CNAME a\ntwo CNAME b\nok CNAME web\n"
    )
    faults = World.offline().with_zone(path).vantage.zone_faults
    assert [(f.kind, f.name, f.value, f.line) for f in faults] == [
        ("outside", "other.test", "192.0.2.1", 3),
        ("alias", "www.example.com", "web.example.com.", 4),
        ("alias", "two.example.com", "a.example.com.", 6),
        ("alias", "two.example.com", "b.example.com.", 7),
    ]
    assert {fault.file for fault in faults} == {str(path)}


def test_what_a_zone_leaves_open_is_unobserved() -> None:
    """By name and type, by name, by a wildcard's name; an unknown name denies nothing. The deepest zone answers."""
    why = {
        ("open.example.com", "TXT"): "a",
        ("alias.example.com", "*"): "b",
        ("*.wild.example.com", "A"): "c",
        ("*", "MX"): "d",
    }
    records = Zone.parse("@ A 192.0.2.1\nopen A 192.0.2.2\n*.wild TXT x\n", origin="example.com").records()
    zone = Zone("example.com", records, unknown=why)
    deeper = Zone.parse("@ A 192.0.2.9\n", origin="sub.example.com")
    world = World.from_records({}).with_zone(zone).with_zone(deeper)
    assert zone.unknown == frozenset(why)

    def status(name: str, type_: str) -> tuple[Status, str]:
        answer = ask(world, name, type_)
        return answer.status, answer.detail

    assert status("open.example.com", "TXT") == (Status.UNOBSERVED, "a")
    assert status("open.example.com", "A") == (Status.OK, "")
    assert status("alias.example.com", "AAAA") == (Status.UNOBSERVED, "b")
    assert status("x.wild.example.com", "A") == (Status.UNOBSERVED, "c")
    assert status("x.wild.example.com", "TXT") == (Status.OK, "")
    assert status("nowhere.example.com", "MX") == (Status.UNOBSERVED, "d")
    assert status("nowhere.example.com", "TXT") == (Status.NXDOMAIN, "")
    assert status("sub.example.com", "A") == (Status.OK, "")
    assert status("sub.example.com", "MX") == (Status.NODATA, "")
