"""What broke on the way to the server, why, what to change where, and what was proved to work instead."""

from __future__ import annotations

from deliverkit.facts.base import needs
from deliverkit.facts.climbed import LONGEST
from deliverkit.facts.ladder import LadderFacts, Rung
from deliverkit.facts.settings.model import Mode
from deliverkit.findings import Evidence, Severity, finding
from deliverkit.rules.registry import Findings, rule
from deliverkit.rules.settings.change import change_mode, change_to
from deliverkit.rules.settings.reading import at
from deliverkit.smtp.dialogue import Trouble, TroubleKind
from deliverkit.smtp.reply import Reply, offer
from deliverkit.smtp.submission import Refusal

PROVES = {"SET102": "SET001", "SET103": "SET002"}
"""What was seen on the wire takes the place of what the settings alone made certain: one cause, one finding."""


def _seen(facts: LadderFacts, *roles: str) -> tuple[Evidence, ...]:
    return at(facts.settings, *roles)


def _words(rung: Rung) -> str:
    """What was said, bounded, and what that means."""
    said = str(rung.problem)
    said = said if len(said) <= LONGEST else f"{said[:LONGEST]}…"
    if rung.rejection is not None and rung.rejection.meaning is not None:
        return f"{said}: {rung.rejection.meaning.meaning}"
    return said


def _remedy(rung: Rung, otherwise: str) -> str:
    """The remedy for a reply that is known, else the general one."""
    meaning = rung.rejection.meaning if rung.rejection is not None else None
    return f"{meaning.fix} {otherwise}" if meaning is not None else otherwise


def _proved(facts: LadderFacts, *modes: Mode) -> str:
    """ "Proved from here: port 465 answers with TLS from the first byte (TLSv1.3)." or ""."""
    ways = [way.told for way in facts.ways if not modes or way.mode in modes]
    return f" Proved from here: {'; '.join(ways)}." if ways else ""


@rule("SET100", Severity.ERROR, "RFC 5321 §5.1; good practice: check the name as the process sees it")
def host_without_address(facts: LadderFacts) -> Findings:
    """The mail server's host name leads to no address.

    Why: the client ends with "getaddrinfo ENOTFOUND", "Name or service not known" or "UnknownHostException"; no packet
    leaves. A name that only a container network knows looks the same from outside of it.
    Fix: correct the host name; for a name of a container, run doctor where the application runs.
    """
    rung = needs(facts.resolve)
    if not rung.held:
        yield finding(f"{rung.problem}", at=_seen(facts, "host", "url"), fix=change_to(facts, "host", None))


@rule("SET101", Severity.ERROR, "RFC 6409 §3.1; RFC 8314 §3.3")
def port_that_does_not_answer(facts: LadderFacts) -> Findings:
    """Nobody answers on the configured port.

    Why: the client ends with "connection refused", or waits until its connection timeout. Networks of clouds and homes
    block port 25, and some 587 and 465; a server may not listen there at all.
    Fix: use a port that answers from where the application runs.
    """
    rung = needs(facts.connect)
    if rung.held:
        return
    word = facts.outward.get(facts.port)
    here = (
        f"; port {facts.port} is blocked from here: other hosts do not answer on it either" if word == "blocked" else ""
    )
    there = f"; port {facts.port} does get out from here, so it is this host" if word == "open" else ""
    way = facts.ways[0] if facts.ways else None
    remedy = change_mode(facts, way.mode, way.port) if way else change_to(facts, "port", None)
    yield finding(f"{rung.problem}{here}{there}", at=_seen(facts, "port", "host", "url"), fix=remedy + _proved(facts))


