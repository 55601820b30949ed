"""Rules about SMTP servers: whether they are reached, greet, keep to the protocol, and whom they let send."""

from __future__ import annotations

import re
from collections.abc import Sequence

from deliverkit.facts.base import needs
from deliverkit.facts.domain import DomainFacts
from deliverkit.facts.host import HostFacts, PortFacts
from deliverkit.findings import Evidence, Severity, finding
from deliverkit.rules.registry import Findings, rule
from deliverkit.rules.seen import opened, reached, said, why_not

_SUBMISSION = ("submission", "submissions")
_FQDN = re.compile(r"[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*\.[a-z][a-z0-9-]*", re.IGNORECASE)
_LITERAL = re.compile(r"\[(IPv6:)?[0-9a-f.:]+\]", re.IGNORECASE)


@rule("SMTP001", Severity.ERROR, "RFC 5321 §5.1")
def no_mx_host_reached(facts: DomainFacts) -> Findings:
    """None of the domain's mail servers can be reached.

    Why: mail to the domain waits at the senders and bounces after some days.
    Fix: start the server, open port 25 in its firewall, or correct the MX record and its addresses.
    """
    rows = [row for row in facts.ports if row.role == "mx"]
    if not needs(rows or None) or reached(rows):
        return
    dead = [row for row in rows if row.raw("reachable") is False]
    told = "; ".join(f"{row.host} at {row.address}: {why_not(row)}" for row in dead)
    yield finding(told, at=_attempts(dead))


@rule("SMTP002", Severity.WARNING, "RFC 5321 §5.1")
def mx_host_not_reached(facts: HostFacts) -> Findings:
    """One of several mail servers of the domain cannot be reached.

    Why: the others take the mail, after a delay at senders that try this one first, and one less is left to fall back
    on.
    Fix: start the server, or take it out of the MX records; a host that is down on purpose ("nolisting") costs senders
    time and keeps few spammers away.
    """
    rows = tuple(row for row in facts.ports if row.role == "mx")
    if needs(facts.spare) and not reached(rows):
        yield finding(_dead(rows), at=_attempts(rows))


@rule("SMTP003", Severity.ERROR, "RFC 5321 §3.1; RFC 8314 §3.3")
def port_not_reached(facts: HostFacts) -> Findings:
    """The host cannot be reached on a port that was asked for.

    Why: nobody can hand in mail there.
    Fix: start the service on that port and open it in the firewall, or use the host and port that the provider names.
    """
    asked = tuple(row for row in facts.ports if facts.spare is None or row.role != "mx")  # MX hosts: SMTP001, SMTP002
    groups: dict[int, list[PortFacts]] = {}
    for row in needs(asked or None):  # ports that nobody named stand in for each other: one open port is enough
        groups.setdefault(row.port if row.named else 0, []).append(row)
    for rows in groups.values():
        if not reached(rows):
            numbers = tuple(dict.fromkeys(row.port for row in rows))
            subject = f"{facts.host}:{numbers[0]}" if len(numbers) == 1 else facts.host
            yield finding(_dead(rows), at=_attempts(rows), subject=subject)


def _attempts(rows: Sequence[PortFacts]) -> tuple[Evidence, ...]:
    """What each attempt to connect came to."""
    return tuple(said(row, "connection", why_not(row)) for row in rows if row.raw("reachable") is False)


def _dead(rows: Sequence[PortFacts]) -> str:
    """ "192.0.2.1 on ports 25 and 587: connection refused; …"."""
    where: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        if row.raw("reachable") is False:
            where.setdefault((row.address, why_not(row)), []).append(str(row.port))
    return "; ".join(_at(address, ports, why) for (address, why), ports in where.items())


def _at(address: str, ports: list[str], why: str) -> str:
    if address == "-":
        return why
    *first, last = ports
    numbers = f"ports {', '.join(first)} and {last}" if first else f"port {last}"
    return f"{address} on {numbers}: {why}"


