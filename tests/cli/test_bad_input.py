"""Bad input: each kind is told apart from the others, in one line that names it, and none ends in a traceback."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.command import ROOT, Typed, start

CLOSED = ("--closed-world", "--zone", "good.zone")
SPF = ("audit", *CLOSED, "--only", "spf")
KEYS = ROOT / "fixtures" / "keys"
DRAFT = ("send", "--from", "a@example.com", "--to", "b@example.com", "--via", "127.0.0.1:1")


@pytest.fixture
def silent_resolver() -> Iterator[str]:
    """A name server that receives questions and never answers one."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{bound.getsockname()[1]}"


@pytest.fixture(autouse=True)
def odd_files(folder: Path) -> None:
    """Files that are not what the command expects."""
    (folder / "empty").write_bytes(b"")
    (folder / "binary").write_bytes(bytes(range(256)) * 8)
    (folder / "words").write_text("nothing of interest\n")
    (folder / "a.folder").mkdir()
    (folder / "unclosed.zone").write_text('$ORIGIN example.com.\n@ IN TXT "v=spf1\nmx IN A 192.0.2.1\n')
    (folder / "address.zone").write_text("$ORIGIN example.com.\nmx IN A 192.0.2.1.5\n")
    (folder / "origin.zone").write_text("mx IN A 192.0.2.1\n")
    (folder / "twin.zone").write_text('$ORIGIN example.com.\n@ IN TXT "v=spf1 +all"\n')


# -- providers --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("word", "said"),
    [("sendgird", "there is no such provider; did you mean sendgrid?"), ("qwertyuiop", "there is no such provider.")],
)
def test_a_provider_nobody_knows_is_refused(deliverkit: Typed, word: str, said: str) -> None:
    """Status 2, the nearest name where there is one, and how to list them."""
    ended = deliverkit("audit", *CLOSED, "example.com", "--via", word)
    assert ended.status == 2
    assert said in ended.err and "deliverkit explain providers" in ended.err and word in ended.err


def test_a_provider_may_be_named_by_alias(deliverkit: Typed) -> None:
    """Its section stands in the report, and its faults make the exit status."""
    ended = deliverkit(
        "audit", *CLOSED, "--only", "providers", "example.com", "--via", "Office365", "--via", "mandrill"
    )
    assert ended.status == 1
    assert "PROV001" in ended.out and "Microsoft 365 (Exchange Online)" in ended.out
    listed = deliverkit("explain", "providers")
    assert listed.status == 0 and "office365" in listed.out and "sendgrid" in listed.out
    assert json.loads(deliverkit("explain", "providers", "--format", "json").out)[0]["id"] == "gmail"


# -- what was meant ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "remark"),
    [
        ("EXAMPLE.com", None),
        ("example.com.", None),
        (" example.com ", None),
        ("https://example.com:8443/path?q=1#there", "(read from a URL)"),
        ("example.com/path", "(read from a URL)"),
        ("someone@example.com", "(read from an e-mail address)"),
        ("mailto:someone@example.com", "(read from an e-mail address)"),
        ("Some One <someone@example.com>", "(read from an e-mail address)"),
        ("example.com:25", "(read without the port)"),
        ("ｅｘａｍｐｌｅ.com", "(the A-label form of 'ｅｘａｍｐｌｅ.com')"),
    ],
)
def test_what_is_meant_is_accepted_and_said(deliverkit: Typed, typed: str, remark: str | None) -> None:
    """Capitals and a final dot go without saying."""
    ended = deliverkit(*SPF, "--", typed)
    assert (ended.status, ended.err) == (0, "")
    first, second, *_ = ended.out.splitlines()
    assert first == "example.com: PASS   nothing found"
    assert second == (remark or "")


def test_an_idn_is_asked_as_its_a_label(deliverkit: Typed) -> None:
    """Said in text and in JSON, and also below _domainkey."""
    report = json.loads(deliverkit(*SPF, "bücher.example", "--format", "json").out)
    assert report["subject"] == {
        "kind": "domain",
        "name": "xn--bcher-kva.example",
        "remark": "the A-label form of 'bücher.example'",
    }
    shown = deliverkit("show", "dkim", "s1._domainkey.bücher.example", *CLOSED)
    assert "s1._domainkey.xn--bcher-kva.example (given): no key (nxdomain)" in shown.out


