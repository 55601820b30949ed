"""TLS, AUTH, limits and many clients at once, over real sockets."""

from __future__ import annotations

import asyncio
import base64
import json
import smtplib
import ssl
import tracemalloc
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from deliverkit.report.model import Report
from deliverkit.sink import Bounds, Credentials, Limits, ListenError, Sink, TlsError, TlsFiles, private_tls
from deliverkit.sink.session import SinkSession
from deliverkit.smtp.content import FaultKind
from deliverkit.smtp.transcript import TlsStarted
from tests.sink.clients import MESSAGE, RawClient, deliver, in_sink, send_with_smtplib, trusting

SECRET = "correct horse battery staple"
TLS = {"starttls": "127.0.0.1:0", "smtps": "127.0.0.1:0"}


def plain(user: str = "user", password: str = SECRET) -> bytes:
    """The initial response of AUTH PLAIN."""
    return base64.b64encode(f"\0{user}\0{password}".encode())


# -- TLS ------------------------------------------------------------------------------------------------


def test_starttls_is_one_transcript_across_the_handshake() -> None:
    """Both sides are seen before and after, with the handshake between, and EHLO is said again."""

    async def test(sink: Sink) -> None:
        context = trusting(sink.ca_file)
        await asyncio.to_thread(send_with_smtplib, sink.starttls_address, MESSAGE, starttls=context)
        message = await sink.wait_for()
        assert message.listener == "starttls"
        assert message.tls is not None
        assert message.tls.startswith("TLSv1.3 ")
        words = [getattr(event, "text", "") for event in message.transcript.events]
        at = next(n for n, event in enumerate(message.transcript.events) if isinstance(event, TlsStarted))
        assert words[at - 2 : at] == ["STARTTLS", "220 Ready to start TLS"]
        assert words[at + 1].lower().startswith("ehlo")
        assert "250-STARTTLS" in words[:at]
        assert "250-STARTTLS" not in words[at:]
        assert words[-1] == f"250 2.0.0 OK stored as {message.receipt}"
        assert all(event.in_clear for event in message.transcript.events[:at])
        assert not any(event.in_clear for event in message.transcript.events[at:])

    in_sink(test, **TLS)


def test_implicit_tls() -> None:
    """TLS first, and no STARTTLS inside it."""

    async def test(sink: Sink) -> None:
        client = await RawClient.connect(sink.smtps_address, trusting(sink.ca_file))
        await client.hear()
        assert "STARTTLS" not in await client.say(b"EHLO c.example.com")
        assert (await client.say(b"STARTTLS")).startswith("503")
        await client.say(b"MAIL FROM:<a@example.com>")
        await client.say(b"RCPT TO:<b@example.org>")
        await client.say(b"DATA")
        client.send(MESSAGE + b".\r\n")
        assert (await client.hear()).startswith("250")
        assert (await sink.wait_for()).listener == "smtps"
        await client.close()

    in_sink(test, **TLS)


def test_octets_behind_starttls_are_dropped_and_reported() -> None:
    """A command pipelined behind STARTTLS is not executed after the handshake."""

    async def test(sink: Sink) -> None:
        client = await RawClient.connect(sink.starttls_address)
        await client.hear()
        await client.say(b"EHLO c.example.com")
        client.send(b"STARTTLS\r\nMAIL FROM:<injected@example.net>\r\n")
        assert (await client.hear()).startswith("220")
        await client.writer.start_tls(trusting(sink.ca_file), server_hostname="localhost")
        await client.say(b"EHLO c.example.com")
        assert (await client.say(b"MAIL FROM:<a@example.com>")).startswith("250")
        await client.say(b"RCPT TO:<b@example.org>")
        await client.say(b"DATA")
        client.send(MESSAGE + b".\r\n")
        await client.hear()
        message = await sink.wait_for()
        assert message.mail_from == "a@example.com"
        assert FaultKind.AFTER_STARTTLS in {fault.kind for fault in message.faults}
        await client.close()

    in_sink(test, **TLS)


