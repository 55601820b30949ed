"""What source does with mail: promises nobody waits for, transports made again and again, errors thrown away."""

from __future__ import annotations

from deliverkit.facts.base import needs
from deliverkit.facts.settings.model import AppFacts, SendCall
from deliverkit.findings import Evidence, Severity, finding
from deliverkit.rules.registry import Findings, rule


def _here(call: SendCall) -> Evidence:
    return Evidence("file", call.call, file=call.place.file, line=call.place.line)


@rule(
    "SET040",
    Severity.ERROR,
    "good practice: Vercel and AWS Lambda documentation, a function is frozen once it answered",
)
def send_nobody_awaits(facts: AppFacts) -> Findings:
    """A message is sent and nobody waits for it.

    Why: the promise is neither awaited nor returned. On hosts that freeze a function once it has answered, the
    connection is cut in the middle: mail goes out in development and is lost, without an error, in production.
    Fix: write await before the call (in an async function), or return its promise; after an answer use waitUntil or
    after.
    """
    needs(facts.calls or None)
    for call in facts.calls:
        if call.fate == "dropped":
            yield finding(f"{call.place}: {call.call}(…) is neither awaited nor returned", at=_here(call))


@rule("SET041", Severity.WARNING, "good practice: Nodemailer documentation, error handling")
def send_error_thrown_away(facts: AppFacts) -> Findings:
    """The error of a send is thrown away.

    Why: a refusal leaves no trace: the program says that mail was sent, and nobody knows that it was not.
    Fix: log the error with its code and response, and tell the caller.
    """
    needs(facts.calls or None)
    for call in facts.calls:
        if call.errors == "swallowed":
            yield finding(f"{call.place}: whatever {call.call}(…) says is ignored", at=_here(call))


@rule("SET042", Severity.NOTE, "good practice: Nodemailer documentation, pooled SMTP")
def transport_for_each_request(facts: AppFacts) -> Findings:
    """A transport is made for each request.

    Why: each message then costs a connection, a handshake and a login; servers answer 421 or 454 to too many of them.
    Fix: make the transport once, outside the handler, and use pool: true where many messages are sent.
    """
    needs(facts.calls or facts.marks or None)
    for mark in facts.marks:
        if mark.kind == "transport-per-request":
            place = Evidence("file", "createTransport", file=mark.place.file, line=mark.place.line)
            yield finding(f"{mark.place}: {mark.detail}", at=place)


@rule("SET043", Severity.ERROR, "good practice: Next.js documentation, Edge Runtime")
def send_in_the_edge_runtime(facts: AppFacts) -> Findings:
    """Mail is sent where there are no sockets.

    Why: the edge runtime has no TCP: SMTP cannot work there, whatever the settings.
    Fix: run this route in the Node.js runtime (export const runtime = "nodejs"), or use the provider's HTTP API.
    """
    needs(facts.calls or None)
    for call in facts.calls:
        if call.runtime == "edge":
            yield finding(f"{call.place}: {call.call}(…) in a module of the edge runtime", at=_here(call))
