"""Judging a story: its world is given to the engine of its kind, and only the families under test are kept."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deliverkit.findings import Judgement, Severity
from deliverkit.report.model import Report, merge
from deliverkit.rules.registry import all_rules

if TYPE_CHECKING:
    from deliverkit.world import World
    from deliverkit.world.story import Story


def run_story(story: Story) -> Report:
    """Judge a story's world. Blocking; a story has no sockets."""
    return asyncio.run(judge_story(story, story.world()))


async def judge_story(story: Story, world: World) -> Report:
    """Judge a story in a world that was made from it: its own, or one in which real servers tell it."""
    return _only(await _RUNNERS[story.kind](story, world), story.only)


async def _audit(story: Story, world: World) -> Report:
    from deliverkit.engine.audit import AuditOptions, audit

    options = _frozen(story.options)
    options.setdefault("probe", bool(story.smtp))
    if "dkim_keys" in options:
        options["dkim_keys"] = {s: story.fixtures / file for s, file in story.options["dkim_keys"].items()}
    if "severities" in options:
        options["severities"] = {r: Severity(word) for r, word in story.options["severities"].items()}
    if "expect" in options:
        from deliverkit.facts.expected import Expectations

        options["expect"] = Expectations(_frozen(options["expect"]))
    only = tuple(word for word in story.only if word != "expect")  # what is expected is told by all protocols
    return await audit(story.subject, world=world, options=AuditOptions(only=only, **options))


async def _check_host(story: Story, world: World) -> Report:
    from deliverkit.engine.checkhost import check_host

    options = {"mail_from": "", "helo": "", **story.options}
    return (await check_host(world=world, **options)).report


async def _verify(story: Story, world: World) -> Report:
    from deliverkit.engine.verify import verify

    return await verify(story.raw_message(), world=world, **_frozen(story.options))


async def _probe(story: Story, world: World) -> Report:
    from deliverkit.engine.probe import ProbeOptions, probe

    reports = await probe([story.subject], world=world, options=ProbeOptions(**_frozen(story.options)))
    return reports[0]


async def _sink(story: Story, world: World) -> Report:
    """A capture as the sink would have made it; what the content shows is found, the rest is told."""
    from deliverkit.engine.capture import capture_report
    from deliverkit.facts.capture import CaptureFacts
    from deliverkit.smtp.content import FaultKind, WireFault, examine, unstuffed

    wire = story.message["wire"].encode("latin-1") if "wire" in story.message else None
    options = {"client": "198.51.100.9:40025", "listener": "smtp", **_frozen(story.options)}
    told = [WireFault(**{**fault, "kind": FaultKind(fault["kind"])}) for fault in options.pop("faults", ())]
    unsaid = dict.fromkeys(("helo", "mail_from", "tls", "authenticated_as"))
    facts = CaptureFacts(
        name=story.subject,
        octets=None if wire is None else len(unstuffed(wire)),
        faults=(*told, *examine(wire or b"")),
        **{"rcpt_tos": (), **unsaid, **options},
    )
    return capture_report(facts, vantage=world.vantage, started=world.now())


async def _send(story: Story, world: World) -> Report:
    from deliverkit.engine.send_story import run_send_story

    return await run_send_story(story, world)


async def _doctor(story: Story, world: World) -> Report:
    from deliverkit.engine.doctor import DoctorOptions, doctor
    from deliverkit.facts.settings.tree import ToldTree

    told = dict(story.options)
    ladder = None
    if told.pop("ladder", False):
        from deliverkit.engine.transport import LadderOptions

        ladder = LadderOptions(**{name: told.pop(name) for name in ("to", "insecure", "controls") if name in told})
    options = DoctorOptions(**told, ladder=ladder)
    return await doctor(ToldTree(story.files), name=story.subject, world=world, options=options)


