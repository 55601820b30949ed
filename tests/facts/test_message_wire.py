"""The octets of a message, read without repairing them."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from deliverkit.facts.message.wire import as_on_the_wire, read_header, read_lines

PIECES = st.lists(
    st.sampled_from(
        [b"\r\n", b"\n", b"\r", b".", b"..", b"\0", b" ", b"\t", b"a", b"From: a@b", b"Subject:", b"\xff", b"x" * 999]
    )
).map(b"".join)


def test_each_kind_of_line_end_is_counted_where_it_stands() -> None:
    """Bare LF, bare CR and CRLF are told apart, and lines are numbered by LF."""
    lines = read_lines(b"a\r\nb\nc\rd\r\ne")
    assert (lines.crlf, lines.bare_lf.count, lines.bare_cr.count) == (2, 1, 1)
    assert lines.bare_lf.places[0].line == 2
    assert lines.bare_cr.places[0].line == 3
    assert lines.mixed


def test_the_limit_of_998_does_not_count_the_line_end() -> None:
    """998 octets and CRLF are allowed, 999 are not, with any line end."""
    assert not read_lines(b"x" * 998 + b"\r\n").over_998
    assert read_lines(b"x" * 999 + b"\r\n").over_998.places[0].length == 999
    assert not read_lines(b"x" * 998 + b"\n").over_998
    assert read_lines(b"ok\r\n" + b"x" * 1200).over_998.places[0].line == 2


def test_smuggling_sequences_and_their_innocent_cousins() -> None:
    """LF.LF, LF.CRLF, CR.CR are reported; CRLF.CRLF (a line of one dot) and CRLF.CR are not."""
    for sequence, name in ((b"\n.\n", "LF.LF"), (b"\n.\r\n", "LF.CRLF"), (b"\r.\r", "CR.CR"), (b"\r\n.\n", "CRLF.LF")):
        assert [end.sequence for end in read_lines(b"a" + sequence + b"b").false_ends] == [name]
    for innocent in (b"\r\n.\r\n", b"\r\n.\rb\n", b"\r\n..\r\n"):
        assert read_lines(b"a" + innocent + b"b\r").false_ends == ()


def test_sequences_that_share_a_line_end_are_both_seen() -> None:
    """LF.LF.LF holds two false ends."""
    assert len(read_lines(b"a\n.\n.\nb").false_ends) == 2


def test_only_a_file_without_any_crlf_is_converted() -> None:
    """Local line ends become CRLF; mixed ones are evidence and stay."""
    assert as_on_the_wire(b"a\nb\n") == (b"a\r\nb\r\n", True)
    assert as_on_the_wire(b"a\rb\r") == (b"a\r\nb\r\n", True)
    assert as_on_the_wire(b"a\r\nb\n") == (b"a\r\nb\n", False)
    assert as_on_the_wire(b"a\nb\r") == (b"a\nb\r", False)


def test_header_fields_keep_their_folds_and_faults() -> None:
    """Folds, folds after the name, blank continuations, blanks before the colon, and lines that are no field."""
    header = read_header(b"A: 1\r\n 2\r\nB:\r\n three\r\nC: x\r\n \r\n y\r\nD : z\r\nno field\r\n\r\nbody")
    assert [(f.name, f.value, f.line) for f in header.fields] == [
        ("A", "1 2", 1),
        ("B", "three", 3),
        ("C", "x  y", 5),
        ("D", "z", 8),
    ]
    assert [f.folded_after_name for f in header.fields] == [False, True, False, False]
    assert [f.blank_fold for f in header.fields] == [False, False, True, False]
    assert header.fields[3].blank_before_colon
    assert header.strays == ((9, "no field"),)
    assert header.closed
    assert header.body_line == 11


def test_octets_that_are_no_text_survive_in_a_value() -> None:
    """A value in ISO-8859-1 neither raises nor loses octets."""
    field = read_header(b"Subject: gr\xfcn\r\n\r\n").fields[0]
    assert field.eight_bit
    assert not field.utf8
    assert field.value.encode("utf-8", "surrogateescape") == b"gr\xfcn"


@given(PIECES)
def test_anything_can_be_read(raw: bytes) -> None:
    """Counts agree with the octets, places lie inside, fields are whole pieces of the message."""
    lines = read_lines(raw)
    assert lines.crlf + lines.bare_lf.count == raw.count(b"\n")
    assert lines.crlf + lines.bare_cr.count == raw.count(b"\r")
    for seen in (lines.bare_lf, lines.bare_cr, lines.over_998, lines.nul, lines.still_stuffed):
        assert all(0 <= place.offset < len(raw) and 1 <= place.line <= lines.count for place in seen.places)
    header = read_header(raw)
    assert 0 <= header.body <= len(raw)
    assert all(field.raw in raw for field in header.fields)


def test_reading_is_linear() -> None:
    """A megabyte of each kind of hostile line takes well under a second; quadratic work would take minutes."""
    for piece in (b"\n", b"\r", b"a\n.\n", b"\r\n.\r", b"x: y\n", b" \n", b"\0", b"x" * 999 + b"\n"):
        raw = piece * (1_000_000 // len(piece))
        began = time.perf_counter()
        read_lines(raw)
        read_header(raw)
        assert time.perf_counter() - began < 5
