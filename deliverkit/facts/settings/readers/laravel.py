"""Laravel: ``MAIL_*`` variables as ``config/mail.php`` reads them.

The defaults are those of a new application; a ``config/mail.php`` that reads other variables is not followed and said
to be unread. Source: Laravel documentation "Mail", and the configuration file it ships.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from deliverkit.facts.settings.model import MailSettings, Mode, Plan
from deliverkit.facts.settings.readers import Look
from deliverkit.facts.settings.tree import matching
from deliverkit.facts.settings.values import Place, Secret, Setting

_ROLES = {
    "backend": "MAIL_MAILER",
    "host": "MAIL_HOST",
    "port": "MAIL_PORT",
    "secure": "MAIL_SCHEME",
    "starttls": "MAIL_ENCRYPTION",
    "user": "MAIL_USERNAME",
    "password": "MAIL_PASSWORD",
    "from": "MAIL_FROM_ADDRESS",
    "helo": "MAIL_EHLO_DOMAIN",
    "url": "MAIL_URL",
}


def read(look: Look) -> Iterator[MailSettings]:
    """The default mailer of each environment of each Laravel application in the tree (a folder with ``artisan``)."""
    for artisan in matching(look.tree, "artisan"):
        folder = artisan.rpartition("/")[0]
        for environment in look.environments("laravel", folder):
            found = look.variables(environment, convention="laravel", folder=folder)
            roles = {role: s for role, name in _ROLES.items() if (s := found.get(name)) is not None}
            if roles:
                place = next(iter(roles.values())).place or Place(artisan)
                yield MailSettings("laravel", environment, place, _hidden(roles), _plan(roles))


def _hidden(roles: Mapping[str, Setting]) -> dict[str, Setting]:
    from dataclasses import replace

    return {
        role: replace(s, value=Secret(str(s.value))) if role == "password" and s.value is not None else s
        for role, s in roles.items()
    }


def _plan(roles: Mapping[str, Setting]) -> Plan:
    """Symfony's transport does the work: "smtps" is TLS at once, else STARTTLS if offered (since Laravel 9)."""
    text = {role: setting.text or "" for role, setting in roles.items()}
    port = int(text.get("port", "")) if text.get("port", "").isdigit() else 2525
    mode: Mode = "opportunistic"
    why = "Laravel takes STARTTLS where the server offers it, unless MAIL_SCHEME is smtps or the port is 465"
    if text.get("secure") == "smtps" or (port == 465 and not text.get("secure")):
        mode, why = "implicit", "MAIL_SCHEME=smtps, or port 465 without a scheme: TLS from the first byte"
    return Plan(
        delivery=text.get("backend") or "log",
        host=text.get("host") or "127.0.0.1",
        port=port,
        mode=mode,
        why=why,
        verify=True,
        login=bool(text.get("user")),
        helo=text.get("helo") or None,
    )
