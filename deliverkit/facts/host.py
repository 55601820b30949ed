"""What one (host, address, port) showed when it was probed."""

from __future__ import annotations

from dataclasses import dataclass

from deliverkit.facts.base import Facts


@dataclass(frozen=True, repr=False)
class PortFacts(Facts):
    """Placeholder of the first hour: replaced by its room."""

    host: str
    address: str
    port: int

    @property
    def subject(self) -> str:
        return f"{self.host}:{self.port}"
