"""The servers of a zone, asked themselves: no cache stands between, and what each says is told apart.

Questions are few and nothing hurries, so dnspython asks them, without recursion (RFC 1034 §4.3.1). An answer counts
only if the server is an authority for the name (AA, RFC 1035 §4.1.1); a referral says who else to ask, so what lies
below it goes to the door below. What this file will not do: find the servers (`facts.agreement` does), or judge.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from deliverkit.flow import Answer, Question, Status
from deliverkit.names import within
from deliverkit.world.doors import DnsDoor, Tell
from deliverkit.world.values import canonical

if TYPE_CHECKING:
    import dns.message

PATIENCE_S = 3.0
ASKINGS = 2
MAX_ALIASES = 16
AT_ONCE = 16  # questions in flight to one server
LAME = "lame: the server is no authority for the zone"
REFERRED = "referred: the name lies below a delegation"


@dataclass(frozen=True, slots=True)
class ZoneServer:
    """One address of one server of a zone."""

    name: str
    address: str
    port: int = 53

    def __str__(self) -> str:
        return f"{self.name} ({self.address})"


class ServerDoor:
    """A DNS door to exactly one server. A referral is answered `Status.UNOBSERVED`, lameness `Status.REFUSED`."""

    def __init__(self, server: ZoneServer, zone: str, *, patience_s: float = PATIENCE_S) -> None:
        self.server = server
        self.zone = zone
        self._patience_s = patience_s
        self._gate = asyncio.Semaphore(AT_ONCE)
        self._heard: dict[Question, asyncio.Task[Answer]] = {}

    async def ask(self, question: Question) -> Answer:
        """Ask it once; the same question again is answered from memory."""
        task = self._heard.get(question)
        if task is None:
            task = self._heard[question] = asyncio.create_task(self._ask(question))
        return await asyncio.shield(task)

    @property
    def tell(self) -> Tell | None:
        """A socket is behind this door."""
        return None

    async def _ask(self, question: Question) -> Answer:
        async with self._gate:
            answer = Answer(question, Status.TIMEOUT)
            for _ in range(ASKINGS):
                answer = await self._once(question)
                if answer.status is not Status.TIMEOUT:
                    break
        return replace(answer, server=str(self.server))

    async def _once(self, question: Question) -> Answer:
        """One asking, over TCP where the answer is too long for a datagram. Never raises for what a server does."""
        import dns.asyncquery
        import dns.exception
        import dns.flags
        import dns.message
        import dns.rdatatype

        from deliverkit.world.dnsmessage import BadQuestion, type_number
        from deliverkit.world.dnsodd import wire_name

        try:
            name = wire_name(question.name)
        except BadQuestion:
            return Answer(question, Status.NXDOMAIN, detail="the name cannot exist (RFC 1035 §2.3.4)")
        kind = dns.rdatatype.RdataType.make(type_number(question.type))
        query = dns.message.make_query(name, kind, use_edns=0, payload=1232)
        query.flags &= ~dns.flags.RD
        address, port = self.server.address, self.server.port
        try:
            message, _ = await dns.asyncquery.udp_with_fallback(
                query, address, self._patience_s, port, ignore_unexpected=True, ignore_trailing=True
            )
        except (TimeoutError, dns.exception.Timeout):
            return Answer(question, Status.TIMEOUT, detail=f"no answer in {self._patience_s:g} s")
        except OSError as bad:
            return Answer(question, Status.UNREACHABLE, detail=bad.strerror or str(bad))
        except Exception as bad:  # whatever a hostile server sends must end as a value
            return Answer(question, Status.MALFORMED, detail=f"{type(bad).__name__}: {bad}")
        return self._read(message, question)

    def _read(self, message: dns.message.Message, question: Question) -> Answer:
        import dns.flags
        import dns.rcode
        import dns.rdatatype

        from deliverkit.world.dnsodd import said_by

        code = dns.rcode.to_text(message.rcode())
        if code not in ("NOERROR", "NXDOMAIN"):
            status = Status.REFUSED if code == "REFUSED" else Status.SERVFAIL
            return Answer(question, status, detail="" if code == status.name else f"response code {code}")
        if not message.flags & dns.flags.AA:
            below = any(
                rrset.rdtype == dns.rdatatype.NS and within(canonical(rrset.name.to_text()) or ".", self.zone)
                and canonical(rrset.name.to_text()) != self.zone
                for rrset in message.authority
            )  # fmt: skip
            return Answer(question, Status.UNOBSERVED if below else Status.REFUSED, detail=REFERRED if below else LAME)
        said = said_by(message, question)
        if said.problem or said.loop:
            return Answer(question, Status.MALFORMED, aliases=said.aliases, detail=said.problem or "an alias loop")
        none = Status.NXDOMAIN if code == "NXDOMAIN" else Status.NODATA
        return Answer(question, Status.OK if said.records else none, said.records, said.ttl, said.aliases)

    async def aclose(self) -> None:
        """Let go of what is still asked."""
        for task in self._heard.values():
            task.cancel()
        await asyncio.gather(*self._heard.values(), return_exceptions=True)


class AuthoritativeDoor:
    """A door that asks the servers of one zone what lies in it, and the door below everything else.

    The first server that answers is believed. What it refers on, and aliases that lead out of the zone, are asked
    below.
    """

    def __init__(self, zone: str, servers: Sequence[ServerDoor], below: DnsDoor) -> None:
        self.zone = zone
        self.servers = servers
        self.below = below

    async def ask(self, question: Question) -> Answer:
        """Follow the aliases inside the zone and out of it."""
        name, aliases = question.name, list[str]()
        while len(aliases) <= MAX_ALIASES:
            if not within(name, self.zone):
                answer = await self.below.ask(Question(name, question.type))
                return replace(answer, question=question, aliases=(*aliases, *answer.aliases))
            answer = await self._asked(Question(name, question.type))
            aliases += answer.aliases
            if answer.records or not answer.aliases or not answer.known:
                return replace(answer, question=question, aliases=tuple(aliases))
            name = answer.aliases[-1]
            if within(name, self.zone):  # the server has followed it to its end
                return replace(answer, question=question, aliases=tuple(aliases))
        return Answer(question, Status.MALFORMED, aliases=tuple(aliases), detail="an alias loop")

    async def _asked(self, question: Question) -> Answer:
        answer = Answer(question, Status.UNREACHABLE, detail="the zone has no server that can be asked")
        for server in self.servers:
            answer = await server.ask(question)
            if answer.detail == REFERRED:
                return await self.below.ask(question)
            if answer.known:
                break
        return answer

    @property
    def tell(self) -> Tell | None:
        """Sockets are behind this door."""
        return None

    async def aclose(self) -> None:
        """Let go of the servers and of what lies below."""
        for server in self.servers:
            await server.aclose()
        await self.below.aclose()
