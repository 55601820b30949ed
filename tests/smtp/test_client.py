"""The sending flow against scripted servers: what is said, in which order, and what becomes of it. No socket."""

from __future__ import annotations

import asyncio
import base64
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliverkit.smtp.client import (
    Auth,
    Envelope,
    Refusal,
    Stage,
    Submission,
    SubmitResult,
    stuffed,
    submit_flow,
)
from deliverkit.smtp.dialogue import Say, SayAll
from deliverkit.smtp.transcript import Line, Transcript
from deliverkit.world.script import ScriptedSmtp

NOW = datetime(2026, 11, 22, tzinfo=UTC)
CONTENT = b"Subject: x\r\n\r\nhello\r\n"


def sent(
    script: dict[str, Any], *envelopes: Envelope, port: int = 587, **how: Any
) -> tuple[SubmitResult, Transcript, list[str]]:
    """The result, the transcript, and what the client said."""
    door = ScriptedSmtp({f"192.0.2.40:{port}": script}, NOW)
    submission = Submission("192.0.2.40", port, **{"tls": "none", "helo": "client.example.com", **how})
    result, transcript = asyncio.run(door.converse(submit_flow(submission, envelopes)))
    said = [e.text for e in transcript.events if isinstance(e, Line) and e.by == "client"]
    return result, transcript, said


def letter(*to: str, sender: str = "a@example.com", content: bytes = CONTENT, **how: Any) -> Envelope:
    """An envelope to these recipients."""
    return Envelope(sender, to or ("b@example.org",), content, **how)


def test_one_message_in_turn() -> None:
    """Without PIPELINING every command waits for its reply."""
    result, _, said = sent({}, letter())
    assert result.delivered
    assert said == [
        "EHLO client.example.com",
        "MAIL FROM:<a@example.com>",
        "RCPT TO:<b@example.org>",
        "DATA",
        f"[{len(CONTENT) + 3} octets of message]",
        "QUIT",
    ]


def test_parameters_follow_what_is_offered() -> None:
    """SIZE, BODY=8BITMIME and SMTPUTF8, each where it is offered and due."""
    offered = {"ehlo": ["SIZE 1000", "8BITMIME", "SMTPUTF8", "PIPELINING"]}
    _, _, said = sent(offered, letter(content="Subject: ä\r\n\r\n".encode(), smtputf8=True, sender="ä@example.com"))
    assert "MAIL FROM:<ä@example.com> SIZE=15 BODY=8BITMIME SMTPUTF8" in said
    _, _, said = sent(offered, letter(sender=""))
    assert f"MAIL FROM:<> SIZE={len(CONTENT)}" in said


def test_several_messages_over_one_connection() -> None:
    """One greeting, one EHLO, one QUIT; RSET only after a transaction that failed."""
    replies = {"RCPT TO:<no@": "550 5.1.1 nobody"}
    result, _, said = sent({"replies": replies}, letter(), letter("no@example.org"), letter())
    assert [d.accepted for d in result.deliveries] == [True, False, True]
    assert said.count("EHLO client.example.com") == 1
    assert said.count("RSET") == 1
    assert said.index("RSET") > said.index("RCPT TO:<no@example.org>")
    assert result.stage is None
    assert not result.delivered


@pytest.mark.parametrize("keywords", [[], ["PIPELINING"]])
def test_each_recipient_has_its_own_reply(keywords: list[str]) -> None:
    """One refused recipient does not stop the others."""
    script = {"ehlo": keywords, "replies": {"RCPT TO:<no@": "550 5.1.1 nobody"}}
    result, _, _ = sent(script, letter("yes@example.org", "no@example.org"))
    (delivery,) = result.deliveries
    assert delivery.accepted
    assert [(r.address, r.accepted, str(r.heard)) for r in delivery.recipients] == [
        ("yes@example.org", True, "250 2.1.5 ok"),
        ("no@example.org", False, "550 5.1.1 nobody"),
    ]
    assert not result.delivered


