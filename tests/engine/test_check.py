"""The check of a repository as a library: what is looked at, what does not count, and what is told of it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

import deliverkit
from deliverkit.config import BadConfig, Config, load_config
from deliverkit.engine.check import CheckOptions, check, unreadable_of
from deliverkit.flow import Answer, Question, Status
from deliverkit.report.model import Report, Verdict, exit_status
from deliverkit.world import World
from deliverkit.world.doors import DnsDoor

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
ZONE = """$ORIGIN {name}.
$TTL 3600
@ IN SOA ns.example.net. hostmaster 1 7200 3600 1209600 3600
@ IN MX 10 mx
@ IN TXT "v=spf1 mx -all"
_dmarc IN TXT "v=DMARC1; p={policy}; rua=mailto:dmarc@{name}"
mx IN A 192.0.2.1
"""


def zone(name: str = "example.com", policy: str = "reject") -> str:
    """A sound zone."""
    return ZONE.format(name=name, policy=policy)


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """A repository with one zone, whose root is known by its .git."""
    (tmp_path / ".git").mkdir()
    (tmp_path / "dns" / "zones").mkdir(parents=True)
    (tmp_path / "dns" / "zones" / "a.zone").write_text(zone())
    return tmp_path / "dns"


def checked(folder: Path, text: str, world: World | None = None, **options: object) -> dict[tuple[str, str], Report]:
    """The reports of a configuration by kind and name, in a closed world that stands at NOW."""
    (folder / "deliverkit.toml").write_text(text)
    config = load_config(folder / "deliverkit.toml")
    below = world or World.offline(closed=True, now=NOW)
    reports = asyncio.run(check(config, CheckOptions(**options), world=below))  # type: ignore[arg-type]
    assert len({(r.subject.kind, r.subject.name) for r in reports}) == len(reports)
    return {(report.subject.kind, report.subject.name): report for report in reports}


def complaints(reports: dict[tuple[str, str], Report]) -> list[str]:
    """What could not be read."""
    return [str(one) for one in unreadable_of(reports.values())]


SOURCES = 'sources = "zones/*.zone"\n'
CONFIG = ("configuration", "dns/deliverkit.toml")


# -- sources ----------------------------------------------------------------------------------------------


def test_evidence_names_files_from_the_root_of_the_repository(repo: Path) -> None:
    """The folder with .git, not that of the configuration: a comment must land on the line."""
    reports = checked(repo, SOURCES + '[defaults.expect]\nspf-all = "~all"\n')
    assert set(reports) == {CONFIG, ("zone", "example.com"), ("domain", "example.com")}
    (found,) = [f for f in reports["domain", "example.com"].findings if f.rule == "EXP002"]
    assert [e.place for e in found.evidence] == ["dns/zones/a.zone:5", "dns/deliverkit.toml:3"]
    assert reports["domain", "example.com"].vantage.zones == ("dns/zones/a.zone",)


@pytest.mark.parametrize(
    ("pattern", "told"),
    [
        ("../*.zone", "dns/deliverkit.toml:1: '../*.zone' leads out of the folder of the configuration"),
        ("/etc/*.zone", "leads out of the folder"),
        ("zones/*.db", "dns/deliverkit.toml:1: 'zones/*.db' matches no file"),
        ("zones/b.zone", "dns/deliverkit.toml:1: 'zones/b.zone' is not there"),
    ],
)
def test_patterns_stay_inside_and_match_something(repo: Path, pattern: str, told: str) -> None:
    """Else the line of the configuration is named."""
    (complaint,) = complaints(checked(repo, f'sources = "{pattern}"\n'))
    assert told in complaint


def test_a_link_out_of_the_tree_is_not_followed(repo: Path, tmp_path: Path) -> None:
    """A link inside it is."""
    outside = tmp_path / "outside.zone"
    outside.write_text(zone("b.example"))
    (repo / "zones" / "b.zone").symlink_to(outside)
    reports = checked(repo, SOURCES)
    assert ["dns/zones/b.zone: is a link out of the folder" in one for one in complaints(reports)] == [True]
    assert ("domain", "b.example") not in reports
    (repo / "zones" / "b.zone").unlink()
    (repo / "c").write_text(zone("c.example"))
    (repo / "zones" / "c.zone").symlink_to(repo / "c")
    assert ("domain", "c.example") in checked(repo, SOURCES)


def test_patterns_go_into_folders_and_name_a_file_once(repo: Path) -> None:
    """Two stars; the same file by two patterns."""
    (repo / "zones" / "deep").mkdir()
    (repo / "zones" / "deep" / "b.zone").write_text(zone("b.example"))
    reports = checked(repo, 'sources = ["zones/**/*.zone", "zones/a.zone"]\n')
    assert {name for kind, name in reports if kind == "domain"} == {"example.com", "b.example"}


def test_two_files_of_one_zone_are_both_named(repo: Path) -> None:
    """The first is judged."""
    (repo / "zones" / "b.zone").write_text(zone())
    reports = checked(repo, SOURCES)
    assert complaints(reports) == [
        "dns/zones/b.zone: holds the zone example.com, and so does dns/zones/a.zone; keep the zone in one file"
    ]
    assert ("domain", "example.com") in reports


def test_a_zone_answers_for_the_others(repo: Path) -> None:
    """An include that leads into another file; and each report's vantage names its own zone alone."""
    (repo / "zones" / "a.zone").write_text(zone().replace("mx -all", "mx include:_spf.b.example -all"))
    text = zone("b.example").replace("mx -all", "mx ?all") + '_spf IN TXT "v=spf1 ip4:192.0.2.9 -all"\n'
    (repo / "zones" / "b.zone").write_text(text + "other.example. IN A 192.0.2.1\n")
    reports = checked(repo, SOURCES)
    here = reports["domain", "example.com"]
    assert here.verdict is Verdict.PASS
    assert "VANTAGE003" not in {f.rule for f in here.findings}
    assert "VANTAGE003" in {f.rule for f in reports["domain", "b.example"].findings}