@pytest.mark.parametrize(
    ("typed", "why"),
    [
        ("", "an empty name; expected a domain such as example.com"),
        ("http://", "an empty name"),
        ("not a domain", "the label 'not a domain' has other characters than a-z 0-9 - _"),
        ("example..com", "has an empty label (two dots in a row)"),
        ("a" * 64 + ".example", "has a label of 64 octets; 63 is the limit"),
        ("192.0.2.1", "is an IP address; give the domain that sends or receives the mail"),
        ("https://[2001:db8::1]/", "is an IP address"),
        ("192.0.2.999", "is neither an IP address nor a domain: its last label is a number"),
        ("☃.example", "is not a valid internationalized domain name"),
        ("ex\x1b[31mample.com", r"'ex\x1b[31mample.com' is not a domain name"),
        ("-x.example", "the label '-x' has other characters"),
        ("\udcff.example", "is not a valid internationalized domain name"),
    ],
)
def test_what_is_no_domain(deliverkit: Typed, typed: str, why: str) -> None:
    """The audit and show refuse it with the same words."""
    for words in (("audit", *CLOSED, "--", typed), ("show", *CLOSED, "--", "mx", typed)):
        ended = deliverkit(*words)
        assert (ended.status, ended.out) == (2, "")
        assert why in ended.complaint


def test_one_bad_domain_stops_the_others_before_any_work(deliverkit: Typed) -> None:
    """A slip of the hand is told at once, not after a minute of auditing."""
    ended = deliverkit(*SPF, "example.com", "exa mple.com")
    assert (ended.status, ended.out) == (2, "")


# -- verbs and options ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("audti", "example.com"), "there is no verb 'audti'. Did you mean 'audit'?"),
        (("frobnicate",), "there is no verb 'frobnicate'. The verbs: audit, show,"),
        (("audit",), "Missing argument 'DOMAIN...'"),
        (("audit", "--selectr", "a", "example.com"), "No such option '--selectr'. Did you mean '--selector'?"),
        (("audit", "--only", "spff", "example.com"), "--only spff: there is no such protocol; did you mean spf?"),
        (("audit", "--sends-from", "there", "example.com"), "--sends-from 'there': not an IP address"),
        (("audit", "--submission", "a..b", "example.com"), "--submission: 'a..b' has an empty label"),
        (("audit", "--submission", "mx:x", "example.com"), "--submission: mx:x: 'x' is not a port number"),
        (("audit", "--profile", "spam", "example.com"), "--profile spam: there is no such profile"),
        (("audit", "--timeout", "soon", "example.com"), "'soon' is not a valid number of seconds"),
        (("audit", "--timeout", "nan", "example.com"), "'nan' is not a number of seconds"),
        (("audit", "--timeout", "0", "example.com"), "0.0 is not in the range"),
        (("audit", "--format", "xml", "example.com"), "'xml' is not one of 'text', 'json', 'jsonl'"),
        (("audit", "--fail-on", "fatal", "example.com"), "'fatal' is not one of 'error', 'warning', 'note'"),
        (("audit", "--nameserver", "dns", "example.com"), "'dns' is no DNS server; write ADDR or ADDR:PORT"),
        (("audit", "--nameserver", "192.0.2.1:99999", "example.com"), "a port is a number from 1 to 65535"),
        (("audit", "--offline", "--closed-world", "example.com"), "exclude each other"),
        (("audit", "--offline", "--nameserver", "192.0.2.1", "example.com"), "--nameserver makes no sense without"),
        (("show", "spff", "example.com"), "'spff' is not one of 'spf', 'dkim', 'dmarc', 'mx'"),
        (("show", "spf", "example.com", "--selector", "a"), "--selector goes with dkim, not with spf"),
        (("check-host",), "Missing option '--client-ip'"),
        (("check-host", "--client-ip", "x"), "'x' is no IPv4 or IPv6 address"),
        (("check-host", "--client-ip", "192.0.2.1"), "neither a sender nor a HELO name was given"),
        (("check-host", "--client-ip", "192.0.2.1", "--mail-from", "a@"), "MAIL FROM address 'a@' has no domain"),
        (("probe", "mx.example.com:x"), "'x' is not a port number"),
        (("probe", "mx.example.com:25/relay"), "the role 'relay' is none of mx, submission, submissions"),
        (("probe", "mx.example.com:2525"), "port 2525 has no customary role; write mx.example.com:2525/mx"),
        (("probe", "[::1"), "expected [IPv6-ADDRESS] or [IPv6-ADDRESS]:PORT"),
        (("probe", ":25"), "no host is named"),
        (("probe", "192.0.2.999:25"), "is neither an IP address nor a domain"),
        (("explain", "SPF0O4"), "no rule is called 'SPF0O4'; did you mean SPF004?"),
        (("explain", "nonsense"), "no rule is called 'nonsense'. `deliverkit explain` lists them all."),
        (("sink", "--smtp", "here"), "'here' is not ADDR:PORT"),
        (("sink", "--smtp", "0.0.0.0:0"), "can be reached from other machines; say --allow-remote"),
        (("sink", "--hostname", "a\r\nb"), "is no host name"),
        (("sink", "--max-size", "much"), "'much' is no size"),
        (("demo", "-o", "-"), "name a file for the report"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_slip_in_the_command(deliverkit: Typed, words: tuple[str, ...], why: str) -> None:
    """Status 2, nothing on stdout, and what was expected instead."""
    ended = deliverkit(*words)
    assert (ended.status, ended.out) == (2, "")
    assert why in ended.complaint


@pytest.mark.parametrize("text", ["\x1b]0;owned\x07", "a\nError: all is well", "\u202egnp.exe", "x" * 5000])
def test_no_input_steers_or_floods_the_terminal(deliverkit: Typed, folder: Path, text: str) -> None:
    """Verb, option, domain, file and value: whatever is repeated is escaped and bounded."""
    for words in (
        (text,),
        ("audit", f"--{text}", "x"),
        ("audit", text),
        ("audit", "--closed-world", "--zone", text, "example.com"),
        ("audit", "--format", text, "example.com"),
        ("audit", "--only", text, "example.com"),
        ("audit", "-o", f"missing/{text}", "example.com"),
        ("show", text, "example.com"),
        ("probe", text, "192.0.2.1:2525"),
        ("verify", text),
        ("explain", text),
    ):
        ended = deliverkit(*words)
        assert ended.status == 2
        assert ended.err.isprintable() or not any(c in ended.err for c in "\x1b\x07\u202e\r")
        assert len(ended.err) < 2000
        assert len([line for line in ended.err.splitlines() if line.startswith("Error: ")]) == 1


# -- files ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "why"),
    [
        ("missing.zone", "missing.zone: cannot be read (No such file or directory)"),
        ("a.folder", "a.folder: cannot be read (Is a directory)"),
        ("empty", "empty: holds no record"),
        ("binary", "binary:1: is no text"),
        ("unclosed.zone", "unclosed.zone:2: a quotation mark is opened and never closed: '\"v=spf1'"),
        ("address.zone", "address.zone:2: "),
        ("origin.zone", "origin.zone:1: a relative name, and no $ORIGIN says to what: 'mx'"),
    ],
)
def test_a_zone_file_that_cannot_be_used(deliverkit: Typed, file: str, why: str) -> None:
    """File, line and text are named, whichever verb reads it."""
    for words in (("audit", "example.com"), ("show", "spf", "example.com")):
        ended = deliverkit(*words, "--closed-world", "--zone", file)
        assert (ended.status, ended.out) == (2, "")
        assert why in ended.complaint
    if file == "address.zone":
        assert "192.0.2.1.5" in ended.complaint


