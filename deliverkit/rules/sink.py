"""Opinions on how a message came to the sink: the wire and the conversation, which a file no longer shows.

What the message itself shows (bare line feeds, long lines, NUL, raw octets in header fields) is judged by the
``message`` family, once for stored and captured mail alike.
"""

from __future__ import annotations

from deliverkit.facts.base import needs
from deliverkit.facts.capture import CaptureFacts
from deliverkit.findings import Evidence, Severity, finding
from deliverkit.rules.registry import Findings, rule
from deliverkit.smtp.content import FaultKind, WireFault


def _content_faults(facts: CaptureFacts, *kinds: FaultKind) -> Findings:
    """One finding for each fault of the content; a session without content has nothing to judge."""
    needs(facts.octets)
    for fault in facts.of(*kinds):
        yield finding(fault.detail, at=_evidence(facts, fault))


def _session_faults(facts: CaptureFacts, *kinds: FaultKind) -> Findings:
    """One finding for each fault of the conversation."""
    for fault in facts.of(*kinds):
        times = f" ({fault.count} times)" if fault.count > 1 else ""
        yield finding(f"{fault.detail}{times}", at=_evidence(facts, fault))


def _evidence(facts: CaptureFacts, fault: WireFault) -> Evidence:
    kind = "message" if fault.position is not None else "smtp"
    return Evidence(kind, facts.client, fault.kind.value, fault.text or fault.detail, line=fault.line)


@rule("SINK001", Severity.ERROR, "RFC 5321 §4.5.2")
def leading_dot_not_doubled(facts: CaptureFacts) -> Findings:
    """A line that begins with a dot was sent without doubling it.

    Why: every receiver removes the first dot of such a line, which alters the text and breaks the DKIM signature; a
    line of a single dot ends the message there, and what follows is taken for SMTP commands.
    Fix: double a dot at the beginning of every line when sending DATA; leave it to an SMTP library instead of
    writing to the socket.
    """
    yield from _content_faults(facts, FaultKind.DOT_NOT_DOUBLED)


@rule("SINK002", Severity.WARNING, "RFC 5321 §2.3.8, §4.5.2")
def dot_doubled_after_bare_line_feed(facts: CaptureFacts) -> Findings:
    """A dot was doubled after a bare line feed, where no receiver undoes it.

    Why: only CRLF ends a line on the wire, so the second dot stays in the text that is delivered.
    Fix: send CRLF at every line end; the doubled dots are then removed as they should be.
    """
    yield from _content_faults(facts, FaultKind.DOT_DOUBLED_AFTER_LF)


@rule("SINK003", Severity.ERROR, "RFC 5321 §4.1.1.4, §2.3.8")
def false_end_of_data(facts: CaptureFacts) -> Findings:
    """The content holds a sequence that some servers take for the end of data.

    Why: where sender and receiver disagree about the end of a message, a second, forged one can be smuggled behind
    the first; servers that guard against it refuse or rewrite such mail.
    Fix: normalise every bare CR and LF of the content to CRLF before dots are doubled; only CRLF.CRLF ends DATA.
    """
    yield from _content_faults(facts, FaultKind.FALSE_END)


@rule("SINK004", Severity.NOTE, "RFC 6152 §3")
def eight_bit_content_not_declared(facts: CaptureFacts) -> Findings:
    """Octets over 127 were sent without BODY=8BITMIME.

    Why: a relay that meets a server without 8BITMIME relies on the declaration to know that it must convert.
    Fix: add BODY=8BITMIME to MAIL where the server offers 8BITMIME, or encode the parts as quoted-printable or base64.
    """
    yield from _content_faults(facts, FaultKind.UNDECLARED_8BIT)


@rule("SINK005", Severity.ERROR, "RFC 6531 §3.4")
def address_needs_smtputf8(facts: CaptureFacts) -> Findings:
    """An address that is not ASCII was given without SMTPUTF8.

    Why: servers refuse such an address (550 5.6.7 or 553) unless MAIL declared SMTPUTF8.
    Fix: add SMTPUTF8 to MAIL where the server offers it; where only the domain is not ASCII, send its A-label form.
    """
    yield from _session_faults(facts, FaultKind.UNDECLARED_UTF8)


@rule("SINK006", Severity.WARNING, "RFC 5321 §4.5.3.1.1–3")
def path_too_long(facts: CaptureFacts) -> Findings:
    """An address is longer than a server need take.

    Why: a local part over 64, a domain over 255 or a path over 256 octets may be refused or cut anywhere on its way.
    Fix: shorten the address; a return path that encodes the recipient (VERP) should use a short token instead.
    """
    yield from _session_faults(facts, FaultKind.LONG_PATH)


@rule("SINK007", Severity.WARNING, "RFC 5321 §4.1.4")
def commands_out_of_order(facts: CaptureFacts) -> Findings:
    """A command came before the one it depends on.

    Why: MAIL before EHLO, RCPT before MAIL, a second MAIL or a command before AUTH is refused with 503 or 530; a client
    that does not look at replies loses the message.
    Fix: read each reply before going on: greeting, EHLO, STARTTLS, EHLO, AUTH, MAIL, RCPT, DATA.
    """
    yield from _session_faults(facts, FaultKind.OUT_OF_ORDER)