@rule("SMTP004", Severity.WARNING, "RFC 5321 §5.1; RFC 6724 §6")
def some_addresses_not_reached(facts: HostFacts) -> Findings:
    """Some of the host's addresses do not answer while others do.

    Why: clients that try a dead address first wait for it, 30 seconds and more; IPv6 addresses are tried first.
    Fix: make the service listen on every address the name has (IPv6 too), or take the dead address out of DNS.
    """
    alive: list[PortFacts] = []
    dead: list[PortFacts] = []
    for number in facts.numbers:
        rows = facts.on(number)
        open_here = [row for row in rows if row.raw("reachable") is True]
        if open_here:
            alive += open_here
            dead += [row for row in rows if row.raw("reachable") is False]
    if dead:
        numbers = {row.port for row in dead}
        subject = f"{facts.host}:{numbers.pop()}" if len(numbers) == 1 else facts.host
        yield finding(f"{_dead(dead)}; {_families(alive, dead)}", at=_attempts(dead), subject=subject)


def _families(alive: list[PortFacts], dead: list[PortFacts]) -> str:
    """Whether it is one address family that fails as a whole."""
    sixes = {":" in row.address for row in dead}, {":" in row.address for row in alive}
    if sixes == ({True}, {False}):
        return "IPv4 works, IPv6 does not"
    if sixes == ({False}, {True}):
        return "IPv6 works, IPv4 does not"
    return f"{', '.join(dict.fromkeys(row.address for row in alive))} answers"


@rule("SMTP005", Severity.WARNING, "RFC 5321 §3.1")
def greeting_refuses(facts: PortFacts) -> Findings:
    """The server greets with a refusal.

    Why: it takes no mail from this address: because of a blocklist, a missing PTR record, or because it takes none at
    all (554).
    Fix: read the reply: it says whether the sending address is disliked; probe from the address your mail leaves from.
    """
    opened(facts)
    if facts.greeting_code >= 500:
        yield finding(facts.greeting, at=said(facts, "greeting", facts.greeting))


@rule("SMTP006", Severity.WARNING, "RFC 5321 §4.2; RFC 5321 §4.5.3.2")
def conversation_breaks(facts: PortFacts) -> Findings:
    """The server does not hold the SMTP conversation through.

    Why: senders that see the same break off and try again later, until the mail bounces.
    Fix: find out what answers on this port (a proxy, another service, an overloaded server), and look into its log.
    """
    opened(facts)
    broken = needs(facts).trouble
    if broken is not None:
        words = {
            "timeout": "falls silent",
            "closed": "closes the connection",
            "garbage": "sends what is no SMTP reply",
            "too-long": "sends a reply without end",
        }
        heard = f": {broken.heard}" if broken.heard else ""
        yield finding(
            f"it {words.get(broken.kind, broken.kind)} where the {broken.waiting_for or 'reply'} was due{heard}",
            at=said(facts, broken.waiting_for, broken.heard or broken.detail),
        )


@rule("SMTP007", Severity.WARNING, "RFC 4954 §4; RFC 8314 §3.3")
def auth_offered_in_clear(facts: PortFacts) -> Findings:
    """AUTH is offered before TLS.

    Why: a client that is not careful sends its password in the clear.
    Fix: offer AUTH under TLS only (Postfix: `smtpd_tls_auth_only=yes`).
    """
    opened(facts)
    mechanisms = facts.auth_in_clear
    if mechanisms and (facts.starttls or facts.role == "mx"):  # without STARTTLS, TLS002 tells it all
        yield finding(f"AUTH {' '.join(mechanisms)} before TLS", at=said(facts, "EHLO", f"AUTH {' '.join(mechanisms)}"))


@rule("SMTP008", Severity.WARNING, "RFC 6409 §4.3; RFC 4954 §3")
def submission_without_auth(facts: PortFacts) -> Findings:
    """The submission port offers no login, not even under TLS.

    Why: only clients known by their address can send there; programs configured with a password fail ("no AUTH").
    Fix: connect the server to its password store (Postfix: `smtpd_sasl_auth_enable=yes` with Dovecot or Cyrus).
    """
    opened(facts, *_SUBMISSION)
    needs(facts.tls)
    if not facts.auth:
        yield finding(
            "no AUTH among the EHLO keywords", at=said(facts, "EHLO", " ".join(facts.ehlo_tls or ()) or "none")
        )


@rule("SMTP009", Severity.ERROR, "RFC 5321 §7.8; RFC 6409 §4.3")
def open_relay(facts: PortFacts) -> Findings:
    """The server relays for strangers.

    Why: spammers find it within days, and its address lands on every blocklist.
    Fix: relay for clients that log in and for your own networks only (Postfix: `smtpd_relay_restrictions =
    permit_mynetworks, permit_sasl_authenticated, reject_unauth_destination`).
    """
    opened(facts)
    if facts.relay.startswith("25"):
        yield finding(
            f"RCPT for a stranger, from a stranger, without a login gets {facts.relay}",
            at=said(facts, "RCPT TO", facts.relay),
        )


