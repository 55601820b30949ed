"""The sending client as a flow: greeting, EHLO, TLS, AUTH, then messages over one connection (RFC 5321, 6409, 3207).

Everything comes back as values (`SubmitResult`): what broke, at which stage, and what the server said to each
recipient. What this file will not do: compose or sign a message, look up a server, or try a second one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import replace

from deliverkit.smtp.auth import choose, log_in
from deliverkit.smtp.dialogue import (
    Connect,
    Handshake,
    Hangup,
    Hear,
    Say,
    SayAll,
    SendContent,
    SmtpFlow,
    TlsSession,
    Trouble,
)
from deliverkit.smtp.reply import Offer, Reply, offer
from deliverkit.smtp.submission import (
    Auth,
    Delivery,
    Envelope,
    Problem,
    Recipient,
    Refusal,
    Stage,
    Submission,
    SubmitResult,
)

__all__ = [
    "Auth",
    "Delivery",
    "Envelope",
    "Problem",
    "Recipient",
    "Refusal",
    "Stage",
    "Submission",
    "SubmitResult",
    "goodbye",
    "hello",
    "logged_in",
    "opened",
    "stuffed",
    "submit_flow",
    "unfit",
    "unfit_address",
    "unverified",
]

_ADDRESS = re.compile(r'(?:"(?:[^"\\]|\\.)*"|[^\s<>"\\])+')  # RFC 5321 §4.1.2, leniently: what cannot break the line
_NOTHING = Offer("", ())


def submit_flow(submission: Submission, envelopes: Iterable[Envelope]) -> SmtpFlow[SubmitResult]:
    """Send every envelope over one connection. ``envelopes`` is read one at a time, so it may be made on the way."""
    if reason := unfit(submission.helo, "the EHLO name"):
        return SubmitResult(Stage.EHLO, Refusal(reason))
    result, offered = yield from opened(submission)
    if result.stage is None and submission.auth is not None:
        result = yield from logged_in(submission, submission.auth, result, offered)
    if result.stage is None:
        result = yield from _delivered(submission, envelopes, result, offered)
    alive = result.stage != Stage.CONNECT and not isinstance(result.problem, Trouble)
    yield from goodbye(alive=alive, timeout_s=submission.reply_s)
    return result


# -- opening the session ----------------------------------------------------------------------------------


def opened(submission: Submission) -> SmtpFlow[tuple[SubmitResult, Offer]]:
    """Connect, be greeted, say EHLO and start TLS as the submission wants it."""
    result = SubmitResult()
    connected = yield Connect(submission.address, submission.port, submission.connect_s)
    if isinstance(connected, Trouble):
        return replace(result, stage=Stage.CONNECT, problem=connected), _NOTHING
    if submission.tls == "implicit":  # RFC 8314 §3.3: TLS before the first octet of SMTP
        result = yield from _handshaken(submission, result)
        if result.stage is not None:
            return result, _NOTHING
    greeting: Reply | Trouble = yield Hear("greeting", submission.reply_s)
    if isinstance(greeting, Trouble) or greeting.code != 220:  # RFC 5321 §3.1: 554 and 421 are the other two
        return replace(result, stage=Stage.GREETING, problem=greeting), _NOTHING
    result = replace(result, greeting=greeting)
    heard, _ = yield from hello(submission.helo, submission.reply_s)
    if isinstance(heard, Trouble) or not heard.positive:
        return replace(result, stage=Stage.EHLO, problem=heard), _NOTHING
    offered = offer(heard)
    if submission.tls == "implicit":
        return replace(result, ehlo_tls=heard), offered
    if submission.tls == "none":
        return replace(result, ehlo=heard), offered
    return (yield from _upgraded(submission, replace(result, ehlo=heard), offered))


def hello(helo: str, timeout_s: float) -> SmtpFlow[tuple[Reply | Trouble, bool]]:
    """EHLO, or HELO where EHLO is not understood (RFC 5321 §3.2); and whether it was EHLO that worked."""
    heard: Reply | Trouble = yield Say(f"EHLO {helo}", timeout_s=timeout_s)
    if isinstance(heard, Reply) and heard.code in (500, 502, 504, 550):
        second: Reply | Trouble = yield Say(f"HELO {helo}", timeout_s=timeout_s)
        if isinstance(second, Reply) and second.positive:
            return Reply(second.code, second.lines[:1], second.faults), False
    return heard, True


def _upgraded(submission: Submission, result: SubmitResult, offered: Offer) -> SmtpFlow[tuple[SubmitResult, Offer]]:
    """STARTTLS, then EHLO again: what was said in the clear no longer counts (RFC 3207 §4.2)."""
    must = submission.tls == "starttls"
    if "STARTTLS" not in offered:
        missing = Refusal("the server does not offer STARTTLS")
        return (replace(result, stage=Stage.STARTTLS, problem=missing) if must else result), offered
    heard: Reply | Trouble = yield Say("STARTTLS", timeout_s=submission.reply_s)
    if isinstance(heard, Trouble) or heard.code != 220:
        if must or isinstance(heard, Trouble):
            return replace(result, stage=Stage.STARTTLS, problem=heard), offered
        return result, offered
    result = yield from _handshaken(submission, result)
    if result.stage is not None:
        return result, _NOTHING
    heard, _ = yield from hello(submission.helo, submission.reply_s)
    if isinstance(heard, Trouble) or not heard.positive:
        return replace(result, stage=Stage.EHLO, problem=heard), _NOTHING
    return replace(result, ehlo_tls=heard), offer(heard)


def _handshaken(submission: Submission, result: SubmitResult) -> SmtpFlow[SubmitResult]:
    session: TlsSession | Trouble = yield Handshake(
        submission.server_name, submission.verify_name, submission.ca_file, submission.reply_s
    )
    if isinstance(session, Trouble):
        return replace(result, stage=Stage.TLS, problem=session)
    return replace(result, tls=session)


def goodbye(*, alive: bool, timeout_s: float) -> SmtpFlow[None]:
    """QUIT, hear the 221 if it comes soon (RFC 5321 §4.1.1.10), and hang up."""
    if alive:
        yield Say("QUIT", timeout_s=min(timeout_s, 5.0))
    yield Hangup()


# -- logging in -------------------------------------------------------------------------------------------


def logged_in(submission: Submission, auth: Auth, result: SubmitResult, offered: Offer) -> SmtpFlow[SubmitResult]:
    """AUTH, but no secret before TLS is verified, unless the user said ``insecure`` (RFC 8314 §3, RFC 4954 §4)."""
    if not submission.insecure and (danger := unverified(result.tls)):
        return replace(result, stage=Stage.AUTH, problem=Refusal(f"no password is sent: {danger}"))
    mechanism = choose(auth, offered.mechanisms, under_tls=result.tls is not None)
    if isinstance(mechanism, Refusal):
        return replace(result, stage=Stage.AUTH, problem=mechanism)
    heard = yield from log_in(auth, mechanism, submission.reply_s)
    if not isinstance(heard, Reply) or heard.code != 235:
        return replace(result, stage=Stage.AUTH, problem=heard, mechanism=mechanism)
    return replace(result, mechanism=mechanism)


def unverified(session: TlsSession | None) -> str | None:
    """Why the connection is not safe for a secret, or None."""
    if session is None:
        return "the connection is in the clear"
    if not session.trusted:
        return f"the certificate is not trusted ({session.trust_detail or session.trust_problem or 'not judged'})"
    if session.name_matches is None:
        return "no name was given that the certificate must bear"
    return None if session.name_matches else "the certificate is for another name"


# -- messages ---------------------------------------------------------------------------------------------


def _delivered(
    submission: Submission, envelopes: Iterable[Envelope], result: SubmitResult, offered: Offer
) -> SmtpFlow[SubmitResult]:
    """One transaction after another; a session that broke ends the series, a refused message does not."""
    deliveries: list[Delivery] = []
    unfinished = False
    for envelope in envelopes:
        if unfinished:  # RFC 5321 §4.1.1.5: forget the sender and recipients of a transaction that failed
            reset: Reply | Trouble = yield Say("RSET", timeout_s=submission.reply_s)
            if _over(reset):
                return replace(result, stage=Stage.MAIL, problem=reset, deliveries=tuple(deliveries))
        delivery = yield from _transaction(submission, envelope, offered)
        deliveries.append(delivery)
        if delivery.stage is not None and _over(delivery.problem):
            return replace(result, stage=delivery.stage, problem=delivery.problem, deliveries=tuple(deliveries))
        unfinished = not delivery.accepted and not isinstance(delivery.problem, Refusal)
    return replace(result, deliveries=tuple(deliveries))


def _over(problem: Problem | None) -> bool:
    """True when the connection is gone, or going: 421 announces the close (RFC 5321 §3.8)."""
    return isinstance(problem, Trouble) or (isinstance(problem, Reply) and problem.code == 421)


def _transaction(submission: Submission, envelope: Envelope, offered: Offer) -> SmtpFlow[Delivery]:
    """MAIL, RCPT for each recipient, DATA, the content (RFC 5321 §3.3)."""
    content = _BARE.sub(b"\r\n", envelope.content) if envelope.repair_line_ends else envelope.content
    unasked = tuple(Recipient(address, None) for address in envelope.rcpt_to)
    draft = Delivery(envelope.mail_from, unasked, None, None, octets=len(content))
    if refused := _unfit_envelope(envelope, content, offered):
        return replace(draft, stage=refused[0], problem=refused[1])
    commands = (_mail(envelope, content, offered), *(f"RCPT TO:<{address}>" for address in envelope.rcpt_to))
    if "PIPELINING" in offered:
        draft, ready = yield from _asked_at_once(submission, draft, commands)
    else:
        draft, ready = yield from _asked_in_turn(submission, draft, commands)
    if not ready:
        return draft
    reply: Reply | Trouble = yield SendContent(stuffed(content), submission.content_s)
    if isinstance(reply, Reply) and 200 <= reply.code < 300:
        return replace(draft, reply=reply)
    heard = reply if isinstance(reply, Reply) else None
    return replace(
        draft,
        stage=Stage.CONTENT,
        problem=reply,
        reply=heard,
        ambiguous=isinstance(reply, Trouble) and not reply.unsent,
    )


def _mail(envelope: Envelope, content: bytes, offered: Offer) -> str:
    """The MAIL command with the parameters the server understands."""
    words = [f"MAIL FROM:<{envelope.mail_from}>"]
    if "SIZE" in offered:  # RFC 1870 §5
        words.append(f"SIZE={len(content)}")
    if "8BITMIME" in offered and not content.isascii():  # RFC 6152 §3
        words.append("BODY=8BITMIME")
    if envelope.smtputf8:  # RFC 6531 §3.4
        words.append("SMTPUTF8")
    return " ".join(words)


def _asked_in_turn(
    submission: Submission, draft: Delivery, commands: tuple[str, ...]
) -> SmtpFlow[tuple[Delivery, bool]]:
    """One command, one reply."""
    heard: Reply | Trouble = yield Say(commands[0], timeout_s=submission.reply_s)
    if isinstance(heard, Trouble) or not heard.positive:
        return replace(draft, stage=Stage.MAIL, problem=heard), False
    answers: list[Reply | Trouble] = []
    for command in commands[1:]:
        heard = yield Say(command, timeout_s=submission.reply_s)
        answers.append(heard)
        if _over(heard):
            break
    draft = _with_recipients(draft, answers)
    if draft.stage is not None:
        return draft, False
    heard = yield Say("DATA", timeout_s=submission.reply_s)
    if isinstance(heard, Reply) and heard.code == 354:
        return draft, True
    return replace(draft, stage=Stage.DATA, problem=heard), False


def _asked_at_once(
    submission: Submission, draft: Delivery, commands: tuple[str, ...]
) -> SmtpFlow[tuple[Delivery, bool]]:
    """All commands in one write, DATA the last of the group (RFC 2920 §3.1)."""
    answers: tuple[Reply | Trouble, ...] = yield SayAll((*commands, "DATA"), submission.reply_s)
    mail, *rcpts, data = answers
    if isinstance(mail, Trouble) or not mail.positive:
        draft = replace(draft, stage=Stage.MAIL, problem=mail)
    else:
        draft = _with_recipients(draft, rcpts)
    invited = isinstance(data, Reply) and data.code == 354
    if draft.stage is None and not invited:
        return replace(draft, stage=Stage.DATA, problem=data), False
    if draft.stage is not None and invited:  # RFC 2920 §3.1: nobody to send to, yet invited: an empty message ends it
        final: Reply | Trouble = yield SendContent(b".\r\n", submission.content_s)
        if _over(final):
            draft = replace(draft, problem=final)
    return draft, draft.stage is None


def _with_recipients(draft: Delivery, answers: list[Reply | Trouble]) -> Delivery:
    """Note what each recipient got; with none accepted the transaction broke at RCPT."""
    heard = [*answers, *[None] * (len(draft.recipients) - len(answers))]
    recipients = tuple(Recipient(r.address, h) for r, h in zip(draft.recipients, heard, strict=True))
    draft = replace(draft, recipients=recipients)
    broken = next((answer for answer in answers if _over(answer)), None)
    if broken is not None or not any(r.accepted for r in recipients):
        return replace(draft, stage=Stage.RCPT, problem=broken or answers[0])
    return draft


# -- what may go on the wire ------------------------------------------------------------------------------

_BARE = re.compile(rb"\r\n|\r|\n")


def stuffed(content: bytes) -> bytes:
    """Content as DATA carries it: a dot before each line that begins with one, CRLF.CRLF at the end (RFC 5321 §4.5.2).

    Lines begin after CRLF only: a bare LF is content, however odd, and is sent as it is.
    """
    body = content if content.endswith(b"\r\n") or not content else content + b"\r\n"
    if body.startswith(b"."):
        body = b"." + body
    return body.replace(b"\r\n.", b"\r\n..") + b".\r\n"


def unfit(text: str, what: str) -> str | None:
    """Why a text may not become part of a command line, or None: no control character may pass."""
    if any(ord(c) < 32 or ord(c) == 127 for c in text):
        kind = "line break" if {"\r", "\n"} & set(text) else "control character"
        return f"a {kind} in {what} {text!r}"
    return None


def unfit_address(address: str, what: str, *, smtputf8: bool) -> str | None:
    """Why a text may not stand between the angle brackets of MAIL or RCPT, or None."""
    if reason := unfit(address, what):
        return reason
    if not _ADDRESS.fullmatch(address):
        return f"{what} {address!r} is no mail address: spaces, angle brackets and open quotes are not allowed"
    if not smtputf8 and not address.isascii():
        return f"{what} {address!r} is not ASCII and SMTPUTF8 was not asked for (RFC 6531 §3.1)"
    return None


def _unfit_envelope(envelope: Envelope, content: bytes, offered: Offer) -> tuple[Stage, Refusal] | None:
    """Why this envelope may not be sent here, and at which stage it stops."""
    utf8 = envelope.smtputf8
    sender = envelope.mail_from
    if sender and (reason := unfit_address(sender, "the sender", smtputf8=utf8)):
        return Stage.MAIL, Refusal(reason)
    if utf8 and not ("SMTPUTF8" in offered and "8BITMIME" in offered):
        return Stage.MAIL, Refusal("the server does not offer SMTPUTF8 with 8BITMIME (RFC 6531 §3.1)")
    if not content.isascii() and "8BITMIME" not in offered:
        return Stage.MAIL, Refusal("the message holds 8-bit octets and the server does not offer 8BITMIME (RFC 6152)")
    if not envelope.rcpt_to:
        return Stage.RCPT, Refusal("no recipient")
    for address in envelope.rcpt_to:
        if reason := unfit_address(address, "the recipient", smtputf8=utf8):
            return Stage.RCPT, Refusal(reason)
    return None
