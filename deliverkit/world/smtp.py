"""The live SMTP door: carries any SMTP flow over one TCP connection, with deadlines and size caps on everything.

What a server does comes back to the flow as a value, and the transcript says what happened, secrets masked. What this
file will not do: decide what to say, or open a second connection.
"""

from __future__ import annotations

import asyncio
import errno
import functools
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

from deliverkit.addresses import is_public, kind
from deliverkit.smtp.dialogue import (
    Ask,
    Connect,
    Connected,
    Handshake,
    Hangup,
    Hear,
    Say,
    SayAll,
    SendContent,
    SmtpFlow,
    TlsSession,
    Trouble,
    TroubleKind,
)
from deliverkit.smtp.reply import Broken, Reply, ReplyReader, shown
from deliverkit.smtp.transcript import Transcript
from deliverkit.world.wire import Ended, TlsRefused, Wire, chain_as_sent

T = TypeVar("T")

SESSION_OCTETS: Final = 4 * 1024 * 1024  # of replies in one session; a flood ends it
_CHUNK: Final = 64 * 1024
_NO_ROUTE = frozenset((errno.ENETUNREACH, errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT))


class LiveSmtp:
    """The SMTP door of the real world.

    ``allow_private`` lets flows connect to private and loopback addresses that came out of DNS. ``clock`` is what
    certificates are dated against.
    """

    def __init__(self, allow_private: bool = False, clock: Callable[[], datetime] | None = None) -> None:
        self.allow_private = allow_private
        self.clock = clock or (lambda: datetime.now(UTC))
        self._open: set[_Conversation] = set()

    async def converse(self, flow: SmtpFlow[T], *, from_dns: bool = False) -> tuple[T, Transcript]:
        """Run one flow over one connection, and return its result with the transcript."""
        conversation = _Conversation(self.clock, public_only=from_dns and not self.allow_private)
        self._open.add(conversation)
        try:
            asked = next(flow)
            while True:
                asked = flow.send(await conversation.answer(asked))
        except StopIteration as stop:
            result: T = stop.value
            await conversation.close()
            return result, conversation.transcript
        finally:
            flow.close()
            self._open.discard(conversation)
            conversation.abort()

    async def aclose(self) -> None:
        """End every conversation."""
        for conversation in tuple(self._open):
            conversation.abort()


