"""Nodemailer: ``createTransport(…)`` in JavaScript and TypeScript, with the variables it takes from the environment.

What becomes of the options is Nodemailer's own law (lib/nodemailer.js, smtp-connection, shared.parseConnectionUrl,
well-known services): ``secure`` counts by JavaScript's truth, the port is 465 or 587 by it, ``service`` overrides host,
port and secure; without ``secure`` on 465 TLS comes at once.

What this file will not do: judge, or read what becomes of a send (`sends`).
"""

from __future__ import annotations

import math
import posixpath
from collections.abc import Iterator
from typing import Any

from deliverkit.data import provider
from deliverkit.facts.base import missing
from deliverkit.facts.settings.model import MailSettings, Mode, Plan
from deliverkit.facts.settings.readers import Look
from deliverkit.facts.settings.source import javascript as js
from deliverkit.facts.settings.source.sends import marks, sends
from deliverkit.facts.settings.source.syntax import GRAMMARS, LACKING, Node, available, line_of, shown, text_of, walk
from deliverkit.facts.settings.url import MailUrl, masked_url, read_mail_url
from deliverkit.facts.settings.values import Place, Secret, Setting, Unread, ValueFault

_ROLES = {
    "service": "service", "url": "url", "host": "host", "port": "port", "secure": "secure", "name": "helo",
    "requireTLS": "starttls", "ignoreTLS": "ignore-starttls", "connectionTimeout": "connect-timeout",
    "greetingTimeout": "greeting-timeout", "socketTimeout": "socket-timeout", "pool": "pool", "debug": "debug",
    "auth.user": "user", "auth.pass": "password", "auth.type": "mechanism", "authMethod": "mechanism",
    "tls.rejectUnauthorized": "verify", "tls.ca": "ca", "tls.ciphers": "ciphers", "from": "from",
}  # fmt: skip
_SECRET_ROLES = frozenset(("password",))
_DEFAULT_S = {"connect-timeout": 120.0, "greeting-timeout": 30.0, "socket-timeout": 600.0}
_TRANSPORTS = ("jsonTransport", "streamTransport", "sendmail", "SES")  # each is another way than SMTP


def read(look: Look) -> Iterator[MailSettings]:
    """Every transport that source makes, in each environment of its application; and every send."""
    suffixes = tuple(s for s in GRAMMARS if s != ".php")
    paths = [
        path for path in look.tree.paths if path.endswith(suffixes) and ".d.ts" not in path and ".min." not in path
    ]
    told = False
    for path in paths:
        text = look.tree.text(path)
        if text is None or ("createTransport" not in text and ".sendMail" not in text):
            continue
        if not available(path):
            if not told:
                look.unread.append(Unread(Place(path), "createTransport(…)", LACKING))
            told = True
            continue
        yield from _of_a_file(look, path)


def application(look: Look, path: str) -> tuple[str, str]:
    """The folder of the application a file belongs to (the nearest package.json), and how it loads its variables."""
    folder = posixpath.dirname(path)
    while True:
        package = f"{folder}/package.json".lstrip("/")
        text = look.tree.text(package) if package in look.tree.paths else None
        if text is not None or not folder:
            return folder, _convention(look, folder, text or "")
        folder = posixpath.dirname(folder)


def _convention(look: Look, folder: str, package: str) -> str:
    if '"next"' in package:
        return "next"
    if any(f'"{name}"' in package for name in ("vite", "nuxt", "astro", "@sveltejs/kit", "vinxi")):
        return "vite"
    special = [
        p for p in look.tree.paths if posixpath.dirname(p) == folder and posixpath.basename(p).startswith(".env.")
    ]
    return "flow" if any("example" not in p and "sample" not in p for p in special) else "node"


def _of_a_file(look: Look, path: str) -> Iterator[MailSettings]:
    folder, convention = application(look, path)
    program = js.Program(look.tree, lambda _name: None, look.uses)
    module = program.module(path)
    if module is None:
        return
    calls = tuple(n for n in walk(module.root) if n.type == "call_expression" and _makes_transport(n))
    look.calls.extend(sends(module, look.tree.text(path) or ""))
    look.marks.extend(marks(module, calls))
    for call in calls:
        arguments = call.child_by_field_name("arguments").named_children
        for environment in look.environments(convention, folder):
            variables = look.variables(environment, convention=convention, folder=folder)
            yield _transport(program.with_lookup(variables.get), module, call, arguments, environment)