@pytest.mark.parametrize("keywords", [[], ["PIPELINING"]])
def test_no_recipient_is_left(keywords: list[str]) -> None:
    """All refused: the stage is RCPT and the message stays here, also where DATA was invited all the same."""
    result, _, said = sent({"ehlo": keywords, "replies": {"RCPT": "550 5.1.1 nobody"}}, letter())
    (delivery,) = result.deliveries
    assert (delivery.stage, str(delivery.problem)) == (Stage.RCPT, "550 5.1.1 nobody")
    assert f"[{len(CONTENT) + 3} octets of message]" not in said
    assert ("[3 octets of message]" in said) is bool(keywords)  # RFC 2920 §3.1: an invited nobody gets an empty message


@pytest.mark.parametrize(
    ("script", "stage", "problem"),
    [
        ({"connect": "refused"}, Stage.CONNECT, "refused"),
        ({"greeting": "554 5.7.1 no"}, Stage.GREETING, "554 5.7.1 no"),
        ({"greeting": "garbage"}, Stage.GREETING, "garbage"),
        ({"ehlo": "421 4.3.2 later"}, Stage.EHLO, "421 4.3.2 later"),
        ({"replies": {"MAIL": "530 5.7.0 login first"}}, Stage.MAIL, "530 5.7.0 login first"),
        ({"replies": {"DATA": "451 4.3.0 disk"}}, Stage.DATA, "451 4.3.0 disk"),
        ({"content_reply": "550 5.7.26 unauthenticated"}, Stage.CONTENT, "550 5.7.26 unauthenticated"),
        ({"replies": {"MAIL": "timeout"}}, Stage.MAIL, "timeout"),
    ],
)
@pytest.mark.parametrize("pipelining", [False, True])
def test_the_stage_that_broke_is_named(script: dict[str, Any], stage: Stage, problem: str, pipelining: bool) -> None:
    """Session or delivery: somewhere it is said where and by what it broke."""
    chosen = {"ehlo": ["PIPELINING"], **script} if pipelining else script
    result, _, _ = sent(chosen, letter())
    broken = result if result.stage is not None else result.deliveries[0]
    assert broken.stage is stage
    assert problem in str(broken.problem)
    assert not result.delivered


def test_421_in_the_middle_ends_the_series() -> None:
    """The server announces the close: what was not sent is not tried."""
    result, _, said = sent({"replies": {"MAIL": "421 4.7.0 too many"}}, letter(), letter())
    assert len(result.deliveries) == 1
    assert result.stage is Stage.MAIL
    assert said.count("MAIL FROM:<a@example.com>") == 1


def test_helo_where_ehlo_is_not_understood() -> None:
    """An old server is served the old way, and offers nothing."""
    result, _, said = sent({"ehlo": "502 5.5.1 what?", "replies": {"HELO": "250 mx.example.com"}}, letter())
    assert result.delivered
    assert said[:2] == ["EHLO client.example.com", "HELO client.example.com"]


def test_starttls_forgets_what_was_said_before() -> None:
    """EHLO again under TLS, and its keywords are the ones that count (RFC 3207 §4.2)."""
    script = {"ehlo": ["STARTTLS", "SIZE 1"], "ehlo_tls": ["PIPELINING"]}
    result, _, said = sent(script, letter(), tls="starttls", verify_name="mail.example.com")
    assert said[:3] == ["EHLO client.example.com", "STARTTLS", "EHLO client.example.com"]
    assert "MAIL FROM:<a@example.com>" in said
    assert result.tls is not None
    assert result.ehlo_tls is not None