def test_some_zones_are_no_domains(repo: Path) -> None:
    """Reverse zones, and those that hold single records."""
    soa = "@ IN SOA ns.example.net. hostmaster.example.net. 1 2 3 4 5\n"
    (repo / "zones" / "r.zone").write_text("$ORIGIN 2.0.192.in-addr.arpa.\n$TTL 60\n" + soa)
    (repo / "zones" / "k.zone").write_text("$ORIGIN _domainkey.example.com.\n$TTL 60\n" + soa)
    reports = checked(repo, SOURCES)
    assert {name for kind, name in reports if kind == "domain"} == {"example.com"}
    assert len([kind for kind, _ in reports if kind == "zone"]) == 3


def test_all_zones_may_be_switched_off(repo: Path) -> None:
    """Then the named domains alone are checked, by the zones all the same."""
    reports = checked(repo, SOURCES + 'all-zones = false\ndomains = ["news.example.com"]\n')
    assert {name for kind, name in reports if kind == "domain"} == {"news.example.com"}


def test_nothing_to_check_is_refused(repo: Path) -> None:
    """Not silently sound."""
    with pytest.raises(BadConfig, match="there is nothing to check"):
        checked(repo, 'world = "offline"\n')


def test_options_of_a_domain_that_cannot_be_meant_name_its_line(repo: Path) -> None:
    """As the audit says them."""
    with pytest.raises(BadConfig, match=r"dns/deliverkit.toml:2: example.com: sends-from '192.0.2': not an IP"):
        checked(repo, SOURCES + '[domains."example.com"]\nsends-from = ["192.0.2"]\n')
    with pytest.raises(BadConfig, match="via sendgird"):
        checked(repo, SOURCES + '[domains."example.com"]\nvia = ["sendgird"]\n')


def test_key_files_are_read_and_those_that_are_none_told(repo: Path) -> None:
    """A slip of the hand is no finding of the domain."""
    (repo / "s1.pem").write_text("no key")
    reports = checked(repo, SOURCES + '[domains."example.com"]\ndkim-keys = {s1 = "s1.pem", s2 = "s2.pem"}\n')
    assert [one.split(":")[0] for one in complaints(reports)] == ["dns/s1.pem", "dns/s2.pem"]


# -- what does not count ----------------------------------------------------------------------------------

IGNORE = '[[ignore]]\nrule = "EXP008"\nsubject = "{subject}"\nreason = "rollout"\nuntil = {until}\n'
WANTED = '[defaults.expect]\ndmarc = "reject"\n'


def test_an_ignore_moves_the_finding_and_gives_its_reason(repo: Path) -> None:
    """On the last day it still holds; the day after, the finding is back and the ignore is told."""
    (repo / "zones" / "a.zone").write_text(zone(policy="none"))
    reports = checked(repo, SOURCES + WANTED + IGNORE.format(subject="*.com", until="2026-11-22"))
    report = reports["domain", "example.com"]
    assert [(one.finding.rule, one.by, one.reason) for one in report.ignored] == [("EXP008", "ignore", "rollout")]
    assert exit_status(reports.values()) == 0
    reports = checked(repo, SOURCES + WANTED + IGNORE.format(subject="*.com", until="2026-11-21"))
    assert reports["domain", "example.com"].ignored == ()
    assert [f.rule for f in reports[CONFIG].findings] == ["CHECK002"]
    assert exit_status(reports.values()) == 1


