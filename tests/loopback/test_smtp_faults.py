"""The SMTP door against servers that stall, flood, close and lie: each told apart, none a traceback, all in time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

import pytest

from deliverkit.smtp.client import Envelope, Stage, Submission, submit_flow
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
    assert "not connected: refused" in transcript.lines()[0]


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
