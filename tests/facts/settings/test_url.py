"""SMTP URLs: taken apart as frameworks do, with what was not encoded named."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliverkit.facts.settings.url import MailUrl, is_mail_url, masked_url, read_mail_url


def read(text: str) -> MailUrl:
    """The URL, which is one."""
    found = read_mail_url(text)
    assert found is not None
    return found


def test_every_part_is_read() -> None:
    """Scheme, credentials decoded, host, port and options."""
    url = read("smtps://ann%40example.com:p%40ss%2Fw@smtp.example.com:465/?pool=true&name=app")
    assert (url.scheme, url.host, url.port, url.user) == ("smtps", "smtp.example.com", 465, "ann@example.com")
    assert url.password is not None and url.password.reveal() == "p@ss/w"
    assert url.options == {"pool": "true", "name": "app"}
    assert url.faults == ()


@pytest.mark.parametrize(
    ("text", "host", "said"),
    [
        ("smtp://ann@example.com:secret@smtp.example.com:587", "smtp.example.com", "%40"),
        ("smtp://ann:se#cret@smtp.example.com:587", "ann", "%23"),
        ("smtp://ann:se/cret@smtp.example.com:587", "ann", "%2F"),
        ("smtp://ann:50%off@smtp.example.com", "smtp.example.com", "%25"),
        ("smtp://ann:a:b@smtp.example.com", "smtp.example.com", "%3A"),
    ],
)
def test_what_is_not_encoded_is_named(text: str, host: str, said: str) -> None:
    """The host is the one the framework will connect to, and the fault says what to write."""
    url = read(text)
    assert url.host == host
    assert any(fault.kind == "url-part-not-encoded" and said in fault.detail for fault in url.faults)


def test_addresses_and_missing_parts() -> None:
    """An IPv6 address in brackets; a URL of a service without a host."""
    assert (read("smtp://[2001:db8::1]:25").host, read("smtp://[2001:db8::1]:25").port) == ("2001:db8::1", 25)
    url = read("null://null")
    assert (url.user, url.password, url.port) == (None, None, None)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("smtp://a", True),
        ("ses+smtp://k:s@default", True),
        ("https://a.example", False),
        ("postgres://a", False),
        ("smtp", False),
    ],
)
def test_mail_urls_are_told_from_others(text: str, told: bool) -> None:
    """Only transports of mail count."""
    assert is_mail_url(text) is told


@given(st.text(max_size=200))
def test_any_text_is_read(text: str) -> None:
    """No text raises, and a masked URL never holds its password."""
    found = read_mail_url("smtp://" + text)
    assert found is not None
    secret = found.password.reveal() if found.password else ""
    if len(secret) > 12 and secret.isalnum():
        assert secret not in masked_url("smtp://" + text) or secret in text.rpartition("@")[2]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("smtp://ann:secret@mail.shop.example:587", "smtp://ann:***@mail.shop.example:587"),
        ("smtp://ann:se@cr/et@mail.shop.example", "smtp://ann:***@mail.shop.example"),
        ("smtp://ann:secret", "smtp://ann:***"),
        ("smtp://mail.shop.example:587", "smtp://mail.shop.example:587"),
        ("smtp://mail.shop.example:587/?pool=true", "smtp://mail.shop.example:587/?pool=true"),
        ("mail.shop.example:587", "mail.shop.example:587"),
    ],
)
def test_no_password_is_shown(text: str, shown: str) -> None:
    """Not even where a comment or a blank cut the URL before its @."""
    assert masked_url(text) == shown