def test_an_ignore_of_another_subject_matches_nothing(repo: Path) -> None:
    """Which is told of whole checks only."""
    (repo / "zones" / "a.zone").write_text(zone(policy="none"))
    text = SOURCES + WANTED + IGNORE.format(subject="*.net", until="2026-12-31")
    assert [f.rule for f in checked(repo, text)[CONFIG].findings] == ["CHECK003"]
    assert checked(repo, text, domains=("example.com",))[CONFIG].findings == ()


def test_what_could_not_be_told_of_an_ignored_rule_decides_nothing(repo: Path) -> None:
    """Else an ignore would turn 1 into 3."""
    world = World.offline(now=NOW)
    (repo / "zones" / "a.zone").write_text(zone().replace("mx -all", "mx include:_spf.example.net -all"))
    text = SOURCES + '[defaults]\nonly = "spf"\n'
    unknown = {i.rule for i in checked(repo, text, world)["domain", "example.com"].inconclusive if i.decisive}
    rules = ", ".join(f'"{rule}"' for rule in unknown)
    reports = checked(repo, text + f'[[ignore]]\nrule = [{rules}]\nreason = "the provider is down"\n', world)
    assert unknown and exit_status(reports.values()) == 0
    assert reports[CONFIG].findings == ()  # whether it matches is unknown too


def test_severities_reach_every_family(repo: Path) -> None:
    """Those of expectations and of zones as well."""
    (repo / "zones" / "a.zone").write_text(zone(policy="none"))
    report = checked(repo, SOURCES + WANTED + '[severity]\nEXP008 = "warning"\n')["domain", "example.com"]
    assert [f.severity for f in report.findings if f.rule == "EXP008"] == ["warning"]


# -- time -------------------------------------------------------------------------------------------------


class Flaky:
    """A DNS door that fails the first ``failures`` questions of a name, and answers from a world then."""

    tell = None

    def __init__(self, below: DnsDoor, name: str, failures: int) -> None:
        self.below, self.name, self.failures = below, name, failures

    async def ask(self, question: Question) -> Answer:
        if question.name == self.name and self.failures > 0:
            self.failures -= 1
            return Answer(question, Status.TIMEOUT)
        return await self.below.ask(question)

    async def aclose(self) -> None:
        """Nothing to let go of."""


@pytest.mark.parametrize(("retries", "verdict"), [(0, Verdict.UNKNOWN), (1, Verdict.UNKNOWN), (3, Verdict.PASS)])
def test_a_domain_is_looked_at_again(repo: Path, retries: int, verdict: Verdict) -> None:
    """What came later is told as such."""
    told = World.from_records({"_spf.example.net": {"TXT": "v=spf1 ip4:192.0.2.9 -all"}}, now=NOW)
    world = World(Flaky(told.dns, "_spf.example.net", 2), told.smtp, told.vantage, told.clock)
    (repo / "zones" / "a.zone").write_text(zone().replace("mx -all", "mx include:_spf.example.net -all"))
    text = SOURCES + f'retries = {retries}\nretry-wait = 0\n[defaults]\nonly = "spf"\n'
    report = checked(repo, text, world)["domain", "example.com"]
    assert report.verdict is verdict
    assert (report.subject.remark == "told at look 3") == (verdict is Verdict.PASS)