def _makes_transport(call: Node) -> bool:
    return text_of(call.child_by_field_name("function"), 200).endswith("createTransport")


def _transport(
    program: js.Program, module: js.Module, call: Node, arguments: list[Node], environment: str
) -> MailSettings:
    place = Place(module.path, line_of(call))
    unread: list[Unread] = []
    roles: dict[str, Setting] = {}
    options = program.value(arguments[0], module) if arguments else js.Unknown(shown(call), "no options", line_of(call))
    if isinstance(options, js.Known) and isinstance(options.value, str):
        options = replace_with_url(options)
    if isinstance(options, js.Unknown) or not isinstance(options.value, dict):
        expression = options if isinstance(options, js.Unknown) else js.Unknown(shown(call), "no object", line_of(call))
        unread.append(Unread(Place(module.path, expression.line), expression.expression, expression.why))
        why: Any = missing(f"{place}: the options are not known without running the program")
        plan = Plan("smtp", why, why, why, "", why, why)
        return MailSettings("nodemailer", environment, place, {}, plan, unread=tuple(unread))
    found = dict(_flat(options.value))
    if isinstance(found.get("url"), js.Known) and isinstance(found["url"].value, str):  # type: ignore[union-attr]
        found = {**found, **dict(_flat(replace_with_url(found["url"]).value))}  # type: ignore[arg-type]
    for name, value in found.items():
        role = _ROLES.get(name)
        if isinstance(value, js.Unknown):
            if role is not None or name == "...":
                unread.append(Unread(Place(module.path, value.line), value.expression, value.why))
        elif role is not None:
            roles[role] = _setting(name, value, role)
    other = next((name for name in _TRANSPORTS if name in found), None)
    lost = {_ROLES[name] for name, value in found.items() if isinstance(value, js.Unknown) and name in _ROLES}
    return MailSettings(
        "nodemailer", environment, place, roles, plan_of(found, lost, other, place), unread=tuple(unread)
    )


def replace_with_url(url: js.Known) -> js.Known:
    """The options that a URL stands for (shared.parseConnectionUrl)."""
    from dataclasses import replace

    read_url: MailUrl | None = read_mail_url(url.value)
    if read_url is None:
        return replace(url, value={"url": replace(url, value=js.UNDEFINED)})
    told: dict[str, Any] = {"host": read_url.host, "port": read_url.port, "secure": read_url.scheme == "smtps" or None}
    told |= {"auth.user": read_url.user, "auth.pass": read_url.password and read_url.password.reveal()}
    told |= {name: _of_query(value) for name, value in read_url.options.items()}
    via = url.setting and _masked(url.setting, read_url.faults)
    parts = {name: replace(url, value=value, setting=via) for name, value in told.items() if value is not None}
    return replace(url, value=parts, setting=via)


def _masked(setting: Setting, faults: tuple[ValueFault, ...] = ()) -> Setting:
    """A variable that holds a URL, with the URL's password left out."""
    from dataclasses import replace

    return replace(
        setting,
        value=masked_url(setting.value) if isinstance(setting.value, str) else setting.value,
        faults=(*setting.faults, *faults),
        via=setting.via and _masked(setting.via),
        shadowed=tuple(_masked(one) for one in setting.shadowed),
    )


def _of_query(text: str) -> Any:
    """ "true" and "false" are truth in the query of a URL, numbers are numbers (shared.parseConnectionUrl)."""
    if text in ("true", "false"):
        return text == "true"
    return int(text) if text.isdigit() else text


def _flat(options: dict[str, js.Value], prefix: str = "") -> Iterator[tuple[str, js.Value]]:
    """The options with ``auth.user`` and the like as one name."""
    for name, value in options.items():
        whole = f"{prefix}{name}"
        if isinstance(value, js.Known) and isinstance(value.value, dict) and not prefix:
            yield from _flat(value.value, f"{whole}.")
            yield whole, value
        else:
            yield whole, value


