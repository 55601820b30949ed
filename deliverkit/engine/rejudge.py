"""Fixes are judged before they are offered: the records laid over the world, the subject observed and judged again.

A fix stays only if its own finding is gone and nothing worse came; then it says what it changes. One that cannot be
shown to help loses its records, and the general advice of its rule remains; one whose outcome nobody could tell stays,
marked as not re-judged. What this file will not do: know a protocol, or probe a port again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeVar

from deliverkit.findings import Finding, Fix, Judgement, RecordText, Severity
from deliverkit.flow import Answer, Question
from deliverkit.protocols.kinds import of_one_kind, without_secrets
from deliverkit.report.model import Report, Verdict
from deliverkit.rules.registry import Rule
from deliverkit.world import World
from deliverkit.world.changes import Changes, without_wildcard
from deliverkit.world.masterfile import ZoneError

WORK = "fixes"
"""What a journal calls the trials, where they were not done in time."""
MOST = 20
"""Different fixes that are tried for one subject."""
QUERIES, SECONDS = 100, 10.0  # of DNS, for all fixes of a subject together: nearly every answer is in hand

FOLLOWS = {
    "DKIM024": frozenset({"DKIM007"}),  # signatures that verified nowhere are verified by some: the key is Ed25519
    "DMARC021": frozenset({"DMARC034"}),  # the next step of a rollout shows when the one before it is taken
    "DMARC032": frozenset({"DMARC027"}),  # both methods agree because of psd=n
    "DMARC040": frozenset({"DMARC034"}),
    "PROV001": frozenset({"PROV005"}),  # SPF names the provider now; its DKIM records come out of its console
    "SPF004": frozenset({"SPF015", "SPF016", "SPF027"}),  # little room is left; a provider's ranges, passed already
    "SPF016": frozenset({"SPF015"}),
}
"""Findings that may be left when that of a rule is gone, where the reason is written beside them."""

R = TypeVar("R", bound=Report)
_ORDER = (Verdict.PASS, Verdict.RISK, Verdict.UNKNOWN, Verdict.FAIL)


@dataclass(frozen=True)
class Trial:
    """How a subject is judged: everything the rules say, and numbers worth comparing ("SPF lookups": "12")."""

    judgement: Judgement
    measures: Mapping[str, str] = field(default_factory=dict)


Again = Callable[[World, Changes], Awaitable[Trial]]
"""Observes and judges a subject once more in a changed world."""


class _Unanswered(Exception):
    """What a fix leads to could not be told."""


class _Useless(Exception):
    """A fix that does not help."""


async def with_outcomes(
    report: R,
    now: Trial,
    again: Again,
    *,
    world: World,
    known: Mapping[Question, Answer],
    rules: Iterable[Rule],
    seconds: float = SECONDS,
) -> R:
    """The report with every fix that names a record tried. ``now`` is the judgement that the report tells."""
    trials = _Trials(report, now, again, world.with_budget(QUERIES, min(seconds, SECONDS)), known)
    general = {rule.id: rule.fix for rule in rules}
    settled = [await trials.settled(f, general.get(f.rule, f.fix.text)) for f in report.findings]
    return replace(report, findings=tuple(_one_at_a_time(settled)))


def untried(report: R, why: str) -> R:
    """The report with every fix that names a record marked as not tried."""
    fixes = ((f, replace(f.fix, otherwise=(), effect=f"not re-judged: {why}")) for f in report.findings)
    return replace(report, findings=tuple(replace(f, fix=fix) if f.fix.changes_dns else f for f, fix in fixes))


def _one_at_a_time(findings: Iterable[Finding]) -> Iterator[Finding]:
    """The findings; where two fixes publish different texts at one name, the later one says so.

    Each takes the place of what stands there now. Pasted beside each other they would make two records of one kind,
    which is a fault in every protocol.
    """
    offered: dict[str, tuple[str, RecordText]] = {}
    for found in findings:
        others = []
        for record in (record for record in found.fix.records if record.type == "TXT"):
            rule, first = offered.setdefault(record.name, (found.rule, record))
            others += [rule] if first.value != record.value else []
        if not others:
            yield found
            continue
        beside = f"publish it in place of the record for {', '.join(dict.fromkeys(others))}, not beside it"
        yield replace(found, fix=replace(found.fix, effect=f"{found.fix.effect}; {beside}"))


class _Trials:
    """The fixes of one subject; equal ones are tried once."""

    def __init__(
        self, report: Report, now: Trial, again: Again, world: World, known: Mapping[Question, Answer]
    ) -> None:
        self.report = report
        self.now = now
        self.again = again
        self.world = world
        self.known = known
        self._tried: dict[Changes, Trial] = {}

    async def settled(self, found: Finding, general: str) -> Finding:
        """The finding with its fix as it may be offered."""
        if not found.fix.changes_dns:
            return found
        for offered in (found.fix, *found.fix.otherwise):
            fix = replace(offered, otherwise=())
            try:
                fix = replace(fix, removes=await self._removed(fix))
                effect = self._effect(found, await self._trial(fix))
                fix = replace(fix, rejudged=True, effect=effect)
            except _Useless:
                continue
            except _Unanswered as why:
                fix = replace(fix, effect=f"not re-judged: {why}")
            removes = tuple(replace(r, value=without_secrets(r.value)) for r in fix.removes)
            return replace(found, fix=replace(fix, removes=removes))
        return replace(found, fix=Fix(general))

    async def _removed(self, fix: Fix) -> tuple[RecordText, ...]:
        """What makes room: the alias at a name, the records of one kind with the new one, and what the rule named."""
        gone = dict.fromkeys(fix.removes)
        for name, type_ in dict.fromkeys((record.name, record.type) for record in fix.records):
            if type_ in ("A", "AAAA"):
                await self._free(name, fix)
                continue
            answer = await self._asked(name, type_)
            if answer.aliases:
                gone[RecordText(name, "CNAME", f"{answer.aliases[0]}.")] = None
            elif type_ == "TXT" and not await self._by_wildcard(name, answer):
                old = of_one_kind(name)
                gone.update(dict.fromkeys(RecordText(name, type_, text) for text in answer.texts if old(text)))
        return tuple(record for record in gone if record not in fix.records)

    async def _asked(self, name: str, type_: str) -> Answer:
        question = Question(name, type_)
        answer = self.known.get(question) or await self.world.ask(question)
        if not answer.known:
            raise _Unanswered(answer.why())
        return answer

    async def _free(self, name: str, fix: Fix) -> None:
        """Raises _Useless where a host that a fix names besides its address is another host already."""
        new = {record.value for record in fix.records if record.name == name}
        for type_ in ("A", "AAAA"):
            answer = await self._asked(name, type_)
            if answer.aliases or (len(fix.records) > 1 and not new.issuperset(answer.records)):
                raise _Useless

    async def _by_wildcard(self, name: str, answer: Answer) -> bool:
        """Whether a wildcard answers for the name: then nothing stands there that could go (RFC 4592 §2.2.1)."""
        parent = name.partition(".")[2]
        if not answer.records or "." not in parent or name.startswith("*.") or parent in self._without_wildcard:
            return False
        return (await self._asked(f"*.{parent}", answer.question.type)).records == answer.records

    @cached_property
    def _without_wildcard(self) -> frozenset[str]:
        return without_wildcard(self.known)

    async def _trial(self, fix: Fix) -> Trial:
        try:
            changes = Changes.read(
                (line for record in fix.removes for line in record.lines),
                (line for record in fix.records for line in record.lines),
            )
        except ZoneError as bad:
            raise _Useless from bad
        if changes not in self._tried:
            if len(self._tried) >= MOST:
                raise _Unanswered(f"{MOST} other fixes of this subject were")
            try:
                self._tried[changes] = await self.again(self.world.with_changes(changes, self.known), changes)
            except Exception as bug:  # a fault of ours must not cost the user the report
                raise _Unanswered(f"the trial crashed: {type(bug).__name__}: {bug}") from bug
        return self._tried[changes]

    def _effect(self, found: Finding, trial: Trial) -> str:
        """What the fix changes. Raises _Useless unless its finding is gone and nothing worse is there."""
        before, after = self.now.judgement, trial.judgement
        lost = {i.rule: i for i in after.inconclusive if i not in before.inconclusive}
        decisive = next((i for i in lost.values() if i.decisive), None)
        if found.rule in lost or decisive:
            raise _Unanswered((lost.get(found.rule) or decisive).reason)  # type: ignore[union-attr]
        was, remains = _counted(before), _counted(after)
        if remains[_key(found)] >= was[_key(found)]:
            raise _Useless
        new = [f for f in after.findings if remains[_key(f)] > was[_key(f)]]
        if not all(self._bearable(f, found) for f in new):
            raise _Useless
        judged = self._verdict(after)
        if _ORDER.index(judged) > _ORDER.index(self.report.verdict):
            raise _Useless
        shown = [f for f in new if f.severity is not Severity.NOTE]
        left = f"{shown[0].severity} ({', '.join(dict.fromkeys(f.rule for f in shown))})" if shown else "pass"
        gone = [f.rule for f in before.findings if remains[_key(f)] < was[_key(f)] and f.rule != found.rule]
        measures = [
            f"{name} {value} → {trial.measures[name]}"
            for name, value in self.now.measures.items()
            if trial.measures.get(name, value) != value
        ]
        said = [f"{found.severity} → {left}", *measures]
        said += [f"{', '.join(dict.fromkeys(gone))} settled too"] if gone else []
        said += [f"verdict {self.report.verdict} → {judged}"] if judged is not self.report.verdict else []
        return ", ".join(said)

    def _bearable(self, new: Finding, found: Finding) -> bool:
        """True for a milder finding that the fault had hidden, for a note, and for the next step of a plan."""
        if new.rule in FOLLOWS.get(found.rule, ()):
            return True
        if new.severity.rank <= found.severity.rank:
            return False
        before = self.now.judgement
        return new.severity is Severity.NOTE or (
            new.rule not in before.passed and all(f.rule != new.rule for f in before.findings)
        )

    def _verdict(self, judgement: Judgement) -> Verdict:
        return self.report.judged_by(judgement).verdict


def _key(found: Finding) -> tuple[str, str]:
    return found.rule, found.subject


def _counted(judgement: Judgement) -> Counter[tuple[str, str]]:
    return Counter(_key(found) for found in judgement.findings)