def test_two_files_for_one_zone(deliverkit: Typed) -> None:
    """Which of them is meant cannot be told."""
    ended = deliverkit(*SPF, "--zone", "twin.zone", "example.com")
    assert ended.status == 2
    assert ended.complaint == "Error: good.zone and twin.zone both hold the zone example.com: give one of them"


def test_a_name_with_control_characters_is_read_and_shown_escaped(deliverkit: Typed, folder: Path) -> None:
    """A zone file and a message may be called anything."""
    (folder / "od\x1bd\n.zone").write_bytes((folder / "good.zone").read_bytes())
    (folder / "od\x1bd\n.eml").write_bytes((ROOT / "fixtures" / "messages" / "signed.eml").read_bytes())
    for words in (
        ("audit", "--closed-world", "--zone", "od\x1bd\n.zone", "--only", "spf", "example.org"),
        ("verify", "--offline", "od\x1bd\n.eml"),
    ):
        ended = deliverkit(*words)
        assert ended.status in (1, 3)
        assert "\x1b" not in ended.out
        assert r"od\x1bd\x0a." in ended.out


@pytest.mark.parametrize(
    ("file", "why"),
    [
        ("missing.pem", "cannot be read: No such file or directory"),
        ("a.folder", "cannot be read: Is a directory"),
        ("empty", "is empty"),
        ("binary", "it is a binary file"),
        ("words", "there is no -----BEGIN … PRIVATE KEY----- line"),
    ],
)
def test_a_file_without_a_key(deliverkit: Typed, file: str, why: str) -> None:
    """The audit and the sending refuse it alike, before anything is asked or sent."""
    for words in (("audit", *CLOSED, "example.com"), DRAFT):
        ended = deliverkit(*words, "--dkim-key", f"s1={file}")
        assert (ended.status, ended.out) == (2, "")
        assert f"{file}: " in ended.complaint
        assert why in ended.complaint


