"""What a domain publishes about its mail, in the few values that a change is told in; read from a JSON report.

A report may come from anybody: what is not of the type it must have counts as not told. What this file will not do:
compare, or know a rule.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

_LONGEST = 2_000  # characters of one text that are kept
_MOST = 500  # entries of one list
BETWEEN = " // "
"""Stands between several SPF records of one name."""


@dataclass(frozen=True, slots=True)
class Key:
    """A DKIM key at a selector: a digest of its public half, for telling one from another."""

    digest: str
    bits: int | None
    usable: bool


@dataclass(frozen=True, slots=True)
class Posture:
    """One domain. Each part is None where it could not be told or was not asked; `untold` says why.

    ``spf`` is the record, "" for none; ``terms`` are its terms with the lookups of each and all below it; ``lookups``
    the most that a receiver may need. ``dmarc`` are the tags of the record that applies (empty: there is none), with
    the policy published as "policy". ``keys`` are those at each selector that was looked at, ``aliases`` where it
    leads. ``mx`` maps host to preference; the host "." is a null MX.
    """

    name: str
    spf: str | None = None
    terms: Mapping[str, int] = field(default_factory=dict)
    lookups: int | None = None
    dmarc: Mapping[str, Any] | None = None
    keys: Mapping[str, tuple[Key, ...]] | None = None
    aliases: Mapping[str, str] = field(default_factory=dict)
    mx: Mapping[str, int] | None = None
    mtasts: str | None = None
    tlsrpt: str | None = None
    bimi: str | None = None
    untold: tuple[str, ...] = ()


def posture(report: Mapping[str, Any]) -> Posture | None:
    """What a report of an audit tells; None for a report on anything else."""
    subject, facts = _table(report.get("subject")), _table(report.get("facts"))
    if subject.get("kind") != "domain" or not facts:
        return None
    spf, dmarc, mx = (_table(facts.get(name)) for name in ("spf", "dmarc", "mx"))
    placed = {name: _placed(_table(facts.get(name))) for name in ("mtasts", "tlsrpt", "bimi")}
    parts: dict[str, Any] = {
        "spf": _spf(spf),
        "dmarc": _dmarc(dmarc),
        "keys": _keys(_table(facts.get("dkim"))),
        "mx": _mx(mx),
        **placed,
    }
    return Posture(
        name=_text(subject.get("name")),
        terms=_terms(_table(spf.get("tree"))),
        lookups=_lookups(_table(spf.get("worst_path"))),
        aliases=_aliases(_table(facts.get("dkim"))),
        untold=tuple(name for name, value in parts.items() if value is None and facts.get(_FACTS.get(name, name))),
        **parts,
    )


_FACTS = {"keys": "dkim"}


def _table(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _list(value: Any) -> list[Any]:
    return value[:_MOST] if isinstance(value, list) else []


def _text(value: Any) -> str:
    return value[:_LONGEST] if isinstance(value, str) else ""


def _number(value: Any) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _known(status: Any) -> bool:
    return status in ("ok", "nodata", "nxdomain")


def _spf(spf: dict[str, Any]) -> str | None:
    """The one record; "" for none; several, which is permerror, one after the other (RFC 7208 §4.5)."""
    if not _known(spf.get("status")):
        return None
    return BETWEEN.join(_text(record) for record in _list(spf.get("records")))


def _terms(tree: dict[str, Any]) -> dict[str, int]:
    found = ((_text(one.get("term")), one) for one in map(_table, _list(tree.get("terms"))))
    return {term: _number(one.get("subtree_lookups")) or _number(one.get("lookups")) or 0 for term, one in found}


def _lookups(worst: dict[str, Any]) -> int | None:
    counts = [_number(_table(one).get("lookups")) for one in worst.values()]
    return max((count for count in counts if count is not None), default=None)


def _dmarc(dmarc: dict[str, Any]) -> dict[str, Any] | None:
    if not dmarc or dmarc.get("trouble"):
        return None
    steps = [_table(step) for step in _list(dmarc.get("steps"))]
    record = _table(dmarc.get("record"))
    if not record:
        return {} if all(_known(step.get("status")) for step in steps) else None
    tags = {tag: _text(record.get(tag)) or None for tag in ("p", "sp", "np", "adkim", "aspf")}
    return {
        **tags,
        "t": bool(record.get("t")),
        "policy": _text(dmarc.get("policy")) or None,
        "at": _text(dmarc.get("record_domain")),
        "rua": tuple(sorted(filter(None, map(_text, _list(record.get("rua")))))),
    }


def _selectors(dkim: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for one in map(_table, _list(dkim.get("selectors"))):
        if _text(one.get("selector")):
            yield _text(one.get("selector")), one


def _keys(dkim: dict[str, Any]) -> dict[str, tuple[Key, ...]] | None:
    """The keys of the selectors that were told."""
    if not isinstance(dkim.get("selectors"), list):
        return None
    return {
        name: tuple(_key(_table(key)) for key in _list(one.get("keys")))
        for name, one in _selectors(dkim)
        if _known(one.get("status"))
    }


def _key(key: dict[str, Any]) -> Key:
    """The key by its ``p=``: another order of tags is no other key."""
    tags = dict(part.strip().partition("=")[::2] for part in _text(key.get("record")).split(";"))
    public = "".join(next((value for tag, value in tags.items() if tag.strip() == "p"), "").split())
    return Key(hashlib.sha256(public.encode()).hexdigest()[:12], _number(key.get("bits")), key.get("usable") is True)


def _aliases(dkim: dict[str, Any]) -> dict[str, str]:
    return {name: _text(_list(one.get("aliases"))[-1]) for name, one in _selectors(dkim) if _list(one.get("aliases"))}


def _mx(mx: dict[str, Any]) -> dict[str, int] | None:
    answer = _table(mx.get("answer"))
    if not _known(answer.get("status")):
        return None
    rows = [row for row in _list(answer.get("records")) if isinstance(row, list) and len(row) == 2]
    return {_text(host): _number(preference) or 0 for preference, host in rows}


def _placed(facts: dict[str, Any]) -> str | None:
    """The text of the one record at its place; "" for none."""
    if not _known(_table(facts.get("answer")).get("status")):
        return None
    return _text(_table(facts.get("record")).get("text"))
