"""The hosting platform: ports it closes, and functions it stops before the mail client gives up.

What a platform does is data (`deliverkit/data/platforms.toml`), with its source and day. What this file will not do:
guess a platform; only files that a deployment to it has tell it.
"""

from __future__ import annotations

from deliverkit.facts.base import needs
from deliverkit.facts.settings.model import AppFacts, MailSettings
from deliverkit.findings import Severity, finding
from deliverkit.rules.registry import Findings, rule
from deliverkit.rules.settings.reading import at, evidence, hosted_on, named, seen, smtp, transports, where

_FOR_EVER = ("smtplib", "django", "javamail", "spring")
"""Frameworks that wait for ever unless they are told otherwise, by their documentation."""


@rule("SET089", Severity.WARNING, "good practice: the documentation of the hosting platform, function duration")
def timeout_longer_than_the_function(facts: AppFacts) -> Findings:
    """The mail client waits longer for the server than the platform lets a function run.

    Why: when the server does not answer, the function is killed first: no error is logged, and nobody knows why.
    Fix: set the timeouts for connecting and for the greeting well below the time a function has (10 seconds will do).
    """
    limits = needs(facts.time_limits or None)
    names = {platform.id: (platform.name, place) for platform, place in hosted_on(facts)}
    for one in transports(facts, "host", "connect_s", "greeting_s"):
        if not one.production or where(one.plan.host) != "public":
            continue
        waits = [("connect", one.plan.connect_s), ("greeting", one.plan.greeting_s)]
        for id_, limit in limits.items():
            if limit.value is None:
                continue
            seconds = float(str(limit.value))
            name, place = names[id_]
            late = [
                f"{what} {'for ever' if s is None else f'{s:g} s'}" for what, s in waits if s is None or s > seconds
            ]
            if late:
                by = named(limit) if limit.place is not None else f"{limit.layer}"
                told = f"waits: {', '.join(late)}; a function on {name} has {seconds:g} s ({by})"
                mark = evidence(limit) if limit.place is not None else seen(place, name)
                yield finding(told, at=(*at(one, "connect-timeout", "greeting-timeout"), mark), subject=one.subject)


@rule("SET090", Severity.ERROR, "good practice: the documentation of the hosting platform, outbound ports")
def port_closed_by_the_platform(facts: AppFacts) -> Findings:
    """The platform closes this port to every program.

    Why: the connection times out there, and works everywhere else.
    Fix: use port 587 with STARTTLS or 465 with TLS from the first byte, or the HTTP API of the provider.
    """
    hosts = list(hosted_on(facts))
    needs(hosts or None)
    for one in transports(facts, "host", "port"):
        for platform, place in hosts:
            if _outside(one) and one.plan.port in platform.blocked:
                told = f"{one.plan.host}:{one.plan.port}: {platform.blocked_told}"
                yield finding(told, at=(*at(one, "port"), seen(place, platform.name)), subject=one.subject)


@rule("SET091", Severity.WARNING, "good practice: the documentation of the hosting platform, outbound ports")
def port_closed_on_some_plans(facts: AppFacts) -> Findings:
    """The platform closes this port on some plans, or until it is asked to open it.

    Why: the connection times out there, and works everywhere else.
    Fix: see whether your plan opens the port; else use the HTTP API of the provider, or a port that is open.
    """
    hosts = list(hosted_on(facts))
    needs(hosts or None)
    for one in transports(facts, "host", "port"):
        for platform, place in hosts:
            if _outside(one) and one.plan.port in platform.blocked_on_some:
                told = f"{one.plan.host}:{one.plan.port}: {platform.blocked_on_some_told}"
                yield finding(told, at=(*at(one, "port"), seen(place, platform.name)), subject=one.subject)


def _outside(one: MailSettings) -> bool:
    """True for a server beyond the platform's own network, in an environment that runs there."""
    return one.production and where(one.plan.host) == "public"


@rule("SET092", Severity.NOTE, "good practice: the documentation of the framework, timeouts; RFC 5321 §4.5.3.2")
def no_timeout_at_all(facts: MailSettings) -> Findings:
    """No timeout is set, and this framework waits for ever without one.

    Why: a server that does not answer, or a port that is closed, stops the request or the worker until it is killed.
    Fix: set a timeout (10 to 30 seconds).
    """
    plan = smtp(facts)
    needs(facts.framework if facts.framework in _FOR_EVER else None)
    if plan.connect_s is None and plan.greeting_s is None and plan.socket_s is None:
        roles = ("connect-timeout", "greeting-timeout", "socket-timeout")
        yield finding(f"{facts.framework} waits for {plan.host}:{plan.port} for ever", at=at(facts, *roles))
