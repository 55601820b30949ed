"""Rails: ``config.action_mailer`` of each environment, with the variables it takes.

``config/application.rb`` counts first, then ``config/environments/NAME.rb``, then ``config/initializers/*.rb``. What
becomes of smtp_settings is the law of the mail gem (lib/mail/network/delivery_methods/smtp.rb): localhost:25, STARTTLS
where it is offered, tls or ssl from the first byte; since 2.8 both together are refused. Sources: Rails guide "Action
Mailer Basics"; mail 2.7 to 2.9; net-smtp.

What this file will not do: decrypt credentials, or follow what a gem sets.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from deliverkit.facts.settings.environment import PRODUCTION, Variables
from deliverkit.facts.settings.model import MailSettings, Mode, Plan
from deliverkit.facts.settings.readers import Look
from deliverkit.facts.settings.readers.roles import Roles, of_process
from deliverkit.facts.settings.source import ruby
from deliverkit.facts.settings.source.javascript import Known, Unknown, Value
from deliverkit.facts.settings.source.syntax import LACKING, available, line_of, shown, text_of, walk
from deliverkit.facts.settings.tree import Tree, matching
from deliverkit.facts.settings.values import Place, Unread

_ROLES = {
    "address": "host", "port": "port", "user_name": "user", "password": "password", "authentication": "mechanism",
    "domain": "helo", "enable_starttls": "starttls", "enable_starttls_auto": "starttls-auto", "tls": "secure",
    "ssl": "secure", "openssl_verify_mode": "verify", "ca_file": "ca", "open_timeout": "connect-timeout",
    "read_timeout": "socket-timeout",
}  # fmt: skip
_DELIVERIES = {"smtp": "smtp", "test": "memory", "file": "file", "letter_opener": "file", "letter_opener_web": "file",
               "sendmail": "sendmail", "logger": "log"}  # fmt: skip
_TARGET = re.compile(
    r"(?:(?:Rails\.application\.)?config\.action_mailer|ActionMailer::Base)\.(\w+)(?:\[:?[\"']?(\w+)[\"']?\])?"
)


def read(look: Look) -> Iterator[MailSettings]:
    """Every environment of each Rails application in the tree (a folder with ``config/application.rb``)."""
    for path in matching(look.tree, "config/application.rb", "*/config/application.rb"):
        folder = path.removesuffix("config/application.rb").rstrip("/")
        if not any("action_mailer" in (look.tree.text(p) or "") for p in _files(look.tree, folder, "*")):
            continue
        if not available(path):
            look.unread.append(Unread(Place(path), "config.action_mailer", LACKING))
            continue
        scripts: dict[str, ruby.Script | None] = {}
        for environment in _environments(look, folder):
            files = _files(look.tree, folder, environment)
            for one in files:
                if one not in scripts:
                    scripts[one] = ruby.read_script(look.tree, one)
            found = [script for one in files if (script := scripts[one]) is not None]
            yield _settings(look, folder, environment, found)


def _files(tree: Tree, folder: str, environment: str) -> list[str]:
    """The files that configure an environment, in the order in which they are loaded; ``*`` for all."""
    base = f"{folder}/config/".lstrip("/")
    first = [path for path in (f"{base}application.rb",) if path in tree.paths]
    return [
        *first,
        *matching(tree, f"{base}environments/{environment}.rb"),
        *matching(tree, f"{base}initializers/*.rb"),
    ]


def _environments(look: Look, folder: str) -> list[str]:
    if look.asked:
        return [look.asked]
    names = {PurePosixPath(path).stem for path in matching(look.tree, f"{folder}/config/environments/*.rb".lstrip("/"))}
    return sorted(names - {"test"}, key=lambda e: (e != PRODUCTION, e)) or [""]


def _settings(look: Look, folder: str, environment: str, scripts: list[ruby.Script]) -> MailSettings:
    lookup = _lookup(look, folder, environment)
    told: dict[str, Value] = {}
    for script in scripts:
        on = ruby.Evaluator(script, lookup, look.uses)
        for target, statement, right in ruby.assignments(script):
            match = _TARGET.fullmatch(target)
            value = _value(on, statement, right) if match is not None else None
            if match is None or value is None:
                continue
            if match[2] is None:
                told[match[1]] = value
            elif isinstance(whole := told.get(match[1]), Known) and isinstance(whole.value, dict):
                told[match[1]] = Known({**whole.value, match[2]: value}, whole.file, whole.line)
    place = _place(told, scripts, folder)
    roles = Roles()
    settings = told.get("smtp_settings")
    options: dict[str, Value] = {}
    if isinstance(settings, Unknown):
        roles.unread.append(Unread(Place(place.file, settings.line), settings.expression, settings.why))
        roles.lost.update(("host", "port", "secure", "user", "verify"))
    elif settings is not None and isinstance(settings.value, dict):
        options = settings.value
    for name, role in (("delivery_method", "backend"), ("raise_delivery_errors", "raise-errors"),
                       ("perform_deliveries", "perform")):  # fmt: skip
        roles.add(role, f"config.action_mailer.{name}", told.get(name), place.file)
    for name, role in _ROLES.items():
        if name in options:
            roles.add(role, f"smtp_settings.{name}", options[name], place.file)
    sender = _sender(look, folder, lookup)
    if sender is not None:
        roles.add("from", "default from", sender, sender.file if isinstance(sender, Known) else place.file)
        roles.lost.discard("from")
    version = _mail_version(look, folder)
    plan = _plan(options, told, roles, place, version)
    return MailSettings("rails", environment, place, roles.found, plan, version=version, unread=tuple(roles.unread))


def _value(on: ruby.Evaluator, statement: Any, right: Any) -> Value | None:
    reached = on.reaches(statement)
    if reached is False:
        return None
    return (
        on.value(right)
        if reached
        else Unknown(shown(statement), "it runs under a condition that only a run could tell", line_of(statement))
    )


def _place(told: dict[str, Value], scripts: list[ruby.Script], folder: str) -> Place:
    for name in ("smtp_settings", "delivery_method", "raise_delivery_errors"):
        value = told.get(name)
        if isinstance(value, Known):
            return Place(value.file, value.line)
    return Place(scripts[-1].path if scripts else f"{folder}/config/application.rb".lstrip("/"))


def _lookup(look: Look, folder: str, environment: str) -> Any:
    """The variables: of the process, and of ``.env`` files where the dotenv gem is loaded in this environment."""
    variables: Variables = look.variables(environment, convention="rails", folder=folder)
    if _has_dotenv(look, folder, environment):
        return variables.get
    return lambda name: of_process(variables, name)


def _has_dotenv(look: Look, folder: str, environment: str) -> bool:
    groups: list[str] | None = None
    for line in _text(look.tree, folder, "Gemfile").splitlines():
        bare = line.split("#")[0].strip()
        if bare.startswith("group ") and bare.endswith("do"):
            groups = re.findall(r":(\w+)", bare)
        elif bare == "end":
            groups = None
        elif re.match(r"gem\s*\(?['\"]dotenv(?:-rails)?['\"]", bare):
            inline = re.search(r"groups?:\s*(\[[^\]]*\]|:\w+)", bare)
            names = re.findall(r":(\w+)", inline[1]) if inline else groups
            return names is None or environment in names or not environment
    return False


def _text(tree: Tree, folder: str, name: str) -> str:
    path = f"{folder}/{name}".lstrip("/")
    return (tree.text(path) or "") if path in tree.paths else ""


def _mail_version(look: Look, folder: str) -> str | None:
    match = re.search(r"^ {4}mail \(([\d.]+)\)", _text(look.tree, folder, "Gemfile.lock"), re.M)
    return match[1] if match else None


def _sender(look: Look, folder: str, lookup: Any) -> Value | None:
    """``default from: …`` of ApplicationMailer."""
    path = f"{folder}/app/mailers/application_mailer.rb".lstrip("/")
    script = ruby.read_script(look.tree, path) if path in look.tree.paths else None
    if script is None:
        return None
    on = ruby.Evaluator(script, lookup, look.uses)
    for call in (n for n in walk(script.root) if n.type == "call"):
        if text_of(call.child_by_field_name("method") or call, 20) != "default":
            continue
        for pair in ruby.arguments(call):
            if pair.type == "pair" and ruby.key_of(pair.child_by_field_name("key")) == "from":
                return on.value(pair.child_by_field_name("value"))
    return None


# -- the mail gem's own law --------------------------------------------------------------------------------


def _plan(options: dict[str, Value], told: dict[str, Value], roles: Roles, place: Place, version: str | None) -> Plan:
    """What Action Mailer and the mail gem will do."""

    def plain(name: str, default: Any = None) -> Any:
        found = options.get(name)
        return default if found is None else found.value if isinstance(found, Known) else None

    performs, method = told.get("perform_deliveries"), told.get("delivery_method")
    if isinstance(performs, Known) and not ruby.truthy(performs.value):
        return Plan("none", "", 0, "clear", "perform_deliveries is false: mail is thrown away", True, False)
    name = ruby.text(method.value) if isinstance(method, Known) else "smtp"
    delivery = _DELIVERIES.get(name, "api")
    if delivery != "smtp" and "backend" not in roles.lost:
        return Plan(delivery, "", 0, "clear", f"delivery_method is :{name}", True, False)
    new = version is None or tuple(int(n) for n in version.split(".")[:2] if n) >= (2, 8)
    at_once = ruby.truthy(plain("tls")) or ruby.truthy(plain("ssl"))
    starts = ruby.truthy(plain("enable_starttls")) or ruby.truthy(plain("enable_starttls_auto"))
    host, port = ruby.text(plain("address", "localhost")), ruby.number(plain("port", 25))
    if at_once and starts and new:
        why = "the mail gem stops: tls and enable_starttls exclude each other (ArgumentError since mail 2.8)"
        return Plan("refused", host, port, "clear", why, True, False)
    mode, why = _mode(plain, at_once)
    if {"starttls", "starttls-auto"} & roles.lost:
        roles.lost.add("secure")
    login = plain("user_name") not in (None, False, "") or plain("password") not in (None, False, "")
    return Plan(
        delivery=roles.fact("backend", "smtp", place),
        host=roles.fact("host", host, place),
        port=roles.fact("port", port, place),
        mode=roles.fact("secure", mode, place),
        why=why,
        verify=roles.fact("verify", ruby.text(plain("openssl_verify_mode")).lower() not in ("none", "0"), place),
        login=roles.fact("user", login, place),
        mechanism=ruby.text(plain("authentication")).upper().replace("_", "-") or None,
        helo=ruby.text(plain("domain", "localhost.localdomain")) or None,
        connect_s=_seconds(plain("open_timeout"), 5.0 if new else 30.0),
        greeting_s=_seconds(plain("read_timeout"), 5.0 if new else 60.0),
        socket_s=_seconds(plain("read_timeout"), 5.0 if new else 60.0),
    )


def _mode(plain: Any, at_once: bool) -> tuple[Mode, str]:
    """Mail::SMTP#smtp_tls? and #smtp_starttls."""
    if at_once:
        texts = [plain(name) for name in ("tls", "ssl") if isinstance(plain(name), str)]
        odd = f" (the text {texts[0]!r}, and Ruby takes every text as true)" if texts else ""
        return "implicit", f"tls or ssl is true: TLS from the first byte{odd}"
    demanded, auto = plain("enable_starttls"), plain("enable_starttls_auto")
    if ruby.truthy(demanded):
        if ruby.text(demanded) == "auto":
            return "opportunistic", "enable_starttls is :auto: STARTTLS is used where the server offers it"
        return "starttls", "enable_starttls: no mail without STARTTLS"
    if (auto is not None and not auto) or (auto is None and demanded is False):
        return "clear", "enable_starttls_auto is false: TLS is not used although it is offered"
    return "opportunistic", "STARTTLS is used where the server offers it (enable_starttls_auto)"


def _seconds(value: Any, default: float) -> float:
    return float(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else default