class _Conversation:
    """One connection, and what was said on it."""

    def __init__(self, clock: Callable[[], datetime], *, public_only: bool) -> None:
        self.transcript = Transcript("-", "-")
        self._clock = clock
        self._public_only = public_only
        self._wire: Wire | None = None
        self._reader = ReplyReader()
        self._octets = 0
        self._over: Trouble | None = Trouble(TroubleKind.CLOSED, "no connection was opened")
        self._spoken = False  # a greeting was heard or a command said: from here on a handshake is STARTTLS

    async def answer(self, asked: Ask) -> Any:
        """Carry out one ask. Never raises for what the server does."""
        if isinstance(asked, Connect):
            return await self._connect(asked)
        if isinstance(asked, Hangup):
            await self.close()
            return None
        if self._over is not None:
            return tuple(self._over for _ in asked.lines) if isinstance(asked, SayAll) else self._over
        if isinstance(asked, Handshake):
            return await self._handshake(asked)
        deadline = asyncio.get_running_loop().time() + asked.timeout_s
        if isinstance(asked, Hear):
            return await self._hear(asked, deadline)
        self._spoken = True
        if isinstance(asked, Say):
            return await self._say(asked, deadline)
        if isinstance(asked, SayAll):
            return await self._say_all(asked, deadline)
        return await self._send_content(asked, deadline)

    async def close(self) -> None:
        """End the connection, if there is one, and wait until its socket is gone."""
        if self._wire is not None and self._wire.transport is not None:
            if self._wire.ended is None:
                self.transcript.closed("client")
            await self._wire.close()
        self._over = self._over or Trouble(TroubleKind.CLOSED, "we hung up")

    def abort(self) -> None:
        """Drop the connection without a word."""
        if self._wire is not None:
            self._wire.abort()

    # -- connecting ---------------------------------------------------------------------------------------

    async def _connect(self, asked: Connect) -> Connected | Trouble:
        where = f"[{asked.address}]:{asked.port}" if ":" in asked.address else f"{asked.address}:{asked.port}"
        self.transcript = Transcript("-", where)
        if self._public_only and not is_public(asked.address):
            what = f"{asked.address} came out of DNS and is a {kind(asked.address)} address"
            return self._end(Trouble(TroubleKind.NOT_ALLOWED, what, "connection"))
        loop = asyncio.get_running_loop()
        began = loop.time()
        wire = Wire(self._received)
        try:
            async with asyncio.timeout(asked.timeout_s):
                await loop.create_connection(lambda: wire, asked.address, asked.port)
        except (OSError, UnicodeError) as failed:
            self.transcript.connect_failed(trouble := _not_connected(failed, asked.timeout_s))
            return self._end(trouble)
        self._wire = wire
        self._over = None
        local = wire.transport.get_extra_info("sockname") or ("-", 0)
        self.transcript.client = f"[{local[0]}]:{local[1]}" if ":" in local[0] else f"{local[0]}:{local[1]}"
        self.transcript.connected()
        return Connected(asked.address, asked.port, local[0], loop.time() - began)

    # -- hearing ------------------------------------------------------------------------------------------

    def _received(self, data: bytes) -> None:
        self._octets += len(data)
        self._reader.feed(data)

    async def _hear(self, asked: Hear, deadline: float) -> Reply | Trouble:
        """A reply to nothing. After silence the connection is as good as before: the server may wait for TLS."""
        heard = await self._reply(asked.waiting_for, deadline)
        if isinstance(heard, Reply):
            self._spoken = True
        elif heard.kind is TroubleKind.TIMEOUT and not heard.heard:
            self._over = None
        return heard

    async def _reply(self, waiting_for: str, deadline: float) -> Reply | Trouble:
        """The next reply; one deadline for all of it, however slowly it drips in."""
        assert self._wire is not None
        try:
            while (reply := self._next_reply(waiting_for)) is None:
                self._wire.taken()
                await self._wire.news(deadline)
            return reply
        except TimeoutError:
            self.transcript.timed_out(waiting_for)
            heard = self._reader.rest()
            detail = "a reply began and did not end" if heard else "nothing came"
            return self._end(Trouble(TroubleKind.TIMEOUT, detail, waiting_for, heard))
        except Ended as ended:
            self.transcript.closed("server")
            return self._end(Trouble(TroubleKind.CLOSED, str(ended), waiting_for, self._reader.rest()))

    def _next_reply(self, waiting_for: str) -> Reply | Trouble | None:
        """A reply that is here already, or the trouble with it."""
        if self._octets > SESSION_OCTETS:
            flood = f"more than {SESSION_OCTETS} octets of replies in one session"
            return self._end(Trouble(TroubleKind.TOO_LONG, flood, waiting_for, self._reader.rest()))
        found = self._reader.take()
        if isinstance(found, Broken):
            self.transcript.line("server", found.heard)
            return self._end(Trouble(TroubleKind(found.kind), found.detail, waiting_for, found.heard))
        if found is not None:
            self.transcript.reply(found.code, found.lines)
        return found

    # -- saying -------------------------------------------------------------------------------------------

    async def _say(self, asked: Say, deadline: float) -> Reply | Trouble:
        self._reader.hide(asked.hides)
        early = bool(len(self._reader))
        if asked.secret:
            self.transcript.secret(asked.line)
        else:
            self.transcript.line("client", asked.line)
        if self._wire is not None:
            with suppress(Ended):  # the server may have said why before it closed: what it said is still to be read
                self._wire.send(_encoded(asked.line))
        heard = await self._reply(_reply_to(asked.line), deadline)
        return _out_of_turn(heard) if early else heard

    async def _say_all(self, asked: SayAll, deadline: float) -> tuple[Reply | Trouble, ...]:
        assert self._wire is not None
        for line in asked.lines:
            self.transcript.line("client", line)
        with suppress(Ended):
            self._wire.send(b"".join(_encoded(line) for line in asked.lines))
        heard: list[Reply | Trouble] = []
        for line in asked.lines:
            last = heard[-1] if heard else None
            heard.append(last if isinstance(last, Trouble) else await self._reply(_reply_to(line), deadline))
            deadline = asyncio.get_running_loop().time() + asked.timeout_s  # each reply has its time (§4.5.3.2)
        return tuple(heard)

    async def _send_content(self, asked: SendContent, deadline: float) -> Reply | Trouble:
        """Send piece by piece while the socket takes it. A reply that comes before the end means: stop."""
        assert self._wire is not None
        waiting_for = "reply to the message"
        if len(self._reader):  # what is said before the message is no reply to it
            return await self._early(0, waiting_for, deadline)
        content = memoryview(asked.content)
        try:
            async with asyncio.timeout_at(deadline):
                for start in range(0, len(content), _CHUNK):
                    while not self._wire.writable:
                        await self._wire.news()
                        if len(self._reader) and not self._wire.writable:
                            return await self._early(start, waiting_for, deadline)
                    self._wire.send(bytes(content[start : start + _CHUNK]))
        except TimeoutError:
            self.transcript.timed_out("server to take the message")
            stopped = Trouble(TroubleKind.TIMEOUT, "the server stopped reading", "message to be taken", unsent=True)
            return self._end(stopped)
        except Ended:
            return _of_a_part(await self._reply(waiting_for, deadline))
        self.transcript.content("client", len(content))
        return await self._reply(waiting_for, deadline)

    async def _early(self, sent: int, waiting_for: str, deadline: float) -> Reply | Trouble:
        """The server answered in the middle of the message: hear it; the session cannot go on."""
        self.transcript.content("client", sent)
        reply = _of_a_part(await self._reply(waiting_for, deadline))
        self._end(Trouble(TroubleKind.CLOSED, "the message was broken off after an early reply", "reply"))
        return reply

    # -- TLS ----------------------------------------------------------------------------------------------

    async def _handshake(self, asked: Handshake) -> TlsSession | Trouble:
        assert self._wire is not None
        waiting_for = "TLS handshake"
        injected = self._reader.drop()  # RFC 3207 §4.2, §6: nothing heard in the clear may count from here on
        try:
            if injected and not self._spoken:
                raise TlsRefused("the server spoke first, in the clear", injected)
            async with asyncio.timeout(asked.timeout_s):
                tls = await self._wire.start_tls(_sni(asked.server_name), asked.min_version)
        except TlsRefused as refused:
            heard = shown(refused.heard)
            self.transcript.tls_failed(f"{refused}: {heard}" if heard else str(refused))
            return self._end(Trouble(TroubleKind.TLS_FAILED, str(refused), waiting_for, heard))
        except TimeoutError:
            self.transcript.timed_out(waiting_for)
            return self._end(Trouble(TroubleKind.TIMEOUT, "the handshake did not end", waiting_for))
        except Ended as ended:
            self.transcript.tls_failed(str(ended))
            return self._end(Trouble(TroubleKind.CLOSED, str(ended), waiting_for))
        session = self._session(tls, asked, injected)
        subjects = tuple(one.subject for one in session.chain)
        self.transcript.tls_started(session.version, session.cipher, subjects, session.trusted)
        return session

    def _session(self, tls: Any, asked: Handshake, injected: bytes) -> TlsSession:
        """What the handshake showed, with the chain judged."""
        from deliverkit.world import trust, verdicts  # cryptography is heavy; who is never asked to talk needs none

        sent = chain_as_sent(tls)
        trusted: bool | None = None
        try:
            found = verdicts.seen(sent, trust.store(asked.ca_file), self._clock())
            facts, verdict = found.facts, found.verdict
            trusted, problem, detail = verdict.trusted, verdict.problem, verdict.detail
        except (OSError, ValueError) as unreadable:
            facts = tuple(trust.certificate_facts(one) for one in trust.parsed(sent))
            problem, detail = None, f"{asked.ca_file} cannot be read: {unreadable}"
        cipher = tls.cipher()
        return TlsSession(
            version=tls.version() or "unknown",
            cipher=cipher[0] if cipher else "unknown",
            chain=facts,
            trusted=trusted,
            trust_problem=problem,
            name_matches=trust.bears(facts[0], asked.verify_name) if facts and asked.verify_name else None,
            injected=injected,
            trust_detail=detail,
            der=sent[: len(facts)],
        )

    def _end(self, trouble: Trouble) -> Trouble:
        """Nothing can be said any more after this: the two sides may no longer agree on where they are."""
        self._over = self._over or trouble
        return trouble


