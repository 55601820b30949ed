"""Consent of external report destinations (RFC 9990 §4)."""

from __future__ import annotations

from typing import Any

from deliverkit.flow import Status, drive
from deliverkit.protocols.dmarc.destinations import Consent, Destination, destinations
from deliverkit.protocols.dmarc.discover import discover_dmarc
from tests.protocols.dmarc.worlds import hearing

MX = {"MX": [(10, "mx.example.net")]}


def look(zone: dict[str, Any], domain: str = "example.com", **more: Any) -> list[Destination]:
    """The destinations of a domain's record over a table."""
    hear = hearing(zone, **more)
    return list(drive(destinations(drive(discover_dmarc(domain), hear)), hear))


def record(rua: str) -> dict[str, Any]:
    """A zone with a policy record that reports to these addresses."""
    return {"_dmarc.example.com": f"v=DMARC1; p=none; rua={rua}"}


def test_own_addresses_need_no_consent() -> None:
    """The same domain, and another one of the same organization."""
    found = look(record("mailto:a@example.com,mailto:a@reports.example.com"))
    assert [one.consent for one in found] == [Consent.OWN, Consent.OWN]


def test_consent_is_asked_at_the_right_name() -> None:
    """The domain whose record it is, in front of _report._dmarc and the destination's host."""
    asked: list[str] = []
    zone = {**record("mailto:a@red.example.net"), "example.com._report._dmarc.red.example.net": "v=DMARC1;"}
    [one] = look(zone, "news.example.com", asked=asked)
    assert (one.consent, one.asked) == (Consent.GRANTED, "example.com._report._dmarc.red.example.net")
    assert f"TXT {one.asked}" in asked


def test_no_consent() -> None:
    """No record, or text that is no DMARC record, is a refusal; SERVFAIL is not."""
    zone = record("mailto:a@red.example.net")
    name = "example.com._report._dmarc.red.example.net"
    assert look(zone)[0].consent is Consent.REFUSED
    assert look({**zone, name: "v=spf1 -all"})[0].consent is Consent.REFUSED
    assert look(zone, failures={name: Status.SERVFAIL})[0].consent is Consent.UNKNOWN


def test_an_override_must_keep_the_host() -> None:
    """A rua in the consent replaces the address; another host voids both."""
    zone = record("mailto:a@red.example.net")
    name = "example.com._report._dmarc.red.example.net"
    kept = look({**zone, name: "v=DMARC1; rua=mailto:b@red.example.net"})[0]
    assert (kept.consent, [uri.text for uri in kept.overrides]) == (Consent.GRANTED, ["mailto:b@red.example.net"])
    strayed = look({**zone, name: "v=DMARC1; rua=mailto:b@blue.example.net"})[0]
    assert strayed.consent is Consent.REFUSED and "another host" in strayed.why


def test_a_name_too_long_for_dns_cannot_consent() -> None:
    """253 octets is the limit; nothing is asked."""
    host = ".".join(["a" * 60] * 3 + ["b" * 58])
    [one] = look(record(f"mailto:a@{host}"))
    assert one.consent is Consent.REFUSED and one.asked is None and "too long" in one.why


def test_unusable_addresses() -> None:
    """An invalid URI and a scheme nobody must support are told apart."""
    found = look(record("a@example.com,https://example.com/dmarc"))
    assert [one.consent for one in found] == [Consent.INVALID, Consent.NOT_MAIL]


def test_a_host_that_takes_no_mail() -> None:
    """Null MX, no such name and neither MX nor address take none; an address alone does; silence is unknown."""
    zone = {
        **record(
            "mailto:a@null.example,mailto:a@gone.example,mailto:a@txt.example,mailto:a@a.example,mailto:a@mx.example"
        ),
        "null.example": {"MX": [(0, ".")]},
        "txt.example": "x",
        "a.example": {"A": ["192.0.2.1"]},
        "mx.example": MX,
    }
    assert [one.takes_mail for one in look(zone)] == [False, False, False, True, True]
    assert look(zone, failures={"mx.example": Status.TIMEOUT})[-1].takes_mail is None


def test_the_list_is_bounded() -> None:
    """A record with hundreds of hosts costs a bounded number of questions."""
    asked: list[str] = []
    found = look(record(",".join(f"mailto:a@h{i}.example" for i in range(300))), asked=asked)
    assert len(found) == 300 and found[-1].consent is Consent.UNKNOWN
    assert len(asked) < 60
