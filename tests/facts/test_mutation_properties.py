"""Whatever is signed: a known change is named, an unknown one never is, and the work is bounded whatever comes."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from deliverkit.facts.message.mutation import State
from tests.facts.test_mutation_body import searched
from tests.facts.test_mutation_header import searches_of
from tests.make_messages import message, sign

WORDS = st.text("abcdefghijklmnopqrstuvwxyz äöüß", min_size=1, max_size=30).map(
    lambda text: " ".join(text.split()) or "x"
)
LINES = st.lists(st.one_of(WORDS, st.sampled_from(["", "From me", ".dot", "-- ", ">quoted"])), min_size=2, max_size=12)
FORMS = st.sampled_from(["relaxed/relaxed", "relaxed/simple", "simple/relaxed", "simple/simple"])
Mutation = Callable[[bytes], bytes]


def _head_and_body(raw: bytes) -> tuple[bytes, bytes]:
    head, _, body = raw.partition(b"\r\n\r\n")
    return head + b"\r\n\r\n", body


def _of_body(change: Mutation) -> Mutation:
    def mutate(raw: bytes) -> bytes:
        head, body = _head_and_body(raw)
        return head + change(body)

    return mutate


MUTATIONS: dict[str, tuple[Mutation, set[str]]] = {
    "tag": (lambda raw: raw.replace(b"Subject: ", b"Subject: [list] ", 1), {"subject-tagged"}),
    "footer": (lambda raw: raw + b"____\r\nthe mailing list\r\n", {"footer-added"}),
    "banner": (_of_body(lambda body: b"CAUTION: external\r\n" + body), {"banner-added"}),
    "field": (lambda raw: b"Reply-To: x@example.net\r\n" + raw, {"field-added"}),
    "from": (_of_body(lambda body: body.replace(b"\r\nFrom ", b"\r\n>From ")), {"from-quoted"}),
    "dots": (_of_body(lambda body: body.replace(b"\r\n.", b"\r\n..")), {"dots-doubled"}),
    "latin": (_of_body(lambda body: body.decode().encode("latin-1")), {"charset-converted"}),
    "tag and footer": (
        lambda raw: raw.replace(b"Subject: ", b"Subject: [list] ", 1) + b"____\r\nthe mailing list\r\n",
        {"subject-tagged", "footer-added"},
    ),
    "from and footer": (
        _of_body(lambda body: body.replace(b"\r\nFrom ", b"\r\n>From ") + b"____\r\nthe list\r\n"),
        {"from-quoted", "footer-added"},
    ),
}


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(LINES, WORDS, FORMS, st.sampled_from(sorted(MUTATIONS)))
def test_a_known_change_is_named(lines: list[str], subject: str, form: str, name: str) -> None:
    """Each by its own kind, whatever was signed, in whatever form."""
    body = "".join(f"{line}\r\n" for line in ["begin", *lines, "end"])
    signed = sign(message(body, Subject=subject), canonicalization=form)
    mutate, expected = MUTATIONS[name]
    changed = mutate(signed)
    [search] = searches_of(changed)
    if search is None:
        assert changed == signed or form.endswith("relaxed"), "the signature still passes"
        return
    named = {change.kind for change in search.changes}
    assert named <= expected
    assert named == expected or "and" in name, (name, search)  # one of two changes may change nothing
    assert State.UNEXPLAINED not in (search.header, search.body)


@settings(max_examples=150, deadline=None)
@given(LINES, st.data(), FORMS)
def test_an_unknown_change_is_never_named(lines: list[str], data: st.DataObject, form: str) -> None:
    """A letter becomes another: nothing known does that, so nothing may be named."""
    body = "".join(f"{line}\r\n" for line in ["begin", *lines, "end"])
    signed = sign(message(body), canonicalization=form)
    head, _ = _head_and_body(signed)
    letters = [n for n, octet in enumerate(signed) if n > len(head) and 97 <= octet < 122]
    at = data.draw(st.sampled_from(letters))
    [search] = searches_of(signed[:at] + bytes((signed[at] + 1,)) + signed[at + 1 :])
    assert search is not None
    assert (search.changes, search.body) == ((), State.UNEXPLAINED)
    assert search.header is State.AGREES


@settings(max_examples=40, deadline=None)
@given(LINES, WORDS, FORMS)
def test_what_was_not_changed_is_not_searched(lines: list[str], subject: str, form: str) -> None:
    """None for each signature that passes."""
    body = "".join(f"{line}\r\n" for line in lines)
    assert searches_of(sign(message(body, Subject=subject), canonicalization=form)) == (None,)


@settings(max_examples=100, deadline=None)
@given(st.text("abcäöü=.\t FrFrom\n", max_size=400), st.sampled_from(["base64", "quoted-printable", "8bit"]))
def test_an_encoding_that_was_changed(text: str, before: str) -> None:
    """Quoted-printable of what was base64 or 8bit; what comes out of decoding is what went in."""
    plain = "\r\n".join(["begin", *text.split("\n"), "end", ""]).encode()
    assume(not plain.isascii())
    coded = binascii.b2a_qp(plain.replace(b"\r\n", b"\n"), istext=True).replace(b"\n", b"\r\n")
    sent = {"base64": base64.encodebytes(plain).replace(b"\n", b"\r\n"), "quoted-printable": coded, "8bit": plain}[
        before
    ]
    head = b"From: a@example.com\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: "
    came, now = (coded, b"quoted-printable") if before != "quoted-printable" else (plain, b"8bit")
    search = searched(sent, came, head=head + now + b"\r\n")
    assert [change.kind for change in search.changes] in (["encoding-changed"], ["decoded-text-signed"])


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=300), st.binary(max_size=300), st.sampled_from([b"", b"base64", b"quoted-printable"]))
def test_any_octets_are_searched(sent: bytes, came: bytes, encoding: bytes) -> None:
    """Never raises; what is named is proven, so that undoing it is another message."""
    head = b"From: a@example.com\r\nMIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n"
    head += b"Content-Transfer-Encoding: " + encoding + b"\r\n" if encoding else b""
    for form in ("relaxed", "simple"):
        search = searched(sent, came, form, head=head)
        assert (search.state is State.EXPLAINED) == bool(search.changes)


HOSTILE = [
    b"x",
    b"\r\n",
    b" ",
    b"From \r\n",
    b"..\r\n",
    b"<",
    b"=",
    b"=AB",
    b"\xc3\xbc",
    b"--b\r\n\r\n",
    b"a\tb\r\n",
    b"!\r\n",
]


@pytest.mark.parametrize("piece", HOSTILE)
@pytest.mark.parametrize("type_", [b"text/html", b"multipart/mixed; boundary=b"])
@pytest.mark.parametrize("encoding", [b"quoted-printable", b"base64", b"8bit"])
def test_a_hostile_megabyte_ends_within_the_bound(piece: bytes, type_: bytes, encoding: bytes) -> None:
    """Work is counted: two searches of the same body end at the same try."""
    head = b"From: a@example.com\r\nContent-Type: " + type_ + b"\r\nContent-Transfer-Encoding: " + encoding + b"\r\n"
    body = piece * (1_000_000 // len(piece))
    search = searched(b"hello\r\n", body, head=head)
    assert (search.state, search.changes) == (State.UNEXPLAINED, ())
    assert search.tries <= 6_000
    if piece in (b"x", b"<"):
        assert searched(b"hello\r\n", body, head=head) == search


def test_a_body_beyond_the_bound_is_given_up_at_once() -> None:
    """The report says so."""
    search = searched(b"hello\r\n", b"x" * (9 << 20))
    assert (search.state, search.tries, search.gave_up) == (State.UNEXPLAINED, 0, True)


def test_parts_nested_deeply_are_searched() -> None:
    """MIME is read within its own bounds."""
    nested = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(200))
    head = b"From: a@example.com\r\nContent-Type: multipart/mixed; boundary=b0\r\n"
    assert searched(b"hello\r\n", b"--b0\r\n" + nested + b"\r\nhi\r\n", head=head).changes == ()
