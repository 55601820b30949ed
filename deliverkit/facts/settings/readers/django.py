"""Django: ``EMAIL_*`` or ``MAILERS`` of settings modules, read by ``ast`` and never imported.

A settings module is one that DJANGO_SETTINGS_MODULE names in manage.py, wsgi.py or asgi.py, or one that sets EMAIL_*;
``from .base import *`` is followed. Sources: Django's documentation "Settings" and "Migrating email to mailers",
django/core/mail/backends/smtp.py. STARTTLS is demanded (EMAIL_USE_TLS), TLS comes at once (EMAIL_USE_SSL), or there is
none: Django never takes it because it is offered. From Django 6.1 on, MAILERS
excludes EMAIL_*: both together stop the program (django/conf/__init__.py).

What this file will not do: judge, or read what source does with mail (`smtplib`).
"""

from __future__ import annotations

import ast
import posixpath
import re
from collections.abc import Iterator, Mapping
from typing import Any

from deliverkit.facts.base import missing
from deliverkit.facts.settings.model import MailSettings, Mode, Plan, SourceMark
from deliverkit.facts.settings.readers import Look
from deliverkit.facts.settings.source.javascript import Known, Unknown, Value
from deliverkit.facts.settings.source.python import Module, parsed
from deliverkit.facts.settings.source.pythonenv import (
    Loader,
    Roles,
    loaders,
    lookups,
    port_of,
    python_files,
    roles_of,
    seconds,
)
from deliverkit.facts.settings.source.pythonrun import Program
from deliverkit.facts.settings.tree import matching
from deliverkit.facts.settings.values import Place, Setting

_NAMES = {
    "backend": "EMAIL_BACKEND", "host": "EMAIL_HOST", "port": "EMAIL_PORT", "secure": "EMAIL_USE_SSL",
    "starttls": "EMAIL_USE_TLS", "user": "EMAIL_HOST_USER", "password": "EMAIL_HOST_PASSWORD",
    "socket-timeout": "EMAIL_TIMEOUT",
}  # fmt: skip
_OPTIONS = {
    "host": "host", "port": "port", "secure": "use_ssl", "starttls": "use_tls", "user": "username",
    "password": "password", "socket-timeout": "timeout",
}  # fmt: skip
_DELIVERY = {  # django.core.mail.backends.….EmailBackend, and packages that hand on to SMTP or to an API
    "smtp": "smtp", "console": "console", "filebased": "file", "locmem": "memory", "dummy": "none",
    "djcelery_email": "smtp", "post_office": "smtp", "mailer": "smtp",
    "anymail": "api", "django_ses": "api", "sendgrid_backend": "api", "postmarker": "api", "django_mailjet": "api",
    "django_amazon_ses": "api", "resend": "api",
}  # fmt: skip
_ENVIRONMENTS = {
    "production": "production", "prod": "production", "live": "production", "development": "development",
    "dev": "development", "local": "development", "debug": "development", "staging": "staging", "stage": "staging",
    "test": "test", "tests": "test", "testing": "test", "ci": "test",
}  # fmt: skip
_DEFAULT_FROM = "webmaster@localhost"


def read(look: Look) -> Iterator[MailSettings]:
    """The mailers of each settings module that nobody else builds upon."""
    named = _named(look)
    if not named and not python_files(look, "INSTALLED_APPS", "DJANGO_SETTINGS_MODULE"):
        return  # EMAIL_HOST stands in many a settings.py that is not Django's
    paths = [p for p in python_files(look, "EMAIL_", "MAILERS", "email_url") if _settings_like(look, p)]
    if not paths:
        return
    chosen = _leaves(look, list(dict.fromkeys([*paths, *named])), named)
    known = loaders(look)
    files: dict[str, Module | str | None] = {}
    alone = len(chosen) == 1
    for path in chosen:
        environment = _environment(path, named, alone)
        if environment == "test" and look.asked != "test":
            continue  # Django puts its own backend in place of any while it tests
        if look.asked and environment and environment != look.asked:
            continue
        yield from _module(look, path, look.asked or environment, known, files)


