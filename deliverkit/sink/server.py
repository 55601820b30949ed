"""The sink: listens, captures, verifies, keeps, and lets a program wait for what it expects.

``async with Sink() as sink`` starts a cleartext listener on a free loopback port; see `Sink` for the rest. It never
relays and listens on loopback only, unless told.

What this file will not do: speak SMTP (`deliverkit.sink.session`) or print (`deliverkit.cli.sink`).
"""

from __future__ import annotations

import asyncio
import contextlib
import ipaddress
import tempfile
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, NamedTuple, Self

from deliverkit.engine.capture import capture_report
from deliverkit.report.model import Report
from deliverkit.sink.inbox import Bounds, Inbox, Predicate
from deliverkit.sink.judged import Judged
from deliverkit.sink.judging import Judging
from deliverkit.sink.message import CapturedMessage
from deliverkit.sink.reception import Credentials, EndedSession, Limits, Reception
from deliverkit.sink.session import Listener, SinkSession
from deliverkit.sink.stores import Store
from deliverkit.sink.tls import ImplicitTls, TlsFiles, private_tls
from deliverkit.sink.verifier import Verifier
from deliverkit.world import World

if TYPE_CHECKING:
    import ssl

_SESSIONS = 200  # ended sessions that are remembered
_BACKLOG = 512


