"""Master files as a source: what was written is kept beside what it means."""

from __future__ import annotations

from pathlib import Path

import pytest

from deliverkit.world.sources import ZoneError, read_source
from tests.world.sources.written import read_text

HEAD = "$ORIGIN example.com.\n$TTL 3600\n"


def test_what_was_written_is_kept(tmp_path: Path) -> None:
    """Owner, TTL, data and strings as they stand; the owner of a line that begins with a blank is the one before."""
    text = HEAD + '@ 60 IN MX 10 mx\n  TXT "a" ( "b\\"c" ) ; no\nwww.example.com. A 192.0.2.1\n'
    facts = read_text(tmp_path, "z.zone", text)[0].facts
    assert [(r.name, r.written, r.type, r.ttl, r.lasting, r.text, r.line, r.strings) for r in facts.records] == [
        ("example.com", "@", "MX", 60, 60, "10 mx", 3, ()),
        ("example.com", "@", "TXT", None, 3600, '"a" "b\\"c"', 4, ("a", 'b\\"c')),
        ("www.example.com", "www.example.com.", "A", None, 3600, "192.0.2.1", 5, ()),
    ]
    assert (facts.origin, facts.kind, facts.file, facts.provider) == ("example.com", "master", "z.zone", None)


def test_includes_are_named_like_the_file_that_includes_them(tmp_path: Path) -> None:
    """Each record keeps the file it stands in, as seen from the repository."""
    (tmp_path / "zones/keys").mkdir(parents=True)
    (tmp_path / "zones/keys/a.inc").write_text("; keys\n$INCLUDE b.inc sub\n_dmarc TXT x\n")
    (tmp_path / "zones/keys/b.inc").write_text("@ A 192.0.2.1\n")
    facts = read_text(tmp_path, "zones/z.zone", HEAD + "$INCLUDE keys/a.inc\n@ A 192.0.2.2\n")[0].facts
    assert [(r.name, r.file, r.line) for r in facts.records] == [
        ("sub.example.com", "zones/keys/b.inc", 1),
        ("_dmarc.example.com", "zones/keys/a.inc", 3),
        ("example.com", "zones/z.zone", 4),
    ]


def test_generated_records_say_so(tmp_path: Path) -> None:
    """One line is many records, so that nobody corrects one of them there."""
    facts = read_text(tmp_path, "z.zone", HEAD + "$GENERATE 1-3 h$ A 192.0.2.$\n")[0].facts
    assert [(r.name, r.written, r.line, set(r.flags)) for r in facts.records] == [
        (f"h{n}.example.com", f"h{n}", 3, {"generated"}) for n in (1, 2, 3)
    ]


def test_a_string_that_is_too_long_is_kept_for_its_rule(tmp_path: Path) -> None:
    """Cut as DNS needs it; what was written stays whole."""
    record = read_text(tmp_path, "z.zone", HEAD + f'@ TXT "{"k" * 300}"\n')[0].facts.records[0]
    assert [len(part) for part in record.value] == [255, 45]
    assert [len(part) for part in record.strings] == [300]


def test_the_origin_may_be_given(tmp_path: Path) -> None:
    """A file with neither SOA nor $ORIGIN says nothing about its zone."""
    text = "@ A 192.0.2.1\nwww A 192.0.2.2\n"
    zone = read_text(tmp_path, "z.zone", text, origin="Example.COM.")[0]
    assert (zone.facts.origin, zone.zone.origin) == ("example.com", "example.com")
    with pytest.raises(ZoneError, match=r"z\.zone:1: a relative name, and no \$ORIGIN says to what.*origin = \"exam"):
        read_text(tmp_path, "z.zone", text)
    with pytest.raises(ZoneError, match=r"nothing says which zone this is.*name its origin"):
        read_text(tmp_path, "z.zone", "example.com. A 192.0.2.1\n")


def test_an_error_in_line_4000_says_so(tmp_path: Path) -> None:
    """File, line, text and remedy."""
    lines = [f"h{n} A 192.0.2.1" for n in range(5000)]
    lines[3997] = "h3997 A 192.0.2.999"
    with pytest.raises(ZoneError) as caught:
        read_text(tmp_path, "zones/big.zone", HEAD + "\n".join(lines))
    assert str(caught.value) == "zones/big.zone:4000: not an IPv4 address: '192.0.2.999'; write A 192.0.2.1"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ("@ 99999999999 A 192.0.2.1", "a TTL of more than 2147483647 seconds"),
        ('@ TXT "open', "a quotation mark is opened and never closed"),
        ("@ ( A 192.0.2.1", "a parenthesis is opened and never closed"),
        ("$INCLUDE ../../etc/passwd", "leads out of"),
        ("$INCLUDE loop.inc", "not there"),
        ("$INCLUDE self.zone", "too many files"),
        ("$GENERATE 1-999999999 h$ A 192.0.2.1", "10000 is the limit"),
    ],
)
def test_faults_name_file_line_and_remedy(tmp_path: Path, line: str, told: str) -> None:
    """Every fault of the text is a ZoneError on its line."""
    (tmp_path / "loop.inc").symlink_to("loop.inc")
    with pytest.raises(ZoneError, match=told) as caught:
        read_text(tmp_path, "self.zone", f"{HEAD}{line}\n")
    assert caught.value.file == "self.zone" and caught.value.line == 3 and caught.value.remedy


def test_a_zone_without_records_is_refused(tmp_path: Path) -> None:
    """Rather than one in which nothing exists."""
    with pytest.raises(ZoneError, match="holds no record"):
        read_source(_touched(tmp_path / "z.zone"), shown="z.zone")


def _touched(path: Path) -> Path:
    path.write_text("$TTL 60\n")
    return path


def test_the_owner_of_the_soa_completes_what_comes_after_it(tmp_path: Path) -> None:
    """As cPanel exports zones: full names up to the SOA record, relative ones behind it, and no $ORIGIN."""
    text = (
        "; cPanel first:11.25.0\n$TTL 14400\nexample.com.\t86400\tIN\tSOA\tns1.example.net.\tadmin.example.net.\t(\n"
        "\t\t2010090201\t;Serial Number\n\t\t86400 7200 3600000 86400 )\nlocalhost\t14400\tIN\tA\t127.0.0.1\n"
    )
    zone = read_text(tmp_path, "example.com.db", text)[0].zone
    assert [(r.name, r.source.line) for r in zone.records()] == [("example.com", 3), ("localhost.example.com", 6)]


def test_a_text_that_no_record_can_hold_is_refused(tmp_path: Path) -> None:
    """RFC 1035 §3.3.14: the data of a record ends at 65,535 octets, however they are cut."""
    with pytest.raises(ZoneError, match=r"z\.zone:3: .*octets"):
        read_text(tmp_path, "z.zone", HEAD + f'@ TXT "{"k" * 70_000}"\n')
