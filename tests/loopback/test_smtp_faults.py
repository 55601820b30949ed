"""The SMTP door against servers that stall, flood, close and lie: each told apart, none a traceback, all in time."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest

from deliverkit.smtp.client import Auth, Envelope, Stage, Submission, submit_flow
from deliverkit.smtp.dialogue import Connect, Connected, Hear, Say, SayAll, SendContent, SmtpFlow, Trouble, TroubleKind
from deliverkit.smtp.reply import Reply
from deliverkit.smtp.transcript import Transcript
from deliverkit.world.smtp import LiveSmtp
from tests.loopback.faulty import Conversation, Talk, server

T = TypeVar("T")
QUICK = 0.3


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run one test's coroutine, never longer than twenty seconds."""

    async def bounded() -> T:
        async with asyncio.timeout(20):
            return await work

    return asyncio.run(bounded())


def greeted(timeout_s: float = QUICK) -> Any:
    """A flow's beginning that only waits for the greeting."""

    def flow(port: int) -> SmtpFlow[Reply | Trouble]:
        connected = yield Connect("127.0.0.1", port)
        assert isinstance(connected, Connected)
        return (yield Hear("greeting", timeout_s))

    return flow


def heard(conversation: Conversation, flow: Any) -> tuple[Any, Transcript, float]:
    """What the flow made of the conversation, the transcript, and the seconds it took."""

    async def work() -> tuple[Any, Transcript, float]:
        async with server(conversation) as port:
            began = time.monotonic()
            result, transcript = await LiveSmtp().converse(flow(port))
            return result, transcript, time.monotonic() - began

    return run(work())


def test_a_server_that_stalls_times_out() -> None:
    """Nothing comes: a timeout that names what was awaited, in the time allowed."""

    async def silent(talk: Talk) -> None:
        await talk.stall()

    trouble, transcript, took = heard(silent, greeted())
    assert trouble == Trouble(TroubleKind.TIMEOUT, "nothing came", "greeting")
    assert QUICK <= took < 3
    assert any("timed out waiting for the greeting" in line for line in transcript.lines())


def test_one_byte_a_second_meets_the_deadline_of_the_whole_reply() -> None:
    """A byte now and then does not renew the deadline."""

    async def dripping(talk: Talk) -> None:
        for byte in b"220 mx.example.com ESMTP hello there, how are you":
            await talk.say(bytes([byte]))
            await asyncio.sleep(0.05)
        await talk.stall()

    trouble, _, took = heard(dripping, greeted())
    assert trouble.kind is TroubleKind.TIMEOUT
    assert trouble.heard.startswith("220")
    assert took < 2


@pytest.mark.parametrize("ended", [b"", b"\r\n"])
def test_a_banner_line_of_ten_megabytes_is_given_up_quickly(ended: bytes) -> None:
    """The cap of 64 kB ends it long before the line does."""

    async def endless(talk: Talk) -> None:
        await talk.say(b"220 " + b"x" * 10_000_000 + ended)
        await talk.stall()

    trouble, _, took = heard(endless, greeted(10))
    assert trouble.kind is TroubleKind.TOO_LONG
    assert len(trouble.heard) < 400
    assert took < 2


def test_a_flood_of_lines_of_one_reply_is_too_long() -> None:
    """A multi-line reply without end is bounded as well."""

    async def flooding(talk: Talk) -> None:
        while not talk.writer.is_closing():
            await talk.say(b"220-more\r\n" * 10_000)

    trouble, _, _ = heard(flooding, greeted(10))
    assert trouble.kind is TroubleKind.TOO_LONG


def test_a_flood_of_whole_replies_does_not_fill_memory() -> None:
    """What nobody asked for stays in the socket."""

    async def flooding(talk: Talk) -> None:
        while not talk.writer.is_closing():
            await talk.say(b"220 hello\r\n" * 10_000)

    reply, _, took = heard(flooding, greeted(10))
    assert reply == Reply(220, ("hello",))
    assert took < 3


