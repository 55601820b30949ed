"""The probe as a flow: one polite connection to one port, which sends no mail (RFC 5321 §3, RFC 3207, RFC 8314).

It never speaks before the greeting, pipelines nothing, forgets what was said in the clear once TLS is on, and says
goodbye. What this file will not do: decide whether what it saw is good, or connect twice.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, TypeAlias

from deliverkit.smtp.client import goodbye, hello, unfit
from deliverkit.smtp.dialogue import Connect, Connected, Handshake, Hear, Say, SmtpFlow, TlsSession, Trouble
from deliverkit.smtp.reply import Reply, offer

Role: TypeAlias = Literal["mx", "submission", "submissions"]
Heard: TypeAlias = Reply | Trouble

RELAY_FROM = "relay-test@example.net"
RELAY_TO = "relay-test@example.com"


@dataclass(frozen=True, slots=True)
class Target:
    """One port of one address of one host, and how to look at it.

    ``server_name`` goes into SNI, ``verify_name`` is matched against the certificate. ``helo`` is the name in EHLO;
    None says the address literal of our own end (RFC 5321 §4.1.4). ``deep`` asks what MAIL gets without a login;
    ``relay_test`` asks whether a stranger may send to a stranger. ``named``: the user asked for this very port.
    ``from_dns``: the address came out of DNS.
    """

    host: str
    address: str
    port: int
    role: Role
    server_name: str | None = None
    verify_name: str | None = None
    ca_file: str | None = None
    helo: str | None = None
    deep: bool = False
    relay_test: bool = False
    named: bool = True
    from_dns: bool = True
    connect_s: float = 10.0
    greeting_s: float = 30.0
    reply_s: float = 30.0


@dataclass(frozen=True, slots=True)
class Inspection:
    """What was heard at each step; None where the step was not taken.

    ``clear_mail`` is the reply to MAIL before TLS, ``mail`` the one under TLS (or where there is none), both without a
    login; ``relay`` the reply to RCPT for a stranger.
    """

    connected: Connected | Trouble
    implicit: TlsSession | Trouble | None = None
    greeting: Heard | None = None
    ehlo: Heard | None = None
    clear_mail: Heard | None = None
    starttls: Heard | None = None
    tls: TlsSession | Trouble | None = None
    ehlo_tls: Heard | None = None
    mail: Heard | None = None
    relay: Heard | None = None
    extended: bool = True  # EHLO was understood, and not only HELO

    @property
    def session(self) -> TlsSession | None:
        """The TLS session, however it came about."""
        return next((one for one in (self.implicit, self.tls) if isinstance(one, TlsSession)), None)

    @property
    def trouble(self) -> Trouble | None:
        """What broke the conversation after TCP stood."""
        steps = (self.greeting, self.ehlo, self.clear_mail, self.starttls, self.ehlo_tls, self.mail, self.relay)
        return next((step for step in steps if isinstance(step, Trouble)), None)


def probe_flow(target: Target) -> SmtpFlow[Inspection]:
    """Look at one port. Port 465 is given TLS at once (RFC 8314 §3.3), the others a chance to greet first."""
    if reason := unfit(target.helo or "", "the EHLO name"):
        raise ValueError(reason)
    connected: Connected | Trouble = yield Connect(target.address, target.port, target.connect_s)
    seen = Inspection(connected)
    if isinstance(connected, Trouble):
        return seen
    helo = target.helo or _literal(connected.local_address)
    if target.role == "submissions":
        seen = replace(seen, implicit=(yield _handshake(target)))
        alive = isinstance(seen.implicit, TlsSession)
    else:
        alive = True
    if alive:
        seen, alive = yield from _greeted(target, seen)
    if alive:
        seen, alive = yield from _introduced(target, seen, helo)
    if alive:
        seen, alive = yield from _tried(target, seen)
    yield from goodbye(alive=alive, timeout_s=target.reply_s)
    return seen


def _literal(address: str) -> str:
    """An address as EHLO may bear it (RFC 5321 §4.1.3)."""
    address = address.partition("%")[0]
    return f"[IPv6:{address}]" if ":" in address else f"[{address}]"


def _handshake(target: Target) -> Handshake:
    return Handshake(target.server_name, target.verify_name, target.ca_file, target.reply_s)


def _greeted(target: Target, seen: Inspection) -> SmtpFlow[tuple[Inspection, bool]]:
    """Wait for the 220. A submission port that says nothing may be waiting for TLS: it is offered a handshake."""
    greeting: Heard = yield Hear("greeting", target.greeting_s)
    if isinstance(greeting, Trouble) and greeting.kind == "timeout" and not greeting.heard and seen.implicit is None:
        if target.role == "mx":
            return replace(seen, greeting=greeting), False
        session: TlsSession | Trouble = yield _handshake(target)
        if isinstance(session, Trouble):
            return replace(seen, greeting=greeting), False
        seen = replace(seen, implicit=session)
        greeting = yield Hear("greeting", target.greeting_s)
    seen = replace(seen, greeting=greeting)
    return seen, isinstance(greeting, Reply) and greeting.code == 220


def _introduced(target: Target, seen: Inspection, helo: str) -> SmtpFlow[tuple[Inspection, bool]]:
    """EHLO; then STARTTLS where it is offered, and EHLO again (RFC 3207 §4.2)."""
    heard, extended = yield from hello(helo, target.reply_s)
    seen = replace(seen, extended=extended)
    if seen.implicit is not None:  # STARTTLS inside TLS means nothing (RFC 8314 §3.3 knows none)
        return replace(seen, ehlo_tls=heard), _alive(heard)
    seen = replace(seen, ehlo=heard)
    if isinstance(heard, Trouble) or "STARTTLS" not in offer(heard):
        return seen, _alive(heard)
    if target.deep and target.role == "submission":
        seen = replace(seen, clear_mail=(yield from _mail(target, "<>")))
        if not _alive(seen.clear_mail):
            return seen, False
    heard = yield Say("STARTTLS", timeout_s=target.reply_s)
    seen = replace(seen, starttls=heard)
    if isinstance(heard, Trouble) or heard.code != 220:
        return seen, _alive(heard)
    session: TlsSession | Trouble = yield _handshake(target)
    seen = replace(seen, tls=session)
    if isinstance(session, Trouble):
        return seen, False
    heard, _ = yield from hello(helo, target.reply_s)
    return replace(seen, ehlo_tls=heard), _alive(heard)


def _tried(target: Target, seen: Inspection) -> SmtpFlow[tuple[Inspection, bool]]:
    """What may be done without a login: asked only when the user wants it, and taken back by RSET."""
    if target.deep and target.role != "mx":
        heard = yield from _mail(target, "<>")
        seen = replace(seen, mail=heard)
        if not _alive(heard):
            return seen, False
    if target.relay_test:
        heard = yield from _mail(target, f"<{RELAY_FROM}>", f"<{RELAY_TO}>")
        return replace(seen, relay=heard), _alive(heard)
    return seen, True


def _mail(target: Target, sender: str, recipient: str | None = None) -> SmtpFlow[Heard]:
    """MAIL, and RCPT where a recipient is given: the last reply, with the transaction taken back. No DATA follows."""
    heard: Heard = yield Say(f"MAIL FROM:{sender}", timeout_s=target.reply_s)
    begun = isinstance(heard, Reply) and heard.positive
    if begun and recipient is not None:
        heard = yield Say(f"RCPT TO:{recipient}", timeout_s=target.reply_s)
    if begun and _alive(heard):
        yield Say("RSET", timeout_s=target.reply_s)
    return heard


def _alive(heard: Heard | None) -> bool:
    """True if the conversation can go on: no trouble, and not the 421 that announces the end (RFC 5321 §3.8)."""
    return isinstance(heard, Reply) and heard.code != 421