@pytest.mark.parametrize("listener", ["starttls", "smtps"])
def test_a_client_that_does_not_trust_us_is_reported(listener: str) -> None:
    """The handshake fails at the client's wish; the session says so and the sink goes on."""
    ended: asyncio.Queue[Report] = asyncio.Queue()

    async def test(sink: Sink) -> None:
        def send() -> None:
            stranger = ssl.create_default_context()
            if listener == "smtps":
                smtplib.SMTP_SSL(*sink.smtps_address, timeout=20, context=stranger)
            else:
                with smtplib.SMTP(*sink.starttls_address, timeout=20) as client:
                    client.starttls(context=stranger)

        with pytest.raises(ssl.SSLError):
            await asyncio.to_thread(send)
        report = await asyncio.wait_for(ended.get(), 10)
        assert [finding.rule for finding in report.findings] == ["SINK015"]
        assert "unknown ca" in report.findings[0].detail
        assert (await deliver(sink.smtp_address, MESSAGE)).startswith("250")

    in_sink(test, smtp="127.0.0.1:0", on_session=ended.put_nowait, **TLS)


@pytest.mark.parametrize("listener", ["starttls", "smtps"])
def test_a_client_that_hangs_up_in_the_handshake_is_reported(listener: str) -> None:
    """A client that says nothing of why (asyncio's own is one) is reported all the same."""
    ended: asyncio.Queue[Report] = asyncio.Queue()

    async def test(sink: Sink) -> None:
        client = await RawClient.connect(sink.addresses[listener])  # type: ignore[index]
        if listener == "starttls":
            await client.hear()
            await client.say(b"EHLO c.example.com")
            await client.say(b"STARTTLS")
        client.send(b"\x16\x03\x01\x02\x00\x01")
        await client.writer.drain()
        client.writer.transport.abort()
        report = await asyncio.wait_for(ended.get(), 10)
        assert [finding.rule for finding in report.findings] == ["SINK015"]
        assert "hung up" in report.findings[0].detail

    in_sink(test, on_session=ended.put_nowait, **TLS)


@pytest.mark.parametrize("says", [b"", b"EHLO c.example.com\r\n"])
def test_a_client_in_the_clear_on_the_tls_port_is_named(says: bytes) -> None:
    """secure: false against port 465: the client waits for a greeting, or speaks, and the report says which."""
    ended: asyncio.Queue[Report] = asyncio.Queue()

    async def test(sink: Sink) -> None:
        client = await RawClient.connect(sink.smtps_address)
        client.send(says)
        report = await asyncio.wait_for(ended.get(), 10)
        assert [finding.rule for finding in report.findings] == ["SINK014"]
        assert ("spoke in the clear" if says else "waits for a greeting") in report.findings[0].detail
        await client.close()

    in_sink(test, smtps="127.0.0.1:0", limits=Limits(handshake_s=0.3), on_session=ended.put_nowait)


def test_the_self_made_certificate_is_kept_while_it_serves(tmp_path: Path) -> None:
    """A directory given twice holds the same authority; other names need a new one; no key of the authority is left."""
    first = private_tls(tmp_path)
    made = first.certificate.read_bytes()
    assert private_tls(tmp_path).certificate.read_bytes() == made
    assert private_tls(tmp_path, ["mail.example.test"]).certificate.read_bytes() != made
    assert sorted(path.name for path in tmp_path.iterdir()) == ["ca.pem", "cert.pem", "key.pem"]
    assert first.key.stat().st_mode & 0o077 == 0


def test_a_self_made_certificate_has_a_year_and_its_names(tmp_path: Path) -> None:
    """Clients refuse server certificates that live longer than 398 days."""
    from cryptography import x509

    certificate = x509.load_pem_x509_certificate(private_tls(tmp_path).certificate.read_bytes())
    assert certificate.not_valid_after_utc - datetime.now(UTC) < timedelta(days=398)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]