def test_what_the_time_did_not_reach_is_told(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a told world too: a report that decides nothing, never silence."""
    monkeypatch.setattr("deliverkit.engine.check.SECONDS", -1.0)
    reports = checked(repo, SOURCES)
    report = reports["domain", "example.com"]
    assert {i.reason for i in report.inconclusive if i.decisive} == {
        "the time of the check was spent before this domain was looked at"
    }
    assert exit_status(reports.values()) == 3


def test_ctrl_c_in_a_told_world_keeps_what_was_found(repo: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The others have a report that says so."""
    from deliverkit.engine import check as engine

    (repo / "zones" / "b.zone").write_text(zone("b.example"))
    audit = engine.audit

    async def stopped(name: str, **more: object) -> Report:
        if name == "b.example":
            raise KeyboardInterrupt
        return await audit(name, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(engine, "audit", stopped)
    from deliverkit.flow import at_once

    (repo / "deliverkit.toml").write_text(SOURCES + 'world = "closed-world"\n')
    reports = at_once(check(load_config(repo / "deliverkit.toml")))
    assert exit_status(reports) == 130
    verdicts = {r.subject.name: r.verdict for r in reports if r.subject.kind == "domain"}
    assert verdicts == {"example.com": Verdict.PASS, "b.example": Verdict.UNKNOWN}


# -- the library ------------------------------------------------------------------------------------------


def test_the_library_takes_a_file_a_folder_a_configuration_or_sources(
    repo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And finds the configuration by itself."""
    (repo / "deliverkit.toml").write_text(SOURCES + 'world = "closed-world"\n')
    config = load_config(repo / "deliverkit.toml")
    monkeypatch.chdir(repo / "zones")
    closed = World.offline(closed=True)
    for reports in (
        deliverkit.check(),
        deliverkit.check(repo),
        deliverkit.check(str(repo / "deliverkit.toml")),
        deliverkit.check(config),
        deliverkit.check([repo / "zones" / "a.zone"], world=closed),
    ):
        assert [r.subject.name for r in reports if r.subject.kind == "domain"] == ["example.com"]
        assert all(r.verdict is Verdict.PASS for r in reports)
        assert all(r.facts for r in reports if r.subject.kind == "domain")
    lean = deliverkit.check(config, facts=False)
    assert [r.facts for r in lean if r.subject.kind == "domain"] == [{}]


def test_a_domain_named_twice_is_looked_at_once(repo: Path) -> None:
    """By name, by zone and by option."""
    reports = checked(repo, SOURCES + 'domains = ["Example.COM"]\n', domains=("example.com", "EXAMPLE.com"))
    assert {name for kind, name in reports if kind == "domain"} == {"example.com"}


def test_an_empty_configuration_value_is_what_the_defaults_say(repo: Path) -> None:
    """Paths without a configuration: nothing is expected, everything is judged."""
    config = replace(Config(folder=repo), world="closed-world")
    reports = asyncio.run(check(config, CheckOptions(paths=(repo / "zones" / "a.zone",))))
    assert [r.subject.kind for r in reports] == ["zone", "domain"]


def test_expectations_come_out_of_a_journal_again() -> None:
    """An audit that was recorded with what its owner expects is replayed with it."""
    from deliverkit.engine.audit import AuditOptions, audit
    from deliverkit.facts.expected import Expectations
    from deliverkit.world.journal import Journal

    journal = Journal()
    world = World.from_records({"example.com": {"TXT": "v=spf1 ~all"}}, now=NOW).recorded(journal)
    expect = Expectations({"spf-all": "-all", "spf-includes": ("a.example",)}, {"spf-all": 3}, "deliverkit.toml")
    options = AuditOptions(only=("spf",), probe=False, expect=expect)
    report = asyncio.run(audit("example.com", world=world, options=options))
    (again,) = deliverkit.replay(Journal.parse(journal.octets()))
    assert [f.rule for f in report.findings if f.rule[:3] == "EXP"] == ["EXP002", "EXP003"]
    assert again.findings == report.findings


def test_pages_are_recorded_below_and_told_again(repo: Path) -> None:
    """A policy that was served; one that the journal does not hold is unknown."""
    from deliverkit.flow import Page
    from deliverkit.world.journal import Journal
    from deliverkit.world.journal_below import recorded_below, replayed_below
    from deliverkit.world.pages import ToldPages

    url = "https://mta-sts.example.com/.well-known/mta-sts.txt"
    policy = b"version: STSv1\r\nmode: testing\r\nmx: mx.example.com\r\nmax_age: 604800\r\n"
    told = World.from_records({}, now=NOW)
    told = World(
        told.dns, told.smtp, told.vantage, told.clock, ToldPages({url: Page(url, 200, "text/plain", "", policy)})
    )
    (repo / "zones" / "a.zone").write_text(zone() + '_mta-sts IN TXT "v=STSv1; id=1"\nmta-sts IN A 192.0.2.1\n')
    text = SOURCES + '[defaults]\nexpect = {mta-sts = "enforce"}\n'
    journal = Journal()
    checked(repo, text, recorded_below(told, journal, "x"))
    assert list(journal.sections[0].pages) == [url]
    again = replayed_below(Journal.parse(journal.octets()), now=NOW)
    report = checked(repo, text, again)["domain", "example.com"]
    assert "EXP012" in {f.rule for f in report.findings}
    journal.sections[0].pages.clear()
    report = checked(repo, text, replayed_below(Journal.parse(journal.octets()), now=NOW))["domain", "example.com"]
    assert [i.reason for i in report.inconclusive if i.rule == "EXP012"] == [
        f"the MTA-STS policy: {url}: not in the journal"
    ]
