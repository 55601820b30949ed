"""The transcript keeps everything but secrets."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliverkit.smtp.transcript import MASK, Transcript

SECRET = "correct horse"
ENCODED = base64.b64encode(SECRET.encode()).decode()


@pytest.mark.parametrize(
    "said",
    [
        [("client", f"AUTH PLAIN {ENCODED}")],
        [("client", f"auth  xoauth2 {ENCODED}")],
        [("client", "AUTH LOGIN"), ("server", "334 VXNlcm5hbWU6"), ("client", ENCODED)],
        [("client", "AUTH PLAIN"), ("server", "334"), ("client", ENCODED)],
        [("client", "AUTH CRAM-MD5"), ("server", "334 PDE+"), ("client", ENCODED)],
    ],
)
def test_secrets_are_masked_where_they_are_recorded(said: list[tuple[str, str]]) -> None:
    """Initial responses and answers to 334, base64 or not."""
    transcript = Transcript("c", "s")
    for by, text in said:
        transcript.line(by, text)  # type: ignore[arg-type]
    told = "\n".join(transcript.lines()) + repr(transcript)
    assert ENCODED not in told
    assert SECRET not in told
    assert MASK in told


def test_the_line_after_a_secret_is_kept() -> None:
    """One answer to one 334 is masked, and no more."""
    transcript = Transcript("c", "s")
    for by, text in (("server", "334 x"), ("client", ENCODED), ("server", "235 ok"), ("client", "QUIT")):
        transcript.line(by, text)  # type: ignore[arg-type]
    assert transcript.lines()[-1].endswith("> QUIT")


def test_giving_up_an_exchange_is_no_secret() -> None:
    """The lone asterisk of RFC 4954 §4 stays readable."""
    transcript = Transcript("c", "s")
    transcript.line("server", "334 x")
    transcript.line("client", "*")
    assert transcript.lines()[-1].endswith("> *")


@given(st.text(st.characters(blacklist_categories=["Cs"]), min_size=1).filter(lambda t: t.strip()))
def test_a_line_called_secret_never_shows(text: str) -> None:
    """Whatever it looks like."""
    transcript = Transcript("c", "s")
    transcript.secret(f"AUTH PLAIN {text}")
    transcript.secret(f"Zm9v{text}")
    assert [line.split("> ")[1] for line in transcript.lines()] == [f"AUTH PLAIN {MASK}", MASK]


def test_what_is_under_tls_is_marked() -> None:
    """The in-clear flag turns with the handshake."""
    transcript = Transcript("c", "s")
    transcript.connected()
    transcript.line("client", "STARTTLS")
    transcript.tls_started("TLSv1.3", "X", (), True)
    transcript.line("client", "EHLO a")
    transcript.closed("client")
    assert [event.in_clear for event in transcript.events] == [True, True, False, False, False]
    assert [line[9] for line in transcript.lines()] == ["=", ">", "*", "*", "*"]
