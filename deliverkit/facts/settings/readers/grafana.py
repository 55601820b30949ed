"""Grafana: section ``[smtp]`` of grafana.ini, custom.ini and defaults.ini, and ``GF_SMTP_*`` variables over them.

Sources: Grafana documentation "Configure Grafana", section [smtp], and its "Override configuration with environment
variables"; the mail library (gopkg.in/mail.v2): port 465 begins TLS at once, everything else by ``startTLS_policy``.
Variables are those of containers (Compose, Kubernetes) and of the process.

What this file will not do: ask a vault for ``$__vault{…}``.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace

from deliverkit.facts.base import missing
from deliverkit.facts.settings.model import MailSettings, Mode, Plan
from deliverkit.facts.settings.readers import Look
from deliverkit.facts.settings.values import PROCESS, Place, Setting, Unread, ValueFault, hidden

_ROLES = {
    "backend": "enabled", "host": "host", "user": "user", "password": "password", "verify": "skip_verify",
    "from": "from_address", "helo": "ehlo_identity", "starttls": "startTLS_policy",
}  # fmt: skip
_FILES = {"defaults.ini": 0, "custom.ini": 1, "grafana.ini": 1}
_POLICIES: dict[str, tuple[Mode, str]] = {
    "NoStartTLS": ("clear", "startTLS_policy is NoStartTLS: STARTTLS is not used although it is offered"),
    "MandatoryStartTLS": ("starttls", "startTLS_policy is MandatoryStartTLS: no mail without STARTTLS"),
}
_TIMEOUT_S = 10.0  # mail.v2, NewDialer


def read(look: Look) -> Iterator[MailSettings]:
    """Grafana's mail, for each folder with its configuration and each container that sets GF_SMTP_*."""
    found = [path for path in look.tree.paths if posixpath.basename(path) in _FILES]
    homes: dict[str, dict[str, Setting]] = {}
    for path in sorted(found, key=lambda one: _FILES[posixpath.basename(one)]):
        values = _section(look, path)
        if values:
            home = re.sub(r"(?:^|/)(?:conf|etc/grafana|etc)$", "", posixpath.dirname(path))
            _over(homes.setdefault(home, {}), values)
    process = {n: Setting(n, v, Place(PROCESS), PROCESS) for n, v in look.process.items()}
    used = False
    for block in look.blocks:
        named = _of_variables(look, block.values)
        if named:
            home = posixpath.dirname(block.place.file)
            base = next((homes[one] for one in homes if one in (home, f"{home}/{block.name}".strip("/"))), None)
            if base is None and len(homes) == 1:
                base = next(iter(homes.values()))
            values = dict(base or {})
            used = used or base is not None
            yield _settings(_over(values, named), look.asked or block.environment or "", block.place)
    for values in homes.values() if not used else ():
        _over(values, _of_variables(look, process))
        if any(setting.layer != PROCESS for setting in values.values()):
            yield _settings(values, look.asked or "", next(iter(values.values())).place or Place("grafana.ini"))


def _over(values: dict[str, Setting], stronger: Mapping[str, Setting]) -> dict[str, Setting]:
    for name, setting in stronger.items():
        losers = (values[name], *values[name].shadowed) if name in values else ()
        values[name] = replace(setting, shadowed=(*setting.shadowed, *losers))
    return values


def _of_variables(look: Look, values: Mapping[str, Setting]) -> dict[str, Setting]:
    names = {f"GF_SMTP_{key.upper()}": key for key in _ROLES.values()}
    found = {names[name]: setting for name, setting in values.items() if name in names}
    for name, setting in values.items():
        if name.endswith("__FILE") and name.removesuffix("__FILE") in names:
            look.unread.append(Unread(setting.place or Place(PROCESS), name, "a file of the container; it is not read"))
            key = names[name.removesuffix("__FILE")]
            found[key] = replace(setting, value=None)
    return found


def _section(look: Look, path: str) -> dict[str, Setting]:
    """The section [smtp] of a file: a line that begins with ; or # is a comment, and so is what follows a blank and
    one of them; a value with # or ; stands in triple quotation marks.
    """
    found: dict[str, Setting] = {}
    section = ""
    for number, line in enumerate((look.tree.text(path) or "").splitlines(), 1):
        bare = line.strip().removeprefix("\ufeff")
        if bare.startswith("[") and bare.endswith("]"):
            section = bare[1:-1].strip()
        elif section == "smtp" and bare and bare[0] not in ";#" and "=" in bare:
            name, _, written = (part.strip() for part in bare.partition("="))
            setting = _ini_value(name, written, Place(path, number))
            if name in found:
                setting = replace(setting, faults=(*setting.faults, ValueFault("duplicate")))
            found[name] = _expanded(look, setting)
    return {name: setting for name, setting in found.items() if name in _ROLES.values()}