def test_a_certificate_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    """Absent files, a key of another certificate, a file that is no PEM: each one clear line."""
    one, two = private_tls(tmp_path / "one"), private_tls(tmp_path / "two")
    with pytest.raises(TlsError, match="do not belong together"):
        TlsFiles(one.certificate, two.key).context()
    with pytest.raises(TlsError, match="cannot read"):
        TlsFiles(tmp_path / "absent.pem", two.key).context()
    (tmp_path / "noise.pem").write_bytes(b"\0\1\2")
    with pytest.raises(TlsError, match="not PEM"):
        TlsFiles(tmp_path / "noise.pem", two.key).context()


# -- AUTH -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("way", ["plain", "plain-later", "login", "lower-case"])
def test_auth_is_taken_and_never_shown(way: str) -> None:
    """PLAIN with and without initial response, LOGIN: the login is kept, the password is nowhere."""

    async def test(sink: Sink) -> None:
        client = await RawClient.connect(sink.smtps_address, trusting(sink.ca_file))
        await client.hear()
        assert "250-AUTH LOGIN PLAIN" in await client.say(b"EHLO c.example.com")
        if way in ("plain", "lower-case"):
            reply = await client.say((b"auth plain " if way == "lower-case" else b"AUTH PLAIN ") + plain())
        elif way == "plain-later":
            assert (await client.say(b"AUTH PLAIN")).startswith("334")
            reply = await client.say(plain())
        else:
            await client.say(b"AUTH LOGIN")
            await client.say(base64.b64encode(b"user"))
            reply = await client.say(base64.b64encode(SECRET.encode()))
        assert reply.startswith("235")
        await client.say(b"MAIL FROM:<a@example.com>")
        await client.say(b"RCPT TO:<b@example.org>")
        await client.say(b"DATA")
        client.send(MESSAGE + b".\r\n")
        await client.hear()
        message = await sink.wait_for()
        assert message.authenticated_as == "user"
        everything = json.dumps(message.to_json()) + repr(message)
        for secret in (SECRET, plain().decode(), base64.b64encode(SECRET.encode()).decode()):
            assert secret not in everything
        assert "********" in everything
        await client.close()

    in_sink(test, credentials=Credentials(), **TLS)


def test_a_wrong_password_is_refused_and_mail_without_auth_too() -> None:
    """With required credentials nothing is taken before a right login."""

    async def test(sink: Sink) -> None:
        client = await RawClient.connect(sink.smtps_address, trusting(sink.ca_file))
        await client.hear()
        await client.say(b"EHLO c.example.com")
        assert (await client.say(b"MAIL FROM:<a@example.com>")).startswith("530")
        assert (await client.say(b"AUTH PLAIN " + plain(password="wrong"))).startswith("535")
        assert (await client.say(b"AUTH PLAIN " + plain("other"))).startswith("535")
        assert (await client.say(b"AUTH PLAIN " + plain())).startswith("235")
        assert (await client.say(b"MAIL FROM:<a@example.com>")).startswith("250")
        await client.close()

    in_sink(test, credentials=Credentials("user", SECRET, required=True), **TLS)


def test_auth_in_the_clear_is_refused_reported_and_not_recorded() -> None:
    """Credentials sent in spite of a missing offer are masked, also where they are sent on as commands."""
    ended: asyncio.Queue[Report] = asyncio.Queue()

    async def test(sink: Sink) -> None:
        client = await RawClient.connect(sink.starttls_address)
        await client.hear()
        assert "AUTH" not in await client.say(b"EHLO c.example.com")
        assert (await client.say(b"AUTH PLAIN " + plain())).startswith("538")
        assert (await client.say(b"AUTH LOGIN")).startswith("538")
        reply = await client.say(base64.b64encode(SECRET.encode()))
        assert reply.startswith("500")
        assert base64.b64encode(SECRET.encode()).decode().upper() not in reply
        await client.say(b"QUIT")
        report = await asyncio.wait_for(ended.get(), 10)
        rules = {finding.rule for finding in report.findings}
        assert {"SINK012", "SINK007"} <= rules
        everything = repr(report)
        assert plain().decode() not in everything
        assert base64.b64encode(SECRET.encode()).decode() not in everything
        assert base64.b64encode(SECRET.encode()).decode().upper() not in everything

    in_sink(test, credentials=Credentials(), on_session=ended.put_nowait, **TLS)