class Address(NamedTuple):
    """Where a listener listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @classmethod
    def told(cls, text: str) -> Address:
        """Read ``ADDR:PORT``, ``[ADDR]:PORT``, ``:PORT`` or ``PORT``. Raises ValueError with the reason."""
        host, _, port = text.rpartition(":")
        host = host.strip("[]") or "127.0.0.1"
        host = "127.0.0.1" if host == "localhost" else host
        if not port.isascii() or not port.isdigit() or int(port) > 65535:
            raise ValueError(f"{text!r} is not ADDR:PORT (such as 127.0.0.1:2525)")
        try:
            return cls(str(ipaddress.ip_address(host)), int(port))
        except ValueError:
            raise ValueError(f"{text!r} is not ADDR:PORT: {host!r} is no IP address") from None


class ListenError(Exception):
    """A listener cannot be opened; the text says which and why."""


class Sink:
    """Captures mail.

    ``smtp``, ``starttls`` and ``smtps`` are ``"ADDR:PORT"`` (port 0: any free one), None for no such listener; without
    any of them a cleartext one is opened on a free loopback port. ``store`` is None (memory), a directory, or a file
    ending in ``.db``. ``world`` is what messages are verified against, used and closed in the verifier's thread;
    without one, nothing is asked (`World.offline`). ``tls`` is a certificate with its key; without one a private
    authority is made in ``tls_dir`` (or a temporary directory), see `ca_file`.

    ``on_message`` is called in the event loop with each message once its report stands, ``on_session`` with the report
    of each session that ended without its message.
    """

    def __init__(
        self,
        *,
        smtp: str | None = None,
        starttls: str | None = None,
        smtps: str | None = None,
        store: Store | str | Path | None = None,
        bounds: Bounds | None = None,
        world: World | None = None,
        judging: Judging | None = None,
        credentials: Credentials | None = None,
        limits: Limits | None = None,
        tls: TlsFiles | None = None,
        tls_dir: str | Path | None = None,
        hostname: str = "localhost",
        allow_remote: bool = False,
        on_message: Callable[[CapturedMessage], None] | None = None,
        on_session: Callable[[Report], None] | None = None,
    ) -> None:
        if smtp is None and starttls is None and smtps is None:
            smtp = "127.0.0.1:0"
        wanted: dict[Listener, str | None] = {"smtp": smtp, "starttls": starttls, "smtps": smtps}
        self._wanted = {listener: Address.told(text) for listener, text in wanted.items() if text is not None}
        for listener, address in self._wanted.items():
            if not allow_remote and not ipaddress.ip_address(address.host).is_loopback:
                raise ListenError(
                    f"{listener} {address} can be reached from other machines; say --allow-remote if that is meant"
                )
        self.hostname = hostname
        self.tls = tls
        self.inbox = Inbox(store, bounds)
        self.sessions: deque[Report] = deque(maxlen=_SESSIONS)
        self._tls_dir = Path(tls_dir) if tls_dir is not None else None
        self._world = world or World.offline()
        self._on_message = on_message
        self._on_session = on_session
        self._reception = Reception(
            hostname=hostname,
            limits=limits or Limits(),
            credentials=credentials,
            keep=self.inbox.add,
            on_session=self._session_ended,
        )
        self._verifier = Verifier(self._world, judging or Judging(), self.inbox.get, self._judged)
        self._servers: dict[Listener, asyncio.Server] = {}
        self._watch: asyncio.Task[None] | None = None
        self._resources = contextlib.ExitStack()
        self._loop: asyncio.AbstractEventLoop | None = None

    # -- where it listens -------------------------------------------------------------------------------

    @property
    def addresses(self) -> dict[Listener, Address]:
        """The listeners that are open, with their real ports."""
        return {
            listener: Address(*server.sockets[0].getsockname()[:2])
            for listener, server in self._servers.items()
            if server.sockets
        }

    @property
    def smtp_address(self) -> Address:
        """Where cleartext SMTP is spoken. Raises KeyError when there is no such listener."""
        return self.addresses["smtp"]

    @property
    def starttls_address(self) -> Address:
        """Where STARTTLS is offered. Raises KeyError when there is no such listener."""
        return self.addresses["starttls"]

    @property
    def smtps_address(self) -> Address:
        """Where TLS comes first. Raises KeyError when there is no such listener."""
        return self.addresses["smtps"]

    @property
    def ca_file(self) -> Path | None:
        """The private authority that clients must trust, None when a certificate was given."""
        return self.tls.authority if self.tls is not None else None

    # -- life -------------------------------------------------------------------------------------------

    async def __aenter__(self) -> Self:
        self._loop = asyncio.get_running_loop()
        self.inbox.on_stored = self._stored
        try:
            context = self._tls_context()
            for listener, address in self._wanted.items():
                self._servers[listener] = await self._listen(listener, address, context)
        except BaseException:
            await self.aclose()
            raise
        self._watch = self._loop.create_task(self._reception.watch())
        self._verifier.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self, wait_s: float = 10.0) -> None:
        """Take no more mail, end the sessions, finish verifications (for so many seconds), write everything."""
        servers, self._servers = self._servers, {}
        for server in servers.values():
            server.close()
        if self._watch is not None:
            self._watch.cancel()
        for task in list(self._reception.handshakes):
            task.cancel()
        for session in list(self._reception.sessions):
            session.shut()
        await asyncio.to_thread(self.inbox.flush)
        await asyncio.sleep(0)  # what the writer told the loop reaches the verifier
        await asyncio.to_thread(self._verifier.close, wait_s)
        await asyncio.sleep(0)  # and its reports the inbox
        await asyncio.to_thread(self.inbox.close)
        self._resources.close()

    def _tls_context(self) -> ssl.SSLContext | None:
        if not {"starttls", "smtps"} & set(self._wanted):
            return None
        if self.tls is None:
            directory = self._tls_dir
            if directory is None:
                directory = Path(self._resources.enter_context(tempfile.TemporaryDirectory(prefix="deliverkit-tls-")))
            names = dict.fromkeys([self.hostname, "localhost", "127.0.0.1", "::1"])
            names |= dict.fromkeys(address.host for address in self._wanted.values())
            self.tls = private_tls(directory, [name for name in names if name not in ("0.0.0.0", "::")])  # noqa: S104
        return self.tls.context()

    async def _listen(self, listener: Listener, address: Address, context: ssl.SSLContext | None) -> asyncio.Server:
        loop = asyncio.get_running_loop()

        def session() -> SinkSession:
            return SinkSession(self._reception, listener, context if listener == "starttls" else None)

        def protocol() -> asyncio.Protocol:
            if listener == "smtps" and context is not None:
                return ImplicitTls(context, self._reception, session)
            return session()

        try:
            return await loop.create_server(protocol, address.host, address.port, backlog=_BACKLOG)
        except OSError as bad:
            raise ListenError(_why_not(listener, address, bad)) from None

    # -- what arrives -----------------------------------------------------------------------------------

    def _stored(self, message: CapturedMessage) -> None:
        """A message is safe; in the event loop."""
        self._verifier.judge(message)

    def _judged(self, pairs: Sequence[tuple[CapturedMessage, Judged]]) -> None:
        """Verdicts stand; in the verifier's thread."""
        messages = [replace(message, judged=judged) for message, judged in pairs]
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._complete, messages)

    def _complete(self, messages: Sequence[CapturedMessage]) -> None:
        for message in messages:
            self.inbox.complete(message)
            if self._on_message is not None:
                self._on_message(message)

    def _session_ended(self, ended: EndedSession) -> None:
        report = capture_report(
            ended.facts,
            vantage=self._world.vantage,
            started=self._world.now(),
            more={"transcript": ended.transcript},
        )
        self.sessions.append(report)
        if self._on_session is not None:
            self._on_session(report)

    async def wait_for(self, predicate: Predicate = lambda _message: True, timeout: float = 10.0) -> CapturedMessage:
        """The first verified message the predicate accepts, here already or within ``timeout`` seconds.

        Raises TimeoutError, which tells what did arrive and which sessions failed.
        """
        try:
            return await self.inbox.wait_for(predicate, timeout)
        except TimeoutError as late:
            failed = [f.detail for report in list(self.sessions)[-3:] for f in report.findings]
            if not failed:
                raise
            raise TimeoutError(f"{late}; sessions without a message: {'; '.join(failed)}") from None

    def messages(self) -> list[CapturedMessage]:
        """All messages that are kept, the oldest first."""
        return list(self.inbox.messages())


def _why_not(listener: Listener, address: Address, bad: OSError) -> str:
    import errno

    if bad.errno == errno.EADDRINUSE:
        return f"cannot listen for {listener} on {address}: the port is in use; port 0 takes any free one"
    if bad.errno == errno.EACCES:
        return f"cannot listen for {listener} on {address}: ports below 1024 need rights this process does not have"
    if bad.errno == errno.EADDRNOTAVAIL:
        return f"cannot listen for {listener} on {address}: this machine has no such address"
    return f"cannot listen for {listener} on {address}: {bad.strerror or bad}"
