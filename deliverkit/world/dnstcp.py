"""One DNS question over TCP (RFC 7766), for what was too long for a datagram; few connections a server at a time."""

from __future__ import annotations

import asyncio
import struct

from deliverkit.world.datagrams import Unreachable
from deliverkit.world.resolvers import Server

MAX_CONNECTIONS = 8  # a server


class Connections:
    """Connections to one server, in one event loop; each serves one question."""

    def __init__(self, server: Server) -> None:
        self.server = server
        self._gate = asyncio.Semaphore(MAX_CONNECTIONS)

    async def ask(self, octets: bytes) -> bytes:
        """Send a query and read the response. Raises Unreachable, or EOFError when the server hangs up."""
        async with self._gate:
            try:
                reader, writer = await asyncio.open_connection(self.server.address, self.server.port)
            except OSError as bad:
                raise Unreachable(bad.strerror or str(bad)) from None
            try:
                writer.write(struct.pack("!H", len(octets)) + octets)
                (length,) = struct.unpack("!H", await reader.readexactly(2))
                return await reader.readexactly(length)
            except OSError as bad:
                raise Unreachable(bad.strerror or str(bad)) from None
            finally:
                writer.transport.abort()
