"""The content of DATA: collected the same whatever the chunks, ended by CRLF.CRLF only, examined in linear time."""

from __future__ import annotations

import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliverkit.smtp.content import Content, FaultKind, Room, examine, unstuffed

PIECES = st.sampled_from(
    [b"\r", b"\n", b"\r\n", b".", b"..", b"a", b"\0", b"\xff", b"\r\n.", b"\n.\n", b"x" * 990, b" "]
)
HOSTILE = st.lists(PIECES, max_size=40).map(b"".join)


def collected(wire: bytes, cuts: list[int]) -> tuple[Content, bytes | None]:
    """Feed the octets, cut at the given places, until the end is seen."""
    content = Content()
    places = sorted({0, len(wire), *(cut % (len(wire) + 1) for cut in cuts)})
    for start, end in pairwise(places):
        rest = content.feed(wire[start:end])
        if rest is not None:
            return content, rest + wire[end:]
    return content, None


def end_of_data(wire: bytes) -> int | None:
    """Where the content ends by the letter of RFC 5321 §4.1.1.4, found naively."""
    found = (b"\r\n" + wire).find(b"\r\n.\r\n")
    return found if found >= 0 else None


@given(HOSTILE, st.lists(st.integers(0, 60_000), max_size=12))
def test_content_is_the_same_whatever_the_chunks(wire: bytes, cuts: list[int]) -> None:
    """Random chunking gives the same octets, the same end and the same rest as the whole at once."""
    content, rest = collected(wire + b"\r\n.\r\nQUIT\r\n", cuts)
    end = end_of_data(wire + b"\r\n.\r\nQUIT\r\n")
    assert end is not None
    assert content.take() == (wire + b"\r\n.\r\n")[:end]
    assert rest == (wire + b"\r\n.\r\nQUIT\r\n")[end + 3 :]
    assert content.octets == end + 3


@given(HOSTILE, st.lists(st.integers(0, 60_000), max_size=12))
def test_what_is_known_of_dots_spares_a_pass_and_changes_nothing(wire: bytes, cuts: list[int]) -> None:
    """Where no line was seen to begin with a dot, looking for one finds nothing."""
    content, _ = collected(wire + b"\r\n.\r\n", cuts)
    kept = content.take()
    assert unstuffed(kept, dotted=content.dotted) == unstuffed(kept)
    assert examine(kept, dotted=content.dotted) == examine(kept)


@given(HOSTILE)
def test_without_crlf_dot_crlf_there_is_no_end(wire: bytes) -> None:
    """LF.LF, LF.CRLF, CR.CR and the like never end the data."""
    content, rest = collected(wire, list(range(len(wire))))
    assert (rest is None) == (end_of_data(wire) is None)
    assert content.ended == (rest is not None)


@given(HOSTILE)
def test_examination_never_raises_and_its_positions_lie_inside(wire: bytes) -> None:
    """Whatever the octets, faults have a count, a place inside and printable text."""
    for fault in examine(wire):
        assert fault.count > 0
        assert fault.position is not None
        assert 0 <= fault.position < len(wire)
        assert fault.text.isprintable()


@given(st.lists(st.binary(max_size=30), max_size=12))
def test_what_a_client_stuffs_comes_out_again(lines: list[bytes]) -> None:
    """Doubling dots after CRLF and taking them away again is the identity."""
    text = b"".join(line.replace(b"\r", b"").replace(b"\n", b"") + b"\r\n" for line in lines)
    stuffed = (b"." + text if text.startswith(b".") else text).replace(b"\r\n.", b"\r\n..")
    assert unstuffed(stuffed) == text
    assert not {FaultKind.DOT_NOT_DOUBLED, FaultKind.FALSE_END} & {f.kind for f in examine(stuffed)}


def test_an_empty_message_ends_at_once() -> None:
    """The CRLF of the DATA command itself begins the end of data."""
    content = Content()
    assert content.feed(b".\r\n") == b""
    assert content.take() == b""


def test_the_first_line_is_unstuffed_too() -> None:
    """A dot in the very first line was doubled by the client like any other."""
    assert unstuffed(b"..first\r\n..second\r\n") == b".first\r\n.second\r\n"


def test_dots_after_a_bare_line_feed_stay() -> None:
    """Only CRLF ends a line: an LF-only sender keeps its doubled dots, and is told so."""
    wire = b"a\n..b\r\n"
    assert unstuffed(wire) == wire
    assert FaultKind.DOT_DOUBLED_AFTER_LF in {fault.kind for fault in examine(wire)}


