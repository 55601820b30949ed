"""The live DNS door: recursive resolvers asked over UDP and TCP, with patience that has bounds.

One lost datagram never fails a question: it is asked again, of the next server if there is one, while the first asking
may still be answered. A server that fell silent is remembered, so that a dead resolver costs seconds and not minutes.
Every outcome is an `Answer`. What this file will not do: cache, or ask the root.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from deliverkit.flow import Answer, Question, Status
from deliverkit.world.datagrams import Channel, Exchange, Unreachable
from deliverkit.world.dnsmessage import BadQuestion, Said, answers, decode, encode
from deliverkit.world.overlay import MAX_ALIASES, NO_NAME
from deliverkit.world.perloop import PerLoop
from deliverkit.world.resolvers import Server
from deliverkit.world.values import canonical

PATIENCE_S = (1.0, 2.0, 4.0)
"""How long each asking of a question waits before the next begins; their sum is the deadline of a question."""

TCP_S = 5.0
SILENT_QUESTIONS = 3
"""A server that left so many askings without a word, for most of a question's deadline, counts as dead for a while."""

CANARY_S = 5.0
"""How often one question is let through to a dead server, with the first patience only, to see whether it is back."""

_DNSSEC_ERRORS = range(5, 13)  # RFC 8914 §4.6-4.13
_NO_EDNS = frozenset({"FORMERR", "NOTIMP", "BADVERS"})
_FINAL = frozenset({Status.REFUSED, Status.BOGUS})  # asking the same server again will not help


