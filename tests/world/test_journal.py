"""Journals: what goes in comes out, and what is damaged, foreign or hostile is refused in one clear line."""

from __future__ import annotations

import asyncio
import base64
import copy
import json
import random
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import deliverkit
from deliverkit.engine.replay import replay
from deliverkit.engine.story import judge_story
from deliverkit.flow import Answer, Question, Source, Status
from deliverkit.report.jsonable import jsonable
from deliverkit.report.model import Report
from deliverkit.smtp.dialogue import Connect, Say, SendContent, SmtpFlow
from deliverkit.world import World, journal_values
from deliverkit.world import journal as module
from deliverkit.world.journal import FORMAT, Journal, JournalError
from deliverkit.world.story import load_story

ROOT = Path(__file__).parents[2] / "fixtures"
PASSWORD = "correct horse battery"


def recorded(story: str) -> Journal:
    """The journal of a story."""
    told = load_story(ROOT / "stories" / f"{story}.toml")
    journal = Journal()
    asyncio.run(judge_story(told, told.world().recorded(journal)))
    return journal


def sealed(lines: list[Any]) -> bytes:
    """Lines with the digest that belongs to them; texts stand as they are."""
    encoded = [(line if isinstance(line, str) else json.dumps(line)).encode("utf-8", "replace") for line in lines]
    end = json.dumps({"end": len(encoded), "sha256": module._digest(encoded)}).encode()
    return b"\n".join([*encoded, end, b""])


def lines_of(journal: Journal) -> list[Any]:
    """Its lines but the last, as objects."""
    return [json.loads(line) for line in journal.octets().splitlines()[:-1]]


@pytest.fixture(scope="module")
def probed() -> Journal:
    """A journal with SMTP in it."""
    return recorded("tls/certificate-for-another-name")


@pytest.fixture(scope="module")
def rich() -> list[Any]:
    """The lines of an audit with DNS, SMTP, a key and a work that was late."""
    lines = lines_of(recorded("whole/sound-rollout-with-reports-elsewhere"))
    smtp = next(line for line in lines_of(recorded("tls/certificate-for-another-name")) if "smtp" in line)
    public = base64.b64encode(bytes(32)).decode()
    key = {"key": "s1", "file": "s1.pem", "type": "ed25519", "bits": 256, "public": public}
    return [*lines, smtp, key, {"late": "ports", "why": "interrupted"}]


def refused(octets: bytes) -> str:
    """Why a journal is refused."""
    with pytest.raises(JournalError) as why:
        Journal.parse(octets, "run.jsonl")
    assert "run.jsonl" in str(why.value)
    assert "\n" not in str(why.value)
    return str(why.value)


# -- what goes in comes out -------------------------------------------------------------------------------

NAMES = st.from_regex(r"[a-z0-9_-]{1,10}(\.[a-z]{1,5}){0,2}", fullmatch=True)
NUMBERS = st.integers(0, 65535)
RECORDS = {
    "TXT": st.lists(st.binary(max_size=255), min_size=1, max_size=3).map(tuple),
    "A": st.ip_addresses(v=4).map(str),
    "AAAA": st.ip_addresses(v=6).map(str),
    "MX": st.tuples(NUMBERS, NAMES),
    "CNAME": NAMES,
    "TLSA": st.tuples(NUMBERS, NUMBERS, NUMBERS, st.binary(max_size=64)),
    "SOA": st.tuples(NAMES, NAMES, NUMBERS, NUMBERS, NUMBERS, NUMBERS, NUMBERS),
    "CAA": st.text(max_size=40),
}


