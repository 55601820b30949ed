"""Refusals as programs write them down, and what they are read as."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliverkit.data import smtp_replies
from deliverkit.smtp.codes import by_the_book
from deliverkit.smtp.refusal import normalised, read_refusal


@pytest.mark.parametrize("entry", smtp_replies(), ids=lambda entry: entry["id"])
def test_every_example_of_the_table_is_read_back(entry: dict[str, Any]) -> None:
    """What a person copies means the entry it was copied from, when the provider is known."""
    found = read_refusal(entry["example"]).meaning(None if entry["provider"] == "client" else entry["provider"])
    assert found is not None and found.id == entry["id"]


@pytest.mark.parametrize(
    ("text", "code", "enhanced", "client", "said"),
    [
        ("550 5.1.1 no such user", 550, "5.1.1", None, "no such user"),
        ("550-5.7.26 one\r\n550 5.7.26 two", 550, "5.7.26", None, "one two"),
        (
            "smtplib.SMTPDataError: (554, b'5.7.1 refused\\n5.7.1 really')",
            554,
            "5.7.1",
            "smtplib",
            "refused 5.7.1 really",
        ),
        ("Error: Invalid login: 535-5.7.8 no\n535 5.7.8 never", 535, "5.7.8", "nodemailer", "no never"),
        ("SMTP ERROR: Password command failed: 535 5.7.8 bad", 535, "5.7.8", "phpmailer", "bad"),
        ("javax.mail.AuthenticationFailedException: 535 5.7.8 bad", 535, "5.7.8", "javamail", "bad"),
        ("tls: first record does not look like a TLS handshake", None, None, "go", None),
        ("took 550 ms", None, None, None, None),
        ("connect to mx.example.com[192.0.2.1]:587: refused", None, None, None, None),
        ("version 5.5.1 of 500x", None, None, None, None),
    ],
)
def test_replies_are_found_in_what_is_wrapped_around_them(
    text: str, code: int | None, enhanced: str | None, client: str | None, said: str | None
) -> None:
    """The code is a reply's and no other number; the text is what the server said."""
    found = read_refusal(text)
    assert (found.code, found.enhanced, found.client) == (code, enhanced, client)
    assert said is None or found.text == said


def test_credentials_in_the_text_are_masked() -> None:
    """Debugging output puts them beside the error."""
    for text in (
        "DEBUG AUTH PLAIN AGFubgBodW50ZXIyMg== 535 5.7.8 bad",
        "connect smtp://ann:hunter22@mail.example.com:587 failed: 535 5.7.8 bad",
        "AUTH LOGIN aHVudGVyMjI= failed",
    ):
        said = read_refusal(text).said
        assert not any(secret in said for secret in ("hunter22", "aHVudGVyMjI", "AGFubgBodW50ZXIyMg"))


def test_what_differs_from_mail_to_mail_is_left_out() -> None:
    """Two refusals of one kind are equal; of two kinds they are not."""
    one = normalised("<a@b.example>: blocked [192.0.2.1] ticket 4XyZ12abc9 after 1234 ms")
    assert one == normalised("<c@d.example>: blocked [198.51.100.7] ticket 9QqQ77zzz1 after 5678 ms")
    assert one != normalised("<a@b.example>: greylisted")


def test_codes_have_a_meaning_by_the_book() -> None:
    """The enhanced code says more than the code; unregistered ones say nothing."""
    assert by_the_book(550, "5.7.25") == "the reverse DNS check failed (RFC 7372)"
    assert "login was refused" in (by_the_book(535) or "")
    assert by_the_book(599, "5.99.99") is None


@given(st.text(max_size=400))
def test_any_text_is_read(text: str) -> None:
    """Whatever was copied: a bounded refusal, and reading it again changes nothing."""
    found = read_refusal(text)
    assert len(found.text) <= 4200
    assert found.code is None or 200 <= found.code < 600
