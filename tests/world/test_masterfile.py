"""Master files as people write them: what is read, what is refused, and how the refusal speaks."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliverkit.world.masterfile import (
    DEFAULT_TTL,
    ZoneError,
    ZoneRecord,
    parse_master_text,
    parse_ttl,
    read_master_file,
)
from deliverkit.world.zone import Zone


def records(text: str, origin: str | None = "example.com") -> tuple[ZoneRecord, ...]:
    """The records of a text."""
    return parse_master_text(text, origin=origin).records


def test_owner_ttl_and_class_may_be_left_out_or_swapped() -> None:
    """RFC 1035 §5.1: blanks repeat the owner; TTL and class come in either order."""
    found = records("@ 60 IN A 192.0.2.1\n  IN 1h A 192.0.2.2\nwww A 192.0.2.3\n\t TXT x ; comment\n")
    assert [(r.name, r.ttl) for r in found] == [
        ("example.com", 60),
        ("example.com", 3600),
        ("www.example.com", 3600),
        ("www.example.com", 3600),
    ]


def test_ttls_come_from_the_directive_the_record_before_or_the_soa() -> None:
    """RFC 2308 §4 and what BIND does without $TTL."""
    assert records("$TTL 1d\n@ A 192.0.2.1\n")[0].ttl == 86400
    assert [r.ttl for r in records("@ SOA a b 1 2 3 4 77\n@ A 192.0.2.1\n")] == [77, 77]
    assert records("@ A 192.0.2.1\n")[0].ttl == DEFAULT_TTL


@pytest.mark.parametrize(
    ("text", "seconds"), [("3600", 3600), ("1h30m", 5400), ("1W2D", 777600), ("x", None), ("9" * 12, None)]
)
def test_ttl_units(text: str, seconds: int | None) -> None:
    """BIND's units; nonsense and overflow are no TTL."""
    assert parse_ttl(text) == seconds


def test_parentheses_join_lines_and_quotes_protect() -> None:
    """A record over several lines, with comments inside and semicolons in quotes."""
    found = records('@ TXT ( "v=DMARC1; p=none" ; the policy\n  "; rua=x" )\n@ A 192.0.2.1\n')
    assert found[0].value == (b"v=DMARC1; p=none", b"; rua=x")
    assert (found[0].source.line, found[1].source.line) == (1, 3)


def test_an_unquoted_semicolon_cuts_the_record() -> None:
    """The commonest slip with DKIM and DMARC records in zone files: the rest is a comment."""
    assert records("_dmarc TXT v=DMARC1; p=reject\n")[0].value == (b"v=DMARC1",)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (r'"a\"b"', (b'a"b',)),
        (r'"a\;b"', (b"a;b",)),
        (r"a\;b c", (b"a;b", b"c")),
        (r'"\255\000"', (b"\xff\x00",)),
        (r'"caf\195\169"', ("café".encode(),)),
        ('"café" “v=spf1”', ("café".encode(), "“v=spf1”".encode())),
        ('""', (b"",)),
    ],
)
def test_text_and_its_escapes(text: str, value: tuple[bytes, ...]) -> None:
    """RFC 1035 §5.1: \\X and \\DDD; typographic quotation marks are ordinary octets."""
    assert records(f"@ TXT {text}\n")[0].value == value


def test_records_of_every_common_type() -> None:
    """Their plain values."""
    found = records(
        '@ MX 0 .\n@ CNAME www\n@ AAAA 2001:DB8::0:1\n_25._tcp TLSA 3 1 1 AB (\n CD )\n@ CAA 0 issue "ca.example"\n'
        "@ SRV 0 5 587 mail\n@ TYPE65534 \\# 2 ABCD\n@ SOA ns host.master 1 2h 3 4 5\n"
    )
    assert [r.value for r in found] == [
        (0, "."),
        "www.example.com",
        "2001:db8::1",
        (3, 1, 1, b"\xab\xcd"),
        '0 issue "ca.example"',
        "0 5 587 mail.example.com.",
        "\\# 2 abcd",
        ("ns.example.com", "host.master.example.com", 1, 7200, 3, 4, 5),
    ]


def test_generate_makes_records_in_bounds() -> None:
    """Numbers, offsets, widths and bases as BIND has them; the bound is on their count."""
    found = records(
        "$GENERATE 8-12/2 host$ A 192.0.2.$\n$GENERATE 1-2 x${0,3,x} TXT ${10}\n$GENERATE 171-171 ${0,3,n} TXT n\n"
    )
    assert [(r.name, r.value) for r in found[:3]] == [(f"host{n}.example.com", f"192.0.2.{n}") for n in (8, 10, 12)]
    assert [(r.name, r.value) for r in found[3:5]] == [
        ("x001.example.com", (b"11",)),
        ("x002.example.com", (b"12",)),
    ]
    assert found[5].name == "b.a.example.com"
    with pytest.raises(ZoneError, match="is the limit"):
        records("$GENERATE 1-999999999 host$ A 192.0.2.1\n")


