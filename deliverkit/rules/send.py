"""Opinions on a test send: who refused what, at which stage of the session, and what to do about it.

A reply whose meaning is known brings its own fix. What was put off or never reached is no finding of a refusal: it
stays unknown, and the reply is told as a warning.
"""

from __future__ import annotations

from collections.abc import Iterator

from deliverkit.data import Provider
from deliverkit.facts.base import needs
from deliverkit.facts.sending import Attempt, Rejection, SendFacts
from deliverkit.findings import Draft, Evidence, Severity, finding
from deliverkit.rules.registry import Findings, rule
from deliverkit.smtp.dialogue import Trouble, TroubleKind
from deliverkit.smtp.meaning import ReplyMeaning, reply_family
from deliverkit.smtp.submission import Refusal, Stage

_MUST_MATCH = "must-match-account"
_ASKED = {Stage.GREETING: "the connection", Stage.CONTENT: "the message"}


@rule("SEND001", Severity.ERROR, "RFC 7505 §3; RFC 5321 §5.1")
def recipient_domain_takes_no_mail(facts: SendFacts) -> Findings:
    """The recipient's domain takes no mail.

    Why: a null MX says that the domain never accepts mail, and a name that does not exist cannot; senders give up at
    once.
    Fix: check the spelling of the recipient's domain; if the domain is yours and should receive mail, publish its MX.
    """
    if facts.dead_end is not None:
        yield finding(facts.dead_end)


@rule("SEND002", Severity.ERROR, "RFC 5321 §3.1, §4.1.1.1")
def session_refused(facts: SendFacts) -> Findings:
    """The server refused to talk to this client.

    Why: a 5xx greeting or EHLO reply turns every message from here away, usually for the address it comes from or the
    EHLO name.
    Fix: read the reply: send from a host with reverse DNS and a good reputation, with an EHLO name that resolves
    (--helo).
    """
    yield from _refused_at(facts, Stage.GREETING, Stage.EHLO)


@rule("SEND003", Severity.ERROR, "RFC 4954 §6")
def login_refused(facts: SendFacts) -> Findings:
    """The server refused the login.

    Why: without a login a submission server accepts nothing.
    Fix: check the user name and the kind of secret: many providers refuse the account's password and want an app
    password, an authorization code or an API key.
    """
    yield from _refused_at(facts, Stage.AUTH)


@rule("SEND004", Severity.ERROR, "RFC 5321 §3.3")
def sender_refused(facts: SendFacts) -> Findings:
    """The server refused the sender (MAIL FROM).

    Why: the server does not let this account or this address send as the given sender.
    Fix: use the address that logs in, or one the provider has verified for you (--from, --mail-from).
    """
    yield from _refused_at(facts, Stage.MAIL)


@rule("SEND005", Severity.ERROR, "RFC 5321 §3.3")
def recipient_refused(facts: SendFacts) -> Findings:
    """The server refused a recipient (RCPT TO).

    Why: the mailbox does not exist there, or the server does not relay to it for you.
    Fix: check the address; to send to other domains through a server, log in to it (--user) or send to the MX directly.
    """
    yield from _refused_at(facts, Stage.RCPT)


@rule("SEND006", Severity.ERROR, "RFC 5321 §3.3, §4.2.5")
def message_refused(facts: SendFacts) -> Findings:
    """The server refused the message itself.

    Why: after DATA a server judges authentication, format, size and content; its reply says which of them failed.
    Fix: read the reply; verify the message with `deliverkit verify` and the domain with `deliverkit audit`.
    """
    found = list(_refused_at(facts, Stage.DATA, Stage.CONTENT))
    if not found:
        _ = facts.outcome  # put off, or lost on the way: it cannot be told whether it would be refused
    yield from found


@rule("SEND007", Severity.WARNING, "RFC 5321 §4.2.1")
def put_off(facts: SendFacts) -> Findings:
    """The server asks to try again later (4xx).

    Why: greylisting, a rate limit or a fault of the server; a mail server would queue the message and come back, this
    test does not.
    Fix: repeat the test after some minutes; if the reply stays, slow down or look at what it says.
    """
    needs(facts.session)
    for rejection in facts.rejections:
        if not rejection.permanent:
            yield _told(facts, rejection)