@st.composite
def an_answer(draw: st.DrawFn) -> Answer:
    """Any answer, whoever gave it."""
    type_ = draw(st.sampled_from(sorted(RECORDS)))
    return Answer(
        Question(draw(st.text(max_size=30)), type_),
        draw(st.sampled_from(Status)),
        tuple(draw(st.lists(RECORDS[type_], max_size=3))),
        draw(st.none() | st.integers(0, 2**31)),
        tuple(draw(st.lists(NAMES, max_size=2))),
        draw(st.booleans()),
        draw(st.none() | st.text(max_size=20)),
        draw(st.text(alphabet=st.characters(), max_size=20)),
        tuple(draw(st.lists(st.tuples(NUMBERS, st.text(max_size=9)), max_size=2))),
        tuple(draw(st.lists(st.builds(Source, st.text(max_size=9), st.none() | NUMBERS), max_size=2))),
    )


@given(an_answer())
def test_an_answer_comes_back_as_it_was(answer: Answer) -> None:
    """Octets that are no text included, in a line of plain ASCII that steers no terminal."""
    line = journal_values.dumped(journal_values.answer_json(answer))
    assert all(" " <= character <= "~" for character in line)
    assert journal_values.answer_of(json.loads(line)) == answer


@given(st.binary(max_size=300))
def test_octets_and_messages_come_back_as_they_were(octets: bytes) -> None:
    """Readable where they are text."""
    shown = json.loads(journal_values.dumped([journal_values.octets_json(octets), journal_values.message_json(octets)]))
    assert journal_values.octets_of(shown[0], "x") == octets
    assert journal_values.message_of(shown[1]) == octets


def test_a_plain_message_is_readable_and_another_is_base64() -> None:
    """A person reads the one; the other is exact."""
    assert journal_values.message_json("Subject: café\r\n\r\nä".encode()) == {"text": "Subject: café\r\n\r\nä"}
    assert set(journal_values.message_json(b"a: \xff\r\n")) == {"base64"}
    assert set(journal_values.message_json(b"a: \0\r\n")) == {"base64"}
    assert journal_values.octets_json(b'say "\xe4\\"') == 'say "\\228\\\\"'


def test_what_one_writes_another_reads(probed: Journal) -> None:
    """A journal that was read is written with the same octets; mail's line ends do no harm."""
    octets = probed.octets()
    assert Journal.parse(octets).octets() == octets
    assert Journal.parse(octets.replace(b"\n", b"\r\n")).octets() == octets


def test_certificates_and_judgement_are_in_it(probed: Journal) -> None:
    """A reader sees what the server showed and what was thought of it."""
    (one,) = [line for line in lines_of(probed) if "smtp" in line]
    session = next(turn["heard"]["tls-session"] for turn in one["dialogue"] if "handshake" in turn["ask"])
    assert session["trusted"] is True
    assert session["name_matches"] is False
    assert session["chain"][0]["names"]


def test_the_example_of_the_documentation_is_one() -> None:
    """A reader who copies it has a journal, and its report."""
    page = (ROOT.parent / "docs" / "journal.md").read_text("utf-8")
    (example,) = re.findall(r"```json\n(.*?)```", page, re.DOTALL)
    journal = Journal.parse(example.encode())
    assert journal.subjects == ("example.com",)
    (report,) = asyncio.run(replay(journal))
    assert any("2 servers asked" in one.reason for one in report.inconclusive)


def test_a_what_if_over_what_was_seen(tmp_path: Path) -> None:
    """A zone laid over a replayed world changes the names below it; the ports are those that were seen."""
    told = replace(load_story(ROOT / "stories" / "smtp" / "one-mx-dead.toml"), only=("mx", "dmarc", "ports"))
    journal = Journal()
    first = asyncio.run(judge_story(told, told.world().recorded(journal)))
    zone = tmp_path / "draft.zone"
    zone.write_text('$ORIGIN _dmarc.example.com.\n@ 300 IN TXT "v=DMARC1; p=none"\n')
    (section,) = journal.sections
    again = deliverkit.audit(section.subject, world=World.replay(journal).with_zone(zone), **section.options)
    assert [port.reachable for port in again.facts["ports"]] == [True, False]
    assert jsonable(again.facts["ports"]) == jsonable(first.facts["ports"])
    assert again.facts["dmarc"] != first.facts["dmarc"]
    assert again.vantage.zones == (str(zone),)