def test_auth_in_the_clear_when_told() -> None:
    """Allowed in so many words, it works and is still reported."""

    async def test(sink: Sink) -> None:
        client = await RawClient.connect(sink.smtp_address)
        await client.hear()
        assert "AUTH LOGIN PLAIN" in await client.say(b"EHLO c.example.com")
        assert (await client.say(b"AUTH PLAIN " + plain())).startswith("235")
        await client.say(b"MAIL FROM:<a@example.com>")
        await client.say(b"RCPT TO:<b@example.org>")
        await client.say(b"DATA")
        client.send(MESSAGE + b".\r\n")
        await client.hear()
        message = await sink.wait_for()
        assert FaultKind.CLEAR_AUTH in {fault.kind for fault in message.faults}
        await client.close()

    in_sink(test, credentials=Credentials(in_clear=True))


@pytest.mark.parametrize(
    ("lines", "counts"),
    [
        ([b"AUTH PLAIN " + plain()], [1]),
        ([b"AUTH PLAIN", plain()], [1]),
        ([b"AUTH LOGIN", base64.b64encode(b"user"), base64.b64encode(SECRET.encode())], [1]),
        ([b"AUTH LOGIN", b"*"], []),
        ([b"AUTH PLAIN " + plain(password="wrong"), b"AUTH PLAIN " + plain()], [2]),
    ],
    ids=["at once", "when asked", "in two lines", "given up", "twice"],
)
def test_a_login_in_the_clear_is_counted_once(lines: list[bytes], counts: list[int]) -> None:
    """However many lines it takes; one that was given up before anything was told is none."""

    async def test(sink: Sink) -> None:
        client = await RawClient.connect(sink.smtp_address)
        await client.hear()
        await client.say(b"EHLO c.example.com")
        for line in lines:
            await client.say(line)
        await client.say(b"MAIL FROM:<a@example.com>")
        await client.say(b"RCPT TO:<b@example.org>")
        await client.say(b"DATA")
        client.send(MESSAGE + b".\r\n")
        await client.hear()
        message = await sink.wait_for()
        assert [fault.count for fault in message.faults if fault.kind is FaultKind.CLEAR_AUTH] == counts
        await client.close()

    in_sink(test, credentials=Credentials("user", SECRET, in_clear=True))


def test_credentials_are_read_from_environment_and_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """USER:PASSWORD from each source; a fault names the source and never the secret."""
    monkeypatch.setenv("SINK_LOGIN", f"user:{SECRET}")
    (tmp_path / "login").write_text(f"user:{SECRET}\n", "utf-8")
    for word in ("env:SINK_LOGIN", f"file:{tmp_path / 'login'}", f"user:{SECRET}"):
        told = Credentials.told(word)
        assert told.accept(b"user", SECRET.encode())
        assert not told.accept(b"user", b"other")
        assert SECRET not in repr(told)
    assert Credentials.told("any").accept(b"who", b"ever")
    for word in ("env:SINK_NOTHING", f"file:{tmp_path / 'absent'}", "nonsense", "user:"):
        with pytest.raises(ValueError, match=r"SINK_NOTHING|cannot read|USER:PASSWORD"):
            Credentials.told(word)


# -- limits ---------------------------------------------------------------------------------------------


def test_a_message_over_the_limit_is_refused_and_the_session_goes_on() -> None:
    """SIZE is announced; beyond it 552, at MAIL when declared and after DATA when not; memory is given back."""

    async def test(sink: Sink) -> None:
        client = await RawClient.connect(sink.smtp_address)
        await client.hear()
        assert "250-SIZE 10000" in await client.say(b"EHLO c.example.com")
        assert (await client.say(b"MAIL FROM:<a@example.com> SIZE=10001")).startswith("552")
        await client.say(b"MAIL FROM:<a@example.com>")
        await client.say(b"RCPT TO:<b@example.org>")
        await client.say(b"DATA")
        client.send(b"x" * 70 + b"\r\n")
        for _ in range(1000):
            client.send(b"x" * 70 + b"\r\n")
        client.send(b".\r\n")
        assert (await client.hear()).startswith("552 5.3.4 A message of 72072 octets")
        assert sink._reception.room.taken == 0
        await client.say(b"MAIL FROM:<a@example.com>")
        await client.say(b"RCPT TO:<b@example.org>")
        await client.say(b"DATA")
        client.send(MESSAGE + b".\r\n")
        assert (await client.hear()).startswith("250")
        assert FaultKind.TOO_BIG in {fault.kind for fault in (await sink.wait_for()).faults}
        await client.close()

    in_sink(test, limits=Limits(message=10_000))


