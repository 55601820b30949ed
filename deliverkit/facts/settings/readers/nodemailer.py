"""Nodemailer: ``createTransport(…)`` in JavaScript and TypeScript, options in JSON files, and every send.

What becomes of the options is Nodemailer's own law (`deliverkit.facts.settings.nodemailer`). What this file will not
do: judge, or read what becomes of a send (`sends`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from deliverkit.facts.base import missing
from deliverkit.facts.settings.model import MailSettings, Plan, SourceMark
from deliverkit.facts.settings.nodemailer import LOST, of_url, plan_of
from deliverkit.facts.settings.readers import Look
from deliverkit.facts.settings.source import ecmascript as law
from deliverkit.facts.settings.source import javascript as js
from deliverkit.facts.settings.source.apps import App, app_of, lookup_of
from deliverkit.facts.settings.source.ecmascript import UNDEFINED
from deliverkit.facts.settings.source.modules import Module
from deliverkit.facts.settings.source.paths import resolved
from deliverkit.facts.settings.source.sends import calls_of, is_send, marks, sends, wrappers
from deliverkit.facts.settings.source.syntax import (
    GRAMMARS,
    LACKING,
    Node,
    available,
    line_of,
    refused,
    short_text,
    text_of,
)
from deliverkit.facts.settings.url import is_mail_url, masked_url, read_mail_url
from deliverkit.facts.settings.values import Place, Secret, Setting, Unread, ValueFault, hidden

_ROLES = {
    "service": "service", "url": "url", "host": "host", "port": "port", "secure": "secure", "name": "helo",
    "requireTLS": "starttls", "ignoreTLS": "ignore-starttls", "connectionTimeout": "connect-timeout",
    "greetingTimeout": "greeting-timeout", "socketTimeout": "socket-timeout", "pool": "pool", "debug": "debug",
    "auth.user": "user", "auth.pass": "password", "auth.type": "mechanism", "authMethod": "mechanism",
    "tls.rejectUnauthorized": "verify", "tls.ca": "ca", "tls.ciphers": "ciphers", "tls.servername": "servername",
    "from": "from",
}  # fmt: skip
_SECRET = re.compile(r"(?i)pass|secret|token|auth\.(?!user|type|method)|\bkey\b|privatekey")
_JSON_NAMES = re.compile(r"(?i)mail|smtp|transport|config|settings|default|production|development")
_NOT_JSON = re.compile(
    r"(?i)(?:^|/)(?:package(?:-lock)?|tsconfig[^/]*|jsconfig|composer|\.eslintrc|vercel|turbo)\.json5?$"
)
_NEAR = re.compile(r"(?i)mail|smtp|transport")
_SUFFIXES = tuple(suffix for suffix, (grammar, _) in GRAMMARS.items() if "script" in grammar)
_NEST = ("MailerModule.forRoot", "MailerModule.forRootAsync")
_NEXT_AUTH = ("next-auth/providers/email", "next-auth/providers/nodemailer", "@auth/core/providers/nodemailer")
_WORDS = ("createTransport", ".sendMail", "MailerModule", "/providers/email", "/providers/nodemailer")
_MOST_CALLERS = 400  # files that are parsed because they call a function that sends
_MOST_MODULES = 2_000


@dataclass
class _Found:
    """What one application has beside its transports."""

    senders: dict[str, set[str]] = field(default_factory=dict)
    json: set[str] = field(default_factory=set)
    read: int = 0


def read(look: Look) -> Iterator[MailSettings]:
    """Every transport that source makes, in each environment of its application; and every send."""
    paths = [p for p in look.tree.paths if p.endswith(_SUFFIXES) and ".d.ts" not in p and ".min." not in p]
    told = [path for path in paths if look.tree.mentions(path, *_WORDS, "dotenv")]  # every file is read once for this
    mail = [path for path in told if look.tree.mentions(path, *_WORDS)]
    look.loaders = [path for path in told if look.tree.mentions(path, "dotenv") and available(path)]
    if mail and not all(available(path) for path in mail):
        look.unread.append(Unread(Place(mail[0]), "createTransport(…)", LACKING))
        mail = [path for path in mail if available(path)]
    programs: dict[str, js.Program] = {}
    found: dict[str, _Found] = {}
    for path in mail[:_MOST_MODULES]:
        app = app_of(look, path)
        program = programs.setdefault(app.folder, js.Program(look.tree, lambda _name: None, look.uses))
        yield from _of_a_file(look, path, app, program, found.setdefault(app.folder, _Found()))
    for folder, program in programs.items():
        _callers(look, program, app_of(look, f"{folder}/x".lstrip("/")), found[folder], paths)
    yield from _in_json(look, {path for program in programs.values() for path in program.read_json})


def _of_a_file(look: Look, path: str, app: App, program: js.Program, found: _Found) -> Iterator[MailSettings]:
    module = program.module(path)
    if module is None:
        why = refused(look.tree.text(path) or "") or "it cannot be parsed in time"
        look.unread.append(Unread(Place(path), "", why))
        return
    transports = tuple(call for call in module.calls if _makes_transport(call, module))
    look.calls.extend(sends(module, serverless=app.serverless))
    look.marks.extend(marks(module, transports))
    if names := wrappers(module):
        found.senders[path] = names
    for call in transports:
        for environment in look.environments(app.convention, app.folder):
            lookup = lookup_of(look, app, environment, program)
            one = program.with_lookup(lookup)
            yield _transport(look, one, module, call, environment, app)


def _callers(look: Look, program: js.Program, app: App, found: _Found, paths: list[str]) -> None:
    """Where functions that send are called, one step away from the send."""
    if not found.senders:
        return
    names = set().union(*found.senders.values())
    words = [f"{name}(" for name in names]
    near = (p for p in paths if look.tree.mentions(p, *words) and app_of(look, p).folder == app.folder)
    for path in islice(near, _MOST_CALLERS):
        module = program.module(path)
        if module is None:
            continue
        sources = {s: resolved(look.tree, program.paths, path, s) for s in module.packages}
        for sender, senders_names in found.senders.items():
            here = frozenset(s for s, at in sources.items() if at == sender) | ({""} if sender == path else frozenset())
            if here:
                look.calls.extend(calls_of(module, senders_names, frozenset(here), serverless=app.serverless))


def _makes_transport(call: Node, module: Module) -> bool:
    """``createTransport``, Nest's MailerModule, and the e-mail provider of next-auth, which hand their options on."""
    function = call.child_by_field_name("function")
    name = short_text(function)
    if name.endswith("createTransport") or name in _NEST:
        return True
    binding = module.binding(name, call) if name.isidentifier() else None
    return binding is not None and binding.source in _NEXT_AUTH


