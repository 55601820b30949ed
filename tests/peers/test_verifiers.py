"""Other people's DKIM: Mail::DKIM, mailauth and OpenDKIM accept what we sign, and ours accepts what they sign.

The messages are the corners of canonicalisation (RFC 6376 §3.4). Each is signed and verified by every peer in one run
of its script; keys come from a name server of ours on loopback, or from a file.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

import deliverkit
from deliverkit.demo.nameserver import Nameserver
from deliverkit.protocols.dkim.key import parse_key
from deliverkit.protocols.dkim.keys import load_private_key, matches
from deliverkit.protocols.dkim.sign import sign
from deliverkit.world import World
from deliverkit.world.values import character_strings, presentation
from deliverkit.world.zone import Zone
from tests.peers.run import run, script
from tests.peers.signing import DOMAIN, key_pairs, records

NOW = datetime.now(UTC)
HEAD = (
    b"From: Ann Example <ann@example.com>\r\nTo: bob@example.org\r\nSubject: a test\r\n"
    b"Date: Sun, 22 Nov 2026 10:00:00 +0000\r\nMessage-ID: <1@example.com>\r\n"
)
BODY = b"Hello Bob,\r\n\r\nthis is the text.\r\n"
MESSAGES = {
    "plain": HEAD + b"\r\n" + BODY,
    "empty-body": HEAD + b"\r\n",
    "body-of-blank-lines": HEAD + b"\r\n\r\n\r\n\r\n",
    "blank-lines-at-the-end": HEAD + b"\r\n" + BODY + b"\r\n\r\n\r\n",
    "blank-lines-within": HEAD + b"\r\n\r\n\r\n" + BODY + b"\r\n\r\n" + BODY,
    "blanks-at-line-ends": HEAD + b"\r\nHello  \t \r\n \t\r\n\tthere \t you\t\r\n  \r\n",
    "last-line-without-end": HEAD + b"\r\n" + BODY.removesuffix(b"\r\n"),
    "folded-fields": HEAD
    + b"References: <1@example.com>\r\n\t<2@example.com>\r\n   <3@example.com>\r\n"
    + b"X-Long: "
    + b"\r\n ".join([b"word" * 15] * 4)
    + b"\r\n\r\n"
    + BODY,
    "fold-behind-the-name": HEAD.replace(b"Subject: a", b"Subject:\r\n a") + b"\r\n" + BODY,
    "blanks-in-fields": HEAD.replace(b"Subject: a test", b"SUBJECT:  a \t  test \t ") + b"\r\n" + BODY,
    "empty-field": HEAD.replace(b"Subject: a test", b"Subject:") + b"\r\n" + BODY,
    "repeated-fields": b"Received: from a by b; Sun, 22 Nov 2026 10:00:02 +0000\r\n"
    b"Received: from c by a; Sun, 22 Nov 2026 10:00:01 +0000\r\n"
    b"Resent-To: one@example.org\r\nResent-To: two@example.org\r\n" + HEAD + b"\r\n" + BODY,
    "list-fields": HEAD
    + b"List-Unsubscribe: <https://example.com/u/1>, <mailto:u@example.com?subject=1>\r\n"
    + b"List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\nList-Id: News <news.example.com>\r\n\r\n"
    + BODY,
    "eight-bit": HEAD
    + b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    + "Grüße aus Köln: 好\r\n".encode(),
    "dots-and-long-lines": HEAD + b"\r\n.\r\n..dot\r\n" + b"x" * 998 + b"\r\n.\r\n",
}
UNENDED = "last-line-without-end"
"""No such message travels by SMTP. RFC 6376 §3.4.3 adds the CRLF all the same; Mail::DKIM signs and OpenDKIM reads
what is there, so that only mailauth and we agree about it."""
ENDED = [name for name in MESSAGES if name != UNENDED]
TYPES = ("rsa", "ed25519")
FORMS = ("simple/simple", "simple/relaxed", "relaxed/simple", "relaxed/relaxed")


def signed_by_us() -> dict[str, bytes]:
    """Every message with one signature of ours, for each type of key; and one of each changed afterwards."""
    made = {
        f"{type_}/{name}": sign(message, [key_pairs()[type_].ours], now=NOW)
        for type_ in TYPES
        for name, message in MESSAGES.items()
    }
    for type_ in TYPES:
        plain = made[f"{type_}/plain"]
        made[f"{type_}/changed-body"] = plain.replace(b"the text", b"the test")
        made[f"{type_}/changed-subject"] = plain.replace(b"Subject: a", b"Subject: A")
        made[f"{type_}/second-subject"] = plain.replace(b"Subject: a", b"Subject: evil\r\nSubject: a")
    return made


SIGNED = signed_by_us()
CHANGED = ("changed-body", "changed-subject", "second-subject")


def encoded(messages: dict[str, bytes]) -> dict[str, str]:
    """Messages as JSON can carry them."""
    return {name: base64.b64encode(message).decode() for name, message in messages.items()}


@pytest.fixture(scope="module")
def nameserver() -> Iterator[Nameserver]:
    """A name server that knows the keys."""
    lines = [f"{name}. TXT {presentation('TXT', character_strings(r.encode()))}\n" for name, r in records().items()]
    text = f"$ORIGIN {DOMAIN}.\n$TTL 300\n@ SOA ns hostmaster 1 7200 3600 1209600 60\n" + "".join(lines)
    with Nameserver([Zone.parse(text)]) as server:
        yield server


Told = dict[str, list[list[str]]]


@pytest.fixture(scope="module")
def mailauth(nameserver: Nameserver) -> Told:
    """What mailauth says of everything we signed."""
    address = [nameserver.host, nameserver.port]
    told: Told = script("mailauth.js", {"verify": {"nameserver": address, "messages": encoded(SIGNED)}})
    return told


@pytest.fixture(scope="module")
def mail_dkim(nameserver: Nameserver) -> Told:
    """What Mail::DKIM says of everything we signed with RSA; Debian 12's has no Ed25519."""
    by_rsa = {name: message for name, message in SIGNED.items() if name.startswith("rsa/")}
    address = [nameserver.host, nameserver.port]
    told: Told = script("mail_dkim.pl", {"verify": {"nameserver": address, "messages": encoded(by_rsa)}})
    return told


