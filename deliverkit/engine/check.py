"""The check of a repository: every domain of a configuration, judged by its sources before they are published.

Sources are read and judged one by one, and laid over one world; each domain is audited in it, with what is expected of
it; ignores and baseline then move aside what does not count. The order of things stands here, what is asked of whom in
`engine.checkplan`, what files mean in `engine.checksources`, what does not count in `engine.settle` and
`engine.baseline`. What this file will not do: read a configuration (`deliverkit.config` does), or know a rule.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deliverkit.config.model import BadConfig, Config, DomainConfig
from deliverkit.engine.audit import AT_ONCE, MANY_AT_ONCE, AuditOptions, audit, unseen
from deliverkit.engine.baseline import Baseline, laid_aside, read_baseline, stale
from deliverkit.engine.checkagreement import Others
from deliverkit.engine.checkplan import CheckOptions, audit_options, is_domain, opened, waits
from deliverkit.engine.checksources import Places, SourceFile, read_sources, source_files
from deliverkit.engine.settle import Ignores, refuse_unknown_rules
from deliverkit.engine.sources import judge_source
from deliverkit.facts.checked import CheckFacts, Entry, Unreadable
from deliverkit.facts.vantage import Vantage
from deliverkit.names import BadName, meant, parent
from deliverkit.report.model import Report, Subject
from deliverkit.rules.registry import judge, registered, rules_of
from deliverkit.world import World
from deliverkit.world.overlay import ZoneDoor

if TYPE_CHECKING:
    from deliverkit.facts.vantage import ZoneFault
    from deliverkit.findings import Severity
    from deliverkit.world.sources import SourceZone

__all__ = ["CheckOptions", "check", "refused", "unreadable_of", "waits"]

SECONDS = 600.0
"""For the whole check, where neither the configuration nor the command line says so."""
A_DOMAIN = 60.0  # of these, the most for one domain
LATE = "the time of the check was spent before this domain was looked at"

Say = Callable[[str], None]


async def check(
    config: Config,
    options: CheckOptions | None = None,
    *,
    world: World | None = None,
    progress: Say | None = None,
) -> list[Report]:
    """Check a repository: a report on its configuration, one a zone of its sources, and one a domain.

    ``world`` is what lies below the sources; without it the configuration says who is asked. What cannot be read is in
    the report on the configuration (CHECK001), and everything else is judged all the same. Raises BadConfig where there
    is nothing to judge at all. Cancelled in the middle, it returns what was found until then, marked as interrupted.
    """
    options = options or CheckOptions()
    below = opened(config, options) if world is None else world
    try:
        run = _Check(config, options, below, progress or (lambda _: None))
        try:
            return await run.reports()
        finally:
            await run.others.aclose()
    finally:
        if world is None:
            await below.aclose()


def refused(bad: BadConfig, *, config: Config | None = None) -> list[Report]:
    """The report on a configuration that cannot be used at all, for those who want a report whatever comes."""
    file = bad.file if config is None else config.shown
    facts = CheckFacts(file, (Unreadable(bad.file, bad.line, bad.what, bad.do),))
    return [_configuration(facts, Vantage("offline"), datetime.now(UTC))]


def _configuration(
    facts: CheckFacts, vantage: Vantage, started: datetime, severities: Mapping[str, Severity] | None = None
) -> Report:
    report = Report(Subject("configuration", facts.file), vantage, started, 0.0, facts={"check": facts})
    return report.judged_by(judge(facts, rules_of("check"), dict(severities or {})))


def unreadable_of(reports: Iterable[Report]) -> list[Unreadable]:
    """What a check could not read: with any of it, the check ends with 2."""
    told = (report.facts.get("check") for report in reports if report.subject.kind == "configuration")
    return [one for facts in told if isinstance(facts, CheckFacts) for one in facts.unreadable]


class _Check:
    """One run: what was read, what is to be looked at, and until when."""

    def __init__(self, config: Config, options: CheckOptions, below: World, say: Say) -> None:
        self.config = config
        self.options = options
        self.below = below
        self.say = say
        self.places = Places(config.folder)
        self.name = config.shown if config.file is None else self.places.shown(config.file)
        self.until = time.monotonic() + (config.seconds or SECONDS)
        self.started = below.now()
        self.unreadable: list[Unreadable] = []
        self.zone_reports: dict[str, Report] = {}
        self.interrupted = False
        rules_of("source", "check", "expect")
        refuse_unknown_rules(config, self.name)
        self.ignores = Ignores(config.ignores, self.started.date())
        self.baseline = self._baseline()
        files = self._files()
        self.sources = read_sources(files, self._judge_zone, self.unreadable.append, say)
        self.origins = self._chosen()
        self.domains = list(self._domains())
        self._faults: dict[str, tuple[ZoneFault, ...]] = {}
        self.door = ZoneDoor.over(self.sources.zones, below.dns)
        self.others = Others(config, below, allow_private=options.allow_private, where=options.where)

    # -- what is to be looked at -------------------------------------------------------------------------

    def _baseline(self) -> Baseline:
        if self.config.baseline is None:
            return {}
        try:
            return read_baseline(self.config.baseline, self.places.shown(self.config.baseline))
        except BadConfig as bad:
            self.unreadable.append(Unreadable(bad.file, bad.line, bad.what, bad.do))
            return {}

    def _files(self) -> list[SourceFile]:
        typed = self.options.paths if self.config.file is None and not self.config.sources else ()
        return source_files(self.config, (*typed, *self.options.zones), self.places, self.unreadable.append)

    def _judge_zone(self, source: SourceZone) -> None:
        """A zone is judged as it is read: its facts are as large as the file, and nobody needs them afterwards."""
        facts = source.facts
        vantage = replace(self.below.vantage, zones=(facts.file,))
        report = judge_source(facts, severities=self.config.severities, vantage=vantage, started=self.started)
        self.zone_reports[facts.origin] = report

    def _chosen(self) -> frozenset[str] | None:
        """The zones that the paths lead to; None: all."""
        paths = self.options.paths
        own = {path for path in (self.config.file, self.config.baseline, self.config.journal) if path is not None}
        if not paths or (self.config.file is None and not self.config.sources) or own.intersection(map(_whole, paths)):
            return None
        chosen: set[str] = set()
        unread = {one.file for one in self.unreadable}
        for path in paths:
            shown = self.places.shown(path)
            found = {
                origin
                for origin, files in self.sources.files.items()
                if any(file == shown or file.startswith(f"{shown}/") for file in files)
            }
            if not found and shown not in unread:
                what = f"is none of the sources of {self.name}"
                self.unreadable.append(Unreadable(shown, None, what, "add it to its sources, or leave it out"))
            chosen |= found
        return frozenset(chosen)

    def _domains(self) -> Iterator[DomainConfig]:
        """The domains to look at, each once: those that are named, then the origins of zones."""
        known = {domain.name: domain for domain in self.config.domains}
        if self.config.all_zones:
            for origin in self.sources.zones:
                if origin not in known and is_domain(origin):
                    known[origin] = replace(self.config.defaults, name=origin, given=origin)
        wanted = known if not self.options.domains else dict(self._typed(known))
        if not wanted and not self.unreadable:
            do = "name domains, or sources with zones (docs/check.md)"
            raise BadConfig(self.name, None, "there is nothing to check", do)
        for name, domain in wanted.items():
            if self.origins is None or self.zone_of(name) in self.origins:
                yield domain

    def _typed(self, known: dict[str, DomainConfig]) -> Iterator[tuple[str, DomainConfig]]:
        """The domains of --domain: those that are known, and any name in a zone of the sources."""
        for text in self.options.domains:
            try:
                name = meant(text).name
            except BadName as bad:
                raise BadConfig("--domain", None, str(bad), "give a domain such as example.com") from None
            if name not in known and self.zone_of(name) is None:
                from difflib import get_close_matches

                near = get_close_matches(name, known, 1)
                do = f"did you mean {near[0]}?" if near else f"name it in {self.name}"
                raise BadConfig("--domain", None, f"{name} is no domain of {self.name}", do)
            yield name, known.get(name) or replace(self.config.defaults, name=name, given=text)

    def zone_of(self, name: str) -> str | None:
        """The origin of the deepest zone at or above a name."""
        here: str | None = name
        while here is not None and here not in self.sources.zones:
            here = parent(here)
        return here

    # -- looking -----------------------------------------------------------------------------------------

    async def reports(self) -> list[Report]:
        """All reports: the configuration, then each domain behind its zone, then the zones without one."""
        plans = [
            (domain, audit_options(domain, self.config, self.options, self.places, self.unreadable.append))
            for domain in self.domains
        ]
        alone = self.below.told and not any(options.probe for _, options in plans)
        looked = await (self._one_by_one(plans) if alone else self._side_by_side(plans))
        left = await self._of_zones()
        agreed = await self._agreed()
        ordered: list[Report] = []
        for report in looked:
            name = report.subject.name
            ordered += [*left.pop(self.zone_of(name) or "", ()), *agreed.get(name, ()), report]
        rest = (report for reports in left.values() for report in reports)
        every = [self._settled(report) for report in (*ordered, *rest)]
        whole = [*self._of_configuration(every), *every]
        return [replace(report, interrupted=True) for report in whole] if self.interrupted else whole

    async def _of_zones(self) -> dict[str, list[Report]]:
        """What is said of each zone that is wanted, by origin; whatever else is to be said of a zone joins here."""
        told = {origin: [report] for origin, report in self.zone_reports.items() if self._has_zone(origin)}
        if self.others.drift and not self.interrupted:
            named = {domain.name: domain.selectors for domain in self.domains}
            for origin in told:
                zone = self.sources.zones[origin]
                if self.left() > 0:
                    selectors = named.get(origin, ())
                    told[origin] += await self._unless_stopped(
                        self.others.zone(zone, zone.file or origin, selectors, self.say)
                    )
        return told

    async def _unless_stopped(self, work: Coroutine[Any, Any, list[Report]]) -> list[Report]:
        """The reports of some work; none after Ctrl-C, which keeps what was found before."""
        import asyncio

        try:
            return await work
        except asyncio.CancelledError:
            self.interrupted = True
            return []

    async def _agreed(self) -> dict[str, list[Report]]:
        """What those who answer for each domain say, where that is wanted, by domain."""
        if not self.others.of_domains or self.interrupted:
            return {}
        import asyncio

        places = asyncio.Semaphore(AT_ONCE)

        async def one(domain: DomainConfig) -> list[Report]:
            async with places:
                if self.interrupted or self.left() <= 0:
                    return []
                return await self._unless_stopped(self.others.domain(domain))

        told = await asyncio.gather(*map(one, self.domains))
        return {domain.name: reports for domain, reports in zip(self.domains, told, strict=True)}

    def _has_zone(self, origin: str) -> bool:
        """Whether a report on this zone is wanted."""
        if self.origins is not None and origin not in self.origins:
            return False
        return not self.options.domains or any(self.zone_of(domain.name) == origin for domain in self.domains)

    def _world(self, name: str) -> World:
        """The world in which a domain is seen: all zones answer, and the vantage names the one that is its own."""
        origin = self.zone_of(name)
        vantage = self.below.vantage
        if origin is not None:
            zone = self.sources.zones[origin]
            if origin not in self._faults:
                self._faults[origin] = zone.faults()
            vantage = replace(vantage, zones=(zone.file or origin,), zone_faults=self._faults[origin])
        return World(self.door, self.below.smtp, vantage, self.below.clock, self.below.pages)

    async def _domain(self, name: str, options: AuditOptions) -> Report:
        """One domain, looked at again where something decisive could not be told."""
        world = self._world(name)
        if self.zone_of(name) is None:
            world = await self.others.world(name, world)
        report = await self._look(name, options, world)
        for number in range(0 if world.told else self.config.retries):
            if report.interrupted or not _undecided(report) or self.left() <= self.config.retry_wait:
                break
            import asyncio

            self.say(f"{name}: something decisive could not be told; looking again")
            try:
                await asyncio.sleep(self.config.retry_wait)
            except asyncio.CancelledError:
                return replace(report, interrupted=True)
            forget = getattr(self.below.dns, "forget_failures", None)
            if forget is not None:
                forget()
            again = await self._look(name, options, world)
            if _undecided(again) < _undecided(report):
                report = replace(again, subject=_remarked(again.subject, f"told at look {number + 2}"))
        return report

    async def _look(self, name: str, options: AuditOptions, world: World) -> Report:
        left = self.left()
        if left <= 0:
            return unseen(name, LATE, world, options)
        report = await audit(
            name, world=world, options=replace(options, seconds=min(left, A_DOMAIN)), progress=self.say
        )
        return report if self.options.facts else replace(report, facts={})

    def left(self) -> float:
        """Seconds that remain of the check."""
        return self.until - time.monotonic()

    async def _one_by_one(self, plans: list[tuple[DomainConfig, AuditOptions]]) -> list[Report]:
        """Where nobody is waited for: an event loop would cost more than the audits."""
        reports: list[Report] = []
        try:
            for domain, options in plans:
                reports.append(await self._domain(domain.name, options))
        except KeyboardInterrupt:
            self.interrupted = True
        return [*reports, *self._unreached(plans[len(reports) :])]

    async def _side_by_side(self, plans: list[tuple[DomainConfig, AuditOptions]]) -> list[Report]:
        """Where the world has to be waited for, a few at a time. After Ctrl-C: what was found so far."""
        import asyncio

        places = asyncio.Semaphore(MANY_AT_ONCE if self.config.nameservers else AT_ONCE)

        async def one(name: str, options: AuditOptions) -> Report:
            async with places:
                return await self._domain(name, options)

        tasks = [asyncio.create_task(one(domain.name, options)) for domain, options in plans]
        try:
            if tasks:
                await asyncio.wait(tasks)
        except asyncio.CancelledError:
            self.interrupted = True
            for task in tasks:
                task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        reports = []
        for plan, result in zip(plans, ended, strict=True):
            if isinstance(result, Exception):
                raise result
            reports.append(next(self._unreached([plan])) if isinstance(result, BaseException) else result)
        return reports

    def _unreached(self, plans: list[tuple[DomainConfig, AuditOptions]]) -> Iterator[Report]:
        for domain, options in plans:
            yield unseen(domain.name, "interrupted", self._world(domain.name), options, interrupted=True)

    # -- what does not count -----------------------------------------------------------------------------

    def _settled(self, report: Report) -> Report:
        return laid_aside(self.ignores.settled(report), self.baseline)

    def _of_configuration(self, reports: list[Report]) -> list[Report]:
        """The report on the configuration, where there is one or where something could not be read."""
        if self.config.file is None and not self.unreadable and not self.baseline:
            return []
        whole = not self.options.narrow and not self.interrupted and not self.unreadable
        gone = stale(self.baseline, reports, self._rules()) if whole and self.baseline else []
        facts = CheckFacts(
            file=self.name,
            unreadable=tuple(self.unreadable),
            expired=self.ignores.expired,
            idle=self.ignores.idle if whole else (),
            stale=tuple(Entry(one.rule, one.subject, one.title, why) for one, why in gone),
            baseline=None if self.config.baseline is None else self.places.shown(self.config.baseline),
        )
        return [self._settled(_configuration(facts, self.below.vantage, self.started, self.config.severities))]

    def _rules(self) -> list[str]:
        """The rules that a baseline may name; the others are imported only where it does."""
        known = [rule.id for rule in registered()]
        if any(entry.rule not in known for entry in self.baseline.values()):
            from deliverkit.rules.registry import all_rules

            known = [rule.id for rule in all_rules()]
        return known


def _whole(path: Path) -> Path:
    return path.absolute()


def _undecided(report: Report) -> int:
    return sum(one.decisive for one in report.inconclusive)


def _remarked(subject: Subject, remark: str) -> Subject:
    return replace(subject, remark=f"{subject.remark}; {remark}" if subject.remark else remark)