@rule("SEND008", Severity.ERROR, "RFC 3207 §4; RFC 8314 §3.3")
def starttls_not_available(facts: SendFacts) -> Findings:
    """The server does not start TLS, and TLS was demanded.

    Why: without TLS the message and the password would cross the network readable; the connection was ended instead.
    Fix: use the provider's TLS port (465 with --tls implicit, 587 with --tls starttls); if STARTTLS used to work,
    something on the way strips it.
    """
    session, last = needs(facts.session), needs(facts.last)
    if session.stage is Stage.STARTTLS:
        yield finding(
            f"{_server(facts, last)}: {session.problem}", at=_seen(last, Stage.STARTTLS, str(session.problem))
        )


@rule("SEND009", Severity.ERROR, "RFC 8446 §4.1; RFC 3207 §4.1")
def handshake_failed(facts: SendFacts) -> Findings:
    """The TLS handshake with the server failed.

    Why: client and server agreed on no protocol version or cipher, or the server's TLS is broken; nothing can be sent.
    Fix: probe the host (`deliverkit probe`) to see which versions it speaks; TLS 1.2 is the least that may be offered.
    """
    session, last = needs(facts.session), needs(facts.last)
    problem = session.problem
    if session.stage is Stage.TLS and isinstance(problem, Trouble) and not last.speaks_clear:
        yield finding(f"{_server(facts, last)}: {problem}", at=_seen(last, Stage.TLS, str(problem)))


@rule("SEND010", Severity.ERROR, "RFC 8314 §3.3; RFC 6409 §3.1")
def wrong_tls_mode_for_the_port(facts: SendFacts) -> Findings:
    """The port speaks TLS in the other mode.

    Why: port 465 waits for a TLS handshake before the first word, so a client that waits for the greeting hangs; port
    587 greets in the clear, so a client that begins with TLS reads a "wrong version number".
    Fix: --tls implicit with port 465, --tls starttls with port 587.
    """
    last = needs(facts.last)
    if last.speaks_clear:
        yield finding(
            f"{_server(facts, last)} greets in the clear, but TLS was begun at once",
            at=_seen(last, Stage.TLS, str(last.result.problem)),
            fix=f"Use --tls starttls with port {last.port}, or port 465 with --tls implicit.",
        )
    elif last.waits_for_tls:
        yield finding(
            f"{_server(facts, last)} says nothing: it waits for TLS, but --tls {last.tls} waits for its greeting",
            at=_seen(last, Stage.GREETING, str(last.result.problem)),
            fix=f"Use --tls implicit with port {last.port}.",
        )


@rule("SEND011", Severity.ERROR, "RFC 8314 §3; RFC 4954 §4")
def secret_withheld(facts: SendFacts) -> Findings:
    """No password was sent, because the connection was not proven safe.

    Why: whoever answers without a certificate that is trusted and bears the name could read the password.
    Fix: give the host name the certificate bears, or the private CA (--ca-file); --insecure sends the password all
    the same.
    """
    session, last = needs(facts.session), needs(facts.last)
    problem = session.problem
    if session.stage is Stage.AUTH and isinstance(problem, Refusal) and _is_withheld(problem):
        yield finding(f"{_server(facts, last)}: {problem}", at=_seen(last, Stage.AUTH, str(problem)))


@rule("SEND012", Severity.ERROR, "RFC 4954 §3; RFC 5321 §4.1.1.1")
def no_common_login(facts: SendFacts) -> Findings:
    """The server offers no way to log in that was asked for.

    Why: a server names its mechanisms after EHLO, and many do so only under TLS.
    Fix: check host and port: port 25 of an MX takes no logins. For a token use XOAUTH2 (--oauth-token-env).
    """
    session, last = needs(facts.session), needs(facts.last)
    problem = session.problem
    if session.stage is Stage.AUTH and isinstance(problem, Refusal) and not _is_withheld(problem):
        yield finding(f"{_server(facts, last)}: {problem}", at=_seen(last, Stage.AUTH, str(problem)))


