"""Where a finding stands in a file, and what is said of it in one line: the seams that the formats for programs share.

What this file will not do: read a file. A report knows the line of a record and the characters of its value, not the
characters of the line; so no format claims a column.
"""

from __future__ import annotations

import functools
import posixpath
from collections.abc import Iterable, Sequence
from pathlib import PurePath
from typing import NamedTuple
from urllib.parse import quote

from deliverkit.facts.spf import SpfFacts
from deliverkit.findings import Evidence, Finding, Severity
from deliverkit.protocols.spf.tree import Tree
from deliverkit.report.model import Report, Verdict
from deliverkit.report.plain import plain

GRAVEST = (Verdict.FAIL, Verdict.UNKNOWN, Verdict.RISK, Verdict.PASS)
"""Verdicts, the gravest first."""

_SPF_LOOKUPS = 10  # RFC 7208 §4.6.4


class Place(NamedTuple):
    """A file, and its line (from 1) where that is known. ``file`` is as the report has it, with ``/`` between parts."""

    file: str
    line: int | None = None

    @property
    def uri(self) -> str:
        """A relative reference, or a file URI where the path is absolute, percent-encoded (RFC 3986 §2.1, RFC 8089)."""
        encoded = quote(self.file, safe="/", errors="surrogateescape")
        if self.file.startswith("/"):
            return f"file://{encoded}"
        return f"file:///{encoded}" if PurePath(self.file).is_absolute() else encoded

    @property
    def relative(self) -> bool:
        """True if the file is named from the folder in which deliverkit ran."""
        return not PurePath(self.file).is_absolute()


def place(evidence: Evidence) -> Place | None:
    """Where this was seen, or None if not in a file."""
    return None if not evidence.file else Place(_tidy(evidence.file), evidence.line)


def place_of(finding: Finding, otherwise: str | None = None) -> Place | None:
    """The first place of a finding in a file, else the file ``otherwise`` without a line."""
    found = next((one for one in map(place, finding.evidence) if one is not None), None)
    return found or (Place(_tidy(otherwise)) if otherwise else None)


def home(report: Report, reports: Sequence[Report] = ()) -> str | None:
    """The file in which a subject would be mended where no evidence names one: what is missing has no line.

    The source or the configuration that is judged; the zone file that is called after the domain, or the only one; at
    last the configuration of the run, which is among the ``reports``.
    """
    if report.subject.kind == "zone" and report.subject.remark:  # a source says its file there
        return report.subject.remark
    if report.subject.kind == "configuration":
        return report.subject.name
    zones = report.vantage.zones
    called = _called(zones).get(report.subject.name)
    if called is not None or len(zones) == 1:
        return called or zones[0]
    return next((r.subject.name for r in reports if r.subject.kind == "configuration"), None)


@functools.lru_cache(maxsize=4)  # one run has the same hundreds of zones in every report
def _called(zones: tuple[str, ...]) -> dict[str, str]:
    """The files by the domain they are called after: "example.com.zone", "example.com", "db.example.com"."""
    named: dict[str, str] = {}
    for zone in zones:
        name = PurePath(zone).name
        for domain in (name, name.rpartition(".")[0], name.removeprefix("db.")):
            named.setdefault(domain, zone)
    return named


def _tidy(file: str) -> str:
    return posixpath.normpath(PurePath(file).as_posix())


# -- words ------------------------------------------------------------------------------------------------


def headline(finding: Finding) -> str:
    """ "SPF004 too-many-lookups"."""
    return f"{finding.rule} {finding.slug}"


def summary(report: Report, finding: Finding, limit: int = 1000) -> str:
    """ "example.com: The SPF record needs more than ten DNS lookups: 12 terms query DNS", on one line and safe."""
    return plain(f"{about(report, finding)}: {finding.title.rstrip('.')}: {finding.detail}", limit)


def about(report: Report, finding: Finding) -> str:
    """Whom it is about: the report's subject, and the finding's own where that is another."""
    name = report.subject.name
    return name if finding.subject == name else f"{name}: {finding.subject}"


def failing(finding: Finding, fail_on: str) -> bool:
    """True if the finding reaches the threshold of --fail-on."""
    return fail_on != "never" and finding.severity.rank <= Severity(fail_on).rank


def number(reports: Iterable[Report], severity: Severity) -> int:
    """How many findings of this severity there are."""
    return sum(found.severity is severity for report in reports for found in report.findings)


def gravest(reports: Iterable[Report]) -> Verdict:
    """The gravest verdict; pass where there is none."""
    verdicts = {report.verdict for report in reports}
    return next((verdict for verdict in GRAVEST if verdict in verdicts), Verdict.PASS)


def spf_lookups(report: Report) -> int | None:
    """The lookups of the worst path (RFC 7208 §4.6.4); None where no tree was seen, or not all of it."""
    facts = report.facts.get("spf")
    tree = facts.raw("tree") if isinstance(facts, SpfFacts) else None
    if not isinstance(tree, Tree):
        return None
    worst = max(path.lookup_count for path in tree.worst)
    whole = not tree.unknown and not tree.cut
    return worst if whole or worst > _SPF_LOOKUPS else None
