"""Fixes applied to sources: the gravest first, each brought into the text, judged again, and kept only if it helps.

A step is one fix: files change in memory, everything is judged anew by whoever judges (`Judge`), and what makes
anything worse is put back. So what is written in the end was judged exactly as it is written. What this file will not
do: read a configuration, know a rule or a file's format, or ask a person.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from deliverkit.engine.edit.meaning import text_of
from deliverkit.engine.edit.model import CannotApply, SourceFile
from deliverkit.engine.edit.source import Held, Texts, brought_in, changed_zone, files_of, held
from deliverkit.engine.rejudge import FOLLOWS
from deliverkit.findings import Finding, Severity
from deliverkit.names import within
from deliverkit.protocols.dkim.key import looks_like_key, parse_key
from deliverkit.report.model import Report, Subject, Verdict
from deliverkit.world.masterfile import ZoneRecord, file_octets
from deliverkit.world.values import TEXT_TYPES

Judge = Callable[[Mapping[Path, bytes]], Awaitable[list[Report]]]
"""Judges the sources with these files (whole paths) holding these octets."""
MOST_ROUNDS = 60
"""Times that everything is judged; each round applies one fix a zone at most."""
NO_RECORDS = "no record that could be published follows from it"
_ORDER = (Verdict.PASS, Verdict.RISK, Verdict.UNKNOWN, Verdict.FAIL)
_Key = tuple[str, str, str, str]


@dataclass(frozen=True)
class FixOptions:
    """Which findings to fix: ``least`` is the mildest severity; ``rules`` (ids) and ``domains`` narrow, empty is all.

    Nothing outside ``root`` is changed; None stands for the folder of each source. ``serial_of`` is the day by which
    the serials of changed zones are raised, None leaves them alone.
    """

    least: Severity = Severity.WARNING
    rules: frozenset[str] = frozenset()
    domains: frozenset[str] = frozenset()
    root: Path | None = None
    serial_of: date | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """A fix that was applied, in which files (as reports call them), and what it changed."""

    finding: Finding
    subject: Subject
    files: tuple[str, ...]
    effect: str


@dataclass(frozen=True, slots=True)
class Left:
    """A finding that is still there, and why its fix was not applied; "" where it names no record."""

    finding: Finding
    subject: Subject
    why: str


@dataclass(frozen=True, slots=True)
class Serial:
    """The serial of a changed zone: where its SOA stands, and the number before and after (the same: to be raised)."""

    origin: str
    place: str
    before: int
    after: int


@dataclass(frozen=True)
class Fixed:
    """What came of it. ``before`` and ``after`` hold the files that change; ``names`` what reports call them.

    ``secrets`` are private keys that the sources publish: whatever is shown leaves them out.
    """

    before: Texts = field(default_factory=dict)
    after: Texts = field(default_factory=dict)
    names: Mapping[Path, str] = field(default_factory=dict)
    steps: tuple[Step, ...] = ()
    left: tuple[Left, ...] = ()
    serials: tuple[Serial, ...] = ()
    reports: tuple[Report, ...] = ()
    zones: Mapping[str, Held] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()


async def fix(sources: Iterable[SourceFile], judge: Judge, options: FixOptions = FixOptions()) -> Fixed:
    """Apply what can be applied, in memory. Raises ZoneError for a source that cannot be read.

    Raises KeyboardInterrupt where the judge was interrupted, with nothing written.
    """
    work = _Work(tuple(sources), judge, options)
    await work.run()
    return work.result()


@dataclass(frozen=True, slots=True)
class _Candidate:
    report: Report
    finding: Finding

    @property
    def key(self) -> tuple[_Key, object]:
        """What is not tried twice: this finding with this fix."""
        return _identity(self.report, self.finding), (self.finding.fix.removes, self.finding.fix.records)


class _Work:
    """The sources while they are changed, round by round."""

    def __init__(self, sources: tuple[SourceFile, ...], judge: Judge, options: FixOptions) -> None:
        self.judge = judge
        self.options = options
        self.sources = sources
        self.changed: Texts = {}
        self.zones = held(sources, {})
        self.secrets = tuple(secret for zone in self.zones.values() for secret in _secrets(zone))
        self.reports: list[Report] = []
        self.steps: list[Step] = []
        self.serials: list[Serial] = []
        self.refused: dict[object, str] = {}
        self.names: dict[Path, str] = {}
        self.touched: set[str] = set()

    async def run(self) -> None:
        """Round by round, until nothing can be applied any more."""
        self.reports = await self._judged({})
        for _ in range(MOST_ROUNDS):
            batch = self._batch()
            if not batch:
                break
            if not await self._tried(batch) and len(batch) > 1:
                for one in batch:  # somebody in the crowd made it worse
                    await self._tried([one])
        self._raise_serials()

    async def _judged(self, changed: Mapping[Path, bytes]) -> list[Report]:
        """What the judge says; one who was interrupted saw a part only, on which nothing may be built."""
        reports = await self.judge(changed)
        if any(report.interrupted for report in reports):
            raise KeyboardInterrupt
        return reports

    # -- one round ---------------------------------------------------------------------------------------

    def _candidates(self) -> list[_Candidate]:
        """The fixes that may be tried, the gravest findings first."""
        found = [
            _Candidate(report, finding)
            for report in self.reports
            for finding in report.findings
            if self._wanted(report, finding) and finding.fix.changes_dns
        ]
        found = [one for one in found if one.key not in self.refused]
        return sorted(found, key=lambda one: one.finding.severity.rank)

    def _wanted(self, report: Report, finding: Finding) -> bool:
        options = self.options
        if finding.severity.rank > options.least.rank or (options.rules and finding.rule not in options.rules):
            return False
        name, is_zone = report.subject.name, report.subject.kind == "zone"
        return not options.domains or any(d == name or (is_zone and within(d, name)) for d in options.domains)

    def _batch(self) -> list[tuple[_Candidate, Texts]]:
        """Fixes that touch different files, one a subject."""
        batch: list[tuple[_Candidate, Texts]] = []
        busy: set[Path] = set()
        subjects: set[str] = set()
        for one in self._candidates():
            if one.report.subject.name in subjects:
                continue
            try:
                self._refuse_early(one)
                made = brought_in(one.finding.fix, self.zones, self.changed, self.options.root)
            except CannotApply as why:
                self.refused[one.key] = f"could not be applied: {why}"
                continue
            if busy.isdisjoint(made):
                batch.append((one, made))
                busy |= set(made)
                subjects.add(one.report.subject.name)
        return batch

    def _refuse_early(self, one: _Candidate) -> None:
        """Raise CannotApply for the next step of a plan whose last step is only just taken: reports come first."""
        done = [step.finding.rule for step in self.steps if step.subject == one.report.subject]
        before = next((rule for rule in done if one.finding.rule in FOLLOWS.get(rule, ())), None)
        if before is not None:
            raise CannotApply(f"it is the next step after that for {before}; publish that one first")
        fix = one.finding.fix
        if not fix.rejudged and one.report.subject.kind != "zone":
            raise CannotApply(f"its outcome could not be told ({fix.effect.removeprefix('not re-judged: ')})")

    async def _tried(self, batch: Sequence[tuple[_Candidate, Texts]]) -> bool:
        """Judge everything with these fixes; keep them if they help, else put them back."""
        made = {path: octets for _, texts in batch for path, octets in texts.items()}
        after = await self._judged({**self.changed, **made})
        for one, _ in batch:
            why = _worse(one, self.reports, after, [other for other, _ in batch])
            if why:
                if len(batch) == 1:
                    self.refused[one.key] = f"was tried and put back: {why}"
                return False
        for one, texts in batch:
            self.refused[one.key] = "was applied and came back"
            self.steps.append(Step(one.finding, one.report.subject, self._named(texts), _effect(one, after)))
        self.changed |= made
        self.reports = after
        self._renew(set(made))
        return True

    def _named(self, texts: Texts) -> tuple[str, ...]:
        """What reports call these files."""
        for zone in self.zones.values():
            for path, name in files_of(zone).items():
                if path in texts:
                    self.names[path] = name
        return tuple(self.names.get(path, str(path)) for path in texts)

    def _renew(self, paths: set[Path]) -> None:
        """Read the zones anew that stand in changed files."""
        stale = [origin for origin, zone in self.zones.items() if not paths.isdisjoint(files_of(zone))]
        self.touched |= set(stale)
        self.zones.update(held((self.zones[origin].source for origin in stale), self.changed))

    # -- the end -----------------------------------------------------------------------------------------

    def _raise_serials(self) -> None:
        """Secondaries take a zone only with a higher serial (RFC 1034 §4.3.5); raised where that was wished."""
        for origin in sorted(self.touched):
            zone = self.zones[origin]
            soa = next((record for record in zone.facts.records if record.type == "SOA"), None)
            if zone.facts.kind != "master" or soa is None:
                continue
            old = int(soa.value[2])
            new = old if self.options.serial_of is None else raised(old, self.options.serial_of)
            if new != old:
                value = (*soa.value[:2], new, *soa.value[3:])
                was, now = (ZoneRecord(soa.name, "SOA", 0, v, None) for v in (soa.value, value))  # type: ignore[arg-type]
                try:
                    texts = changed_zone(zone, [was], [now], self.changed, self.options.root)
                except CannotApply:
                    new = old
                else:
                    self.changed |= texts
                    self._named(texts)
            self.serials.append(Serial(origin, f"{soa.file}:{soa.line}", old, new))

    def result(self) -> Fixed:
        """What came of it."""
        before = {path: file_octets(path, str(path)) for path in self.changed}
        left = tuple(
            Left(finding, report.subject, self.refused.get(_Candidate(report, finding).key, ""))
            for report in self.reports
            for finding in report.findings
            if self._wanted(report, finding)
        )
        return Fixed(
            before=before,
            after={path: octets for path, octets in self.changed.items() if octets != before[path]},
            names=self.names,
            steps=tuple(self.steps),
            left=left,
            serials=tuple(self.serials),
            reports=tuple(self.reports),
            zones=self.zones,
            secrets=self.secrets,
        )


def _secrets(zone: Held) -> Iterator[str]:
    """The private keys in a zone: somebody publishes one now and then."""
    for record in zone.facts.records:
        if record.type in TEXT_TYPES and record.value is not None:
            text = text_of(record)
            fault = parse_key(text).fault("private-key") if looks_like_key(text) else None
            if fault is not None:
                yield text[fault.span[0] : fault.span[1]]


# -- better or worse ------------------------------------------------------------------------------------


def _identity(report: Report, finding: Finding) -> _Key:
    return report.subject.kind, report.subject.name, finding.rule, finding.subject


def _counted(reports: Iterable[Report]) -> Counter[_Key]:
    return Counter(_identity(report, finding) for report in reports for finding in report.findings)


def _worse(one: _Candidate, before: Sequence[Report], after: Sequence[Report], batch: Sequence[_Candidate]) -> str:
    """Why a fix is not kept, "" where it helps: its finding has to go, and nothing as grave may come.

    What is wrong with a source hides what is wrong with its records: then fewer findings as grave are enough.
    """
    was, now = _counted(before), _counted(after)
    key = _identity(one.report, one.finding)
    if now[key] >= was[key]:
        return "the finding is still there"
    follow = frozenset(rule for other in batch for rule in FOLLOWS.get(other.finding.rule, ()))
    rank = max(other.finding.severity.rank for other in batch)
    if all(other.report.subject.kind == "zone" for other in batch) and _grave(after, rank) < _grave(before, rank):
        rank = -1
    old = {(report.subject.kind, report.subject.name): report for report in before}
    for report in after:
        then = old.get((report.subject.kind, report.subject.name))
        for new in report.findings:
            identity = _identity(report, new)
            if now[identity] > was[identity] and new.severity.rank <= rank and new.rule not in follow:
                return f"{new.rule} came up for {new.subject} ({new.detail})"
        if then is None:
            continue
        if _ORDER.index(report.verdict) > _ORDER.index(then.verdict):
            return f"the verdict on {report.subject.name} would be {report.verdict} instead of {then.verdict}"
        lost = next(_lost(then, report), None)
        if lost:
            return lost
    return ""


def _grave(reports: Iterable[Report], rank: int) -> int:
    return sum(finding.severity.rank <= rank for report in reports for finding in report.findings)


def _lost(before: Report, after: Report) -> Iterator[str]:
    known = {one.rule for one in before.inconclusive if one.decisive}
    for one in after.inconclusive:
        if one.decisive and one.rule not in known:
            yield f"{one.rule} could not be told any more ({one.reason})"


def _effect(one: _Candidate, after: Sequence[Report]) -> str:
    if one.finding.fix.rejudged:
        return one.finding.fix.effect
    left = [f for r in after if r.subject == one.report.subject for f in r.findings if f.subject == one.finding.subject]
    worst = min((f.severity for f in left), key=lambda severity: severity.rank, default=None)
    return f"{one.finding.severity} → {worst or 'pass'}"


def raised(serial: int, today: date) -> int:
    """The next serial: of the form YYYYMMDDnn by the date, any other by one (RFC 1982 §3.1, which never leads to 0)."""
    begin = int(f"{today:%Y%m%d}00")
    if len(str(serial)) == 10 and str(serial).startswith(("19", "20")) and serial < begin + 100:
        return max(begin, serial + 1)
    return (serial + 1) % 2**32 or 1
