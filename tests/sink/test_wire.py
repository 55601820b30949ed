"""Over real sockets: the sink keeps the octets as they came and tells what was wrong with them."""

from __future__ import annotations

import asyncio
import contextlib

import pytest
from aiosmtpd.smtp import SMTP
from hypothesis import given, settings
from hypothesis import strategies as st

from deliverkit.report.model import Report
from deliverkit.sink import Credentials, Sink
from deliverkit.sink.session import _PLAIN_PATH, SinkSession
from deliverkit.smtp.content import FaultKind
from tests.sink.clients import MESSAGE, RawClient, captured, deliver, in_sink

HEAD = b"From: a@example.com\r\nSubject: hello\r\n\r\n"


@pytest.mark.parametrize(
    ("wire", "raw", "kind"),
    [
        (HEAD + b"one\ntwo\r\n", None, FaultKind.BARE_LF),
        (HEAD + b"one\rtwo\r\n", None, FaultKind.BARE_CR),
        (HEAD + b"nul\0octet\r\n", None, FaultKind.NUL),
        (HEAD + b"x" * 5000 + b"\r\n", None, FaultKind.LONG_LINE),
        (HEAD + b"x" * 200_000 + b"\r\n", None, FaultKind.LONG_LINE),
        (HEAD + b".not doubled\r\n", HEAD + b"not doubled\r\n", FaultKind.DOT_NOT_DOUBLED),
        (HEAD + b"a\n..b\r\n", None, FaultKind.DOT_DOUBLED_AFTER_LF),
        (HEAD + b"a\n.\nMAIL FROM:<x@example.net>\n.\r\nb\r\n", None, FaultKind.FALSE_END),
        (HEAD + b"a\r.\rb\r\n", None, FaultKind.FALSE_END),
        (HEAD + "grüße\r\n".encode(), None, FaultKind.UNDECLARED_8BIT),
    ],
    ids=["bare-lf", "bare-cr", "nul", "long", "very-long", "dot", "dot-after-lf", "lf-dot-lf", "cr-dot-cr", "8bit"],
)
def test_faulty_content_is_captured_and_reported_not_refused(wire: bytes, raw: bytes | None, kind: FaultKind) -> None:
    """Bare LF, over-long lines, NUL, dot faults and smuggling: kept octet for octet, and named."""
    message = captured(wire)
    assert message.raw == (wire if raw is None else raw)
    assert kind in {fault.kind for fault in message.faults}


def test_sound_content_is_kept_as_it_was_meant() -> None:
    """Doubled dots are undone, the first line's too, and nothing is reported."""
    message = captured(b".." + MESSAGE + b"..\r\n...three\r\n")
    assert message.raw == b"." + MESSAGE + b".\r\n..three\r\n"
    assert message.faults == ()


def test_capture_faults_become_findings_beside_the_verification() -> None:
    """What verification cannot see (a dot that was not doubled, smuggling) stands in the same report."""
    message = captured(HEAD + b".x\r\na\n.\nb\r\n")
    assert message.report is not None
    found = {finding.rule for finding in message.report.findings}
    assert {"SINK001", "SINK003"} <= found
    assert message.verdict is not None
    assert message.verdict["verdict"] == "fail"
    assert message.verdict["facts"]["capture"]["faults"]


def test_an_empty_message_is_a_message() -> None:
    """DATA, then at once a dot."""
    assert captured(b"").raw == b""


def test_two_messages_and_quit_in_one_write() -> None:
    """Everything pipelined, content included: both are kept, each once, in order."""

    async def test(sink: Sink) -> None:
        client = await RawClient.connect(sink.smtp_address)
        one = b"MAIL FROM:<%s@example.com>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n%s\r\n.\r\n"
        client.send(
            b"EHLO c.example.com\r\n" + one % (b"one", b"first\r\n..") + one % (b"two", b"second") + b"QUIT\r\n"
        )
        assert await client.closed()
        await sink.wait_for(lambda m: m.mail_from == "two@example.com")

    sink = in_sink(test)
    assert [(m.mail_from, m.raw) for m in sink.messages()] == [
        ("one@example.com", b"first\r\n.\r\n"),
        ("two@example.com", b"second\r\n"),
    ]


def test_a_client_that_closes_its_side_after_the_last_command_is_still_served() -> None:
    """``printf … | nc``: all commands at once, then end of file."""

    async def test(sink: Sink) -> None:
        client = await RawClient.connect(sink.smtp_address)
        client.send(b"HELO c.example.com\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n")
        client.send(MESSAGE + b".\r\n")
        client.writer.write_eof()
        heard = (await asyncio.wait_for(client.reader.read(), 10)).decode()
        assert "250 2.0.0 OK stored as" in heard
        assert (await sink.wait_for()).raw == MESSAGE

    in_sink(test)


