"""Port against encryption: what the client will do on this port, and what the port expects (RFC 8314)."""

from __future__ import annotations

from deliverkit.facts.base import needs
from deliverkit.facts.settings.model import MailSettings
from deliverkit.findings import Severity, finding
from deliverkit.rules.registry import Findings, rule
from deliverkit.rules.settings.reading import at, smtp

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
            f"{plan.host}:{plan.port} with TLS from the first byte: {plan.why}", at=at(facts, "secure", "port")
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
        yield finding(f"{plan.host}:{plan.port} without TLS at the start: {plan.why}", at=at(facts, "secure", "port"))
    needs(facts.setting("port") or facts.setting("secure"))
