"""Scripted SMTP servers: each key of a script does what it says."""

from __future__ import annotations

import asyncio
from collections.abc import Generator
from datetime import UTC, datetime
from typing import Any

import pytest

from deliverkit.smtp.dialogue import (
    Connect,
    Connected,
    Handshake,
    Hangup,
    Hear,
    Say,
    SayAll,
    SendContent,
    TlsSession,
    Trouble,
    TroubleKind,
)
from deliverkit.smtp.reply import Reply
from deliverkit.smtp.transcript import MASK, Line, Transcript
from deliverkit.world.script import ScriptedSmtp

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
HELLO = (Connect("192.0.2.25", 25), Hear(), Say("EHLO client.example"))
TLS = Handshake("mx.example.com", "mx.example.com")


def talk(
    script: dict[str, Any] | None, *asks: Any, address: str = "192.0.2.25:25", from_dns: bool = False
) -> tuple[list[Any], Transcript]:
    """Say everything to one scripted server, and return what was heard."""

    def flow() -> Generator[Any, Any, list[Any]]:
        heard = []
        for asked in asks:
            heard.append((yield asked))
        return heard

    door = ScriptedSmtp({} if script is None else {address: script}, NOW)
    return asyncio.run(door.converse(flow(), from_dns=from_dns))


def test_a_decent_server_needs_no_words() -> None:
    """An empty script greets, takes a message and says goodbye."""
    asks = (Say("MAIL FROM:<>"), Say("RCPT TO:<a@example.com>"), Say("DATA"), SendContent(b"x\r\n.\r\n"), Say("QUIT"))
    heard, transcript = talk({}, *HELLO, *asks, Hangup())
    assert isinstance(heard[0], Connected)
    assert [r.code for r in heard[1:-1]] == [220, 250, 250, 250, 354, 250, 221]
    texts = [event.text for event in transcript.events if isinstance(event, Line)]
    assert texts[:3] == ["220 mx.example.com ESMTP", "EHLO client.example", "250 mx.example.com"]
    assert "[5 octets of message]" in texts[-4:-2] or "[6 octets of message]" in texts


@pytest.mark.parametrize("word", ["refused", "timeout", "unreachable"])
def test_connections_fail_as_told(word: str) -> None:
    """And every later ask hears the same."""
    heard, _ = talk({"connect": word}, *HELLO)
    assert {h.kind for h in heard} == {TroubleKind(word)}


def test_an_address_without_a_script_times_out() -> None:
    """Nobody is there."""
    heard, _ = talk(None, *HELLO)
    assert heard[0].kind is TroubleKind.TIMEOUT


def test_private_addresses_out_of_dns_are_not_connected_to() -> None:
    """The same address typed by the user is."""
    connect = Connect("10.0.0.1", 25)
    assert talk({}, connect, address="10.0.0.1:25", from_dns=True)[0][0].kind is TroubleKind.NOT_ALLOWED
    assert isinstance(talk({}, connect, address="10.0.0.1:25")[0][0], Connected)
    documentation = Connect("2001:db8::25", 25)
    assert isinstance(talk({}, documentation, address="[2001:db8::25]:25", from_dns=True)[0][0], Connected)


def test_keywords_change_under_tls() -> None:
    """STARTTLS disappears after the handshake; AUTH may appear."""
    script = {"ehlo": ["PIPELINING", "STARTTLS"], "ehlo_tls": ["PIPELINING", "AUTH PLAIN"]}
    heard, transcript = talk(
        script, *HELLO, Say("STARTTLS"), TLS, Say("EHLO client.example"), Say("AUTH PLAIN AGEAYg==")
    )
    assert heard[2].lines[1:] == ("PIPELINING", "STARTTLS")
    assert isinstance(heard[4], TlsSession)
    assert (heard[4].trusted, heard[4].name_matches) == (True, True)
    assert heard[5].lines[1:] == ("PIPELINING", "AUTH PLAIN")
    assert heard[6].code == 235
    assert transcript.events[-3].text == f"AUTH PLAIN {MASK}"  # type: ignore[union-attr]


def test_starttls_that_is_not_offered_is_refused() -> None:
    """And a handshake without it meets clear text."""
    heard, _ = talk({}, *HELLO, Say("STARTTLS"), TLS)
    assert heard[3].code == 502
    assert heard[4].kind is TroubleKind.TLS_FAILED


def test_implicit_tls_is_silent_in_the_clear() -> None:
    """Speaking clear text to port 465 hangs; a handshake first is greeted."""
    assert talk({"implicit_tls": True}, *HELLO)[0][1].kind is TroubleKind.TIMEOUT
    heard, _ = talk({"implicit_tls": True}, HELLO[0], TLS, *HELLO[1:])
    assert [type(h) for h in heard] == [Connected, TlsSession, Reply, Reply]


