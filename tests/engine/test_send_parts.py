"""The parts of sending: presets that are complete, routes in order, the watched conversation, dry-run lines."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliverkit.data import providers
from deliverkit.engine.letter import coverage, escaped_lines
from deliverkit.engine.preset import BadPreset, lacking_secret, lacking_username, preset
from deliverkit.engine.route import Route, default_tls, mx_route, read_relay, relay_route
from deliverkit.engine.send import local_name
from deliverkit.engine.watch import Watch
from deliverkit.facts.base import Missing
from deliverkit.facts.sending import provider_of
from deliverkit.facts.vantage import Vantage
from deliverkit.flow import Answer, Flow, Question, Status, drive
from deliverkit.names import BadName
from deliverkit.smtp.dialogue import Connect, SmtpFlow
from deliverkit.world import World


@pytest.mark.parametrize("known", providers(), ids=lambda p: p.id)
def test_every_provider_makes_a_preset(known: Any) -> None:
    """Each entry of the table gives host, port, mode and, where it has regions, a complete name."""
    chosen = preset(known.id, region=next(iter(known.entry.get("regions", [])), None), mail_from="ann@example.com")
    assert "{" not in chosen.endpoint.host
    assert chosen.tls in ("implicit", "starttls", "none")
    assert known.name in lacking_secret(chosen)
    assert chosen.username or not chosen.needs_login or "--user" in lacking_username(chosen)


@pytest.mark.parametrize(
    ("word", "username"),
    [("qq", "ann@example.com"), ("webde", "ann"), ("sendgrid", "apikey"), ("resend", "resend"), ("ses", None)],
)
def test_the_user_name_follows_the_providers_rule(word: str, username: str | None) -> None:
    """The whole address, its local part, a fixed word, or what only the console shows."""
    assert preset(word, mail_from="ann@example.com").username == username


def test_another_endpoint_may_be_chosen() -> None:
    """By mode or by host; one the provider does not have is refused with those it has."""
    assert preset("qq").endpoint.port == 465
    assert preset("qq", tls="starttls").endpoint.port == 587
    assert preset("ses", region="eu-west-1").endpoint.host == "email-smtp.eu-west-1.amazonaws.com"
    with pytest.raises(BadPreset, match=r"smtp\.qq\.com:465"):
        preset("qq", host="smtp.163.com")
    with pytest.raises(BadPreset, match="no regions"):
        preset("qq", region="eu-west-1")


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("smtp.qq.com", "qq"),
        ("email-smtp.eu-west-1.amazonaws.com", "ses"),
        ("gmail-smtp-in.l.google.com", "gmail"),
        ("mx.example.com", None),
    ],
)
def test_a_host_tells_its_provider(host: str, expected: str | None) -> None:
    """Submission hosts, regions included, and MX hosts."""
    found = provider_of(host)
    assert (found.id if found else None) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("smtp.example.com", ("smtp.example.com", None)),
        ("SMTP.example.com:587", ("smtp.example.com", 587)),
        ("192.0.2.1:25", ("192.0.2.1", 25)),
        ("[2001:db8::1]:465", ("2001:db8::1", 465)),
        ("2001:db8::1", ("2001:db8::1", None)),
        ("[2001:db8::1]", ("2001:db8::1", None)),
    ],
)
def test_a_relay_is_read_as_typed(text: str, expected: tuple[str, int | None]) -> None:
    """Names, addresses, ports and IPv6 in brackets."""
    assert read_relay(text) == expected


@pytest.mark.parametrize("text", ["", ":25", "host:", "host:0", "host:70000", "host:١", "[2001:db8::1", "a b:25"])
def test_a_mistyped_relay_is_refused(text: str) -> None:
    """Never another error than BadName."""
    with pytest.raises(BadName):
        read_relay(text)


@pytest.mark.parametrize(
    ("port", "login", "mode"),
    [
        (465, False, "implicit"),
        (994, True, "implicit"),
        (587, False, "starttls"),
        (25, False, "opportunistic"),
        (25, True, "starttls"),
    ],
)
def test_a_port_has_its_customary_mode(port: int, login: bool, mode: str) -> None:
    """With a login TLS is never optional."""
    assert default_tls(port, login=login) == mode


def routed(flow: Flow[Route], table: dict[tuple[str, str], Any]) -> Route:
    """Run a route's flow over a table; what is not in it does not exist."""

    def hear(question: Question) -> Answer:
        told = table.get((question.name, question.type), Status.NXDOMAIN)
        if isinstance(told, Status):
            return Answer(question, told)
        return Answer(question, Status.OK, tuple(told))

    return drive(flow, hear)