@rule("SET102", Severity.ERROR, "RFC 8314 §3.3; RFC 3207 §4")
def tls_begun_with_a_server_that_speaks_first(facts: LadderFacts) -> Findings:
    """The server answered the TLS handshake in the clear: this port begins with a greeting.

    Why: the application starts TLS at once; it ends with "wrong version number" before any login.
    Fix: switch TLS from the first byte off for this port, so that STARTTLS is used, or use port 465.
    """
    rung = needs(facts.tls)
    if _answered_in_clear(facts, rung):
        way = next((one for one in facts.ways if one.port == facts.port), facts.ways[0] if facts.ways else None)
        remedy = change_mode(facts, way.mode, way.port) if way else change_mode(facts, "starttls", facts.port)
        yield finding(f"{rung.problem}", at=_seen(facts, "secure", "port", "url"), fix=remedy + _proved(facts))


def _answered_in_clear(facts: LadderFacts, rung: Rung) -> bool:
    problem = rung.problem
    if rung.held or facts.mode != "implicit" or not isinstance(problem, Trouble):
        return False
    told = problem.detail.lower()
    return problem.kind is TroubleKind.TLS_FAILED and (
        bool(problem.heard) or "clear" in told or "wrong version" in told
    )


@rule("SET103", Severity.ERROR, "RFC 5321 §3.1; RFC 8314 §3.3")
def greeting_that_never_came(facts: LadderFacts) -> Findings:
    """The connection stands, and the server says nothing.

    Why: the application waits for a greeting in the clear. On a port that begins with TLS both sides wait, until
    "Greeting never received" or a read timeout; elsewhere a firewall or proxy holds the session.
    Fix: switch TLS from the first byte on for a port that begins with TLS.
    """
    rung = needs(facts.greeting)
    if isinstance(rung.problem, Trouble):
        way = facts.ways[0] if facts.ways else None
        remedy = change_mode(facts, way.mode, way.port) if way else change_to(facts, "port", None)
        yield finding(f"{rung.problem}", at=_seen(facts, "secure", "port", "url"), fix=remedy + _proved(facts))


@rule("SET104", Severity.ERROR, "RFC 5321 §3.1, §4.1.1.1")
def session_refused(facts: LadderFacts) -> Findings:
    """The server refuses the session: its greeting or its answer to EHLO says no.

    Why: the address this comes from, or the EHLO name, is not accepted; every message fails in the same way.
    Fix: give the client a full host name for EHLO; ask the provider whether this address may connect.
    """
    for rung in (needs(facts.greeting), facts.ehlo):
        if rung is not None and isinstance(rung.problem, Reply | Refusal):
            remedy = _remedy(rung, change_to(facts, "helo", None) if rung is facts.ehlo else "")
            yield finding(f"{_words(rung)}", at=_seen(facts, "helo", "host"), fix=remedy.strip() or None)


@rule("SET105", Severity.ERROR, "RFC 3207 §4")
def starttls_not_to_be_had(facts: LadderFacts) -> Findings:
    """The application demands STARTTLS, and the server does not give it.

    Why: the client breaks off ("STARTTLS extension not supported by server"). A server without TLS, the wrong port, or
    a device in between that takes STARTTLS out of the offer.
    Fix: use a port with TLS from the first byte, which nobody can strip.
    """
    rung = needs(facts.tls)
    if facts.mode == "starttls" and isinstance(rung.problem, Reply | Refusal):
        way = next((one for one in facts.ways if one.port != facts.port), None)
        remedy = change_mode(facts, way.mode, way.port) if way else None
        told = f"{remedy}{_proved(facts)}" if remedy else None
        yield finding(f"{_words(rung)}", at=_seen(facts, "starttls", "secure", "port", "url"), fix=told)


@rule("SET106", Severity.ERROR, "RFC 8446 §6; RFC 3207 §4.1")
def handshake_that_fails(facts: LadderFacts) -> Findings:
    """The TLS handshake fails.

    Why: server and client have no version or cipher in common, or the server is no TLS server at all.
    Fix: update the older side to TLS 1.2 or later; look at the server with deliverkit probe.
    """
    rung = needs(facts.tls)
    if isinstance(rung.problem, Trouble) and not _answered_in_clear(facts, rung):
        told = f"Use another port, or have the server mended.{_proved(facts)}" if facts.ways else None
        yield finding(f"{rung.problem}", at=_seen(facts, "port", "host", "url"), fix=told)


