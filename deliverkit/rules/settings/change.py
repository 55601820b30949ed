"""What to change, in the words of the framework: the variable, its file and line, its old value and the new one."""

from __future__ import annotations

from collections.abc import Mapping

from deliverkit.facts.ladder import LadderFacts
from deliverkit.facts.settings.values import Secret, Setting

_VALUES: Mapping[str, Mapping[str, tuple[str, str]]] = {
    "nodemailer": {"secure": ("true", "false")},
    "django": {"secure": ("True", "False"), "starttls": ("False", "True")},
    "laravel": {"secure": ("smtps", "smtp")},
}
"""By framework and role: the value for TLS from the first byte, and the one for STARTTLS."""

_WORDS: Mapping[str, tuple[str, str]] = {
    "symfony": ("the scheme smtps://", "the scheme smtp://"),
    "spring": ("mail.smtp.ssl.enable=true", "mail.smtp.starttls.enable=true and mail.smtp.starttls.required=true"),
    "javamail": ("mail.smtp.ssl.enable=true", "mail.smtp.starttls.enable=true and mail.smtp.starttls.required=true"),
    "phpmailer": ("SMTPSecure = PHPMailer::ENCRYPTION_SMTPS", "SMTPSecure = PHPMailer::ENCRYPTION_STARTTLS"),
    "smtplib": ("smtplib.SMTP_SSL", "smtplib.SMTP with starttls(context=ssl.create_default_context())"),
    "rails": ("tls: true", "enable_starttls: true"),
    "grafana": ("port 465, which Grafana gives TLS at once", 'startTLS_policy = "MandatoryStartTLS"'),
    "postfix": ("smtp_tls_wrappermode = yes", "smtp_tls_wrappermode = no and smtp_tls_security_level = encrypt"),
}
"""The same for frameworks that want more than a value."""


def change_to(facts: LadderFacts, role: str, new: str | None) -> str:
    """ "Change MAIL_PORT (.env:4) from 587 to 465." ``new`` None: what is right cannot be told."""
    setting = facts.settings.setting(role)
    if setting is None:
        return f"Set the {role} ({facts.settings.place}){f' to {new}' if new else ''}."
    return _change(setting, new)


def change_mode(facts: LadderFacts, mode: str, port: int) -> str:
    """What to change so that the client begins TLS this way on this port."""
    told = [] if port == facts.port else [change_to(facts, "port", str(port))]
    which = 0 if mode == "implicit" else 1
    values = _VALUES.get(facts.settings.framework)
    if values is not None:
        told += [_of_value(facts, role, pair[which]) for role, pair in values.items()]
        if facts.settings.framework == "nodemailer" and facts.mode == "clear":
            told.append("Take ignoreTLS out.")
    elif (mode == "implicit") != (facts.mode == "implicit") or facts.mode == "clear":
        default = ("TLS from the first byte", "STARTTLS, demanded")
        told.append(f"Use {_WORDS.get(facts.settings.framework, default)[which]} ({_where(facts)}).")
    return " ".join(one for one in told if one) or "Leave port and encryption as they are."


def _of_value(facts: LadderFacts, role: str, new: str) -> str:
    """ "" where the value is right already, or nothing is set and the default does."""
    setting = facts.settings.setting(role)
    if setting is None:
        return f"Set {role} to {new} ({facts.settings.place})." if new.lower() in ("true", "smtps") else ""
    same = str(setting.value).lower() == new.lower()
    if facts.settings.framework == "nodemailer" and isinstance(setting.value, str):
        if new == "false":
            return f"{_change(setting, 'an empty value')} JavaScript takes every other text as true."
        same = bool(setting.value)
    return "" if same else _change(setting, new)


def _where(facts: LadderFacts) -> str:
    """The setting that says how TLS begins, or where the transport is made."""
    setting = next((s for role in ("secure", "starttls", "url") if (s := facts.settings.setting(role))), None)
    return f"{setting.origin.name}, {setting.origin.place}" if setting else str(facts.settings.place)


def _change(setting: Setting, new: str | None) -> str:
    """What stands there now is shown, unless it is a secret."""
    origin = setting.origin
    place = f"({origin.place})" if origin.place is not None else f"({origin.layer})"
    shown = "" if isinstance(origin.value, Secret) or origin.value is None else origin.shown
    if new is None:
        return f"Change {origin.name} {place}{f', now {shown}' if shown else ''}."
    return f"Change {origin.name} {place}{f' from {shown}' if shown else ''} to {new}."
