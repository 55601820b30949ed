"""What was done to a body after it was signed is named, and nothing is named without proof."""

from __future__ import annotations

import base64
import hashlib

import pytest

from deliverkit.facts.message.mutations import name_mutation
from deliverkit.protocols.dkim.canonical import relaxed_body, simple_body
from deliverkit.protocols.dkim.signature import Signature, parse_signature


def signature(body: bytes, form: str = "relaxed") -> Signature:
    """A signature whose body hash is this body's."""
    canonical = relaxed_body if form == "relaxed" else simple_body
    hashed = base64.b64encode(hashlib.sha256(canonical(body)).digest()).decode()
    text = f"v=1; a=rsa-sha256; c=relaxed/{form}; d=example.com; s=s1; h=from; bh={hashed}; b=AAAA"
    return parse_signature(text.encode())


def broken(line: bytes, width: int, *, blank: bool) -> bytes:
    """A line as servers break it: each piece ``width`` octets, the blank in front of a rest included."""
    pieces, rest = [line[:width]], line[width:]
    while rest:
        room = width - blank
        pieces.append(b" " * blank + rest[:room])
        rest = rest[room:]
    return b"\r\n".join(pieces)


@pytest.mark.parametrize("form", ["relaxed", "simple"])
@pytest.mark.parametrize("blank", [True, False])
@pytest.mark.parametrize("width", [990, 998])
@pytest.mark.parametrize("length", [999, 1900, 2000, 5000])
def test_broken_lines_are_named_however_many_pieces(length: int, width: int, blank: bool, form: str) -> None:
    """A line of several times the limit is joined again, whether the blank put in counts or none was put in."""
    before, after = b"hello\r\n", b"\r\nbye\r\n"
    line = b"x" * length
    told = name_mutation(before + broken(line, width, blank=blank) + after, signature(before + line + after, form))
    assert told == f"lines over {width} octets were broken by a server after signing"


@pytest.mark.parametrize(
    ("sent", "came", "said"),
    [
        (b"From here\r\n", b">From here\r\n", "a > was put before lines"),
        (b".dot\r\n", b"..dot\r\n", "still doubled"),
        (b"..dot\r\n", b".dot\r\n", "dots at the beginning of lines were lost"),
        (b"hello\r\n", b"\r\nhello\r\n", "an empty line was added before the body"),
        (b"hello\r\n", b"hello\r\n--\r\nthe list\r\n", "a footer or a disclaimer"),
        (b"gr\xfc\xdfe\r\n", "grüße\r\n".encode(), "ISO-8859-1"),
    ],
)
def test_known_changes_are_named(sent: bytes, came: bytes, said: str) -> None:
    """Each in its own words."""
    told = name_mutation(came, signature(sent))
    assert told is not None
    assert said in told


def test_an_unknown_change_is_not_named() -> None:
    """Other words are other words."""
    assert name_mutation(b"good bye\r\n", signature(b"hello\r\n")) is None
