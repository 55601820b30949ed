"""The probe engine: hosts and ports in, one row per (host, address, port), and a report a host.

It visits every address politely (a few connections at a time to one host, one connection a port). What this file will
not do: read targets (`targets`), tell a blocked network from a dead host (`egress`), speak SMTP (`smtp.inspect`), or
judge, which the rules do.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from deliverkit.engine.egress import vantage_after, weighed
from deliverkit.engine.pace import side_by_side
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
from deliverkit.facts.base import Unobserved, missing, not_asked
from deliverkit.facts.host import PortFacts, hosts_of, unprobed
from deliverkit.facts.inspected import port_facts
from deliverkit.findings import Finding, Judgement, Severity
from deliverkit.report.model import Report, Subject, merge
from deliverkit.rules import PORT_FAMILIES
from deliverkit.rules.registry import Rule, judge, rules_of
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
_NAMES_S = 20.0  # seconds for the addresses of all hosts
_SOCKETLESS = ("offline", "closed-world")


async def probe(
    targets: Sequence[str],
    *,
    world: World,
    options: ProbeOptions | None = None,
    progress: Callable[[str], None] | None = None,
) -> list[Report]:
    """Probe targets as the user wrote them; one report a target. Raises BadTarget before anything is asked.

    Cancelled in the middle, it returns reports of what was seen until then, marked as interrupted.
    """
    options = options or ProbeOptions()
    wanted = [read_target(text, options) for text in targets]
    world = world.scene("probe", ", ".join(targets), options, targets=targets)
    started, began = world.now(), time.monotonic()
    names = world.with_budget(queries=2 * len(wanted), seconds=min(_NAMES_S, options.seconds))
    found = await asyncio.gather(*(resolved(one, names, options) for one in wanted))
    options = replace(options, seconds=max(options.seconds - (time.monotonic() - began), 0.0))
    every = [target for mine, _ in found for target in mine]
    rows, interrupted = await _visited(every, world, options, progress or (lambda _: None))
    interrupted = world.ended(interrupted=interrupted)
    vantage = vantage_after(rows, world.vantage)
    severities = dict(options.severities)
    reports = []
    for one, (mine, unresolved) in zip(wanted, found, strict=True):
        own, rows = (*rows[: len(mine)], *unresolved), rows[len(mine) :]
        judgement = merge(
            [*judge_ports(own, severities=severities), judge(vantage, rules_of(*PORT_FAMILIES), severities)]
        )
        reports.append(
            Report(
                subject=Subject("host", one.host, one.remark),
                vantage=vantage,
                started=started,
                elapsed_s=round(time.monotonic() - began, 3),
                facts={"ports": own},
                interrupted=interrupted,
            ).judged_by(judgement)
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
    chosen = rules_of(*PORT_FAMILIES) if rules is None else rules
    hosts = hosts_of(rows, of_domain=of_domain)
    told = dict(severities or {})
    each = [(row, judge(row, chosen, told)) for row in rows]
    return [*_said_once(each), *(judge(host, chosen, told) for host in hosts)]


def _said_once(judged: list[tuple[PortFacts, Judgement]]) -> list[Judgement]:
    """The same finding at several addresses of a port becomes one that names them; at one of several, it names it."""
    found_at: dict[tuple[str, str, str], list[str]] = {}
    for row, one in judged:
        for found in one.findings:
            found_at.setdefault(_key(found), []).append(row.address)
    open_at = Counter(row.subject for row, _ in judged if row.raw("reachable") is True)

    def once(row: PortFacts, found: Finding) -> Finding | None:
        at, of = found_at[_key(found)], open_at[row.subject]
        if at[0] != row.address:
            return None
        if of == 1:
            return found
        where = f"{len(at)} of {of} addresses: {', '.join(at)}" if len(at) < of else f"all {of} addresses"
        return replace(found, detail=f"{found.detail} (at {where})")

    return [replace(one, findings=tuple(k for f in one.findings if (k := once(row, f)))) for row, one in judged]


def _key(found: Finding) -> tuple[str, str, str]:
    return found.rule, found.subject, found.detail


# -- probing ----------------------------------------------------------------------------------------------


async def probe_all(
    targets: Iterable[Target], *, world: World, options: ProbeOptions | None = None
) -> tuple[PortFacts, ...]:
    """Probe every target, in order of the targets. Nothing is contacted in a world without sockets."""
    rows, interrupted = await _visited(tuple(targets), world, options or ProbeOptions(), lambda _: None)
    if interrupted:
        raise asyncio.CancelledError
    return rows


async def _visited(
    targets: Sequence[Target], world: World, options: ProbeOptions, say: Callable[[str], None]
) -> tuple[tuple[PortFacts, ...], bool]:
    """A row for each target, and whether we were interrupted: then the rows that are not there say so."""
    if world.vantage.mode in _SOCKETLESS:
        off = not_asked(f"no connection is made: the world is {world.vantage.mode}")
        return tuple(_unseen(target, off) for target in targets), False
    gates = {target.host: asyncio.Semaphore(_PER_HOST) for target in targets}
    total = asyncio.Semaphore(_AT_ONCE)

    async def visit(target: Target, about: str) -> PortFacts:
        async with gates[target.host], total:
            try:
                seen, transcript = await world.converse(probe_flow(target), from_dns=target.from_dns, about=about)
            except Unobserved as unknown:
                return _unseen(target, missing(str(unknown)))
            say(f"{target.host}:{target.port} seen")
            return port_facts(target, seen, transcript, world.now())

    named = dict(_named(targets))
    works = {about: partial(visit, target, about) for about, target in named.items()}
    spent = f"the time was spent ({options.seconds:.1f} s for all ports)"
    done = await side_by_side(works, world, options.seconds, spent)
    rows = tuple(
        _unseen(target, missing(done.late[about])) if about in done.late else done.results[about]
        for about, target in named.items()
    )
    return (rows if done.interrupted else await weighed(rows, world, options)), done.interrupted


def _named(targets: Sequence[Target]) -> Iterator[tuple[str, Target]]:
    """A name for each target; the same one twice is counted."""
    claimed = Counter[str]()
    for target in targets:
        name = f"{target.host}:{target.port}/{target.role} at {target.address}"
        claimed[name] += 1
        yield (name if claimed[name] == 1 else f"{name}, {claimed[name]}"), target


def _unseen(target: Target, why: Any) -> PortFacts:
    return unprobed(target.host, target.address, target.port, target.role, why, None, named=target.named)
