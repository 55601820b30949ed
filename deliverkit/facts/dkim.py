"""The DKIM keys of a domain: at the selectors the user names, at those of its providers, and where guessing finds one.

Selectors cannot be listed, so what guessing does not find proves nothing; `Scan` says how far it went. What this file
will not do: guess when a wildcard answers everything, or judge a key.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deliverkit.data import Provider, recognise, selectors
from deliverkit.facts.base import Facts, Missing, missing
from deliverkit.facts.placed import Misplaced
from deliverkit.flow import Answer, Flow, Question, Status, ask, each, together
from deliverkit.names import BadName, to_ascii
from deliverkit.protocols.dkim.key import KeyRecord, looks_like_key, parse_key
from deliverkit.protocols.dkim.keys import BadKeyFile, PrivateKey, load_private_key, matches

GIVEN, DISCOVERY = "given", "discovery"
CONFIRMING = "default"  # asked although _domainkey does not exist: some servers deny names that only have children
_INCLUDE = re.compile(r"\sinclude:([^\s%]+)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class KeyFile:
    """A private key the user signs with, or why it cannot be used."""

    path: Path
    key: PrivateKey | None = None
    problem: str | None = None

    @classmethod
    def read(cls, path: Path) -> KeyFile:
        """The key in a file, or why it cannot be used."""
        try:
            return cls(path, load_private_key(path))
        except BadKeyFile as bad:
            return cls(path, problem=bad.why)


@dataclass(frozen=True, repr=False)
class SelectorFacts(Facts):
    """What stands at one selector. ``source`` is "given", "provider NAME" or "discovery".

    ``records`` are the TXT records that are meant as keys, with their place in ``answer``. ``wildcard`` is True if a
    name nobody made answers the same. ``problem`` says why a given selector is none. ``misplaced`` are keys found
    where an editor's mistake puts them; they are only looked for when a given selector has none.
    """

    selector: str
    source: str
    name: str
    answer: Answer
    records: tuple[tuple[int, KeyRecord], ...]
    wildcard: bool = False
    misplaced: tuple[Misplaced, ...] = ()
    key_file: KeyFile | None = None
    problem: str | None = None

    @property
    def subject(self) -> str:
        return self.name

    @property
    def given(self) -> bool:
        """The user says that mail is signed with it."""
        return self.source == GIVEN

    @property
    def private_matches(self) -> bool | None:
        """Whether the private key belongs to a key published here; None where there are not both to compare."""
        private = self.key_file.key if self.key_file else None
        published = [record for _, record in self.records if record.public_key]
        if private is None or not published:
            return None
        return any(matches(private, record) for record in published)

    def to_json(self) -> dict[str, Any]:
        """The selector for reports; nothing secret."""
        file = self.key_file
        return {
            "selector": self.selector,
            "source": self.source,
            "name": self.name,
            "status": self.answer.status,
            "aliases": self.answer.aliases,
            "wildcard": self.raw("wildcard"),
            "keys": [record for _, record in self.records] if self.answer.known else None,
            "misplaced": [{"name": wrong.name, "mistake": wrong.mistake} for wrong in self.misplaced],
            "key_file": file
            and {
                "file": file.path,
                "problem": file.problem,
                "key": file.key,
                "matches": self.private_matches if self.answer.known else None,
            },
            "problem": self.problem,
        }


@dataclass(frozen=True, slots=True)
class Scan:
    """How far looking for unknown selectors went.

    ``tried`` selectors were asked for beside the given ones, ``unanswered`` of them got no answer. ``below`` is the
    answer for ``_domainkey`` itself, ``guard`` that for a name nobody made. ``nothing_below``: the name does not exist,
    so no selector does (RFC 8020), confirmed by another question. ``passed_over`` were not asked for, because one
    without which their provider publishes none does not exist.
    """

    below: Answer
    guard: Answer
    tried: tuple[str, ...] = ()
    unanswered: int = 0
    nothing_below: bool = False
    passed_over: tuple[str, ...] = ()

    @property
    def wildcard(self) -> bool:
        """Every selector "exists"."""
        return self.guard.status is Status.OK


@dataclass(frozen=True, repr=False)
class DkimFacts(Facts):
    """The selectors of a domain: every given one, found or not, and the others that have a key."""

    domain: str
    selectors: tuple[SelectorFacts, ...]
    providers: tuple[str, ...]
    scan: Scan

    @property
    def subject(self) -> str:
        return self.domain

    @property
    def given(self) -> tuple[SelectorFacts, ...]:
        """The selectors the user named."""
        return tuple(one for one in self.selectors if one.given)

    @property
    def answer(self) -> Answer:
        """The answer that says whether anything could be seen: the first that failed, or that for ``_domainkey``."""
        seen = self.raw("selectors")
        asked = [] if isinstance(seen, Missing) else [one.answer for one in seen]
        return next((answer for answer in asked if not answer.known), asked[0] if asked else self.scan.below)

    def to_json(self) -> dict[str, Any]:
        """The facts for reports."""
        return {
            "selectors": self.raw("selectors"),
            "providers": self.providers,
            "scan": {
                "tried": len(self.scan.tried),
                "passed_over": len(self.scan.passed_over),
                "unanswered": self.scan.unanswered,
                "wildcard": self.scan.wildcard,
                "nothing_below": self.scan.nothing_below,
            },
        }


def observe_dkim(
    domain: str,
    *,
    selectors: tuple[str, ...] = (),
    key_files: Mapping[str, Path | KeyFile] | None = None,
    via: tuple[Provider, ...] = (),
) -> Flow[DkimFacts]:
    """Observe the keys of a domain. A selector may be typed as ``s1``, ``s1._domainkey`` or with the domain.

    ``via`` are providers whose selectors are tried although nothing else in DNS may give them away.
    """
    files = {_selector(typed, domain): file for typed, file in (key_files or {}).items()}
    named = tuple(dict.fromkeys([*(_selector(typed, domain) for typed in selectors), *files]))
    below, guard, mx, apex, *answers = yield from together(
        ask(f"_domainkey.{domain}", "TXT"),
        ask(_key_name(nobody(domain), domain), "TXT"),
        ask(domain, "MX"),
        ask(domain, "TXT"),
        *(ask(_key_name(selector, domain), "TXT") for selector in named if _problem(selector, domain) is None),
    )
    told = iter(answers)
    given: list[SelectorFacts] = []
    for selector in named:
        problem = _problem(selector, domain)
        answer = below if problem else next(told)
        given.append((yield from _given(domain, selector, answer, guard, problem, files.get(selector))))
    providers = tuple({p.id: p for p in (*via, *_providers(mx, apex))}.values())
    found, scan = yield from _search(domain, providers, set(named), below, guard, given)
    nobody_told = not given and not found and scan.unanswered == len(scan.tried)
    return DkimFacts(
        domain=domain,
        selectors=missing((guard if below.known else below).why()) if nobody_told else (*given, *found),
        providers=tuple(provider.name for provider in providers),
        scan=scan,
    )


def nobody(domain: str) -> str:
    """A selector that nobody made: the same for the same domain, so that a recorded world answers it again."""
    return f"deliverkit-{hashlib.sha256(domain.encode()).hexdigest()[:12]}"


def _key_name(selector: str, domain: str) -> str:
    return f"{selector}._domainkey.{domain}"


def _selector(typed: str, domain: str) -> str:
    """The selector somebody meant: with or without ``._domainkey``, with or without the domain."""
    text = typed.strip().rstrip(".").lower()
    return re.sub(rf"\._domainkey(\.{re.escape(domain)})?$", "", text)


def _problem(selector: str, domain: str) -> str | None:
    """Why a given selector cannot be one."""
    try:
        to_ascii(_key_name(selector, domain))
    except BadName as bad:
        return str(bad)
    return None


def _given(
    domain: str, selector: str, answer: Answer, guard: Answer, problem: str | None, file: Path | KeyFile | None
) -> Flow[SelectorFacts]:
    """A selector the user named. When it has no key, the key is looked for where editors lose it."""
    records = () if problem else _records(answer)
    unknown: Any = None if problem or answer.known else missing(answer.why())
    absent = problem is None and answer.known and not records
    return SelectorFacts(
        selector=selector,
        source=GIVEN,
        name=_key_name(selector, domain),
        answer=answer,
        records=unknown or records,
        wildcard=unknown or (bool(records) and _same(answer, guard)),
        misplaced=(yield from _elsewhere(selector, domain)) if absent else (),
        key_file=KeyFile.read(file) if isinstance(file, Path) else file,
        problem=problem,
    )


def _records(answer: Answer) -> tuple[tuple[int, KeyRecord], ...]:
    if answer.status is not Status.OK:
        return ()
    return tuple((index, parse_key(text)) for index, text in enumerate(answer.texts) if looks_like_key(text))


def _same(answer: Answer, guard: Answer) -> bool:
    """True if a wildcard gives the same records."""
    return guard.status is Status.OK and sorted(answer.texts) == sorted(guard.texts)


def _elsewhere(selector: str, domain: str) -> Flow[tuple[Misplaced, ...]]:
    """Where the key stands when ``_domainkey`` was left out, or a final dot was forgotten."""
    places = {
        f"{selector}.{domain}": "without _domainkey",
        f"{selector}._domainkey.{domain}.{domain}": "with the domain doubled: a final dot was forgotten",
        f"_domainkey.{selector}.{domain}": "with _domainkey in front of the selector",
    }
    names = [name for name in places if len(name) <= 253]
    answers = yield from together(*(ask(name, "TXT") for name in names))
    return tuple(
        Misplaced(places[name], answer, index)
        for name, answer in zip(names, answers, strict=True)
        for index, _ in _records(answer)
    )


def _providers(mx: Answer, apex: Answer) -> tuple[Provider, ...]:
    """The providers that MX and SPF give away. What was not answered gives nothing away."""
    hosts = tuple(host for _, host in mx.records) if mx.status is Status.OK else ()
    texts = apex.texts if apex.status is Status.OK else ()
    includes = [name for text in texts if text.lower().startswith("v=spf1") for name in _INCLUDE.findall(text)]
    return recognise(hosts, tuple(includes))


def _search(
    domain: str,
    providers: Sequence[Provider],
    named: set[str],
    below: Answer,
    guard: Answer,
    given: Iterable[SelectorFacts],
) -> Flow[tuple[list[SelectorFacts], Scan]]:
    """Ask for the providers' selectors, then for the common ones, unless there is nothing to find."""
    likely = {
        s: f"provider {p.name}" for p in reversed(providers) for s in reversed(p.dkim_selectors) if s not in named
    }
    likely = dict(reversed(likely.items()))
    if not below.known and not guard.known:
        return [], Scan(below, guard)
    first = [*likely, *([CONFIRMING] if CONFIRMING not in {*likely, *named} else [])]
    common, after = _common({*first, *named})
    early = 0 if below.status is Status.NXDOMAIN else max(len(common) // 2, len(set(after.values())))
    first, common = [*first, *common[:early]], common[early:]  # two waves either way: this halves the burst
    found, unanswered, absent = yield from _ask_all(domain, first, likely, guard)
    exists = any(one.answer.status is Status.OK for one in [*given, *found])
    nothing_below = below.status is Status.NXDOMAIN and not exists and not unanswered
    passed_over = tuple(selector for selector, leader in after.items() if leader in absent)
    rest = [] if nothing_below else [*common, *(selector for selector in after if selector not in passed_over)]
    more, more_unanswered, _ = yield from _ask_all(domain, rest, likely, guard)
    scan = Scan(below, guard, (*first, *rest), unanswered + more_unanswered, nothing_below, passed_over)
    return [*found, *more], scan


def _common(but: set[str]) -> tuple[list[str], dict[str, str]]:
    """The common selectors but these: those to be asked, and those worth asking only where another one exists.

    The ones that others wait for come first.
    """
    usual = [s for s in selectors() if not s.deep and s.name not in but]
    after = {s.name: s.after for s in usual if s.after}
    leaders = set(after.values())
    return sorted((s.name for s in usual if not s.after), key=lambda name: name not in leaders), after


def _ask_all(
    domain: str, tried: Sequence[str], sources: Mapping[str, str], guard: Answer
) -> Flow[tuple[list[SelectorFacts], int, set[str]]]:
    """Ask for selectors side by side: those with a key of their own, how many got no answer, and which do not exist.

    A provider's selector whose alias leads nowhere is kept too: the second of a pair often rests like that.
    """
    answers = yield from each(Question(_key_name(selector, domain), "TXT") for selector in tried)
    kept, unanswered, absent = [], 0, set()
    for selector, answer in zip(tried, answers, strict=True):
        if not answer.records and not answer.aliases:  # nearly all: nothing to read
            if answer.status is Status.NXDOMAIN:
                absent.add(selector)
            elif not answer.known:
                unanswered += 1
            continue
        unanswered += not answer.known
        records = _records(answer)
        resting = bool(answer.known and answer.aliases and not answer.records and selector in sources)
        if (records and not _same(answer, guard)) or (resting and not guard.aliases):
            source = sources.get(selector, DISCOVERY)
            kept.append(SelectorFacts(selector, source, _key_name(selector, domain), answer, records))
    return kept, unanswered, absent
