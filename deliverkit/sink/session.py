"""One SMTP session: aiosmtpd's server, so subclassed that no evidence is lost.

It collects content without repairing it, keeps the record of both sides, and hands a message to the reception before
it answers 250.

What this file will not do: listen, store, verify, or relay. The law of SMTP commands stays aiosmtpd's.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import re
from collections.abc import Hashable
from datetime import UTC, datetime
from typing import Any, Literal, NamedTuple, TypeAlias, cast

import aiosmtpd
from aiosmtpd.smtp import SMTP, AuthResult, TLSSetupException, syntax

from deliverkit.facts.capture import CaptureFacts
from deliverkit.sink.inbox import InboxFull
from deliverkit.sink.message import CapturedMessage
from deliverkit.sink.reader import WireProtocol, WireReader
from deliverkit.sink.reception import EndedSession, Reception
from deliverkit.sink.record import SessionRecord, printable
from deliverkit.sink.stores import StoreError
from deliverkit.smtp.content import Content, FaultKind, WireFault, examine, unstuffed

Listener: TypeAlias = Literal["smtp", "starttls", "smtps"]

logging.getLogger("mail.log").addHandler(logging.NullHandler())  # aiosmtpd's warnings are in our record

_UNDERSTOOD = aiosmtpd.__version__ in ("1.4.5", "1.4.6")  # whose _getaddr the fast path was compared with
_ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_PLAIN_PATH = re.compile(rf"<({_ATOM}(?:\.{_ATOM})*@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)*)>(?: +([A-Za-z0-9=][ -~]*))?")
_CLIENT_HELLO = b"\x16\x03"  # a TLS handshake record (RFC 8446 §5.1)
_LARGE = 1 << 20  # octets
_RECEIVE = 1 << 16
_NEVER = -1 << 30  # a counter that was acted upon


@functools.cache
def _names(kind: Hashable) -> tuple[str, ...]:
    """The commands, mechanisms and hooks of a class."""
    return tuple(name for name in dir(kind) if name.startswith(("smtp_", "auth_", "handle_")))


class _Listed:
    """Lists only what aiosmtpd looks for, three times a session; all names take as long as a message."""

    def __dir__(self) -> tuple[str, ...]:
        return _names(cast(Hashable, type(self)))


class Hooks(_Listed):
    """aiosmtpd's handler: the few decisions it leaves to us."""

    def __init__(self, reception: Reception) -> None:
        self._reception = reception

    async def handle_EHLO(
        self, server: SinkSession, session: Any, _envelope: Any, hostname: str, lines: list[str]
    ) -> list[str]:
        """The whole reply as one line with CRLF inside, so that it leaves in one write.

        A client that reads once would otherwise see the first line only.
        """
        session.host_name = hostname
        kept = [line for line in lines[:-1] if not line[4:].startswith("AUTH ")]
        kept.append("250-PIPELINING")  # RFC 2920: commands are read from a buffer and answered in order
        if server.may_authenticate:
            kept.append("250-AUTH LOGIN PLAIN")
        return ["\r\n".join([*kept, lines[-1]])]

    async def handle_RCPT(
        self, server: SinkSession, _session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        """Take any recipient, up to the limit (RFC 5321 §4.5.3.1.10)."""
        if len(envelope.rcpt_tos) >= self._reception.limits.recipients:
            return "452 4.5.3 Too many recipients"
        server.record.look_at_path(address, smtp_utf8=envelope.smtp_utf8)
        envelope.rcpt_tos.append(address)
        envelope.rcpt_options.extend(options)
        return "250 OK"

    async def handle_exception(self, error: Exception) -> str:
        """A fault of ours or of aiosmtpd, told without its text."""
        return f"451 4.3.0 Local error ({type(error).__name__})"


class SinkSession(_Listed, SMTP, WireProtocol):
    """A session of the sink."""

    _reader: WireReader

    def __init__(self, reception: Reception, listener: Listener, tls_context: Any = None) -> None:
        self.command_size_limits = _SizeLimits()  # aiosmtpd's own is shared by all sessions and cleared by each
        self.reception = reception
        self.listener = listener
        self.record = SessionRecord()
        self.lost_early = False  # the connection ended before TLS handed it over
        self._turned_away = False
        self._opened_at = 0.0
        self._ended_by_us = False
        self._storing = False
        self._login: str | None = None
        super().__init__(
            Hooks(reception),
            data_size_limit=reception.limits.message,
            enable_SMTPUTF8=True,
            hostname=reception.hostname,
            ident="ESMTP deliverkit sink",
            tls_context=tls_context,
            timeout=reception.limits.session_s,
            auth_require_tls=False,  # judged in smtp_AUTH: aiosmtpd does not take implicit TLS for TLS
            authenticator=self._authenticate_login,
            loop=asyncio.get_running_loop(),
        )

    # -- the connection ---------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """TCP stands; or, called again, TLS does after STARTTLS (RFC 3207 §4.2: what was learned is forgotten)."""
        if self._opened_at:
            self._note_tls(transport)
            self._login = None
            super().connection_made(transport)  # drops what lies in the buffer
            self._reader.pending = 0
            return
        self._opened_at = self.loop.time()
        self.record.connected(endpoint(transport, "peername"), endpoint(transport, "sockname"))
        if self.reception.is_full:
            self._turned_away = True
            cast(asyncio.Transport, transport).write(b"421 4.3.2 Too many connections\r\n")  # RFC 5321 §4.2.2
            transport.close()
            return
        self.reception.sessions.add(self)
        if hasattr(transport, "max_size"):
            transport.max_size = _RECEIVE  # asyncio's 256 kB are mapped and unmapped by malloc for every read
        super().connection_made(transport)
        self._reader.on_line = self.record.heard
        if transport.get_extra_info("ssl_object") is not None:
            self._note_tls(transport)

    def _note_tls(self, transport: asyncio.BaseTransport) -> None:
        tls = transport.get_extra_info("ssl_object")
        self.record.tls_began(tls.version() or "", (tls.cipher() or ("",))[0])

    def data_received(self, data: bytes) -> None:
        """Octets of the client, decrypted where TLS stands."""
        if self._turned_away or self.lost_early:
            return
        if self.record.tls is None and not self.record.verb and data.startswith(_CLIENT_HELLO) and self._opened_at:
            self.record.transcript.line("client", f"[TLS ClientHello, {len(data)} octets]")
            detail = "the client began a TLS handshake where SMTP begins in the clear"
            self.record.note(FaultKind.TLS_ON_CLEAR_PORT, detail)
            self.shut()
            return
        super().data_received(data)

    def eof_received(self) -> bool | None:
        """The client will send nothing more; what it sent is still answered (``printf … | nc``)."""
        if self._turned_away or self.session is None:
            return False
        if self.record.tls is not None or self._reader.collecting is not None:
            return super().eof_received()
        self.loop.call_later(0.05, self._after_eof, self._reader.consumed)
        return True

    def _after_eof(self, consumed: int) -> None:
        if self.transport is None:
            return
        if self._storing or self._reader.consumed != consumed:
            self.loop.call_later(0.05, self._after_eof, self._reader.consumed)
        else:
            super().eof_received()

    def connection_lost(self, error: Exception | None) -> None:
        """The connection ended. Without a complete DATA nothing was stored."""
        self.reception.sessions.discard(self)
        if self._turned_away:
            return
        if self.session is None:
            self.lost_early = True
            return
        if self.transport is None:  # told already, after a failed handshake
            return
        self._note_loss()
        self.record.transcript.closed("server" if self._ended_by_us or self.record.verb == "QUIT" else "client")
        if self._reader.collecting is not None:
            self._reader.collecting.let_go()
        facts = self._facts()
        super().connection_lost(error)
        if facts.faults:
            self.reception.on_session(EndedSession(facts, self.record.snapshot()))

    def _note_loss(self) -> None:
        content, record = self._reader.collecting, self.record
        if self._ended_by_us:
            return
        if content is not None:
            detail = (
                f"the connection ended after {content.octets} octets of content, before CRLF.CRLF: nothing is stored"
            )
            record.note(FaultKind.CUT_OFF, detail)
        elif self.envelope is not None and self.envelope.mail_from and not self._storing and record.verb != "QUIT":
            record.note(FaultKind.CUT_OFF, f"the connection ended after {record.verb}, before any content")

    def look_at_the_clock(self, now: float) -> None:
        """Called by the reception now and then."""
        limits = self.reception.limits
        idle = now - max(self._reader.heard_at, self._opened_at)
        if self._storing or self._ended_by_us:
            return
        if idle > limits.idle_s:  # RFC 5321 §4.5.3.2.7
            awaited = "the end of data" if self._reader.collecting else "a command"
            self.record.transcript.timed_out(awaited)
            self.record.note(FaultKind.IDLE, f"the client sent nothing for {idle:.3g} s; {awaited} was awaited")
            self._say_goodbye("421 4.4.2 Idle for too long, closing")
        elif now - self._opened_at > limits.session_s:
            self._say_goodbye("421 4.4.2 Session open for too long, closing")

    def shut(self) -> None:
        """Close without a word."""
        self._ended_by_us = True
        if self.transport is not None:
            with contextlib.suppress(AttributeError):  # TLS, closed already, on CPython before 3.11.5
                cast(asyncio.Transport, self.transport).abort()

    def _say_goodbye(self, text: str) -> None:
        """Say 421 and close (RFC 5321 §3.8), by force if the client does not read it."""
        self._ended_by_us = True
        if self.transport is None:
            return
        wire = cast(asyncio.Transport, self.transport)
        wire.write(self.record.replied(text).encode() + b"\r\n")
        wire.close()
        self.loop.call_later(2.0, self.shut)

    async def push(self, status: str | bytes) -> None:
        """Record a reply and send it in one write."""
        text = status if isinstance(status, str) else status.decode("utf-8", "backslashreplace")
        await super().push(self.record.replied(text).encode())
        limits, record = self.reception.limits, self.record
        if record.errors > limits.errors:
            record.errors = _NEVER
            self._say_goodbye("421 4.7.0 Too many errors, closing")
        elif record.commands > limits.commands:
            record.commands = _NEVER
            self._say_goodbye(f"421 4.7.0 More than {limits.commands} commands without a message, closing")

    def _reset_timeout(self, duration: float | None = None) -> None:
        """Set aiosmtpd's timer once, as the last resort; the reception watches for idleness, also inside DATA."""
        if self._timeout_handle is None:
            super()._reset_timeout(duration)

    async def _handle_client(self) -> None:
        """The session, after the delay that shows who talks before the greeting (RFC 5321 §3.1)."""
        if self.reception.limits.greeting_delay_s:
            await asyncio.sleep(self.reception.limits.greeting_delay_s)
        if self._reader.pending and self.record.tls is None:
            self.record.note(FaultKind.EARLY_TALK, f"{self._reader.pending} octets came before the greeting")
        await super()._handle_client()

    # -- transactions -----------------------------------------------------------------------------------

    def _getaddr(self, arg: str) -> tuple[str | None, str | None]:
        """An address and what follows it. aiosmtpd's own parser takes 80 times longer, and need not for plain paths."""
        plain = _PLAIN_PATH.fullmatch(arg) if _UNDERSTOOD else None
        return (plain[1], plain[2] or "") if plain else super()._getaddr(arg)

    @syntax("MAIL FROM: <address>", extended=" [SP <mail-parameters>]")
    async def smtp_MAIL(self, arg: str | None) -> None:
        """RFC 5321 §4.1.1.2."""
        await super().smtp_MAIL(arg)
        envelope = self.envelope
        if envelope is not None and envelope.mail_from:
            self.record.look_at_path(envelope.mail_from, smtp_utf8=envelope.smtp_utf8)

    @syntax("DATA")
    async def smtp_DATA(self, arg: str | None) -> None:
        """RFC 5321 §4.1.1.4: collect to CRLF.CRLF, keep, and only then answer 250."""
        if await self.check_helo_needed() or await self.check_auth_needed("DATA"):
            return
        assert self.envelope is not None
        if not self.envelope.rcpt_tos:
            await self.push("503 Error: need RCPT command")
            return
        if arg:
            await self.push("501 Syntax: DATA")
            return
        await self.push("354 End data with <CR><LF>.<CR><LF>")
        content = Content(self.reception.limits.message, self.reception.room)
        try:
            await self._reader.collect(content)
        except asyncio.CancelledError:  # the connection ended; `connection_lost` notes it
            content.let_go()
            raise
        reply = await self._receive(content)
        self._set_post_data_state()  # type: ignore[no-untyped-call] # aiosmtpd's
        await self.push(reply)

    async def _receive(self, content: Content) -> str:
        """Keep the content, or let it go; the reply to give."""
        limit, octets = self.reception.limits.message, content.octets - 3  # without the dot and CRLF of the end
        self.record.transcript.content("client", octets)
        if content.too_big:  # RFC 1870 §6.1, RFC 5321 §4.5.3.1.9
            self.record.note(FaultKind.TOO_BIG, f"a message of {octets} octets; the limit here is {limit}")
            return f"552 5.3.4 A message of {octets} octets exceeds the limit of {limit}"
        if content.no_room:
            return "452 4.3.1 Too much mail in flight, try again later"
        self._storing = True
        try:
            message = self._captured(await _looked_at(content))
            await self.reception.keep(message, content.let_go)
        except InboxFull:
            return "452 4.3.1 The inbox is full"
        except StoreError as bad:
            return f"452 4.3.1 {printable(str(bad))[:400]}"
        finally:
            self._storing = False
        self.record.commands = 0
        return _stored_reply(message.receipt)

    def _captured(self, seen: Seen) -> CapturedMessage:
        """The message with its record."""
        envelope = self.envelope
        assert envelope is not None
        if not seen.is_ascii and "BODY=8BITMIME" not in envelope.mail_options:  # RFC 6152 §3
            detail = "octets over 127 were sent, and MAIL did not say BODY=8BITMIME"
            self.record.note(FaultKind.UNDECLARED_8BIT, detail)
        receipt = self.reception.receipt()
        transcript, faults = self.record.hand_over(_stored_reply(receipt))
        return CapturedMessage(
            receipt=receipt,
            received=datetime.now(UTC),
            listener=self.listener,
            client=transcript.client,
            helo=self._helo,
            mail_from=_address(envelope.mail_from or ""),
            rcpt_tos=tuple(_address(address) for address in envelope.rcpt_tos),
            raw=seen.raw,
            transcript=transcript,
            mail_options=tuple(printable(option) for option in envelope.mail_options),
            authenticated_as=self._login,
            tls=self.record.tls,
            faults=(*faults, *seen.faults),
        )

    @property
    def _helo(self) -> str | None:
        name = self.session.host_name if self.session is not None else None
        return printable(name) if name else None

    def _facts(self) -> CaptureFacts:
        """The session as facts, with the faults that no message took along."""
        envelope = self.envelope
        return CaptureFacts(
            name=f"session of {self.record.transcript.client}",
            client=self.record.transcript.client,
            listener=self.listener,
            helo=self._helo,
            mail_from=_address(envelope.mail_from) if envelope is not None and envelope.mail_from else None,
            rcpt_tos=tuple(_address(address) for address in envelope.rcpt_tos) if envelope is not None else (),
            octets=None,
            tls=self.record.tls,
            authenticated_as=self._login,
            faults=self.record.hand_over_faults(),
        )

    # -- STARTTLS and AUTH ------------------------------------------------------------------------------

    @syntax("STARTTLS", when="tls_context")
    async def smtp_STARTTLS(self, arg: str | None) -> None:
        """RFC 3207: what lies in the buffer is dropped (§4.2, by aiosmtpd) and reported."""
        if self.record.tls is not None:
            await self.push("503 5.5.1 TLS is active")  # RFC 3207 §4.2
            return
        if self.tls_context is None:
            await self.push("502 5.5.1 STARTTLS is not offered")
            return
        if self._reader.pending and not arg:
            detail = f"{self._reader.pending} octets were sent behind STARTTLS without waiting for the reply"
            self.record.note(FaultKind.AFTER_STARTTLS, detail)
        try:
            await super().smtp_STARTTLS(arg or "")
        except TLSSetupException as failed:
            why = tls_failure(failed.__cause__)
            self.record.transcript.tls_failed(why)
            self.record.note(FaultKind.TLS_FAILED, f"the handshake after STARTTLS failed: {why}")
            if self.transport is not None:
                self.transport.close()
            self.connection_lost(None)

    @property
    def may_authenticate(self) -> bool:
        """True where AUTH is offered: wanted, and under TLS unless it was told otherwise (RFC 4954 §4)."""
        credentials = self.reception.credentials
        return credentials is not None and (self.record.tls is not None or credentials.in_clear)

    @syntax("AUTH <mechanism>")
    async def smtp_AUTH(self, arg: str | None) -> None:
        """RFC 4954 §4."""
        if self.reception.credentials is None:
            await self.push("502 5.5.1 AUTH is not offered")
        elif not self.may_authenticate:
            await self.push("538 5.7.11 Encryption required for requested authentication mechanism")
        else:
            mechanism, _, rest = (arg or "").partition(" ")
            await super().smtp_AUTH(f"{mechanism.upper()} {rest}".strip())

    def _authenticate_login(
        self, _server: Any, _session: Any, _envelope: Any, _mechanism: str, login: Any
    ) -> AuthResult:
        credentials = self.reception.credentials
        if credentials is None or not credentials.accept(login.login, login.password):
            return AuthResult(success=False, handled=False)
        self._login = printable(login.login.decode("utf-8", "backslashreplace"))[:200]
        return AuthResult(success=True)

    async def check_auth_needed(self, caller_method: str) -> bool:
        """530 until the client is authenticated, where that is required (RFC 4954 §6)."""
        credentials = self.reception.credentials
        if credentials is None or not credentials.required or self._login is not None or caller_method == "HELP":
            return False
        await self.push("530 5.7.0 Authentication required")
        return True


class Seen(NamedTuple):
    """Content that was looked at: the message, what was wrong with the wire, and whether it needed 8BITMIME."""

    raw: bytes
    faults: tuple[WireFault, ...]
    is_ascii: bool


async def _looked_at(content: Content) -> Seen:
    """Look at the content once; at a large one in a thread, so that other sessions do not wait for it."""
    try:
        wire, dotted = content.take(), content.dotted
        return await asyncio.to_thread(_look, wire, dotted) if len(wire) > _LARGE else _look(wire, dotted)
    except BaseException:  # the session was cancelled meanwhile
        content.let_go()
        raise


def _look(wire: bytes, dotted: bool) -> Seen:
    return Seen(unstuffed(wire, dotted=dotted), examine(wire, dotted=dotted), wire.isascii())


class _SizeLimits(dict[str, int]):
    """Octets of a command line by verb (RFC 5321 §4.5.3.1.4; AUTH: RFC 4954 §4), of one session."""

    def __missing__(self, verb: str) -> int:
        self[verb] = 12288 if verb == "AUTH" else SMTP.command_size_limit
        return self[verb]


def endpoint(transport: asyncio.BaseTransport, side: str) -> str:
    """``127.0.0.1:2525`` or ``[::1]:2525`` of "peername" or "sockname"."""
    name = transport.get_extra_info(side)
    if not name:
        return "unknown"
    host, port = name[0], name[1]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def tls_failure(error: BaseException | None) -> str:
    """Why a handshake failed, in the words of the library, without its file names and numbers."""
    reason = getattr(error, "reason", None)
    if reason:
        return str(reason).replace("_", " ").lower()
    if error is None or isinstance(error, ConnectionError):
        return "the client hung up, as one does that refuses the certificate"
    return str(error) or type(error).__name__


def _stored_reply(receipt: str) -> str:
    return f"250 2.0.0 OK stored as {receipt}"


def _address(address: str) -> str:
    return "" if address == "<>" else printable(address)