@dataclass(slots=True)
class _Health:
    """What we remember of one server."""

    silent_s: float
    edns: bool = True
    heard: bool = False  # it ever answered
    unheard_since: float | None = None
    unanswered: int = 0
    canary_at: float = -CANARY_S

    def asked(self) -> None:
        self.unanswered += 1
        if self.unheard_since is None:
            self.unheard_since = time.monotonic()

    def answered(self) -> None:
        self.heard = True
        self.unheard_since = None
        self.unanswered = 0

    @property
    def dead(self) -> bool:
        silent = self.unheard_since is not None and time.monotonic() - self.unheard_since >= self.silent_s
        return silent and self.unanswered >= SILENT_QUESTIONS

    def canary(self) -> bool:
        """True if this question may try whether the dead server came back."""
        now = time.monotonic()
        if now - self.canary_at < CANARY_S:
            return False
        self.canary_at = now
        return True


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

    def __init__(self, servers: Sequence[Server], *, patience_s: Sequence[float] = PATIENCE_S) -> None:
        if not servers:
            raise ValueError("a live DNS door needs a server")
        self.servers = tuple(servers)
        self.patience_s = tuple(patience_s)
        self._health = {server: _Health(silent_s=0.8 * sum(self.patience_s)) for server in self.servers}
        self._channels: PerLoop[dict[Server, Channel]] = PerLoop(lambda: {s: Channel(s) for s in self.servers})

    async def ask(self, question: Question) -> Answer:
        """Answer one question, following aliases that the server left unresolved."""
        began = time.monotonic()
        try:
            encode(question, 0)
        except BadQuestion:
            return Answer(question, Status.NXDOMAIN, detail=NO_NAME)
        aliases: list[str] = []
        seen = {canonical(question.name)}
        asked = question
        while True:
            said, server, answer = await self._resolve(asked)
            if answer is None:
                aliases.extend(said.aliases)
                if said.loop or len(aliases) > MAX_ALIASES or not seen.isdisjoint(said.aliases):
                    answer = Answer(question, Status.MALFORMED, detail=_loop(question, aliases))
                elif not said.complete:
                    seen.update(said.aliases)
                    asked = Question(said.name, question.type)
                    continue
                else:
                    answer = _answer(question, said)
            shown = str(server) if server else answer.server
            elapsed = time.monotonic() - began
            return replace(answer, question=question, aliases=tuple(aliases), server=shown, elapsed_s=elapsed)

    async def aclose(self) -> None:
        """Close the sockets of this loop."""
        for channel in (self._channels.pop() or {}).values():
            channel.close()

    # -- one question, several askings ------------------------------------------------------------------

    async def _resolve(self, question: Question) -> tuple[Said, Server | None, Answer | None]:
        """Ask until somebody tells: (what was said, by whom, None), or the `Answer` that says why nobody did."""
        attempts = _Attempts(question)
        try:
            for server, patience, edns in self._plan():
                if not attempts.spent(server):
                    task = asyncio.create_task(self._ask_once(server, question, edns))
                    attempts.open[task] = server
                told = await self._first_told(attempts, patience)
                if told:
                    return told[0], told[1], None
        finally:
            for task in attempts.open:
                task.cancel()
        return Said(), None, self._nobody_told(attempts)

    def _plan(self) -> list[tuple[Server, float, bool]]:
        """Whom to ask, how long to wait before asking the next, and whether with EDNS.

        Every server gets its turn; a lone one is asked several times, at last without EDNS, which old firewalls drop.
        """
        alive = [server for server in self.servers if not self._health[server].dead]
        if not alive:
            return [(s, self.patience_s[0], self._health[s].edns) for s in self.servers if self._health[s].canary()]
        turns = max(len(self.patience_s), len(alive))
        waits = [self.patience_s[min(i, len(self.patience_s) - 1)] for i in range(turns)]
        return [
            (server, waits[turn], self._health[server].edns and (turn < turns - 1 or self._health[server].heard))
            for turn in range(turns)
            for server in [alive[turn % len(alive)]]
        ]

    async def _first_told(self, attempts: _Attempts, patience: float) -> tuple[Said, Server] | None:
        """Wait for any of the open askings to tell something; failures are written down."""
        until = time.monotonic() + patience
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

    async def _ask_once(self, server: Server, question: Question, edns: bool) -> Said:
        """One asking of one server: UDP, plain when EDNS is not understood, TCP when truncated. Never raises."""
        channel = self._channels.get()[server]
        health = self._health[server]
        try:
            said = await self._over_udp(channel, question, edns)
            if said.rcode in _NO_EDNS and edns:  # RFC 6891 §7
                health.edns = False
                said = await self._over_udp(channel, question, False)
            if said.truncated:
                async with asyncio.timeout(TCP_S):
                    said = await self._over_tcp(channel, question, edns and health.edns)
        except Unreachable as why:
            return Said(rcode="UNREACHABLE", problem=str(why))
        except TimeoutError:
            return Said(rcode="TIMEOUT", problem="truncated over UDP, and no answer over TCP")
        except EOFError:
            return Said(problem="truncated over UDP, and the TCP connection was closed")
        return said

    async def _over_udp(self, channel: Channel, question: Question, edns: bool) -> Said:
        exchange: Exchange = await channel.exchange()
        health = self._health[channel.server]
        try:
            health.asked()
            exchange.send(encode(question, exchange.ident, edns=edns))
            while True:
                said = decode(await exchange.hear(), question)
                health.answered()
                if said is not None:
                    return said
        finally:
            exchange.close()

    async def _over_tcp(self, channel: Channel, question: Question, edns: bool) -> Said:
        octets = encode(question, 0, edns=edns)
        heard = await channel.over_tcp(octets)
        said = decode(heard, question) if answers(heard, 0) else None
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


def _answer(question: Question, said: Said) -> Answer:
    if said.rcode == "NXDOMAIN" and not said.records:
        status = Status.NXDOMAIN
    else:
        status = Status.OK if said.records else Status.NODATA
    return Answer(
        question,
        status,
        records=said.records,
        ttl=said.ttl,
        authentic=said.authentic,
        extended_errors=said.extended_errors,
    )


def _loop(question: Question, aliases: list[str]) -> str:
    return f"an alias loop: {' -> '.join([question.name, *aliases[:4]])} -> …"
