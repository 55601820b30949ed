"""Names that are nearly others, and texts that only stand for a value."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliverkit.data import provider_hosts, providers
from deliverkit.rules.settings.placeholders import placeholder
from deliverkit.rules.settings.spelling import distance, host_meant

KNOWN = provider_hosts()
WORDS = st.text("abcdefgmnrst.", max_size=12)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("smtp.gmial.com", "smtp.gmail.com"),
        ("smtp.gmai.com", "smtp.gmail.com"),
        ("smtp.gmaill.com", "smtp.gmail.com"),
        ("smtp.gnail.com", "smtp.gmail.com"),
        ("smtp.gmail.con", "smtp.gmail.com"),
        ("smpt.gmail.com", "smtp.gmail.com"),
        ("smtpgmail.com", "smtp.gmail.com"),
        ("SMTP.Gmial.COM.", "smtp.gmail.com"),
        ("smtp.ofice365.com", "smtp.office365.com"),
        ("smtp.sendgird.net", "smtp.sendgrid.net"),
        ("smtp.mailgum.org", "smtp.mailgun.org"),
    ],
)
def test_a_slip_of_the_hand_is_seen(written: str, meant: str) -> None:
    """Letters swapped, left out, doubled; a key beside; a dot missing."""
    assert host_meant(written, KNOWN) == meant


@pytest.mark.parametrize(
    "host",
    [
        "smtp.mail.com", "smtp.email.com", "mail.example.com", "smtp.example.com", "smtp.acme.com", "smtp.zoo.com",
        "smtp.never.com", "smtp.ionos.es", "smtp.gmx.com", "smtp.qqq.com", "smtp.mailbox.org", "smtp.posteo.de",
        "mail.privateemail.com", "email-smtp.eu-west-1.amazonaws.com", "localhost", "127.0.0.1", "", "mailpit",
    ],
)  # fmt: skip
def test_a_host_of_its_own_is_left_alone(host: str) -> None:
    """Names that are merely alike are names."""
    assert host_meant(host, KNOWN) is None


def test_no_known_host_is_taken_for_another() -> None:
    """Whatever the data lists."""
    others = {host for p in providers() for host in p.entry.get("other_hosts", ())}
    assert [host for host in KNOWN | others if host_meant(host, KNOWN | others) is not None] == []


@given(WORDS, WORDS)
def test_distance_is_one(a: str, b: str) -> None:
    """Symmetric, zero for equal texts alone, and never more than the longer one has letters."""
    assert distance(a, b) == distance(b, a)
    assert (distance(a, b) == 0) == (a == b)
    assert distance(a, b) <= max(len(a), len(b))


@pytest.mark.parametrize(
    "text",
    [
        "changeme", "change-me", "your-password", "your_app_password", "YOUR_PASSWORD_HERE", "yourpassword", "xxx",
        "<password>", "<your key>", "password123", "password", "secret", "your-email@gmail.com", "you@example.com",
        "smtp.your-provider.com", "smtp.yourdomain.com", "${SMTP_PASS}", "{{ smtp.password }}", "***", "undefined",
        "enter-your-password", "replace_with_your_api_key", "TODO",
    ],
)  # fmt: skip
def test_a_placeholder_is_one(text: str) -> None:
    """What examples hold."""
    assert placeholder(text)


@pytest.mark.parametrize(
    "text",
    [
        "", "Winter2026!", "abcdefghijklmnop", "hunter2", "shop@gmail.com", "postmaster@mg.shop.example", "resend",
        "info@your-shop.example", "mail", "smtp", "mailserver", "smtp.gmail.com", "SG.abc.def", "re_123", "userline7",
        "correct horse battery staple", "a" * 500,
    ],
)  # fmt: skip
def test_a_value_is_none(text: str) -> None:
    """However weak it is."""
    assert not placeholder(text)


@given(st.text(max_size=90))
def test_any_text_can_be_asked(text: str) -> None:
    """Quickly, and without an exception."""
    assert placeholder(text) in (True, False)