def _given(program: js.Program, module: Module, call: Node) -> tuple[js.Value, js.Value | None]:
    """The options and the defaults that a call is given."""
    arguments = [one for one in call.child_by_field_name("arguments").named_children if one.type != "comment"]
    if not arguments:
        return js.unknown(call, module, "no options"), None
    name = short_text(call.child_by_field_name("function"))
    if name.endswith("createTransport"):
        return program.value(arguments[0], module), program.value(arguments[1], module) if len(arguments) > 1 else None
    whole = program.value(_of_factory(arguments[0]), module)
    if name in _NEST:
        return program.part(whole, "transport", call, module), program.part(whole, "defaults", call, module)
    return program.part(whole, "server", call, module), whole


def _of_factory(options: Node) -> Node:
    """What ``useFactory: (config) => ({ … })`` returns, where it has one return; else the options themselves."""
    for pair in (one for one in options.named_children if one.type == "pair"):
        if text_of(pair.child_by_field_name("key"), 40) != "useFactory":
            continue
        body = pair.child_by_field_name("value").child_by_field_name("body")
        if body is None or body.type != "statement_block":
            return options if body is None else body
        returns = [one for one in body.named_children if one.type == "return_statement" and one.named_children]
        return returns[0].named_children[0] if len(returns) == 1 else options
    return options


def _transport(
    look: Look,
    program: js.Program,
    module: Module,
    call: Node,
    environment: str,
    app: App,
) -> MailSettings:
    place = Place(module.path, line_of(call))
    options, defaults = _given(program, module, call)
    setting = program.lookup("NODE_TLS_REJECT_UNAUTHORIZED")
    unverified = isinstance(setting, Setting) and setting.value == "0"
    made = settings_of(options, place, environment, unverified=unverified, version=app.version)
    roles = dict(made.roles)
    if "verify" not in roles and unverified and isinstance(setting, Setting):
        roles["verify"] = setting
    sender = _of_sends(program, module) or _from(defaults, program, call, module)
    if sender is not None:
        roles["from"] = sender
    for mark in _marks_of(roles, place):
        if mark not in look.marks:
            look.marks.append(mark)
    return replace(made, roles=roles)


