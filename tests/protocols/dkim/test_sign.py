"""Signing: what we sign passes here and with stock dkimpy, is oversigned, and covers one-click unsubscribing."""

from __future__ import annotations

import re
from datetime import timedelta

import dkim
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deliverkit.protocols.dkim.canonical import split_message
from deliverkit.protocols.dkim.sign import OVERSIGNED, SigningError, SigningKey, names_to_sign, sign
from deliverkit.protocols.dkim.signature import Signature, parse_signature
from deliverkit.protocols.dkim.verify import Result
from tests.protocols.dkim.samples import ED25519, ED25519_KEY, MESSAGE, NOW, RSA, RSA_KEY, ZONE, verify

VALUES = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\x00", exclude_categories=["Cs"]), max_size=60)
BODIES = st.lists(st.sampled_from([b"a", b" ", b"\t", b"\r\n", b"\r\n\r\n", b"..", b"\xc3\xa9"]), max_size=30).map(
    b"".join
)


def signatures_of(message: bytes) -> list[Signature]:
    """The signatures of a message, topmost first."""
    return [parse_signature(v) for n, v in split_message(message)[0] if n == b"DKIM-Signature"]


def stock_verifies(message: bytes) -> list[bool]:
    """What dkimpy as shipped says of each signature."""
    answers = {f"{name}.".encode(): str(record).encode() for name, record in ZONE.items()}
    judge = dkim.DKIM(message)
    count = len(signatures_of(message))
    return [judge.verify(idx=i, dnsfunc=lambda name, timeout=5: answers[name]) for i in range(count)]


@pytest.mark.parametrize("keys", [[RSA_KEY], [ED25519_KEY], [RSA_KEY, ED25519_KEY], [ED25519_KEY, RSA_KEY]])
def test_round_trip(keys: list[SigningKey]) -> None:
    """RSA, Ed25519 or both, in the order given: they pass here and with stock dkimpy."""
    signed = sign(MESSAGE, keys, now=NOW)
    assert signed.endswith(MESSAGE)
    assert [one.selector for one in signatures_of(signed)] == [key.selector for key in keys]
    assert [one.result for one in verify(signed).signatures] == [Result.PASS] * len(keys)
    assert stock_verifies(signed) == [True] * len(keys)


@settings(max_examples=50)
@given(st.lists(st.tuples(st.sampled_from(["Subject", "To", "X-Note", "List-Id"]), VALUES), max_size=6), BODIES)
def test_round_trip_of_any_message(fields: list[tuple[str, str]], body: bytes) -> None:
    """Whatever the header says and however the body ends, both signatures pass with both verifiers."""
    head = "".join(f"{name}: {value}\r\n" for name, value in [("From", "a@example.com"), *fields])
    signed = sign(head.encode() + b"\r\n" + body, [RSA_KEY, ED25519_KEY], now=NOW)
    assert [one.result for one in verify(signed).signatures] == [Result.PASS, Result.PASS]
    assert stock_verifies(signed) == [True, True]


def test_the_field_says_what_it_should() -> None:
    """relaxed/relaxed, sha256, t= from the time given, x= only when asked for, no l=."""
    [signature] = signatures_of(sign(MESSAGE, [RSA_KEY], now=NOW))
    assert signature.faults == ()
    assert (signature.algorithm, signature.domain, signature.selector) == ("rsa-sha256", "example.com", "s1")
    assert (signature.header_canonicalization, signature.body_canonicalization) == ("relaxed", "relaxed")
    assert (signature.timestamp, signature.expires) == (int(NOW.timestamp()), None)
    assert (signature.body_length, signature.identity) == (None, "@example.com")


def test_expiry_and_identity() -> None:
    """x= and i= as given."""
    week = NOW + timedelta(days=7)
    [signature] = signatures_of(sign(MESSAGE, [RSA_KEY], now=NOW, expires=week, identity="ann@mail.example.com"))
    assert (signature.expires, signature.identity) == (int(week.timestamp()), "ann@mail.example.com")


