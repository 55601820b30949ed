"""The one list of rules, and how a rule becomes a finding.

A rule is a small function under ``@rule``: its docstring is its documentation (title; *Why*; *Fix*), the
annotation of its one parameter says which facts it judges, its name is its slug and its file its family.
Third parties add rules through the entry-point group ``deliverkit.rules``: each entry point names a module
whose import registers its rules.
"""

from __future__ import annotations

import dataclasses
import functools
import importlib
import inspect
import pkgutil
import re
import sys
import typing
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias, TypeVar

from deliverkit.facts.base import Facts, NotApplicable, NotAsked, Unobserved
from deliverkit.findings import Draft, Finding, Fix, Inconclusive, Judgement, Severity

Findings: TypeAlias = Iterator[Draft]
GROUP = "deliverkit.rules"
F = TypeVar("F", bound=Callable[[Any], Findings])


@dataclass(frozen=True)
class Rule:
    """One rule: its identity, its documentation and its judgement."""

    id: str
    slug: str
    family: str
    severity: Severity
    reference: str
    title: str
    why: str
    fix: str
    judge: Callable[[Any], Findings]

    @functools.cached_property
    def facts_type(self) -> type:
        """The class of facts this rule judges, read from the annotation of its parameter."""
        annotation = next(kind for name, kind in self.judge.__annotations__.items() if name != "return")
        return annotation if isinstance(annotation, type) else _resolved(self.judge.__module__, annotation, self.judge)


class RuleSet(tuple[Rule, ...]):
    """Rules in the order in which they judge. It knows which of them judge what: few look at any one kind of facts."""

    @functools.cached_property
    def _by_kind(self) -> dict[type, tuple[Rule, ...]]:
        return {}

    def judging(self, kind: type) -> tuple[Rule, ...]:
        """The rules made for facts of this class."""
        if kind not in self._by_kind:
            self._by_kind[kind] = tuple(r for r in self if r.facts_type in kind.__mro__)
        return self._by_kind[kind]

    @functools.cached_property
    def existence_first(self) -> RuleSet:
        """The same rules, the one that says whether there is such a domain in front."""
        return RuleSet(sorted(self, key=lambda r: r.id != "MX001"))


_TYPES: dict[tuple[str, str], type] = {}


def _resolved(module: str, annotation: str, judge: Callable[[Any], Findings]) -> type:
    """What an annotation means in its module: the rules of one module mostly judge the same facts."""
    if (module, annotation) not in _TYPES:
        hints = typing.get_type_hints(judge)
        _TYPES[module, annotation] = next(kind for name, kind in hints.items() if name != "return")
    return _TYPES[module, annotation]


_RULES: dict[str, Rule] = {}
_loaded: set[str] = set()
_chosen: dict[tuple[str, ...], RuleSet] = {}  # what `rules_of` chose, until another rule is registered


def rule(id_: str, severity: Severity, reference: str) -> Callable[[F], F]:
    """Register a rule. Ids are stable and never reused; ``reference`` cites the law ("RFC 7208 §4.6.4")."""

    def register(function: F) -> F:
        title, why, fix = _sections(inspect.getdoc(function) or "", id_)
        if id_ in _RULES and _RULES[id_].judge.__qualname__ != function.__qualname__:
            raise ValueError(f"rule id {id_} is used twice")
        parts = function.__module__.split(".")
        family = parts[2] if parts[:2] == ["deliverkit", "rules"] else parts[0]
        slug = function.__name__.replace("_", "-")
        _RULES[id_] = Rule(id_, slug, family, severity, reference, title, why, fix, function)
        _chosen.clear()
        return function

    return register


def _sections(text: str, id_: str) -> tuple[str, str, str]:
    """Split a docstring into title, Why and Fix, each unwrapped to one paragraph."""
    match = re.fullmatch(r"(.+?)\n\s*\n\s*Why: (.+?)\n\s*Fix: (.+)", text.strip(), re.DOTALL)
    if not match:
        raise ValueError(f"rule {id_}: the docstring needs a title, then 'Why: …', then 'Fix: …'")
    title, why, fix = (" ".join(part.split()) for part in match.groups())
    return title, why, fix


@functools.cache
def families() -> tuple[str, ...]:
    """The names of the rule families, read from the files that hold them; nothing is imported."""
    import deliverkit.rules as package

    return tuple(sorted(m.name for m in pkgutil.iter_modules(package.__path__) if m.name != "registry"))


def registered() -> tuple[Rule, ...]:
    """The rules that are registered so far; nothing is imported."""
    return tuple(_RULES.values())


def all_rules() -> RuleSet:
    """Every rule, ordered by family and id. Imports all rule families on first use."""
    return rules_of(*families())


def rules_of(*wanted: str) -> RuleSet:
    """The rules of these families, and those of third parties; only what is wanted is imported."""
    if wanted in _chosen:
        return _chosen[wanted]
    for family in wanted:
        _load(family)
    if "third parties" not in _loaded:
        _loaded.add("third parties")
        _load_third_parties()
    own = set(families())
    chosen = (r for r in _RULES.values() if r.family in wanted or r.family not in own)
    _chosen[wanted] = RuleSet(sorted(chosen, key=lambda r: (r.family, r.id)))
    return _chosen[wanted]


def _load(family: str) -> None:
    if family in _loaded or family not in families():
        return
    _loaded.add(family)
    module = importlib.import_module(f"deliverkit.rules.{family}")
    for inner in pkgutil.iter_modules(getattr(module, "__path__", ()), f"{module.__name__}."):
        importlib.import_module(inner.name)


