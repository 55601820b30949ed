"""What to change, in the words of the framework: the variable, its file and line, its old value and the new one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deliverkit.facts.ladder import LadderFacts
from deliverkit.facts.settings.values import Secret, Setting

_DIALECTS: Mapping[str, tuple[str, str]] = {
    "nodemailer": ("secure: true", "secure: false with requireTLS: true"),
    "django": ("EMAIL_USE_SSL = True and EMAIL_USE_TLS = False", "EMAIL_USE_TLS = True and EMAIL_USE_SSL = False"),
    "laravel": ("MAIL_SCHEME=smtps", "MAIL_SCHEME=smtp"),
    "symfony": ("the scheme smtps://", "the scheme smtp://"),
    "spring": (
        "spring.mail.properties.mail.smtp.ssl.enable=true",
        "spring.mail.properties.mail.smtp.starttls.required=true",
    ),
    "javamail": ("mail.smtp.ssl.enable=true", "mail.smtp.starttls.enable=true and mail.smtp.starttls.required=true"),
    "phpmailer": ("SMTPSecure = PHPMailer::ENCRYPTION_SMTPS", "SMTPSecure = PHPMailer::ENCRYPTION_STARTTLS"),
    "smtplib": ("smtplib.SMTP_SSL", "smtplib.SMTP with starttls(context=ssl.create_default_context())"),
    "rails": ("tls: true", "enable_starttls: true"),
    "grafana": ("port 465, which Grafana gives TLS at once", 'startTLS_policy = "MandatoryStartTLS"'),
    "postfix": (
        "smtp_tls_wrappermode = yes and smtp_tls_security_level = encrypt",
        "smtp_tls_security_level = encrypt",
    ),
}
"""How each framework says TLS from the first byte, and STARTTLS or nothing; from their documentation."""


def change_to(facts: LadderFacts, role: str, new: str | None) -> str:
    """ "Change MAIL_HOST (.env:3), now "smtp.exmaple.com", to …". ``new`` None: what is right cannot be told."""
    setting = facts.settings.setting(role)
    if setting is None:
        where = facts.settings.place
        return f"Set the {role} ({where}){f' to {new}' if new else ''}."
    return f"Change {_named(setting)}{f' to {new}' if new else ''}."


def change_mode(facts: LadderFacts, mode: str, port: int) -> str:
    """What to change so that the client begins TLS this way on this port."""
    told = []
    if port != facts.port:
        told.append(change_to(facts, "port", str(port)))
    before = "implicit" if facts.mode == "implicit" else "starttls"
    if mode != before or facts.mode == "clear":
        words = _DIALECTS.get(facts.settings.framework, ("TLS from the first byte", "STARTTLS, demanded"))
        setting = next((s for role in ("secure", "starttls", "url") if (s := facts.settings.setting(role))), None)
        where = f"{_named(setting)}" if setting else f"the transport at {facts.settings.place}"
        told.append(f"Use {words[0] if mode == 'implicit' else words[1]}: change {where}.")
    return " ".join(told) or "Leave port and encryption as they are."


def _named(setting: Setting) -> str:
    """ "MAIL_PORT (.env:4), now 587"; never a secret's text."""
    origin: Any = setting.origin
    place = f" ({origin.place})" if origin.place is not None else f" ({origin.layer})"
    value = "" if isinstance(origin.value, Secret) or origin.value is None else f", now {origin.shown}"
    return f"{origin.name}{place}{value}"
