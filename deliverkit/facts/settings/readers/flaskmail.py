"""Flask-Mail (``app.config``, classes of configuration) and FastAPI-Mail (``ConnectionConfig``), for `smtplib`.

Sources: flask_mail, Connection.configure_host and Mail.init_mail; fastapi_mail, ConnectionConfig and Connection.
What this file will not do: find the files, or judge.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from deliverkit.facts.base import missing
from deliverkit.facts.settings.model import MailSettings, Mode
from deliverkit.facts.settings.readers import Look
from deliverkit.facts.settings.source.javascript import Known, Unknown, Value
from deliverkit.facts.settings.source.python import Made, Scope, Space, plain, truthy
from deliverkit.facts.settings.source.pythoncalls import cast_bool
from deliverkit.facts.settings.source.pythonenv import roles_of, seconds
from deliverkit.facts.settings.source.pythonobjects import RoleValues, address_of, plan_of
from deliverkit.facts.settings.source.pythonrun import Program
from deliverkit.facts.settings.values import Place

_FLASK = {
    "host": "MAIL_SERVER", "port": "MAIL_PORT", "secure": "MAIL_USE_SSL", "starttls": "MAIL_USE_TLS",
    "user": "MAIL_USERNAME", "password": "MAIL_PASSWORD", "from": "MAIL_DEFAULT_SENDER", "debug": "MAIL_DEBUG",
    "backend": "MAIL_SUPPRESS_SEND",
}  # fmt: skip
_FASTAPI_NAMES = {
    "host": "MAIL_SERVER", "port": "MAIL_PORT", "secure": "MAIL_SSL_TLS", "starttls": "MAIL_STARTTLS",
    "user": "MAIL_USERNAME", "password": "MAIL_PASSWORD", "from": "MAIL_FROM", "debug": "MAIL_DEBUG",
    "verify": "VALIDATE_CERTS", "backend": "SUPPRESS_SEND", "socket-timeout": "TIMEOUT", "helo": "LOCAL_HOSTNAME",
}  # fmt: skip
_CLASS_ENVIRONMENTS = ("production", "development", "staging", "testing")


def flask_values(program: Program, config: Made) -> dict[str, Value]:
    """``app.config``: what was put into it, in order of the calls; a file that is not Python is not followed."""
    found: dict[str, Value] = {}
    for call in config.calls:
        if call.name == "from_object" and call.positional and isinstance(call.positional[0], Known):
            inner = call.positional[0].value
            found.update(inner.names if isinstance(inner, Space) else _named_object(program, inner, config))
        elif call.name == "from_mapping":
            found.update(call.keywords)
        elif call.name == "from_pyfile" and call.positional and plain(call.positional[0]):
            path = posixpath.join(posixpath.dirname(config.place.file), str(call.positional[0].value))  # type: ignore[union-attr]
            found.update(program.known(path, str.isupper) if path in program.tree.paths else {})
    return {**found, **config.attributes}


def _named_object(program: Program, inner: object, config: Made) -> dict[str, Value]:
    """``from_object("config.ProductionConfig")``: a class of a module, or the module."""
    module = program.module(config.place.file)
    if not isinstance(inner, str) or module is None:
        return {}
    whole = program.found(inner, module)
    if whole is not None:
        return program.known(whole, str.isupper)
    head, _, last = inner.rpartition(".")
    path = program.found(head, module) if head else None
    found = program.known(path, lambda name: name == last).get(last) if path is not None else None
    return found.value.names if isinstance(found, Known) and isinstance(found.value, Space) else {}


def flask(values: Mapping[str, Value], environment: str, place: Place) -> MailSettings | None:
    """Flask-Mail: SMTP_SSL if MAIL_USE_SSL, then starttls() if MAIL_USE_TLS; no timeout, no context."""
    if not any(name in values for name in ("MAIL_SERVER", "MAIL_USERNAME", "MAIL_PORT")):
        return None
    told: RoleValues = {role: (name, values[name]) for role, name in _FLASK.items() if name in values}
    if "from" in told and (sender := address_of(told["from"][1])) is not None:
        told["from"] = (told["from"][0], sender)
    found = roles_of(told, place.file)
    at_once, starttls = bool(found.value("secure")), bool(found.value("starttls"))
    mode: Any = "implicit" if at_once else "starttls" if starttls else "clear"
    why = {
        "implicit": "MAIL_USE_SSL is true: TLS from the first byte",
        "starttls": "MAIL_USE_TLS is true: no mail without STARTTLS",
        "clear": "neither MAIL_USE_TLS nor MAIL_USE_SSL is true: nothing is encrypted",
    }[mode]
    lost = next((found.lost[role] for role in ("secure", "starttls") if role in found.lost), None)
    logs_in: Any = found.given("user") and found.given("password")
    if "user" in found.lost or "password" in found.lost:
        logs_in = missing(f"{place}: {found.lost.get('user') or found.lost.get('password')}")
    plan = plan_of(
        found, place, mode=mode if lost is None else missing(f"{place}: {lost}"), why=why, verify=False, login=logs_in,
        default_host="127.0.0.1", default_port=25, delivery="none" if found.value("backend") else "smtp",
    )  # fmt: skip
    where = next((s.place for s in found.settings.values() if s.place is not None), place)
    return MailSettings("flask-mail", environment, where, found.settings, plan, unread=found.unread)


def flask_classes(look: Look, scope: Scope, path: str) -> Iterator[MailSettings]:
    """Classes of configuration (``class ProductionConfig``) that nobody passes by name: each is an environment."""
    classes = {
        name: value.value
        for name, value in scope.names.items()
        if isinstance(value, Known) and isinstance(value.value, Space) and value.file == path
    }
    mail = {name: one for name, one in classes.items() if "MAIL_SERVER" in one.names}
    special = {name: _class_environment(name) for name in mail}
    for name, one in mail.items():
        environment = special[name]
        if (not environment and any(special.values())) or environment == "testing":
            continue
        if look.asked and environment and environment != look.asked:
            continue
        found = flask(one.names, environment, Place(path))
        if found is not None:
            yield found


def _class_environment(name: str) -> str:
    short = {"prod": "production", "dev": "development", "test": "testing"}
    lower = name.lower()
    found = next((word for word in _CLASS_ENVIRONMENTS if word in lower), None)
    return found or next((told for word, told in short.items() if lower.startswith(word)), "")


def fastapi(program: Program, made: Made, environment: str) -> MailSettings:
    """ConnectionConfig is a model of pydantic: fields that are not given are variables, texts become truth."""
    told: RoleValues = {}
    for role, name in _FASTAPI_NAMES.items():
        value = made.keywords.get(name)
        if value is None and (variable := program.lookup(name)) is not None:
            value = Known(str(variable.value), made.place.file, made.place.line or 1, variable)
        if value is not None:
            told[role] = (name, _pydantic(value, role))
    found = roles_of(told, made.place.file)
    at_once, starttls = bool(found.value("secure")), bool(found.value("starttls"))
    mode: Mode = "implicit" if at_once else "starttls" if starttls else "clear"
    why = {
        "implicit": "MAIL_SSL_TLS is true: TLS from the first byte",
        "starttls": "MAIL_STARTTLS is true: no mail without STARTTLS",
        "clear": "neither MAIL_STARTTLS nor MAIL_SSL_TLS is true: nothing is encrypted",
    }[mode]
    lost = next((found.lost[role] for role in ("secure", "starttls") if role in found.lost), None)
    uses = made.keywords.get("USE_CREDENTIALS")
    plan = plan_of(
        found, made.place, mode=mode if lost is None else missing(f"{made.place}: {lost}"), why=why,
        verify=found.value("verify") in (None, True), login=uses is None or truthy(uses) is not False,
        default_port=465 if at_once else 587 if starttls else 25, delivery="none" if found.value("backend") else "smtp",
        wait=seconds(found.value("socket-timeout")) if "socket-timeout" in found.settings else 60.0,
    )  # fmt: skip
    return MailSettings("fastapi-mail", environment, made.place, found.settings, plan, unread=found.unread)


def _pydantic(value: Value, role: str) -> Value:
    """A text where truth or a number is wanted (pydantic's lax mode)."""
    if not isinstance(value, Known) or not isinstance(value.value, str):
        return value
    try:
        if role in ("secure", "starttls", "verify", "backend"):
            return replace(value, value=cast_bool(value.value))
        return replace(value, value=int(value.value)) if role == "port" else value
    except ValueError:
        return Unknown(role, "pydantic refuses this text, and the program stops", value.line)