@rule("SET107", Severity.ERROR, "RFC 8314 §3.4; RFC 9525 §6")
def certificate_that_does_not_hold(facts: LadderFacts) -> Findings:
    """The application verifies the server's certificate, and it does not hold.

    Why: the client breaks off after the handshake ("certificate verify failed", "ERR_TLS_CERT_ALTNAME_INVALID").
    Fix: connect by a name the certificate bears, have the server renewed, or trust its authority by name (a CA file);
    do not switch verification off.
    """
    rung = needs(facts.certificate)
    if not rung.held:
        names = (
            facts.session.tls.chain[0].names if facts.session and facts.session.tls and facts.session.tls.chain else ()
        )
        borne = f"; it bears {', '.join(names[:5])}" if names and "another name" in str(rung.problem) else ""
        new = names[0] if borne and len(names) == 1 and not names[0].startswith("*") else None
        remedy = f"If the provider names this server so: {change_to(facts, 'host', new)}" if borne else None
        yield finding(f"{rung.problem}{borne}", at=_seen(facts, "host", "verify", "url"), fix=remedy)


@rule("SET108", Severity.WARNING, "RFC 8314 §3; RFC 4954 §4")
def password_over_an_open_line(facts: LadderFacts) -> Findings:
    """The application would send its password where anybody on the way can read it.

    Why: no TLS came about, or its certificate does not hold and the application does not look.
    Fix: demand TLS and verify the certificate.
    """
    needs(facts.connect)
    needs(facts.session)
    if facts.withheld is not None:
        way = facts.ways[0] if facts.ways else None
        told = f"{change_mode(facts, way.mode, way.port)}{_proved(facts)}" if way else None
        yield finding(f"{facts.withheld}", at=_seen(facts, "secure", "starttls", "verify", "url"), fix=told)


@rule("SET109", Severity.ERROR, "RFC 4954 §6")
def login_refused(facts: LadderFacts) -> Findings:
    """The server refuses the login.

    Why: user name or password are wrong, or of the wrong kind: many providers take only an app password, an
    authorization code or an API key, and some no password at all.
    Fix: use the credentials the provider made for SMTP.
    """
    rung = needs(facts.auth)
    if isinstance(rung.problem, Reply) and not _wants_tls(rung.problem):
        helped = facts.provider.entry.get("credential_help") if facts.provider else None
        remedy = _remedy(rung, f"{change_to(facts, 'password', None)}{f' {helped}' if helped else ''}")
        yield finding(f"{_words(rung)}", at=_seen(facts, "user", "password", "url"), fix=remedy)


@rule("SET110", Severity.ERROR, "RFC 4954 §3")
def login_not_offered(facts: LadderFacts) -> Findings:
    """The application logs in, and the server offers no login that it can use.

    Why: the client ends with "SMTP AUTH extension not supported" or "no suitable authentication method"; port 25 is for
    servers and seldom offers a login.
    Fix: use the provider's submission port (465 or 587); take out a mechanism that was forced.
    """
    rung = needs(facts.auth)
    if isinstance(rung.problem, Refusal) and not _tls_missing(facts):
        way = next((one for one in facts.ways if one.port != facts.port), None)
        told = f"{change_mode(facts, way.mode, way.port)}{_proved(facts)}" if way else None
        yield finding(f"{rung.problem}", at=_seen(facts, "mechanism", "port", "url"), fix=told)


@rule("SET111", Severity.ERROR, "RFC 3207 §4; RFC 4954 §6")
def server_that_demands_tls(facts: LadderFacts) -> Findings:
    """The server wants TLS before anything else, and the application does not use it.

    Why: the server answers 530 "Must issue a STARTTLS command first", or offers no login in the clear.
    Fix: switch STARTTLS on.
    """
    needs(facts.connect)
    needs(facts.session)
    for rung in (facts.auth, facts.mail_from):
        if rung is None or rung.held:
            continue
        if (isinstance(rung.problem, Reply) and _wants_tls(rung.problem)) or (
            isinstance(rung.problem, Refusal) and _tls_missing(facts)
        ):
            remedy = change_mode(facts, "starttls", facts.port) + _proved(facts)
            yield finding(f"{_words(rung)}", at=_seen(facts, "starttls", "secure", "url"), fix=remedy)


