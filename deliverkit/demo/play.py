"""The whole job, played on the embedded world: audit, probe, signed send, sink, verify; once a domain."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from deliverkit.demo.domains import DemoDomain, Planted, sound, twin
from deliverkit.demo.embedded import PASSWORD, USER, EmbeddedWorld
from deliverkit.engine.audit import AuditOptions, audit
from deliverkit.engine.probe import probe
from deliverkit.engine.send import SendOptions, send
from deliverkit.findings import Severity
from deliverkit.protocols.dkim.sign import SigningKey
from deliverkit.report.model import Report, Verdict
from deliverkit.smtp.compose import Composed, compose
from deliverkit.smtp.submission import Auth
from deliverkit.world import World

RECIPIENT = "customer@example.org"
_CAUGHT_WITHIN_S = 20.0


@dataclass(frozen=True)
class Step:
    """One step of the job: what was done, and the report it gave."""

    name: str
    report: Report


@dataclass(frozen=True)
class Played:
    """What came of one domain."""

    domain: DemoDomain
    steps: tuple[Step, ...]

    @property
    def verdict(self) -> Verdict:
        """The worst verdict of its steps: fail, unknown, risk, pass."""
        order = (Verdict.FAIL, Verdict.UNKNOWN, Verdict.RISK, Verdict.PASS)
        return min((step.report.verdict for step in self.steps), key=order.index)

    @property
    def missed(self) -> tuple[Planted, ...]:
        """The planted faults that nobody named."""
        named = {found.rule for step in self.steps for found in step.report.findings}
        return tuple(fault for fault in self.domain.planted if fault.rule not in named)

    @property
    def as_planned(self) -> bool:
        """The sound domain has nothing above a note; the faulty one fails with every planted fault named."""
        if self.domain.planted:
            return self.verdict is Verdict.FAIL and not self.missed
        above = [f for step in self.steps for f in step.report.findings if f.severity is not Severity.NOTE]
        return self.verdict is Verdict.PASS and not above


async def play(say: Callable[[str, str, Report], None] = lambda _domain, _step, _report: None) -> tuple[Played, ...]:
    """Do the job for both domains; ``say`` hears of each step as it ends."""
    with tempfile.TemporaryDirectory(prefix="deliverkit-demo-") as name:
        async with EmbeddedWorld(sound(), twin(), Path(name)) as embedded:
            return tuple([await _domain(one, embedded, say) for one in (embedded.sound, embedded.twin)])


async def _domain(domain: DemoDomain, embedded: EmbeddedWorld, say: Callable[[str, str, Report], None]) -> Played:
    steps: list[Step] = []

    def done(name: str, report: Report) -> None:
        steps.append(Step(name, report))
        say(domain.name, name, report)

    world = embedded.world
    options = AuditOptions(
        selectors=tuple(domain.signing),
        dkim_keys=domain.key_files(embedded.folder),
        sends_from=(domain.sends_from,),
        probe=False,
    )
    done("audit", await audit(domain.name, world=world, options=options))
    places = [f"{domain.mx}:25", f"{domain.submission}:587", f"{domain.submission}:465"]
    for place, report in zip(places, await probe(places, world=world), strict=True):
        done(f"probe {place}", report)
    done("send", await _send(domain, world=world))
    sink = embedded.sinks[domain.submission if not domain.planted else domain.mx]
    caught = await sink.wait_for(lambda message: message.report is not None, _CAUGHT_WITHIN_S)
    assert caught.report is not None
    done("verify", caught.report)
    return Played(domain, tuple(steps))


async def _send(domain: DemoDomain, *, world: World) -> Report:
    """A signed message: the sound domain submits it with a login, the twin carries it to its own MX."""
    submits = not domain.planted
    options = SendOptions(
        mail_from=domain.message.header_from.spec,
        recipients=(RECIPIENT,),
        relay=(domain.submission, 587) if submits else (domain.mx, 25),
        auth=Auth(USER, PASSWORD) if submits else None,
        helo=domain.submission,
        keys=tuple(SigningKey(selector, domain.name, key) for selector, key in domain.signing.items()),
    )

    def write(_number: int, now: datetime) -> Composed:
        return compose(domain.message, now=now)

    return await send(write, options, world=world)