def _settings_like(look: Look, path: str) -> bool:
    """True for a module of settings that names EMAIL_* or MAILERS at its top, or takes them out of a URL."""
    text = look.tree.text(path) or ""
    if re.search(r"^(?:EMAIL_[A-Z_]+|MAILERS)\b|email_url", text, re.MULTILINE) is None:
        return False
    return "settings" in path or "INSTALLED_APPS" in text


def _named(look: Look) -> dict[str, str]:
    """Settings modules that DJANGO_SETTINGS_MODULE names, with the file that names them; what serves comes first."""
    found: dict[str, str] = {}
    files = sorted(matching(look.tree, "wsgi.py", "asgi.py", "manage.py"), key=lambda p: p.endswith("manage.py"))
    for path in files:
        text = look.tree.text(path) or ""
        match = re.search(r"DJANGO_SETTINGS_MODULE['\"]\]?\s*[,=]\s*['\"]([\w.]+)['\"]", text)
        module = parsed("", path)
        if match is None or isinstance(module, str):
            continue
        where = Program(look.tree, lambda _n: None).found(match[1], module)
        if where is not None:
            found.setdefault(where, path)
    return found


def _leaves(look: Look, paths: list[str], named: Mapping[str, str]) -> list[str]:
    """Those that no other settings module takes its names from, and those that are named where the program starts."""
    below: set[str] = set()
    program = Program(look.tree, lambda _n: None)
    for path in paths:
        module = program.module(path)
        for node in ast.walk(module.tree) if module is not None else ():
            if isinstance(node, ast.ImportFrom) and module is not None:
                inner = program.found(node.module or "", module, node.level)
                if inner is not None and inner != path:
                    below.add(inner)
    # the module a package's settings/__init__.py imports from stays below it
    return [path for path in paths if path not in below or path in named]


def _environment(path: str, named: Mapping[str, str], alone: bool) -> str:
    """production, development, … by the module's name; a nameless one that wsgi.py names beside others serves."""
    stem = posixpath.basename(path).removesuffix(".py")
    words = re.split(r"[_.]", stem if stem != "__init__" else "")
    for word in words:
        if word in _ENVIRONMENTS:
            return _ENVIRONMENTS[word]
    if not alone and not named.get(path, "manage.py").endswith("manage.py"):
        return "production"
    return "" if stem in ("settings", "__init__", "base", "common") or alone else stem


def _module(
    look: Look, path: str, environment: str, known: list[Loader], files: dict[str, Module | str | None]
) -> Iterator[MailSettings]:
    environ, config = lookups(look, path, environment, known)
    program = Program(look.tree, environ, look.uses, config, files)
    names = program.known(path, lambda name: name in ("MAILERS", "DEFAULT_FROM_EMAIL") or name.startswith("EMAIL_"))
    look.unread.extend(one for one in program.unread if one not in look.unread)
    mailers, version = names.get("MAILERS"), _version(look)
    if mailers is not None and (version is None or version >= (6, 1)):
        _both(look, path, names)
        yield from _mailers(path, environment, names, mailers, version)
        return
    values = {role: (name, names[name]) for role, name in _NAMES.items() if name in names}
    if not values:
        return
    found = roles_of({**values, **_from(names)}, path)
    backend = found.settings.get("backend")
    place = next((s.place for s in found.settings.values() if s.place is not None), Place(path))
    delivery = _delivery(None if backend is None else backend.text, found, "backend")
    plan = _plan(found, delivery, default_host="localhost", ports=(25, 25, 25), where=path)
    roles = {**found.settings, **_default_from(found)}
    yield MailSettings("django", environment, place, roles, plan, _written(version), found.unread)


def _both(look: Look, path: str, names: Mapping[str, Value]) -> None:
    """django.conf: settings that MAILERS replaces must not be there beside it."""
    for name in _NAMES.values():
        value = names.get(name)
        if value is not None:
            place = Place(value.file if isinstance(value, Known) else path, value.line)
            look.marks.append(SourceMark("mailers-and-email-settings", place, f"{name} is set beside MAILERS"))


def _from(names: Mapping[str, Value]) -> dict[str, tuple[str, Value]]:
    name = "DEFAULT_FROM_EMAIL"
    return {"from": (name, names[name])} if name in names else {}


