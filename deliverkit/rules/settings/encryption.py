"""Port against encryption: what the client will do on this port, and what the port expects (RFC 8314)."""

from __future__ import annotations

from deliverkit.facts.base import needs
from deliverkit.facts.settings.model import MailSettings
from deliverkit.findings import Severity, finding
from deliverkit.rules.registry import Findings, rule
from deliverkit.rules.settings.reading import at, change, named, smtp

IMPLICIT_PORTS = (465, 2465)
PLAIN_PORTS = (25, 587, 2525, 2587)


@rule("SET001", Severity.ERROR, "RFC 8314 §3.3; RFC 3207 §4")
def tls_at_once_on_a_starttls_port(facts: MailSettings) -> Findings:
    """The client starts TLS at once on a port where the server speaks first in the clear.

    Why: the server's greeting is no TLS record; the client ends with "wrong version number" before any login.
    Fix: switch TLS from the first byte off on this port (the client then uses STARTTLS), or use port 465.
    """
    plan = smtp(facts)
    if plan.mode == "implicit" and plan.port in PLAIN_PORTS:
        yield finding(
            f"{plan.host}:{plan.port} with TLS from the first byte: {plan.why}",
            at=at(facts, "secure", "port"),
            fix=_switch(facts, "off", 465),
        )
    needs(facts.setting("port") or facts.setting("secure"))


@rule("SET002", Severity.ERROR, "RFC 8314 §3.3")
def clear_start_on_port_465(facts: MailSettings) -> Findings:
    """The client waits for a greeting in the clear on port 465, where the server waits for TLS.

    Why: both wait for each other until a timeout ("Greeting never received"), and no mail leaves.
    Fix: switch TLS from the first byte on for port 465, or use port 587 with STARTTLS.
    """
    plan = smtp(facts)
    if plan.mode != "implicit" and plan.port in IMPLICIT_PORTS:
        yield finding(
            f"{plan.host}:{plan.port} without TLS at the start: {plan.why}",
            at=at(facts, "secure", "port"),
            fix=_switch(facts, "on", 587),
        )
    needs(facts.setting("port") or facts.setting("secure"))


def _switch(facts: MailSettings, word: str, port: int) -> str | None:
    """What to change: the switch for TLS from the first byte where it stands, or the port."""
    secure, number = facts.setting("secure"), facts.setting("port")
    ways = []
    if secure is not None and secure.value is not None:
        by = f", which takes {named(secure)}" if secure.via is not None else ""
        where = f" at {secure.place}" if secure.place is not None else ""
        ways.append(f"switch TLS from the first byte {word}: {secure.name}{where}{by}")
        if isinstance(secure.value, str) and secure.value.lower() in ("false", "true", "0", "1", "no", "yes"):
            ways[0] += ' (a text is always true: compare it with "true")' if facts.framework == "nodemailer" else ""
    if number is not None and number.value is not None:
        ways.append(change(number, str(port)))
    return "; or ".join(ways) or None
