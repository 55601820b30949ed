"""Rules about how TLS starts: at once, by STARTTLS, or not at all."""

from __future__ import annotations

import re

from deliverkit.facts.base import needs
from deliverkit.facts.host import PortFacts
from deliverkit.findings import Severity, finding
from deliverkit.rules.registry import Findings, rule
from deliverkit.rules.seen import opened, said, session

_STRIPPED = re.compile(r"X{4,}[A-Z]?")  # STARTTLS overwritten octet by octet by a firewall
_OLD = ("SSLv2", "SSLv3", "TLSv1", "TLSv1.1")


@rule("TLS001", Severity.ERROR, "RFC 8314 §3.3")
def clear_text_where_tls_comes_first(facts: PortFacts) -> Findings:
    """The submissions port speaks in the clear; it must start with TLS.

    Why: clients of port 465 open with a TLS handshake and get a greeting instead ("wrong version number").
    Fix: switch implicit TLS on for this listener (Postfix: `smtpd_tls_wrappermode=yes`); clients that want STARTTLS use
    port 587.
    """
    opened(facts, "submissions")
    if facts.mode == "clear":
        yield finding(
            f"port {facts.port} answers the TLS handshake in the clear", at=said(facts, "greeting", facts.greeting)
        )


@rule("TLS002", Severity.ERROR, "RFC 8314 §3.3")
def submission_without_starttls(facts: PortFacts) -> Findings:
    """The submission port does not offer STARTTLS.

    Why: clients that insist on TLS break off, the others send the password in the clear.
    Fix: give the server a certificate and switch STARTTLS on (Postfix: `smtpd_tls_security_level=encrypt` for the
    submission service), or let clients use port 465 with implicit TLS.
    """
    opened(facts, "submission")
    if facts.starttls is False:
        logins = f"; AUTH {' '.join(facts.auth_in_clear)} is offered in the clear" if facts.auth_in_clear else ""
        keywords = " ".join(facts.ehlo or ()) or "none"
        yield finding(f"STARTTLS is not among the EHLO keywords{logins}", at=said(facts, "EHLO", keywords))


@rule("TLS003", Severity.ERROR, "RFC 3207 §4")
def tls_where_a_greeting_comes_first(facts: PortFacts) -> Findings:
    """The port starts with TLS where clients wait for a greeting.

    Why: senders connect, wait for the 220 in the clear until they give up, and the mail does not go.
    Fix: switch implicit TLS off for this listener and offer STARTTLS; implicit TLS belongs on port 465.
    """
    opened(facts, "mx", "submission")
    if facts.mode == "implicit":
        yield finding(f"port {facts.port} says nothing until it is given a TLS handshake")


@rule("TLS004", Severity.WARNING, "RFC 3207 §4; RFC 8461 §2")
def mx_without_starttls(facts: PortFacts) -> Findings:
    """The MX does not offer STARTTLS: all mail to it travels in the clear.

    Why: everybody on the way can read and change it; Gmail shows senders a red padlock, and some senders insist on TLS.
    Fix: give the server a certificate, even a self-signed one, and switch STARTTLS on (Postfix:
    `smtpd_tls_security_level=may`).
    """
    opened(facts, "mx")
    if facts.starttls is False and not _stripped(facts):
        yield finding(
            "STARTTLS is not among the EHLO keywords", at=said(facts, "EHLO", " ".join(facts.ehlo or ()) or "none")
        )


@rule("TLS005", Severity.WARNING, "RFC 3207 §6")
def starttls_stripped(facts: PortFacts) -> Findings:
    """A firewall on the way overwrites the offer of STARTTLS.

    Why: mail goes in the clear although both servers could do TLS; that is what an attacker does, too.
    Fix: switch off SMTP inspection ("fixup smtp", ESMTP inspection) in the firewall before the server, or in the one
    before the place this was seen from.
    """
    opened(facts, "mx")
    if facts.starttls is False and (masked := _stripped(facts)):
        yield finding(f"the EHLO reply holds {masked} where STARTTLS was", at=said(facts, "EHLO", masked))


def _stripped(facts: PortFacts) -> str | None:
    return next((word for word in facts.ehlo or () if _STRIPPED.fullmatch(word)), None)


