"""Metrics in Prometheus' text format 0.0.4, for the textfile collector of the node exporter (``-o mail.prom``).

Every series has the subject's kind and name; subjects that appear twice are one series. What this file will not do:
give a sample a time of its own, which the collector refuses.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from deliverkit.report.model import Report, Verdict
from deliverkit.report.places import gravest, spf_lookups
from deliverkit.report.plain import plain

_LABEL = 300  # characters of a label's value


@dataclass
class _Metric:
    """One family of series: by the values of its labels."""

    help: str
    labels: tuple[str, ...]
    series: defaultdict[tuple[str, ...], float] = field(default_factory=lambda: defaultdict(float))


def render_prometheus(reports: Sequence[Report]) -> str:
    """All families with HELP and TYPE, each series once."""
    return "".join(line for name, metric in _metrics(reports).items() for line in _lines(name, metric))


def _metrics(reports: Sequence[Report]) -> dict[str, _Metric]:
    from deliverkit import __version__

    who = ("kind", "subject")
    metrics = {
        "deliverkit_build_info": _Metric("The program that wrote this.", ("version",)),
        "deliverkit_findings": _Metric("Findings that count, by rule.", (*who, "rule", "severity")),
        "deliverkit_ignored_findings": _Metric("Findings that do not count, by rule.", (*who, "rule", "by")),
        "deliverkit_verdict": _Metric("1 for the verdict on a subject, 0 for the others.", (*who, "verdict")),
        "deliverkit_inconclusive": _Metric("Rules that could not be told.", (*who, "decisive")),
        "deliverkit_rules": _Metric("Rules by outcome, beside those with findings.", (*who, "outcome")),
        "deliverkit_spf_lookups": _Metric("DNS lookups of the worst path of SPF; ten are allowed.", who),
        "deliverkit_run_duration_seconds": _Metric("Wall time of the run.", who),
        "deliverkit_last_run_timestamp_seconds": _Metric("When the run began.", who),
    }
    metrics["deliverkit_build_info"].series[__version__,] = 1
    subjects: defaultdict[tuple[str, str], list[Report]] = defaultdict(list)
    for report in reports:
        subjects[report.subject.kind, plain(report.subject.name, _LABEL)].append(report)
    for subject, same in subjects.items():
        for verdict in Verdict:
            metrics["deliverkit_verdict"].series[*subject, verdict.value] = float(verdict is gravest(same))
        for report in same:
            _count(metrics, subject, report)
    return metrics


def _count(metrics: dict[str, _Metric], subject: tuple[str, str], report: Report) -> None:
    for found in report.findings:
        metrics["deliverkit_findings"].series[*subject, found.rule, found.severity.value] += 1
    for ignored in report.ignored:
        metrics["deliverkit_ignored_findings"].series[*subject, ignored.finding.rule, ignored.by] += 1
    for decisive in (True, False):
        unknown = sum(one.decisive is decisive for one in report.inconclusive)
        metrics["deliverkit_inconclusive"].series[*subject, str(decisive).lower()] += unknown
    outcomes = {"passed": report.passed, "not_applicable": report.not_applicable, "not_asked": report.not_asked}
    for outcome, rules in outcomes.items():
        metrics["deliverkit_rules"].series[*subject, outcome] += len(rules)
    latest = {
        "deliverkit_spf_lookups": spf_lookups(report),
        "deliverkit_run_duration_seconds": report.elapsed_s,
        "deliverkit_last_run_timestamp_seconds": report.started.timestamp(),
    }
    for name, value in latest.items():
        if value is not None:
            series = metrics[name].series
            series[subject] = max(series[subject], value)


def _lines(name: str, metric: _Metric) -> Iterator[str]:
    if not metric.series:
        return
    yield f"# HELP {name} {metric.help}\n# TYPE {name} gauge\n"
    for values, number in metric.series.items():
        labels = ",".join(f'{label}="{_escaped(v)}"' for label, v in zip(metric.labels, values, strict=True))
        yield f"{name}{{{labels}}} {number:.15g}\n"


def _escaped(text: str) -> str:
    """A label's value: backslash, quotation mark and line feed are escaped; `plain` has left no line feed."""
    return plain(text).replace("\\", "\\\\").replace('"', '\\"')
