"""Where mail goes: to a sandbox, a log or nowhere in production; to a host that only this machine or network knows.

What this file will not do: call a sandbox wrong where it belongs, in development.
"""

from __future__ import annotations

import re

from deliverkit.facts.base import NotApplicable, needs
from deliverkit.facts.settings.model import AppFacts, MailSettings
from deliverkit.findings import Evidence, Severity, finding
from deliverkit.rules.registry import Findings, rule
from deliverkit.rules.settings.reading import (
    at,
    hosted_on,
    known_first,
    seen,
    server,
    smtp,
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


def _named_host(one: MailSettings) -> str | None:
    """The host that is set, by itself or in a URL; None where it is the framework's default or not known."""
    setting = one.setting("host") or one.setting("url")
    return one.plan.host if setting is not None and text_of(setting) else None


@rule("SET082", Severity.ERROR, "good practice: the documentation of the hosting platform")
def host_unknown_to_the_platform(facts: AppFacts) -> Findings:
    """The host is this machine or a name of one's own network, and the platform runs the program alone.

    Why: no mail server listens beside the program there: ECONNREFUSED, or ENOTFOUND.
    Fix: use the public server of a provider.
    """
    alone = [(one, place) for one, place in hosted_on(facts) if one.ephemeral]
    needs(alone or None)
    platform, place = alone[0]
    for one in transports(facts, "host"):
        host = _named_host(one)
        if host is None or not one.production or _never_leaves(one):
            continue
        kind = where(host)
        if kind == "loopback" or (kind != "public" and platform.id in ("vercel", "netlify", "cloudflare")):
            told = f"{host} is {_kind(kind)}; {platform.name} ({place}) has no mail server there"
            yield finding(told, at=(*at(one, "host", "url"), seen(place, platform.name)), subject=one.subject)


@rule("SET083", Severity.WARNING, "good practice: Docker documentation, Networking in Docker Desktop; RFC 6762 §3")
def host_of_a_developers_machine(facts: MailSettings) -> Findings:
    """In production, the host is a name that only a developer's machine or its network knows.

    Why: host.docker.internal is a name of Docker Desktop, and *.local is asked of the neighbours: elsewhere it is not
    found (ENOTFOUND).
    Fix: use a name that is known where the program runs.
    """
    host = smtp(facts).host.lower().rstrip(".")
    if not facts.production:
        raise NotApplicable
    needs(facts.setting("host") or facts.setting("url"))
    mine = host.endswith((".docker.internal", ".containers.internal", ".local", ".lan"))
    if mine and not host.endswith(".cluster.local"):
        yield finding(f"{host} is known on a developer's machine or network only", at=at(facts, "host", "url"))


@rule("SET084", Severity.NOTE, "RFC 6761 §6.3; RFC 1918 §3")
def host_of_ones_own_network(facts: AppFacts) -> Findings:
    """In production, the host is this machine or a host of one's own network.

    Why: that works where a mail server runs there; in a container, localhost is the container itself.
    Fix: see that a mail server listens there; in a container use the name of its service, or a provider's server.
    """
    alone = any(platform.ephemeral for platform, _ in hosted_on(facts))
    for one in transports(facts, "host"):
        host = _named_host(one)
        if host is None or not one.production or _never_leaves(one):
            continue
        name = host.lower()
        kind = where(host)
        told_elsewhere = name.endswith((".docker.internal", ".containers.internal", ".local", ".lan"))
        if kind != "public" and not (alone and kind == "loopback") and not told_elsewhere:
            yield finding(f"{host} is {_kind(kind)}", at=at(one, "host", "url"), subject=one.subject)


def _kind(kind: str) -> str:
    return {
        "loopback": "the machine or container the program runs in",
        "container": "a name of containers of one network",
        "private": "a host of a private network",
    }[kind]
