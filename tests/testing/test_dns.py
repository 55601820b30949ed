"""The told DNS: filled by records and zones, also while somebody uses it; closed; failing where the test says so."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest

import deliverkit
from deliverkit.flow import Question, Status
from deliverkit.testing.dns import ToldDns
from deliverkit.world.zone import ZoneError

ZONE = '$ORIGIN example.com.\n$TTL 300\n@ MX 10 mx\nmx A 192.0.2.1\n* TXT "any"\n'


def said(dns: ToldDns, name: str, type_: str) -> Status:
    """What becomes of one question."""
    return asyncio.run(dns.world.ask(Question(name, type_))).status


def test_it_is_closed() -> None:
    """What nobody added does not exist."""
    assert said(ToldDns(), "example.com", "TXT") is Status.NXDOMAIN


def test_a_world_in_use_sees_what_is_added_later() -> None:
    """The world is handed out once; records come and go."""
    dns = ToldDns()
    world = dns.world
    assert deliverkit.check_host("192.0.2.1", "a@example.com", "mx.example", world=world).result == "none"
    dns.add("example.com", "TXT", "v=spf1 ip4:192.0.2.1 -all")
    assert deliverkit.check_host("192.0.2.1", "a@example.com", "mx.example", world=world).result == "pass"
    dns.remove("example.com", "TXT")
    assert deliverkit.check_host("192.0.2.1", "a@example.com", "mx.example", world=world).result == "none"
    with pytest.raises(KeyError, match=r"no TXT at example\.com"):
        dns.remove("example.com", "TXT")


def test_a_zone_is_text_or_file_and_records_may_be_added_to_it(tmp_path: Path) -> None:
    """A zone lies beside single records, not over them."""
    file = tmp_path / "example.com.zone"
    file.write_text(ZONE)
    for source in (ZONE, file, str(file)):
        dns = ToldDns()
        dns.zone(source)
        dns.add("_dmarc.example.com", "TXT", "v=DMARC1; p=none")
        dns.add_all({"example.net": {"MX": ["0 ."]}})
        assert said(dns, "mx.example.com", "A") is Status.OK
        assert said(dns, "other.example.com", "TXT") is Status.OK  # the wildcard (RFC 4592)
        assert said(dns, "_dmarc.example.com", "TXT") is Status.OK
        assert said(dns, "example.net", "MX") is Status.OK
        assert said(dns, "example.org", "MX") is Status.NXDOMAIN


def test_failures_are_told_by_name_and_type() -> None:
    """A timeout is not "no record"."""
    dns = ToldDns()
    dns.fail("slow.example", "TXT", "timeout")
    dns.fail("dead.example", how="servfail")
    assert said(dns, "slow.example", "TXT") is Status.TIMEOUT
    assert said(dns, "slow.example", "A") is Status.NXDOMAIN
    assert said(dns, "dead.example", "MX") is Status.SERVFAIL
    assert deliverkit.check_host("192.0.2.1", "a@slow.example", "h", world=dns.world).result == "temperror"


def test_bad_input_says_what_was_expected(tmp_path: Path) -> None:
    """Names, values, words and zones that are none."""
    dns = ToldDns()
    with pytest.raises(ValueError, match="expected one of nodata, nxdomain, servfail"):
        dns.fail("a.example", "TXT", "slow")
    with pytest.raises(ValueError, match="give at least one"):
        dns.add("a.example", "TXT")
    with pytest.raises(ValueError, match="MX 'nonsense'"):
        dns.add("a.example", "MX", "nonsense")
    with pytest.raises(ValueError, match="no domain name"):
        dns.add("a..example", "TXT", "x")
    with pytest.raises(ZoneError, match="<text>:2"):
        dns.zone("$ORIGIN example.com.\n@ A nonsense\n")
    with pytest.raises((ZoneError, OSError), match=r"absent\.zone"):
        dns.zone(tmp_path / "absent.zone")
    assert dns.revision == 0


def test_the_clock_can_be_stopped() -> None:
    """Dates are judged as of then."""
    dns = ToldDns()
    then = datetime(2026, 1, 1, tzinfo=UTC)
    dns.at(then)
    assert dns.world.now() == then
    dns.at(None)
    assert dns.world.now() > then


def test_an_audit_that_finds_something_fails_with_its_report(dns: ToldDns) -> None:
    """The sound domain passes; without its record the report says so."""
    assert dns.audit("example.com", selectors=["s1"], sends_from=["192.0.2.1"]).verdict == "pass"
    dns.remove("_dmarc.example.com")
    with pytest.raises(AssertionError, match=r"example\.com: FAIL(?s:.*)DMARC001"):
        dns.audit("example.com")
    assert dns.audit("example.com", fail_on="never").verdict == "fail"


def test_an_audit_that_could_not_be_told_fails_too(dns: ToldDns) -> None:
    """Unknown is never a pass."""
    dns.fail("_dmarc.example.com", "TXT")
    with pytest.raises(AssertionError, match=r"example\.com: UNKNOWN(?s:.*)timeout"):
        dns.audit("example.com")