# -- a program's own use ----------------------------------------------------------------------------------


def test_a_program_records_and_replays_as_it_likes(tmp_path: Path) -> None:
    """Several verbs and options in one journal, flows of its own, and one subject twice."""
    world = World.from_records(
        {"example.com": {"TXT": "v=spf1 -all"}, "_dmarc.example.com": {"TXT": "v=DMARC1; p=none"}}
    )
    journal = Journal()
    taped = world.recorded(journal)
    policy = deliverkit.discover_dmarc("example.com", world=taped)
    first = deliverkit.audit("https://example.com/", world=taped, probe=False, only=["spf"])
    second = deliverkit.audit("example.com", world=taped, probe=False, parked=True)
    checked = deliverkit.verify(b"From: a@example.com\r\n\r\nhi\r\n", client_ip="192.0.2.1", world=taped)
    journal.save(tmp_path / "run.jsonl")

    told = World.replay(tmp_path / "run.jsonl")
    assert deliverkit.discover_dmarc("example.com", world=told).policy == policy.policy
    assert seen(deliverkit.audit("example.com", world=told, probe=False, only=["spf"])) == seen(first)
    assert [seen(one) for one in deliverkit.replay(tmp_path / "run.jsonl")] == [
        seen(first),
        seen(second),
        seen(checked),
    ]
    assert deliverkit.replay(tmp_path / "run.jsonl")[0].subject.remark == "read from a URL"
    with pytest.raises(JournalError, match=r"does not hold audit other\.example; it holds audit https://example\.com/"):
        deliverkit.audit("other.example", world=told)


def seen(report: Report) -> list[Any]:
    """What a report says."""
    return [report.started, report.vantage, report.findings, report.inconclusive, report.passed]


def test_a_question_that_was_not_asked_is_unobserved() -> None:
    """A rule of tomorrow asks more: nobody knows, which is not "no such name"."""
    journal = Journal()
    world = World.from_records({"example.com": {"TXT": "v=spf1 -all"}}).recorded(journal)
    deliverkit.audit("example.com", world=world, probe=False, only=["spf"])
    told = World.replay(journal)
    asked = asyncio.run(told.ask(Question("_dmarc.example.com", "TXT")))
    assert (asked.status, asked.detail) == (Status.UNOBSERVED, "not in the journal")
    report = deliverkit.audit("example.com", world=told, probe=False, only=["spf", "dmarc"])
    reasons = {one.reason for one in report.inconclusive}
    assert reasons
    assert all("not in the journal" in reason for reason in reasons)
    assert {found.rule[:3] for found in report.findings} <= {"SPF", "VAN"}


def test_zones_laid_over_before_are_recorded_and_those_laid_over_later_are_not(tmp_path: Path) -> None:
    """A what-if over a recorded world leaves the journal as it was."""
    zone = tmp_path / "draft.zone"
    zone.write_text('$ORIGIN example.com.\n@ IN TXT "v=spf1 -all"\n')
    journal = Journal()
    world = World.offline().recorded(journal).with_zone(zone)
    section = world.scene("audit", "example.com")
    question = Question("example.com", "TXT")
    asyncio.run(section.ask(question))
    zone.write_text('$ORIGIN example.com.\n@ IN TXT "v=spf1 +all"\n')
    assert asyncio.run(section.with_zone(zone).ask(question)).texts == ("v=spf1 +all",)
    (kept,) = journal.sections[0].answers.values()
    assert kept.texts == ("v=spf1 -all",)
    assert kept.sources == (Source(str(zone), 2),)
    assert journal.vantage.zones == (str(zone),)
    assert asyncio.run(World.replay(journal).with_zone(zone).ask(question)).texts == ("v=spf1 +all",)


