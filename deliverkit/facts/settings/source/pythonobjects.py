"""What is known of the objects a Python program makes: calls on them, their From, their TLS context, their plan.

What this file will not do: know one library's defaults (the readers do).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from email.utils import formataddr
from typing import Any

from deliverkit.facts.base import missing
from deliverkit.facts.settings.model import Plan
from deliverkit.facts.settings.source.javascript import Known, Value
from deliverkit.facts.settings.source.python import Called, Made, Named, plain, truthy
from deliverkit.facts.settings.source.pythonenv import Roles, port_of
from deliverkit.facts.settings.values import Place, Setting

RoleValues = dict[str, tuple[str, Value]]


def given_roles(values: Mapping[str, tuple[str, Value | None]]) -> RoleValues:
    return {role: (name, value) for role, (name, value) in values.items() if value is not None}


def last_call(made: Made, *names: str) -> Called | None:
    return next((one for one in reversed(made.calls) if one.name in names), None)


def argument_of(call: Called | None, at: int, name: str) -> Value | None:
    if call is None:
        return None
    return call.keywords.get(name, call.positional[at] if at < len(call.positional) else None)


def address_of(value: Value | None) -> Value | None:
    """A From as text: ``formataddr((name, address))`` is taken apart; of a `Header` none can be read."""
    if not isinstance(value, Known):
        return None
    inner = value.value
    if isinstance(inner, Made) and inner.dotted == "email.utils.formataddr" and inner.positional:
        pair = inner.positional[0]
        if isinstance(pair, Known) and isinstance(pair.value, tuple) and len(pair.value) == 2:
            name, address = pair.value
            if isinstance(address, Known) and plain(address) and address.value:
                told = str(name.value) if isinstance(name, Known) and plain(name) and name.value else ""
                try:
                    return replace(address, value=formataddr((told, str(address.value))))
                except UnicodeError:
                    return address
        return None
    if isinstance(inner, tuple) and len(inner) == 2 and plain(inner[1]):
        return inner[1]  # type: ignore[no-any-return]
    return value if isinstance(inner, str) else None


def sender_of(made: Made) -> Value | None:
    """The From of what an object sends: of the message, else the sender in the envelope."""
    call = last_call(made, "send_message", "sendmail")
    if call is None:
        return None
    at = 0 if call.name == "send_message" else 2
    message = call.positional[at] if at < len(call.positional) else None
    inner = message.value if isinstance(message, Known) else None
    if isinstance(inner, Made):
        header = address_of(from_header(inner))
        if header is not None:
            return header
    return (
        address_of(argument_of(call, 0, "from_addr")) if call.name == "sendmail" else argument_of(call, 1, "from_addr")
    )


def from_header(message: Made) -> Value | None:
    return next((value for name, value in message.attributes.items() if name.lower() == "from"), None)


def verified(context: Value | None, default: bool, lost: str) -> Any:
    """True if a context checks certificates; what is no context of the module ``ssl`` is not known."""
    if context is None or (isinstance(context, Known) and context.value is None):
        return default
    inner = context.value if isinstance(context, Known) else None
    if not isinstance(inner, Made):
        return missing(lost)
    if inner.dotted in ("ssl._create_unverified_context", "ssl._create_stdlib_context"):
        return False
    if inner.dotted not in ("ssl.create_default_context", "ssl.SSLContext", "ssl._create_default_https_context"):
        return missing(lost)
    checks = _is_client(inner) if inner.dotted == "ssl.SSLContext" else True
    mode, names = inner.attributes.get("verify_mode"), inner.attributes.get("check_hostname")
    if isinstance(mode, Known) and isinstance(mode.value, Named):
        checks = not mode.value.dotted.endswith("CERT_NONE")
    if names is not None and truthy(names) is False:
        checks = False
    return checks


def _is_client(context: Made) -> bool:
    """PROTOCOL_TLS_CLIENT checks by default; PROTOCOL_TLS and the older ones do not (module ``ssl``)."""
    first = context.argument(0, "protocol")
    return isinstance(first, Known) and isinstance(first.value, Named) and first.value.dotted.endswith("TLS_CLIENT")


def verify_setting(context: Value | None, verify: Any) -> dict[str, Setting]:
    """Where the check is switched off, if it is by somebody's own line."""
    if verify is not False or not isinstance(context, Known) or not isinstance(context.value, Made):
        return {}
    made = context.value
    odd = [v for n in ("verify_mode", "check_hostname") if isinstance(v := made.attributes.get(n), Known)]
    place = Place(odd[0].file, odd[0].line) if odd else made.place
    return {"verify": Setting("context", made.dotted.rpartition(".")[2] if not odd else "CERT_NONE", place, place.file)}


def plan_of(
    found: Roles, where: Place, *, mode: Any, why: str, verify: Any, login: Any, delivery: Any = "smtp",
    default_host: Any = "localhost", default_port: int, wait: float | None = None,
) -> Plan:  # fmt: skip
    def fact(value: Any, *roles: str) -> Any:
        told = [found.lost[role] for role in roles if role in found.lost]
        return missing(f"{where}: {told[0]}") if told else value

    told_wait: Any = fact(wait, "socket-timeout")
    return Plan(
        delivery=delivery,
        host=fact(found.value("host") or default_host, "host"),
        port=fact(port_of(found.value("port"), default_port), "port"),
        mode=mode,
        why=why,
        verify=verify,
        login=login,
        helo=fact(None if found.value("helo") is None else str(found.value("helo")), "helo"),
        connect_s=told_wait,
        greeting_s=told_wait,
        socket_s=told_wait,
    )
