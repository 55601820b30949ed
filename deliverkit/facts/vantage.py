"""Where we looked from: every report names it, because "blocked from here" is a fact about here."""

from __future__ import annotations

from dataclasses import dataclass

from deliverkit.facts.base import Facts


@dataclass(frozen=True, repr=False)
class Vantage(Facts):
    """The place of observation.

    ``mode`` is "live", "offline", "closed-world" or "story". ``port25`` is "open", "blocked" or "unknown"; ``ipv6`` is
    "works", "absent" (no route from here) or "unknown". ``ad_trusted`` says whether the resolver's AD bit may be
    believed (RFC 7672 §2.1.3: a local or secured path only).
    """

    mode: str
    resolvers: tuple[str, ...] = ()
    ad_trusted: bool = False
    source_addresses: tuple[str, ...] = ()
    port25: str = "unknown"
    ipv6: str = "unknown"
    zones: tuple[str, ...] = ()

    @property
    def subject(self) -> str:
        return "here"