@rule("SINK008", Severity.WARNING, "RFC 5321 §4.1.1, §4.5.3.1.4")
def command_not_understood(facts: CaptureFacts) -> Findings:
    """A command was refused for its syntax, its length, or because it is not offered.

    Why: what one server refuses, others will; a client that uses what EHLO did not offer is not portable.
    Fix: correct the command that is shown; use only what the reply to EHLO offers.
    """
    yield from _session_faults(facts, FaultKind.NOT_UNDERSTOOD, FaultKind.BAD_SYNTAX, FaultKind.LONG_COMMAND)


@rule("SINK009", Severity.WARNING, "RFC 5321 §2.3.8")
def command_ends_with_bare_line_feed(facts: CaptureFacts) -> Findings:
    """A command ended with a bare line feed.

    Why: servers that guard against SMTP smuggling disconnect clients that do so.
    Fix: end every command with CRLF.
    """
    yield from _session_faults(facts, FaultKind.COMMAND_BARE_LF)


@rule("SINK010", Severity.WARNING, "RFC 5321 §3.1")
def spoke_before_the_greeting(facts: CaptureFacts) -> Findings:
    """The client sent commands before the greeting.

    Why: servers take it for the mark of a spam bot and answer 554 or disconnect.
    Fix: wait for the 220 before the first command.
    """
    yield from _session_faults(facts, FaultKind.EARLY_TALK)


@rule("SINK011", Severity.WARNING, "RFC 3207 §4.2")
def octets_behind_starttls(facts: CaptureFacts) -> Findings:
    """Commands were sent behind STARTTLS without waiting for its reply.

    Why: a server must drop them, because anybody on the path could have put them there; many disconnect.
    Fix: send nothing between STARTTLS and the TLS handshake, and EHLO again after it.
    """
    yield from _session_faults(facts, FaultKind.AFTER_STARTTLS)


@rule("SINK012", Severity.WARNING, "RFC 4954 §4, RFC 8314 §3")
def credentials_in_clear(facts: CaptureFacts) -> Findings:
    """Credentials were sent without TLS.

    Why: anybody on the path can read them and send mail in the account's name.
    Fix: require TLS in the client: implicit TLS on port 465, or STARTTLS (mandatory, not "if available") on port 587.
    """
    yield from _session_faults(facts, FaultKind.CLEAR_AUTH)


@rule("SINK013", Severity.NOTE, "RFC 5321 §4.1.1.1, §2.3.5")
def helo_is_no_full_name(facts: CaptureFacts) -> Findings:
    """The client's EHLO name is neither a fully qualified name nor an address literal.

    Why: public servers refuse a bare host name, a container id or localhost with 504 or count it against the mail.
    Fix: set the client's EHLO name to the public name of the sending host, one that its address resolves back to.
    """
    helo = needs(facts.helo)
    is_literal = helo.startswith("[") and helo.endswith("]")
    if not is_literal and ("." not in helo.rstrip(".") or helo.lower().endswith((".local", ".localdomain"))):
        yield finding(f"EHLO {helo[:100]}", at=Evidence("smtp", facts.client, "helo", helo[:255]))


@rule("SINK014", Severity.ERROR, "RFC 8314 §3.3")
def tls_mode_is_wrong(facts: CaptureFacts) -> Findings:
    """The client's TLS mode does not fit the port.

    Why: implicit TLS and STARTTLS differ in who speaks first; with the wrong one the client sees "wrong version number"
    or waits until it times out.
    Fix: use implicit TLS ("SSL/TLS", secure: true) on port 465 and STARTTLS (secure: false) on ports 587 and 25.
    """
    yield from _session_faults(facts, FaultKind.TLS_ON_CLEAR_PORT, FaultKind.SILENT_ON_TLS_PORT)


@rule("SINK015", Severity.ERROR, "RFC 3207 §4.1, RFC 8446 §6.2")
def tls_handshake_failed(facts: CaptureFacts) -> Findings:
    """The TLS handshake with the client failed.

    Why: without it the client sends nothing, or falls back to sending in the clear.
    Fix: let the client trust the authority that signed this server's certificate (the sink tells its file) and connect
    to a name the certificate holds; TLS 1.2 or later is needed.
    """
    yield from _session_faults(facts, FaultKind.TLS_FAILED)


@rule("SINK016", Severity.WARNING, "RFC 5321 §3.8, §4.5.3.2")
def session_broken_off(facts: CaptureFacts) -> Findings:
    """The connection ended, or fell silent, in the middle of a message.

    Why: the message was not accepted; the client must send it again, and a client that does not has lost it.
    Fix: look for a time limit or a crash in the client; await the send before a process or function ends.
    """
    yield from _session_faults(facts, FaultKind.CUT_OFF, FaultKind.IDLE)


@rule("SINK017", Severity.WARNING, "RFC 1870 §6")
def message_over_the_size_limit(facts: CaptureFacts) -> Findings:
    """A message exceeded the size that this server announced.

    Why: it was refused with 552; public servers take 25 to 50 MB at most.
    Fix: give SIZE= with MAIL so that the refusal comes early, and send a link instead of a large attachment.
    """
    yield from _session_faults(facts, FaultKind.TOO_BIG)
