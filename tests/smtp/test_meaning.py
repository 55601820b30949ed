"""The matcher over the table of SMTP replies: every example of the table finds its own entry."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliverkit.data import smtp_replies
from deliverkit.smtp.meaning import meaning_of, reply_family


def told(example: str) -> tuple[int | None, str | None]:
    """Code and enhanced code of an example reply."""
    match = re.match(r"(\d{3})[- ](?:([245]\.\d{1,3}\.\d{1,3})\s)?", example)
    return (int(match[1]), match[2]) if match else (None, None)


@pytest.mark.parametrize("entry", smtp_replies(), ids=lambda entry: entry["id"])
def test_every_example_finds_its_entry(entry: dict[str, Any]) -> None:
    """With its provider known, an entry's example means that entry."""
    code, enhanced = told(entry["example"])
    found = meaning_of(entry["example"], code, enhanced, provider=entry["provider"])
    assert found is not None
    assert found.id == entry["id"]
    assert found.meaning and found.fix and found.source
    assert found.retry in ("later", "after-fix", "by-code")


@pytest.mark.parametrize("entry", smtp_replies(), ids=lambda entry: entry["id"])
def test_every_example_means_something_to_a_stranger(entry: dict[str, Any]) -> None:
    """Without a provider an example still has a meaning, of the same entry or of one before it in the file."""
    code, enhanced = told(entry["example"])
    found = meaning_of(entry["example"], code, enhanced)
    assert found is not None
    order = [e["id"] for e in smtp_replies()]
    assert order.index(found.id) <= order.index(entry["id"])


def test_the_provider_decides_what_a_code_means() -> None:
    """550 5.7.30 is a missing signature at Gmail and retired password sign-in at Microsoft."""
    gmail = meaning_of("Gmail requires bulk email senders to authenticate with DKIM.", 550, "5.7.30", "gmail")
    microsoft = meaning_of("Basic authentication is not supported for Client Submission", 550, "5.7.30", "office365")
    assert gmail and microsoft
    assert (gmail.id, microsoft.id) == ("gmail-bulk-dkim", "ms-basic-retired")


def test_a_reply_of_many_lines_is_read_as_one() -> None:
    """The prefixes of the following lines do not hide the text."""
    text = (
        "550-5.7.26 Unauthenticated email from example.com is not accepted due to\r\n"
        "550-5.7.26 domain's DMARC policy. Please contact the administrator of\r\n"
        "550 5.7.26 example.com domain"
    )
    found = meaning_of(text, 550, "5.7.26", "gmail")
    assert found is not None and found.id == "gmail-dmarc-reject"


def test_bare_text_is_enough() -> None:
    """Text without its code, as `Reply.text` gives it, matches patterns that name the enhanced code."""
    found = meaning_of("Reverse DNS validation failed", 550, "5.7.25")
    assert found is not None and found.id == "rfc7372-ptr"


def test_a_client_error_is_no_reply() -> None:
    """Entries of client libraries match only where there is no code, and replies only where there is one."""
    assert meaning_of("certificate verify failed", 454, None) is None
    found = meaning_of("certificate verify failed: unable to get local issuer certificate")
    assert found is not None and found.id == "client-cert"


def test_an_unknown_reply_has_no_meaning() -> None:
    """Nothing is guessed."""
    assert meaning_of("the moon is in the wrong phase", 550, "5.9.9", "gmail") is None


@pytest.mark.parametrize(
    ("provider", "family"),
    [
        ("googlemail", "gmail"),
        ("netease-163", "netease"),
        ("hotmail", "microsoft"),
        ("postfix", "postfix"),
        (None, None),
    ],
)
def test_a_providers_replies_stand_under_its_family(provider: str | None, family: str | None) -> None:
    """Aliases and sister services share the replies of their family."""
    assert reply_family(provider) == family


@given(st.text(max_size=300), st.none() | st.integers(200, 599), st.none() | st.just("5.7.1"))
def test_any_text_may_be_asked_about(text: str, code: int | None, enhanced: str | None) -> None:
    """Whatever a server says, the answer is an entry or None."""
    found = meaning_of(text, code, enhanced, "gmail")
    assert found is None or found.fix