@rule("SEND013", Severity.ERROR, "RFC 6531 §3.1; RFC 6152 §3")
def server_cannot_carry_the_message(facts: SendFacts) -> Findings:
    """The server cannot carry this message.

    Why: an address that is not ASCII needs SMTPUTF8 on every server of the way, 8-bit octets need 8BITMIME.
    Fix: use an ASCII address (an IDN domain needs no SMTPUTF8), or send through a server that offers the extension.
    """
    session, last = needs(facts.session), needs(facts.last)
    for delivery in session.deliveries[:1]:
        if isinstance(delivery.problem, Refusal):
            stage = delivery.stage or Stage.MAIL
            yield finding(f"{_server(facts, last)}: {delivery.problem}", at=_seen(last, stage, str(delivery.problem)))


@rule("SEND014", Severity.WARNING, "RFC 8314 §3; RFC 9525 §6")
def server_certificate_not_verified(facts: SendFacts) -> Findings:
    """The server's certificate could not be verified.

    Why: anybody on the way could have taken the place of this server and read what was sent.
    Fix: use the host name the certificate bears, let the server send its whole chain, or name its CA (--ca-file).
    """
    session = needs(facts.session)
    tls = needs(session.tls)
    last = needs(None if facts.by_mx or facts.on_loopback else facts.last)
    if session.stage is Stage.AUTH and isinstance(session.problem, Refusal):
        return  # the password was withheld for it: told there
    if tls.trusted is False:
        why = tls.trust_problem or "not trusted"
        yield finding(f"{_server(facts, last)}: the certificate is not trusted ({why})", at=_seen(last, Stage.TLS, why))
    elif tls.name_matches is False:
        names = ", ".join(tls.chain[0].names[:5]) if tls.chain else "no name"
        detail = f"{_server(facts, last)}: the certificate is for another name ({names})"
        yield finding(detail, at=_seen(last, Stage.TLS, names))


@rule("SEND015", Severity.WARNING, "RFC 8314 §3; RFC 3207 §6")
def message_sent_in_clear(facts: SendFacts) -> Findings:
    """The message was sent without TLS.

    Why: everybody on the way could read and change it; Gmail, for one, demands TLS of senders.
    Fix: use a server that offers TLS; for your own MX turn on STARTTLS.
    """
    session = needs(facts.session)
    last = needs(None if facts.on_loopback else facts.last)
    if session.tls is None and facts.accepted:
        yield finding(f"{_server(facts, last)} was spoken to in the clear (--tls {last.tls})")


@rule("SEND016", Severity.WARNING, "RFC 5321 §4.5.3.2.6; RFC 1047 §1")
def delivery_uncertain(facts: SendFacts) -> Findings:
    """The connection broke after the message was sent and before the server's reply.

    Why: the server may have taken the message; sending it again may deliver it twice.
    Fix: look for the nonce of this message in the mailbox before repeating the send.
    """
    session, last = needs(facts.session), needs(facts.last)
    uncertain = [d for d in session.deliveries if d.ambiguous]
    if uncertain:
        detail = f"{_server(facts, last)}: {uncertain[0].problem}; the server may have the message"
        yield finding(detail, at=_seen(last, Stage.CONTENT, str(uncertain[0].problem)))


@rule("SEND017", Severity.WARNING, "RFC 5321 §5.1")
def another_host_failed_first(facts: SendFacts) -> Findings:
    """A server of the same destination failed before another one took the mail.

    Why: senders lose time on a dead server, and when the other one goes down nothing is left.
    Fix: repair the server, or take it out of the MX records.
    """
    needs(facts.session)
    for attempt in facts.attempts[:-1]:
        stage = attempt.result.stage or Stage.CONNECT
        problem = str(attempt.result.problem)
        yield finding(f"{_server(facts, attempt)}, {stage}: {problem}", at=_seen(attempt, stage, problem))


@rule("SEND018", Severity.WARNING, "RFC 6409 §6.1; RFC 5322 §3.6.2")
def sender_is_not_the_account(facts: SendFacts) -> Findings:
    """The sender is not the account that logged in, and this provider cares.

    Why: such a provider refuses the message or rewrites its From field, and a rewritten From breaks DKIM and DMARC.
    Fix: send from the account's own address, or add the address to the account as an alias.
    """
    provider, username = needs(facts.provider), needs(facts.username)
    wants = str(provider.entry.get("from_rule", ""))
    if not wants.startswith((_MUST_MATCH, "rewritten", "must-match-username")) or "@" not in username:
        needs(None)
    if any(r.permanent for r in facts.rejections) or needs(facts.session).stage is not None:
        return  # the refusal itself is told
    if facts.header_from.lower() != username.lower():
        what = "rewrites it" if wants.startswith("rewritten") else "demands that they are the same"
        yield finding(f"From is {facts.header_from}, the account is {username}; {provider.name} {what}")


