"""JUnit XML, as Jenkins, GitLab and most other CI systems read it: a suite a subject, a case a rule.

It is valid by the schema of Jenkins' xUnit plugin (junit-10.xsd). That schema has no attributes for file and line of a
case, so they stand in the text. A rule counts as *failed* with a finding at the threshold of --fail-on, as in *error*
where something decisive could not be told, as *skipped* where it did not apply, was not asked or is ignored; a finding
below the threshold is in the output of a case that passed. What this file will not do: give a rule two outcomes, since
readers take the first.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC
from itertools import chain
from typing import NamedTuple
from xml.etree import ElementTree as Tree

from deliverkit.findings import Finding, Inconclusive
from deliverkit.report.model import Ignored, Report
from deliverkit.report.places import failing, place_of
from deliverkit.report.plain import plain
from deliverkit.report.rulebook import Page, pages
from deliverkit.report.text import finding_lines, ignored_line

_MESSAGE = 500  # characters of an attribute that is shown in a list
_TEXT = 20_000


@dataclass(slots=True)
class _Said:
    """What one rule said of one subject."""

    failed: list[Finding] = field(default_factory=list)
    noticed: list[Finding] = field(default_factory=list)
    unknown: list[Inconclusive] = field(default_factory=list)
    ignored: list[Ignored] = field(default_factory=list)
    skipped: str = ""


class _Case(NamedTuple):
    """A case as markup; ``outcome`` is the element that decides it, "" if it passed."""

    outcome: str
    markup: str


class _Suite(NamedTuple):
    """A suite as markup, and its cases by outcome."""

    outcomes: Counter[str]
    markup: str


def render_junit(reports: Sequence[Report], fail_on: str = "error") -> str:
    """All reports as one document."""
    every = [_said(report, fail_on) for report in reports]
    book = pages(reports, chain.from_iterable(every))
    writer = _Writer(book, fail_on)
    suites = [writer.suite(number, report, every[number]) for number, report in enumerate(reports)]
    total = sum((suite.outcomes for suite in suites), Counter[str]())
    root = Tree.Element("testsuites", name="deliverkit", time=_seconds(sum(r.elapsed_s for r in reports)))
    root.attrib.update(tests=str(total.total()), failures=str(total["failure"]), errors=str(total["error"]))
    inner = "".join(suite.markup for suite in suites)
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{_around(root, 0, inner)}'


def _said(report: Report, fail_on: str) -> dict[str, _Said]:
    """What each rule said that judged the subject, or was kept from it."""
    said: defaultdict[str, _Said] = defaultdict(_Said)
    for found in report.findings:
        one = said[found.rule]
        (one.failed if failing(found, fail_on) else one.noticed).append(found)
    for ignored in report.ignored:
        said[ignored.finding.rule].ignored.append(ignored)
    for unknown in report.inconclusive:
        said[unknown.rule].unknown.append(unknown)
    for rule in report.passed:
        said[rule].skipped = ""
    for rule in report.not_applicable:
        said[rule].skipped = "it does not apply"
    for rule in report.not_asked:
        said[rule].skipped = "it was not asked"
    return said


class _Writer:
    """Writes suites. A case without anything to say is written once: of hundreds of subjects most are alike."""

    def __init__(self, book: dict[str, Page], fail_on: str) -> None:
        self._book = book
        self._fail_on = fail_on
        self._silent: dict[tuple[str, str], _Case] = {}

    def suite(self, number: int, report: Report, said: dict[str, _Said]) -> _Suite:
        """A subject's suite."""
        cases = [self._case(page, said[page.id], report) for page in self._book.values() if page.id in said]
        outcomes = Counter(case.outcome for case in cases)
        suite = Tree.Element(
            "testsuite",
            name=plain(report.subject.name, _MESSAGE),
            tests=str(len(cases)),
            failures=str(outcomes["failure"]),
            errors=str(outcomes["error"]),
            skipped=str(outcomes["skipped"]),
            time=_seconds(report.elapsed_s),
            timestamp=f"{report.started.astimezone(UTC):%Y-%m-%dT%H:%M:%S}",
            id=str(number),
            package=report.subject.kind,
        )
        inner = _markup(_properties(report), 2) + "".join(case.markup for case in cases)
        return _Suite(outcomes, _around(suite, 1, inner))

    def _case(self, page: Page, said: _Said, report: Report) -> _Case:
        if said.failed or said.noticed or said.unknown or said.ignored:
            return _written(_case(page, said, report, self._fail_on))
        key = page.id, said.skipped
        if key not in self._silent:
            self._silent[key] = _written(_case(page, said, report, self._fail_on))
        return self._silent[key]


