"""Two environments of one application: what differs, ranked by how likely it explains that mail fails in one of them.

The order does not depend on which file is named first. Where the ladder was climbed and a rung broke in one of them,
what can break that rung comes first, and what could only break another one falls back. Reports are compared too: which
findings are new, gone or changed.

What this file will not do: read files (`snapshotfile`), or know how likely a kind of difference is
(``data/differences.toml``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from deliverkit.data.differences import kinds
from deliverkit.engine.differing import Raw, places, transports, versions
from deliverkit.engine.divergence import Divergence, first_divergence
from deliverkit.engine.posture import posture
from deliverkit.engine.snapshot import SeenStep, Snapshot
from deliverkit.engine.snapshotfile import NotComparable, read_file
from deliverkit.engine.turns import turns, untold

SCHEMA = "deliverkit.diff/1"
_RUNGS = ("resolve", "connect", "greeting", "ehlo", "tls", "certificate", "auth", "mail_from", "rcpt_to")
_WORDS = {
    "likelihood": ((80, "very likely"), (55, "likely"), (30, "possible"), (0, "unlikely")),
    "gravity": ((80, "grave"), (55, "serious"), (30, "notable"), (0, "slight")),
}


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference. ``likelihood`` is of a hundred; ``old`` and ``new`` are what each side has, None for nothing."""

    kind: str
    likelihood: int
    where: str
    what: str
    old: str | None
    new: str | None
    title: str
    why: str
    change: str
    scale: str = "likelihood"

    @property
    def word(self) -> str:
        """The likelihood, or the gravity, in words."""
        return next(word for least, word in _WORDS[self.scale] if self.likelihood >= least)


@dataclass(frozen=True, slots=True)
class Comparison:
    """What two files differ in. ``broke``: the rungs that broke, on each side; ``unknown``: what could not be told."""

    kind: str
    old: str
    new: str
    differences: tuple[Difference, ...] = ()
    divergence: Divergence | None = None
    broke: tuple[tuple[str, ...], tuple[str, ...]] = ((), ())
    unknown: tuple[str, ...] = ()

    @property
    def same(self) -> bool:
        """True if nothing differs."""
        return not self.differences and self.divergence is None

    def to_json(self) -> dict[str, Any]:
        """The object that ``docs/doctor.md`` describes."""
        from deliverkit import __version__

        return {
            "schema": SCHEMA,
            "deliverkit": __version__,
            "kind": self.kind,
            "old": self.old,
            "new": self.new,
            "same": self.same,
            "broke": {"old": list(self.broke[0]), "new": list(self.broke[1])},
            "first_divergence": None if self.divergence is None else asdict(self.divergence),
            "differences": [{**asdict(one), "word": one.word} for one in self.differences],
            "unknown": list(self.unknown),
        }


def diff(old: str | Path, new: str | Path) -> Comparison:
    """Compare two files: snapshots of ``doctor --save``, or JSON reports. Raises NotComparable."""
    first, second = Path(old), Path(new)
    try:
        twins = first.samefile(second)
    except OSError:
        twins = False
    if twins:
        raise NotComparable(f"{first} and {second} are the same file: give the snapshots of two environments")
    return compared(read_file(first), read_file(second), str(first), str(second))


def compared(
    old: Snapshot | list[dict[str, Any]], new: Snapshot | list[dict[str, Any]], old_name: str, new_name: str
) -> Comparison:
    """Compare what two files held. Raises NotComparable for one of each kind."""
    if isinstance(old, Snapshot) and isinstance(new, Snapshot):
        return _snapshots(old, new, old_name, new_name)
    if isinstance(old, list) and isinstance(new, list):
        return _compared_reports(old, new, old_name, new_name)
    one, other = (old_name, new_name) if isinstance(old, Snapshot) else (new_name, old_name)
    raise NotComparable(f"{one} is a snapshot and {other} a report: give two of a kind")


# -- snapshots ----------------------------------------------------------------------------------------------------


def _snapshots(old: Snapshot, new: Snapshot, old_name: str, new_name: str) -> Comparison:
    broke = (_broken(old.steps), _broken(new.steps))
    unknown: list[str] = []
    raw = [*transports(old, new, unknown), *places(old, new), *versions(old, new), *_found(old, new)]
    decisive = frozenset(broke[0]) ^ frozenset(broke[1]) or frozenset(broke[0])
    return Comparison(
        "snapshots",
        old_name,
        new_name,
        tuple(_ranked(raw, decisive)),
        first_divergence(old.sessions, new.sessions),
        broke,
        tuple(sorted(set(unknown))),
    )