def settings_of(
    options: js.Value, place: Place, environment: str, *, unverified: bool = False, version: str | None = None
) -> MailSettings:
    """The transport that options make; what only a run could tell is said in ``unread``."""
    flat = _options(options)
    if isinstance(flat, js.Unknown):
        why: Any = missing(f"{place}: the options are not known without running the program")
        plan = Plan("smtp", why, why, why, "", why, why)
        unread = (Unread(Place(flat.file or place.file, flat.line), flat.expression, flat.why),)
        return MailSettings("nodemailer", environment, place, {}, plan, version, unread)
    roles: dict[str, Setting] = {}
    unread_ones: list[Unread] = []
    given: dict[str, Any] = {}
    for name, value in flat.items():
        role = _ROLES.get(name)
        if isinstance(value, js.Unknown):
            given[name] = LOST
            if role is not None or name.endswith("..."):
                unread_ones.append(Unread(Place(value.file or place.file, value.line), value.expression, value.why))
            continue
        given[name] = value.value
        if role is not None:
            roles[role] = _setting(name, value)
    if "..." in given:  # whatever is spread there may set any of them
        given = {**dict.fromkeys(("host", "port", "secure", "auth", "tls.rejectUnauthorized"), LOST), **given}
    plan = plan_of(given, place, unverified=unverified)
    return MailSettings("nodemailer", environment, place, roles, plan, version, tuple(unread_ones))


def _options(options: js.Value) -> dict[str, js.Value] | js.Unknown:
    """The options as flat names ("auth.user"). A URL stands for all of them: what is given beside it is not looked at
    (lib/nodemailer.js).
    """
    if isinstance(options, js.Unknown):
        return options
    url = options.value.get("url") if isinstance(options.value, dict) else options
    if isinstance(url, js.Unknown):
        return url
    if url is not None and isinstance(url.value, str) and url.value:
        told = of_url(url.value)
        if told is None:
            return js.Unknown(
                "createTransport(…)", "no smtp: or smtps: URL; Nodemailer takes no other", url.line, url.file
            )
        read_url = read_mail_url(url.value)
        if url.setting is not None and read_url is not None:
            url = replace(url, setting=_masked(url.setting, read_url.faults))
        whole = replace(url, value=_without_password(str(url.value)))
        return {"url": whole, **{name: replace(url, value=value) for name, value in told.items()}}
    if not isinstance(options.value, dict):
        return js.Unknown("createTransport(…)", "the options are no object", options.line, options.file)
    flat: dict[str, js.Value] = {}
    for name, value in options.value.items():
        flat[name] = value
        if name in ("auth", "tls") and isinstance(value, js.Known) and isinstance(value.value, dict):
            flat |= {f"{name}.{inner}": one for inner, one in value.value.items()}
    return flat


def _setting(name: str, value: js.Known) -> Setting:
    plain = None if value.value is UNDEFINED else value.value
    plain = "{…}" if isinstance(plain, (dict, tuple)) else plain
    secret = _SECRET.search(name) is not None or isinstance(plain, Secret)
    told: Any = Secret(str(plain)) if secret and plain is not None and not isinstance(plain, Secret) else plain
    via = value.setting
    if via is not None:
        via = _masked(via) if isinstance(via.value, str) and is_mail_url(via.value) else hidden(via, always=secret)
    return Setting(name, told, Place(value.file, value.line), value.file, via, via.faults if via else ())


def _masked(setting: Setting, faults: tuple[ValueFault, ...] = ()) -> Setting:
    """A variable that holds a URL, with the URL's password left out."""
    return replace(
        setting,
        value=_without_password(setting.value) if isinstance(setting.value, str) else setting.value,
        faults=(*setting.faults, *(fault for fault in faults if fault not in setting.faults)),
        via=setting.via and _masked(setting.via),
        shadowed=tuple(_masked(one) for one in setting.shadowed),
    )


def _without_password(url: str) -> str:
    """A URL as a report may show it; a query may hold a secret as well."""
    return masked_url(url).partition("?")[0]