@pytest.fixture(scope="module")
def opendkim(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What the OpenDKIM filter says, in its test mode, of everything we signed."""
    folder = tmp_path_factory.mktemp("opendkim")
    (folder / "keys").write_text("".join(f"{name} {record}\n" for name, record in records().items()))
    settings = {"RequireSafeKeys": "no", "Mode": "v", "Syslog": "no", "TestPublicKeys": folder / "keys"}
    (folder / "opendkim.conf").write_text("".join(f"{name} {value}\n" for name, value in settings.items()))
    files = {name: folder / f"{name.replace('/', '-')}.eml" for name in SIGNED}
    for name, path in files.items():
        path.write_bytes(SIGNED[name])
    done = run(["opendkim", "-x", folder / "opendkim.conf", "-t", ",".join(map(str, files.values()))])
    said = (done.stdout + done.stderr).decode()
    return {name: line for name, path in files.items() for line in said.splitlines() if f"{path}: verification" in line}


@pytest.mark.peer("mailauth")
@pytest.mark.parametrize("type_", TYPES)
@pytest.mark.parametrize("name", MESSAGES)
def test_mailauth_accepts_what_we_sign(type_: str, name: str, mailauth: Told) -> None:
    """Every corner of canonicalisation, RSA and Ed25519."""
    (result, detail, selector) = mailauth[f"{type_}/{name}"][0]
    assert (result, selector) == ("pass", key_pairs()[type_].selector), detail


@pytest.mark.peer("mail-dkim")
@pytest.mark.parametrize("name", MESSAGES)
def test_mail_dkim_accepts_what_we_sign(name: str, mail_dkim: Told) -> None:
    """Every corner of canonicalisation, RSA."""
    assert [one[0] for one in mail_dkim[f"rsa/{name}"]] == ["pass"], mail_dkim[f"rsa/{name}"]


@pytest.mark.peer("opendkim")
@pytest.mark.parametrize("type_", TYPES)
@pytest.mark.parametrize("name", ENDED)
def test_opendkim_accepts_what_we_sign(type_: str, name: str, opendkim: dict[str, str]) -> None:
    """Every corner of canonicalisation, RSA and Ed25519."""
    assert opendkim[f"{type_}/{name}"].endswith("succeeded"), opendkim[f"{type_}/{name}"]


@pytest.mark.peer("mailauth")
@pytest.mark.peer("mail-dkim")
@pytest.mark.peer("opendkim")
@pytest.mark.parametrize("change", CHANGED)
def test_nobody_accepts_a_changed_message(
    change: str, mailauth: Told, mail_dkim: Told, opendkim: dict[str, str]
) -> None:
    """A changed body, a changed subject, and a second subject in front of the oversigned one."""
    assert mail_dkim[f"rsa/{change}"][0][0] == "fail"
    for type_ in TYPES:
        assert mailauth[f"{type_}/{change}"][0][0] in ("fail", "neutral")
        assert "failed" in opendkim[f"{type_}/{change}"]
        expected = "fail body-hash" if change == "changed-body" else "fail signature"
        assert ours(SIGNED[f"{type_}/{change}"]) == expected


# -- what they sign ---------------------------------------------------------------------------------------


def ours(message: bytes) -> str:
    """Our result for a message with one signature, with the kind of failure if there is one."""
    world = World.from_records({name: {"TXT": record} for name, record in records().items()})
    (verdict,) = deliverkit.verify(message, world=world).authentication.dkim
    return f"{verdict.result} {verdict.kind}" if verdict.kind else str(verdict.result)


def theirs(peer: str, type_: str, names: Iterable[str] = MESSAGES) -> dict[str, bytes]:
    """These messages, signed by a peer's script in every form."""
    pair = key_pairs()[type_]
    pem = pair.pem if peer == "mailauth.js" else pair.private.secret.decode()
    jobs = {f"{form} {name}": (form, MESSAGES[name]) for form in FORMS for name in names}
    messages = {name: [form, base64.b64encode(message).decode()] for name, (form, message) in jobs.items()}
    job = {"domain": DOMAIN, "selector": pair.selector, "key": pem, "messages": messages}
    fields = script(peer, {"sign": job})
    return {name: fields[name].rstrip().encode() + b"\r\n" + message for name, (_, message) in jobs.items()}


@pytest.mark.peer("mailauth")
@pytest.mark.parametrize("type_", TYPES)
def test_we_accept_what_mailauth_signs(type_: str) -> None:
    """Every message in every form."""
    signed = theirs("mailauth.js", type_)
    assert {name: ours(message) for name, message in signed.items()} == dict.fromkeys(signed, "pass")


@pytest.mark.peer("mail-dkim")
def test_we_accept_what_mail_dkim_signs() -> None:
    """Every message in every form."""
    signed = theirs("mail_dkim.pl", "rsa", ENDED)
    assert {name: ours(message) for name, message in signed.items()} == dict.fromkeys(signed, "pass")


@pytest.mark.peer("mailauth")
def test_changes_to_what_they_sign_are_found() -> None:
    """The failure is told from its cause: the body, or the header."""
    signed = theirs("mailauth.js", "rsa")["relaxed/relaxed plain"]
    assert ours(signed.replace(b"the text", b"the test")) == "fail body-hash"
    assert ours(signed.replace(b"Subject: a", b"Subject: A")) == "fail signature"


@pytest.mark.peer("opendkim-testmsg")
def test_rsa_sha1_is_refused_as_rfc_8301_demands(tmp_path: Path) -> None:
    """opendkim-testmsg knows no other algorithm: the signature may be sound, and yet must not pass."""
    pair = key_pairs()["rsa"]
    (tmp_path / "key.pem").write_bytes(pair.private.secret)
    command: list[str | Path] = [
        "opendkim-testmsg",
        "-C",
        "-d",
        DOMAIN,
        "-s",
        pair.selector,
        "-k",
        tmp_path / "key.pem",
    ]
    done = run([*command, "-t", tmp_path], MESSAGES["plain"])
    assert done.returncode == 0, done.stderr
    assert re.search(rb"a=rsa-sha1;", done.stdout)
    assert ours(done.stdout) == "permerror algorithm-refused"


@pytest.mark.peer("opendkim-testkey")
def test_opendkim_agrees_which_private_key_a_record_belongs_to(nameserver: Nameserver, tmp_path: Path) -> None:
    """The record we say to publish fits the key file it was made from, and no other; so does our own comparison."""
    pair, stranger = key_pairs()["rsa"], rsa.generate_private_key(65537, 2048)
    (tmp_path / "testkey.conf").write_text(f"RequireSafeKeys no\nNameservers {nameserver.host}@{nameserver.port}\n")
    pem = stranger.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    for fits, secret in ((True, pair.private.secret), (False, pem)):
        file = tmp_path / f"{fits}.pem"
        file.touch(0o600)
        file.write_bytes(secret)
        where: list[str | Path] = ["-x", tmp_path / "testkey.conf", "-d", DOMAIN, "-s", pair.selector, "-k", file]
        done = run(["opendkim-testkey", *where])
        assert (done.returncode == 0) is fits, done.stderr
        assert matches(load_private_key(file), parse_key(pair.private.record)) is fits
