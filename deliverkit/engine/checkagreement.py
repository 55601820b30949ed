"""Beside what is judged in a check: whether those who answer agree, and whether DNS is what the sources say.

Asked only where the configuration wants it and the world below is live: of each domain every server of its zone
(``authoritative``) and every resolver that was named (two at least), of each source zone what DNS publishes
(``drift``).
What this file will not do: compare (`engine.agreement` does), or judge.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from deliverkit.config.model import Config, DomainConfig
from deliverkit.report.model import Report
from deliverkit.world import World

if TYPE_CHECKING:
    from deliverkit.engine.agreement import Where
    from deliverkit.world.zone import Zone


class Others:
    """Those who answer besides: the servers of zones, and resolvers one by one."""

    def __init__(
        self, config: Config, below: World, *, allow_private: bool = False, where: Where | None = None
    ) -> None:
        self.config = config
        self.below = below
        self.allow_private = allow_private
        self.where = where
        live = below.vantage.mode == "live" and not below.told
        self.authoritative = config.authoritative and live
        self.drift = config.drift and live
        self._resolvers: dict[str, World] = {}
        if live and len(config.nameservers) > 1:
            self._resolvers = {name: World.live((name,), allow_private=allow_private) for name in config.nameservers}
        self._worlds: dict[str, World] = {}

    @property
    def of_domains(self) -> bool:
        """Whether anything is asked about domains."""
        return self.authoritative or bool(self._resolvers)

    async def world(self, name: str, otherwise: World) -> World:
        """The world in which a domain is looked at: its zone's own servers, where they can be asked."""
        if not self.authoritative:
            return otherwise
        from deliverkit.engine.agreement import authority_of, by_its_servers, server_doors

        try:
            authority = await authority_of(name, self.below, allow_private=self.allow_private)
        except LookupError:  # told by the report on its servers
            return otherwise
        if authority.zone not in self._worlds:
            doors = server_doors(authority, self.where)
            self._worlds[authority.zone] = by_its_servers(self.below, authority.zone, doors)
        return self._worlds[authority.zone]

    async def domain(self, domain: DomainConfig) -> list[Report]:
        """What the servers of a domain's zone say, and what the resolvers do."""
        from deliverkit.engine.agreement import agreement_report, mail_questions, resolvers_agree, servers_agree

        selectors = (*domain.selectors, *domain.expect.dkim)
        questions = mail_questions(domain.name, dict.fromkeys(selectors))
        reports = []
        if self.authoritative:
            facts = await servers_agree(
                domain.name, self.below, questions, allow_private=self.allow_private, where=self.where
            )
            reports.append(agreement_report(facts, self.below, severities=self.config.severities))
        if self._resolvers:
            facts = await resolvers_agree(domain.name, self._resolvers, questions)
            reports.append(agreement_report(facts, self.below, severities=self.config.severities))
        return reports

    async def zone(self, zone: Zone, file: str, selectors: tuple[str, ...], say: Callable[[str], None]) -> list[Report]:
        """A zone of the sources beside what DNS says."""
        from deliverkit.engine.agreement import agreement_report, drift

        say(f"{zone.origin}: compared with DNS")
        facts = await drift(zone, self.below, selectors=selectors, file=file)
        return [agreement_report(facts, self.below, severities=self.config.severities, remark=file)]

    async def aclose(self) -> None:
        """Let go of the resolvers and of the servers; the world below is its owner's."""
        for world in self._resolvers.values():
            await world.aclose()
        for world in self._worlds.values():
            for server in getattr(world.dns, "servers", ()):
                await server.aclose()