@rule("SMTP010", Severity.NOTE, "RFC 8314 §4.1; RFC 3207 §4")
def tls_not_enforced(facts: PortFacts) -> Findings:
    """The submission port takes mail commands before TLS.

    Why: a client that was set to "TLS if available" can be talked out of it by somebody on the way.
    Fix: answer 530 to everything but EHLO, STARTTLS and QUIT before TLS (Postfix: `smtpd_tls_security_level=encrypt`).
    """
    opened(facts, "submission")
    if facts.mail_in_clear.startswith("2"):
        yield finding(f"MAIL in the clear gets {facts.mail_in_clear}", at=said(facts, "MAIL FROM", facts.mail_in_clear))


@rule("SMTP011", Severity.NOTE, "RFC 6409 §4.3")
def mail_without_login(facts: PortFacts) -> Findings:
    """The submission port takes MAIL without a login.

    Why: it may still refuse the recipient; if it does not, anybody can send there (`--relay-test` tells).
    Fix: answer 530 to MAIL before AUTH (Postfix: `smtpd_delay_reject=no`, or a reject in `smtpd_client_restrictions`).
    """
    opened(facts, *_SUBMISSION)
    if facts.mail_without_login.startswith("2"):
        reply = facts.mail_without_login
        yield finding(f"MAIL without a login gets {reply}", at=said(facts, "MAIL FROM", reply))


@rule("SMTP012", Severity.NOTE, "RFC 5321 §4.2; RFC 5321 §2.3.5")
def greeting_without_host_name(facts: PortFacts) -> Findings:
    """The greeting does not begin with the server's host name.

    Why: some senders compare it, and people who read logs cannot tell who answered.
    Fix: set the server's own name (Postfix: `myhostname`), and switch off firewalls that overwrite the greeting.
    """
    opened(facts)
    name = _first_word(facts.greeting)
    if facts.greeting_code == 220 and not (_FQDN.fullmatch(name) or _LITERAL.fullmatch(name)):
        yield finding(f"it begins with {name!r}", at=said(facts, "greeting", facts.greeting))


@rule("SMTP013", Severity.NOTE, "RFC 5321 §4.1.1.1; RFC 5321 §4.2")
def greeting_and_ehlo_names_differ(facts: PortFacts) -> Findings:
    """The server gives one name in its greeting and another in its EHLO reply.

    Why: it looks like a proxy or a half-renamed host; nothing breaks.
    Fix: set one name for both.
    """
    opened(facts)
    greeting, ehlo = _first_word(facts.greeting), facts.ehlo_name
    if _FQDN.fullmatch(greeting) and _FQDN.fullmatch(ehlo) and greeting.lower() != ehlo.lower():
        yield finding(
            f"{greeting} in the greeting, {ehlo} in the EHLO reply", at=said(facts, "greeting", facts.greeting)
        )


def _first_word(greeting: str) -> str:
    words = greeting.split()
    return words[1].rstrip(",;") if len(words) > 1 else ""


@rule("SMTP014", Severity.WARNING, "RFC 5321 §2.2.1; RFC 5321 §3.2")
def ehlo_not_understood(facts: PortFacts) -> Findings:
    """The server understands HELO only.

    Why: without EHLO there is no TLS, no AUTH and no 8-bit mail; every server must understand it since 2001.
    Fix: update the server, or switch off the SMTP inspection of the firewall before it.
    """
    opened(facts)
    if not facts.extended:
        yield finding("EHLO is refused, HELO is taken", at=said(facts, "EHLO", facts.greeting))


@rule("SMTP015", Severity.NOTE, "RFC 5321 §4.2.1; RFC 5321 §2.3.8")
def replies_malformed(facts: PortFacts) -> Findings:
    """The form of the server's replies breaks the protocol.

    Why: strict clients break off.
    Fix: update the server; the fault is in its program, not in its settings.
    """
    opened(facts)
    if facts.faults:
        yield finding("; ".join(facts.faults), at=said(facts, "greeting", facts.greeting))