def _load_third_parties() -> None:
    """Import the modules that installed packages name in the entry-point group.

    importlib.metadata is imported only when some package names the group at all: it costs more than reading the
    few hundred small files.
    """
    entries = (file for path in sys.path for file in Path(path).glob("*.dist-info/entry_points.txt"))
    if not any(f"[{GROUP}]" in file.read_text("utf-8", "replace") for file in entries):
        return
    from importlib.metadata import entry_points

    for entry in entry_points(group=GROUP):
        entry.load()


def judge(facts: Any, rules: Iterable[Rule], severities: dict[str, Severity] | None = None) -> Judgement:
    """Run every rule made for this kind of facts.

    What a rule found before it came to a fact nobody could tell is kept; the rule is then listed as inconclusive too.
    A rule that crashes is our bug: it is listed, never hidden.
    """
    return _judgement([_said(r, facts, severities or {}) for r in _judging(facts, rules)])


class Judged:
    """How rules judged facts, so noted that facts which differ in a few fields are judged by few rules.

    A rule is a function of what it reads; one that read no field that has changed says the same again.
    """

    def __init__(self, facts: Facts, rules: Iterable[Rule], severities: dict[str, Severity] | None = None) -> None:
        self._facts = facts
        self._severities = severities or {}
        self._said: list[tuple[Rule, _Said, set[str]]] = []
        noted: Any = _Noted(facts)
        for r in _judging(facts, rules):
            reads: set[str] = set()
            noted._reads = reads
            self._said.append((r, _said(r, noted, self._severities), reads))
            noted.__dict__.clear()
        self.judgement = _judgement([said for _, said, _ in self._said])

    def again(self, facts: Facts) -> Judgement:
        """How the same rules judge facts of the same kind."""
        before = self._facts
        names = (f.name for f in dataclasses.fields(before))  # type: ignore[arg-type]
        changed = {_ANY, *(name for name in names if facts.raw(name) is not before.raw(name))}
        return _judgement(
            [said if changed.isdisjoint(reads) else _said(r, facts, self._severities) for r, said, reads in self._said]
        )


_ANY = "*"  # reads more than fields, so that any change counts


class _Noted:
    """Facts as a rule sees them, which note the fields that it reads."""

    __slots__ = ("__dict__", "_kept", "_names", "_reads")

    def __init__(self, facts: Facts) -> None:
        self._kept = facts
        self._names = {f.name for f in dataclasses.fields(facts)}  # type: ignore[arg-type]
        self._reads: set[str] = set()

    @property  # type: ignore[misc]
    def __class__(self) -> type:
        """A rule may ask what it was given."""
        return type(self._kept)

    @property
    def subject(self) -> str:
        return self._kept.subject  # of the facts before and after a change the same

    def raw(self, name: str) -> Any:
        self._reads.add(name)
        return self._kept.raw(name)

    def __getattr__(self, name: str) -> Any:
        if name not in self._names:
            self._reads.add(_ANY)
            return getattr(self._kept, name)
        self._reads.add(name)
        value = self.__dict__[name] = getattr(self._kept, name)  # while the rule judges, to read it again is free
        return value


class _Said(NamedTuple):
    """How one rule ended: the list of a `Judgement` that names it; what it found; what it could not be told."""

    rule: str
    listed: str = ""
    findings: tuple[Finding, ...] = ()
    unknown: Inconclusive | None = None


def _judging(facts: Any, rules: Iterable[Rule]) -> Iterable[Rule]:
    every = rules if isinstance(rules, RuleSet) else RuleSet(rules)
    return every.judging(type(facts)) if isinstance(facts, Facts) else ()


def _said(r: Rule, facts: Any, severities: Mapping[str, Severity]) -> _Said:
    drafts: list[Draft] = []
    listed, unknown = "", None
    try:
        for draft in r.judge(facts):  # one by one: those before an exception stay
            drafts.append(draft)
    except NotApplicable:
        if not drafts:
            return _Said(r.id, "not_applicable")
    except NotAsked:
        if not drafts:
            return _Said(r.id, "not_asked")
    except Unobserved as why:
        decisive = severities.get(r.id, r.severity) is Severity.ERROR
        unknown = Inconclusive(r.id, facts.subject, str(why), decisive)
    except Exception as bug:  # a rule's crash must not cost the user the other findings
        listed = "crashed"
        reason = f"the rule crashed: {type(bug).__name__}: {bug}"
        unknown = Inconclusive(r.id, facts.subject, reason, decisive=True)
    else:
        if not drafts:
            return _Said(r.id, "passed")
    severity = severities.get(r.id, r.severity)
    return _Said(r.id, listed, tuple([_complete(r, severity, draft, facts.subject) for draft in drafts]), unknown)


def _judgement(said: list[_Said]) -> Judgement:
    def listed(name: str) -> tuple[str, ...]:
        return tuple([one.rule for one in said if one.listed == name])

    return Judgement(
        findings=tuple([found for one in said for found in one.findings]),
        inconclusive=tuple([one.unknown for one in said if one.unknown]),
        passed=listed("passed"),
        not_applicable=listed("not_applicable"),
        not_asked=listed("not_asked"),
        crashed=listed("crashed"),
    )


def _complete(r: Rule, severity: Severity, draft: Draft, subject: str) -> Finding:
    return Finding(
        rule=r.id,
        slug=r.slug,
        severity=severity,
        subject=draft.subject or subject,
        title=r.title,
        detail=draft.detail,
        evidence=draft.evidence,
        fix=Fix(draft.fix or r.fix, draft.records, draft.removes, otherwise=draft.otherwise),
        reference=r.reference,
    )
