"""The MIME structure: parts, attachments, and every fault."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from email.message import EmailMessage
from email.policy import SMTP

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliverkit.facts.message import MessageFacts, read_message
from deliverkit.facts.message.mime import DEPTH, PARTS, parameters_of

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)


def read(raw: bytes) -> MessageFacts:
    """A message read at the usual time."""
    return read_message(raw, name="message", now=NOW)


def multipart(*parts: str, boundary: str = "b", close: bool = True) -> bytes:
    """A multipart/mixed of these parts, each with its header."""
    text = f'Content-Type: multipart/mixed; boundary="{boundary}"\n\n'
    text += "".join(f"--{boundary}\n{part}\n" for part in parts) + (f"--{boundary}--\n" if close else "")
    return text.replace("\n", "\r\n").encode()


def kinds(raw: bytes) -> list[str]:
    """The kinds of fault, in order."""
    return [fault.kind for fault in read(raw).mime.faults]


def test_a_message_as_python_composes_it() -> None:
    """Text, HTML with an enclosed image, and an attachment with a name that needs RFC 2231."""
    message = EmailMessage(policy=SMTP)
    message["From"] = "a@example.com"
    message.set_content("Grüße\n")
    message.add_alternative('<p>Grüße <img src="cid:1"></p>\n', subtype="html")
    message.add_attachment(b"%PDF-", maintype="application", subtype="pdf", filename="Rechnung für Änne.pdf")
    facts = read(message.as_bytes())
    assert facts.mime.faults == ()
    assert facts.text == "Grüße\n"
    assert facts.html == '<p>Grüße <img src="cid:1"></p>\n'
    assert [part.filename for part in facts.mime.attachments] == ["Rechnung für Änne.pdf"]
    assert [(part.number, part.type) for part in facts.mime.parts] == [
        ("", "multipart/mixed"),
        ("1", "multipart/alternative"),
        ("1.1", "text/plain"),
        ("1.2", "text/html"),
        ("2", "application/pdf"),
    ]


def test_the_line_end_before_a_boundary_is_not_the_part_s() -> None:
    """RFC 2046 §5.1.1: the CRLF belongs to the delimiter."""
    facts = read(multipart("\nHello"))
    part = facts.mime.parts[1]
    assert facts.octets[part.start : part.end] == b"Hello"


def test_an_outer_boundary_ends_an_inner_multipart() -> None:
    """RFC 2046 §5.1.2: nothing of the outer one is lost when the inner one is never closed."""
    inner = 'Content-Type: multipart/mixed; boundary="i"\n\n--i\n\nfirst'
    facts = read(multipart(inner, "\nsecond"))
    assert [part.number for part in facts.mime.leaves] == ["1.1", "2"]
    assert [(f.kind, f.part) for f in facts.mime.faults] == [("boundary-never-closed", "1")]


def test_a_boundary_that_begins_another_is_not_mistaken_for_it() -> None:
    """Boundaries like Part_1 and Part_10 are common."""
    inner = 'Content-Type: multipart/mixed; boundary="P10"\n\n--P10\n\nfirst\n--P10--'
    facts = read(multipart(inner, boundary="P1"))
    assert facts.mime.faults == ()
    assert [part.number for part in facts.mime.leaves] == ["1.1"]


@pytest.mark.parametrize(
    ("raw", "kind"),
    [
        (b"Content-Type: multipart/mixed\r\n\r\n--b\r\n", "no-boundary"),
        (b"Content-Type: multipart/mixed; boundary=b\r\n\r\n--B\r\n\r\nx\r\n--B--\r\n", "boundary-never-used"),
        (multipart("\nHello", close=False), "boundary-never-closed"),
        (multipart("\nHello", boundary="b" * 71), "bad-boundary"),
        (multipart("Content-Type: text/plain"), "header-not-closed"),
        (b"Content-Type: text\r\n\r\n", "bad-content-type"),
        (b"Content-Type: text/plain charset=utf-8\r\n\r\n", "bad-content-type"),
        (b"Content-Type: text/plain; charset=utf-9\r\n\r\n", "unknown-charset"),
        (b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n\xff", "not-in-charset"),
        (b"Content-Transfer-Encoding: uuencode\r\n\r\n", "unknown-encoding"),
        (b"Content-Transfer-Encoding: base64\r\n\r\nYQ=", "bad-base64"),
        (b"Content-Transfer-Encoding: base64\r\n\r\nY*==", "bad-base64"),
        (b"Content-Transfer-Encoding: quoted-printable\r\n\r\na=b", "bad-quoted-printable"),
        (b"Content-Transfer-Encoding: 7bit\r\n\r\n\xc3\xbc", "eight-bit-in-7bit"),
        (b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\nYQ==", "encoded-multipart"),
    ],
)
def test_each_fault_has_its_kind(raw: bytes, kind: str) -> None:
    """One message, one fault."""
    assert kinds(raw) == [kind]


def test_sound_encodings_have_no_fault() -> None:
    """Soft line breaks, blanks at line ends, padding and line ends within base64."""
    for body in (b"a=\r\nb=20\r\n", b"a= \r\nb", b"a="):
        assert kinds(b"Content-Transfer-Encoding: quoted-printable\r\n\r\n" + body) == []
    for body in (b"YQ==\r\n", b"YWJj\r\nYQ==", b""):
        assert kinds(b"Content-Transfer-Encoding: base64\r\n\r\n" + body) == []


def test_depth_and_number_of_parts_are_bounded() -> None:
    """What goes beyond is a fault, not a stack overflow."""
    deep = "".join(f'--{n}\nContent-Type: multipart/mixed; boundary="{n + 1}"\n\n' for n in range(200))
    facts = read(f'Content-Type: multipart/mixed; boundary="0"\n\n{deep}'.encode())
    assert len(facts.mime.parts) == DEPTH + 1
    assert "too-deep" in {fault.kind for fault in facts.mime.faults}
    many = read(multipart(*["\nx"] * (PARTS + 50)))
    assert len(many.mime.parts) == PARTS
    assert [fault.kind for fault in many.mime.faults] == ["too-many-parts"]


def test_parameters_of_rfc_2231() -> None:
    """Continuations in any order, charsets, and the plain form beside them."""
    assert parameters_of('attachment; filename*1="b.pdf"; filename*0=a') == {"filename": "ab.pdf"}
    assert parameters_of("x; filename*=utf-8''gr%C3%BCn.txt") == {"filename": "grün.txt"}
    assert parameters_of("x; f*0*=iso-8859-1'de'gr%FC; f*1=n%20") == {"f": "grün%20"}
    assert parameters_of('x; boundary="a;b\\"c"; y=z') == {"boundary": 'a;b"c', "y": "z"}


ALPHABET = st.sampled_from(
    [
        *("--a", "--b", "--a--", "--b--", "\r\n", "\n", "\r\n\r\n", "text", "=?utf-8?q?x?=", "<a href=", '"x">y</a>'),
        *("Content-Type: multipart/mixed; boundary=a", "Content-Type: multipart/alternative; boundary=b"),
        *("Content-Type: text/html; charset=utf-7", "Content-Disposition: attachment; filename=x"),
        *("Content-Transfer-Encoding: base64", "Date: ", "List-Unsubscribe: <", "From: a@b, "),
    ]
)


@given(st.one_of(st.binary(max_size=400), st.lists(ALPHABET, max_size=40).map(lambda t: "".join(t).encode())))
def test_anything_can_be_read(raw: bytes) -> None:
    """Never raises; every part lies inside the message; all that rules read can be read."""
    facts = read(raw)
    assert all(0 <= part.start <= part.end <= facts.size for part in facts.mime.parts)
    assert facts.mime.parts[0].number == ""
    assert facts.to_json()["size"] == facts.size
    for lazy in ("page", "links", "decoded", "date", "subject_text", "unsubscribe", "authors", "header_from"):
        getattr(facts, lazy)


def test_walking_is_linear() -> None:
    """A megabyte of delimiter-like lines, of nested or endless boundaries."""
    for piece in (
        "--\n",
        "--x\n",
        "--b\n",
        "--b--\n",
        "\n--b\nContent-Type: multipart/mixed; boundary=b\n\n",
        "--bb\n",
    ):
        raw = b"Content-Type: multipart/mixed; boundary=b\n\n" + piece.encode() * (1_000_000 // len(piece))
        began = time.perf_counter()
        read(raw)
        assert time.perf_counter() - began < 5, piece
