"""Where we looked from: every report names it, because "blocked from here" is a fact about here."""

from __future__ import annotations

from dataclasses import dataclass

from deliverkit.facts.base import Facts


@dataclass(frozen=True, slots=True)
class ZoneFault:
    """A record of a given zone file with which a server would not serve the zone as written.

    ``kind`` is "outside" (not at or below the origin) or "alias" (a CNAME beside other records of its name).
    """

    kind: str
    name: str
    type: str
    value: str
    file: str
    line: int | None
    origin: str


@dataclass(frozen=True, repr=False)
class Vantage(Facts):
    """The place of observation.

    ``mode`` is "live", "offline", "closed-world" or "story". ``port25`` is "open", "blocked" or "unknown"; ``ipv6`` is
    "works", "absent" (no route from here) or "unknown". ``ad_trusted`` says whether the resolver's AD bit may be
    believed (RFC 7672 §2.1.3: a local or secured path only). ``zones`` are the zone files laid over the world, and
    ``zone_faults`` what a server would not serve of them.
    """

    mode: str
    resolvers: tuple[str, ...] = ()
    ad_trusted: bool = False
    source_addresses: tuple[str, ...] = ()
    port25: str = "unknown"
    ipv6: str = "unknown"
    zones: tuple[str, ...] = ()
    zone_faults: tuple[ZoneFault, ...] = ()

    @property
    def subject(self) -> str:
        return "here"
