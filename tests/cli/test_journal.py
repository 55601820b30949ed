"""``--record`` and ``--replay`` as a person types them: the same report from the file alone, or one clear line."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from deliverkit.__main__ import main
from deliverkit.world.journal import Journal
from tests.cli.command import ROOT, Typed, start
from tests.cli.test_signals import Silence, interrupt, silence  # noqa: F401 - a fixture

CLOSED = ("--closed-world", "--zone", "good.zone", "--no-probe")
MESSAGE = ROOT / "fixtures" / "messages" / "signed.eml"
KEY = ROOT / "fixtures" / "keys" / "test-only-rsa2048.pem"
_ELAPSED = re.compile(r'"elapsed_s": [0-9.]+|\b[0-9]+\.[0-9] s\b')


def timeless(text: str) -> str:
    """Output without the seconds it took."""
    return _ELAPSED.sub("", text)


@pytest.fixture
def two(deliverkit: Typed) -> str:
    """The journal of an audit of two domains, and no zone file any more."""
    deliverkit("audit", "example.com", "https://b.example/", "--selector", "s1", *CLOSED, "--record", "two.jsonl", "-q")
    Path("good.zone").unlink()
    return "two.jsonl"


@pytest.mark.parametrize("format_", ["text", "json", "jsonl", "markdown", "html"])
def test_an_audit_comes_again(deliverkit: Typed, format_: str) -> None:
    """In every format, with the same exit status; that it was replayed is said beside it."""
    words = ("--selector", "s1", "--dkim-key", f"s2={KEY}", "--format", format_)
    first = deliverkit("audit", "example.com", *words, *CLOSED, "--record", "run.jsonl")
    Path("good.zone").unlink()
    again = deliverkit("audit", "--replay", "run.jsonl", "--format", format_)
    assert timeless(again.out) == timeless(first.out)
    assert again.status == first.status == 1
    assert first.err == ""
    assert re.fullmatch(r"replayed from a journal of \d{4}-.* UTC, recorded by deliverkit 0\.1\.0\n", again.err)
    assert b"PRIVATE" not in Path("run.jsonl").read_bytes()


def test_a_subject_of_several(deliverkit: Typed, two: str) -> None:
    """All, or the one that is named, however it is typed."""
    every = deliverkit("audit", "--replay", two, "-q").out.splitlines()
    assert [line.split(":")[0] for line in every] == ["example.com", "b.example"]
    assert deliverkit("audit", "EXAMPLE.com.", "--replay", two, "-q").out.splitlines() == every[:1]
    assert deliverkit("audit", "b.example", "--replay", two, "-q").out.splitlines() == every[1:]
    assert deliverkit("audit", "--replay", two, "--selector", "s1", "--no-probe", "-q").out.splitlines() == every
    assert deliverkit("audit", "--replay", two, "-q").err == ""
    deliverkit("audit", "a.example", "--closed-world", "--no-probe", "--only", "mx,spf", "--record", "some.jsonl")
    assert deliverkit("audit", "--replay", "some.jsonl", "--only", "spf,mx", "-q").out.startswith("a.example: ")


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("c.example",), "two.jsonl does not hold c.example; it holds example.com, https://b.example/: name one"),
        (("--selector", "s2"), "--selector says s2, and two.jsonl was recorded with s1: leave --selector out"),
        (("--only", "spf"), "--only says spf, and two.jsonl was recorded with none"),
        (("--parked",), "--parked says yes, and two.jsonl was recorded with no"),
        (("--sends-from", "192.0.2.1"), "--sends-from says 192.0.2.1, and two.jsonl was recorded with none"),
        (("--dkim-key", "s1=absent.pem"), "--dkim-key says s1=absent.pem, and two.jsonl was recorded with none"),
        (("--zone", "absent.zone"), "--zone makes no sense with --replay: the journal answers every question"),
        (("--offline",), "--offline makes no sense with --replay"),
        (("--nameserver", "192.0.2.53"), "--nameserver makes no sense with --replay"),
        (("--record", "x.jsonl"), "--record and --replay exclude each other"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_a_contradiction_is_named(deliverkit: Typed, two: str, words: tuple[str, ...], complaint: str) -> None:
    """What differs, and what to do."""
    ended = deliverkit("audit", "--replay", two, *words)
    assert ended.status == 2
    assert complaint in ended.complaint
    assert ended.out == ""


def test_another_verb_and_other_files(deliverkit: Typed, two: str) -> None:
    """Each is told from the others."""
    for words, complaint in (
        (("probe", "--replay", two), "two.jsonl was recorded by audit: deliverkit audit --replay FILE"),
        (("audit", "--replay", "absent"), "cannot read absent: No such file"),
        (("audit", "--replay", "."), ". is a directory"),
        (("audit", "--replay", str(MESSAGE)), "is no journal of deliverkit; --record writes one"),
        (("audit", "--any-version", "example.com"), "--any-version makes no sense without --replay"),
        (("audit",), "Missing argument 'DOMAIN...'"),
        (("verify",), "Missing argument 'FILE...'"),
        (("probe",), "Missing argument 'HOST[:PORT][/ROLE]...'"),
        (("audit", "example.com", "--record", "-"), "name a file of its own"),
        (("audit", "example.com", "--record", "a.json", "-o", "a.json"), "name a file of its own"),
        (("audit", "example.com", "--record", "absent/run.jsonl"), "there is no directory"),
        (("audit", "example.com", "--record", "."), "it is a directory"),
    ):
        ended = deliverkit(*words)
        assert ended.status == 2
        assert complaint in ended.complaint


def test_a_truncated_and_a_foreign_journal(deliverkit: Typed, two: str) -> None:
    """One line each; --any-version reads the foreign one."""
    octets = Path(two).read_bytes()
    Path("cut.jsonl").write_bytes(octets[: len(octets) // 2])
    assert "cut.jsonl is truncated" in deliverkit("audit", "--replay", "cut.jsonl").complaint
    journal = Journal.load(two)
    journal.version = "0.0.9\x1b[2J"
    journal.save("old.jsonl")
    ended = deliverkit("audit", "--replay", "old.jsonl")
    assert ended.status == 2
    assert "recorded by deliverkit" in ended.complaint
    assert "\x1b" not in ended.err
    ended = deliverkit("audit", "--replay", "old.jsonl", "--any-version")
    assert "recorded by deliverkit 0.0.9\\x1b" in ended.err
    assert "example.com: " in ended.out


def test_options_that_nobody_can_mean(deliverkit: Typed, two: str) -> None:
    """Written by hand, with a digest that fits."""
    journal = Journal.load(two)
    for section in journal.sections:
        section.options = {"only": ["spx"]}
    journal.save(two)
    assert (
        "two.jsonl: audit example.com: --only spx: there is no such protocol"
        in deliverkit("audit", "--replay", two).complaint
    )


def test_a_verification_needs_nothing_else(deliverkit: Typed) -> None:
    """The message is in the journal; an mbox gives several."""
    Path("m.eml").write_bytes(MESSAGE.read_bytes())
    lines = MESSAGE.read_bytes().replace(b"\r\n", b"\n")
    Path("two.mbox").write_bytes(2 * (b"From a@example.com Sun Nov 22 10:00:00 2026\n" + lines + b"\n"))
    words = ("--client-ip", "192.0.2.1", "--mail-from", "", "--now", "2026-11-22T10:00:00Z", *CLOSED[:3])
    first = deliverkit("verify", "m.eml", "two.mbox", *words, "--record", "run.jsonl", "--format", "json")
    for name in ("m.eml", "two.mbox", "good.zone"):
        Path(name).unlink()
    again = deliverkit("verify", "--replay", "run.jsonl", "--format", "json")
    assert timeless(again.out) == timeless(first.out)
    assert again.status == first.status
    picked = deliverkit("verify", "two.mbox", "--replay", "run.jsonl", "--format", "json", "--client-ip", "192.0.2.1")
    names = [one["subject"]["name"] for one in json.loads(picked.out)["reports"]]
    assert names == ["two.mbox#1", "two.mbox#2"]
    for words, complaint in (
        (("other.eml",), "run.jsonl does not hold other.eml; it holds m.eml, two.mbox#1, two.mbox#2"),
        (("--client-ip", "192.0.2.2"), "--client-ip says 192.0.2.2, and run.jsonl was recorded with 192.0.2.1"),
        (("--now", "2026-11-23T10:00:00Z"), "--now says 2026-11-23"),
        (("--helo", "mx.example.com"), "--helo says mx.example.com, and run.jsonl was recorded with none"),
    ):
        ended = deliverkit("verify", "--replay", "run.jsonl", *words)
        assert (ended.status, complaint in ended.complaint) == (2, True), ended.complaint


def test_a_probe_comes_again(deliverkit: Typed) -> None:
    """All its targets are judged together, and those that are named are shown."""
    targets = ("127.0.0.1:1/mx", "127.0.0.1:2/submission")
    first = deliverkit("probe", *targets, "--control", "none", "--record", "run.jsonl", "--format", "jsonl")
    again = deliverkit("probe", "--replay", "run.jsonl", "--format", "jsonl", "--control", "none")
    assert timeless(again.out) == timeless(first.out)
    assert again.status == first.status == 1
    one = deliverkit("probe", targets[1], "--replay", "run.jsonl", "--format", "jsonl")
    assert timeless(one.out) == timeless(first.out.splitlines(keepends=True)[1])
    for words, complaint in (
        (("127.0.0.1:3/mx",), "run.jsonl does not hold 127.0.0.1:3/mx; it holds 127.0.0.1:1/mx, 127.0.0.1:2/"),
        (("--deep",), "--deep says yes, and run.jsonl was recorded with no"),
        (("--connect-timeout", "3"), "--connect-timeout says 3.0, and run.jsonl was recorded with 10.0"),
    ):
        assert complaint in deliverkit("probe", "--replay", "run.jsonl", *words).complaint


def test_standard_input(folder: Path, deliverkit: Typed, two: str) -> None:
    """A journal in a pipe."""
    words = ("audit", "--replay", "-", "-q")
    with (folder / two).open("rb") as file:
        process = start(*words, cwd=folder, stdin=file)
        out, err = process.communicate(timeout=30)
    assert out.decode() == deliverkit("audit", "--replay", two, "-q").out
    assert err == b""


def test_after_ctrl_c_the_journal_is_whole(folder: Path, silence: Silence) -> None:  # noqa: F811
    """What was seen is in it, marked as interrupted, and gives the same report and exit status."""
    words = ("audit", "example.com", "slow.example", "--only", "spf", "--zone", "good.zone", "--record", "run.jsonl")
    process = start(*words, "--nameserver", silence.address, "--format", "json", cwd=folder)
    silence.asked_again()
    first, _ = interrupt(process)
    assert Journal.load(folder / "run.jsonl").interrupted
    again = start("audit", "--replay", "run.jsonl", "--format", "json", cwd=folder)
    out, _ = again.communicate(timeout=30)
    assert timeless(out.decode()) == timeless(first)
    assert again.returncode == 130


def test_a_reader_that_went_away(folder: Path) -> None:
    """`| head -1` costs the report, not the journal."""
    domains = [f"d{number}.example" for number in range(60)]
    words = ("audit", *domains, "--closed-world", "--no-probe", "--format", "json", "--record", "run.jsonl")
    process = start(*words, cwd=folder)
    assert process.stdout is not None
    assert process.stdout.readline()
    process.stdout.close()
    assert process.wait(30) == 141
    assert len(Journal.load(folder / "run.jsonl").subjects) == 60
    assert process.stderr is not None
    process.stderr.close()


def test_a_fault_of_ours_leaves_a_journal_to_find_it_with(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What was seen up to there; the subject is marked as unfinished."""
    monkeypatch.setattr("deliverkit.engine.audit.judge", lambda *_: 1 / 0)
    monkeypatch.setattr(sys, "argv", ["deliverkit", "audit", "example.com", *CLOSED, "--record", "run.jsonl"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 70
    (section,) = Journal.load(folder / "run.jsonl").sections
    assert section.answers
    assert not section.finished


def test_an_interrupted_verification(folder: Path, silence: Silence) -> None:  # noqa: F811
    """The message under way is named again."""
    process = start("verify", MESSAGE, "--nameserver", silence.address, "--record", "run.jsonl", "-q", cwd=folder)
    silence.asked()
    first, _ = interrupt(process)
    again = start("verify", "--replay", "run.jsonl", "-q", cwd=folder)
    assert again.communicate(timeout=30)[0].decode() == first
    assert again.returncode == 130


def test_a_verification_whose_time_was_spent(deliverkit: Typed, silence: Silence) -> None:  # noqa: F811
    """It says so again, without waiting."""
    words = ("--nameserver", silence.address, "--timeout", "0.3", "--format", "json")
    first = deliverkit("verify", MESSAGE, *words, "--record", "run.jsonl")
    again = deliverkit("verify", "--replay", "run.jsonl", "--format", "json")
    assert timeless(again.out) == timeless(first.out)
    assert again.status == first.status == 3


def test_a_probe_interrupted_before_anything_was_seen(folder: Path, silence: Silence) -> None:  # noqa: F811
    """There was no report, and there is none; the journal says what was going on."""
    process = start("probe", "slow.example", "--nameserver", silence.address, "--record", "run.jsonl", cwd=folder)
    silence.asked()
    assert interrupt(process)[0] == ""
    again = start("probe", "--replay", "run.jsonl", cwd=folder)
    assert b"holds no report: the run was interrupted" in again.communicate(timeout=30)[1]
    assert again.returncode == 2


# -- nothing else is touched ------------------------------------------------------------------------------

WATCHED = """\
import json, sys
from pathlib import Path
touched = []
own = tuple(str(Path(p).resolve()) for p in (sys.prefix, sys.base_prefix, *filter(None, sys.path)))
def watch(event, args):
    if event == "open" and isinstance(args[0], str) and not str(Path(args[0]).resolve()).startswith((*own, "/proc")):
        touched.append(args[0])
    if event in ("socket.connect", "socket.sendto", "socket.bind", "socket.getaddrinfo", "subprocess.Popen"):
        touched.append(event)
from deliverkit.cli import cli
sys.addaudithook(watch)
try:
    cli.main(json.loads(sys.argv[1]), prog_name="deliverkit", standalone_mode=False)
except SystemExit:
    pass
print(json.dumps([touched, [m for m in sys.modules if m.startswith("deliverkit.")]]), file=sys.stderr)
"""


def watched(folder: Path, *words: Any) -> tuple[list[str], list[str]]:
    """The files that a command opened beside its own, with socket calls, and our modules that it imported."""
    command = [sys.executable, "-P", "-c", WATCHED, json.dumps([str(word) for word in words])]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=60, check=True, env={"PYTHONPATH": str(ROOT)}
    )
    touched, modules = json.loads(done.stderr.splitlines()[-1])
    return touched, modules


@pytest.mark.parametrize("verb", ["audit", "verify", "probe"])
def test_a_replay_opens_the_journal_and_nothing_else(deliverkit: Typed, folder: Path, verb: str) -> None:
    """No socket, no zone, no key, no message, no settings of the system's resolver."""
    words: dict[str, tuple[Any, ...]] = {
        "audit": ("example.com", "--dkim-key", f"s1={KEY}", *CLOSED),
        "verify": (MESSAGE, "--client-ip", "192.0.2.1", *CLOSED[:3]),
        "probe": ("127.0.0.1:1/mx", "--control", "none"),
    }
    deliverkit(verb, *words[verb], "--record", "run.jsonl")
    touched, modules = watched(folder, verb, "--replay", "run.jsonl")
    assert touched == ["run.jsonl"]
    assert not {"deliverkit.world.dns", "deliverkit.world.live", "deliverkit.world.smtp"} & set(modules)


def test_a_run_that_is_not_recorded_imports_no_journal(folder: Path) -> None:
    """It costs nothing unless it is asked for."""
    touched, modules = watched(folder, "audit", "example.com", *CLOSED)
    assert touched == ["good.zone"]
    assert not [name for name in modules if "world.journal" in name or name == "deliverkit.engine.replay"]
