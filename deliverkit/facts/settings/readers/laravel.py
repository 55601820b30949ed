"""Laravel: ``config/mail.php`` with the variables it reads, each mailer as the framework of that version makes it.

Until Laravel 8, SwiftMailer sends: encryption "tls" demands STARTTLS, "ssl" is TLS from the first byte, none is no TLS.
Since Laravel 9 it is Symfony Mailer (`symfonymailer`): MAIL_ENCRYPTION decides nothing any more. Without a
``config/mail.php`` (or without the extra to read it) the file that the framework ships stands for it. Sources: Laravel
documentation "Mail" and "Configuration"; Illuminate\\Mail\\MailManager; Illuminate\\Support\\ConfigurationUrlParser.

What this file will not do: follow a mailer that a service provider makes at run time.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from deliverkit.facts.settings.environment import Variables
from deliverkit.facts.settings.model import MailSettings, Mode, Plan, SourceMark
from deliverkit.facts.settings.readers import Look
from deliverkit.facts.settings.readers.roles import Roles
from deliverkit.facts.settings.readers.symfonymailer import SCHEMES, SOCKET_S, mode_of, verifies
from deliverkit.facts.settings.source import php, phplaw
from deliverkit.facts.settings.source.javascript import Known, Unknown, Value
from deliverkit.facts.settings.source.syntax import LACKING, available
from deliverkit.facts.settings.tree import matching
from deliverkit.facts.settings.url import read_mail_url
from deliverkit.facts.settings.values import Place, Setting, Unread

_ROLES = {
    "host": "host", "port": "port", "username": "user", "password": "password", "scheme": "secure", "url": "url",
    "local_domain": "helo", "timeout": "socket-timeout", "auth_mode": "mechanism", "verify_peer": "verify",
    "require_tls": "starttls",
}  # fmt: skip
_DELIVERIES = {
    "smtp": "smtp", "log": "log", "array": "memory", "sendmail": "sendmail", "mail": "sendmail", "ses": "api",
    "ses-v2": "api", "mailgun": "api", "postmark": "api", "resend": "api", "mandrill": "api", "sparkpost": "api",
    "cloudflare": "api",
}  # fmt: skip
_SEVERAL = ("failover", "roundrobin")
_OTHERS_READ = re.compile(r"MAIL_(?:MAILER|DRIVER|HOST|PORT|USERNAME|PASSWORD|ENCRYPTION|SCHEME|URL|EHLO_DOMAIN|"
                          r"FROM_ADDRESS|TIMEOUT)")  # fmt: skip


@dataclass(frozen=True)
class _App:
    """One application: its folder, the version of Laravel it asks for, its mail configuration if it can be read."""

    folder: str
    major: int | None
    version: str | None
    config: str | None


def read(look: Look) -> Iterator[MailSettings]:
    """The default mailer of each environment of each Laravel application in the tree (a folder with ``artisan``)."""
    for artisan in matching(look.tree, "artisan"):
        app = _application(look, artisan.rpartition("/")[0])
        if app is None:
            continue
        program = php.Program(look.tree, lambda _name: None, look.uses)
        for environment in look.environments("laravel", app.folder):
            variables = look.variables(environment, convention="laravel", folder=app.folder)
            config = _configuration(program.with_lookup(variables.get), app, variables)
            if config is None:
                look.unread.append(Unread(Place(app.config or artisan), "", "it returns no array that can be followed"))
                continue
            if not variables.values:
                why = "no .env is here: the defaults stand for what the variables may be set to where the program runs"
                look.unread.append(Unread(Place(app.config or artisan), "env(…)", why))
            yield from _mailers(app, config, environment, Place(app.config or artisan))
            look.marks.extend(_ignored(look, app, variables))


def _application(look: Look, folder: str) -> _App | None:
    def inside(name: str) -> str:
        return f"{folder}/{name}".lstrip("/")

    version, major = _version(look, inside)
    config: str | None = inside("config/mail.php")
    if config not in look.tree.paths:
        config = None
    elif not available(config):
        look.unread.append(Unread(Place(config), "", f"{LACKING}; the file that Laravel ships is taken for it"))
        config = None
    if config is None and not any(path.startswith(inside(".env")) for path in look.tree.paths):
        return None
    if inside("bootstrap/cache/config.php") in look.tree.paths:
        why = "configuration is cached here: until `php artisan config:clear`, no variable is read from a file"
        look.unread.append(Unread(Place(inside("bootstrap/cache/config.php")), "", why))
    return _App(folder, major, version, config)


def _version(look: Look, inside: Any) -> tuple[str | None, int | None]:
    """The version that is locked, else the one asked for; its first number, or None."""
    for name in ("composer.lock", "composer.json"):
        text = look.tree.text(inside(name)) if inside(name) in look.tree.paths else None
        try:
            told = json.loads(text or "{}")
        except (ValueError, RecursionError):
            continue
        if not isinstance(told, dict):
            continue
        required = told.get("require")
        version = required.get("laravel/framework") if isinstance(required, dict) else None
        for package in told.get("packages") or ():
            if isinstance(package, dict) and package.get("name") == "laravel/framework":
                version = package.get("version")
        numbers = [int(n) for n in re.findall(r"(?:^|[|\s^~>=v])v?(\d{1,2})(?=[.\s|*@]|$)", str(version or ""))]
        if numbers:
            return str(version), max(numbers)
    return None, None


# -- configuration -----------------------------------------------------------------------------------------


def _configuration(program: php.Program, app: _App, variables: Variables) -> dict[str, Value] | None:
    if app.config is None:
        return _shipped(app, variables)
    found = program.returned(app.config)
    return found.value if isinstance(found, Known) and isinstance(found.value, dict) else None


def _shipped(app: _App, variables: Variables) -> dict[str, Value]:
    """What the framework's own ``config/mail.php`` says, by version."""

    def env(name: str, default: Any = None) -> Known:
        setting = variables.get(name)
        if setting is None:
            return Known(default, "Laravel's own config/mail.php", 0)
        place = setting.place or Place("environment")
        return Known(phplaw.laravel_value(str(setting.value)), place.file, place.line or 0, setting)

    new = app.major is None or app.major >= 11
    server: dict[str, Value] = {
        "transport": Known("smtp", "", 0),
        "host": env("MAIL_HOST", "127.0.0.1" if new else "smtp.mailgun.org"),
        "port": env("MAIL_PORT", 2525 if new else 587),
        "username": env("MAIL_USERNAME"),
        "password": env("MAIL_PASSWORD"),
        "local_domain": env("MAIL_EHLO_DOMAIN"),
    }
    server |= {"scheme": env("MAIL_SCHEME"), "url": env("MAIL_URL")} if new else {}
    server |= {} if new else {"encryption": env("MAIL_ENCRYPTION", "tls")}
    sender = Known({"address": env("MAIL_FROM_ADDRESS")}, "", 0)
    if app.major is not None and app.major < 7:
        return {**server, "driver": env("MAIL_DRIVER", "smtp"), "from": sender}
    mailers: dict[str, Value] = {
        name: Known({"transport": Known(name, "", 0)}, "", 0) for name in _DELIVERIES if name != "smtp"
    }
    return {
        "default": env("MAIL_MAILER", "log" if new else "smtp"),
        "mailers": Known({**mailers, "smtp": Known(server, "", 0)}, "", 0),
        "from": sender,
    }


