"""Python's own transports: smtplib, aiosmtplib, Flask-Mail, FastAPI-Mail and yagmail, out of source by ``ast``.

What was done with an object counts, in the order in which it is done: ``connect``, ``starttls``, ``login``. Defaults
are the libraries' own. smtplib and Flask-Mail check no certificate unless they are given a context
(smtplib.SMTP.starttls takes ssl._create_stdlib_context, which is ssl._create_unverified_context).

What this file will not do: judge, or read Django's settings (`django`).
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from deliverkit.facts.base import missing
from deliverkit.facts.settings.model import MailSettings, Mode, SourceMark
from deliverkit.facts.settings.readers import Look
from deliverkit.facts.settings.readers.flaskmail import fastapi, flask, flask_classes, flask_values
from deliverkit.facts.settings.source.javascript import Known, Value
from deliverkit.facts.settings.source.python import Called, Made, Module, truthy
from deliverkit.facts.settings.source.pythonenv import loaders, lookups, python_files, roles_of, seconds
from deliverkit.facts.settings.source.pythonobjects import (
    address_of,
    argument_of,
    from_header,
    given_roles,
    last_call,
    plan_of,
    sender_of,
    verified,
    verify_setting,
)
from deliverkit.facts.settings.source.pythonrun import Program
from deliverkit.facts.settings.source.pythonsends import from_header_mark, sends
from deliverkit.facts.settings.values import Place, Setting

_WORDS = ("smtplib", "aiosmtplib", "flask_mail", "MAIL_SERVER", "fastapi_mail", "yagmail", "django.core.mail")
_SMTPLIB = ("smtplib.SMTP", "smtplib.SMTP_SSL", "smtplib.LMTP")
_AIOSMTPLIB = ("aiosmtplib.send", "aiosmtplib.SMTP", "aiosmtplib.api.send", "aiosmtplib.smtp.SMTP")
_FASTAPI = ("fastapi_mail.ConnectionConfig", "fastapi_mail.config.ConnectionConfig")
_YAGMAIL = ("yagmail.SMTP", "yagmail.sender.SMTP")


def read(look: Look) -> Iterator[MailSettings]:
    """Every transport that source makes; every send, and what is odd about it."""
    paths = python_files(look, *_WORDS)
    if not paths:
        return
    known = loaders(look)
    files: dict[str, Module | str | None] = {}
    environment = look.asked or ""
    programs: dict[tuple[int, int], Program] = {}
    for path in paths:
        environ, config = lookups(look, path, environment, known)
        key = (id(environ.__self__), id(config.__self__))  # type: ignore[attr-defined]
        program = programs.setdefault(key, Program(look.tree, environ, look.uses, config, files))
        program.on_item = functools.partial(_item, look)
        program.functions(path)
        look.unread.extend(one for one in program.unread if one not in look.unread)
        module = program.module(path)
        if module is None:
            continue
        calls = list(sends(module, look.tree.text(path) or ""))
        look.calls.extend(calls)
        found = list(_transports(program, path, environment))
        for one, made in found:
            _mark(look, one, made)
            yield one
        scope = program.names(path)
        if scope is not None:
            yield from flask_classes(look, scope, path)


def _item(look: Look, path: str, key: str, value: Value, line: int) -> None:
    """``message["From"] = …``, wherever it stands."""
    mark = from_header_mark(path, key, value, line)
    if mark is not None and mark not in look.marks:
        look.marks.append(mark)


def _transports(program: Program, path: str, environment: str) -> Iterator[tuple[MailSettings, Made]]:
    """The transports a module makes: of several runs of the same line, the one of which most is known."""
    best: dict[Place, tuple[MailSettings, Made]] = {}
    for made in program.made:
        if made.place.file != path:
            continue
        one = _transport(program, made, environment)
        if one is not None:
            old = best.get(made.place)
            if old is None or (len(one.unread), -len(one.roles)) < (len(old[0].unread), -len(old[0].roles)):
                best[made.place] = (one, made)
    yield from best.values()


def _transport(program: Program, made: Made, environment: str) -> MailSettings | None:
    if made.dotted in _SMTPLIB:
        return _smtplib(made, environment)
    if made.dotted in _AIOSMTPLIB:
        return _aiosmtplib(made, environment)
    if made.dotted in _FASTAPI:
        return fastapi(program, made, environment)
    if made.dotted in _YAGMAIL:
        return _yagmail(made, environment)
    if made.dotted.endswith(".config"):
        return flask(flask_values(program, made), environment, made.place)
    return None


def _mark(look: Look, one: MailSettings, made: Made) -> None:
    if made.in_loop and made.dotted in (*_SMTPLIB, *_AIOSMTPLIB[1::2]):
        detail = "a new connection, with its login, for each turn of a loop"
        look.marks.append(SourceMark("connection-per-message", one.place, detail))
    password = one.roles.get("password")
    if password is not None and password.value is not None and password.via is None and password.place is not None:
        look.marks.append(SourceMark("hard-coded-secret", password.place, f"{password.name} stands in the source"))


# -- smtplib ----------------------------------------------------------------------------------------------------------


def _smtplib(made: Made, environment: str) -> MailSettings:
    """smtplib.SMTP and its kin: host and port of the object or of ``connect``."""
    connect, starttls, login = last_call(made, "connect"), last_call(made, "starttls"), last_call(made, "login")
    host = argument_of(connect, 0, "host") or made.argument(0, "host")
    port = argument_of(connect, 1, "port") or made.argument(1, "port")
    if (
        isinstance(host, Known)
        and isinstance(host.value, str)
        and host.value.count(":") == 1
        and (port is None or truthy(port) is False)
    ):
        name, _, number = host.value.partition(":")  # smtplib.SMTP.connect
        host, port = replace(host, value=name), replace(host, value=number)
    debug = last_call(made, "set_debuglevel")
    at_once = made.dotted == "smtplib.SMTP_SSL"
    found = roles_of(
        given_roles({
            "host": ("host", host), "port": ("port", port),
            "helo": ("local_hostname", made.argument(2, "local_hostname")),
            "socket-timeout": ("timeout", made.argument(-1 if at_once else 3, "timeout")),
            "user": ("user", argument_of(login, 0, "user")),
            "password": ("password", argument_of(login, 1, "password")),
            "from": ("From", sender_of(made)), "debug": ("set_debuglevel", argument_of(debug, 0, "debuglevel")),
        }),
        made.place.file,
    )  # fmt: skip
    mode: Any = "implicit" if at_once else "starttls" if starttls is not None else "clear"
    if not at_once and starttls is not None and not starttls.certain:
        mode = missing(f"{made.place}: starttls() is called under a condition that only a run could tell")
    why = {
        "implicit": "smtplib.SMTP_SSL: TLS from the first byte",
        "starttls": "starttls() is called: no mail without STARTTLS",
        "clear": "smtplib.SMTP without starttls(): nothing is encrypted",
    }.get(mode if isinstance(mode, str) else "", "")
    context = made.argument(-1, "context") if at_once else argument_of(starttls, 2, "context")
    verify = verified(context, False, f"{made.place}: what the context checks only a run could tell")
    logged: Any = login is not None
    if login is not None and not login.certain:
        logged = missing(f"{made.place}: login() is called under a condition that only a run could tell")
    plan = plan_of(
        found, made.place, mode=mode, why=why, verify=verify, login=logged, default_port=465 if at_once else 25,
        delivery="lmtp" if made.dotted == "smtplib.LMTP" else "smtp", wait=seconds(found.value("socket-timeout")),
    )  # fmt: skip
    roles = {**found.settings, **verify_setting(context, verify), **_mode_setting(made, starttls)}
    return MailSettings("smtplib", environment, made.place, roles, plan, unread=found.unread)


def _mode_setting(made: Made, starttls: Called | None) -> dict[str, Setting]:
    """What begins TLS stands in the source: the class, or the call."""
    name = made.dotted.rpartition(".")[2]
    told = {"secure": Setting(name, name == "SMTP_SSL", made.place, made.place.file)}
    if starttls is not None:
        told["starttls"] = Setting("starttls()", True, Place(made.place.file, starttls.line), made.place.file)
    return told


# -- aiosmtplib, yagmail ----------------------------------------------------------------------------------------------


def _aiosmtplib(made: Made, environment: str) -> MailSettings:
    """aiosmtplib: without start_tls it takes STARTTLS where it is offered; certificates are checked; 60 seconds."""
    connect, login = last_call(made, "connect"), last_call(made, "login")

    def argument(name: str) -> Value | None:
        return (connect.keywords.get(name) if connect is not None else None) or made.keywords.get(name)

    message = made.positional[0] if made.dotted.endswith("send") and made.positional else None
    inner = message.value if isinstance(message, Known) else None
    sender = made.keywords.get("sender") or (
        address_of(from_header(inner)) if isinstance(inner, Made) else sender_of(made)
    )
    found = roles_of(
        given_roles({
            "host": ("hostname", argument("hostname")), "port": ("port", argument("port")),
            "secure": ("use_tls", argument("use_tls")), "starttls": ("start_tls", argument("start_tls")),
            "user": ("username", argument("username") or argument_of(login, 0, "username")),
            "password": ("password", argument("password") or argument_of(login, 1, "password")),
            "helo": ("local_hostname", argument("local_hostname")), "socket-timeout": ("timeout", argument("timeout")),
            "verify": ("validate_certs", argument("validate_certs")), "from": ("From", sender),
        }),
        made.place.file,
    )  # fmt: skip
    at_once, told = bool(found.value("secure")), found.value("starttls")
    called = last_call(made, "starttls") is not None
    mode: Any = (
        "implicit" if at_once else "starttls" if told or called else "opportunistic" if told is None else "clear"
    )
    why = {
        "implicit": "use_tls is true: TLS from the first byte",
        "starttls": "start_tls: no mail without STARTTLS",
        "opportunistic": "without start_tls, aiosmtplib uses STARTTLS where the server offers it",
        "clear": "start_tls is False: STARTTLS is not used although it may be offered",
    }[mode]
    lost = next((found.lost[role] for role in ("secure", "starttls") if role in found.lost), None)
    verify = verified(argument("tls_context"), found.value("verify") in (None, True), f"{made.place}: the context")
    plan = plan_of(
        found, made.place, mode=mode if lost is None else missing(f"{made.place}: {lost}"), why=why, verify=verify,
        login=found.given("user"), default_port=465 if at_once else 587 if told else 25,
        wait=seconds(found.value("socket-timeout")) if "socket-timeout" in found.settings else 60.0,
    )  # fmt: skip
    roles = {**found.settings, **verify_setting(argument("tls_context"), verify)}
    return MailSettings("aiosmtplib", environment, made.place, roles, plan, unread=found.unread)


def _yagmail(made: Made, environment: str) -> MailSettings:
    """yagmail.SMTP(user, password, host="smtp.gmail.com", port=None, smtp_starttls=None, smtp_ssl=True)."""
    found = roles_of(
        given_roles({
            "user": ("user", made.argument(0, "user")), "password": ("password", made.argument(1, "password")),
            "host": ("host", made.argument(2, "host")), "port": ("port", made.argument(3, "port")),
            "starttls": ("smtp_starttls", made.argument(4, "smtp_starttls")),
            "secure": ("smtp_ssl", made.argument(5, "smtp_ssl")),
        }),
        made.place.file,
    )  # fmt: skip
    at_once = bool(found.value("secure")) if "secure" in found.settings else True
    starttls = found.value("starttls") in (None, True)
    mode: Mode = "implicit" if at_once else "starttls" if starttls else "clear"
    why = "smtp_ssl is true unless it is set: TLS from the first byte" if at_once else f"smtp_ssl is false: {mode}"
    plan = plan_of(
        found, made.place, mode=mode, why=why, verify=False, login=True, default_host="smtp.gmail.com",
        default_port=465 if at_once else 587,
    )  # fmt: skip
    return MailSettings("yagmail", environment, made.place, found.settings, plan, unread=found.unread)