def _out_of_turn(heard: Reply | Trouble) -> Reply | Trouble:
    """A reply that was there before the command: only 421 may come at any time (RFC 5321 §3.8)."""
    if isinstance(heard, Trouble) or heard.code == 421:
        return heard
    return replace(heard, faults=(*heard.faults, "a reply came before the command it should answer (RFC 5321 §4.2)"))


def _of_a_part(heard: Reply | Trouble) -> Reply | Trouble:
    """What was heard before the end of the message was sent: whatever it says, nobody can have accepted the message."""
    if isinstance(heard, Trouble):
        return replace(heard, unsent=True)
    if heard.positive:
        what = "a positive reply before the end of the message"
        return Trouble(TroubleKind.GARBAGE, what, "reply to the message", str(heard), unsent=True)
    return heard


def _encoded(line: str) -> bytes:
    return line.encode("utf-8", "surrogateescape") + b"\r\n"


def _reply_to(line: str) -> str:
    """ "reply to EHLO"; the client's answers within AUTH name no verb."""
    verb = line.split(None, 1)[0] if line.split() else ""
    return f"reply to {verb.upper()}" if verb.isalpha() and len(verb) <= 8 else "reply"


@functools.lru_cache(maxsize=1024)
def _sni(name: str | None) -> str | None:
    """A name that may go into SNI (RFC 6066 §3: host names, no addresses), or None."""
    from deliverkit.names import BadName, to_ascii

    if name is None:
        return None
    try:
        return to_ascii(name) if kind(name) == "invalid" else None
    except BadName:
        return None


def _not_connected(failed: OSError | UnicodeError, timeout_s: float) -> Trouble:
    """Which kind of failure kept TCP from standing."""
    code = getattr(failed, "errno", None)
    said = (os.strerror(code) if code else str(failed)).lower()  # asyncio's own words repeat the address
    if isinstance(failed, TimeoutError):  # asyncio's own is one since 3.11; the kernel's is ETIMEDOUT
        detail = said if code == errno.ETIMEDOUT else f"no answer within {timeout_s:g} s"
        return Trouble(TroubleKind.TIMEOUT, detail, "connection")
    if isinstance(failed, ConnectionRefusedError):
        return Trouble(TroubleKind.REFUSED, said, "connection")
    if isinstance(failed, ConnectionError):
        return Trouble(TroubleKind.CLOSED, said, "connection")
    return Trouble(TroubleKind.NO_ROUTE if code in _NO_ROUTE else TroubleKind.UNREACHABLE, said, "connection")