def _part(config: Mapping[str, Value], name: str) -> Any:
    """The plain value of an element; None where it is absent or not known."""
    found = config.get(name)
    return found.value if isinstance(found, Known) else None


def _mailers(app: _App, config: dict[str, Value], environment: str, place: Place) -> Iterator[MailSettings]:
    """The default mailer; of a failover or round robin, each one that sends by SMTP."""
    if phplaw.truthy(_part(config, "driver")):  # a file as of Laravel 6 (MailManager::getConfig)
        yield _Mailer(app, config, config["driver"], "mail", place).settings(config, environment)
        return
    chosen = config.get("default")
    if isinstance(chosen, Unknown) or chosen is None:
        why = chosen.why if isinstance(chosen, Unknown) else "no default mailer is named"
        line = chosen.line if isinstance(chosen, Unknown) else None
        roles = Roles(unread=[Unread(Place(place.file, line), "'default'", why)])
        yield _Mailer(app, {}, None, "mail", place, roles).settings(config, environment)
        return
    mailers = _part(config, "mailers")
    yield from _named(app, config, mailers if isinstance(mailers, dict) else {}, chosen, environment, place, ())


def _named(
    app: _App, config: dict[str, Value], mailers: Mapping[str, Value], chosen: Known, environment: str, place: Place,
    under: tuple[str, ...],
) -> Iterator[MailSettings]:  # fmt: skip
    name = phplaw.text(chosen.value)
    mailer = mailers.get(name)
    told = mailer.value if isinstance(mailer, Known) and isinstance(mailer.value, dict) else {}
    inner = _part(told, "mailers")
    if _part(told, "transport") in _SEVERAL and isinstance(inner, dict) and name not in under and len(under) < 5:
        ones = [one for one in inner.values() if isinstance(one, Known)]
        for at, one in enumerate(ones):
            if at == 0 or _part(_part(mailers, phplaw.text(one.value)) or {}, "transport") not in ("log", "array"):
                yield from _named(app, config, mailers, one, environment, place, (*under, name))
        return
    where = Place(mailer.file, mailer.line) if isinstance(mailer, Known) and mailer.line else place
    made = _Mailer(app, told, chosen, f"mail.mailers.{name}", where)
    if mailer is None and "..." not in mailers:
        made.refusal = f"Laravel stops: Mailer [{name}] is not defined"
    yield made.settings(config, environment)