def test_include_stays_in_the_tree(tmp_path: Path) -> None:
    """An included file is read with its own origin, which ends with it; other places are refused."""
    (tmp_path / "zones").mkdir()
    (tmp_path / "secret").write_text("@ TXT secret\n")
    (tmp_path / "zones" / "sub.inc").write_text("$TTL 7\nwww A 192.0.2.2\n$ORIGIN deep.example.com.\na A 192.0.2.3\n")
    main = tmp_path / "zones" / "main.zone"
    main.write_text("$ORIGIN example.com.\n@ A 192.0.2.1\n$INCLUDE sub.inc sub\nlast A 192.0.2.4\n")
    read = read_master_file(main)
    assert [r.name for r in read.records] == [
        "example.com",
        "www.sub.example.com",
        "a.deep.example.com",
        "last.example.com",
    ]
    assert read.records[1].source.file.endswith("sub.inc")
    for outside in ("../secret", str(tmp_path / "secret"), "/etc/passwd"):
        main.write_text(f"$ORIGIN example.com.\n$INCLUDE {outside}\n")
        with pytest.raises(ZoneError, match="leads out of"):
            read_master_file(main)
    (tmp_path / "zones" / "link.inc").symlink_to(tmp_path / "secret")
    main.write_text("$ORIGIN example.com.\n$INCLUDE link.inc\n")
    with pytest.raises(ZoneError, match="leads out of"):
        read_master_file(main)


def test_a_circle_of_includes_ends(tmp_path: Path) -> None:
    """A file that includes itself is told, not followed for ever."""
    main = tmp_path / "main.zone"
    main.write_text("$ORIGIN example.com.\n@ A 192.0.2.1\n$INCLUDE main.zone\n")
    with pytest.raises(ZoneError, match="circle"):
        read_master_file(main)


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ('@ TXT "v=spf1 -all\n', 1, "never closed"),
        ("\n@ TXT ( a\n", 2, "a parenthesis is opened and never closed"),
        ("@ TXT a )\n", 1, "closing parenthesis"),
        ("@ A 192.0.2.256\n", 1, "not an IPv4 address"),
        ("@ AAAA 192.0.2.1\n", 1, "not an IPv6 address"),
        ("@ A 192.0.2.1 192.0.2.2\n", 1, "more data"),
        ("@ MX mx.example.com.\n", 1, "MX 10 mx.example.com"),
        ("@ MX 0.\n", 1, "a null MX is MX 0 ."),
        ("@ MX ten mx\n", 1, "preference must be a number"),
        ("@ MX 70000 mx\n", 1, "preference must be a number"),
        ("@ TXT\n", 1, "without text"),
        (f'@ TXT "{"x" * 300}"\n', 1, "255 is the limit"),
        ("@ TEXT x\n", 1, "not a record type"),
        ("@ CH TXT x\n", 1, "class other than IN"),
        ("@ 60\n", 1, "without a type"),
        ("a..b A 192.0.2.1\n", 1, "not a domain name"),
        (f"{'x' * 64} A 192.0.2.1\n", 1, "not a domain name"),
        ("@ TLSA 3 1 1 xyz\n", 1, "not hexadecimal"),
        ("@ CAA wrong\n", 1, "CAA"),
        ("$NONSENSE 1\n", 1, "unknown directive"),
        ("$TTL soon\n", 1, "$TTL takes one time"),
        ("$ORIGIN a b\n", 1, "$ORIGIN takes one name"),
        ("$GENERATE 1-x a A 192.0.2.1\n", 1, "no range"),
        ("$INCLUDE other\n", 1, "without a file"),
        ("  A 192.0.2.1\n", 1, "no owner name"),
        ("@ TXT \x01\n\\\n", 2, "backslash"),
    ],
)
def test_errors_name_line_text_and_remedy(text: str, line: int, told: str) -> None:
    """A person can go to the line and knows what to write instead."""
    with pytest.raises(ZoneError) as caught:
        records(text)
    assert caught.value.line == line
    assert told in str(caught.value)
    assert str(caught.value).startswith(f"<text>:{line}: ")
    assert caught.value.remedy


def test_a_relative_name_needs_an_origin() -> None:
    """Before $ORIGIN only full names mean something."""
    with pytest.raises(ZoneError, match="relative name"):
        records("www A 192.0.2.1\n", origin=None)
    with pytest.raises(ZoneError, match="with its final dot"):
        records("$ORIGIN example.com\n", origin=None)


def test_files_that_are_none(tmp_path: Path) -> None:
    """Absent, empty, binary and a folder: each is told as what it is."""
    with pytest.raises(ZoneError, match="cannot be read"):
        Zone.load(tmp_path / "absent.zone")
    with pytest.raises(ZoneError, match="cannot be read"):
        Zone.load(tmp_path)
    (tmp_path / "empty.zone").write_text("; nothing\n\n")
    with pytest.raises(ZoneError, match="holds no record"):
        Zone.load(tmp_path / "empty.zone")
    (tmp_path / "binary.zone").write_bytes(b"\x7fELF\x00\x01\n\x00")
    with pytest.raises(ZoneError, match="is no text"):
        Zone.load(tmp_path / "binary.zone")


def test_windows_line_ends_and_a_byte_order_mark_are_read(tmp_path: Path) -> None:
    """Editors add them; they mean nothing."""
    path = tmp_path / "dos.zone"
    path.write_bytes(b'\xef\xbb\xbf$ORIGIN example.com.\r\n@ TXT "a"\r\n@ A 192.0.2.1\r\n')
    assert [r.source.line for r in Zone.load(path).records()] == [2, 3]


@given(st.text('@$;()"\\ \t\n.aMXTORIGN012-{}\udc80é', max_size=60))
def test_any_text_reads_or_is_refused(text: str) -> None:
    """Whatever is given: records or a ZoneError, nothing else."""
    try:
        for record in records(text):
            assert record.name
    except ZoneError as refused:
        assert refused.remedy


def test_reading_is_linear() -> None:
    """A long line of blanks, quotes or parentheses does not stall the reader."""
    for text in (
        "@ TXT " + " " * 400_000 + "x\n",
        "@ TXT " + '"a" ' * 15_000 + "\n",
        "@ TXT " + "()" * 100_000 + " x\n",
    ):
        began = time.process_time()
        records(text)
        assert time.process_time() - began < 2