def _ini_value(name: str, written: str, place: Place) -> Setting:
    for mark in ('"""', "`", '"', "'"):
        if written.startswith(mark) and written.endswith(mark) and len(written) >= 2 * len(mark):
            return Setting(name, written[len(mark) : -len(mark)], place, place.file)
    cut = re.split(r"\s[;#]|[;#](?=.*$)" if name == "password" else r"\s[;#]", written, maxsplit=1)[0].rstrip()
    faults: tuple[ValueFault, ...] = ()
    if cut != written and name == "password":
        lost = len(written) - len(cut)
        faults = (ValueFault("comment-cut", f"{lost} characters from # or ; on are a comment"),)
    return Setting(name, cut, place, place.file, faults=faults)


def _expanded(look: Look, setting: Setting) -> Setting:
    """``$__env{NAME}`` and ``${NAME}`` of the process; ``$__file{…}`` and ``$__vault{…}`` are not here."""
    match = re.fullmatch(r"\$__(env|file|vault)\{(.*)\}|\$\{(\w+)\}", setting.text or "")
    if match is None:
        return setting
    name = match[3] or match[2]
    if match[1] in (None, "env"):
        told = look.process.get(name)
        via = Setting(name, told, Place(PROCESS) if told is not None else None, PROCESS if told is not None else "")
        return replace(setting, value=told, via=via)
    if setting.place is not None:
        look.unread.append(Unread(setting.place, f"$__{match[1]}{{…}}", "it is not read"))
    return replace(setting, value=None)


def _settings(values: Mapping[str, Setting], environment: str, place: Place) -> MailSettings:
    roles = {role: values[key] for role, key in _ROLES.items() if key in values}
    if "host" in roles:  # host:port in one
        host = roles["host"]
        name, port = _host_and_port(host.text)
        roles["host"] = replace(host, value=name) if host.text is not None else host
        if port is not None:
            roles["port"] = replace(host, value=port, shadowed=())
    if "password" in roles:
        roles["password"] = hidden(roles["password"], always=True)
    return MailSettings("grafana", environment, place, roles, _plan(roles, place))


def _host_and_port(text: str | None) -> tuple[str | None, str | None]:
    match = re.fullmatch(r"\s*(\[[^\]]*\]|[^:]*)(?::(.*?))?\s*", text or "")
    return (match[1].strip("[]"), match[2]) if match else (text, None)


def _plan(roles: Mapping[str, Setting], place: Place) -> Plan:
    def text(role: str) -> str:
        found = roles.get(role)
        return "" if found is None else (found.text or "").strip()

    def fact(role: str, value: object) -> object:
        found = roles.get(role)
        lost = found is not None and found.value is None
        return missing(f"{place}: {role} is not known without running the program") if lost else value

    enabled = text("backend").lower() in ("true", "1", "t", "yes", "on", "y")
    digits = text("port")
    port = int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 6 else 25
    mode, why = _POLICIES.get(
        text("starttls"),
        ("opportunistic", "without a startTLS_policy Grafana uses STARTTLS where the server offers it"),
    )
    if port == 465:
        mode, why = "implicit", "Grafana begins TLS at once on port 465, and on no other"
    if not enabled:
        why = "smtp.enabled is not true: Grafana sends no mail"
    return Plan(
        delivery=fact("backend", "smtp" if enabled else "none"),  # type: ignore[arg-type]
        host=fact("host", text("host") or "localhost"),  # type: ignore[arg-type]
        port=fact("host", port),  # type: ignore[arg-type]
        mode=fact("starttls", mode),  # type: ignore[arg-type]
        why=why,
        verify=text("verify").lower() not in ("true", "1", "t", "yes", "on"),
        login=bool(text("user")) or ("user" in roles and roles["user"].value is None),
        helo=text("helo") or None,
        connect_s=_TIMEOUT_S,
        greeting_s=_TIMEOUT_S,
        socket_s=_TIMEOUT_S,
    )