def _from(defaults: js.Value | None, program: js.Program, node: Node, module: Module) -> Setting | None:
    """The ``from`` of an object, if it is known: a text, or a name with an address."""
    if not isinstance(defaults, js.Known) or not isinstance(defaults.value, dict):
        return None
    value = program.part(defaults, "from", node, module)
    if isinstance(value, js.Known) and isinstance(value.value, dict):
        name, address = value.value.get("name"), value.value.get("address")
        if not isinstance(address, js.Known) or not isinstance(address.value, str):
            return None
        known = isinstance(name, js.Known) and isinstance(name.value, str)
        value = replace(address, value=f"{name.value} <{address.value}>" if known else address.value)  # type: ignore[union-attr]
    return _setting("from", value) if isinstance(value, js.Known) and isinstance(value.value, str) else None


def _of_sends(program: js.Program, module: Module) -> Setting | None:
    """The ``from`` of the module's sends, where all of them agree."""
    found: list[Setting | None] = []
    for call in (one for one in module.calls if is_send(one)):
        arguments = call.child_by_field_name("arguments").named_children
        found.append(_from(program.value(arguments[0], module), program, call, module) if arguments else None)
    first = found[0] if found else None
    return first if first is not None and all(one is not None and one.value == first.value for one in found) else None


def _marks_of(roles: dict[str, Setting], place: Place) -> Iterator[SourceMark]:
    ciphers, password = roles.get("ciphers"), roles.get("password")
    if ciphers is not None and isinstance(ciphers.value, str) and re.search(r"(?i)sslv[23]", ciphers.value):
        yield SourceMark("old-tls-cipher", ciphers.place or place, f"tls.ciphers is {ciphers.value!r}")
    if password is not None and password.via is None and password.value and password.place is not None:
        yield SourceMark("hard-coded-secret", password.place, f"{password.name} stands in the source")


# -- options in files of JSON -----------------------------------------------------------------------------------


def _in_json(look: Look, taken: set[str]) -> Iterator[MailSettings]:
    """Objects of JSON and JSON5 files that are the options of a transport: a host with a port or a login, near a name
    that has to do with mail. Files that the source imports are judged there.
    """
    for path in look.tree.paths:
        if not path.endswith((".json", ".json5")) or path in taken or _NOT_JSON.search(path):
            continue
        if not _JSON_NAMES.search(path) or not look.tree.mentions(path, "host", "service", "smtp:", "smtps:"):
            continue
        app = app_of(look, path)
        if not app.nodemailer:
            continue
        read_value = _json(look, path)
        for options, line in _objects(read_value, path, look.tree.text(path) or "") if read_value else ():
            made = settings_of(js.lifted(options, path, line), Place(path, line), _named(path), version=app.version)
            yield made
            look.marks.extend(m for m in _marks_of(dict(made.roles), made.place) if m not in look.marks)


def _json(look: Look, path: str) -> Any:
    text = look.tree.text(path) or ""
    read_value = law.from_json(text.removeprefix("\ufeff"))
    if read_value is not law.CANNOT:
        return read_value
    try:
        import json5
    except ImportError:
        look.unread.append(Unread(Place(path), "", f"JSON5: {LACKING}"))
        return None
    if why := refused(text) or ("larger than a file of settings" if len(text) > 65_536 else ""):
        look.unread.append(Unread(Place(path), "", why))
        return None
    try:
        return law.members(json5.loads(text))
    except (ValueError, RecursionError):
        look.unread.append(Unread(Place(path), "", "neither JSON nor JSON5"))
        return None


def _named(path: str) -> str:
    match = re.search(r"(?:^|[/._-])(production|development|staging|test)\.json5?$", path)
    return match[1] if match else ""


def _objects(value: Any, path: str, text: str) -> Iterator[tuple[dict[str, Any], int]]:
    """The objects of a file that are options of a transport, each with the line of its name."""
    stack: list[tuple[str, Any]] = [(path.rpartition("/")[2], value)]
    for _ in range(10_000):
        if not stack:
            return
        name, one = stack.pop()
        if isinstance(one, dict):
            tells = isinstance(one.get("host"), str) and ({"port", "auth", "secure"} & one.keys())
            if _NEAR.search(name) and (tells or (isinstance(one.get("service"), str) and "auth" in one)):
                at = re.search(rf'["\']?{re.escape(name)}["\']?\s*:', text)
                yield one, text.count("\n", 0, at.start()) + 1 if at else 1
                continue
            inherited = name if _NEAR.search(name) and "." not in name else ""
            stack.extend(
                (f"{inherited}{key}" if not inherited else key, v) for key, v in one.items() if isinstance(v, dict)
            )
