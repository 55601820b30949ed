"""Reports for the tests of the formats: plain ones, one with everything in it, and hostile ones from hypothesis.

What this file will not do: judge, or render.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime

from hypothesis import strategies as st

from deliverkit.facts.vantage import Vantage
from deliverkit.findings import Evidence, Finding, Fix, Inconclusive, RecordText, Severity
from deliverkit.report.model import Ignored, Report, Subject

HOSTILE = "\x1b]0;owned\x07\x1b[31m\x9b31m\x7f<script>alert(1)</script>\u202e\U000e0041`${x}`\udcff\ufffe\r\n| a | b |"


def one(severity: Severity = Severity.ERROR, text: str = "what is wrong here", rule: str = "SPF999") -> Finding:
    """A finding with evidence, a span and a record to publish."""
    evidence = Evidence("dns", "example.com", "TXT", f"v=spf1 include:a {text} -all", file="zone", line=3, span=(7, 16))
    new, gone = RecordText("example.com", "TXT", "v=spf1 mx -all"), RecordText("old.example.com", "TXT", text)
    fix = Fix(f"Publish another record: {text}", (new,), (gone,), rejudged=True, effect=f"error → pass, {text}")
    return Finding(rule, "some-fault", severity, "example.com", "A fault.", text, (evidence,), fix, "RFC 7208 §4")


def bare(severity: Severity = Severity.ERROR, rule: str = "DMARC999") -> Finding:
    """A finding about what is not there: its evidence stands in no file."""
    seen = Evidence("dns", "_dmarc.example.com", "TXT", "nxdomain")
    return Finding(rule, "absent", severity, "example.com", "It is absent.", "none", (seen,), Fix("Publish it."), "§1")


def report(*findings: Finding, **more: object) -> Report:
    """A report without facts."""
    base = Report(Subject("domain", "example.com"), Vantage("offline"), datetime(2026, 11, 22, 10, tzinfo=UTC), 0.4)
    return replace(base, findings=findings, **more)  # type: ignore[arg-type]


def unknown(*, decisive: bool = True, rule: str = "MX999") -> Inconclusive:
    """A rule that could not be told."""
    return Inconclusive(rule, "example.com", "MX example.com: timeout", decisive)


def everything() -> Report:
    """A report with a rule of every outcome, real ones among them."""
    return report(
        one(rule="SPF004"),
        one(Severity.WARNING, rule="SPF018"),
        bare(Severity.NOTE),
        inconclusive=(unknown(), unknown(decisive=False, rule="PTR999"), unknown(rule="SPF004")),
        passed=("SPF001", "SPF002"),
        not_applicable=("SPF003",),
        not_asked=("BIMI001",),
        ignored=(
            Ignored(one(rule="DKIM001"), "ignore", "the provider moves the key", date(2027, 1, 31)),
            Ignored(bare(), "baseline"),
        ),
        fixed=("TLSRPT001 example.com: no record",),
    )


TEXTS = st.one_of(
    st.text(max_size=60),
    st.lists(
        st.sampled_from(
            [HOSTILE, "]]>", "<![CDATA[", "\n::error::x", "##[error]y", "%0A", "{0}", "[a](1)", '"', "\\", "'", "|",
             "=1+1", "@x", "-1", "\x00", "\udc80", "\uffff", "\U0001f980", ",", ":", "\u2028", "a" * 3000]
        ),
        max_size=4,
    ).map("".join),
)  # fmt: skip
"""Text as a stranger would publish it."""

_FILES = st.one_of(st.none(), st.sampled_from(["zones/a b.zone", "./x,y:z.zone", "/abs/é.zone", "../up", "%41"]), TEXTS)


@st.composite
def _evidence(draw: st.DrawFn) -> Evidence:
    value = draw(TEXTS)
    span = draw(st.none() | st.tuples(st.integers(0, 50), st.integers(0, 50)).map(lambda s: (min(s), max(s))))
    file = draw(_FILES)
    line = draw(st.none() | st.integers(0, 2**31)) if file else None
    return Evidence("dns", draw(TEXTS), draw(TEXTS), value, file=file, line=line, span=span)


@st.composite
def _findings(draw: st.DrawFn) -> Finding:
    rule = draw(st.sampled_from(["SPF004", "DMARC001", "ZZZ999"]))
    record = RecordText(draw(TEXTS), "TXT", draw(TEXTS))
    fix = Fix(draw(TEXTS), (record,), (record,), effect=draw(TEXTS))
    seen = tuple(draw(st.lists(_evidence(), max_size=2)))
    return Finding(
        rule, "some-fault", draw(st.sampled_from(Severity)), draw(TEXTS), draw(TEXTS), draw(TEXTS), seen, fix, "RFC 1"
    )


@st.composite
def hostile_reports(draw: st.DrawFn) -> list[Report]:
    """Up to two reports, all of whose text came from strangers."""
    made = []
    for _ in range(draw(st.integers(0, 2))):
        kept = [Ignored(f, "ignore", draw(TEXTS)) for f in draw(st.lists(_findings(), max_size=1))]
        lost = [Inconclusive("MX001", draw(TEXTS), draw(TEXTS), draw(st.booleans()))] * draw(st.integers(0, 1))
        vantage = Vantage("offline", zones=tuple(draw(st.lists(TEXTS, max_size=2))))
        made.append(
            replace(
                report(*draw(st.lists(_findings(), max_size=2))),
                subject=Subject(draw(st.sampled_from(["domain", "message", "configuration"])), draw(TEXTS)),
                vantage=vantage,
                ignored=tuple(kept),
                inconclusive=tuple(lost),
                fixed=tuple(draw(st.lists(TEXTS, max_size=1))),
            )
        )
    return made
