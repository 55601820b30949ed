"""The doctor's live part: the ladder of every transport, the domain side of its mail, and a test message if wanted.

What this file will not do: read settings, or send anything unless it was asked to.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

from deliverkit.engine.doctor import DoctorOptions, Seen
from deliverkit.engine.domainside import domain_sides, pairs
from deliverkit.engine.ladder import climb_all
from deliverkit.engine.probe import vantage_after
from deliverkit.engine.transport import sender_of
from deliverkit.engine.trial import trial
from deliverkit.facts.ladder import DomainSide, LadderFacts
from deliverkit.facts.sending import SendFacts
from deliverkit.facts.settings.model import AppFacts
from deliverkit.facts.vantage import Vantage
from deliverkit.findings import Judgement
from deliverkit.rules.registry import judge, rules_of
from deliverkit.world import World


async def looked_live(
    app: AppFacts, world: World, options: DoctorOptions, say: Callable[[str], None], seen: Seen
) -> Seen:
    """What was seen, with the live part added. Ctrl-C ends it, and what was found stays."""
    assert options.ladder is not None
    senders = [(sender_of(one), one) for one in app.settings if one.plan.raw("delivery") == "smtp"]
    looking = asyncio.create_task(domain_sides(pairs(senders), world))
    ladders, interrupted = await climb_all(app.settings, world, options.ladder, say)
    sides: tuple[DomainSide, ...] = ()
    if interrupted:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
    else:
        try:
            sides = await looking
        except asyncio.CancelledError:
            interrupted = True
    sent: list[SendFacts] = []
    if options.send and not interrupted:
        tried = [await trial(one, world, options.ladder, options.keys) for one in ladders]
        ladders = tuple(one.ladder for one in tried)
        sent = [facts for one in tried for facts in one.sent]
        interrupted = any(one.interrupted for one in tried)
    facts = {"steps": [step for one in ladders for step in one.steps], "ladder": ladders, "domains": sides}
    return Seen(
        judgements=_with_proof(seen.judgements, ladders, _judged(ladders, sides, sent, options)),
        facts={**seen.facts, **facts, **({"send": sent} if sent else {})},
        vantage=_vantage(ladders, world.vantage),
        interrupted=interrupted,
    )


def _judged(
    ladders: tuple[LadderFacts, ...], sides: tuple[DomainSide, ...], sent: list[SendFacts], options: DoctorOptions
) -> list[Judgement]:
    rules, told = rules_of("settings"), dict(options.severities)
    judgements = [judge(one, rules, told) for one in (*ladders, *sides)]
    if sent:
        judgements += [judge(one, rules_of("send"), told) for one in sent]
    return judgements


def _with_proof(static: list[Judgement], ladders: tuple[LadderFacts, ...], live: list[Judgement]) -> list[Judgement]:
    """All judgements; a finding of the settings alone gives way to the one that saw the same on the wire."""
    from deliverkit.rules.settings.ladder import PROVES

    seen = {(PROVES[f.rule], f.subject) for one in live for f in one.findings if f.rule in PROVES}
    proved = {(rule, one.settings.subject) for one in ladders for rule, name in seen if name == one.name}

    def kept(one: Judgement) -> Judgement:
        return replace(one, findings=tuple(f for f in one.findings if (f.rule, f.subject) not in proved))

    return [*map(kept, static), *live]


def _vantage(ladders: tuple[LadderFacts, ...], vantage: Vantage) -> Vantage:
    """The vantage with what the ladders taught about it."""
    vantage = vantage_after([row for one in ladders for row in one.beside], vantage)
    if vantage.port25 != "open" and any(one.outward.get(25) == "blocked" for one in ladders):
        vantage = replace(vantage, port25="blocked")
    return vantage
