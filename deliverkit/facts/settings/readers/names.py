"""Well-known names of variables (SMTP_HOST, MAIL_PORT, EMAIL_USE_TLS …) of a container whose program nobody reads here.

What such a program does with them only it can tell, so the mode is known only where a word names it (``starttls``,
``smtps``). What this file will not do: take variables for a transport that another reader has found already.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from deliverkit.facts.base import missing
from deliverkit.facts.settings.blocks import Block
from deliverkit.facts.settings.model import MailSettings, Mode, Plan
from deliverkit.facts.settings.readers import Look
from deliverkit.facts.settings.url import is_mail_url, masked_url, read_mail_url
from deliverkit.facts.settings.values import Setting, Unread, hidden

_PREFIX = re.compile(r"(?:[A-Z0-9]+_)*?((?:SMTPS?|E?MAIL(?:ER)?)(?:_(?:SERVER|SMTP|CONFIG))?)_(.+)")
_ROLES = {
    "host": ("HOST", "HOSTNAME", "SERVER", "ADDRESS_HOST"),
    "port": ("PORT",),
    "secure": ("SECURE", "ENCRYPTION", "SECURITY", "USE_SSL", "SSL", "USE_TLS", "TLS", "SCHEME", "PROTOCOL"),
    "starttls": ("STARTTLS", "USE_STARTTLS", "ENABLE_STARTTLS"),
    "user": ("USER", "USERNAME", "LOGIN", "HOST_USER", "AUTH_USER"),
    "password": ("PASS", "PASSWORD", "PASSWD", "HOST_PASSWORD", "AUTH_PASS", "AUTH_PASSWORD"),
    "from": ("FROM", "FROM_ADDRESS", "SENDER", "DEFAULT_FROM"),
    "url": ("URL", "DSN", "URI"),
}
_WORDS: dict[str, Mode] = {
    "starttls": "starttls", "smtps": "implicit", "ssl": "implicit", "implicit": "implicit", "force_tls": "implicit",
    "none": "clear", "off": "clear",
}  # fmt: skip
_OTHERS = ("GF_", "SPRING_")  # names that have a reader of their own


def transports(look: Look, kind: str) -> Iterator[MailSettings]:
    """A transport for each container of this kind whose variables name a host and that no reader has claimed."""
    claimed = {_key(setting) for one in look.found for setting in _all(one.roles)}
    told: set[tuple[object, ...]] = set()
    for block in look.blocks:
        if block.kind != kind or (
            look.asked and block.environment and not block.strength(look.asked, block.folder or "")
        ):
            continue
        for roles in _groups(block):
            if any(_key(setting) in claimed for setting in _all(roles)):
                continue
            places = tuple(sorted((role, _key(setting)) for role, setting in roles.items()))
            if places not in told:  # several containers share one block (YAML anchors, env_file)
                told.add(places)
                yield _settings(look, block, roles)


def _groups(block: Block) -> Iterator[dict[str, Setting]]:
    """The variables in their roles, one group for each prefix that has a host or a URL."""
    found: dict[str, dict[str, Setting]] = {}
    for name, setting in block.values.items():
        match = _PREFIX.fullmatch(name)
        if match is None or name.startswith(_OTHERS):
            continue
        role = next((role for role, words in _ROLES.items() if match[2] in words), None)
        if role is not None:
            found.setdefault(name[: match.end(1)], {}).setdefault(role, setting)
    yield from (roles for roles in found.values() if "host" in roles or _is_url(roles))


def _is_url(roles: Mapping[str, Setting]) -> bool:
    url = roles.get("url")
    return url is not None and isinstance(url.value, str) and is_mail_url(url.value)


def _settings(look: Look, block: Block, roles: dict[str, Setting]) -> MailSettings:
    place = roles.get("host", next(iter(roles.values()))).place or block.place
    unread = [
        Unread(s.place or place, name, "set where the container is started: not in this tree")
        for name, s in ((s.name, s) for s in roles.values())
        if s.value is None
    ]
    plan = _plan(roles)
    kept: dict[str, Setting] = {}
    for role, setting in roles.items():
        if role == "password":
            setting = hidden(setting, always=True)
        elif role == "url":
            setting = replace(setting, value=masked_url(str(setting.value)), via=None, shadowed=())
        kept[role] = setting
    return MailSettings("env", look.asked or block.environment or "", place, kept, plan, unread=tuple(unread))


def _plan(roles: Mapping[str, Setting]) -> Plan:
    """What the names alone tell."""

    def only_the_program(what: str) -> Any:
        return missing(f"{what} is known to the program in the container alone")

    url = read_mail_url(str(roles["url"].value)) if _is_url(roles) else None
    host = url.host if url is not None else _text(roles, "host")
    port = str(url.port or "") if url is not None else _text(roles, "port")
    words = [url.scheme] if url is not None else [_text(roles, "secure"), _text(roles, "starttls") and "starttls"]
    mode = next((_WORDS[word.lower()] for word in words if word.lower() in _WORDS), None)
    if _text(roles, "starttls").lower() in ("false", "0", "no") and not url:
        mode = None
    login = bool(url.user) if url is not None else "user" in roles or "password" in roles
    return Plan(
        delivery="smtp",
        host=host or only_the_program("the host"),
        port=int(port) if re.fullmatch(r"[0-9]{1,5}", port) else only_the_program("the port"),
        mode=mode or only_the_program("how TLS begins"),
        why=f"{roles['secure'].name} says so" if mode and "secure" in roles else "",
        verify=only_the_program("whether the certificate is checked"),
        login=login,
        connect_s=only_the_program("the timeout"),
        greeting_s=only_the_program("the timeout"),
        socket_s=only_the_program("the timeout"),
    )


def _text(roles: Mapping[str, Setting], role: str) -> str:
    setting = roles.get(role)
    return "" if setting is None or setting.text is None else setting.text.strip()


def _key(setting: Setting) -> tuple[str, str]:
    origin = setting.origin
    return origin.name, str(origin.place)


def _all(roles: Mapping[str, Setting]) -> Iterator[Setting]:
    """The settings of a transport, what they were taken from, and what lost."""
    stack = list(roles.values())
    while stack:
        setting = stack.pop()
        yield setting
        stack.extend(setting.shadowed)
        if setting.via is not None:
            stack.append(setting.via)