def test_a_server_that_closes_at_once_is_told_from_a_stall() -> None:
    """The connection ends before the greeting."""

    async def closing(talk: Talk) -> None:
        return

    trouble, _, _ = heard(closing, greeted(5))
    assert (trouble.kind, trouble.waiting_for) == (TroubleKind.CLOSED, "greeting")


@pytest.mark.parametrize(
    ("octets", "shown"),
    [
        (b"SSH-2.0-OpenSSH_9.2\r\n", "SSH-2.0-OpenSSH_9.2\\r\\n"),
        (b"\x00\xff\x1b[31mred\n", "\\x00\\xff\\x1b[31mred\\x0a"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "HTTP/1.1 400 Bad Request\\r\\n"),
        (b"99 bottles\r\n", "99 bottles\\r\\n"),
    ],
)
def test_garbage_is_shown_escaped(octets: bytes, shown: str) -> None:
    """What is no SMTP reply is garbage; nothing of it can act on a terminal."""

    async def babbling(talk: Talk) -> None:
        await talk.say(octets)
        await talk.stall()

    trouble, _, _ = heard(babbling, greeted(5))
    assert (trouble.kind, trouble.heard) == (TroubleKind.GARBAGE, shown)


@pytest.mark.parametrize("greeting", ["421 4.3.2 too busy", "554 5.7.1 go away"])
def test_greetings_that_refuse_are_replies(greeting: str) -> None:
    """421 and 554 are said, not suffered: the submitting client names the stage and quotes the reply."""

    async def refusing(talk: Talk) -> None:
        await talk.say(greeting)
        await talk.stall()

    def flow(port: int) -> Any:
        return submit_flow(Submission("127.0.0.1", port, tls="none", reply_s=QUICK), [])

    result, _, _ = heard(refusing, flow)
    assert result.stage is Stage.GREETING
    assert str(result.problem) == greeting


def test_a_closed_port_is_refused() -> None:
    """Nobody listens: refused, not a timeout."""

    async def work() -> Any:
        async with server(Talk.stall) as port:
            pass
        result, transcript = await LiveSmtp().converse(_connect("127.0.0.1", port))
        return result, transcript

    trouble, transcript = run(work())
    assert trouble.kind is TroubleKind.REFUSED
    assert "not connected: connection refused" in transcript.lines()[0]


def _connect(address: str, port: int, timeout_s: float = 2.0) -> SmtpFlow[Any]:
    return (yield Connect(address, port, timeout_s))


@pytest.mark.parametrize("address", ["127.0.0.1", "10.1.2.3", "::1", "::ffff:127.0.0.1", "64:ff9b::7f00:1", "fe80::1"])
def test_private_addresses_out_of_dns_are_not_connected_to(address: str) -> None:
    """A record that points inwards must not make us knock there, in none of the forms an address has."""

    async def work() -> Any:
        return (await LiveSmtp().converse(_connect(address, 25), from_dns=True))[0]

    trouble = run(work())
    assert trouble.kind is TroubleKind.NOT_ALLOWED
    assert address in trouble.detail


def test_a_full_accept_queue_is_a_connect_timeout() -> None:
    """A host that drops our SYN is a timeout within the deadline we set."""
    import socket

    async def work() -> tuple[Any, float]:
        with socket.socket() as listener:
            listener.bind(("127.0.0.1", 0))
            listener.listen(0)
            port = listener.getsockname()[1]
            fillers = [socket.socket() for _ in range(4)]
            try:
                for one in fillers:
                    one.setblocking(False)
                    one.connect_ex(("127.0.0.1", port))
                began = time.monotonic()
                trouble, _ = await LiveSmtp().converse(_connect("127.0.0.1", port, QUICK))
                return trouble, time.monotonic() - began
            finally:
                for one in fillers:
                    one.close()

    trouble, took = run(work())
    assert (trouble.kind, trouble.waiting_for) == (TroubleKind.TIMEOUT, "connection")
    assert took < 2