def test_octets_in_flight_are_bounded_over_all_clients() -> None:
    """One slow client holds the room; the other is told to come again, and can once it is free."""

    async def test(sink: Sink) -> None:
        slow = await RawClient.connect(sink.smtp_address)
        await slow.until_data()
        slow.send(b"x" * 900)
        await slow.writer.drain()
        while sink._reception.room.taken < 900:
            await asyncio.sleep(0)
        assert (await deliver(sink.smtp_address, b"y" * 200 + b"\r\n")).startswith("452 4.3.1")
        slow.writer.transport.abort()
        while sink._reception.room.taken:
            await asyncio.sleep(0)
        assert (await deliver(sink.smtp_address, b"y" * 200 + b"\r\n")).startswith("250")

    sink = in_sink(test, limits=Limits(in_flight=1000))
    assert len(sink.messages()) == 1
    assert sink._reception.room.taken == 0


def test_a_slow_client_is_ended_when_it_falls_silent() -> None:
    """421, whether it stops between commands or in its message; what makes progress lives on."""
    ended: asyncio.Queue[Report] = asyncio.Queue()

    async def test(sink: Sink) -> None:
        silent, stalled, slow = [await RawClient.connect(sink.smtp_address) for _ in range(3)]
        await silent.hear()
        await stalled.until_data()
        stalled.send(b"half a li")
        await slow.until_data()
        for octet in MESSAGE[:12] + b"\r\n.\r\n":
            slow.send(bytes([octet]))
            await asyncio.sleep(0.05)
        assert (await slow.hear()).startswith("250")
        assert (await silent.hear()).startswith("421 4.4.2")
        assert (await stalled.hear()).startswith("421 4.4.2")
        assert await silent.closed()
        assert await stalled.closed()
        reports = [await asyncio.wait_for(ended.get(), 10) for _ in range(2)]
        awaited = {finding.detail.partition("; ")[2] for report in reports for finding in report.findings}
        assert awaited == {"a command was awaited", "the end of data was awaited"}
        await slow.close()

    sink = in_sink(test, limits=Limits(idle_s=0.4), on_session=ended.put_nowait)
    assert len(sink.messages()) == 1


def test_errors_commands_recipients_and_connections_are_bounded() -> None:
    """Each bound answers in its own words."""

    async def test(sink: Sink) -> None:
        client = await RawClient.connect(sink.smtp_address)
        await client.hear()
        for _ in range(4):
            assert (await client.say(b"RCPT TO:<b@example.org>")).startswith("503")
        assert (await client.hear()).startswith("421 4.7.0 Too many errors")
        assert await client.closed()

        client = await RawClient.connect(sink.smtp_address)
        await client.hear()
        for _ in range(31):
            assert (await client.say(b"NOOP")).startswith("250")
        assert (await client.hear()).startswith("421 4.7.0 More than 30 commands")

        client = await RawClient.connect(sink.smtp_address)
        await client.hear()
        await client.say(b"EHLO c.example.com")
        await client.say(b"MAIL FROM:<a@example.com>")
        replies = [(await client.say(b"RCPT TO:<b%d@example.org>" % n))[:9] for n in range(3)]
        assert replies == ["250 OK", "250 OK", "452 4.5.3"]

        others = [await RawClient.connect(sink.smtp_address) for _ in range(3)]
        greetings = [(await other.hear())[:3] for other in others]
        assert greetings == ["220", "220", "421"]
        assert await others[2].closed()
        for open_client in (client, *others):
            await open_client.close()

    in_sink(test, limits=Limits(errors=3, commands=30, recipients=2, connections=3))