@pytest.mark.parametrize(
    ("file", "why"),
    [
        ("test-only-ec-p256.pem", "type EC"),
        ("test-only-rsa2048-public.pem", "public"),
        ("test-only-rsa2048-encrypted.pem", "encrypted"),
        ("test-only-rsa512.pem", "512"),
    ],
)
def test_a_key_of_the_wrong_kind(deliverkit: Typed, file: str, why: str) -> None:
    """To an audit a finding about the key, to a sending a refusal; both say what kind it is."""
    audited = deliverkit("audit", *CLOSED, "--only", "dkim", "example.com", "--dkim-key", f"s1={KEYS / file}")
    assert audited.status == 1
    assert "ERROR DKIM023" in audited.out
    assert why in audited.out
    refused = deliverkit(*DRAFT, "--dkim-key", f"s1={KEYS / file}")
    assert (refused.status, refused.out) == (2, "")
    assert why in refused.complaint


@pytest.mark.parametrize(
    ("file", "why"),
    [
        ("missing.eml", "cannot read missing.eml: No such file or directory"),
        ("a.folder", "a.folder is a directory; name the files in it, for example a.folder/*.eml"),
        ("empty", "empty is empty: there is no message in it"),
        ("binary", "binary holds no mail message: it is binary"),
        ("words", "words holds no mail message"),
    ],
)
def test_a_file_without_a_message(deliverkit: Typed, file: str, why: str) -> None:
    """One bad file among good ones stops the verb before any work."""
    (Path.cwd() / "good.eml").write_bytes((ROOT / "fixtures" / "messages" / "signed.eml").read_bytes())
    ended = deliverkit("verify", "--offline", "good.eml", file)
    assert (ended.status, ended.out) == (2, "")
    assert why in ended.complaint


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("missing/report.json", "there is no directory "),
        ("empty/report.json", "Not a directory"),
        ("a.folder", "it is a directory; name a file in it"),
        ("", "it is a directory; name a file in it"),
        ("loop.json", "Too many levels of symbolic links"),
        ("x" * 300 + ".json", "File name too long"),
    ],
)
def test_a_report_that_cannot_be_written_is_told_before_the_work(deliverkit: Typed, path: str, why: str) -> None:
    """Whichever verb would write it; the demo, too."""
    (Path.cwd() / "loop.json").symlink_to("loop.json")
    for words in (("audit", *CLOSED, "example.com"), ("verify", "missing.eml"), ("demo",), ("sink",)):
        ended = deliverkit(*words, "-o", path)
        assert (ended.status, ended.out) == (2, "")
        assert "cannot write" in ended.complaint
        assert why in ended.complaint


def _forbid_writing(monkeypatch: pytest.MonkeyPatch) -> None:
    """Root may write anywhere, so the answer of the system is changed instead of the folder."""
    monkeypatch.setattr(os, "access", lambda _path, mode, **_: not mode & os.W_OK)