@pytest.mark.parametrize(
    ("tls", "script", "stage"),
    [
        ("starttls", {}, Stage.STARTTLS),
        ("starttls", {"ehlo": ["STARTTLS"], "starttls": "454 4.7.0 no"}, Stage.STARTTLS),
        ("starttls", {"ehlo": ["STARTTLS"], "tls": {"fails": "handshake failure"}}, Stage.TLS),
        ("implicit", {}, Stage.TLS),
        ("opportunistic", {}, None),
        ("opportunistic", {"ehlo": ["STARTTLS"], "starttls": "454 4.7.0 no"}, None),
        ("opportunistic", {"ehlo": ["STARTTLS"], "tls": {"self_signed": True}}, None),
    ],
)
def test_tls_modes(tls: str, script: dict[str, Any], stage: Stage | None) -> None:
    """Must, may and at once."""
    result, _, _ = sent(script, letter(), tls=tls)
    assert result.stage is stage
    assert result.delivered is (stage is None)


def test_implicit_tls_comes_before_the_greeting() -> None:
    """RFC 8314 §3.3."""
    result, _, _ = sent({"implicit_tls": True}, letter(), tls="implicit")
    assert result.delivered
    assert (result.ehlo, result.tls is None) == (None, False)


class Recorder:
    """A door that answers by a table and keeps the lines as they were said, secrets and all."""

    def __init__(self, *heard: Any) -> None:
        self.heard = list(heard)
        self.said: list[str] = []

    def run(self, flow: Any) -> Any:
        """Drive the flow to its end."""
        try:
            asked = next(flow)
            while True:
                if isinstance(asked, Say):
                    self.said.append(asked.line)
                asked = flow.send(self.heard.pop(0) if self.heard else None)
        except StopIteration as stop:
            return stop.value


def test_every_mechanism_says_what_its_document_says() -> None:
    """PLAIN (RFC 4616), LOGIN, CRAM-MD5 (the example of RFC 2195) and XOAUTH2, octet by octet."""
    from deliverkit.smtp.auth import log_in
    from deliverkit.smtp.reply import Reply

    def b64(text: str) -> str:
        return base64.b64encode(text.encode()).decode()

    ok, more = Reply(235, ("ok",)), Reply(334, ("",))
    plain = Recorder(ok)
    plain.run(log_in(Auth("tim", "tanstaaftanstaaf"), "PLAIN", 5))
    assert plain.said == ["AUTH PLAIN AHRpbQB0YW5zdGFhZnRhbnN0YWFm"]
    shy = Recorder(more, ok)
    assert shy.run(log_in(Auth("tim", "x"), "PLAIN", 5)) == ok
    assert shy.said == [f"AUTH PLAIN {b64(chr(0) + 'tim' + chr(0) + 'x')}", b64("\0tim\0x")]
    login = Recorder(more, more, ok)
    login.run(log_in(Auth("tim", "x"), "LOGIN", 5))
    assert login.said == ["AUTH LOGIN", b64("tim"), b64("x")]
    challenge = "PDE4OTYuNjk3MTcwOTUyQHBvc3RvZmZpY2UucmVzdG9uLm1jaS5uZXQ+"
    cram = Recorder(Reply(334, (challenge,)), ok)
    cram.run(log_in(Auth("tim", "tanstaaftanstaaf"), "CRAM-MD5", 5))
    assert base64.b64decode(cram.said[1]) == b"tim b913a602c7eda7a495b4e6e7334d3890"
    odd = Recorder(Reply(334, ("not base64!",)), Reply(501, ("cancelled",)))
    odd.run(log_in(Auth("tim", "x"), "CRAM-MD5", 5))
    assert odd.said == ["AUTH CRAM-MD5", "*"]
    token = Recorder(Reply(334, (b64('{"status":"400"}'),)), Reply(535, ("5.7.8 no",)))
    refused = token.run(log_in(Auth("a@example.com", "tok"), "XOAUTH2", 5))
    assert token.said == [f"AUTH XOAUTH2 {b64('user=a@example.com' + chr(1) + 'auth=Bearer tok' + chr(1) * 2)}", ""]
    assert '{"status":"400"}' in refused.text


