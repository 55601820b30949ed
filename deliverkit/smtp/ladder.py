"""The doctor's ladder as a flow: what an application would do on one connection, up to RCPT, and no message.

The session is opened and logged in by the client's own flows; then MAIL, RCPT if somebody is named, and RSET. What
this file will not do: send content, or judge what was heard.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from deliverkit.smtp.auth import choose
from deliverkit.smtp.client import goodbye, logged_in, opened, unfit, unfit_address, unverified
from deliverkit.smtp.dialogue import Say, SmtpFlow, Trouble
from deliverkit.smtp.reply import Offer, Reply
from deliverkit.smtp.submission import Problem, Refusal, Stage, Submission, SubmitResult


@dataclass(frozen=True, slots=True)
class Climb:
    """How far one connection came. What was not tried is None.

    ``untrusted`` is why a client that verifies breaks off after the handshake. ``withheld`` is why the password was
    not sent, although the application would send it. ``mail`` and ``rcpt`` are what these commands got.
    """

    session: SubmitResult
    offered: tuple[str, ...] = ()
    untrusted: str | None = None
    withheld: str | None = None
    mail: Problem | None = None
    rcpt: Problem | None = None


def climb_flow(submission: Submission, *, verify: bool, sender: str | None, recipient: str | None) -> SmtpFlow[Climb]:
    """Climb until a rung breaks. ``verify``: the application looks at the certificate (RFC 8314 §3.4, RFC 9525)."""
    if reason := unfit(submission.helo, "the EHLO name"):
        return Climb(SubmitResult(Stage.EHLO, Refusal(reason)))
    session, offered = yield from opened(submission)
    climb = Climb(session, offered.mechanisms)
    if session.stage is None:
        climb = yield from _inside(submission, climb, offered, verify, sender, recipient)
    broken = (climb.session.problem, climb.mail, climb.rcpt)
    alive = climb.session.stage != Stage.CONNECT and not any(isinstance(one, Trouble) for one in broken)
    yield from goodbye(alive=alive, timeout_s=submission.reply_s)
    return climb


def _inside(
    submission: Submission, climb: Climb, offered: Offer, verify: bool, sender: str | None, recipient: str | None
) -> SmtpFlow[Climb]:
    """From the certificate to RCPT."""
    session = climb.session
    if verify and session.tls is not None and (reason := unverified(session.tls)):
        return replace(climb, untrusted=reason)
    if submission.auth is not None:
        mechanism = choose(submission.auth, offered.mechanisms, under_tls=session.tls is not None)
        if not isinstance(mechanism, Refusal) and not submission.insecure and (reason := unverified(session.tls)):
            return replace(climb, withheld=f"the password was not sent: {reason} (--insecure sends it)")
        if isinstance(mechanism, Refusal):
            return replace(climb, session=replace(session, stage=Stage.AUTH, problem=mechanism))
        climb = replace(climb, session=(yield from logged_in(submission, submission.auth, session, offered)))
        if climb.session.stage is not None:
            return climb
    if sender is None:
        return climb
    return (yield from _envelope(submission, climb, sender, recipient))


def _envelope(submission: Submission, climb: Climb, sender: str, recipient: str | None) -> SmtpFlow[Climb]:
    """MAIL and RCPT, taken back by RSET (RFC 5321 §4.1.1.5): no DATA follows."""
    climb = replace(climb, mail=(yield from _said(submission, "MAIL FROM", sender)))
    if not (isinstance(climb.mail, Reply) and climb.mail.positive):
        return climb
    if recipient is not None:
        climb = replace(climb, rcpt=(yield from _said(submission, "RCPT TO", recipient)))
    if not isinstance(climb.rcpt, Trouble):
        yield Say("RSET", timeout_s=submission.reply_s)
    return climb


def _said(submission: Submission, command: str, address: str) -> SmtpFlow[Problem]:
    if reason := unfit_address(address, "the address", smtputf8=False):
        return Refusal(reason)
    heard: Reply | Trouble = yield Say(f"{command}:<{address}>", timeout_s=submission.reply_s)
    return heard
