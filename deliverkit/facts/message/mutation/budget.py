"""How much work a search may cost: tries and octets, counted, so that every machine gives the same report.

The clock is a last resort for a machine that is stuck; nothing a report says should hang on it.
"""

from __future__ import annotations

import time

PATIENCE_S = 20.0


class GaveUp(Exception):
    """The bound of work is reached."""


class Budget:
    """Work that is left. ``octets`` are those that are canonicalized and hashed."""

    def __init__(self, tries: int, octets: int) -> None:
        self.left = octets
        self.most = tries
        self.tries = 0
        self.gave_up = False
        self._until = time.monotonic() + PATIENCE_S

    def spend(self, octets: int) -> None:
        """Pay for one try. Raises GaveUp where too little is left."""
        self.work(octets)
        self.tries += 1

    def work(self, octets: int) -> None:
        """Pay for work that is no try. Raises GaveUp where too little is left."""
        if self.gave_up or self.tries >= self.most or octets > self.left or time.monotonic() > self._until:
            self.gave_up = True
            raise GaveUp
        self.left -= octets
