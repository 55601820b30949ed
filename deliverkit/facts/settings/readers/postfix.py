"""Postfix as a relay client: ``relayhost`` in main.cf, with the login and the TLS that go with it.

Sources: postconf(5), Postfix SASL Howto and TLS Readme. A value continues where a line begins with a blank, the last of
several settings counts, ``$name``, ``${name?…}`` and ``${name:…}`` are replaced. TLS at once (wrapper mode) wants both
smtp_tls_wrappermode and a level of encrypt or stronger; Postfix refuses port 465 without them.

What this file will not do: run postconf, read master.cf or tables that are not beside main.cf as text.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from deliverkit.facts.base import missing
from deliverkit.facts.settings.model import MailSettings, Mode, Plan
from deliverkit.facts.settings.readers import Look
from deliverkit.facts.settings.values import Place, Setting, Unread, ValueFault, hidden

_DEFAULTS = {
    "relayhost": "", "smtp_sasl_auth_enable": "no", "smtp_sasl_password_maps": "", "smtp_tls_wrappermode": "no",
    "smtp_sasl_security_options": "noplaintext, noanonymous", "smtp_sasl_tls_security_options":
    "$smtp_sasl_security_options", "smtp_tls_security_level": "", "smtp_use_tls": "no", "smtp_enforce_tls": "no",
    "smtp_helo_name": "$myhostname", "smtp_connect_timeout": "30s", "smtp_helo_timeout": "300s",
    "smtp_sasl_mechanism_filter": "",
}  # fmt: skip
"""postconf(5), Postfix 3.5 to 3.10."""
_SERVICES = {"smtp": 25, "submission": 587, "submissions": 465, "smtps": 465, "urd": 465}
_VERIFYING = ("verify", "secure", "fingerprint")
_MANDATORY = ("encrypt", "dane-only", *_VERIFYING)
_UNITS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_DEEPEST = 10
_LONGEST = 65_536
_INSIDE = r"(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*"  # braces within braces within braces, and no deeper
_REFERENCE = re.compile(rf"\$(?:\$|(\w+)|[{{(]\s*(\w+)\s*(?:([?:])({_INSIDE}))?[}})])", re.ASCII)
_EITHER = re.compile(rf"\s*\{{({_INSIDE})\}}\s*(?::\s*\{{({_INSIDE})\}}\s*)?", re.DOTALL)


def read(look: Look) -> Iterator[MailSettings]:
    """The relay of each main.cf that names one."""
    for path in look.tree.paths:
        if posixpath.basename(path) != "main.cf":
            continue
        values = read_main(look.tree.text(path) or "", path)
        told = _Main(values)
        if told.text("relayhost"):
            yield _settings(look, told, path)


def read_main(text: str, file: str) -> dict[str, Setting]:
    """The parameters of a main.cf, the last of each; nothing is replaced yet. Never raises."""
    found: dict[str, Setting] = {}
    logical: list[tuple[int, str]] = []
    for number, line in enumerate(text.removeprefix("\ufeff").split("\n"), 1):
        bare = line.rstrip()
        if not bare or bare.lstrip().startswith("#"):
            continue  # a comment does not end a logical line
        if line[0] in " \t" and logical:
            logical[-1] = (logical[-1][0], f"{logical[-1][1]} {bare.strip()}"[:_LONGEST])
        else:
            logical.append((number, bare))
    for number, line in logical:
        match = re.fullmatch(r"\s*([\w.-]+)\s*=\s*(.*)", line, re.DOTALL)
        if match is None:
            continue
        earlier = found.get(match[1])
        faults: tuple[ValueFault, ...] = ()
        if earlier is not None and earlier.place is not None:
            faults = (ValueFault("duplicate", f"also set in line {earlier.place.line}"),)
        found[match[1]] = Setting(match[1], match[2].strip(), Place(file, number), file, faults=faults)
    return found


@dataclass
class _Main:
    """The parameters, read with their defaults and their references replaced."""

    values: Mapping[str, Setting]

    def text(self, name: str) -> str:
        """A parameter's value."""
        setting = self.values.get(name)
        return self.replaced(setting.text or "" if setting is not None else _DEFAULTS.get(name, ""))

    def replaced(self, text: str, depth: int = 0) -> str:
        """The text with ``$name`` replaced; a circle stands for nothing."""

        def stands_for(match: re.Match[str]) -> str:
            if match[0] == "$$":
                return "$"
            name = match[1] or match[2]
            setting = self.values.get(name)
            raw = setting.text or "" if setting is not None else _DEFAULTS.get(name, "")
            value = self.replaced(raw, depth + 1)
            if match[3] is None:
                return value
            braced = _EITHER.fullmatch(match[4])  # ${name?{text}:{other}}
            text, other = (braced[1], braced[2] or "") if braced else (match[4], "")
            return self.replaced(text if bool(value) == (match[3] == "?") else other, depth + 1)

        return "" if depth > _DEEPEST else _REFERENCE.sub(stands_for, text)[:_LONGEST]

    def on(self, name: str) -> bool:
        """A parameter that is yes."""
        return self.text(name).lower() == "yes"

    def setting(self, name: str) -> Setting | None:
        """A parameter as a setting with its replaced value, None where it is not set."""
        found = self.values.get(name)
        return None if found is None else replace(found, value=self.text(name))