class _Mailer:
    """One mailer: its options in roles, and what the framework does with them."""

    def __init__(
        self, app: _App, options: Mapping[str, Value], chosen: Value | None, path: str, place: Place,
        roles: Roles | None = None,
    ) -> None:  # fmt: skip
        self.app = app
        self.place = place
        self.path = path
        self.refusal: str | None = None
        self.roles = roles or Roles()
        if roles is not None:
            self.roles.lost.add("backend")
        self.swift = app.major is not None and app.major < 9
        self.options = dict(options)
        if chosen is not None:
            self.roles.add("backend", "mail.default", chosen, place.file)
        if isinstance(self.options.get("url"), Known) and phplaw.truthy(_part(self.options, "url")) and not self.swift:
            self._merge_url()
        for name, role in _ROLES.items():
            if name in self.options:
                self.roles.add(
                    role, f"{path}.{name}", self.options[name], place.file, optional=role not in ("host", "port")
                )
        if "encryption" in self.options:
            role = "secure" if self.swift else "encryption"
            self.roles.add(role, f"{path}.encryption", self.options["encryption"], place.file, optional=True)
            self.roles.lost.discard("encryption")

    def _merge_url(self) -> None:
        """A URL overrides the single options (ConfigurationUrlParser); its scheme is the transport."""
        from dataclasses import replace

        url = self.options["url"]
        assert isinstance(url, Known)
        taken = read_mail_url(str(url.value))
        if taken is None:
            self.refusal = "Laravel stops: the mail URL is none"
            return
        if url.setting is not None and taken.faults:
            faults = (*url.setting.faults, *taken.faults)
            url = replace(url, setting=replace(url.setting, faults=faults))
            self.options["url"] = url
        password = taken.password.reveal() if taken.password is not None else None
        told = {"host": taken.host, "port": taken.port, "username": taken.user, "password": password}
        origin = url.setting.origin if url.setting is not None else None
        for name, value in {**taken.options, **told, "transport": taken.scheme}.items():
            if value is not None:
                part = origin and Setting(f"{name} of {origin.name}", value, origin.place, origin.layer)
                self.options[name] = Known(value, url.file, url.line, part)

    def settings(self, config: Mapping[str, Value], environment: str) -> MailSettings:
        """The mailer in one environment."""
        sender = _part(self.options, "from") or _part(config, "from")
        if isinstance(sender, dict) and "address" in sender:
            self.roles.add("from", "mail.from.address", sender["address"], self.place.file, optional=True)
            self.roles.lost.discard("from")
        plan = self._plan()
        found = {role: s for role, s in self.roles.found.items() if self._said(role, s)}
        return MailSettings(
            "laravel", environment, self.place, found, plan, version=self.app.version, unread=tuple(self.roles.unread)
        )

    def _said(self, role: str, setting: Setting) -> bool:
        """Only what is set, or belongs beside what is: a password where there is a user."""
        if setting.place is not None and not setting.place.line and setting.via is None:
            return False  # a default of the file that the framework ships
        if setting.value is None:
            user = self.roles.found.get("user")
            return role == "password" and user is not None and user.value not in (None, "")
        return True

    def _plan(self) -> Plan:
        """What the framework will do with the options."""
        options, roles = self.options, self.roles
        transport = options.get("transport") or options.get("driver")
        if isinstance(transport, Unknown):
            roles.lost.add("backend")
        name = phplaw.text(transport.value) if isinstance(transport, Known) else ""
        delivery = _DELIVERIES.get(name, "refused" if name in ("smtps", "tls", "ssl") else "api")
        if delivery == "refused":
            self.refusal = self.refusal or f"Laravel stops: Unsupported mail transport [{name}]"
        host = phplaw.text(_part(options, "host"))
        port = phplaw.number(_part(options, "port"))
        scheme = phplaw.text(_part(options, "scheme"))
        if delivery == "smtp" and not self.swift and scheme not in ("", *SCHEMES) and (self.app.major or 11) >= 11:
            self.refusal = f'Laravel stops: The "{scheme}" scheme is not supported; it is "smtp" or "smtps"'
        if self.refusal is not None:
            return Plan("refused", host, port, "clear", self.refusal, True, False)
        if delivery != "smtp" and "backend" not in roles.lost:
            return Plan(delivery, "", 0, "clear", f"the mailer is {name or 'not known'}", True, False)
        mode, why = self._mode(host, scheme)
        port = port or (25 if self.swift else mode_of(scheme, host, 0, self._flags())[0])
        unsure = {role for role in ("secure", "port", "starttls") if role in roles.lost}
        if unsure:
            roles.lost.add("secure")
        verify = _verified(options) if self.swift else verifies(self._flags())
        timeout = phplaw.number(_part(options, "timeout"))
        return Plan(
            delivery=roles.fact("backend", "smtp", self.place),
            host=roles.fact("host", host, self.place),
            port=roles.fact("port", port, self.place),
            mode=roles.fact("secure", mode, self.place),
            why=why,
            verify=verify,
            login=roles.fact("user", phplaw.truthy(_part(options, "username")), self.place),
            mechanism=phplaw.text(_part(options, "auth_mode")).upper() or None if self.swift else None,
            helo=phplaw.text(_part(options, "local_domain")) or None,
            connect_s=float(timeout) if timeout else (30.0 if self.swift else SOCKET_S),
            greeting_s=float(timeout) if timeout else (30.0 if self.swift else SOCKET_S),
            socket_s=float(timeout) if timeout else (30.0 if self.swift else SOCKET_S),
        )

    def _flags(self) -> dict[str, str]:
        names = ("auto_tls", "require_tls", "verify_peer")
        return {name: _flag(_part(self.options, name)) for name in names if _part(self.options, name) is not None}

    def _mode(self, host: str, scheme: str) -> tuple[Mode, str]:
        if not self.swift:
            port = phplaw.number(_part(self.options, "port"))
            return mode_of(scheme, host, port, self._flags())[1:]
        encryption = phplaw.text(_part(self.options, "encryption")).lower()
        if encryption == "ssl":  # Swift_Transport_EsmtpTransport::setEncryption
            return "implicit", 'encryption is "ssl": TLS from the first byte (SwiftMailer)'
        if encryption == "tls":
            return "starttls", 'encryption is "tls": no mail without STARTTLS (SwiftMailer)'
        return "clear", "no encryption is set: no TLS (SwiftMailer)"


def _flag(value: Any) -> str:
    return "0" if value is False else phplaw.text(value)


def _verified(options: Mapping[str, Value]) -> bool:
    """``'stream' => ['ssl' => ['verify_peer' => false]]`` (SwiftMailer's stream options)."""
    inner = _part(_part(options, "stream") or {}, "ssl")
    return not isinstance(inner, dict) or _part(inner, "verify_peer") is not False


def _ignored(look: Look, app: _App, variables: Variables) -> Iterator[SourceMark]:
    """MAIL_* variables that are set and that no PHP file of the application names."""
    if app.config is None:
        return
    names = {n: s for n, s in variables.values.items() if _OTHERS_READ.fullmatch(n) and n not in look.used}
    if not names:
        return
    prefix = f"{app.folder}/" if app.folder else ""
    source = [path for path in look.tree.paths if path.startswith(prefix) and path.endswith(".php")]
    for name, setting in names.items():
        if setting.place is None or setting.value in (None, "", "null"):
            continue
        if not any(look.tree.mentions(path, name) for path in source):
            yield SourceMark("variable-not-read", setting.place, f"{name} is set, and {app.config} does not read it")