def test_mx_hosts_are_tried_by_preference() -> None:
    """The lowest preference first, IPv4 before IPv6, no host twice."""
    table = {
        ("example.net", "MX"): [(20, "b.example.net"), (10, "a.example.net"), (30, "a.example.net")],
        ("a.example.net", "A"): ["192.0.2.1"],
        ("a.example.net", "AAAA"): ["2001:db8::1"],
        ("b.example.net", "A"): ["192.0.2.2"],
        ("b.example.net", "AAAA"): Status.NODATA,
    }
    route = routed(mx_route("example.net", 25, "opportunistic", ("bob@example.net",)), table)
    assert [e.address for e in route.endpoints] == ["192.0.2.1", "2001:db8::1", "192.0.2.2"]
    assert all(e.from_dns for e in route.endpoints)


@pytest.mark.parametrize(
    ("table", "dead_end"),
    [
        ({("example.net", "MX"): [(0, ".")]}, "null MX"),
        ({}, "does not exist"),
        ({("example.net", "MX"): Status.NODATA, ("example.net", "A"): Status.NODATA}, "neither MX nor address"),
        ({("example.net", "MX"): [(10, "gone.example.net")]}, "no MX host with an address"),
    ],
)
def test_a_domain_that_takes_no_mail_is_a_dead_end(table: dict[tuple[str, str], Any], dead_end: str) -> None:
    """Null MX, no such domain, no address: told as such, and nothing is connected to."""
    route = routed(mx_route("example.net", 25, "opportunistic", ()), table)
    assert route.endpoints == ()
    assert dead_end in route.dead_end


@pytest.mark.parametrize(
    "table",
    [
        {("example.net", "MX"): Status.SERVFAIL},
        {("example.net", "MX"): [(10, "a.example.net")], ("a.example.net", "A"): Status.TIMEOUT},
    ],
)
def test_a_lookup_that_failed_is_no_dead_end(table: dict[tuple[str, str], Any]) -> None:
    """SERVFAIL and timeouts leave the matter unknown."""
    route = routed(mx_route("example.net", 25, "opportunistic", ()), table)
    assert isinstance(route.dead_end, Missing)


@pytest.mark.parametrize(
    ("domain", "address"),
    [("[127.0.0.1]", "127.0.0.1"), ("[IPv6:::1]", "::1"), ("[ipv6:::1]", "::1"), ("[localhost]", None), ("[", None)],
)
def test_an_address_literal_is_an_address_or_nowhere(domain: str, address: str | None) -> None:
    """A word in brackets is never looked up, least of all by the system's resolver."""
    route = routed(mx_route(domain, 25, "opportunistic", (f"a@{domain}",)), {})
    assert [endpoint.address for endpoint in route.endpoints] == ([address] if address else [])
    assert (route.dead_end is None) is (address is not None)


def test_localhost_and_addresses_are_not_asked_for() -> None:
    """What the user types may be connected to, and localhost never goes to DNS (RFC 6761)."""
    for host, addresses in (("localhost", ["127.0.0.1", "::1"]), ("192.0.2.7", ["192.0.2.7"])):
        route = routed(relay_route(host, 25, "none", ()), {})
        assert [e.address for e in route.endpoints] == addresses
        assert not any(e.from_dns for e in route.endpoints)


@pytest.mark.parametrize(
    ("node", "sources", "expected"),
    [
        ("mail.example.com", (), "mail.example.com"),
        ("3f2a9c1b", ("192.0.2.9",), "[192.0.2.9]"),
        ("laptop.local", ("2001:db8::9",), "[IPv6:2001:db8::9]"),
        ("localhost", (), "example.org"),
        ("", (), "example.org"),
    ],
)
def test_the_ehlo_name_is_never_a_containers_id(node: str, sources: tuple[str, ...], expected: str) -> None:
    """A container id or localhost is refused with 504: a full name, an address literal, or the sender's domain."""
    table = World.from_records({})
    world = World(table.dns, table.smtp, Vantage("live", source_addresses=sources))
    assert local_name(world, node, "example.org") == expected


def test_a_watched_flow_is_the_same_flow() -> None:
    """Asks, answers and the result pass unchanged; the inner flow is closed with the outer."""
    closed = []

    def inner() -> SmtpFlow[str]:
        try:
            heard = yield Connect("192.0.2.1", 25)
            return f"heard {heard}"
        finally:
            closed.append(True)

    flow = Watch(lambda _: None).over(inner())
    assert next(flow) == Connect("192.0.2.1", 25)
    with pytest.raises(StopIteration) as stop:
        flow.send("x")
    assert stop.value.value == "heard x"
    left = Watch(lambda _: None).over(inner())
    next(left)
    left.close()
    assert closed == [True, True]


@given(st.binary(max_size=200))
def test_escaped_lines_hide_nothing(raw: bytes) -> None:
    """Every octet can be read back from the escaped lines, and none of them is a control character."""
    lines = escaped_lines(raw)
    assert all(32 <= ord(c) < 127 for line in lines for c in line)
    back = b"\r\n".join(line.encode("ascii").decode("unicode_escape").encode("latin-1") for line in lines)
    assert back == raw.removesuffix(b"\r\n")


def test_coverage_of_a_message_without_signature_is_empty() -> None:
    """No DKIM-Signature, nothing covered."""
    assert coverage(b"From: a@example.com\r\n\r\nx\r\n") == ()
