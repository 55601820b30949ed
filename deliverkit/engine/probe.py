"""The probe engine: hosts and ports in, one row per (host, address, port), and a report a host.

It visits every address politely (a few connections at a time to one host, one connection a port). What this file will
not do: read targets (`targets`), tell a blocked network from a dead host (`egress`), speak SMTP (`smtp.inspect`), or
judge, which the rules do.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from deliverkit.engine.egress import vantage_after, weighed
from deliverkit.engine.targets import (
    CONTROLS,
    PORTS,
    ROLES,
    BadTarget,
    ProbeOptions,
    audit_targets,
    read_target,
    resolved,
)
from deliverkit.facts.base import not_asked
from deliverkit.facts.host import PortFacts, hosts_of, port_facts, unprobed
from deliverkit.findings import Finding, Judgement, Severity
from deliverkit.report.model import Report, Subject, merge
from deliverkit.rules.registry import Rule, all_rules, judge
from deliverkit.smtp.inspect import Target, probe_flow
from deliverkit.world import World

__all__ = [
    "BadTarget",
    "CONTROLS",
    "PORTS",
    "ProbeOptions",
    "ROLES",
    "audit_targets",
    "judge_ports",
    "probe",
    "probe_all",
    "read_target",
    "vantage_after",
]

_PER_HOST = 2  # connections at a time
_AT_ONCE = 64
_SOCKETLESS = ("offline", "closed-world")


async def probe(targets: Sequence[str], *, world: World, options: ProbeOptions) -> list[Report]:
    """Probe targets as the user wrote them; one report a target. Raises BadTarget before anything is asked."""
    wanted = [read_target(text, options) for text in targets]
    started, began = world.now(), time.monotonic()
    found = await asyncio.gather(*(resolved(one, world, options) for one in wanted))
    rows = await probe_all([t for targets, _ in found for t in targets], world=world, options=options)
    vantage = vantage_after(rows, world.vantage)
    severities = dict(options.severities)
    reports = []
    place = 0
    for one, (mine, unresolved) in zip(wanted, found, strict=True):
        own = rows[place : place + len(mine)]
        place += len(mine)
        judgement = merge(
            [*judge_ports((*own, *unresolved), severities=severities), judge(vantage, all_rules(), severities)]
        )
        reports.append(
            Report(
                subject=Subject("host", one.host, one.remark),
                vantage=vantage,
                started=started,
                elapsed_s=round(time.monotonic() - began, 3),
                findings=judgement.findings,
                inconclusive=judgement.inconclusive,
                not_asked=judgement.not_asked,
                passed=judgement.passed,
                not_applicable=judgement.not_applicable,
                facts={"ports": (*own, *unresolved)},
            )
        )
    return reports


def judge_ports(
    ports: Iterable[PortFacts],
    *,
    rules: Sequence[Rule] | None = None,
    severities: Mapping[str, Severity] | None = None,
    of_domain: bool = False,
) -> list[Judgement]:
    """Judge every port, and every host as a whole; what holds at several addresses becomes one finding.

    ``of_domain``: the MX hosts among them serve one domain, so that one can stand in for another.
    """
    rows = tuple(ports)
    chosen = all_rules() if rules is None else rules
    hosts = hosts_of(rows, of_domain=of_domain)
    judged = [judge(one, chosen, dict(severities or {})) for one in (*rows, *hosts)]
    addresses = [*(row.address for row in rows), *(None for _ in hosts)]
    return _merged_addresses(judged, addresses)


def _merged_addresses(judged: list[Judgement], addresses: list[str | None]) -> list[Judgement]:
    """The same finding at several addresses of a port, said once: "(at 3 addresses: …)"."""
    where: dict[tuple[str, str, str], list[str]] = {}
    for one, address in zip(judged, addresses, strict=True):
        for found in one.findings:
            where.setdefault((found.rule, found.subject, found.detail), []).append(address or "")
    seen: set[tuple[str, str, str]] = set()

    def kept(found: Finding) -> Finding | None:
        key = (found.rule, found.subject, found.detail)
        if key in seen:
            return None
        seen.add(key)
        at = where[key]
        told = f"{found.detail} (at {len(at)} addresses: {', '.join(at)})" if len(at) > 1 else found.detail
        return replace(found, detail=told)

    return [replace(one, findings=tuple(k for f in one.findings if (k := kept(f)) is not None)) for one in judged]


# -- probing ----------------------------------------------------------------------------------------------


async def probe_all(
    targets: Iterable[Target], *, world: World, options: ProbeOptions | None = None
) -> tuple[PortFacts, ...]:
    """Probe every target, in order of the targets. Nothing is contacted in a world without sockets."""
    options = options or ProbeOptions()
    every = tuple(targets)
    if world.vantage.mode in _SOCKETLESS:
        off = not_asked(f"no connection is made: the world is {world.vantage.mode}")
        return tuple(unprobed(t.host, t.address, t.port, t.role, off, None, named=t.named) for t in every)
    gates = {target.host: asyncio.Semaphore(_PER_HOST) for target in every}
    total = asyncio.Semaphore(_AT_ONCE)

    async def one(target: Target) -> PortFacts:
        async with gates[target.host], total:
            seen, transcript = await world.converse(probe_flow(target), from_dns=target.from_dns)
            return port_facts(target, seen, transcript, world.now())

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one(target)) for target in every]
    rows = tuple(task.result() for task in tasks)
    return await weighed(rows, world, options)
