"""The first asking of a question, which is nearly always the only one: sent, heard and answered without a task.

`FirstAsking` waits in the reader of its socket and in one list that a single timer sweeps. What it hears it answers
with at once where that is plain; anything else (no word in time, a failure, a truncated answer, an alias left
unresolved) it hands to `deliverkit.world.dns`, where a task goes on from there.

What this file will not do: ask a second time.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any

from deliverkit.flow import Answer, Question, Status
from deliverkit.world.answered import answer_of, is_plain, read_answer
from deliverkit.world.begun import Begun, Done, report
from deliverkit.world.datagrams import Channel, Port, Unreachable
from deliverkit.world.dnsmessage import Asked, BadQuestion, decode, query, written
from deliverkit.world.dnsplain import Said
from deliverkit.world.dnstcp import Connections
from deliverkit.world.health import Servers, Turn
from deliverkit.world.overlay import NO_NAME
from deliverkit.world.resolvers import Server


class Here:
    """What belongs to one event loop: sockets, connections, and the questions under way, at most so many at a time."""

    def __init__(
        self,
        servers: Servers,
        go_on: Callable[[FirstAsking], Coroutine[Any, Any, Answer]],
        in_flight: int,
    ) -> None:
        self.servers = servers
        self.go_on = go_on
        self.patience_s = servers.patience_s[0]
        self.loop = asyncio.get_running_loop()
        self.first: dict[FirstAsking, None] = {}  # in their first patience, the oldest at the head
        self.later: dict[asyncio.Task[Answer], FirstAsking] = {}
        self._free = in_flight
        self._queue: deque[FirstAsking] = deque()
        self._channels: dict[int, Channel] = {}
        self._connections: dict[Server, Connections] = {}
        self._timer: asyncio.TimerHandle | None = None

    def begin(self, question: Question, done: Done) -> Begun:
        """Put one question on its way, as soon as there is room; ``done`` is called with its answer."""
        try:
            asking = FirstAsking(question, self, done)
        except BadQuestion:
            done(Answer(question, Status.NXDOMAIN, detail=NO_NAME))
            return _Ended()
        if self._free:
            self._free -= 1
            asking.send()
        else:
            self._queue.append(asking)
        return asking

    def leave(self, asking: FirstAsking) -> None:
        """A question is over: make room for the next."""
        self.first.pop(asking, None)
        asking.inside = False
        if self._queue:
            self._queue.popleft().send()
        else:
            self._free += 1

    def forget(self, asking: FirstAsking) -> None:
        """A question is taken back before it was its turn."""
        if asking in self._queue:
            self._queue.remove(asking)

    def channel(self, turn: Turn) -> Channel:
        """The UDP sockets to a server."""
        channel = self._channels.get(id(turn.health))  # of its door, as long as this; quicker than by address
        if channel is None:
            channel = self._channels[id(turn.health)] = Channel(turn.server)
        return channel

    def connections(self, server: Server) -> Connections:
        """The TCP connections to a server."""
        if server not in self._connections:
            self._connections[server] = Connections(server)
        return self._connections[server]

    def wait(self, asking: FirstAsking) -> None:
        """Let an asking know when its first patience is over."""
        self.first[asking] = None
        if self._timer is None:
            self._timer = self.loop.call_later(self.patience_s, self._sweep)

    def _sweep(self) -> None:
        """All wait equally long, so the oldest stand first: one timer does for all."""
        until = time.monotonic() - self.patience_s
        late = []
        for asking in self.first:
            if asking.began > until:
                break
            late.append(asking)
        for asking in late:
            del self.first[asking]
            asking.late()
        oldest = next(iter(self.first), None)
        wait = oldest and max(oldest.began - until, 0.001)
        self._timer = self.loop.call_later(wait, self._sweep) if wait else None

    async def aclose(self) -> None:
        """Close the sockets; who still waits is told so."""
        queued, self._queue = self._queue, deque()
        for asking in [*queued, *self.first, *self.later.values()]:
            asking.cancel()
            asking.done(Answer(asking.question, Status.UNREACHABLE, detail="the socket was closed"))
        await asyncio.gather(*self.later, return_exceptions=True)
        for channel in self._channels.values():
            channel.close()
        if self._timer is not None:
            self._timer.cancel()


class _Ended:
    """A question that was answered before anything was sent."""

    def cancel(self) -> None:
        """Nothing is left to take back."""


class FirstAsking:
    """One question on its way, from its first datagram on. Raises BadQuestion."""

    __slots__ = (
        "_health", "_ident", "_plain", "_port", "_section", "_task", "_type", "began", "done", "heard", "here",
        "inside", "plan", "question",
    )  # fmt: skip

    def __init__(self, question: Question, here: Here, done: Done) -> None:
        self.question = question
        self._section, self._type, self._plain = written(question)
        self.here = here
        self.done = done
        self.heard: asyncio.Future[Said] | None = None  # of the task that goes on
        self.inside = False  # it is our turn
        self._port: Port | None = None
        self._task: asyncio.Task[Answer] | None = None

    @property
    def asked(self) -> Asked:
        """The question made ready, for whoever goes on with it."""
        return Asked(self.question, self._section, self._type, self._plain)

    def send(self) -> None:
        """It is our turn: send the first datagram, to the server of the first turn of the plan."""
        here = self.here
        self.inside = True
        self.began = time.monotonic()
        self.plan = plan = here.servers.plan()
        if not plan:  # every server is known to be dead
            self._go_on()
            return
        turn = plan[0]
        self._health = health = turn.health
        try:
            self._port = port = here.channel(turn).port()
        except Unreachable as why:
            self.fail(str(why))
            return
        health.asked()
        here.wait(self)
        self._ident = port.ask(self, query(self._section, turn.edns))

    def hear(self, octets: bytes) -> None:
        """A response came."""
        health = self._health
        health.answered()
        if self.heard is None and self._plain:  # nobody went on, and nobody will have to, most often
            elapsed = time.monotonic() - self.began
            answer = read_answer(
                octets, self.question, self._section, self._plain, self._type, health.shown, elapsed
            )  # fmt: skip
            if answer is not None:
                self.close()
                self.here.leave(self)
                self.done(answer)
                return
        said = decode(octets, self.asked)
        if said is not None:
            self.close()
            self._told(said)

    def fail(self, why: str) -> None:
        """The network failed."""
        self._port = None
        self._told(Said(rcode="UNREACHABLE", problem=why))

    def _told(self, said: Said) -> None:
        if self.heard is not None:
            if not self.heard.done():
                self.heard.set_result(said)
            return
        if is_plain(said):
            elapsed = time.monotonic() - self.began
            self.here.leave(self)
            self.done(answer_of(self.question, said, said.aliases, self._health.shown, elapsed))
        else:
            self.here.first.pop(self, None)
            self._go_on()
            assert self.heard is not None
            self.heard.set_result(said)

    def late(self) -> None:
        """The first patience is over. What comes later is still heard."""
        self._go_on()

    def _go_on(self) -> None:
        self.heard = self.here.loop.create_future()
        self._task = task = self.here.loop.create_task(self.here.go_on(self))
        self.here.later[task] = self
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[Answer]) -> None:
        del self.here.later[task]
        self.close()
        self.here.leave(self)
        report(task, self.done)

    def close(self) -> None:
        """Hear no more."""
        if self._port is not None:
            self._port.release(self._ident)
            self._port = None

    def cancel(self) -> None:
        """Nobody waits for the answer any more."""
        self.here.first.pop(self, None)
        self.close()
        if self._task is not None:
            self._task.cancel()  # leaves when it has ended
        elif self.inside:
            self.here.leave(self)
        else:
            self.here.forget(self)
