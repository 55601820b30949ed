"""One TCP connection as bytes: deadlines, back-pressure, TLS in memory, and no 40 ms stall.

asyncio's own TLS transport suffers a stall after STARTTLS: it turns Nagle off, so the client's first TLS records go
out at once, the server's session tickets stay unacknowledged, the *server's* Nagle holds its EHLO reply back, and the
client's delayed ACK comes 40 ms later. Here TLS runs over `ssl.MemoryBIO` inside one Protocol, which asks the kernel
for immediate ACKs (TCP_QUICKACK, Linux) after each read, because the kernel forgets the wish on its own.

What this file will not do: know a word of SMTP, or judge a certificate.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import socket
import ssl
from collections.abc import Callable
from typing import Any, cast

_HIGH_WATER = 256 * 1024  # octets unread before the socket is no longer read
_READ = 64 * 1024
_QUICKACK: int | None = getattr(socket, "TCP_QUICKACK", None)
_LEGACY = getattr(ssl, "OP_LEGACY_SERVER_CONNECT", 0x4)  # servers without RFC 5746 are to be seen, not shunned
_RECORD_TYPES = frozenset(range(20, 24))  # RFC 8446 §5.1: change_cipher_spec … application_data
_VERSIONS = {"TLSv1.2": ssl.TLSVersion.TLSv1_2, "TLSv1.3": ssl.TLSVersion.TLSv1_3}


class TlsRefused(Exception):
    """The handshake came to nothing. ``heard`` holds the octets that came where a TLS record was due."""

    def __init__(self, why: str, heard: bytes = b"") -> None:
        super().__init__(why)
        self.heard = heard


class Ended(Exception):
    """The connection is over: the server closed it, or the network broke it."""


class Wire(asyncio.Protocol):
    """The connection. ``receive`` is called with octets as they arrive, decrypted."""

    def __init__(self, receive: Callable[[bytes], None]) -> None:
        self.transport: asyncio.Transport = cast(asyncio.Transport, None)
        self.tls: ssl.SSLObject | None = None
        self.ended: str | None = None  # why, once it is
        self.closed = asyncio.get_running_loop().create_future()
        self._receive = receive
        self._socket: Any = None
        self._incoming = ssl.MemoryBIO()
        self._outgoing = ssl.MemoryBIO()
        self._shaking = False
        self._first = b""  # what the server sent first where TLS was due
        self._news: asyncio.Future[None] | None = None
        self._unread = 0
        self._writable = asyncio.Event()
        self._writable.set()

    # -- asyncio calls these ------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """TCP stands."""
        self.transport = cast(asyncio.Transport, transport)
        self._socket = transport.get_extra_info("socket")
        self._acknowledge()

    def data_received(self, data: bytes) -> None:
        """Octets came; pass them on, through TLS if it is on."""
        self._acknowledge()
        if self.tls is None and not self._shaking:
            self._deliver(data)
        else:
            if self._shaking and len(self._first) < _READ:
                self._first += data
            self._incoming.write(data)
            if self.tls is not None:
                self._decrypt()
                self._flush()
        self._tell()

    def eof_received(self) -> bool:
        """The server will send no more."""
        self._end("the server closed the connection")
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone."""
        self._end(f"the connection broke: {exc}" if exc else "the connection was closed")
        self._writable.set()
        if not self.closed.done():
            self.closed.set_result(None)

    def pause_writing(self) -> None:
        """The socket's buffer is full."""
        self._writable.clear()

    def resume_writing(self) -> None:
        """The socket takes more."""
        self._writable.set()
        self._tell()

    # -- what the conversation calls ----------------------------------------------------------------------

    async def news(self, until: float | None = None) -> None:
        """Wait until something happened: octets came, the socket takes more, or the connection ended.

        Raises Ended, or TimeoutError when the loop's clock reads ``until``. A timer of our own: `asyncio.timeout` costs
        three times as much, and every reply waits at least once.
        """
        self._flush()
        if self.ended is not None:
            raise Ended(self.ended)
        loop = asyncio.get_running_loop()
        if until is not None and loop.time() >= until:  # a server that drips without a pause would outrun the timer
            raise TimeoutError
        self._news = loop.create_future()
        timer = loop.call_at(until, _late, self._news) if until is not None else None
        try:
            await self._news
        finally:
            self._news = None
            if timer is not None:
                timer.cancel()

    def taken(self) -> None:
        """The receiver has read everything it was given."""
        self._unread = 0
        if self.transport is not None and not self.transport.is_closing():
            self.transport.resume_reading()

    def send(self, data: bytes) -> None:
        """Send octets, through TLS if it is on. Raises Ended."""
        if self.ended is not None:
            raise Ended(self.ended)
        if self.tls is None:
            self.transport.write(data)
            return
        try:
            self.tls.write(data)
        except ssl.SSLError as bad:
            raise Ended(f"TLS broke: {reason(bad)}") from None
        self._flush()

    @property
    def writable(self) -> bool:
        """False while the socket's buffer is full."""
        return self._writable.is_set()

    async def start_tls(self, server_name: str | None, min_version: str | None) -> ssl.SSLObject:
        """Shake hands. Raises TlsRefused or Ended; whether the certificate is any good is not judged here."""
        self._shaking, self._first = True, b""
        tls = context(min_version).wrap_bio(self._incoming, self._outgoing, server_hostname=server_name)
        try:
            await self._shake(tls)
        finally:
            self._shaking = False
        self.tls = tls
        self._decrypt()
        return tls

    async def _shake(self, tls: ssl.SSLObject) -> None:
        while True:
            try:
                tls.do_handshake()
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLError as bad:
                self._flush()
                if self._first and self._first[0] not in _RECORD_TYPES:
                    raise TlsRefused("the server answered in the clear", self._first) from None
                raise TlsRefused(reason(bad)) from None
            else:
                if _QUICKACK is None:  # where ACKs cannot be hurried, two writes stall less often than one
                    self._flush()
                return  # our Finished goes out with the next command, or before we next wait
            await self.news()

    async def close(self, patience_s: float = 1.0) -> None:
        """End the connection, with a TLS close_notify where TLS is on, and wait until the socket is gone."""
        if self.transport is None:
            return
        if self.tls is not None and self.ended is None:
            with contextlib.suppress(ssl.SSLError):  # it wants the server's close_notify; ours is written
                self.tls.unwrap()
            self._flush()
        self._end("closed by the client")
        if self.transport.get_write_buffer_size():  # the server does not read what it was sent
            self.transport.abort()
        self.transport.close()
        try:
            async with asyncio.timeout(patience_s):
                await asyncio.shield(self.closed)
        except TimeoutError:
            self.transport.abort()
            await self.closed

    def abort(self) -> None:
        """End the connection at once."""
        if self.transport is not None and not self.closed.done():
            self.transport.abort()

    # -- inside -------------------------------------------------------------------------------------------

    def _deliver(self, data: bytes) -> None:
        self._unread += len(data)
        if self._unread > _HIGH_WATER:
            self.transport.pause_reading()
        self._receive(data)

    def _decrypt(self) -> None:
        """Pass on what can be decrypted; session tickets and key updates are dealt with on the way."""
        assert self.tls is not None
        try:
            while data := self.tls.read(_READ):
                self._deliver(data)
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self._end("the server closed the TLS session")
        except ssl.SSLError as bad:
            self._end(f"TLS broke: {reason(bad)}")

    def _flush(self) -> None:
        if self._outgoing.pending and not self.transport.is_closing():
            self.transport.write(self._outgoing.read())

    def _acknowledge(self) -> None:
        """Ask for immediate ACKs; the wish holds for about one read, so it is renewed at each."""
        if _QUICKACK is not None and self._socket is not None:
            try:
                self._socket.setsockopt(socket.IPPROTO_TCP, _QUICKACK, 1)
            except OSError:
                self._socket = None

    def _end(self, why: str) -> None:
        if self.ended is None:
            self.ended = why
        self._tell()

    def _tell(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)