@pytest.mark.parametrize(
    ("wire", "told"),
    [
        (b"a\n.\nb\r\n", "<LF>.<LF>"),
        (b"a\n.\r\nb\r\n", "<LF>.<CR><LF>"),
        (b"a\r.\rb\r\n", "<CR>.<CR>"),
        (b"a\r.\r\nb\r\n", "<CR>.<CR><LF>"),
        (b"a\r\n.\nb\r\n", "<CR><LF>.<LF>"),
        (b".\nb\r\n", "<CR><LF>.<LF>"),
        (b"a\n.\n.\nb\r\n", "2 sequence(s)"),
    ],
)
def test_smuggling_sequences_are_noticed(wire: bytes, told: str) -> None:
    """Sequences that some servers take for the end of data are named."""
    faults = {fault.kind: fault for fault in examine(wire)}
    assert told in faults[FaultKind.FALSE_END].detail


@pytest.mark.parametrize("wire", [b"a\r\n.\rb\r\n", b"a\r\n..\r\nb\r\n", b"a.\r\nb\n", b"a\r\n.b\nc\r\n"])
def test_false_alarms_of_smuggling(wire: bytes) -> None:
    """CRLF.CR, a stuffed dot, a full stop at the end of a line: none of them ends data anywhere."""
    assert FaultKind.FALSE_END not in {fault.kind for fault in examine(wire)}


@pytest.mark.parametrize(("octets", "is_long"), [(998, False), (999, True)])
@pytest.mark.parametrize("around", [b"", b"short\r\n", b"x\r\n" * 400])
@pytest.mark.parametrize("dot", [b"", b"."])
def test_a_line_may_have_998_octets(octets: int, is_long: bool, around: bytes, dot: bytes) -> None:
    """The limit is 998 octets without CRLF, the doubled dot not counted, wherever the line stands."""
    line = dot + (b"." if dot else b"x") + b"x" * (octets - 1) + b"\r\n"
    faults = {fault.kind: fault for fault in examine(around + line + around)}
    assert (FaultKind.LONG_LINE in faults) == is_long
    if is_long:
        assert faults[FaultKind.LONG_LINE].position == len(around)
        assert f"longest of {octets}" in faults[FaultKind.LONG_LINE].detail


def test_bare_octets_are_counted_and_placed() -> None:
    """Bare LF, bare CR and NUL: how many, and where the first one stands."""
    faults = {fault.kind: fault for fault in examine(b"ab\r\nc\nd\re\0\0\r\n")}
    assert (faults[FaultKind.BARE_LF].count, faults[FaultKind.BARE_LF].position) == (1, 5)
    assert (faults[FaultKind.BARE_CR].count, faults[FaultKind.BARE_CR].position) == (1, 7)
    assert (faults[FaultKind.NUL].count, faults[FaultKind.NUL].line) == (2, 3)


def test_sound_content_has_no_fault() -> None:
    """What a good client sends yields nothing."""
    assert examine(b"Subject: a\r\n\r\n" + b"Hello, world.\r\n" * 500 + b"..\r\n") == ()


def test_too_much_is_counted_but_not_kept() -> None:
    """Beyond the limit the octets are let go, the room is given back, and the end is still seen."""
    room = Room(1 << 20)
    content = Content(limit=1000, room=room)
    assert content.feed(b"x" * 900) is None
    assert room.taken == 900
    assert content.feed(b"x" * 900) is None
    assert (content.too_big, room.taken) == (True, 0)
    assert content.feed(b"\r\n.\r\nNOOP\r\n") == b"NOOP\r\n"
    with pytest.raises(ValueError, match="no content"):
        content.take()


def test_content_of_exactly_the_limit_is_kept() -> None:
    """The final dot and its CRLF do not count."""
    content = Content(limit=10)
    assert content.feed(b"12345678\r\n.\r\n") == b""
    assert content.take() == b"12345678\r\n"


def test_without_room_nothing_is_kept() -> None:
    """Octets in flight are bounded over all sessions."""
    room = Room(100)
    first, second = Content(room=room), Content(room=room)
    first.feed(b"x" * 80)
    second.feed(b"y" * 80)
    assert (first.no_room, second.no_room, room.taken) == (False, True, 80)
    first.let_go()
    assert room.taken == 0


@pytest.mark.parametrize(
    "unit", [b"\n", b"\r", b"\r\n..", b"\r\n.x", b" .\r\n", b"x", b"\n.\n", b"\r\n.\n", b"\0"], ids=repr
)
def test_collecting_and_examining_are_linear(unit: bytes) -> None:
    """Two megabytes of any one sequence take well under a few seconds."""
    began = time.process_time()
    content, hostile = Content(), b"a" + unit * ((1 << 21) // len(unit))
    for start in range(0, len(hostile), 4096):
        assert content.feed(hostile[start : start + 4096]) is None
    content.feed(b"\r\n.\r\n")
    examine(content.take())
    assert time.process_time() - began < 4.0
