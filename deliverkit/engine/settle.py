"""What a configuration says of findings: which do not count, and which rules it means.

An ignore moves the findings it fits to `Report.ignored`; one whose last day has gone by moves nothing and is told. What
this file will not do: judge, or read a file.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import date
from fnmatch import fnmatchcase

from deliverkit.config.model import BadConfig, Config, Ignore
from deliverkit.facts.checked import Held
from deliverkit.report.model import Ignored, Report
from deliverkit.rules.registry import all_rules, registered


def refuse_unknown_rules(config: Config, shown: str) -> None:
    """Raises BadConfig for the id of a rule that does not exist, with the nearest one named."""
    lines = {**{rule: one.line for one in config.ignores for rule in one.rules}, **config.severity_lines}
    if set(lines) <= {rule.id for rule in registered()}:  # nothing more is imported than is needed
        return
    known = {rule.id: rule for rule in all_rules()}
    slugs = {rule.slug: rule.id for rule in known.values()}
    for id_, line in lines.items():
        if id_ not in known:
            from difflib import get_close_matches

            near = slugs.get(id_.lower()) or next(iter(get_close_matches(id_, known, 1, 0.5)), None)
            do = f"did you mean {near}?" if near else "`deliverkit explain` lists all rules"
            raise BadConfig(shown, line, f"there is no rule {id_!r}", do)


class Ignores:
    """The ignores of a configuration on one day (by UTC), and what each of them fitted."""

    def __init__(self, ignores: Sequence[Ignore], today: date) -> None:
        self.ignores = ignores
        self.today = today
        self._matched = dict.fromkeys(range(len(ignores)), 0)
        self._unsure: set[int] = set()

    def settled(self, report: Report) -> Report:
        """The report with what does not count moved aside, and what could not be told of ignored rules not decisive."""
        if not self.ignores:
            return report
        kept, aside = [], []
        for finding in report.findings:
            one = self._holding(finding.rule, (finding.subject, report.subject.name), count=True)
            if one is None:
                kept.append(finding)
            else:
                aside.append(Ignored(finding, "ignore", one.reason, one.until))
        unknown = []
        for missing in report.inconclusive:
            names = (missing.subject, report.subject.name)
            one = self._holding(missing.rule, names, count=False)
            unknown.append(missing if one is None else replace(missing, decisive=False))
        if not aside and unknown == list(report.inconclusive):
            return report
        ignored = (*report.ignored, *aside)
        return replace(report, findings=tuple(kept), inconclusive=tuple(unknown), ignored=ignored)

    def _holding(self, rule: str, names: tuple[str, ...], *, count: bool) -> Ignore | None:
        """The first ignore that fits and holds today; every one that fits is counted."""
        holds = None
        for number, one in enumerate(self.ignores):
            if rule in one.rules and any(fnmatchcase(name.lower(), one.subject) for name in names):
                self._matched[number] += count
                if not count:
                    self._unsure.add(number)
                if holds is None and not self._over(one):
                    holds = one
        return holds

    def _over(self, one: Ignore) -> bool:
        return one.until is not None and one.until < self.today

    @property
    def expired(self) -> tuple[Held, ...]:
        """Those whose last day has gone by, and whose findings are back."""
        return tuple(self._told(lambda number, one: self._over(one) and self._matched[number] > 0))

    @property
    def idle(self) -> tuple[Held, ...]:
        """Those that fit nothing, although everything they are about could be told."""
        return tuple(self._told(lambda number, _: not self._matched[number] and number not in self._unsure))

    def _told(self, wanted: Callable[[int, Ignore], bool]) -> Iterable[Held]:
        for number, one in enumerate(self.ignores):
            if wanted(number, one):
                yield Held(one.rules, one.subject, one.reason, one.until, one.line, self._matched[number])
