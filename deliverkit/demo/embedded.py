"""The embedded world: a name server and six SMTP listeners on loopback, playing the hosts of the two domains.

Real sockets throughout; nothing but loopback is ever dialled, and no port below 1024 is opened.
"""

from __future__ import annotations

from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

from deliverkit.demo.authority import Authority
from deliverkit.demo.domains import DemoDomain, zones
from deliverkit.demo.nameserver import Nameserver
from deliverkit.demo.routes import Place, RoutedSmtp
from deliverkit.sink import Address, Credentials, Judging, Sink
from deliverkit.world import World

USER, PASSWORD = "zoe@sound.example", "an authorization code"
ANY_PORT = "127.0.0.1:0"


class EmbeddedWorld:
    """Use it as an asynchronous context manager; inside, ``world`` is the world both domains live in.

    ``sinks`` maps a host name to the sink that catches what is sent there.
    """

    def __init__(self, sound: DemoDomain, twin: DemoDomain, folder: Path) -> None:
        self.sound = sound
        self.twin = twin
        self.folder = folder
        self.authority = Authority(folder)
        self.nameserver = Nameserver(zones(sound, twin))
        self.sinks: dict[str, Sink] = {}
        self.routes: dict[Place, Place] = {}
        self.world = World.offline()
        self._open = AsyncExitStack()

    async def __aenter__(self) -> Self:
        try:
            self.nameserver.start()
            self._open.callback(self.nameserver.stop)
            await self._listen()
            self.world = await self._open.enter_async_context(self._world())
        except BaseException:
            await self._open.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._open.aclose()

    def _world(self) -> World:
        """The live world, asking our name server, with connections routed to our listeners."""
        live = World.live([self.nameserver.address], allow_private=True)
        return World(live.dns, RoutedSmtp(live.smtp, self.routes, str(self.authority.file)), live.vantage)

    async def _listen(self) -> None:
        """The sound domain's hosts as they should be; the twin's without TLS, or with a certificate that ended."""
        mx, submission = self.sound.mx, self.sound.submission
        login = Credentials(USER, PASSWORD, required=True)
        await self._play(mx, "192.0.2.25", {25: "starttls"}, self.sound, ended=False)
        await self._play(submission, "192.0.2.26", {587: "starttls", 465: "smtps"}, self.sound, login, ended=False)
        mx, submission = self.twin.mx, self.twin.submission
        anybody = Credentials(in_clear=True)
        await self._play(mx, "198.51.100.25", {25: "smtp"}, self.twin)
        await self._play(submission, "198.51.100.26", {587: "smtp", 465: "smtps"}, self.twin, anybody, ended=True)

    async def _play(
        self,
        host: str,
        address: str,
        ports: dict[int, str],
        domain: DemoDomain,
        credentials: Credentials | None = None,
        *,
        ended: bool = False,
    ) -> None:
        """Open one host's listeners, and note which loopback port plays which of its ports."""
        sink = Sink(
            **dict.fromkeys(ports.values(), ANY_PORT),  # type: ignore[arg-type] # smtp, starttls, smtps
            hostname=host,
            credentials=credentials,
            tls=self.authority.issue(host, ended=ended),
            world=World.live([self.nameserver.address]),
            judging=Judging(client_ip=domain.sends_from),
        )
        self.sinks[host] = await self._open.enter_async_context(sink)
        where: dict[str, Address] = {str(listener): place for listener, place in sink.addresses.items()}
        for port, listener in ports.items():
            self.routes[address, port] = (where[listener].host, where[listener].port)