def test_a_message_of_ten_megabytes_in_small_and_large_chunks() -> None:
    """Size is no matter: the octets are those that were sent."""
    body = b"".join(
        b"%07d lorem ipsum dolor sit amet, consectetur adipisici elit, sed do\r\n" % n for n in range(150_000)
    )
    assert len(body) > 10_000_000

    async def test(sink: Sink) -> None:
        assert (await deliver(sink.smtp_address, HEAD + body)).startswith("250")

    sink = in_sink(test)
    assert [len(m.raw) for m in sink.messages()] == [len(HEAD + body)]
    assert sink.messages()[0].raw == HEAD + body


def test_a_client_killed_in_the_middle_leaves_nothing_but_a_report() -> None:
    """No end of data, no message; the session is reported with what was there."""

    ended: asyncio.Queue[Report] = asyncio.Queue()

    async def test(sink: Sink) -> None:
        client = await RawClient.connect(sink.smtp_address)
        await client.until_data()
        client.send(MESSAGE * 10)
        await client.writer.drain()
        client.writer.transport.abort()
        await ended.get()

    sink = in_sink(test, on_session=ended.put_nowait)
    assert sink.messages() == []
    assert [finding.rule for finding in sink.sessions[0].findings] == ["SINK016"]
    assert sink.sessions[0].subject.kind == "session"


def test_the_ehlo_reply_is_one_write() -> None:
    """A client that reads once sees every line."""

    async def test(sink: Sink) -> None:
        client = await RawClient.connect(sink.smtp_address)
        await client.hear()
        client.send(b"EHLO c.example.com\r\n")
        reply = (await asyncio.wait_for(client.reader.read(4096), 10)).decode()
        assert reply.startswith("250-localhost\r\n")
        assert reply.endswith("250 HELP\r\n")
        assert "250-PIPELINING\r\n" in reply
        assert "250-SIZE 67108864\r\n" in reply
        assert "AUTH" not in reply
        assert "STARTTLS" not in reply
        await client.close()

    in_sink(test)


def test_commands_out_of_order_are_refused_and_reported() -> None:
    """MAIL before HELO and a nested MAIL: 503, the message arrives all the same, and the report tells."""

    async def test(sink: Sink) -> None:
        client = await RawClient.connect(sink.smtp_address)
        await client.hear()
        assert (await client.say(b"MAIL FROM:<a@example.com>")).startswith("503")
        await client.say(b"EHLO c.example.com")
        assert (await client.say(b"MAIL FROM:<a@example.com>")).startswith("250")
        assert (await client.say(b"MAIL FROM:<b@example.com>")).startswith("503")
        assert (await client.say(b"BDAT 3 LAST")).startswith("500")
        await client.say(b"RCPT TO:<b@example.org>")
        await client.say(b"DATA")
        client.send(MESSAGE + b".\r\n")
        assert (await client.hear()).startswith("250")
        message = await sink.wait_for()
        faults = {fault.kind: fault for fault in message.faults}
        assert faults[FaultKind.OUT_OF_ORDER].count == 2
        assert "MAIL FROM:<a@example.com>" in faults[FaultKind.OUT_OF_ORDER].detail
        assert "BDAT" in faults[FaultKind.NOT_UNDERSTOOD].detail
        assert {"SINK007", "SINK008"} <= {f.rule for f in message.report.findings}  # type: ignore[union-attr]
        await client.close()

    in_sink(test)


def test_commands_that_end_with_a_bare_line_feed_are_reported() -> None:
    """They are understood, and named."""

    async def test(sink: Sink) -> None:
        client = await RawClient.connect(sink.smtp_address)
        await client.hear()
        client.send(b"EHLO c.example.com\nMAIL FROM:<a@example.com>\nRCPT TO:<b@example.org>\nDATA\n")
        client.send(MESSAGE + b".\r\n")
        message = await sink.wait_for()
        faults = {fault.kind: fault for fault in message.faults}
        assert faults[FaultKind.COMMAND_BARE_LF].count == 4
        await client.close()

    in_sink(test)


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        (b"<" + b"l" * 90 + b"@example.com>", FaultKind.LONG_PATH),
        ("<jörg@example.com>".encode(), FaultKind.UNDECLARED_UTF8),
    ],
)
def test_addresses_no_server_need_take_are_taken_and_reported(path: bytes, kind: FaultKind) -> None:
    """Long local parts, and SMTPUTF8 addresses that were not declared."""

    async def test(sink: Sink) -> None:
        assert (await deliver(sink.smtp_address, MESSAGE, b"MAIL FROM:" + path)).startswith("250")
        message = await sink.wait_for()
        assert message.mail_from == path.decode().strip("<>")
        assert kind in {fault.kind for fault in message.faults}

    in_sink(test)


def test_a_declared_smtputf8_address_and_8bitmime_are_no_fault() -> None:
    """What the client may do when it says so."""

    async def test(sink: Sink) -> None:
        mail = "MAIL FROM:<jörg@example.com> SMTPUTF8 BODY=8BITMIME".encode()
        assert (await deliver(sink.smtp_address, HEAD + "grüße\r\n".encode(), mail)).startswith("250")
        message = await sink.wait_for()
        assert message.faults == ()
        assert set(message.mail_options) == {"SMTPUTF8", "BODY=8BITMIME"}

    in_sink(test)