@rule("TLS006", Severity.ERROR, "RFC 3207 §4.1")
def submission_refuses_starttls(facts: PortFacts) -> Findings:
    """The submission port offers STARTTLS and refuses it.

    Why: clients break off, or send the password in the clear.
    Fix: look into the server's log: the certificate or its key cannot be read, most often.
    """
    opened(facts, "submission")
    yield from _refused(facts)


@rule("TLS007", Severity.WARNING, "RFC 3207 §4.1")
def mx_refuses_starttls(facts: PortFacts) -> Findings:
    """The MX offers STARTTLS and refuses it.

    Why: senders fall back to the clear, and those that insist on TLS keep the mail.
    Fix: look into the server's log: the certificate or its key cannot be read, most often.
    """
    opened(facts, "mx")
    yield from _refused(facts)


def _refused(facts: PortFacts) -> Findings:
    reply = needs(facts.starttls_reply)
    if not reply.startswith("220"):
        yield finding(f"STARTTLS gets {reply}", at=said(facts, "STARTTLS", reply))


@rule("TLS008", Severity.ERROR, "RFC 8446 §4; RFC 8314 §3")
def submission_handshake_fails(facts: PortFacts) -> Findings:
    """The TLS handshake of the submission port fails.

    Why: no client can log in.
    Fix: let the server speak TLS 1.2 and 1.3 with a certificate and key that belong together; look into its log.
    """
    opened(facts, "submission", "submissions")
    if facts.role == "submissions" and facts.mode == "clear":
        return  # TLS001 says it
    yield from _failed(facts)


@rule("TLS009", Severity.WARNING, "RFC 3207 §4.1; RFC 8446 §4")
def mx_handshake_fails(facts: PortFacts) -> Findings:
    """The TLS handshake of the MX fails after it agreed to STARTTLS.

    Why: senders must connect again in the clear; many do not, and the mail waits until it bounces.
    Fix: let the server speak TLS 1.2 and 1.3 with a certificate and key that belong together; look into its log.
    """
    opened(facts, "mx")
    yield from _failed(facts)


def _failed(facts: PortFacts) -> Findings:
    if facts.tls_error is not None:
        yield finding(facts.tls_error, at=said(facts, "TLS handshake", facts.tls_error))


@rule("TLS031", Severity.ERROR, "RFC 8996 §2; RFC 8997 §3")
def old_tls_on_submission(facts: PortFacts) -> Findings:
    """The submission port speaks no TLS version newer than 1.1.

    Why: clients of today refuse TLS 1.0 and 1.1.
    Fix: allow TLS 1.2 and 1.3 and forbid what is older (Postfix: `smtpd_tls_protocols = >=TLSv1.2`).
    """
    yield from _old(facts, session(facts, "submission", "submissions").version)


@rule("TLS032", Severity.WARNING, "RFC 8996 §2")
def old_tls_on_mx(facts: PortFacts) -> Findings:
    """The MX speaks no TLS version newer than 1.1.

    Why: senders that forbid TLS 1.0 and 1.1 fall back to the clear, or keep the mail.
    Fix: allow TLS 1.2 and 1.3 (Postfix: `smtpd_tls_protocols = >=TLSv1.2`).
    """
    yield from _old(facts, session(facts, "mx").version)


def _old(facts: PortFacts, version: str) -> Findings:
    if version in _OLD:
        cipher = facts.tls.cipher if facts.tls else ""
        yield finding(f"the newest version it agrees to is {version}", at=said(facts, "TLS", f"{version} {cipher}"))


@rule("TLS033", Severity.WARNING, "RFC 3207 §6; CVE-2021-38371")
def octets_injected_before_tls(facts: PortFacts) -> Findings:
    """Octets in the clear lay behind the 220 to STARTTLS.

    Why: a client that does not drop them takes them for replies that came under TLS: somebody on the way can put words
    into the server's mouth. They were dropped here.
    Fix: update the server; if it is sound, somebody between here and it writes into the connection.
    """
    opened(facts)
    injected = facts.injected
    if injected:
        yield finding(f"{len(injected)} octets after the 220: {injected[:80]!r}", at=said(facts, "STARTTLS", injected))
