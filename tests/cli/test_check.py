"""``deliverkit check`` as a person and a CI job type it: statuses, what cannot be read, baseline, journal, Ctrl-C."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from deliverkit.demo.nameserver import Nameserver
from deliverkit.world.journal import Journal
from deliverkit.world.zone import Zone
from tests.cli.command import GOOD_ZONE, ROOT, Typed, start
from tests.cli.test_signals import Silence, interrupt, silence  # noqa: F401 - a fixture

SCHEMA = jsonschema.Draft202012Validator(json.loads((ROOT / "docs" / "report.schema.json").read_text("utf-8")))
CONFIG = """sources = ["zones/*.zone"]
world = "closed-world"
[defaults.expect]
dmarc = "reject"
"""
WEAK = GOOD_ZONE.replace("p=reject", "p=none")


@pytest.fixture
def repository(folder: Path) -> Path:
    """A repository with one sound zone and a configuration that expects something of it."""
    (folder / "zones").mkdir()
    (folder / "good.zone").rename(folder / "zones" / "good.zone")
    (folder / "deliverkit.toml").write_text(CONFIG)
    return folder


def reports_of(text: str) -> dict[tuple[str, str], dict[str, Any]]:
    """The reports of a JSON output by kind and name."""
    whole = json.loads(text)
    SCHEMA.validate(whole)
    every = whole.get("reports", [whole])
    return {(one["subject"]["kind"], one["subject"]["name"]): one for one in every}


def serving(text: str) -> Nameserver:
    """An honest name server for one zone."""
    return Nameserver([Zone.parse(text)])


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """No configuration in any folder above, whatever lies on this machine."""
    monkeypatch.setattr("deliverkit.config.find_config", lambda start: None)


# -- statuses ---------------------------------------------------------------------------------------------


def test_a_sound_repository_ends_with_0(deliverkit: Typed, repository: Path) -> None:
    """What is sound is told in one line."""
    ended = deliverkit("check")
    assert (ended.status, ended.err) == (0, "")
    assert ended.out.splitlines()[-1] == "Sound: configuration deliverkit.toml; zone example.com"


def test_a_finding_ends_with_1_and_stands_on_its_line(deliverkit: Typed, repository: Path) -> None:
    """The line of the zone, then the line that expects otherwise."""
    (repository / "zones" / "good.zone").write_text(WEAK)
    ended = deliverkit("check", "--format", "json")
    assert ended.status == 1
    (found,) = [f for f in reports_of(ended.out)["domain", "example.com"]["findings"] if f["rule"] == "EXP008"]
    assert [(e["file"], e["line"]) for e in found["evidence"]] == [("zones/good.zone", 6), ("deliverkit.toml", 4)]


def test_an_unknown_ends_with_3(deliverkit: Typed, repository: Path) -> None:
    """An include that nobody answers for."""
    (repository / "zones" / "good.zone").write_text(GOOD_ZONE.replace("mx -all", "mx include:other.example -all"))
    assert deliverkit("check", "--offline", "-q").status == 3
    assert deliverkit("check", "-q").status == 1  # in a closed world there is no such name


def test_fail_on_of_the_configuration_holds_unless_typed(deliverkit: Typed, repository: Path) -> None:
    """DKIM was not found: a note."""
    (repository / "deliverkit.toml").write_text('fail-on = "note"\n' + CONFIG)
    assert deliverkit("check", "-q").status == 1
    assert deliverkit("check", "-q", "--fail-on", "error").status == 0


@pytest.mark.usefixtures("nowhere")
def test_nothing_at_all_ends_with_2_and_says_how_to_begin(deliverkit: Typed) -> None:
    """No configuration and no path."""
    ended = deliverkit("check")
    assert ended.status == 2
    assert "deliverkit init DOMAIN" in ended.complaint


@pytest.mark.usefixtures("nowhere")
def test_without_a_configuration_the_paths_are_the_sources(deliverkit: Typed, folder: Path) -> None:
    """A zone file that lies around."""
    assert deliverkit("check", "good.zone", "--closed-world", "-q").status == 0
    ended = deliverkit("check", ".", "--closed-world", "--format", "json")
    assert set(reports_of(ended.out)) == {("zone", "example.com"), ("domain", "example.com")}


# -- what cannot be read ----------------------------------------------------------------------------------


@pytest.mark.parametrize("format_", ["json", "markdown", "html", "text"])
def test_every_source_that_cannot_be_read_is_told_and_the_others_judged(
    deliverkit: Typed, repository: Path, format_: str
) -> None:
    """Two broken zones: both on stderr with their lines, both in the report; the sound one has its report."""
    broken = GOOD_ZONE.replace("example.com", "b.example") + "a IN A 192.0.2.1\n" * 4000 + "x IN A 192.0.2.256\n"
    (repository / "zones" / "b.zone").write_text(broken)
    (repository / "zones" / "c.zone").write_text("$ORIGIN c.example.\n@ IN MX 10\n")
    ended = deliverkit("check", "--format", format_, "-o", "report.out")
    assert ended.status == 2
    assert [line.split(": ")[1] for line in ended.err.splitlines()] == ["zones/b.zone:4009", "zones/c.zone:2"]
    written = (repository / "report.out").read_text()
    assert "c.zone" in written and "CHECK001" in written
    if format_ == "json":
        reports = reports_of(written)
        places = [f["evidence"][0] for f in reports["configuration", "deliverkit.toml"]["findings"]]
        assert [(p["file"], p["line"]) for p in places] == [("zones/b.zone", 4009), ("zones/c.zone", 2)]
        assert reports["domain", "example.com"]["verdict"] == "pass"


def test_a_broken_configuration_still_makes_a_report_where_one_was_asked_for(
    deliverkit: Typed, repository: Path
) -> None:
    """No TOML: one line on stderr; nothing on stdout unless a format was asked for."""
    (repository / "deliverkit.toml").write_text('sources = ["zones/*.zone"\n')
    ended = deliverkit("check")
    assert (ended.status, ended.out) == (2, "")
    assert ended.complaint.startswith("Error: deliverkit.toml:1: no TOML")
    ended = deliverkit("check", "--format", "json")
    assert ended.status == 2
    ((kind, _),) = reports_of(ended.out)
    assert kind == "configuration"


@pytest.mark.skipif(os.getuid() == 0, reason="root may read everything")
def test_a_source_without_rights_is_told(deliverkit: Typed, repository: Path) -> None:
    """Only where the test does not run as root."""
    (repository / "zones" / "good.zone").chmod(0)
    ended = deliverkit("check")
    assert ended.status == 2
    assert "zones/good.zone: cannot be read" in ended.err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--config", "nowhere.toml"), "nowhere.toml: cannot be read"),
        (("--environment", "staging"), "there is no environment 'staging'"),
        (("--domain", "exmple.com"), "exmple.com is no domain of deliverkit.toml; did you mean example.com?"),
        (("--domain", "192.0.2.1"), "is an IP address"),
        (("--replay", "nowhere.jsonl"), "nowhere.jsonl: cannot read"),
        (("--replay", "zones/good.zone"), "is no journal of deliverkit"),
        (("--record", "x.jsonl"), "--record makes no sense without a network"),
        (("--record", "x.jsonl", "--replay", "y.jsonl"), "exclude each other"),
        (("--only", "spam"), "there is no such protocol"),
        (("--nameserver", "nobody"), "check --offline"),
        (("--nameserver", "nobody", "--record", "x.jsonl"), "check --offline"),
        (("deliverkit.tml",), "deliverkit.tml: is none of the sources"),
    ],
)
def test_what_cannot_be_meant_ends_with_2(
    deliverkit: Typed, repository: Path, words: tuple[str, ...], told: str
) -> None:
    """One line that says what, and what to do."""
    world = ("--offline",) if words == ("--record", "x.jsonl") else ()
    ended = deliverkit("check", *words, *world)
    assert ended.status == 2
    assert told in ended.err


def test_an_unknown_rule_is_refused_with_the_nearest_and_its_line(deliverkit: Typed, repository: Path) -> None:
    """In [severity] and in an ignore."""
    (repository / "deliverkit.toml").write_text(CONFIG + '[severity]\nSPF04 = "note"\n')
    assert "deliverkit.toml:6: there is no rule 'SPF04'; did you mean SPF0" in deliverkit("check").complaint
    (repository / "deliverkit.toml").write_text(CONFIG + '[[ignore]]\nrule = "no-record"\nreason = "x"\n')
    assert "did you mean " in deliverkit("check").complaint


# -- narrowing --------------------------------------------------------------------------------------------


def test_paths_narrow_the_check_to_what_they_hold(deliverkit: Typed, repository: Path) -> None:
    """Also a file that is included; the configuration itself means everything."""
    other = GOOD_ZONE.replace("example.com", "b.example") + "$INCLUDE b.inc\n"
    (repository / "zones" / "b.zone").write_text(other)
    (repository / "zones" / "b.inc").write_text("www IN A 192.0.2.80\n")

    def domains(*words: str) -> set[str]:
        return {name for kind, name in reports_of(deliverkit("check", *words, "--format", "json").out) if kind != "x"}

    assert domains("zones/b.zone") == {"b.example", "deliverkit.toml"}
    assert domains("zones/b.inc") == {"b.example", "deliverkit.toml"}
    everything = {"b.example", "example.com", "deliverkit.toml"}
    assert domains("deliverkit.toml") == domains("zones") == domains() == everything
    assert domains("--domain", "www.b.example") == {"www.b.example", "b.example", "deliverkit.toml"}


# -- baseline ---------------------------------------------------------------------------------------------


def test_a_baseline_lets_new_findings_alone_count(deliverkit: Typed, repository: Path) -> None:
    """Written, ignored, grown, fixed, missing, damaged."""
    zone, config = repository / "zones" / "good.zone", repository / "deliverkit.toml"
    config.write_text('baseline = "base.json"\n' + CONFIG)
    zone.write_text(WEAK)
    missing = deliverkit("check")
    assert missing.status == 2
    assert "base.json: there is no such baseline; write it with `deliverkit baseline write`" in missing.complaint
    assert deliverkit("baseline", "write").status == 0
    before = (repository / "base.json").read_text()
    assert deliverkit("baseline", "write", "-q").out == ""
    assert (repository / "base.json").read_text() == before
    ended = deliverkit("check", "--format", "json")
    assert ended.status == 0
    assert reports_of(ended.out)["domain", "example.com"]["findings"] == []
    zone.write_text(WEAK.replace("-all", "+all"))
    ended = deliverkit("check", "--format", "json")
    assert ended.status == 1
    assert "EXP008" not in {f["rule"] for f in reports_of(ended.out)["domain", "example.com"]["findings"]}
    zone.write_text(GOOD_ZONE)
    assert deliverkit("check", "-q").status == 0
    (repository / "base.json").write_text(before.replace('"count": 1', '"count": ', 1))
    ended = deliverkit("check")
    assert ended.status == 2
    assert ended.complaint.startswith("Error: base.json:4: no JSON")


def test_a_narrow_baseline_keeps_the_other_entries(deliverkit: Typed, repository: Path) -> None:
    """Those of domains that were not looked at."""
    (repository / "zones" / "good.zone").write_text(WEAK)
    (repository / "zones" / "b.zone").write_text(WEAK.replace("example.com", "b.example"))
    deliverkit("baseline", "write", "-o", "base.json")
    whole = (repository / "base.json").read_text()
    (repository / "zones" / "b.zone").write_text(GOOD_ZONE.replace("example.com", "b.example"))
    deliverkit("baseline", "write", "-o", "base.json", "--domain", "b.example")
    now = (repository / "base.json").read_text()
    gone = set(whole.splitlines()) - set(now.splitlines())
    assert len(gone) > 0
    assert all("b.example" in line for line in gone)


def test_no_baseline_is_written_of_what_cannot_be_read(deliverkit: Typed, repository: Path) -> None:
    """It would hold too little."""
    (repository / "zones" / "b.zone").write_text("$ORIGIN b.example.\n@ IN MX 10\n")
    ended = deliverkit("baseline", "write", "-o", "base.json")
    assert ended.status == 2
    assert not (repository / "base.json").exists()


# -- journal ----------------------------------------------------------------------------------------------

BELOW = """$ORIGIN example.net.
$TTL 300
@ IN SOA ns hostmaster 1 7200 3600 1209600 60
_spf IN TXT "v=spf1 ip4:192.0.2.0/24 -all"
"""


def test_what_lies_below_is_recorded_and_answered_from_the_journal(deliverkit: Typed, repository: Path) -> None:
    """Changed sources are judged anew by the same journal; a name it does not hold is unknown."""
    zone = repository / "zones" / "good.zone"
    zone.write_text(GOOD_ZONE.replace("mx -all", "mx include:_spf.example.net -all"))
    (repository / "deliverkit.toml").write_text('journal = "below.jsonl"\n[defaults]\nonly = "spf"\n' + _sources())
    ended = deliverkit("check")
    assert ended.status == 2
    assert "deliverkit check --record below.jsonl" in ended.complaint
    with serving(BELOW) as server:
        ended = deliverkit("check", "--nameserver", server.address, "--record", "below.jsonl", "-q")
        assert ended.status == 0
        assert ("_spf.example.net", "TXT") in {(name, type_) for name, type_, _ in server.queries}
    journal = Journal.load("below.jsonl")
    assert journal.verb == "check"
    assert "example.com" not in {question.name for question in journal.sections[0].answers}
    assert deliverkit("check", "-q").status == 0
    zone.write_text(zone.read_text().replace("-all", "+all"))
    assert deliverkit("check", "-q").status == 1
    zone.write_text(zone.read_text().replace("_spf.example.net", "other.example").replace("+all", "-all"))
    ended = deliverkit("check", "--format", "json")
    assert ended.status == 3
    assert "not in the journal" in ended.out
    assert deliverkit("check", "--closed-world", "-q").status == 1


def _sources() -> str:
    return 'expect = {spf = "pass"}\n[[sources]]\npath = "zones/good.zone"\n'


def test_journals_of_other_verbs_are_refused_and_so_are_ours_by_them(deliverkit: Typed, repository: Path) -> None:
    """Each says which verb it belongs to."""
    deliverkit("audit", "example.com", "--closed-world", "--no-probe", "--record", "audit.jsonl", "-q")
    ended = deliverkit("check", "--replay", "audit.jsonl")
    assert ended.status == 2
    assert "was recorded by audit" in ended.complaint
    with serving(BELOW) as server:
        deliverkit("check", "--nameserver", server.address, "--record", "below.jsonl", "-q", "--only", "spf")
    ended = deliverkit("audit", "--replay", "below.jsonl")
    assert ended.status == 2
    assert "deliverkit check --replay" in ended.complaint
    damaged = (repository / "below.jsonl").read_text().replace("deliverkit.toml", "other.toml")
    (repository / "below.jsonl").write_text(damaged)
    ended = deliverkit("check", "--replay", "below.jsonl")
    assert ended.status == 2
    assert "was altered or damaged" in ended.complaint


def test_another_version_of_the_program_may_read_the_answers(deliverkit: Typed, repository: Path) -> None:
    """Rules change, answers do not."""
    with serving(BELOW) as server:
        deliverkit("check", "--nameserver", server.address, "--record", "below.jsonl", "-q", "--only", "spf")
    journal = Journal.load("below.jsonl")
    journal.version = "0.0.1"
    journal.save("below.jsonl")
    assert deliverkit("check", "--replay", "below.jsonl", "-q", "--only", "spf").status == 0


# -- time -------------------------------------------------------------------------------------------------


def test_ctrl_c_keeps_what_was_found(folder: Path, silence: Silence) -> None:  # noqa: F811
    """A domain of the sources is done, another waits for a resolver."""
    (folder / "deliverkit.toml").write_text(
        'sources = "good.zone"\ndomains = ["slow.example"]\n[defaults]\nonly = "spf"'
    )
    process = start("check", "--nameserver", silence.address, "-o", "report.json", cwd=folder)
    silence.asked_again()
    interrupt(process)
    reports = reports_of((folder / "report.json").read_text("utf-8"))
    assert reports["domain", "example.com"]["verdict"] == "pass"
    assert reports["domain", "slow.example"]["verdict"] == "unknown"
    assert all(report["interrupted"] for report in reports.values())


def test_the_time_of_the_check_is_for_everything(deliverkit: Typed, folder: Path, silence: Silence) -> None:  # noqa: F811
    """Domains that were not reached say so, and the status is 3."""
    names = ", ".join(f'"d{i}.example"' for i in range(70))
    (folder / "deliverkit.toml").write_text(f'domains = [{names}]\n[defaults]\nonly = "spf"\n')
    ended = deliverkit("check", "--nameserver", silence.address, "--timeout", "1", "--format", "json")
    assert ended.status == 3
    reports = reports_of(ended.out)
    assert len(reports) == 71
    reasons = {i["reason"] for report in reports.values() for i in report["inconclusive"]}
    assert "the time of the check was spent before this domain was looked at" in reasons


def test_progress_is_nobodys_output(deliverkit: Typed, repository: Path) -> None:
    """Where stderr is no terminal nothing stands there."""
    assert deliverkit("check").err == ""
    assert deliverkit("check", "-q").err == ""


def test_several_files_at_once_are_written_whatever_the_status(deliverkit: Typed, repository: Path) -> None:
    """Also where the configuration itself cannot be read."""
    for text in (CONFIG, "sources = ["):
        (repository / "deliverkit.toml").write_text(text)
        (repository / "zones" / "b.zone").write_text("$ORIGIN b.example.\n@ IN MX 10\n")
        ended = deliverkit("check", "-o", "a.sarif", "-o", "b.xml", "-o", "c.json")
        assert (ended.status, ended.out) == (2, "")
        for name in ("a.sarif", "b.xml", "c.json"):
            written = repository / name
            assert "CHECK001" in written.read_text("utf-8")
            written.unlink()