def _late(waiting: asyncio.Future[None]) -> None:
    if not waiting.done():
        waiting.set_exception(TimeoutError())


@functools.cache
def context(min_version: str | None) -> ssl.SSLContext:
    """A TLS client that sees everything: old versions, weak ciphers, bad certificates. Trust is judged elsewhere."""
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.verify_mode = ssl.CERT_NONE
    made.options |= _LEGACY
    made.set_ciphers("DEFAULT:ALL:!aNULL:!eNULL:@SECLEVEL=0")
    made.minimum_version = _VERSIONS.get(min_version or "", ssl.TLSVersion.MINIMUM_SUPPORTED)
    return made


def reason(bad: ssl.SSLError) -> str:
    """OpenSSL's reason in lower-case words: "wrong version number"."""
    if isinstance(bad, ssl.SSLEOFError):
        return "the server closed the connection during the handshake"
    return (bad.reason or str(bad)).replace("_", " ").lower()


def chain_as_sent(tls: ssl.SSLObject) -> tuple[bytes, ...]:
    """The server's certificates in DER form, leaf first, as it sent them; the leaf alone where Python hides the rest.

    The method is public since Python 3.13; since 3.10 it is on the inner object.
    """
    holders: tuple[Any, ...] = (tls, getattr(tls, "_sslobj", None))
    for holder in holders:
        if hasattr(holder, "get_unverified_chain"):
            chain = holder.get_unverified_chain() or ()
            return tuple(one if isinstance(one, bytes) else one.public_bytes(_DER) for one in chain)
    leaf = tls.getpeercert(binary_form=True)
    return (leaf,) if leaf else ()


_DER = 2  # _ssl.ENCODING_DER