def test_a_long_token_waits_for_the_servers_challenge() -> None:
    """A command line ends at 512 octets (RFC 4954 §4), so a token of 2000 goes as a response, not with the command."""
    from deliverkit.smtp.auth import log_in
    from deliverkit.smtp.reply import Reply

    token = "t" * 2000
    encoded = base64.b64encode(f"user=a@example.com\x01auth=Bearer {token}\x01\x01".encode()).decode()
    long = Recorder(Reply(334, ("",)), Reply(235, ("ok",)))
    assert long.run(log_in(Auth("a@example.com", token), "XOAUTH2", 5)).code == 235
    assert long.said == ["AUTH XOAUTH2", encoded]
    no = Recorder(Reply(504, ("5.5.4 unknown",)))
    assert no.run(log_in(Auth("a@example.com", token), "XOAUTH2", 5)).code == 504
    assert no.said == ["AUTH XOAUTH2"]
    error = base64.b64encode(b'{"status":"401", "x":"\x1b[31m' + token.encode() + b'"}').decode()
    refused = Recorder(Reply(334, ("",)), Reply(334, (error,)), Reply(535, ("5.7.8 no",)))
    told = refused.run(log_in(Auth("a@example.com", token), "XOAUTH2", 5)).text
    assert refused.said == ["AUTH XOAUTH2", encoded, ""]
    assert '"status":"401"' in told
    assert token not in told
    assert "\x1b" not in told


@pytest.mark.parametrize("auth", [Auth("a\x01auth=Bearer x", "p"), Auth("a", "p\r\nQUIT"), Auth("a", "p\udcff")])
def test_what_cannot_be_part_of_a_response_is_refused(auth: Auth) -> None:
    """A ^A would begin another field of XOAUTH2; octets that are no UTF-8 have no form in SASL (RFC 4616 §2)."""
    for mechanism in ("PLAIN", "LOGIN", "CRAM-MD5", "XOAUTH2"):
        script = {"ehlo": [f"AUTH {mechanism}"]}
        chosen = Auth(auth.username, auth.secret, mechanism)
        result, _, said = sent(script, letter(), auth=chosen, insecure=True)
        assert isinstance(result.problem, Refusal)
        assert auth.secret not in str(result.problem)
        assert not any(line.startswith("AUTH") for line in said)


@pytest.mark.parametrize(
    ("auth", "keywords", "mechanism"),
    [
        (Auth("u", "p"), "AUTH LOGIN PLAIN", "PLAIN"),
        (Auth("u", "p"), "AUTH CRAM-MD5 LOGIN", "LOGIN"),
        (Auth("u", "p", "cram-md5"), "AUTH CRAM-MD5 LOGIN", "CRAM-MD5"),
        (Auth("u", "p"), "AUTH XOAUTH2", None),
        (Auth("u", "p", "PLAIN"), "AUTH LOGIN", None),
        (Auth("u", "p", "SCRAM-SHA-1"), "AUTH SCRAM-SHA-1", None),
        (Auth("u", "p"), "8BITMIME", None),
        (Auth("u\0", "p"), "AUTH PLAIN", "PLAIN"),
    ],
)
def test_the_mechanism_is_chosen_or_refused_with_a_reason(auth: Auth, keywords: str, mechanism: str | None) -> None:
    """The named one or the best; never one that the server does not offer, and never a NUL."""
    script = {"implicit_tls": True, "ehlo": [keywords], "replies": {"AUTH": ["334 PDE+", "334 ", "235 ok"]}}
    result, _, _ = sent(script, tls="implicit", verify_name="mail.example.com", auth=auth, port=465)
    assert result.mechanism == mechanism
    if mechanism is None or "\0" in auth.username:
        assert result.stage is Stage.AUTH
        assert isinstance(result.problem, Refusal)


def test_secrets_show_nowhere() -> None:
    """Not in a repr, not in the transcript, not in the result."""
    auth = Auth("ann", "hunter2")
    assert "hunter2" not in repr(Say("AUTH PLAIN hunter2", secret=True, hides=("hunter2",)))
    script = {"ehlo": ["AUTH PLAIN"], "replies": {"AUTH": "535 5.7.8 no"}}
    result, transcript, _ = sent(script, letter(), auth=auth, insecure=True)
    told = repr((auth, result, transcript, Submission("192.0.2.1", auth=auth))) + "\n".join(transcript.lines())
    assert "hunter2" not in told
    assert base64.b64encode(b"\0ann\0hunter2").decode() not in told
    assert str(result.problem) == "535 5.7.8 no"


