"""Where mail goes: to a sandbox, a log or nowhere in production; to a host that only this machine or network knows.

What this file will not do: call a sandbox wrong where it belongs, in development.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from deliverkit.data import Platform
from deliverkit.facts.base import needs
from deliverkit.facts.settings.model import AppFacts, MailSettings
from deliverkit.facts.settings.values import Place
from deliverkit.findings import Evidence, Severity, finding
from deliverkit.rules.registry import Findings, rule
from deliverkit.rules.settings.reading import (
    at,
    hosted_on,
    known_first,
    seen,
    server,
    surely_production,
    text_of,
    transports,
    where,
)

_SINKS = re.compile(
    r"(?:^|[.-])(?:mailhog|mailpit|maildev|mailcatcher|inbucket|greenmail|smtp4dev|papercut|fake-?smtp|mailslurper|"
    r"mail-?trap|debugmail)(?:[.-]|$)"
)
_SINK_PORTS = (1025, 2500, 3025)
_DELIVERIES = {
    "log": "written into a log",
    "console": "printed",
    "file": "written into files",
    "memory": "kept in memory",
    "none": "thrown away",
}


def _never_leaves(one: MailSettings) -> tuple[str, tuple[Evidence, ...]] | None:
    """Why mail of this transport never leaves, and where that is set; None if it does."""
    told = _DELIVERIES.get(one.plan.delivery)
    if told is not None:
        return f"mail is {told}: {one.plan.why or one.plan.delivery}", at(one, "backend")
    if one.plan.delivery != "smtp":
        return None
    host = one.plan.host.lower().rstrip(".")
    known = server(one)
    sandbox = known is not None and known.category == "sandbox"
    inside = where(host) in ("loopback", "container") and one.plan.port in _SINK_PORTS and not one.plan.login
    if sandbox or inside or (_SINKS.search(host) and not (known is not None and known.category == "esp")):
        what = known.name if known is not None and sandbox else "a server that only catches mail"
        return f"{host}:{one.plan.port} is {what}", at(one, "host", "port", "service")
    return None


@rule("SET080", Severity.ERROR, "good practice: the documentation of the sandbox or of the framework's mailers")
def production_mail_never_leaves(facts: AppFacts) -> Findings:
    """In production, mail goes to a sandbox, a log or a file, and never to its readers.

    Why: the program is told that the mail was sent; nobody receives it.
    Fix: set the server for production: host, port, user and password of the provider.
    """
    for one in known_first(facts, "delivery", "host", "port", "login"):
        found = _never_leaves(one) if surely_production(facts, one) else None
        if found is not None:
            yield finding(found[0], at=found[1], subject=one.subject)


@rule("SET081", Severity.NOTE, "good practice: the documentation of the sandbox or of the framework's mailers")
def mail_never_leaves(facts: AppFacts) -> Findings:
    """Mail goes to a sandbox, a log or a file, and never to its readers.

    Why: that is right in development; nothing here tells whether production has other settings.
    Fix: see that production sets a server of its own.
    """
    for one in known_first(facts, "delivery", "host", "port", "login"):
        found = None if surely_production(facts, one) else _never_leaves(one)
        if found is not None:
            yield finding(found[0], at=found[1], subject=one.subject)


@rule("SET082", Severity.ERROR, "good practice: the documentation of the hosting platform")
def host_unknown_to_the_platform(facts: AppFacts) -> Findings:
    """The host is this machine or a name of one's own network, and the platform runs the program alone.

    Why: no mail server listens beside the program there: ECONNREFUSED, or ENOTFOUND.
    Fix: use the public server of a provider.
    """
    needs([one for one, _ in hosted_on(facts) if one.ephemeral] or None)
    for one, host in _inner(facts):
        alone = _alone(facts, one, host)
        if alone is not None:
            platform, place = alone
            told = f"{host} is {_KINDS[where(host)]}; {platform.name} ({place}) has no mail server there"
            yield finding(told, at=(*at(one, "host", "url"), seen(place, platform.name)), subject=one.subject)


@rule("SET083", Severity.WARNING, "good practice: Docker documentation, Networking in Docker Desktop; RFC 6762 §3")
def host_of_a_developers_machine(facts: AppFacts) -> Findings:
    """In production, the host is a name that only a developer's machine or its network knows.

    Why: host.docker.internal is a name of Docker Desktop, and *.local is asked of the neighbours: elsewhere it is not
    found (ENOTFOUND).
    Fix: use a name that is known where the program runs.
    """
    for one, host in _inner(facts):
        if _of_a_developer(facts, one, host):
            told = f"{host} is known on a developer's machine or network only"
            yield finding(told, at=at(one, "host", "url"), subject=one.subject)


@rule("SET084", Severity.NOTE, "RFC 6761 §6.3; RFC 1918 §3")
def host_of_ones_own_network(facts: AppFacts) -> Findings:
    """The host is this machine or a host of one's own network.

    Why: that works where a mail server runs there; in a container, localhost is the container itself.
    Fix: see that a mail server listens there; in a container use the name of its service, or a provider's server.
    """
    for one, host in _inner(facts):
        if _alone(facts, one, host) is None and not _of_a_developer(facts, one, host):
            yield finding(f"{host} is {_KINDS[where(host)]}", at=at(one, "host", "url"), subject=one.subject)


_KINDS = {
    "loopback": "the machine or container the program runs in",
    "container": "a name of containers of one network",
    "private": "a host of a private network",
}


def _inner(facts: AppFacts) -> Iterator[tuple[MailSettings, str]]:
    """The transports judged as production whose host is set, is no public name, and no sandbox."""
    for one in transports(facts, "host", "port", "login"):
        setting = one.setting("host") or one.setting("url")
        host = one.plan.host.lower().rstrip(".")
        inside = setting is not None and text_of(setting) and one.production and where(host) != "public"
        if inside and _never_leaves(one) is None:
            yield one, host


def _alone(facts: AppFacts, one: MailSettings, host: str) -> tuple[Platform, Place] | None:
    """The platform that is sure to have no such host: localhost on any, a network of one's own on some."""
    if not surely_production(facts, one):
        return None
    wide = where(host) == "loopback"
    found = (p for p in hosted_on(facts) if p[0].ephemeral and (wide or p[0].id in ("vercel", "netlify", "cloudflare")))
    return next(found, None)


def _of_a_developer(facts: AppFacts, one: MailSettings, host: str) -> bool:
    mine = host.endswith((".docker.internal", ".containers.internal", ".local", ".lan"))
    return mine and not host.endswith(".cluster.local") and surely_production(facts, one)