async def _agreement(story: Story, world: World) -> Report:
    """Each file is what one server says: a zone, or a status word in place of every answer."""
    from deliverkit.engine.agreement import agreement_report, mail_questions
    from deliverkit.facts.agreement import AUTHORITATIVE, RESOLVERS, AgreementFacts, Voice
    from deliverkit.flow import Question

    told = story.kind == "servers"
    asked = (*([Question(story.subject, "SOA")] if told else []), *mail_questions(story.subject))
    voices = []
    for server, text in story.files.items():
        says = _said_by(text, server)
        voices.append(Voice(server, {question: await says.ask(question) for question in asked}))
    kind, zone = (AUTHORITATIVE, story.subject) if told else (RESOLVERS, "")
    facts = AgreementFacts(story.subject, kind, asked[told:], tuple(voices), zone)
    return agreement_report(facts, world)


def _said_by(text: str, server: str) -> World:
    from deliverkit.flow import Status
    from deliverkit.world import World
    from deliverkit.world.table import NowhereDns
    from deliverkit.world.zone import Zone

    nowhere = World.offline(closed=True)
    if text.strip() in set(Status):
        return World(NowhereDns(Status(text.strip())), nowhere.smtp, nowhere.vantage)
    return nowhere.with_zone(Zone.parse(text, file=server))


async def _drift(story: Story, world: World) -> Report:
    """The file is the source; the story's own zone is what DNS says."""
    from deliverkit.engine.agreement import agreement_report, drift
    from deliverkit.world.zone import Zone

    ((name, text),) = story.files.items()
    return agreement_report(await drift(Zone.parse(text, file=name), world, **_frozen(story.options)), world)


async def _check(story: Story, world: World) -> Report:
    """The report on the configuration of the files told; the story's own zone is what lies below their sources."""
    import tempfile

    from deliverkit.config import load_config
    from deliverkit.engine.check import CheckOptions, check

    with tempfile.TemporaryDirectory() as folder:
        _unpacked(story.files, Path(folder))
        config = load_config(Path(folder) / "deliverkit.toml")
        reports = await check(config, CheckOptions(**_frozen(story.options)), world=world)
    return next(report for report in reports if report.subject.kind == "configuration")


def _unpacked(files: Mapping[str, str], root: Path) -> None:
    """The files told, as they would lie in a folder."""
    for name, text in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")


async def _zone_source(story: Story, world: World) -> Report:
    """The zones of the files told, judged as one: a story has one report."""
    import tempfile

    from deliverkit.engine.sources import judge_source
    from deliverkit.world.sources import read_source

    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        _unpacked(story.files, root)
        first = next(iter(story.files))
        zones = read_source(root / first, shown=first, **story.options)
    reports = [judge_source(zone.facts, vantage=world.vantage, started=world.now()) for zone in zones]
    told = merge([_judgement(report) for report in reports])
    return replace(reports[0], subject=replace(reports[0].subject, name=story.subject)).judged_by(told)


def _judgement(report: Report) -> Judgement:
    return Judgement(report.findings, report.inconclusive, report.passed, report.not_applicable, report.not_asked)


_RUNNERS = {
    "audit": _audit,
    "check-host": _check_host,
    "verify": _verify,
    "probe": _probe,
    "sink": _sink,
    "send": _send,
    "doctor": _doctor,
    "servers": _agreement,
    "resolvers": _agreement,
    "drift": _drift,
    "zone-source": _zone_source,
    "check": _check,
}


def _only(report: Report, only: tuple[str, ...]) -> Report:
    """The report with the findings of the families under test alone; of all when none of them is a family."""
    family = {r.id: r.family for r in all_rules()}
    wanted = set(only) & set(family.values())
    if not wanted:
        return report

    def kept(rule: str) -> bool:
        return family.get(rule) in wanted

    return replace(
        report,
        findings=tuple(f for f in report.findings if kept(f.rule)),
        inconclusive=tuple(i for i in report.inconclusive if kept(i.rule)),
        passed=tuple(r for r in report.passed if kept(r)),
        not_applicable=tuple(r for r in report.not_applicable if kept(r)),
        not_asked=tuple(r for r in report.not_asked if kept(r)),
    )


def _frozen(options: dict[str, Any]) -> dict[str, Any]:
    """Lists become tuples, as options want them."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in options.items()}