def _broken(steps: Sequence[SeenStep]) -> tuple[str, ...]:
    """The rung of each server that broke."""
    return tuple(dict.fromkeys(step.name.lower().replace(" ", "_") for step in steps if step.ok is False))


def _ranked(raw: Iterable[Raw], broke: frozenset[str]) -> list[Difference]:
    found = [_difference(one, broke) for one in dict.fromkeys(raw)]
    return sorted(found, key=lambda d: (-d.likelihood, d.kind, d.what, d.where, *sorted((d.old or "", d.new or ""))))


def _difference(raw: Raw, broke: frozenset[str]) -> Difference:
    kind = kinds()[raw.kind]
    likelihood = _weighed(kind.likelihood, kind.rungs, broke)
    return Difference(
        kind.id,
        likelihood,
        raw.where,
        raw.what,
        raw.old,
        raw.new,
        kind.title,
        raw.why or kind.why,
        kind.change,
        kind.scale,
    )


def _weighed(likelihood: int, rungs: tuple[str, ...], broke: frozenset[str]) -> int:
    """The likelihood once it is known which rung broke: what breaks that one gains, what breaks others only falls."""
    known = broke & frozenset(_RUNGS)
    if not known or not rungs:
        return likelihood
    return min(99, likelihood + 20) if known & frozenset(rungs) else likelihood // 3


def _found(old: Snapshot, new: Snapshot) -> Iterator[Raw]:
    """Errors and warnings that the doctor found on one side only."""
    ours, theirs = ({one.rule: one for one in side.findings} for side in (old, new))
    for rule in sorted(ours.keys() ^ theirs.keys()):
        one = ours.get(rule) or theirs[rule]
        kind = "finding-error" if one.severity == "error" else "finding-warning"
        yield Raw(kind, "", rule, one.title if rule in ours else None, one.title if rule in theirs else None)


# -- reports ------------------------------------------------------------------------------------------------------


def _compared_reports(old: list[dict[str, Any]], new: list[dict[str, Any]], old_name: str, new_name: str) -> Comparison:
    """What changed in meaning of each domain that both sides know, and in what the rules say."""
    postures = [{p.name: p for p in map(posture, side) if p is not None} for side in (old, new)]
    both = [(postures[0][name], postures[1][name]) for name in sorted(postures[0].keys() & postures[1].keys())]
    raw = [turn for pair in both for turn in turns(*pair)]
    unknown = tuple(text for pair in both for text in untold(*pair))
    ranked = tuple(_ranked([*raw, *_reports(old, new)], frozenset()))
    return Comparison("reports", old_name, new_name, ranked, unknown=unknown)


def _reports(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> Iterator[Raw]:
    """Verdicts that changed; findings that are new, gone or of another severity or detail."""
    ours, theirs = (_by(side, lambda r: f"{r['subject']['kind']} {r['subject']['name']}") for side in (old, new))
    for name in sorted(ours.keys() | theirs.keys()):
        a, b = ours.get(name), theirs.get(name)
        was, now = (None if one is None else str(one["verdict"]) for one in (a, b))
        if was != now:
            yield Raw("verdict", name, "verdict", was, now)
        yield from _findings(name, a["findings"] if a else [], b["findings"] if b else [])


def _findings(subject: str, old: list[dict[str, str]], new: list[dict[str, str]]) -> Iterator[Raw]:
    def told(one: dict[str, str] | None) -> str | None:
        return None if one is None else f"{one['severity']}: {one['detail'] or one['title']}"

    ours, theirs = (_by(side, lambda f: f"{f['rule']} {f['subject']}") for side in (old, new))
    for key in sorted(ours.keys() | theirs.keys()):
        a, b = ours.get(key), theirs.get(key)
        if told(a) == told(b):
            continue
        words = sorted({one["severity"] for one in (a, b) if one is not None})
        kind = f"report-{words[0]}" if words[0] in ("error", "warning") else "report-note"
        why = "this finding is new or gone" if a is None or b is None else "this finding says something else"
        yield Raw(kind, subject, key.strip(), told(a), told(b), why=why)


def _by(ones: Iterable[dict[str, Any]], key: Callable[[dict[str, Any]], str]) -> Mapping[str, dict[str, Any]]:
    """The ones by key; of several with one key each has its number."""
    found: dict[str, dict[str, Any]] = {}
    for one in ones:
        name, number = key(one), 1
        while (f"{name} #{number}" if number > 1 else name) in found:
            number += 1
        found[f"{name} #{number}" if number > 1 else name] = one
    return found