@rule("SEND019", Severity.WARNING, "RFC 5321 §3.1, §4.5.3.2.1")
def server_not_reached(facts: SendFacts) -> Findings:
    """No server was reached.

    Why: nothing was sent, and nobody can tell whether it would have been accepted.
    Fix: check host and port; try from another network, because providers of access and of clouds close port 25 outward,
    some 465 and 587 too.
    """
    last = needs(facts.last)
    if last.reached or last.waits_for_tls:
        return
    told = "; ".join(f"{_server(facts, a)}: {a.result.problem}" for a in facts.attempts)
    problem = last.result.problem
    where = last.result.stage or Stage.CONNECT
    yield finding(told, at=_seen(last, where, str(problem)), fix=_way_in(last, problem))


def _way_in(last: Attempt, problem: object) -> str | None:
    """What to do by how the last attempt failed; None: what the rule says."""
    kind = problem.kind if isinstance(problem, Trouble) else None
    if kind is TroubleKind.REFUSED:
        return f"Nothing listens on port {last.port} there: check host and port, and whether the service runs."
    if kind is TroubleKind.TIMEOUT and last.result.stage is Stage.GREETING:
        return (
            f"The server says nothing: if port {last.port} begins with TLS, use --tls implicit; else it is overloaded."
        )
    if kind is TroubleKind.NO_ROUTE:
        return "This machine has no route there: check its network, and for an IPv6 address whether it has IPv6."
    if kind is TroubleKind.NOT_ALLOWED:
        return "The address came out of DNS and is not public: --allow-private connects all the same."
    return None


# -- shared -----------------------------------------------------------------------------------------------


def _refused_at(facts: SendFacts, *stages: Stage) -> Iterator[Draft]:
    needs(facts.session)
    for rejection in facts.rejections:
        if rejection.stage in stages and rejection.permanent:
            yield _told(facts, rejection)


def _told(facts: SendFacts, rejection: Rejection) -> Draft:
    """A rejection in words: what was said to what, what it means, and the fix the table knows."""
    last = needs(facts.last)
    what = _ASKED.get(rejection.stage, str(rejection.stage))
    what = what if rejection.recipient is None else f"RCPT TO:<{rejection.recipient}>"
    many = f" ({rejection.messages} of {facts.wanted} messages)" if facts.wanted > 1 else ""
    detail = f"{_server(facts, last)} answered {what} with {rejection.reply}".rstrip(".") + many
    meaning = rejection.meaning
    return finding(
        f"{detail}. {meaning.meaning}" if meaning else detail,
        at=_seen(last, rejection.stage, str(rejection.reply)),
        fix=_login_fix(facts.provider, meaning) if rejection.stage is Stage.AUTH else meaning.fix if meaning else None,
    )


def _login_fix(provider: Provider | None, meaning: ReplyMeaning | None) -> str | None:
    """What to do about a refused login; where the reply itself does not tell, what the provider takes for a secret."""
    if meaning is not None and (provider is None or meaning.provider == reply_family(provider.id)):
        return meaning.fix
    if provider is None:
        return None
    kinds = " or ".join(str(kind).replace("-", " ") for kind in provider.entry["credential"])
    rest = str(provider.entry.get("credential_help", ""))
    return f"{provider.name} takes as secret: {kinds}. {rest}".strip()


def _is_withheld(problem: Refusal) -> bool:
    """True if the conversation kept the secret back; else it found no way to log in."""
    return problem.reason.startswith("no password")


def _server(facts: SendFacts, attempt: Attempt) -> str:
    """The server in words; a relay's name and port stand in the subject of the finding already."""
    return f"{attempt.host} ({attempt.address})" if facts.by_mx and attempt.host != attempt.address else attempt.address


def _seen(attempt: Attempt, stage: Stage, value: str) -> Evidence:
    return Evidence("smtp", f"session with {attempt.host}:{attempt.port}", str(stage), value, server=attempt.address)