def _default_from(found: Roles) -> dict[str, Setting]:
    if "from" in found.settings or "from" in found.lost:
        return {}
    return {"from": Setting("DEFAULT_FROM_EMAIL", _DEFAULT_FROM, None, "Django's default")}


def _mailers(
    path: str, environment: str, names: Mapping[str, Value], mailers: Value, version: tuple[int, int] | None
) -> Iterator[MailSettings]:
    """One transport for each alias (django.core.mail.handler)."""
    if isinstance(mailers, Unknown) or not isinstance(mailers.value, dict):
        found = roles_of({"backend": ("MAILERS", mailers)}, path)
        why: Any = missing("MAILERS is not known without running the program")
        yield MailSettings(
            "django", environment, Place(path), {}, Plan(why, why, why, why, "", why, why), unread=found.unread
        )
        return
    for alias, one in mailers.value.items():
        if not isinstance(one, Known) or not isinstance(one.value, dict):
            continue
        inner = one.value.get("OPTIONS")
        options = inner.value if isinstance(inner, Known) and isinstance(inner.value, dict) else {}
        head = f"MAILERS.{alias}"
        values = {role: (f"{head}.OPTIONS.{name}", options[name]) for role, name in _OPTIONS.items() if name in options}
        if "BACKEND" in one.value:
            values["backend"] = (f"{head}.BACKEND", one.value["BACKEND"])
        found = roles_of({**values, **_from(names)}, path)
        backend = found.settings.get("backend")
        delivery = _delivery(None if backend is None else backend.text, found, "backend")
        plan = _plan(found, delivery, default_host=None, ports=(465, 587, 25), where=f"{head}.OPTIONS")
        roles = {**found.settings, **_default_from(found)}
        yield MailSettings(
            "django", environment, Place(one.file, one.line), roles, plan, _written(version), found.unread
        )


def _delivery(backend: str | None, found: Roles, role: str) -> Any:
    if role in found.lost:
        return missing(f"the backend is not known: {found.lost[role]}")
    if not backend:
        return "smtp"
    for word in backend.split("."):
        if word in _DELIVERY:
            return _DELIVERY[word]
    return missing(f"{backend}: what this backend does with mail is not known here")


def _plan(found: Roles, delivery: Any, *, default_host: str | None, ports: tuple[int, int, int], where: str) -> Plan:
    """What django.core.mail.backends.smtp does. ``ports``: without a port, for TLS at once, STARTTLS and neither."""

    def fact(value: Any, *roles: str) -> Any:
        told = [found.lost[role] for role in roles if role in found.lost]
        return missing(f"{where}: {told[0]}") if told else value

    secure, starttls = bool(found.value("secure")), bool(found.value("starttls"))
    mode: Mode = "implicit" if secure else "starttls" if starttls else "clear"
    why = {
        "implicit": "use_ssl is true: TLS from the first byte",
        "starttls": "use_tls is true: no mail without STARTTLS",
        "clear": "neither use_tls nor use_ssl is true: Django does not use STARTTLS although it may be offered",
    }[mode]
    host: Any = fact(found.value("host") or default_host, "host")
    wait = seconds(found.value("socket-timeout"))
    return Plan(
        delivery=delivery,
        host=missing(f"{where} names no host: Django refuses to send") if host is None else host,
        port=fact(port_of(found.value("port"), ports[0] if secure else ports[1] if starttls else ports[2]), "port"),
        mode=fact(mode, "secure", "starttls"),
        why=why,
        verify=True,  # ssl.create_default_context()
        login=fact(found.given("user") and found.given("password"), "user", "password"),
        connect_s=wait,
        greeting_s=wait,
        socket_s=wait,
    )


def _version(look: Look) -> tuple[int, int] | None:
    """Django's version where the tree pins it."""
    for path in matching(look.tree, "requirements*.txt", "pyproject.toml", "Pipfile", "requirements/*.txt"):
        text = look.tree.text(path) or ""
        match = re.search(r"(?im)^\s*[\"']?django[\"']?\s*(?:=\s*\")?(?:==|~=|\^|=\s*\"\^?)\s*(\d+)\.(\d+)", text)
        if match is not None:
            return int(match[1]), int(match[2])
    return None


def _written(version: tuple[int, int] | None) -> str | None:
    return None if version is None else f"{version[0]}.{version[1]}"