def test_the_null_reverse_path_is_empty() -> None:
    """A bounce has no sender."""

    async def test(sink: Sink) -> None:
        assert (await deliver(sink.smtp_address, MESSAGE, b"MAIL FROM:<>")).startswith("250")
        assert (await sink.wait_for()).mail_from == ""

    in_sink(test)


@pytest.mark.parametrize("evil", [b"VRFY a\rb\x07c", b"EHLO a\rb", b"HELP \xff\xfe\x00", b"\xff\xfe", b"VRFY \xf0\x9f"])
def test_control_characters_are_never_echoed(evil: bytes) -> None:
    """A reply holds nothing of the client's that could begin a line or ring a bell."""

    async def test(sink: Sink) -> None:
        client = await RawClient.connect(sink.smtp_address)
        await client.hear()
        client.send(evil + b"\r\n")
        reply = await asyncio.wait_for(client.reader.readuntil(b"\r\n"), 10)
        assert reply[:-2].decode().isprintable()
        await client.close()

    in_sink(test)


def test_a_tls_handshake_on_the_clear_port_is_named() -> None:
    """secure: true against a STARTTLS port: closed at once, and the session says why."""

    async def test(sink: Sink) -> None:
        client = await RawClient.connect(sink.smtp_address)
        await client.hear()
        client.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\0" * 100)
        assert await client.closed()

    sink = in_sink(test)
    assert [finding.rule for finding in sink.sessions[0].findings] == ["SINK014"]


def test_a_client_that_talks_before_the_greeting_is_seen_when_the_greeting_waits() -> None:
    """With a delay before the greeting, an early talker is told from one that is merely fast."""
    from deliverkit.sink import Limits

    async def test(sink: Sink) -> None:
        client = await RawClient.connect(sink.smtp_address)
        client.send(b"EHLO c.example.com\r\nMAIL FROM:<a@example.com>\r\nRCPT TO:<b@example.org>\r\nDATA\r\n")
        client.send(MESSAGE + b".\r\n")
        message = await sink.wait_for()
        assert FaultKind.EARLY_TALK in {fault.kind for fault in message.faults}
        await client.close()

    in_sink(test, limits=Limits(greeting_delay_s=0.2))


ATOMS = st.text("abcXYZ019!#$%&'*+/=?^_`{|}~-", min_size=1, max_size=12)
LABELS = st.text("abcXYZ019-", min_size=1, max_size=12)
PATHS = st.builds(
    lambda local, domain, rest: f"<{'.'.join(local)}@{'.'.join(domain)}>{rest}",
    st.lists(ATOMS, min_size=1, max_size=3),
    st.lists(LABELS, min_size=1, max_size=4),
    st.sampled_from(["", " SIZE=100", " BODY=8BITMIME SIZE=7", "  SMTPUTF8"]),
)


@given(PATHS)
def test_the_fast_path_reads_addresses_as_aiosmtpd_does(arg: str) -> None:
    """Plain paths take a pattern instead of a parser; what comes out is the same."""
    session = SinkSession.__new__(SinkSession)
    assert _PLAIN_PATH.fullmatch(arg)
    assert session._getaddr(arg) == SMTP._getaddr(session, arg)


@pytest.mark.parametrize(
    "arg", ['<"quoted local"@example.com>', "<@relay.example:a@example.com>", "a@example.com", "<>"]
)
def test_other_paths_go_to_aiosmtpds_parser(arg: str) -> None:
    """Quoted local parts, source routes, no brackets, the null path."""
    session = SinkSession.__new__(SinkSession)
    assert session._getaddr(arg) == SMTP._getaddr(session, arg)


NOISE = st.lists(
    st.one_of(
        st.binary(max_size=60),
        st.sampled_from(
            [b"EHLO a\r\n", b"MAIL FROM:<a@b.example>\r\n", b"RCPT TO:<c@d.example>\r\n", b"DATA\r\n", b".\r\n",
             b"AUTH PLAIN\r\n", b"RSET\r\n", b"\r\n.\r\n", b"STARTTLS\r\n", b"HELP\r\n", b"VRFY <a@b>\r\n"]
        ),
    ),
    max_size=25,
)  # fmt: skip


@settings(max_examples=25, deadline=None)
@given(NOISE)
def test_noise_neither_crashes_nor_hangs_a_session(pieces: list[bytes]) -> None:
    """Whatever a client says, the next one is served, and no fault of ours is among the replies."""

    async def test(sink: Sink) -> None:
        client = await RawClient.connect(sink.smtp_address)
        for piece in pieces:
            client.send(piece)
        client.writer.write_eof()
        with contextlib.suppress(ConnectionError):
            heard = await asyncio.wait_for(client.reader.read(), 10)
            assert b"451 4.3.0 Local error" not in heard
        await client.close()
        assert (await deliver(sink.smtp_address, MESSAGE)).startswith("250")

    in_sink(test, credentials=Credentials(in_clear=True))
