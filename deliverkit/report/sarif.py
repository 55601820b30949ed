"""SARIF 2.1.0 (OASIS standard, errata 01), as GitHub code scanning and editors read it: one run for all subjects.

Results stand on the line of the first evidence that has one, and carry the fingerprint by which a later run knows them
again. There are no ``fixes``: a replacement needs the exact region of the source (§3.57), and a report knows the line
alone; the records to publish and to take out are in the result's properties. What this file will not do: give a result
a made-up file. One without any has a logical location only, and GitHub refuses a file that holds such a result; with a
configuration or a zone file there is none (`places.home`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from deliverkit.findings import Evidence, Finding, Severity
from deliverkit.report.fingerprint import fingerprints
from deliverkit.report.jsonable import jsonable
from deliverkit.report.model import Ignored, Report, exit_status
from deliverkit.report.places import Place, home, place, place_of, summary
from deliverkit.report.plain import plain, plain_json
from deliverkit.report.rulebook import Page, every_finding, pages
from deliverkit.report.text import ignored_why

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_BASE = "%SRCROOT%"
_TEXT = 4000  # characters of a message
_EVIDENCE = 20  # pieces of evidence of a result
_AS_PLACEHOLDER = re.compile(r"\{(\d+)\}")
_AS_LINK = re.compile(r"\[(?=[^\]]*\]\()")


def render_sarif(reports: Sequence[Report], fail_on: str = "error") -> str:
    """All reports as one log of one run."""
    log = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [_run(reports, fail_on)]}
    return plain_json(json.dumps(log, indent=2, ensure_ascii=False) + "\n")


def _run(reports: Sequence[Report], fail_on: str) -> dict[str, Any]:
    ids = {found.rule for report in reports for found in every_finding(report)}
    book = pages(reports, ids | {one.rule for report in reports for one in report.inconclusive})
    index = {id_: number for number, id_ in enumerate(book)}
    baseline = any(report.fixed or any(one.by == "baseline" for one in report.ignored) for report in reports)
    ignoring = any(report.ignored for report in reports)
    results = []
    for report in reports:
        names = fingerprints(report)
        file = home(report, reports)
        held: list[tuple[Finding, Ignored | None]] = [(found, None) for found in report.findings]
        held += [(one.finding, one) for one in report.ignored]
        for (found, ignored), name in zip(held, names, strict=True):
            result = _result(report, found, index[found.rule], name, file)
            if ignoring:  # §3.27.23: where it is absent, nobody knows whether the result is suppressed
                result["suppressions"] = [_suppression(ignored)] if ignored else []
            if baseline:  # §3.27.24
                result["baselineState"] = "unchanged" if ignored and ignored.by == "baseline" else "new"
            results.append(result)
    return {
        "tool": {"driver": _driver(book)},
        "automationDetails": {"id": "deliverkit/", "description": {"text": "Mail: DNS, servers and messages"}},
        "originalUriBaseIds": {_BASE: {"description": {"text": "The folder in which deliverkit was run."}}},
        "columnKind": "utf16CodeUnits",
        "invocations": _invocations(reports, index, fail_on),
        "results": results,
        "properties": {
            "subjects": [
                {"kind": r.subject.kind, "name": plain(r.subject.name), "verdict": r.verdict.value} for r in reports
            ],
            "fixedSinceBaseline": [plain(text) for report in reports for text in report.fixed],
        },
    }


# -- rules ------------------------------------------------------------------------------------------------


def _driver(book: dict[str, Page]) -> dict[str, Any]:
    from deliverkit import __version__

    return {
        "name": "deliverkit",
        "version": __version__,
        "semanticVersion": __version__,
        "rules": [_descriptor(page) for page in book.values()],
    }


def _descriptor(page: Page) -> dict[str, Any]:
    """A rule (§3.49). It has no helpUri: its page is part of the program (`deliverkit explain`)."""
    fix = plain(page.fix) or "See the findings."
    words = {"error": "error", "warning": "warning", "note": "recommendation"}  # of GitHub
    return {
        "id": page.id,
        "name": "".join(word[:1].upper() + word[1:] for word in page.slug.split("-")) or page.id,
        "shortDescription": {"text": _said(page.title)},
        "fullDescription": {"text": _said(page.why or page.title)},
        "help": {
            "text": _said(f"Why: {page.why}\nFix: {fix}\nLaw: {page.reference}"),
            "markdown": f"**Why.** {plain(page.why)}\n\n**Fix.** {fix}\n\n{page.reference}",
        },
        "defaultConfiguration": {"level": page.severity.value},
        "properties": {
            "tags": ["email", page.family],
            "problem.severity": words[page.severity.value],
            "reference": page.reference,
        },
    }


# -- results ----------------------------------------------------------------------------------------------


def _result(report: Report, found: Finding, rule: int, name: str, file: str | None) -> dict[str, Any]:
    related = [one for one in map(_related, found.evidence[:_EVIDENCE]) if one is not None][1:]
    result = {
        "ruleId": found.rule,
        "ruleIndex": rule,
        "level": found.severity.value,
        "message": {"text": _said(f"{summary(report, found, _TEXT)}\nFix: {plain(found.fix.text, _TEXT)}")},
        "locations": [_location(report, found, place_of(found, file))],
        "partialFingerprints": {"deliverkit/v1": name},
        "properties": {
            "subject": plain(found.subject),
            "reference": found.reference,
            "evidence": [_evidence(one) for one in found.evidence[:_EVIDENCE]],
            "fix": jsonable(found.fix),
        },
    }
    if related:
        result["relatedLocations"] = [{"id": number, **one} for number, one in enumerate(related, 1)]
    return result


def _location(report: Report, found: Finding, where: Place | None) -> dict[str, Any]:
    logical = [{"name": plain(found.subject), "fullyQualifiedName": plain(found.subject), "kind": report.subject.kind}]
    return {**({"physicalLocation": _physical(where)} if where else {}), "logicalLocations": logical}


def _physical(where: Place) -> dict[str, Any]:
    artifact = {"uri": where.uri, **({"uriBaseId": _BASE} if where.relative else {})}
    region = {} if where.line is None else {"region": {"startLine": max(where.line, 1)}}
    return {"artifactLocation": artifact, **region}


def _related(evidence: Evidence) -> dict[str, Any] | None:
    """Other evidence in a file. What has none is in the properties: GitHub takes no location without a file."""
    where = place(evidence)
    return None if where is None else {"physicalLocation": _physical(where), "message": {"text": _evidence(evidence)}}


def _evidence(evidence: Evidence) -> str:
    head = " ".join(part for part in (evidence.name, evidence.type) if part)
    return _said(plain(f"{head}: {evidence.value}" if evidence.value else head, _TEXT))


def _suppression(ignored: Ignored) -> dict[str, Any]:
    """§3.35: "external" is what stands in a file beside the source."""
    return {"kind": "external", "status": "accepted", "justification": plain(ignored_why(ignored))}


def _said(text: str) -> str:
    """A message string (§3.11.5, §3.11.6): what looks like a placeholder or a link is neither.

    The standard doubles every brace. Many readers show them doubled, and a brace stands in the macros of many SPF
    records, so only those are doubled that would be replaced by an argument.
    """
    return _AS_LINK.sub(r"\\[", _AS_PLACEHOLDER.sub(r"{{\1}}", text))


# -- the run ----------------------------------------------------------------------------------------------


def _invocations(reports: Sequence[Report], index: dict[str, int], fail_on: str) -> list[dict[str, Any]]:
    invocation: dict[str, Any] = {
        "executionSuccessful": not any(report.interrupted for report in reports),
        "exitCode": exit_status(reports, fail_on),
        "toolExecutionNotifications": list(_notifications(reports, index)),
    }
    if reports:
        invocation["startTimeUtc"] = _time(min(report.started for report in reports))
        ends = (report.started + timedelta(seconds=report.elapsed_s) for report in reports)
        invocation["endTimeUtc"] = _time(max(ends))
    return [invocation]


def _notifications(reports: Sequence[Report], index: dict[str, int]) -> Iterator[dict[str, Any]]:
    """What could not be told (§3.58): an error where it could have been a finding of that level, else a note."""
    for report in reports:
        for one in report.inconclusive:
            level = Severity.ERROR if one.decisive else Severity.NOTE
            yield {
                "level": level.value,
                "message": {"text": _said(plain(f"{one.subject}: could not be told: {one.reason}", _TEXT))},
                "descriptor": {"id": "could-not-be-told"},
                "associatedRule": {"id": one.rule, "index": index[one.rule]},
            }


def _time(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"