@pytest.mark.parametrize(
    ("tls", "problem", "trusted", "matches"),
    [
        ({}, None, True, True),
        ({"not_after": datetime(2026, 11, 21, tzinfo=UTC)}, "expired", False, True),
        ({"not_before": datetime(2026, 11, 23, tzinfo=UTC)}, "not-yet-valid", False, True),
        ({"self_signed": True}, "self-signed", False, True),
        ({"trust_problem": "incomplete-chain"}, "incomplete-chain", False, True),
        ({"names": ["other.example.com"]}, None, True, False),
        ({"names": ["*.example.com"]}, None, True, True),
        ({"names": ["*.com"]}, None, True, False),
    ],
)
def test_certificates_are_judged(tls: dict[str, Any], problem: str | None, trusted: bool, matches: bool) -> None:
    """Validity, trust and name are three facts."""
    heard, _ = talk({"ehlo": ["STARTTLS"], "tls": tls}, *HELLO, Say("STARTTLS"), TLS)
    session = heard[-1]
    assert (session.trust_problem, session.trusted, session.name_matches) == (problem, trusted, matches)


def test_a_handshake_fails_as_told() -> None:
    """With the reason in the transcript."""
    heard, transcript = talk({"ehlo": ["STARTTLS"], "tls": {"fails": "no shared cipher"}}, *HELLO, Say("STARTTLS"), TLS)
    assert (heard[-1].kind, heard[-1].detail) == (TroubleKind.TLS_FAILED, "no shared cipher")
    assert transcript.events[-2].why == "no shared cipher"  # type: ignore[union-attr]


def test_replies_are_found_by_their_longest_prefix() -> None:
    """Several lines, several replies of one dialogue, and words that fail."""
    script = {
        "replies": {
            "RCPT": "250 ok",
            "RCPT TO:<bad": "550 5.1.1 no\n550 5.1.1 such user",
            "AUTH": ["334 VXNlcm5hbWU6", "334 UGFzc3dvcmQ6", "535 5.7.8 no"],
            "NOOP": "garbage",
        }
    }
    asks = [Say("RCPT TO:<a@b.example>"), Say("rcpt to:<bad@b.example>"), Say("AUTH LOGIN"), Say("YQ=="), Say("Yg==")]
    heard, transcript = talk(script, *HELLO, *asks, Say("NOOP"), Say("RSET"))
    assert [h.code for h in heard[3:8]] == [250, 550, 334, 334, 535]
    assert heard[4].lines == ("5.1.1 no", "5.1.1 such user")
    assert heard[8].kind is heard[9].kind is TroubleKind.GARBAGE
    assert "YQ==" not in repr(transcript.events)


@pytest.mark.parametrize(("key", "kind"), [("silent_after", TroubleKind.TIMEOUT), ("closes_after", TroubleKind.CLOSED)])
@pytest.mark.parametrize(("verb", "heard_before"), [("connect", 1), ("EHLO", 3), ("MAIL", 4)])
def test_servers_fall_silent_or_close(key: str, kind: TroubleKind, verb: str, heard_before: int) -> None:
    """After the reply to the verb, not before."""
    heard, _ = talk({key: verb}, *HELLO, Say("MAIL FROM:<>"), Say("RCPT TO:<a@example.com>"))
    assert not any(isinstance(h, Trouble) for h in heard[:heard_before])
    assert all(isinstance(h, Trouble) and h.kind is kind for h in heard[heard_before:])


def test_pipelined_commands_are_answered_together() -> None:
    """One reply a line, in order."""
    heard, _ = talk({}, *HELLO, SayAll(("MAIL FROM:<>", "RCPT TO:<a@example.com>", "DATA")))
    assert [reply.code for reply in heard[3]] == [250, 250, 354]
    heard, _ = talk({"closes_after": "MAIL"}, *HELLO, SayAll(("MAIL FROM:<>", "RCPT TO:<a@example.com>")))
    assert [type(h) for h in heard[3]] == [Reply, Trouble]


def test_greetings_may_refuse_or_babble() -> None:
    """A 554, a 421, silence and garbage."""
    assert talk({"greeting": "554 go away"}, *HELLO)[0][1].code == 554
    assert talk({"greeting": "421 busy"}, *HELLO)[0][1].transient
    assert talk({"greeting": "timeout"}, *HELLO)[0][1].kind is TroubleKind.TIMEOUT
    assert talk({"greeting": "garbage"}, *HELLO)[0][1].kind is TroubleKind.GARBAGE
