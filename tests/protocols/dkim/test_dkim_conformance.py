"""Three suites for verifying: RFC examples, chasquid's messages, mail-auth's real mail of 2022."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from deliverkit.flow import Status
from deliverkit.protocols.dkim.verify import Kind, Result
from tests.protocols.dkim.samples import verify

SUITES = Path(__file__).parents[3] / "fixtures" / "conformance"
RFC = SUITES / "dkim-rfc"
RFC_EXPECTED: dict[str, list[str]] = json.loads((RFC / "expected.json").read_text())
CHASQUID = sorted((SUITES / "dkim-chasquid").glob("*.msg"))
MAIL_AUTH = sorted((SUITES / "dkim-mail-auth").glob("0*.txt"))
KINDS = {
    "body hash": Kind.BODY_HASH,
    "signature": Kind.SIGNATURE,
    "v= missing": Kind.MALFORMED,
    "key type does not match a=": Kind.KEY_UNUSABLE,
}
STATES = {Result.PASS: "SUCCESS", Result.TEMPERROR: "TEMPFAIL"}


def as_sent(octets: bytes) -> bytes:
    """The suites store messages with LF; on the wire they had CRLF."""
    return octets.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")


def test_the_suites_are_whole() -> None:
    """No case is lost on the way from the files to the tests."""
    assert (len(RFC_EXPECTED), len(CHASQUID), len(MAIL_AUTH)) == (7, 11, 6)


@pytest.mark.conformance("dkim-rfc")
@pytest.mark.parametrize("name", RFC_EXPECTED)
def test_rfc_examples(name: str) -> None:
    """RFC 6376 §A.2 and RFC 8463 §A.3 pass; their broken variants fail for the reason named."""
    zone = json.loads((RFC / "dns.json").read_text())
    verdicts = verify(as_sent((RFC / name).read_bytes()), zone).signatures
    assert len(verdicts) == len(RFC_EXPECTED[name])
    for verdict, expected in zip(verdicts, RFC_EXPECTED[name], strict=True):
        words, _, why = expected.partition(": ")
        algorithm = words.partition(" (")[2].rstrip(")")
        assert verdict.result in words.partition(" (")[0].split("/")
        assert verdict.kind is KINDS.get(why)
        assert verdict.algorithm == (algorithm or verdict.algorithm)


def chasquid_zone(message: Path) -> dict[str, str | list[str] | Status]:
    """Its DNS: lines continue after a backslash, several lines with one name are several TXT records."""
    file = message.with_suffix(".dns")
    zone: dict[str, str | list[str] | Status] = {}
    for line in file.read_text().replace("\\\n", "").splitlines() if file.exists() else ():
        name, _, value = (part.strip() for part in line.partition(":"))
        if value in ("TEMPERROR", "PERMERROR"):
            zone[name] = Status.SERVFAIL if value == "TEMPERROR" else Status.NXDOMAIN
        elif name:
            before = zone.get(name, [])
            zone[name] = [*(before if isinstance(before, list) else []), value]
    return zone


@pytest.mark.conformance("dkim-chasquid")
@pytest.mark.parametrize("message", CHASQUID, ids=lambda path: path.stem)
def test_chasquid(message: Path) -> None:
    """chasquid's cases, result by result.

    02-too_many_headers tests that program's own limit of five signatures. RFC 6376 §6.1 lets a verifier limit them as
    it likes; ours takes ten, so its seven are all verified. The first five must be as it says.
    """
    verdict = verify(as_sent(message.read_bytes()), chasquid_zone(message), datetime(2024, 4, 1, tzinfo=UTC))
    file = message.with_suffix(".result")
    if not file.exists():
        assert message.with_suffix(".error").read_text() == "invalid header: bad continuation"
        assert verdict.result is Result.NEUTRAL
        assert verdict.unreadable == "line 1: a continuation line with no header field before it"
        return
    expected = json.loads(file.read_text())
    states = [STATES.get(one.result, "PERMFAIL") for one in verdict.signatures]
    wanted = [one["State"] for one in expected["Results"]]
    if message.stem == "02-too_many_headers":
        assert (len(wanted), len(states)) == (5, 7)
        assert states == ["SUCCESS"] * 7
    else:
        assert states == wanted
    for one, theirs in zip(verdict.signatures, expected["Results"], strict=False):
        assert theirs["Domain"] in ("", one.domain)
        assert theirs["Selector"] in ("", one.selector)


@pytest.mark.conformance("dkim-mail-auth")
@pytest.mark.parametrize("file", MAIL_AUTH, ids=lambda path: path.stem)
def test_mail_auth(file: Path) -> None:
    """Real mail with the keys of its day passes on the day it was sent (005 has an x= in November 2022)."""
    head, _, message = file.read_bytes().partition(b"\n\n")
    zone = dict(line.split(" ", 1) for line in head.decode().splitlines())
    verdict = verify(as_sent(message), zone, datetime(2022, 11, 8, tzinfo=UTC))
    assert verdict.signatures
    assert [one.result for one in verdict.signatures] == [Result.PASS] * len(verdict.signatures)


def test_mail_auth_005_expires() -> None:
    """The same message today is good and expired: policy, not fail."""
    head, _, message = MAIL_AUTH[4].read_bytes().partition(b"\n\n")
    zone = dict(line.split(" ", 1) for line in head.decode().splitlines())
    [one] = verify(as_sent(message), zone, datetime(2026, 11, 22, tzinfo=UTC)).signatures
    assert (one.result, one.kind) == (Result.POLICY, Kind.EXPIRED)
