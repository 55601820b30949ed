"""What is remembered of each DNS server: whether it answers, whether it knows EDNS, and whom to ask next for how long.

A server that fell silent is remembered, so that a dead resolver costs seconds and not minutes. What this file will not
do: ask anybody.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from deliverkit.world.resolvers import Server

SILENT_QUESTIONS = 3
"""A server that left so many askings without a word, for most of a question's deadline, counts as dead for a while."""

CANARY_S = 5.0
"""How often one question is let through to a dead server, with the first patience only, to see whether it is back."""


@dataclass(slots=True)
class Health:
    """What we remember of one server; ``shown`` is how answers name it."""

    silent_s: float
    shown: str = ""
    edns: bool = True
    heard: bool = False  # it ever answered
    unheard_since: float | None = None
    unanswered: int = 0
    canary_at: float = -CANARY_S

    def asked(self) -> None:
        """A datagram is on its way."""
        self.unanswered += 1
        if self.unheard_since is None:
            self.unheard_since = time.monotonic()

    def answered(self) -> None:
        """Something came back."""
        self.heard = True
        self.unheard_since = None
        self.unanswered = 0

    @property
    def dead(self) -> bool:
        """True if it has been silent for too long, and to too many questions."""
        if self.unanswered < SILENT_QUESTIONS or self.unheard_since is None:
            return False
        return time.monotonic() - self.unheard_since >= self.silent_s

    def canary(self) -> bool:
        """True if this question may try whether the dead server came back."""
        now = time.monotonic()
        if now - self.canary_at < CANARY_S:
            return False
        self.canary_at = now
        return True


class Turn(NamedTuple):
    """One asking: whom, how long to wait before the next, whether with EDNS, and what is remembered of the server."""

    server: Server
    patience_s: float
    edns: bool
    health: Health


class Servers:
    """The servers in their order of preference, and the turns in which a question is put to them."""

    def __init__(self, servers: Sequence[Server], patience_s: Sequence[float]) -> None:
        self.all = tuple(servers)
        self.patience_s = tuple(patience_s)
        self.health = {server: Health(0.8 * sum(self.patience_s), str(server)) for server in self.all}
        self._healths = tuple(self.health.values())
        self._usual = self._turns(self.all, usual=True)

    def plan(self) -> tuple[Turn, ...]:
        """The turns of one question; none when every server is known to be dead.

        Every server gets its turn; a lone one is asked several times, at last without EDNS, which old firewalls drop.
        """
        for health in self._healths:
            if not (health.edns and health.heard) or (health.unanswered >= SILENT_QUESTIONS and health.dead):
                break
        else:
            return self._usual
        alive = tuple(server for server in self.all if not self.health[server].dead)
        if alive:
            return self._turns(alive)
        health_of = self.health
        return tuple(
            Turn(s, self.patience_s[0], health_of[s].edns, health_of[s]) for s in self.all if health_of[s].canary()
        )

    def _turns(self, alive: tuple[Server, ...], *, usual: bool = False) -> tuple[Turn, ...]:
        count = max(len(self.patience_s), len(alive))
        turns = []
        for turn in range(count):
            server = alive[turn % len(alive)]
            health = self.health[server]
            edns = usual or (health.edns and (turn < count - 1 or health.heard))
            turns.append(Turn(server, self.patience_s[min(turn, len(self.patience_s) - 1)], edns, health))
        return tuple(turns)