def test_no_password_gets_into_a_journal() -> None:
    """Whatever flow a program runs, and whatever the server repeats."""
    login = base64.b64encode(f"\0me\0{PASSWORD}".encode()).decode()
    story = load_story(ROOT / "stories" / "tls" / "certificate-for-another-name.toml")
    script = {"192.0.2.9:25": {"replies": {"AUTH": f"535 5.7.8 not {login}", "DATA": "354 go"}}}
    from deliverkit.world.script import ScriptedSmtp

    below = story.world()
    world = World(below.dns, ScriptedSmtp(script, story.now), below.vantage, below.clock)

    def flow() -> SmtpFlow[None]:
        yield Connect("192.0.2.9", 25)
        yield Say(f"AUTH PLAIN {login}", secret=True, hides=(login, PASSWORD))
        yield Say(f"AUTH PLAIN {login}")
        yield SendContent(PASSWORD.encode())

    journal = Journal()
    asyncio.run(world.recorded(journal).converse(flow(), about="a login"))
    text = journal.octets().decode()
    assert '"say": "AUTH PLAIN ********"' in text
    assert login not in text
    assert PASSWORD not in text
    assert '{"content_octets": 21}' in text
    _, transcript = asyncio.run(World.replay(journal).converse(flow(), about="a login"))
    assert any("AUTH PLAIN ********" in line for line in transcript.lines())


def test_private_keys_stay_where_they_are() -> None:
    """Of --dkim-key the public half alone."""
    key = ROOT / "keys" / "test-only-rsa2048.pem"
    journal = Journal()
    world = World.from_records({"example.com": {"TXT": "v=spf1 -all"}}).recorded(journal)
    first = deliverkit.audit("example.com", world=world, probe=False, dkim_keys={"s1": key})
    text = journal.octets().decode()
    assert "PRIVATE" not in text
    secret = [line for line in key.read_text().splitlines() if len(line) > 40]
    assert secret
    assert not any(line in text for line in secret[8:])
    (again,) = deliverkit.replay(Journal.parse(journal.octets()))
    assert jsonable(again.facts["dkim"]) == jsonable(first.facts["dkim"])
    assert jsonable(again.facts["dkim"])["selectors"][0]["key_file"]["key"]["bits"] == 2048


# -- what is refused --------------------------------------------------------------------------------------


def test_a_journal_cut_anywhere_is_refused(probed: Journal) -> None:
    """At every line, and at every octet of the last ones."""
    octets = probed.octets()
    ends = [at for at, octet in enumerate(octets) if octet == 0x0A]
    for at in {*ends, *(end + 1 for end in ends[:-1]), *range(len(octets) - 200, len(octets) - 1)}:
        assert "is truncated" in refused(octets[:at])
    lines = octets.splitlines(keepends=True)
    for number in range(1, len(lines) - 1):
        assert "was altered" in refused(b"".join(lines[:number] + lines[number + 1 :]))


def test_a_journal_with_one_bit_flipped_is_refused(probed: Journal) -> None:
    """Wherever it is."""
    octets = probed.octets()
    at_random = random.Random(8914)
    for at in at_random.sample(range(len(octets)), 400):
        damaged = bytearray(octets)
        damaged[at] ^= 1 << at_random.randrange(8)
        refused(bytes(damaged))


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        (b"", "is empty"),
        (b"\n\n", "is empty"),
        (b"nothing of interest\n", "is no journal"),
        (bytes(range(256)), "is no journal"),
        (b'{"schema": "deliverkit.report/1"}\n', "is no journal"),
        (b"[" * 100_000, "is no journal"),
        (b'{"journal": 1}\n', "is no journal"),
        (b'{"journal": "deliverkit.journal/2"}\n', 'format "deliverkit.journal/2", and this version reads'),
    ],
    ids=["empty", "blank", "text", "binary", "report", "nested", "number", "format"],
)
def test_a_file_that_is_no_journal_of_ours(octets: bytes, why: str) -> None:
    """Each is told from the others."""
    assert why in refused(octets)


def test_another_version_of_the_program(rich: list[Any]) -> None:
    """Refused, with both versions and the way out; read all the same when somebody says so."""
    other = sealed([{**rich[0], "deliverkit": "0.0.9"}, *rich[1:]])
    said = refused(other)
    assert '"0.0.9"' in said
    assert deliverkit.__version__ in said
    assert "--any-version" in said
    assert Journal.parse(other, any_version=True).version == "0.0.9"


