"""Safety on the wire: certificates that are not checked, logins in the clear; and the name given in EHLO.

What this file will not do: judge a certificate; the ladder sees it.
"""

from __future__ import annotations

import re

from deliverkit.facts.base import needs
from deliverkit.facts.settings.model import MailSettings
from deliverkit.findings import Severity, finding
from deliverkit.rules.registry import Findings, rule
from deliverkit.rules.settings.reading import UNCHECKED_BY_DEFAULT, at, smtp, where

_LABEL = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_FQDN = re.compile(rf"{_LABEL}(?:\.{_LABEL})+\.?")
_NO_STARTTLS = (465, 2465, 143, 993, 110, 995)  # other rules say what is wrong there
_LITERAL = re.compile(r"\[(?:IPv6:)?[0-9A-Fa-f.:]+\]", re.IGNORECASE)


@rule("SET085", Severity.WARNING, "RFC 8314 §3.4; RFC 7817 §3; RFC 3207 §6")
def certificate_is_not_checked(facts: MailSettings) -> Findings:
    """The server's certificate is not checked.

    Why: whoever stands between reads the password and the mail; a wrong host or certificate is never noticed.
    Fix: switch the check on; give a private authority's certificate as the trusted one (ca) instead.
    """
    plan = smtp(facts)
    if facts.framework in UNCHECKED_BY_DEFAULT and facts.setting("verify") is None:
        return  # nobody switched it off: another rule says what this library does by itself
    if not plan.verify and plan.mode != "clear" and where(plan.host) == "public":
        yield finding(f"{plan.host}:{plan.port}: any certificate is taken", at=at(facts, "verify"))


@rule("SET086", Severity.WARNING, "RFC 8314 §3; RFC 4954 §4; RFC 4616 §6")
def login_in_the_clear(facts: MailSettings) -> Findings:
    """The program logs in over a connection that is never encrypted.

    Why: whoever stands between reads the password; most servers refuse a login without TLS (530, 538).
    Fix: use STARTTLS on port 587, or TLS from the first byte on 465.
    """
    plan = smtp(facts)
    if plan.login and plan.mode == "clear" and where(plan.host) in ("public", "private"):
        yield finding(f"{plan.host}:{plan.port} without TLS: {plan.why}", at=at(facts, "secure", "starttls", "port"))


@rule("SET087", Severity.NOTE, "RFC 8314 §3; RFC 3207 §6")
def login_without_demanding_tls(facts: MailSettings) -> Findings:
    """The program logs in, and uses STARTTLS only where the server offers it.

    Why: who takes the offer out of the server's reply gets the password in the clear.
    Fix: demand STARTTLS (Nodemailer: requireTLS: true), or use TLS from the first byte on port 465.
    """
    plan = smtp(facts)
    if plan.login and plan.mode == "opportunistic" and where(plan.host) == "public" and plan.port not in _NO_STARTTLS:
        yield finding(f"{plan.host}:{plan.port}: {plan.why}", at=at(facts, "secure", "starttls", "port"))


@rule("SET088", Severity.WARNING, "RFC 5321 §2.3.5, §4.1.1.1, §4.1.4")
def name_in_ehlo_is_refused(facts: MailSettings) -> Findings:
    """The name that the program gives in EHLO is none that servers take.

    Why: it must be a full domain name or an address in brackets; strict servers answer 504 or 501 to anything else.
    Fix: set it to the full domain name of the host that sends (app.shop.example), or leave it out.
    """
    name = needs(smtp(facts).helo)
    why = _refused(name)
    if why is not None:
        yield finding(f'EHLO "{name}": {why}', at=at(facts, "helo"))


def _refused(name: str) -> str | None:
    """Why servers refuse a name, or None."""
    if _LITERAL.fullmatch(name):  # RFC 5321 §4.1.3
        return None
    if re.fullmatch(r"[0-9.]+|[0-9A-Fa-f]*:[0-9A-Fa-f:.]+", name):
        return "an address stands in brackets"
    if re.fullmatch(r"[0-9a-f]{12}", name):
        return "the id of a container is no domain name"
    if "_" in name:
        return "an underscore is not allowed"
    if "." not in name.rstrip("."):
        return "one label is no full domain name"
    if name.lower().endswith((".local", ".localhost", ".localdomain")):
        return "the name is known on one network only"
    return None if _FQDN.fullmatch(name) else "it is no domain name"