@pytest.mark.parametrize(
    "bad", ["a@example.com\r\nRCPT TO:<x@example.org>", "a\n@b", "a\r@b", "a\0@b", "a b@c", "a>b@c", "<a@b>"]
)
def test_no_address_can_smuggle_a_command(bad: str) -> None:
    """A line break, a NUL, a space or an angle bracket in an address is refused before the wire."""
    for envelope in (letter(sender=bad), letter(bad)):
        result, _, said = sent({}, envelope)
        assert isinstance(result.deliveries[0].problem, Refusal)
        assert result.stage is None
        assert said == ["EHLO client.example.com", "QUIT"]


def test_no_ehlo_name_can_smuggle_a_command() -> None:
    """Nothing is connected to when the EHLO name has a line break."""
    result, transcript, said = sent({}, letter(), helo="a\r\nMAIL FROM:<x@example.org>")
    assert (result.stage, said, transcript.events[:-1]) == (Stage.EHLO, [], [])


@given(st.text(), st.sampled_from("\r\n\0"), st.text())
def test_commands_with_line_breaks_cannot_even_be_made(before: str, bad: str, after: str) -> None:
    """The last fence: the ask itself refuses."""
    with pytest.raises(ValueError, match="line break"):
        Say(before + bad + after)
    with pytest.raises(ValueError, match="line break"):
        SayAll(("NOOP", before + bad + after))


def test_quoted_local_parts_may_hold_what_they_may() -> None:
    """RFC 5321 §4.1.2: spaces and brackets inside quotes are one address."""
    result, _, said = sent({}, letter('"a <b> c"@example.org'))
    assert result.delivered
    assert 'RCPT TO:<"a <b> c"@example.org>' in said


@pytest.mark.parametrize(
    ("envelope", "reason"),
    [
        (letter(content=b"\xc3\xa4\r\n"), "8BITMIME"),
        (letter(smtputf8=True), "SMTPUTF8"),
        (letter("ä@example.org"), "not ASCII"),
        (Envelope("a@example.com", (), CONTENT), "no recipient"),
    ],
)
def test_what_the_server_cannot_carry_is_not_sent(envelope: Envelope, reason: str) -> None:
    """The law is kept on our side, and the reason given."""
    result, _, _ = sent({}, envelope)
    assert reason in str(result.deliveries[0].problem)


def test_dots_are_stuffed_after_crlf_only() -> None:
    """RFC 5321 §4.5.2: a bare LF begins no line."""
    assert stuffed(b".a\r\n.b\r\n..\r\n\n.c") == b"..a\r\n..b\r\n...\r\n\n.c\r\n.\r\n"
    assert stuffed(b"") == b".\r\n"
    assert stuffed(b".") == b"..\r\n.\r\n"


@given(st.binary(max_size=300))
def test_stuffing_is_undone_by_unstuffing(content: bytes) -> None:
    """What a receiver takes off gives the content back, with its last CRLF, and no dot ends it early."""
    wire = stuffed(content)
    assert wire.endswith(b"\r\n.\r\n") or wire == b".\r\n"
    body = wire[:-3]
    lines = body.split(b"\r\n")
    assert b"." not in lines[:-1]
    back = b"\r\n".join(line[1:] if line.startswith(b".") else line for line in lines)
    assert back == (content if content.endswith(b"\r\n") or not content else content + b"\r\n")


def test_line_ends_are_repaired_only_where_asked() -> None:
    """A bare LF is evidence; it goes out as it is unless the user wants it mended."""
    result, _, _ = sent({}, letter(content=b"a\nb\r\nc\r"), letter(content=b"a\nb\r\nc\r", repair_line_ends=True))
    assert [d.octets for d in result.deliveries] == [7, 9]
