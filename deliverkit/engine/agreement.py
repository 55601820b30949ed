"""Whether those who answer for a domain agree: the servers of its zone, several resolvers, a source and DNS.

The questions are the ones that a receiver of mail would ask. What this file will not do: judge what is said.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from deliverkit.addresses import is_public
from deliverkit.engine.sources import selectors_in
from deliverkit.facts.agreement import (
    AUTHORITATIVE,
    RESOLVERS,
    AgreementFacts,
    Authority,
    DriftFacts,
    Standing,
    Voice,
    find_authority,
    unheard,
)
from deliverkit.facts.base import Facts, Missing
from deliverkit.findings import Severity
from deliverkit.flow import Answer, Question, ask, together
from deliverkit.names import within
from deliverkit.report.model import Report, Subject
from deliverkit.rules.registry import judge, rules_of
from deliverkit.world import World
from deliverkit.world.authoritative import AuthoritativeDoor, ServerDoor, ZoneServer
from deliverkit.world.zone import Outcome, Zone

MOST_SETS = 2_000
"""Record sets of one source zone that DNS is asked for."""
FAMILY = "agreement"
_PREFIXES = ("_dmarc", "_mta-sts", "_smtp._tls", "default._bimi")

Where = Callable[[str], tuple[str, int]]
"""Where a server at this address is reached: the address and the port."""


def mail_questions(domain: str, selectors: Iterable[str] = (), hosts: Iterable[str] = ()) -> tuple[Question, ...]:
    """What a receiver asks about a domain: SPF, MX, DMARC and its like, keys, and the addresses of its hosts."""
    names = [f"{prefix}.{domain}" for prefix in _PREFIXES]
    names += [f"{selector}._domainkey.{domain}" for selector in selectors]
    texts = [Question(name, "TXT") for name in (domain, *names)]
    addresses = [Question(host, type_) for host in hosts for type_ in ("A", "AAAA")]
    return tuple(dict.fromkeys([Question(domain, "MX"), *texts, *addresses]))


async def authority_of(domain: str, world: World, *, allow_private: bool) -> Authority:
    """The zone of a domain and those of its servers that may be asked. Raises LookupError with the reason."""
    found = await world.run(find_authority(domain))
    if isinstance(found, Missing):
        raise LookupError(found.reason)
    kept = tuple(
        (name, tuple(address for address in addresses if allow_private or is_public(address)))
        for name, addresses in found.servers
    )
    if not any(addresses for _, addresses in kept):
        raise LookupError(f"no server of {found.zone} has an address that may be asked from here")
    return Authority(found.zone, kept)


def server_doors(authority: Authority, where: Where | None = None) -> tuple[ServerDoor, ...]:
    """A door to each address of a zone's servers."""
    places = [(name, *(where(address) if where else (address, 53))) for name, address in authority.addresses]
    return tuple(ServerDoor(ZoneServer(name, address, port), authority.zone) for name, address, port in places)


def by_its_servers(world: World, zone: str, doors: Sequence[ServerDoor]) -> World:
    """A world in which the names of a zone are asked at its own servers, past every cache."""
    return World(AuthoritativeDoor(zone, doors, world.dns), world.smtp, world.vantage, world.clock, world.pages)


async def heard_from(
    domain: str, authority: Authority, doors: Sequence[ServerDoor], questions: Sequence[Question]
) -> AgreementFacts:
    """What each server of the zone says, its serial number too."""
    inside = [question for question in questions if within(question.name, authority.zone)]
    asked = (Question(authority.zone, "SOA"), *inside)
    every = await asyncio.gather(*(door.ask(question) for door in doors for question in asked))
    rows = [every[at : at + len(asked)] for at in range(0, len(every), len(asked))]
    voices = [
        Voice(str(door.server), dict(zip(asked, row, strict=True))) for door, row in zip(doors, rows, strict=True)
    ]
    return AgreementFacts(domain, AUTHORITATIVE, tuple(inside), tuple(voices), authority.zone)


async def servers_agree(
    domain: str,
    world: World,
    questions: Sequence[Question],
    *,
    allow_private: bool = False,
    where: Where | None = None,
) -> AgreementFacts:
    """Ask every server of the domain's zone."""
    try:
        authority = await authority_of(domain, world, allow_private=allow_private)
    except LookupError as why:
        return unheard(domain, AUTHORITATIVE, str(why))
    doors = server_doors(authority, where)
    try:
        return await heard_from(domain, authority, doors, questions)
    finally:
        for door in doors:
            await door.aclose()


async def resolvers_agree(domain: str, worlds: Mapping[str, World], questions: Sequence[Question]) -> AgreementFacts:
    """Ask each resolver; ``worlds`` are theirs by address."""

    async def voice(name: str, world: World) -> Voice:
        told = await world.run(together(*(ask(question.name, question.type) for question in questions)))
        return Voice(name, dict(zip(questions, told, strict=True)))

    voices = await asyncio.gather(*(voice(name, world) for name, world in worlds.items()))
    return AgreementFacts(domain, RESOLVERS, tuple(questions), tuple(voices))


# -- a source beside DNS ----------------------------------------------------------------------------------


async def drift(
    zone: Zone, live: World, *, selectors: Iterable[str] = (), file: str | None = None, most: int = MOST_SETS
) -> DriftFacts:
    """The zone of a source beside what DNS says now. ``live`` must be a world without that zone laid over."""
    told = World.offline().with_zone(zone)
    hosts = [record.value[1] for record in zone.get(zone.origin, "MX") if within(record.value[1], zone.origin)]
    mail = mail_questions(zone.origin, [*selectors, *selectors_in(zone, wildcard=True)], hosts)
    sets = tuple(dict.fromkeys([*mail, *_sets(zone)]))
    asked, cut = sets[:most], len(sets[most:])
    answers: tuple[Answer, ...] = await live.run(together(*(ask(q.name, q.type) for q in asked)))
    pairs = [(question, await told.ask(question), answer) for question, answer in zip(asked, answers, strict=True)]
    standing = tuple(
        Standing(question, source, answer)
        for question, source, answer in pairs
        if source.known and not source.aliases  # an alias is compared as such
    )
    keys = {Question(q.name, "CNAME") for q in mail}
    return DriftFacts(zone.origin, file or zone.file or zone.origin, standing, frozenset({*mail, *keys}), cut)


def _sets(zone: Zone) -> list[Question]:
    """The record sets that a server of the zone would answer with: not the serial, nor what is delegated."""
    return [
        Question(record.name, record.type)
        for record in zone.records()
        if record.type != "SOA"
        and "*" not in record.name
        and zone.find(record.name, record.type).outcome is Outcome.RECORDS
    ]


# -- reports ----------------------------------------------------------------------------------------------


def agreement_report(
    facts: Facts, world: World, *, severities: Mapping[str, Severity] | None = None, remark: str | None = None
) -> Report:
    """What the rules say of such facts, as a report of its own: kind "servers", "resolvers" or "drift"."""
    kind = "drift"
    if isinstance(facts, AgreementFacts):
        kind = "servers" if facts.kind == AUTHORITATIVE else "resolvers"
    report = Report(
        Subject(kind, facts.subject, remark),
        replace(world.vantage, zones=(), zone_faults=()),
        datetime.now(UTC) if world.clock is None else world.now(),
        0.0,
        facts={kind: facts},
    )
    return report.judged_by(judge(facts, rules_of(FAMILY), dict(severities or {})))