def _setting(name: str, value: js.Known, role: str) -> Setting:
    plain = None if value.value is js.UNDEFINED else value.value
    if isinstance(plain, dict):
        plain = "{…}"
    shown_value: Any = Secret(str(plain)) if role in _SECRET_ROLES and plain is not None else plain
    via = value.setting
    if via is not None and role in _SECRET_ROLES and via.value is not None:
        via = _hidden(via)
    return Setting(
        name, shown_value, Place(value.file, value.line), value.file, via=via, faults=via.faults if via else ()
    )


def _hidden(setting: Setting) -> Setting:
    from dataclasses import replace

    value = setting.value if isinstance(setting.value, Secret) else Secret(str(setting.value))
    return replace(
        setting, value=value, shadowed=tuple(_hidden(one) for one in setting.shadowed if one.value is not None)
    )


# -- Nodemailer's own law -----------------------------------------------------------------------------------


def plan_of(found: dict[str, js.Value], lost: set[str], other: str | None, place: Place) -> Plan:
    """What Nodemailer will do. ``lost`` are roles only a run could tell; ``other`` is a transport beside SMTP."""

    def fact(role: str, value: Any) -> Any:
        return missing(f"{place}: {role} is not known without running the program") if role in lost else value

    def value(name: str) -> Any:
        one = found.get(name)
        return one.value if isinstance(one, js.Known) and one.value is not js.UNDEFINED else None

    if other is not None:
        delivery = {"jsonTransport": "none", "streamTransport": "none", "sendmail": "sendmail", "SES": "api"}[other]
        return Plan(delivery, "", 0, "clear", f"{other} is set: SMTP is not used", True, False)
    host, port, secure, service = value("host"), value("port"), value("secure"), value("service")
    known = provider(str(service)) if isinstance(service, str) else None
    why = ""
    if known is not None and known.endpoints:
        end = known.endpoints[0]
        host, port, secure = end.host, end.port, end.tls == "implicit"
        why = f"service: {service!r} sets host, port and secure, whatever else is given; "
        lost = lost - {"host", "port", "secure"}
    number = _port(port)
    at_once = js.truthy(secure) if secure is not None else None
    if number is None:
        number = 465 if at_once else 587
    if secure is None and number == 465:
        mode: Mode = "implicit"
        why += "without secure, Nodemailer starts TLS at once on port 465"
    elif at_once:
        mode = "implicit"
        why += _why_true(secure)
    elif js.truthy(value("ignoreTLS")):
        mode, why = "clear", why + "ignoreTLS: STARTTLS is not used although it is offered"
    elif js.truthy(value("requireTLS")):
        mode, why = "starttls", why + "requireTLS: no mail without STARTTLS"
    else:
        mode, why = "opportunistic", why + "secure is not true: STARTTLS is used where the server offers it"
    verify = value("tls.rejectUnauthorized")
    user = value("auth.user")
    return Plan(
        delivery="smtp",
        host=fact("host", str(host) if host not in (None, "") else "localhost"),
        port=fact("port", number),
        mode=fact("secure", mode),
        why=why,
        verify=fact("verify", verify is None or js.truthy(verify)),
        login=fact("user", bool(user) or "auth" in found),
        mechanism=str(value("auth.type") or value("authMethod") or "") or None,
        helo=None if value("name") is None else str(value("name")),
        connect_s=_seconds(value("connectionTimeout"), "connect-timeout"),
        greeting_s=_seconds(value("greetingTimeout"), "greeting-timeout"),
        socket_s=_seconds(value("socketTimeout"), "socket-timeout"),
    )


def _port(port: Any) -> int | None:
    """``port || (secure ? 465 : 587)``: what is no number counts as none."""
    if isinstance(port, str):
        return int(port) if port.strip().isdigit() else None
    return int(port) if isinstance(port, (int, float)) and port and not math.isnan(port) else None


def _why_true(secure: Any) -> str:
    if isinstance(secure, str):
        return f"secure is the text {secure!r}, and JavaScript takes every text but the empty one as true"
    return "secure is true: TLS from the first byte"


def _seconds(value: Any, role: str) -> float:
    return float(value) / 1000 if isinstance(value, (int, float)) and not isinstance(value, bool) else _DEFAULT_S[role]