def test_an_endless_command_line_costs_no_memory() -> None:
    """Ten megabytes without a line end are read, dropped and refused."""

    async def test(sink: Sink) -> None:
        client = await RawClient.connect(sink.smtp_address)
        await client.hear()
        tracemalloc.start()
        for _ in range(160):
            client.send(b"A" * 65536)
            await client.writer.drain()
        client.send(b"\r\n")
        assert (await client.hear()).startswith("500")
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
        tracemalloc.stop()
        assert (await client.say(b"EHLO c.example.com")).startswith("250")
        await client.close()

    in_sink(test)


@pytest.mark.parametrize("store", [None, "inbox.db", "folder"])
def test_two_hundred_parallel_clients_each_once(store: str | None, tmp_path: Path) -> None:
    """All are served at the same time, every message is kept, and none twice."""

    async def test(sink: Sink) -> None:
        clients = [await RawClient.connect(sink.smtp_address) for _ in range(200)]
        assert len(sink._reception.sessions) <= 200

        async def one(number: int, client: RawClient) -> None:
            await client.until_data()
            client.send(b"Subject: %d\r\n\r\nHello\r\n.\r\n" % number)
            assert (await client.hear()).startswith("250")
            await client.close()

        await asyncio.gather(*(one(number, client) for number, client in enumerate(clients)))

    sink = in_sink(test, store=tmp_path / store if store else None)
    if store:
        from deliverkit.sink import Inbox

        inbox = Inbox(tmp_path / store)
        messages = list(inbox.messages())
        inbox.close()
    else:
        messages = sink.messages()
    assert sorted(int(message.subject) for message in messages) == list(range(200))
    assert len({message.receipt for message in messages}) == 200


def test_a_full_inbox_can_refuse() -> None:
    """With "refuse" the client hears 452 and nothing that was acknowledged goes away."""

    async def test(sink: Sink) -> None:
        assert (await deliver(sink.smtp_address, b"first\r\n")).startswith("250")
        assert (await deliver(sink.smtp_address, b"second\r\n")).startswith("250")
        assert (await deliver(sink.smtp_address, b"third\r\n")).startswith("452 4.3.1 The inbox is full")

    sink = in_sink(test, bounds=Bounds(messages=2, when_full="refuse"))
    assert [message.raw for message in sink.messages()] == [b"first\r\n", b"second\r\n"]


# -- listening ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0", "192.0.2.1:2525"])
def test_other_machines_are_kept_out_unless_told(address: str) -> None:
    """Loopback only; anything else must be allowed in so many words."""
    with pytest.raises(ListenError, match="other machines"):
        Sink(smtp=address)


@pytest.mark.parametrize("address", ["nonsense", "example.com:25", "127.0.0.1:99999", "127.0.0.1:-1", ""])
def test_an_address_that_is_none_is_told(address: str) -> None:
    """One clear line."""
    with pytest.raises(ValueError, match=r"ADDR:PORT"):
        Sink(smtp=address)


def test_a_port_in_use_is_told() -> None:
    """The listener and the port are named."""

    async def test(sink: Sink) -> None:
        with pytest.raises(ListenError, match=f"{sink.smtp_address}: the port is in use"):
            async with Sink(smtp=str(sink.smtp_address)):
                raise AssertionError("it listened")

    in_sink(test)


def test_a_session_lists_every_command_and_hook() -> None:
    """What aiosmtpd is shown of a session's names is all that it looks for among them."""

    async def test(sink: Sink) -> None:
        session = SinkSession(sink._reception, "smtp")
        for listed, looked_for, known in (
            (session, "smtp_", session._smtp_methods),
            (session.event_handler, "handle_", session._handle_hooks),
        ):
            every = {name.removeprefix(looked_for) for name in object.__dir__(listed) if name.startswith(looked_for)}
            assert set(known) == every
        assert set(session._auth_methods) == {"LOGIN", "PLAIN"}

    in_sink(test)