def test_one_click_unsubscribing_is_covered() -> None:
    """RFC 8058 §4: both fields are signed, which dkimpy's own default leaves out for List-Unsubscribe-Post."""
    [signature] = signatures_of(sign(MESSAGE, [RSA_KEY], now=NOW))
    assert {"list-unsubscribe", "list-unsubscribe-post"} <= set(signature.signed_names)
    assert "list-unsubscribe-post" not in {name.decode() for name in dkim.DKIM.SHOULD}


def test_every_instance_is_signed_and_one_more() -> None:
    """Fields that matter are named once more than they occur, also when they are absent."""
    fields = [(b"From", b""), (b"To", b""), (b"to ", b""), (b"List-Id", b""), (b"Received", b"")]
    names = names_to_sign(fields)
    assert [names.count(name) for name in ("from", "to", "cc", "list-id", "list-post", "received")] == [
        2,
        3,
        1,
        2,
        0,
        0,
    ]
    assert set(OVERSIGNED) <= set(names)


@pytest.mark.parametrize("field", [b"Reply-To", b"Subject", b"From", b"Cc", b"Content-Type", b"List-Unsubscribe"])
def test_an_added_field_breaks_the_signature(field: bytes) -> None:
    """What oversigning is for."""
    signed = field + b": added\r\n" + sign(MESSAGE, [RSA_KEY], now=NOW)
    assert verify(signed).result is Result.FAIL


def test_relays_may_add_what_is_theirs() -> None:
    """Received and Authentication-Results in front do no harm."""
    signed = b"Received: from a by b\r\nAuthentication-Results: b; none\r\n" + sign(MESSAGE, [RSA_KEY], now=NOW)
    assert verify(signed).result is Result.PASS


def test_lines_stay_short() -> None:
    """The field is folded under 78 columns, and a 2048-bit signature with it."""
    signed = sign(MESSAGE, [RSA_KEY], now=NOW)
    assert max(len(line) for line in signed[: -len(MESSAGE)].split(b"\r\n")) <= 78
    assert not re.search(rb"[^\r]\n", signed)


@pytest.mark.parametrize(
    ("message", "why"),
    [
        (MESSAGE.replace(b"\r\n", b"\n"), "line ends other than CRLF"),
        (MESSAGE + b"\r", "line ends other than CRLF"),
        (b"To: b@example.net\r\n\r\n", "no From"),
        (b"From: a@example.com\r\nwhat\r\n\r\n", "line 2"),
        (b"", "no From"),
    ],
)
def test_what_cannot_be_signed_is_refused(message: bytes, why: str) -> None:
    """A signature over other octets than are sent would only fail later."""
    with pytest.raises(SigningError, match=why):
        sign(message, [RSA_KEY], now=NOW)


def test_bad_names_and_times_are_refused() -> None:
    """Selector, domain, identity and expiry are checked before anything is signed."""
    with pytest.raises(SigningError, match="DKIM selector"):
        SigningKey("a b", "example.com", RSA)
    with pytest.raises(SigningError, match="DKIM domain"):
        SigningKey("s1", "", RSA)
    with pytest.raises(SigningError, match="expire"):
        sign(MESSAGE, [RSA_KEY], now=NOW, expires=NOW)
    for identity in ("@example.net", "@evilexample.com", "example.com"):
        with pytest.raises(SigningError, match="identity"):
            sign(MESSAGE, [RSA_KEY], now=NOW, identity=identity)


def test_names_are_made_a_labels() -> None:
    """An internationalized domain is signed under the name it is published under."""
    key = SigningKey("S1", "Bücher.example.", ED25519)
    assert key.record_name == "s1._domainkey.xn--bcher-kva.example"
    assert "BEGIN" not in repr(key) and "secret" not in repr(key)
