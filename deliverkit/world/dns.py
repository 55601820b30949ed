"""The live DNS door: recursive resolvers asked over UDP and TCP, with patience that has bounds.

One lost datagram never fails a question: it is asked again, of the next server if there is one, while the first asking
may still be answered. The first asking costs no task (`firstasking`); what follows it is told here. Every outcome is
an `Answer`. What this file will not do: cache, or ask the root.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from deliverkit.flow import Answer, Question, Status
from deliverkit.world.answered import answer_of
from deliverkit.world.begun import Begun, Done, awaited
from deliverkit.world.datagrams import Unreachable
from deliverkit.world.dnsmessage import Asked, answers, asked, decode
from deliverkit.world.dnsplain import Said
from deliverkit.world.firstasking import FirstAsking, Here
from deliverkit.world.health import Health, Servers, Turn
from deliverkit.world.overlay import MAX_ALIASES
from deliverkit.world.perloop import PerLoop
from deliverkit.world.resolvers import Server
from deliverkit.world.values import canonical

PATIENCE_S = (1.0, 2.0, 4.0)
"""How long each asking of a question waits before the next begins; their sum is the deadline of a question."""

IN_FLIGHT = 128
"""Questions under way at a time, in one event loop; the others wait for their turn."""

TCP_S = 5.0
_DNSSEC_ERRORS = range(5, 13)  # RFC 8914 §4.6-4.13
_NO_EDNS = frozenset({"FORMERR", "NOTIMP", "BADVERS"})
_FINAL = frozenset({Status.REFUSED, Status.BOGUS})  # asking the same server again will not help


@dataclass(slots=True)
class _Attempts:
    """The askings of one question: those still open, and how the others failed."""

    question: Question
    open: dict[asyncio.Task[Said], Server] = field(default_factory=dict)
    failures: list[tuple[Server, Status, str, tuple[tuple[int, str], ...]]] = field(default_factory=list)

    def spent(self, server: Server) -> bool:
        """True if this server has said all it will say: it refused, or failed twice."""
        own = [status for failed, status, _, _ in self.failures if failed == server]
        return len(own) > 1 or not _FINAL.isdisjoint(own)


class LiveDns:
    """A DNS door to recursive resolvers, in the order of preference in which they are given."""

    tell = None

    def __init__(
        self, servers: Sequence[Server], *, patience_s: Sequence[float] = PATIENCE_S, in_flight: int = IN_FLIGHT
    ) -> None:
        if not servers:
            raise ValueError("a live DNS door needs a server")
        self.servers = tuple(servers)
        self.patience_s = tuple(patience_s)
        self._asking = Servers(self.servers, self.patience_s)
        self._here: PerLoop[Here] = PerLoop(lambda: Here(self._asking, self._go_on, in_flight))

    async def ask(self, question: Question) -> Answer:
        """Answer one question, following aliases that the server left unresolved."""
        return await awaited(self, question)

    def begin(self, question: Question, done: Done) -> Begun:
        """Put one question on its way; ``done`` is called with its answer."""
        return self._here.get().begin(question, done)

    def here(self) -> Here:
        """What begins questions in the running loop, until this door is closed there."""
        return self._here.get()

    async def aclose(self) -> None:
        """Close the sockets of this loop."""
        here = self._here.pop()
        if here is not None:
            await here.aclose()

    # -- one question, several askings ------------------------------------------------------------------

    async def _go_on(self, first: FirstAsking) -> Answer:
        """Answer a question whose first asking told nothing final, or nothing yet."""
        question, section = first.question, first.asked
        aliases: list[str] = []
        seen = {canonical(question.name)}
        told, server, failed = await self._resolve(section, first.plan, first)
        while failed is None:
            aliases.extend(told.aliases)
            if told.loop or len(aliases) > MAX_ALIASES or not seen.isdisjoint(told.aliases):
                shown = str(server)
                failed = Answer(question, Status.MALFORMED, server=shown, detail=_loop(question, aliases))
            elif told.complete:
                elapsed = time.monotonic() - first.began
                return answer_of(question, told, tuple(aliases), str(server), elapsed)
            else:
                seen.update(told.aliases)
                section = asked(Question(told.name, question.type))
                told, server, failed = await self._resolve(section, self._asking.plan())
        elapsed = time.monotonic() - first.began
        return replace(failed, question=question, aliases=tuple(aliases), elapsed_s=elapsed)

    async def _resolve(
        self, section: Asked, plan: tuple[Turn, ...], first: FirstAsking | None = None
    ) -> tuple[Said, Server, Answer | None]:
        """Ask until somebody tells: (what was said, by whom, None), or the `Answer` that says why nobody did."""
        attempts = _Attempts(section.question)
        server = self.servers[0]
        try:
            for number, turn in enumerate(plan):
                server = turn.server
                earlier = first if not number else None
                until = (earlier.began if earlier else time.monotonic()) + turn.patience_s
                if not attempts.spent(server):
                    task = asyncio.create_task(self._ask_once(turn, section, earlier))
                    attempts.open[task] = server
                told = await self._first_told(attempts, until)
                if told:
                    return told[0], told[1], None
        finally:
            for task in attempts.open:
                task.cancel()
        return Said(), server, self._nobody_told(attempts)

    async def _first_told(self, attempts: _Attempts, until: float) -> tuple[Said, Server] | None:
        """Wait for any of the open askings to tell something; failures are written down."""
        while attempts.open:
            left = max(until - time.monotonic(), 0.0)
            done, _ = await asyncio.wait(attempts.open, timeout=left, return_when=asyncio.FIRST_COMPLETED)
            if not done:
                return None
            for task in done:
                server = attempts.open.pop(task)
                said = task.result()
                failure = _failure(said)
                if failure is None:
                    return said, server
                attempts.failures.append((server, *failure, said.extended_errors))
        return None

    async def _ask_once(self, turn: Turn, section: Asked, first: FirstAsking | None) -> Said:
        """One asking of one server: UDP, plain when EDNS is not understood, TCP when truncated. Never raises."""
        health, edns = turn.health, turn.edns
        try:
            said = await (self._over_udp(turn, section, edns) if first is None else _said_to(first))
            if said.rcode in _NO_EDNS and edns:  # RFC 6891 §7
                health.edns = False
                said = await self._over_udp(turn, section, False)
            if said.truncated:
                async with asyncio.timeout(TCP_S):
                    said = await self._over_tcp(turn.server, section, edns and health.edns)
        except Unreachable as why:
            return Said(rcode="UNREACHABLE", problem=str(why))
        except TimeoutError:
            return Said(rcode="TIMEOUT", problem="truncated over UDP, and no answer over TCP")
        except EOFError:
            return Said(problem="truncated over UDP, and the TCP connection was closed")
        return said

    async def _over_udp(self, turn: Turn, section: Asked, edns: bool) -> Said:
        port = self._here.get().channel(turn).port()
        health = turn.health
        health.asked()
        ear = _Ear(section, health)
        ident = port.ask(ear, section.query(edns=edns))
        try:
            return await ear.heard
        finally:
            port.release(ident)

    async def _over_tcp(self, server: Server, section: Asked, edns: bool) -> Said:
        heard = await self._here.get().connections(server).ask(b"\0\0" + section.query(edns=edns))
        said = decode(heard, section) if answers(heard, 0) else None
        if said is None:
            return Said(problem="an answer to another question over TCP")
        return replace(said, truncated=False, problem="truncated over TCP") if said.truncated else said

    def _nobody_told(self, attempts: _Attempts) -> Answer:
        """The gravest failure that was seen, or silence."""
        silent = sorted({str(server) for server in attempts.open.values()} - {str(f[0]) for f in attempts.failures})
        order = (Status.BOGUS, Status.SERVFAIL, Status.REFUSED, Status.MALFORMED, Status.TIMEOUT, Status.UNREACHABLE)
        found = sorted(attempts.failures, key=lambda failure: order.index(failure[1]))
        if found and not (silent and found[0][1] is Status.UNREACHABLE):
            server, status, detail, extended = found[0]
            return Answer(attempts.question, status, detail=detail, server=str(server), extended_errors=extended)
        if not attempts.open and not found:  # every server is known to be dead
            detail = f"no answer from {', '.join(map(str, self.servers))} to any question so far; not asked again"
            return Answer(attempts.question, Status.TIMEOUT, detail=detail)
        tries = len(attempts.open) + len(attempts.failures)
        detail = f"no answer from {', '.join(silent)} in {sum(self.patience_s):g} s, asked {tries} times"
        return Answer(attempts.question, Status.TIMEOUT, detail=detail, server=silent[0])


class _Ear:
    """Listens for the response to one datagram of a later asking."""

    def __init__(self, section: Asked, health: Health) -> None:
        self._asked = section
        self._health = health
        self.heard: asyncio.Future[Said] = asyncio.get_running_loop().create_future()

    def hear(self, octets: bytes) -> None:
        said = decode(octets, self._asked)
        self._health.answered()
        if said is not None and not self.heard.done():
            self.heard.set_result(said)

    def fail(self, why: str) -> None:
        if not self.heard.done():
            self.heard.set_exception(Unreachable(why))


async def _said_to(first: FirstAsking) -> Said:
    """What the first asking hears, now or later."""
    assert first.heard is not None
    try:
        return await first.heard
    finally:
        first.close()


def _bogus(said: Said) -> bool:
    return said.rcode == "SERVFAIL" and any(code in _DNSSEC_ERRORS for code, _ in said.extended_errors)


def _failure(said: Said) -> tuple[Status, str] | None:
    """Why this response tells nothing, or None when it does."""
    told = "; ".join(f"{text or 'extended error'} (EDE {code})" for code, text in said.extended_errors)
    if said.rcode == "UNREACHABLE":
        return Status.UNREACHABLE, said.problem
    if said.rcode == "TIMEOUT":
        return Status.TIMEOUT, said.problem
    if said.problem:
        return Status.MALFORMED, said.problem
    if _bogus(said):
        return Status.BOGUS, told
    if said.rcode == "SERVFAIL":
        return Status.SERVFAIL, told
    if said.rcode == "REFUSED":
        return Status.REFUSED, told
    if said.lame:
        return Status.SERVFAIL, "lame: the server neither knows the zone nor asks others"
    if said.rcode not in ("NOERROR", "NXDOMAIN"):
        return Status.SERVFAIL, f"response code {said.rcode}"
    return None


def _loop(question: Question, aliases: list[str]) -> str:
    return f"an alias loop: {' -> '.join([question.name, *aliases[:4]])} -> …"