def test_bounds(probed: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    """Files and lines have a size beyond which nothing is read, or written."""
    octets = probed.octets()
    monkeypatch.setattr(module, "MOST_LINE", 400)
    assert "longer than" in refused(octets)
    with pytest.raises(JournalError, match="record fewer subjects"):
        probed.octets()
    monkeypatch.setattr(module, "MOST_OCTETS", 400)
    assert "is larger than" in refused(octets)


@pytest.mark.parametrize(
    "line",
    [
        "[" * 100_000,
        '{"dns": ' * 20_000,
        '{"dns": ' + "[" * 900 + "]" * 900 + "}",
        '{"smtp": "x", "transcript": {}, "dialogue": [{"ask": {}, "heard": ' + "[" * 400 + "]" * 400 + "}]}",
        '{"dns": "example.com", "type": "TXT", "status": "ok", "ttl": NaN}',
        '{"dns": "example.com", "type": "TXT", "status": "ok", "ttl": 1e999}',
        '{"dns": "example.com", "type": "TXT", "status": "ok", "ttl": ' + "9" * 5000 + "}",
        '{"dns": "example.com", "type": "TXT", "status": "ok", "records": [["\\\\999"]]}',
        '{"dns": "example.com", "type": "TXT", "status": "ok", "records": [["\\\\"]]}',
        '{"dns": "example.com", "type": "TLSA", "status": "ok", "records": [[3, 1, 1, "xy"]]}',
        '{"dns": "example.com", "type": "MX", "status": "ok", "records": [[10]]}',
        '{"dns": "example.com", "type": "MX", "status": "OK"}',
        '{"dns": "example.com", "type": "MX", "status": "ok", "colour": 1}',
        '{"message": {"text": "\\ud800"}}',
        '{"message": {"base64": "?"}}',
        '{"subject": "example.com", "at": "yesterday"}',
        '{"subject": "example.com", "at": "2026-11-22T10:00:00"}',
        '{"subject": "example.com", "at": "0001-01-01T00:00:00+14:00"}',
        '{"late": "spf"}',
        '{"smtp": "x"}',
        '{"colour": 1}',
        '"text"',
        "{",
    ],
)
def test_a_hostile_line_is_named(rich: list[Any], line: str) -> None:
    """With a digest that fits: the file and the line, never a traceback."""
    said = refused(sealed([*rich[:3], line, *rich[3:]]))
    assert "run.jsonl, line 4: " in said
    assert len(said) < 400


def _places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place in a JSON value."""
    if path:
        yield path
    for key, inner in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from _places(inner, (*path, key))


HOSTILE = (
    None,
    True,
    -1,
    2**70,
    0.5,
    "",
    "x",
    "\x1b[2J\ud800",
    "../../etc/passwd",
    [],
    [[]],
    {},
    {"base64": "x"},
    [None],
)


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_a_wrong_value_anywhere_is_refused_or_does_no_harm(rich: list[Any], data: st.DataObject) -> None:
    """Each value of each line replaced by what it should not be: a clear refusal, or a report."""
    lines = copy.deepcopy(rich)
    path = data.draw(st.sampled_from(list(_places(lines))))
    place = lines
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = data.draw(st.sampled_from(HOSTILE))
    try:
        journal = Journal.parse(sealed(lines), "run.jsonl", any_version=True)
        reports = asyncio.run(replay(journal))
    except JournalError as why:
        assert str(why).startswith("run.jsonl")
    else:
        assert all(isinstance(report, Report) for report in reports)


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    """Absent, a directory, a name that can be none."""
    for path, why in ((tmp_path / "absent", "No such file"), (tmp_path, "is a directory"), ("\0", "cannot read")):
        with pytest.raises(JournalError, match=why):
            Journal.load(path)
    assert FORMAT == "deliverkit.journal/1"
