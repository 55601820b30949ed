"""What source does with mail: promises nobody waits for, transports made again and again, errors thrown away."""

from __future__ import annotations

from collections.abc import Iterator

from deliverkit.facts.base import needs
from deliverkit.facts.settings.model import AppFacts, MailSettings, SendCall, SourceMark
from deliverkit.facts.settings.nodemailer import service
from deliverkit.findings import Evidence, Severity, finding
from deliverkit.rules.registry import Findings, rule
from deliverkit.rules.settings.reading import at, smtp

_STOPPED = "good practice: Vercel and AWS Lambda documentation, a function is frozen once it answered"


def _here(call: SendCall) -> Evidence:
    return Evidence("file", call.call, file=call.place.file, line=call.place.line)


def _marked(facts: AppFacts, kind: str) -> Iterator[SourceMark]:
    """The marks of a kind; the rule does not apply where there is no mail at all."""
    needs(facts.calls or facts.marks or facts.settings or None)
    return (mark for mark in facts.marks if mark.kind == kind)


def _of(mark: SourceMark, name: str) -> Evidence:
    return Evidence("file", name, file=mark.place.file, line=mark.place.line)


def _needs_waiting(call: SendCall) -> bool:
    """True where a send that nobody waits for is lost: the program is stopped, or it is a coroutine of Python."""
    return call.serverless or call.place.file.endswith(".py")


@rule("SET040", Severity.ERROR, _STOPPED)
def send_nobody_awaits(facts: AppFacts) -> Findings:
    """A message is sent and nobody waits for it, where it is lost without that.

    Why: the promise is neither awaited nor returned. Vercel (Next.js), AWS Lambda and Netlify freeze a function once it
    has answered; the connection is cut in the middle: mail goes out in development and is lost, without an error, in
    production. A coroutine of Python that nobody awaits does not even begin.
    Fix: write await before the call (in an async function), or return its promise; after an answer use waitUntil or
    after.
    """
    needs([call for call in facts.calls if _needs_waiting(call)] or None)
    for call in facts.calls:
        if call.fate == "dropped" and _needs_waiting(call):
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
    for mark in _marked(facts, "transport-per-request"):
        yield finding(f"{mark.place}: {mark.detail}", at=_of(mark, "createTransport"))


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


@rule("SET044", Severity.ERROR, "good practice: Nodemailer documentation, well-known services")
def service_nobody_knows(facts: MailSettings) -> Findings:
    """The service is none that Nodemailer knows.

    Why: an unknown service sets nothing. Without a host of its own the client connects to localhost
    ("connect ECONNREFUSED 127.0.0.1:587").
    Fix: write a name of Nodemailer's list of services, or leave service out and set host, port and secure.
    """
    plan = smtp(facts)
    name = needs(facts.setting("service")).text if facts.framework == "nodemailer" else needs(None)
    if name and service(name) is None and facts.setting("host") is None:
        yield finding(
            f"service {name!r} sets nothing, so mail goes to {plan.host}:{plan.port}", at=at(facts, "service")
        )


@rule("SET045", Severity.WARNING, "good practice: Nodemailer documentation, well-known services")
def service_beside_host(facts: MailSettings) -> Findings:
    """A service stands beside a host or port that it overrides.

    Why: what Nodemailer puts for a service wins over host, port and secure: mail goes to the service, not to the host
    that is written there.
    Fix: leave service out, or leave host, port and secure out.
    """
    plan = smtp(facts)
    name = needs(facts.setting("service")).text if facts.framework == "nodemailer" else needs(None)
    known = service(name) if name else None
    for role in ("host", "port", "secure"):
        setting = facts.setting(role)
        if (
            known
            and role in known
            and setting
            and setting.value is not None
            and str(setting.text) != _text(known[role])
        ):
            told = f"{setting.name} {setting.shown} is not used: service {name!r} means {plan.host}:{plan.port}"
            yield finding(told, at=at(facts, role, "service"))
            return


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


@rule("SET046", Severity.WARNING, "good practice: Node.js documentation, unhandled rejections")
def send_nobody_watches(facts: AppFacts) -> Findings:
    """A message is sent in a long-lived program, and nobody waits for it or looks at its error.

    Why: the answer says "sent" before anybody knows; a refusal becomes an unhandled rejection, which ends the whole
    Node.js process (since version 15).
    Fix: write await before the call, or end the chain with a .catch that logs the error.
    """
    needs([call for call in facts.calls if not _needs_waiting(call)] or None)
    for call in facts.calls:
        if call.fate == "dropped" and not _needs_waiting(call) and call.errors != "handled":
            yield finding(f"{call.place}: {call.call}(…) is neither awaited, returned nor caught", at=_here(call))


@rule("SET047", Severity.WARNING, "RFC 7568 §3; RFC 8996 §4")
def cipher_of_ssl_3(facts: AppFacts) -> Findings:
    """The transport asks for ciphers of SSL 3.

    Why: `ciphers: "SSLv3"` is advice of 2014 that lives on: it leaves out every cipher of TLS 1.2 that servers ask for
    today, so that a handshake without TLS 1.3 fails.
    Fix: delete tls.ciphers.
    """
    for mark in _marked(facts, "old-tls-cipher"):
        yield finding(f"{mark.place}: {mark.detail}", at=_of(mark, "tls.ciphers"))