def test_a_folder_that_may_not_be_written(deliverkit: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody may write there: said before the work, and the demo does not start."""
    _forbid_writing(monkeypatch)
    for words in (("audit", *CLOSED, "example.com", "-o", "r.json"), ("demo",), (*DRAFT, "--transcript", "t.txt")):
        ended = deliverkit(*words)
        assert (ended.status, ended.out) == (2, "")
        assert ended.complaint.endswith("is not writable")


def test_a_read_only_current_folder_hinders_no_audit(deliverkit: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is written unless -o asks for it."""
    _forbid_writing(monkeypatch)
    before = sorted(Path.cwd().iterdir())
    assert deliverkit(*SPF, "example.com").status == 0
    assert sorted(Path.cwd().iterdir()) == before


# -- the DNS of others ------------------------------------------------------------------------------------


def test_a_dead_resolver_makes_everything_unknown_in_time(deliverkit: Typed, silent_resolver: str) -> None:
    """Status 3 within 20 s, and not one finding that would take silence for absence."""
    began = time.monotonic()
    words = ("audit", "example.com", "--nameserver", silent_resolver, "--selector", "s1", "--format", "json")
    ended = deliverkit(*words)
    assert time.monotonic() - began < 20
    report = json.loads(ended.out)
    assert (ended.status, report["verdict"], report["findings"]) == (3, "unknown", [])
    told = {one["rule"] for one in report["inconclusive"]}
    assert {"SPF001", "DKIM001", "DMARC001", "MX001"} <= told
    assert all("timeout" in one["reason"] or "limit" in one["reason"] for one in report["inconclusive"])


@pytest.mark.parametrize(
    "words",
    [
        ("audit", "example.com"),
        ("show", "spf", "example.com"),
        ("check-host", "--client-ip", "192.0.2.1", "--mail-from", "a@example.com"),
        ("verify", str(ROOT / "fixtures" / "messages" / "signed.eml")),
        ("probe", "mx.example.com"),
    ],
    ids=lambda words: words[0],
)
def test_the_timeout_ends_every_verb_with_a_report(
    deliverkit: Typed, silent_resolver: str, words: tuple[str, ...]
) -> None:
    """Status 3, and the JSON is there all the same."""
    began = time.monotonic()
    ended = deliverkit(*words, "--nameserver", silent_resolver, "--timeout", "0.5", "--format", "json")
    assert time.monotonic() - began < 5
    assert ended.status == 3
    assert json.loads(ended.out)["verdict"] == "unknown"


def test_a_txt_record_of_60_kb(deliverkit: Typed, folder: Path) -> None:
    """Judged as any other record, and shown in part."""
    strings = " ".join(f'"{"x" * 250}"' for _ in range(240))
    (folder / "big.zone").write_text(
        f'$ORIGIN example.com.\n@ TXT "v=spf1 mx " {strings}\n_dmarc TXT "v=DMARC1; p=" {strings}\n'
        f"s1._domainkey TXT {strings}\n@ MX 10 mx\nmx A 192.0.2.1\n"
    )
    ended = deliverkit("audit", "--closed-world", "--zone", "big.zone", "--selector", "s1", "example.com")
    assert ended.status == 1
    assert {"SPF005", "DMARC006", "DKIM002"} <= set(ended.out.split())
    assert len(ended.out) < 12_000


def test_a_loop_of_aliases_is_told_as_such(deliverkit: Typed, folder: Path) -> None:
    """Neither "no record" nor an endless walk: unknown, with the chain."""
    (folder / "loop.zone").write_text(
        "$ORIGIN example.com.\n@ MX 10 a\na CNAME b\nb CNAME a\n_dmarc CNAME _dmarc.b\n_dmarc.b CNAME _dmarc\n"
        '@ TXT "v=spf1 include:a.example.com -all"\ns1._domainkey CNAME s1._domainkey\n'
    )
    ended = deliverkit("audit", "--closed-world", "--zone", "loop.zone", "--selector", "s1", "example.com")
    assert ended.status in (1, 3)
    assert "an alias loop: a.example.com -> b.example.com" in " ".join(ended.out.split())
    assert "an alias loop: _dmarc.example.com -> _dmarc.b.example.com" in " ".join(ended.out.split())


# -- odd surroundings -------------------------------------------------------------------------------------


def test_a_message_from_a_closed_standard_input(deliverkit: Typed, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some supervisors start programs like that."""
    monkeypatch.setattr(sys, "stdin", None)
    ended = deliverkit("verify", "-")
    assert ended.status == 2
    assert ended.complaint == "Error: standard input is closed: there is no message in it"


@pytest.mark.parametrize("closed", [1, 2])
def test_closed_standard_streams(folder: Path, closed: int) -> None:
    """The status still tells, whether stdout or stderr is closed."""
    program = f"import os, sys; os.close({closed}); os.execv(sys.executable, [sys.executable, *sys.argv[1:]])"
    words = ["-m", "deliverkit", *SPF, "example.com", "example.org", "-q"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", program, *words]
    ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, timeout=30, check=False)
    assert ended.returncode == 1
    assert ended.stderr == b""


@pytest.mark.parametrize(
    "environment",
    [
        {"LC_ALL": "C"},
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"PYTHONIOENCODING": "ascii"},
    ],
    ids=lambda e: " ".join(f"{k}={v}" for k, v in e.items()),
)
def test_no_locale_hinders_output(folder: Path, environment: dict[str, str]) -> None:
    """The tree's lines and an umlaut are escaped in text; JSON is UTF-8 whatever the locale says."""
    (folder / "e.zone").write_text('$ORIGIN example.com.\n@ TXT "v=spf1 ip4:192.0.2.1 -all \xfc"\n', "utf-8")
    words = ("audit", "--closed-world", "--zone", "e.zone", "--only", "spf", "example.com")
    out, err = start(*words, cwd=folder, environment=environment).communicate(timeout=30)
    assert b"SPF005" in out
    assert err == b""
    out, err = start(*words, "--format", "json", cwd=folder, environment=environment).communicate(timeout=30)
    assert json.loads(out.decode("utf-8"))["verdict"] == "fail"
    assert err == b""
