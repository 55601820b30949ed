"""What was done to a body after it was signed is named, and nothing is named without proof."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable

import pytest

from deliverkit.facts.message.mutation.change import KINDS, HalfSearch, State
from deliverkit.facts.message.mutation.of_body import search_body
from deliverkit.facts.message.mutation.view import View
from deliverkit.protocols.dkim.canonical import relaxed_body, simple_body
from deliverkit.protocols.dkim.signature import parse_signature
from deliverkit.protocols.dkim.verify import read_message

Code = Callable[[bytes], bytes]
HEAD = b"From: a@example.com\r\n"
MULTIPART = HEAD + b"MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n"
ENCODED = HEAD + b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n"


def searched(
    sent: bytes, came: bytes, form: str = "relaxed", *, head: bytes = HEAD, length: int | None = None
) -> HalfSearch:
    """The search for what made ``came`` of ``sent``; ``length`` is l=."""
    canonical = relaxed_body if form == "relaxed" else simple_body
    hashed = base64.b64encode(hashlib.sha256(canonical(sent)[:length]).digest()).decode()
    limit = "" if length is None else f" l={length};"
    text = f"v=1; a=rsa-sha256; c=relaxed/{form}; d=example.com; s=s1; h=from;{limit} bh={hashed}; b=AAAA"
    return search_body(View(read_message(head + b"\r\n" + came), None), parse_signature(text), State.AGREES)


def kinds(search: HalfSearch) -> list[str]:
    """The kinds of the changes that were named."""
    assert {change.kind for change in search.changes} <= set(KINDS)
    return [change.kind for change in search.changes]


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
@pytest.mark.parametrize("width", [76, 990, 998])
@pytest.mark.parametrize("length", [1000, 1950, 2000, 5000])
def test_broken_lines_are_named_however_many_pieces(length: int, width: int, blank: bool, form: str) -> None:
    """A line of several times the limit is joined again, whether the blank put in counts or none was put in."""
    before, after = b"hello\r\n", b"\r\nbye\r\n"
    line = b"x" * length
    told = searched(before + line + after, before + broken(line, width, blank=blank) + after, form)
    assert [c.text for c in told.changes] == [f"lines over {width} octets were broken by a server after signing"]


@pytest.mark.parametrize(
    ("sent", "came", "kind"),
    [
        (b"From here\r\n", b">From here\r\n", "from-quoted"),
        (b">From here\r\n", b"From here\r\n", "from-unquoted"),
        (b".dot\r\n", b"..dot\r\n", "dots-doubled"),
        (b"..dot\r\n", b".dot\r\n", "dots-lost"),
        (b"hello\r\n", b"\r\nhello\r\n", "first-line-added"),
        (b"\r\nhello\r\n", b"hello\r\n", "first-line-lost"),
        (b"hello\r\n", b"hello\r\n--\r\nthe list\r\n", "footer-added"),
        (b"hello\r\nyou\r\n", b"CAUTION\r\nexternal\r\nhello\r\nyou\r\n", "banner-added"),
        (b"gr\xfc\xdfe\r\n", "grüße\r\n".encode(), "charset-converted"),
        ("grüße\r\n".encode(), b"gr\xfc\xdfe\r\n", "charset-converted"),
        ("grüße\r\n".encode(), "grüße\r\n".encode().decode("latin-1").encode(), "charset-converted"),
        (b"a\r\nb\r\nc\r\n", b"a\r\r\nb\r\r\nc\r\r\n", "line-ends-doubled"),
        (b"a\r\nb\r\nc\r\n", b"a\r\n\r\nb\r\n\r\nc\r\n\r\n", "line-ends-doubled"),
        (b"", b"hello\r\n", "empty-body-signed"),
        (b"word " * 30 + b"end\r\n", b"word " * 14 + b"word\r\n" + b"word " * 14 + b"word\r\nend\r\n", "lines-wrapped"),
    ],
)
def test_known_changes_are_named(sent: bytes, came: bytes, kind: str) -> None:
    """Each by its kind."""
    assert kinds(searched(sent, came)) == [kind]


@pytest.mark.parametrize(
    ("sent", "came", "kind"),
    [
        (b"hello\r\nyou\r\n", b"hello \r\nyou\t\r\n", "blanks-added"),
        (b"hello\r\n-- \r\nme\r\n", b"hello\r\n--\r\nme\r\n", "blanks-lost"),
        (b"a b\r\n", b"a\tb\r\n", "tabs-changed"),
        (b"a\tb\r\n", b"a        b\r\n", "tabs-changed"),
        (b"a b\r\n", b"a  \t b \r\n", "other-canonicalization"),
    ],
)
def test_changes_that_only_simple_canonicalization_sees(sent: bytes, came: bytes, kind: str) -> None:
    """They are named, and relaxed canonicalization passes over them."""
    assert kinds(searched(sent, came, "simple")) == [kind]
    assert searched(sent, came, "relaxed").state is State.AGREES


def test_a_footer_tells_its_lines_and_where_it_begins() -> None:
    """Evidence is the first line that says something."""
    [change] = searched(b"hello\r\n", b"hello\r\n\r\n______\r\nThe \x1b[31mlist\r\n").changes
    assert change.text == "a footer of 2 lines was added at the end of the body after signing"
    assert (change.line, change.evidence, change.half) == (4, "The \x1b[31mlist", "body")


def test_two_changes_of_the_body_are_told_one_by_one() -> None:
    """An mbox and a list."""
    told = searched(b"hello\r\nFrom me\r\n", b"hello\r\n>From me\r\n-- \r\nthe list\r\n")
    assert kinds(told) == ["from-quoted", "footer-added"]


def parts(text: bytes, html: bytes, encoding: bytes = b"") -> bytes:
    """Two parts in a multipart."""
    field = b"Content-Transfer-Encoding: " + encoding + b"\r\n" if encoding else b""
    one = b"--b\r\nContent-Type: text/plain; charset=utf-8\r\n" + field + b"\r\n" + text + b"\r\n"
    return one + b"--b\r\nContent-Type: text/html; charset=utf-8\r\n" + field + b"\r\n" + html + b"\r\n--b--\r\n"


def base64_lines(text: bytes) -> bytes:
    return base64.encodebytes(text).replace(b"\n", b"\r\n")


def quoted(text: bytes) -> bytes:
    return binascii.b2a_qp(text.replace(b"\r\n", b"\n"), istext=True).replace(b"\n", b"\r\n")


TEXT, HTML = "Grüße, Ann\r\nbis bald\r\n".encode(), b"<html><body><p>Hello Ann</p></body></html>\r\n"
FOOTER, HTML_FOOTER = b"-- \r\nthe list\r\n", b"<div>the list</div></body>"


@pytest.mark.parametrize("coded", [bytes, base64_lines, quoted])
def test_footers_within_parts(coded: Code) -> None:
    """In the text, in the HTML before its end, in both at once; 8bit, base64 and quoted-printable."""
    encoding = {bytes: b"8bit", base64_lines: b"base64", quoted: b"quoted-printable"}[coded]
    sent = parts(coded(TEXT), coded(HTML), encoding)
    html = HTML.replace(b"</body>", HTML_FOOTER)
    for came in (
        parts(coded(TEXT + FOOTER), coded(HTML), encoding),
        parts(coded(TEXT), coded(html), encoding),
        parts(coded(TEXT + FOOTER), coded(html), encoding),
    ):
        [change] = searched(sent, came, head=MULTIPART).changes
        assert change.kind in ("footer-added", "lines-added")
        assert "the list" in change.evidence


def test_a_banner_within_html() -> None:
    """Behind the tag that opens the body."""
    sent, came = parts(TEXT, HTML), parts(TEXT, HTML.replace(b"<body>", b"<body><p>CAUTION: external</p>"))
    [change] = searched(sent, came, head=MULTIPART).changes
    assert (change.kind, change.evidence) == ("banner-added", "<p>CAUTION: external</p>")


def test_a_part_added_behind_the_others() -> None:
    """As some lists add their footer."""
    sent = parts(TEXT, HTML)
    came = sent.replace(b"--b--", b"--b\r\nContent-Type: text/plain\r\n\r\nthe list\r\n--b--")
    [change] = searched(sent, came, head=MULTIPART).changes
    assert (change.kind, change.evidence) == ("part-added", "the list")


def test_a_message_wrapped_with_a_footer_as_another_part() -> None:
    """As Mailman does with a message of one part."""
    first = b"--b\r\nContent-Type: text/plain\r\n\r\nhello\r\n\r\n"
    wrapped = first + b"--b\r\nContent-Type: text/plain\r\n\r\nthe list\r\n--b--\r\n"
    [change] = searched(b"hello\r\n", wrapped, head=MULTIPART).changes
    assert (change.kind, change.evidence) == ("part-added", "the list")


@pytest.mark.parametrize("before", [bytes, base64_lines])
def test_a_transfer_encoding_that_was_changed(before: Code) -> None:
    """8bit or base64 that a server made quoted-printable; the signed header does not name the encoding."""
    sent = before(TEXT)
    assert kinds(searched(sent, quoted(TEXT), head=ENCODED)) == ["encoding-changed"]


def test_quoted_printable_written_anew() -> None:
    """By a server that quotes other characters and breaks lines elsewhere (stalwart#437)."""
    plain = (
        "Grüße #1 [neu] aus Köln, und noch viel mehr Text als in eine Zeile passt, bis Sonntag\r\nFrom me\r\n".encode()
    )
    anew = quoted(plain).replace(b"#", b"=23").replace(b"[", b"=5B").replace(b"From me", b"=46rom me")
    assert kinds(searched(quoted(plain), anew, head=ENCODED)) == ["quoted-printable-anew"]


def test_parts_whose_encoding_was_changed_together() -> None:
    """All parts of 8-bit text, as a server without 8BITMIME behind it does."""
    sent, came = parts(TEXT, TEXT, b"8bit"), parts(quoted(TEXT), quoted(TEXT), b"quoted-printable")
    assert kinds(searched(sent, came, head=MULTIPART)) == ["encoding-changed"]


def test_a_body_that_was_cut() -> None:
    """l= says how much was signed, and a signed header says that l= is right."""
    [change] = searched(b"hello\r\nworld\r\n", b"hello\r\n", length=14).changes
    assert (change.kind, "14 octets were signed (l=), 7 of them are missing" in change.text) == ("body-cut", True)


def test_an_unknown_change_is_not_named() -> None:
    """Other words are other words."""
    told = searched(b"hello\r\n", b"good bye\r\n")
    assert (told.state, told.changes, told.gave_up) == (State.UNEXPLAINED, (), False)
    assert told.tries > 10
