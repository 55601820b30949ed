"""Reading replies: tolerant, bounded, and never a surprise."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliverkit.smtp.reply import Broken, Reply, ReplyReader, offer, shown


def read(octets: bytes, limit: int = 65_536) -> list[Reply | Broken]:
    """Every reply in some octets, up to the first that is none."""
    reader = ReplyReader(limit)
    reader.feed(octets)
    found: list[Reply | Broken] = []
    while (one := reader.take()) is not None:
        found.append(one)
        if isinstance(one, Broken):
            break
    return found


@pytest.mark.parametrize(
    ("octets", "replies"),
    [
        (b"220 mx.example.com ESMTP\r\n", [Reply(220, ("mx.example.com ESMTP",))]),
        (b"250\r\n", [Reply(250, ("",))]),
        (b"250-a\r\n250-b\r\n250 c\r\n", [Reply(250, ("a", "b", "c"))]),
        (b"250 a\r\n354 b\r\n", [Reply(250, ("a",)), Reply(354, ("b",))]),
        (b"250-a\r\n250", []),
        (b"250 gr\xc3\xbc\xc3\x9fe\r\n", [Reply(250, ("grüße",))]),
        (b"250 \xff\x1b[2J\r\n", [Reply(250, ("\\xff\\x1b[2J",))]),
    ],
)
def test_replies_are_read(octets: bytes, replies: list[Reply]) -> None:
    """One line, many lines, no text, UTF-8 and what is none: control characters never pass."""
    assert read(octets) == replies


@pytest.mark.parametrize(
    ("octets", "fault"),
    [
        (b"250-a\r\n220 b\r\n", "different codes: 250 and 220"),
        (b"250 a\n", "does not end by CRLF"),
        (b"250 " + b"x" * 600 + b"\r\n", "512 is the limit"),
    ],
)
def test_liberties_are_tolerated_and_noted(octets: bytes, fault: str) -> None:
    """Codes that differ within one reply, a bare LF, a line that is too long: read all the same."""
    (reply,) = read(octets)
    assert isinstance(reply, Reply)
    assert fault in "; ".join(reply.faults)


def test_codes_that_differ_count_as_the_last_one() -> None:
    """The line without a hyphen decides (RFC 5321 §4.2.1 does not foresee another)."""
    assert read(b"250-a\r\n550 b\r\n") == [Reply(550, ("a", "b"))]


@pytest.mark.parametrize("octets", [b"hello\r\n", b"\r\n", b"25 x\r\n", b"2500 x\r\n", b"150 x\r\n", b"250_x\r\n"])
def test_what_is_no_reply_is_garbage(octets: bytes) -> None:
    """The grammar's edges."""
    (broken,) = read(octets)
    assert isinstance(broken, Broken)
    assert broken.kind == "garbage"


@pytest.mark.parametrize("octets", [b"220 " + b"x" * 70_000, b"220-x\r\n" * 10_000])
def test_what_does_not_end_is_too_long(octets: bytes) -> None:
    """One endless line, or endlessly many."""
    broken = read(octets)[-1]
    assert isinstance(broken, Broken)
    assert broken.kind == "too-long"


@given(st.binary(max_size=2000), st.integers(1, 50))
def test_any_octets_in_any_pieces_read_alike(octets: bytes, size: int) -> None:
    """Where the network cuts does not matter, and nothing raises."""
    reader = ReplyReader(1000)
    pieces: list[Reply | Broken] = []
    for start in range(0, len(octets), size):
        reader.feed(octets[start : start + size])
        while (one := reader.take()) is not None:
            pieces.append(one)
            if isinstance(one, Broken):
                break
        if pieces and isinstance(pieces[-1], Broken):
            break
    whole = read(octets, 1000)
    stop = next((n for n, one in enumerate(whole) if isinstance(one, Broken)), len(whole))
    assert pieces[:stop] == whole[:stop]
    for one in pieces:
        text = "".join(one.lines) if isinstance(one, Reply) else one.heard
        assert not any(ord(c) < 32 and c not in "\t\n" for c in text)


def test_a_reply_that_drips_is_read_in_linear_time() -> None:
    """Sixty thousand octets, one at a time."""
    reader = ReplyReader()
    began = time.perf_counter()
    for _ in range(60_000):
        reader.feed(b"x")
        assert reader.take() is None
    assert time.perf_counter() - began < 2


def test_what_is_shown_is_short() -> None:
    """A beginning, and how much there was."""
    assert shown(b"x" * 1000) == "x" * 300 + "… (1000 octets)"


@pytest.mark.parametrize(
    ("lines", "mechanisms"),
    [
        (("mx", "AUTH PLAIN LOGIN"), ("PLAIN", "LOGIN")),
        (("mx", "AUTH=LOGIN"), ("LOGIN",)),
        (("mx", "AUTH=LOGIN PLAIN", "auth cram-md5 login"), ("LOGIN", "PLAIN", "CRAM-MD5")),
        (("mx", "AUTH"), ()),
        (("mx", "AUTHX PLAIN"), ()),
        (("AUTH PLAIN",), ()),
    ],
)
def test_mechanisms_of_every_form(lines: tuple[str, ...], mechanisms: tuple[str, ...]) -> None:
    """The first line is the server's name, whatever it says; the old AUTH= counts."""
    assert offer(Reply(250, lines)).mechanisms == mechanisms


def test_keywords_are_case_insensitive_and_keep_their_parameters() -> None:
    """RFC 5321 §2.4."""
    offered = offer(Reply(250, ("mx.example.com hello", "size 1000", "StartTLS")))
    assert offered.name == "mx.example.com"
    assert "starttls" in offered
    assert (offered.parameters("SIZE"), offered.parameters("DSN")) == ("1000", None)
    assert offered.lines == ("SIZE 1000", "STARTTLS")


@given(st.lists(st.text(max_size=30), max_size=8))
def test_any_reply_is_an_offer(lines: list[str]) -> None:
    """Whatever a server says to EHLO can be read."""
    offered = offer(Reply(250, tuple(lines)))
    assert all(isinstance(line, str) for line in (*offered.lines, *offered.mechanisms, offered.name))


def test_enhanced_codes_and_text() -> None:
    """The enhanced code counts once and only where its class fits (RFC 2034 §4)."""
    reply = Reply(550, ("5.7.26 This mail", "5.7.26 is unauthenticated"))
    assert (reply.enhanced, reply.text) == ("5.7.26", "5.7.26 This mail is unauthenticated")
    assert Reply(250, ("5.1.1 no",)).enhanced is None