def _written(case: Tree.Element) -> _Case:
    outcome = next((word for word in ("failure", "error", "skipped") if case.find(word) is not None), "")
    return _Case(outcome, _markup(case, 2))


def _markup(element: Tree.Element, depth: int) -> str:
    """An element on lines of its own."""
    Tree.indent(element, level=depth)
    return f"{'  ' * depth}{Tree.tostring(element, encoding='unicode')}\n"


def _around(element: Tree.Element, depth: int, inner: str) -> str:
    """An element around markup."""
    end = f"</{element.tag}>"
    start = Tree.tostring(element, encoding="unicode", short_empty_elements=False).removesuffix(end)
    return f"{'  ' * depth}{start}\n{inner}{'  ' * depth}{end}\n"


def _properties(report: Report) -> Tree.Element:
    from deliverkit import __version__

    vantage = report.vantage
    told = {
        "deliverkit.version": __version__,
        "verdict": report.verdict.value,
        "subject.kind": report.subject.kind,
        "vantage.mode": vantage.mode,
        "vantage.resolvers": ", ".join(vantage.resolvers),
        "vantage.zones": plain(", ".join(vantage.zones), _MESSAGE),
        "vantage.port25": vantage.port25,
        "interrupted": "true" if report.interrupted else "",
        "fixed since the baseline": "; ".join(report.fixed),
    }
    properties = Tree.Element("properties")
    for name, value in told.items():
        if value:
            Tree.SubElement(properties, "property", name=name, value=plain(value, _TEXT))
    return properties


def _case(page: Page, said: _Said, report: Report, fail_on: str) -> Tree.Element:
    case = Tree.Element("testcase", classname=page.family, name=page.name)
    unknown = "; ".join(dict.fromkeys(f"could not be told: {plain(one.reason)}" for one in said.unknown))
    ignored = [f"ignored: {ignored_line(one, report)}" for one in said.ignored]
    # with --fail-on never the exit status is 0 whatever could not be told: so no case may break a build either
    decisive = fail_on != "never" and any(one.decisive for one in said.unknown)
    if said.failed:
        _failure(case, said.failed, report)
    elif decisive:
        _mark(case, "error", unknown, type="unknown")
    elif not said.noticed and (unknown or ignored or said.skipped):
        _mark(case, "skipped", unknown or "; ".join(ignored) or said.skipped)
    if said.failed or said.noticed or decisive:
        _output(case, "system-out", [_text(said.noticed, report), *ignored])
        _output(case, "system-err", [] if decisive and not said.failed else [unknown])
    return case


def _output(case: Tree.Element, name: str, parts: Sequence[str]) -> None:
    """What is said beside the outcome, if anything."""
    if text := "\n".join(filter(None, parts)):
        Tree.SubElement(case, name).text = _cut(text)


def _mark(case: Tree.Element, outcome: str, message: str, **more: str) -> None:
    mark = Tree.SubElement(case, outcome, {"message": plain(message, _MESSAGE), **more})
    if len(message) > _MESSAGE:
        mark.text = _cut(message)


def _failure(case: Tree.Element, found: Sequence[Finding], report: Report) -> None:
    """One element for all findings of the rule; its message tells the first and how many more there are."""
    first, *more = found
    where = place_of(first)
    said = f"{where.file}:{where.line or 1}: " if where else ""
    said += first.detail + (f" (and {len(more)} more)" if more else "")
    failure = Tree.SubElement(case, "failure", type=first.severity.value, message=plain(said, _MESSAGE))
    failure.text = _text(found, report)


def _text(found: Sequence[Finding], report: Report) -> str:
    return _cut("\n\n".join("\n".join(map(plain, finding_lines(one, report))) for one in found))


def _cut(text: str) -> str:
    return text if len(text) <= _TEXT else f"{text[: _TEXT - 1]}…"


def _seconds(seconds: float) -> str:
    return f"{max(seconds, 0):.3f}"
