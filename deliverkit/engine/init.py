"""The first configuration of a repository, written from what its domains publish today.

Nothing is asked that can be found out: selectors, the end of SPF and its lookups, the DMARC policy, the MX hosts and
the records beside them become expectations, so that from now on a change of one of them fails the check. What only the
owner knows (addresses the mail leaves from, providers it leaves through) stands there as a comment to fill in. What
this file will not do: judge what is published, or write a file.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path, PurePosixPath
from typing import Any

from deliverkit.engine.audit import AuditOptions, audit
from deliverkit.facts.base import Missing
from deliverkit.facts.bimi import BimiFacts
from deliverkit.facts.dkim import DkimFacts
from deliverkit.facts.dmarc import DmarcFacts
from deliverkit.facts.mtasts import MtaStsFacts
from deliverkit.facts.mx import MxFacts
from deliverkit.facts.providers import ProvidersFacts
from deliverkit.facts.spf import SpfFacts
from deliverkit.facts.tlsrpt import TlsRptFacts
from deliverkit.report.model import Report
from deliverkit.report.plain import plain
from deliverkit.world import World

COMFORTABLE_LOOKUPS = 8
"""Lookups of SPF up to which a record may grow before somebody should look at it (the law's limit is 10)."""

SUFFIXES = ("", ".zone", ".db", ".dns", ".hosts", ".master", ".txt", ".yaml", ".yml", ".json")
"""Suffixes under which people keep zones."""
MOST_SOURCES = 2_000
"""Files with records that are looked for; more are better named by hand."""


async def looked_at(domain: str, *, world: World, selectors: Sequence[str] = ()) -> Report:
    """What a domain publishes today; ``selectors`` are known to be its own. Raises `deliverkit.names.BadName`."""
    return await audit(domain, world=world, options=AuditOptions(selectors=tuple(selectors), probe=False))


def sources_below(folder: Path) -> list[str]:
    """Patterns of the files below a folder that hold records, relative to it; git's ignored files are left out."""
    from deliverkit.engine.sourcetree import DiskTree
    from deliverkit.world.sources import kind_of

    told: dict[tuple[str, str], list[str]] = {}
    others: Counter[tuple[str, str]] = Counter()
    for path in (path for path in DiskTree(folder).paths if PurePosixPath(path).suffix.lower() in SUFFIXES):
        place = str(PurePosixPath(path).parent), PurePosixPath(path).suffix
        if sum(map(len, told.values())) >= MOST_SOURCES:
            break
        if kind_of(folder / path) is None:
            others[place] += 1
        else:
            told.setdefault(place, []).append(path)
    patterns: list[str] = []
    for place, paths in told.items():
        whole = len(paths) > 1 and place[1] and not others[place]  # the pattern takes in nothing else
        patterns += [str(PurePosixPath(place[0]) / f"*{place[1]}")] if whole else paths
    return sorted(patterns)


def zones_of(folder: Path, patterns: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """The zones of these sources, those of addresses left out, with the selectors in each. Raises ZoneError."""
    from deliverkit.engine.sources import selectors_in
    from deliverkit.world.sources import read_source

    found: dict[str, tuple[str, ...]] = {}
    for file in (file for pattern in patterns for file in sorted(folder.glob(pattern))):
        for zone in (one.zone for one in read_source(file, shown=str(file.relative_to(folder)))):
            if not zone.origin.endswith(".arpa"):
                found[zone.origin] = selectors_in(zone)
    return found


def written(reports: Sequence[Report], *, sources: Sequence[str] = (), today: date) -> str:
    """The text of a deliverkit.toml for these domains. ``sources`` are paths or patterns of files with records."""
    lines = [
        f"# What `deliverkit check` checks. Written by `deliverkit init` on {today} from what DNS said;",
        "# from now on it is yours. Every key: `deliverkit explain configuration`.",
        "",
    ]
    if sources:
        lines += ["# The records before they are published: findings land on their lines.", *_array("sources", sources)]
    else:
        lines += ["# Zone files, octoDNS files or Terraform plans, to be judged before they are published:"]
        lines += ['# sources = ["zones/*.zone"]']
    lines += ['fail-on = "error"', ""]
    for report in reports:
        lines += [*_domain(report), ""]
    return "\n".join(lines).rstrip("\n") + "\n"


def _domain(report: Report) -> Iterator[str]:
    """The table of one domain."""
    facts = report.facts
    yield f"[domains.{_text(report.subject.name)}]"
    if _parked(facts):
        yield "parked = true  # a null MX, and SPF allows nobody"
    dkim, via = facts["dkim"], facts["providers"]
    selectors = _selectors(dkim)
    if selectors:
        yield from _array("selectors", selectors, "found in DNS; add those that are missing")
    elif not _parked(facts):
        why = f" ({plain(dkim.reason)})" if isinstance(dkim, Missing) else ""
        yield f'# selectors = ["s1"]  # none was found by trying common ones{why}: name yours'
    if not _parked(facts):
        yield '# sends-from = ["192.0.2.1"]  # addresses your own servers send from'
        if isinstance(via, ProvidersFacts) and via.seen:
            names = ", ".join(_text(one.provider.id) for one in via.seen)
            yield f"# via = [{names}]  # recognised in DNS; keep those your mail leaves through"
    yield ""
    yield f"[domains.{_text(report.subject.name)}.expect]"
    yield from _expected(facts, selectors)


def _parked(facts: dict[str, Any]) -> bool:
    """True for a domain that says it neither receives (RFC 7505) nor sends (RFC 7208 §10.1.2)."""
    mx, spf = facts["mx"], facts["spf"]
    null = isinstance(mx, MxFacts) and mx.answer.known and mx.null
    record = spf.raw("record") if isinstance(spf, SpfFacts) else None
    return bool(null and isinstance(record, str) and record.lower().split() == ["v=spf1", "-all"])


def _selectors(dkim: Any) -> list[str]:
    """Selectors with a key that can be used."""
    if not isinstance(dkim, DkimFacts) or isinstance(dkim.raw("selectors"), Missing):
        return []
    return [one.selector for one in dkim.selectors if any(record.usable for _, record in one.raw("records") or ())]


def _expected(facts: dict[str, Any], selectors: Sequence[str]) -> Iterator[str]:
    """The expectations, protocol by protocol; what could not be told says so."""
    yield from _spf(facts["spf"])
    if selectors:
        yield from _array("dkim", selectors)
    yield from _dmarc(facts["dmarc"])
    yield from _mx(facts["mx"])
    for key, protocol, kind, there in (
        ("mta-sts", "mtasts", MtaStsFacts, '"record"'),
        ("tls-rpt", "tlsrpt", TlsRptFacts, "true"),
        ("bimi", "bimi", BimiFacts, "true"),
    ):
        seen = facts[protocol]
        if isinstance(seen, Missing) or isinstance(seen.raw("record"), Missing):
            yield _untold(key, seen if isinstance(seen, Missing) else seen.raw("record"))
        elif isinstance(seen, kind) and seen.record is not None:
            yield f"{key} = {there}"


def _untold(key: str, why: Missing) -> str:
    return f"# {key} = …  # could not be told: {plain(why.reason)}"


def _spf(spf: Any) -> Iterator[str]:
    if not isinstance(spf, SpfFacts) or isinstance(spf.raw("record"), Missing):
        yield _untold("spf", spf if isinstance(spf, Missing) else spf.raw("record"))
        return
    if spf.record is None:
        yield '# spf = "pass"  # there is no SPF record, or more than one'
        return
    tree = spf.raw("tree")
    every = next((term for term in reversed(spf.record.lower().split()) if term.lstrip("+-~?") == "all"), None)
    yield 'spf = "pass"'
    if every is not None:
        yield f"spf-all = {_text(every if every[0] in '+-~?' else f'+{every}')}"
    if tree is None or isinstance(tree, Missing):
        return
    count = max(worst.lookup_count for worst in tree.worst)
    if count <= 10:
        yield f"lookups-max = {max(count, COMFORTABLE_LOOKUPS)}  # today {count}"


def _dmarc(dmarc: Any) -> Iterator[str]:
    if not isinstance(dmarc, DmarcFacts) or isinstance(dmarc.raw("policy"), Missing):
        yield _untold("dmarc", dmarc if isinstance(dmarc, Missing) else dmarc.raw("policy"))
        return
    if dmarc.policy is None:
        yield '# dmarc = "none"  # there is no DMARC record that applies'
        return
    yield f"dmarc = {_text(dmarc.policy)}"
    record = dmarc.record
    if record is not None and not dmarc.inherited:
        if record.sp:
            yield f"dmarc-subdomains = {_text(record.sp)}"
        if record.reports_to:
            yield from _array("dmarc-rua", [uri.text for uri in record.reports_to])


def _mx(mx: Any) -> Iterator[str]:
    if not isinstance(mx, MxFacts) or not mx.answer.known:
        yield _untold("mx", mx if isinstance(mx, Missing) else Missing(mx.answer.why()))
    elif mx.null:
        yield 'mx = "null"'
    elif mx.hosts and not mx.implicit:
        yield from _array("mx", [host.name for host in mx.hosts])
    else:
        yield 'mx = "none"'


def _array(key: str, texts: Sequence[str], remark: str = "") -> Iterator[str]:
    line = f"{key} = [{', '.join(map(_text, texts))}]"
    yield f"{line}  # {remark}" if remark else line


def _text(text: str) -> str:
    """A basic string of TOML (v1.0.0, "String"): what came from DNS may hold anything."""
    return (
        '"'
        + "".join(
            f"\\{c}" if c in '"\\' else c if 0x20 <= ord(c) < 0x7F else f"\\u{ord(c):04X}" if ord(c) < 0x10000 else c
            for c in text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
        )
        + '"'
    )
