"""The audit engine: a World and a domain in, a Report out.

It observes every protocol side by side (each is a flow), probes the ports its options ask for, and lets the
rules judge the facts. It knows the order of things and nothing about any protocol.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from deliverkit.facts.base import Missing, missing, not_asked
from deliverkit.facts.bimi import observe_bimi
from deliverkit.facts.dkim import observe_dkim
from deliverkit.facts.dmarc import observe_dmarc
from deliverkit.facts.domain import DomainFacts
from deliverkit.facts.mtasts import observe_mtasts
from deliverkit.facts.mx import observe_mx
from deliverkit.facts.ptr import observe_ptr
from deliverkit.facts.spf import observe_spf
from deliverkit.facts.tlsrpt import observe_tlsrpt
from deliverkit.flow import Flow
from deliverkit.names import meant
from deliverkit.report.model import Report, Subject, merge
from deliverkit.rules.registry import all_rules, judge
from deliverkit.world import World

PROTOCOLS = ("spf", "dkim", "dmarc", "mx", "ptr", "tlsrpt", "mtasts", "bimi", "ports")
SECONDS = 60.0  # one domain, probing included


@dataclass(frozen=True)
class AuditOptions:
    """What the user wants to know, and what the domain is for.

    ``only`` names protocols (of `PROTOCOLS`) and rule families; empty means all. ``dkim_keys`` maps a selector
    to a private key file that must match what is published. ``submission`` hosts are probed on 465 and 587.
    ``severities`` overrides a rule's severity by id.
    """

    selectors: tuple[str, ...] = ()
    dkim_keys: Mapping[str, Path] = field(default_factory=dict)
    only: tuple[str, ...] = ()
    sends_from: tuple[str, ...] = ()
    submission: tuple[str, ...] = ()
    probe: bool = True
    profile: str | None = None
    parked: bool = False
    seconds: float = SECONDS
    severities: Mapping[str, Any] = field(default_factory=dict)


async def audit(
    domain: str, *, world: World, options: AuditOptions, progress: Callable[[str], None] | None = None
) -> Report:
    """Audit one domain. Raises `deliverkit.names.BadName` when no domain can be made of the text."""
    typed = meant(domain)
    started, began = world.now(), time.monotonic()
    say = progress or (lambda _: None)
    name = typed.name

    flows: dict[str, Callable[[], Flow[Any]]] = {
        "spf": lambda: observe_spf(name, sends_from=options.sends_from),
        "dkim": lambda: observe_dkim(name, selectors=options.selectors, key_files=options.dkim_keys),
        "dmarc": lambda: observe_dmarc(name),
        "mx": lambda: observe_mx(name),
        "ptr": lambda: observe_ptr(name, sends_from=options.sends_from),
        "tlsrpt": lambda: observe_tlsrpt(name),
        "mtasts": lambda: observe_mtasts(name),
        "bimi": lambda: observe_bimi(name),
    }
    wanted = {p for p in PROTOCOLS if not options.only or p in options.only}
    if options.only and {"tls", "smtp", "vantage"} & set(options.only):
        wanted.add("ports")

    async def observe(protocol: str) -> tuple[str, Any]:
        if protocol not in wanted:
            return protocol, not_asked(f"--only {','.join(options.only)}")
        say(f"{name}: {protocol}")
        return protocol, await world.run(flows[protocol]())

    async def observe_ports() -> tuple[str, Any]:
        if "ports" not in wanted or not options.probe:
            return "ports", not_asked("--no-probe" if "ports" in wanted else f"--only {','.join(options.only)}")
        from deliverkit.probe import audit_targets, probe_all

        say(f"{name}: ports")
        return "ports", await probe_all(await audit_targets(name, options.submission, world), world=world)

    tasks = {
        protocol: asyncio.create_task(work)
        for protocol, work in [*((p, observe(p)) for p in flows), ("ports", observe_ports())]
    }
    await asyncio.wait(tasks.values(), timeout=options.seconds)
    late = missing(f"the audit's time of {options.seconds:g} s was spent")
    observed: dict[str, Any] = {}
    for protocol, task in tasks.items():
        if task.done():
            observed[protocol] = task.result()[1]
        else:
            task.cancel()
            observed[protocol] = late
    await asyncio.gather(*tasks.values(), return_exceptions=True)

    facts = DomainFacts(
        name=name,
        given=domain,
        parked=options.parked,
        profile=options.profile,
        sends_from=options.sends_from,
        **observed,
    )
    return judged(Subject("domain", name, typed.remark), facts, world, options, started=started, began=began)


def judged(
    subject: Subject, facts: DomainFacts, world: World, options: AuditOptions, *, started: Any, began: float
) -> Report:
    """Let the rules judge the domain, each of its ports, and the place we looked from."""
    families = set(options.only) - {"ports"}
    rules = [r for r in all_rules() if not families or r.family in families]
    ports = facts.raw("ports")
    every: list[Any] = [facts, *(() if isinstance(ports, Missing) else ports), world.vantage]
    judgement = merge(judge(one, rules, dict(options.severities)) for one in every)
    return Report(
        subject=subject,
        vantage=world.vantage,
        started=started,
        elapsed_s=round(time.monotonic() - began, 3),
        findings=judgement.findings,
        inconclusive=judgement.inconclusive,
        not_asked=judgement.not_asked,
        passed=judgement.passed,
        not_applicable=judgement.not_applicable,
        facts={p: facts.raw(p) for p in PROTOCOLS},
    )