def test_big_content_is_streamed_without_deadlock() -> None:
    """Twenty megabytes to a server that reads slowly."""
    got = 0

    async def slow(talk: Talk) -> None:
        nonlocal got
        await talk.say("220 mx.example.com")
        while block := await talk.reader.read(65536):
            got += len(block)
            if block.endswith(b"\r\n.\r\n"):
                await talk.say("250 2.0.0 queued")
        return

    content = b"x" * 76 + b"\r\n"
    content = content * (20_000_000 // len(content)) + b".\r\n"

    def flow(port: int) -> SmtpFlow[Any]:
        yield Connect("127.0.0.1", port)
        yield Hear()
        return (yield SendContent(content, 15))

    reply, transcript, _ = heard(slow, flow)
    assert reply == Reply(250, ("2.0.0 queued",))
    assert got == len(content)
    assert any(f"[{len(content)} octets of message]" in line for line in transcript.lines())


def test_an_early_reply_ends_the_sending() -> None:
    """A server that says no in the middle and stops reading is heard; nothing hangs."""

    async def impatient(talk: Talk) -> None:
        await talk.say("220 mx.example.com")
        await talk.reader.read(1000)
        await talk.say("552 5.3.4 message too big")
        await asyncio.sleep(30)

    def flow(port: int) -> SmtpFlow[Any]:
        yield Connect("127.0.0.1", port)
        yield Hear()
        reply = yield SendContent(b"x" * 50_000_000, 10)
        after = yield Say("NOOP")
        return reply, after

    (reply, after), _, took = heard(impatient, flow)
    assert reply == Reply(552, ("5.3.4 message too big",))
    assert after.kind is TroubleKind.CLOSED
    assert took < 5


def test_a_server_that_vanishes_after_the_final_dot_leaves_it_ambiguous() -> None:
    """The message may have been taken: sending it again may duplicate it, so that is said."""

    async def vanishing(talk: Talk) -> None:
        await talk.say("220 mx.example.com")
        for reply in ("250 mx.example.com", "250 ok", "250 ok", "354 go ahead"):
            await talk.hear()
            await talk.say(reply)
        while await talk.hear() != ".":
            pass

    def flow(port: int) -> Any:
        envelope = Envelope("a@example.com", ("b@example.com",), b"Subject: x\r\n\r\nx\r\n")
        return submit_flow(Submission("127.0.0.1", port, tls="none"), [envelope])

    result, _, _ = heard(vanishing, flow)
    assert result.stage is Stage.CONTENT
    assert result.deliveries[0].ambiguous
    assert not result.deliveries[0].accepted


def test_pipelined_replies_come_in_order_and_the_rest_fail() -> None:
    """Three replies to four commands, then the end: three replies and one trouble."""

    async def three(talk: Talk) -> None:
        await talk.say("220 mx.example.com")
        for _ in range(4):
            await talk.hear()
        await talk.say("250 one", "550 two", "250-three", "250 more")

    def flow(port: int) -> SmtpFlow[Any]:
        yield Connect("127.0.0.1", port)
        yield Hear()
        return (yield SayAll(("A", "B", "C", "D"), 5))

    replies, _, _ = heard(three, flow)
    assert replies[:3] == (Reply(250, ("one",)), Reply(550, ("two",)), Reply(250, ("three", "more")))
    assert replies[3].kind is TroubleKind.CLOSED


def test_nothing_is_said_before_the_greeting() -> None:
    """A server that delays its greeting gets not one octet before it (RFC 5321 §3.1)."""
    early = b"?"

    async def delaying(talk: Talk) -> None:
        nonlocal early
        try:
            early = await asyncio.wait_for(talk.reader.read(100), QUICK)
        except TimeoutError:
            early = b""
        await talk.serve()

    def flow(port: int) -> Any:
        return submit_flow(Submission("127.0.0.1", port, tls="none"), [])

    result, _, _ = heard(delaying, flow)
    assert early == b""
    assert result.stage is None


def test_a_cancelled_conversation_leaves_no_socket() -> None:
    """Ctrl-C in the middle: the socket is closed at once (warnings are errors here)."""

    async def work() -> None:
        gone = asyncio.Event()

        async def stalling(talk: Talk) -> None:
            await talk.stall()
            gone.set()

        async with server(stalling) as port:
            task = asyncio.create_task(LiveSmtp().converse(greeted(30)(port)))
            await asyncio.sleep(0.05)
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            async with asyncio.timeout(5):
                await gone.wait()

    run(work())


def test_closing_the_door_ends_every_conversation() -> None:
    """``aclose`` lets nobody wait for a stalled server."""

    async def work() -> Any:
        door = LiveSmtp()
        async with server(Talk.stall) as port:
            task = asyncio.create_task(door.converse(greeted(30)(port)))
            await asyncio.sleep(0.05)
            await door.aclose()
            return (await task)[0]

    assert run(work()).kind is TroubleKind.CLOSED


def test_replies_that_come_before_their_commands_are_noticed() -> None:
    """A server that answers what was not asked is out of step: read all the same, and said in the reply's faults."""

    async def hasty(talk: Talk) -> None:
        await talk.say(b"220 mx.example.com\r\n250 mx.example.com\r\n")
        await talk.stall()

    def flow(port: int) -> SmtpFlow[Any]:
        yield Connect("127.0.0.1", port)
        greeting = yield Hear()
        return greeting, (yield Say("EHLO client.example.com"))

    (greeting, ehlo), _, _ = heard(hasty, flow)
    assert greeting.faults == ()
    assert ehlo == Reply(250, ("mx.example.com",))
    assert any("before the command" in fault for fault in ehlo.faults)


def sending(conversation: Conversation, *envelopes: Envelope, **how: Any) -> Any:
    """The result of submitting these to a server that holds this conversation."""

    def flow(port: int) -> Any:
        return submit_flow(Submission("127.0.0.1", port, tls="none", **{"reply_s": 5.0, **how}), envelopes)

    return heard(conversation, flow)[0]


LETTER = Envelope("a@example.com", ("b@example.com",), b"Subject: x\r\n\r\nx\r\n")


def test_an_acceptance_before_the_message_is_none() -> None:
    """354 and 250 in one breath: the 250 cannot be about a message that was not sent yet."""

    async def lying(talk: Talk) -> None:
        await talk.say("220 mx.example.com")
        for reply in ("250 mx.example.com", "250 ok", "250 ok", b"354 go ahead\r\n250 2.0.0 queued\r\n"):
            await talk.hear()
            await talk.say(reply)
        await talk.stall()

    (delivery,) = sending(lying, LETTER).deliveries
    assert not delivery.accepted
    assert not delivery.ambiguous
    assert "before the end of the message" in str(delivery.problem)


def test_a_message_that_never_left_whole_is_not_ambiguous() -> None:
    """A server that stops reading, or closes, in the middle of the message cannot have accepted it."""
    letter = Envelope("a@example.com", ("b@example.com",), b"x" * 30_000_000)

    async def invited(talk: Talk) -> None:
        await talk.say("220 mx.example.com")
        for reply in ("250 mx.example.com", "250 ok", "250 ok", "354 go ahead"):
            await talk.hear()
            await talk.say(reply)

    async def deaf(talk: Talk) -> None:
        await invited(talk)
        await asyncio.sleep(30)

    async def closing(talk: Talk) -> None:
        await invited(talk)
        await talk.reader.read(1000)
        talk.writer.transport.abort()

    stopped = sending(deaf, letter, content_s=1.0).deliveries[0]
    closed = sending(closing, letter, content_s=5.0).deliveries[0]
    assert (stopped.problem.kind, closed.problem.kind) == (TroubleKind.TIMEOUT, TroubleKind.CLOSED)
    assert not stopped.ambiguous
    assert not closed.ambiguous


@pytest.mark.parametrize("stage", ["greeting", "EHLO", "MAIL", "RCPT", "DATA"])
@pytest.mark.parametrize("ending", ["closes", "stalls", "421 4.3.2 shutting down", "garbage"])
def test_a_session_may_break_at_every_stage(stage: str, ending: str) -> None:
    """Wherever the server closes, stalls, goes away or babbles, the stage is named and nothing is called uncertain."""

    async def breaking(talk: Talk) -> None:
        answers = {"greeting": "220 mx.example.com", "EHLO": "250 mx", "MAIL": "250 ok", "RCPT": "250 ok"}
        for at, reply in answers.items():
            if at != "greeting":
                await talk.hear()
            if at == stage:
                break
            await talk.say(reply)
        else:
            await talk.hear()
        if ending == "closes":
            return
        if ending != "stalls":
            await talk.say(ending)
        await talk.stall()

    result = sending(breaking, LETTER, reply_s=QUICK)
    kinds = {"closes": TroubleKind.CLOSED, "stalls": TroubleKind.TIMEOUT, "garbage": TroubleKind.GARBAGE}
    assert result.stage is Stage(stage)
    assert getattr(result.problem, "kind", None) == kinds.get(ending)
    assert not any(d.accepted or d.ambiguous for d in result.deliveries)


def test_a_session_is_the_same_however_the_network_cuts_it() -> None:
    """Every octet of the server's in a segment of its own: the same replies, the same result."""

    async def dripping(talk: Talk) -> None:
        whole = talk.say

        async def octet_by_octet(*lines: str | bytes) -> None:
            for line in lines:
                for octet in line if isinstance(line, bytes) else f"{line}\r\n".encode():
                    await whole(bytes([octet]))
                    await asyncio.sleep(0)

        talk.say = octet_by_octet  # type: ignore[method-assign]
        await talk.serve("PIPELINING", "8BITMIME", RCPT="250-2.1.5 more\n250 2.1.5 ok")

    result = sending(dripping, LETTER, LETTER)
    assert result.delivered
    assert [str(r.heard) for d in result.deliveries for r in d.recipients] == ["250 2.1.5 more ok"] * 2


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN", "CRAM-MD5", "XOAUTH2"])
@pytest.mark.parametrize("cut", [None, 40])
def test_a_server_that_repeats_the_secret_is_not_quoted_with_it(mechanism: str, cut: int | None) -> None:
    """A 535 or 500 with the AUTH line in it, whole or cut short, decoded or not: masked in result and transcript."""
    secret = "correct horse battery staple"
    responses: list[str] = []

    async def echoing(talk: Talk) -> None:
        await talk.say("220 mx.example.com")
        await talk.hear()
        await talk.say("250-mx.example.com", f"250 AUTH {mechanism}")
        line = await talk.hear()
        for _ in range({"LOGIN": 2, "CRAM-MD5": 1}.get(mechanism, 0)):
            await talk.say("334 PDE+")
            line = await talk.hear()
        responses.append(line.split()[-1])
        shown = line if cut is None else line[:cut]
        decoded = base64.b64decode(line.split()[-1]).decode("latin-1").replace("\x01", " ").replace("\0", " ")
        await talk.say(f"535-5.7.8 no: {shown}", f"535 5.7.8 {decoded if cut is None else decoded[:-6]}")
        await talk.serve(greeting=None)

    def flow(port: int) -> Any:
        auth = Auth("ann@example.com", secret, mechanism)
        return submit_flow(Submission("127.0.0.1", port, tls="none", auth=auth, insecure=True, reply_s=5), [])

    result, transcript, _ = heard(echoing, flow)
    assert result.stage is Stage.AUTH
    told = f"{result!r} {result.problem}" + "\n".join(transcript.lines())
    encoded = base64.b64encode(secret.encode()).decode()
    assert "********" in str(result.problem)
    for form in (secret, secret[:12], encoded, encoded[:16], responses[0], responses[0][:20]):
        assert form not in told, form