def _wants_tls(reply: Reply) -> bool:
    """530 5.7.0 (RFC 3207 §4), whatever the words; 538 of RFC 2554, which some still say."""
    return (reply.code == 530 and "TLS" in reply.text.upper()) or reply.code == 538


def _tls_missing(facts: LadderFacts) -> bool:
    """STARTTLS is offered and was not used."""
    session = facts.session
    return (
        session is not None and session.tls is None and session.ehlo is not None and "STARTTLS" in offer(session.ehlo)
    )


@rule("SET112", Severity.ERROR, "RFC 5321 §3.3, §4.1.1.2; RFC 6409 §6.1")
def sender_refused(facts: LadderFacts) -> Findings:
    """The server does not take mail from this sender.

    Why: the login does not own the address, the domain is not verified with the provider, or it is no address.
    Fix: send from the address of the login, or from an address the provider has verified.
    """
    rung = needs(facts.mail_from)
    if not rung.held and not (isinstance(rung.problem, Reply) and _wants_tls(rung.problem)):
        user = facts.settings.setting("user")
        new = user.text if user is not None and user.text and "@" in user.text and user.text != facts.sender else None
        own = facts.settings.setting("from") is not None
        remedy = _remedy(rung, change_to(facts, "from", new) if own else "Send from an address the account owns.")
        yield finding(f"MAIL FROM:<{facts.sender}>: {_words(rung)}", at=_seen(facts, "from", "user"), fix=remedy)


@rule("SET113", Severity.ERROR, "RFC 5321 §3.3, §7.1")
def recipient_refused(facts: LadderFacts) -> Findings:
    """The server does not take mail for the recipient that was named.

    Why: without a login a server takes mail for its own domains only; or nobody has this address.
    Fix: log in, or name a recipient that exists.
    """
    rung = needs(facts.rcpt_to)
    if not rung.held:
        remedy = _remedy(rung, "") or None
        yield finding(f"RCPT TO:<{facts.recipient}>: {_words(rung)}", at=_seen(facts, "user", "host"), fix=remedy)


@rule("SET114", Severity.WARNING, "RFC 8305 §1; RFC 6724 §2")
def ipv6_that_leads_nowhere(facts: LadderFacts) -> Findings:
    """The host has an IPv6 address on which nobody answers from here, while IPv4 works.

    Why: a client that tries IPv6 first waits for its timeout with every message, or gives up.
    Fix: let the application use IPv4 (Node.js: dns.setDefaultResultOrder("ipv4first")), or mend IPv6 here.
    """
    rung = needs(facts.connect)
    dead = [one for one in facts.addresses if ":" in one.address and one.reason in ("timeout", "unreachable")]
    if rung.held and dead:
        told = ", ".join(f"{one.address}: {one.trouble}" for one in dead)
        yield finding(told, at=_seen(facts, "host", "url"))


@rule("SET115", Severity.WARNING, "RFC 5321 §4.5.3.2")
def server_slower_than_the_application_waits(facts: LadderFacts) -> Findings:
    """The server answered, but later than the application waits.

    Why: the client gives up ("Connection timeout", "Greeting never received") although nothing is wrong.
    Fix: raise the timeout above what was measured; RFC 5321 asks for five minutes for a greeting.
    """
    if not needs(facts.greeting).held:
        return
    plan = facts.settings.plan
    for name, role, limit in (
        ("connect", "connect-timeout", plan.raw("connect_s")),
        ("greeting", "greeting-timeout", plan.raw("greeting_s")),
    ):
        took = facts.timings.get(name, 0.0)
        if isinstance(limit, float | int) and took > limit:
            told = f"{name} took {took:.1f} s, and the application waits {limit:g} s"
            yield finding(told, at=_seen(facts, role), fix=change_to(facts, role, None))