def _settings(look: Look, told: _Main, path: str) -> MailSettings:
    relay = told.setting("relayhost")
    place = Place(path) if relay is None or relay.place is None else relay.place
    host, port = destination(told.text("relayhost"))
    names = {
        "secure": "smtp_tls_wrappermode", "starttls": "smtp_tls_security_level", "verify": "smtp_tls_security_level",
        "mechanism": "smtp_sasl_mechanism_filter", "helo": "smtp_helo_name", "connect-timeout": "smtp_connect_timeout",
        "greeting-timeout": "smtp_helo_timeout",
    }  # fmt: skip
    roles = {role: setting for role, name in names.items() if (setting := told.setting(name)) is not None}
    if relay is not None:
        roles["host"] = replace(relay, value=host)
        roles["port"] = replace(relay, value=port)
    for name in ("smtp_use_tls", "smtp_enforce_tls"):
        setting = told.setting(name)
        if setting is not None:
            roles.setdefault("starttls", setting)
    for name in ("smtp_sasl_security_options", "smtp_sasl_tls_security_options", "smtp_sasl_password_maps"):
        setting = told.setting(name) or Setting(name, told.text(name), None, "Postfix's default")
        roles[name] = hidden(setting, always=True) if re.match(r"(?:static|inline):", setting.text or "") else setting
    unread: list[Unread] = []
    if told.on("smtp_sasl_auth_enable"):
        roles |= _login(look, told, path, unread)
    return MailSettings("postfix", look.asked or "", place, roles, _plan(told, host, port, place), unread=tuple(unread))


def destination(text: str) -> tuple[str, int]:
    """Host and port of ``[host]:port``, ``host:service`` (RFC 5321 §5.1 without brackets: the MX hosts of the name)."""
    match = re.fullmatch(r"(?:smtp:|inet:)?(\[[^\]]*\]|[^:,\s]*)(?::(\w+))?.*", text.strip(), re.DOTALL)
    if match is None:
        return text, 25
    word = (match[2] or "smtp").lower()
    return match[1].strip("[]").removeprefix("ipv6:").removeprefix("IPv6:"), int(word) if word.isdigit() and len(
        word
    ) < 6 else _SERVICES.get(word, 25)


