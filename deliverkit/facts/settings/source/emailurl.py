"""One URL for all mail settings of Django, as django-environ and dj-email-url take it apart.

What this file will not do: find the variable it stands in.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from deliverkit.facts.settings.source.javascript import Known, Unknown, Value
from deliverkit.facts.settings.source.python import Scope, literal, unknown
from deliverkit.facts.settings.url import read_mail_url

_MAIL = "django.core.mail.backends"

ENVIRON_SCHEMES = {
    "smtp": "smtp", "smtps": "smtp", "smtp+tls": "smtp", "smtp+ssl": "smtp", "consolemail": "console",
    "filemail": "filebased", "memorymail": "locmem", "dummymail": "dummy",
}  # fmt: skip
DJ_SCHEMES = {
    "smtp": "smtp", "submission": "smtp", "submit": "smtp", "smtps": "smtp", "console": "console", "file": "filebased",
    "memory": "locmem", "dummy": "dummy",
}  # fmt: skip
_DJ_TRUE = frozenset(("1", "y", "Y", "yes", "Yes", "YES", "t", "T", "true", "True", "TRUE", "on", "On", "ON"))


def email_url(value: Value, node: ast.AST, scope: Scope, schemes: Mapping[str, str]) -> Value:
    """The settings that a URL stands for: django-environ's Env.email_url_config, or dj-email-url's parse.

    In both, ``smtps`` means STARTTLS (EMAIL_USE_TLS), not TLS from the first byte.
    """
    if not isinstance(value, Known) or not isinstance(value.value, str):
        return value if isinstance(value, Unknown) else unknown(node, "nothing sets the URL")
    url = read_mail_url(value.value)
    if url is None or url.scheme not in schemes:
        return unknown(node, "the URL begins with no scheme that is known here")
    setting = value.setting
    if setting is not None and url.faults:
        setting = replace(setting, faults=(*setting.faults, *url.faults))
    theirs = schemes is DJ_SCHEMES
    told: dict[str, Any] = {
        "EMAIL_BACKEND": f"{_MAIL}.{schemes[url.scheme]}.EmailBackend",
        "EMAIL_HOST": url.host, "EMAIL_PORT": url.port, "EMAIL_HOST_USER": url.user,
        "EMAIL_HOST_PASSWORD": url.password.reveal() if url.password else None,
    }  # fmt: skip
    tls = url.scheme in (("smtps", "submission", "submit") if theirs else ("smtps", "smtp+tls"))
    if theirs:
        ssl = url.options.get("ssl", "") in _DJ_TRUE
        tls = not ssl and (tls or url.options.get("tls", "") in _DJ_TRUE)
        port = {"smtp": 25, "submission": 587, "submit": 587}.get(url.scheme)
        told |= {"EMAIL_USE_SSL": ssl, "EMAIL_USE_TLS": tls, "EMAIL_PORT": url.port or port}
        if url.scheme == "smtp" and not url.host:
            told["EMAIL_HOST"] = "localhost"
        wait = url.options.get("timeout", "")
        told["EMAIL_TIMEOUT"] = int(wait) if wait.isascii() and wait.isdigit() and len(wait) < 9 else None
    else:
        told |= {"EMAIL_USE_TLS": True} if tls else {"EMAIL_USE_SSL": True} if url.scheme == "smtp+ssl" else {}
    made = replace(literal(None, node, scope), setting=setting)
    return literal({name: replace(made, value=one) for name, one in told.items()}, node, scope)