def _plan(told: _Main, host: str, port: int, place: Place) -> Plan:
    level = told.text("smtp_tls_security_level").lower()
    by = f"smtp_tls_security_level is {level}"
    if not level:  # postconf(5): the older parameters count only where the level is not set
        level = "encrypt" if told.on("smtp_enforce_tls") else "may" if told.on("smtp_use_tls") else "none"
        by = {"none": "smtp_tls_security_level is not set: no TLS", "may": "smtp_use_tls is yes"}.get(
            level, "smtp_enforce_tls is yes"
        )
    wrapper = told.on("smtp_tls_wrappermode")
    mode: Mode
    if wrapper and level in _MANDATORY:
        mode, why = "implicit", f"smtp_tls_wrappermode is yes, and {by}: TLS from the first byte"
    elif level in _MANDATORY:
        mode, why = "starttls", f"{by}: no mail without STARTTLS"
    elif level in ("may", "dane"):
        mode, why = "opportunistic", f"{by}: STARTTLS is used where the server offers it"
    else:
        mode, why = "clear", by
    if wrapper and level not in _MANDATORY:
        why = f"smtp_tls_wrappermode counts only with smtp_tls_security_level = encrypt or stronger; {by}"
    elif port == 465 and not wrapper:
        why = f"smtp_tls_wrappermode is not yes, and Postfix defers all mail to port 465 without it; {by}"
    return Plan(
        delivery="smtp",
        host=host or missing(f"{place}: relayhost names no host"),
        port=port,
        mode=mode,
        why=why,
        verify=level in _VERIFYING,
        login=told.on("smtp_sasl_auth_enable") and bool(told.text("smtp_sasl_password_maps")),
        helo=told.text("smtp_helo_name") or None,
        connect_s=_seconds(told.text("smtp_connect_timeout")),
        greeting_s=_seconds(told.text("smtp_helo_timeout")),
        socket_s=_seconds(told.text("smtp_helo_timeout")),
    )


def _seconds(text: str) -> float | None:
    match = re.fullmatch(r"\s*([0-9]{1,9})\s*([smhdw]?)\s*", text)
    number = int(match[1]) * _UNITS[match[2]] if match else 0.0
    return number or None  # 0: without a limit


def _login(look: Look, told: _Main, path: str, unread: list[Unread]) -> dict[str, Setting]:
    """User and password of the table of passwords, for the next hop as relayhost writes it, then for its host name."""
    relay = told.text("relayhost")
    keys = (relay, destination(relay)[0])  # SASL Howto: the next hop exactly, brackets and port included
    for table in re.findall(r"(?:inline:\{[^}]*\}|[^,\s]+)", told.text("smtp_sasl_password_maps")):
        kind, _, name = table.partition(":")
        maps = told.values["smtp_sasl_password_maps"].place
        if kind == "static" and maps is not None:
            return _credentials(name, maps, path)
        if kind not in ("hash", "lmdb", "btree", "texthash", "cdb", "dbm"):
            unread.append(Unread(maps or Place(path), f"smtp_sasl_password_maps = {kind}:", "it is no table of text"))
            continue
        file = posixpath.join(posixpath.dirname(path), posixpath.basename(name))
        text = look.tree.text(file) if file in look.tree.paths else None
        if text is None:
            unread.append(Unread(maps or Place(path), f"smtp_sasl_password_maps = {table}", f"{file} is not there"))
            continue
        rows = _rows(text)
        for key in keys:
            if key in rows:
                return _credentials(rows[key][1], Place(file, rows[key][0]), file)
        setting = Setting("smtp_sasl_password_maps", table, maps, path)
        others = tuple(other for other in rows if destination(other)[0] == keys[1])
        detail = f"{relay} is not among its keys" + (f", only {others[0]}" if others else "")
        return {"smtp_sasl_password_maps": replace(setting, faults=(ValueFault("key-not-found", detail),))}
    return {}


def _rows(text: str) -> dict[str, tuple[int, str]]:
    """The table's keys, each with its line and its value."""
    rows: dict[str, tuple[int, str]] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.lstrip().startswith("#") and line[0] not in " \t":
            key, _, value = line.partition(" ") if "\t" not in line.split(" ", 1)[0] else line.partition("\t")
            rows.setdefault(key.strip(), (number, value.strip()))
    return rows


def _credentials(text: str, place: Place, layer: str) -> dict[str, Setting]:
    user, colon, password = text.partition(":")
    found = {"user": Setting("user", user, place, layer)}
    if colon:
        found["password"] = hidden(Setting("password", password, place, layer), always=True)
    return found
