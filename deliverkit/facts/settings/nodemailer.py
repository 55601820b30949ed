"""Nodemailer's own law: what it does with the options of ``createTransport``.

Read out of Nodemailer 9 (lib/nodemailer.js, smtp-transport, smtp-connection, shared.parseConnectionUrl, well-known) and
held against it in tests/peers. What this file will not do: find options in source, or judge.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Mapping
from typing import Any

from deliverkit.data import nodemailer_services
from deliverkit.facts.base import missing
from deliverkit.facts.settings.model import Mode, Plan
from deliverkit.facts.settings.source.ecmascript import UNDEFINED, to_number, truthy
from deliverkit.facts.settings.url import MailUrl, read_mail_url
from deliverkit.facts.settings.values import Place

TRANSPORTS = {"sendmail": "sendmail", "streamTransport": "memory", "jsonTransport": "memory", "SES": "api"}
"""Options that choose another way than SMTP, in the order in which they are looked at; ``pool`` comes before them."""
CONNECT_S, GREETING_S, SOCKET_S = 120.0, 30.0, 600.0
LOST = object()
"""A value that only a run could tell."""


@functools.cache
def _services() -> dict[str, dict[str, Any]]:
    return {_service_key(name): entry for entry in nodemailer_services() for name in entry["names"]}


def _service_key(name: str) -> str:
    return re.sub(r"[^a-zA-Z0-9.-]", "", name.split("@")[-1]).lower()


def service(name: str) -> dict[str, Any] | None:
    """What Nodemailer puts for a service: host, port, secure, requireTLS, ignoreTLS, authMethod, as far as it does.

    None for one it does not know: nothing is put, and the host stays localhost where none is given.
    """
    found = _services().get(_service_key(name))
    return None if found is None else {k: v for k, v in found.items() if k != "names"}


def of_url(url: str) -> dict[str, Any] | None:
    """The options that a URL stands for, flat ("auth.user"); None for one Nodemailer does not take.

    ``secure`` is set by the scheme, so that a ``smtp:`` URL waits for a greeting in the clear on port 465 as well, and
    no ``?secure=true`` changes it (shared.parseConnectionUrl: a query never sets what is set already).
    """
    read: MailUrl | None = read_mail_url(url)
    if read is None or read.scheme not in ("smtp", "smtps", "direct"):
        return None
    told: dict[str, Any] = {} if read.scheme == "direct" else {"secure": read.scheme == "smtps"}
    told |= {"host": read.host} if read.host else {}
    told |= {"port": read.port} if read.port else {}
    if read.user is not None or read.password is not None:
        told |= {"auth.user": read.user or "", "auth.pass": read.password.reveal() if read.password else ""}
    for name, value in read.options.items():
        if "." in name and not name.startswith("tls."):
            continue
        told.setdefault(name, _of_query(value))
    return told


def _of_query(value: str) -> Any:
    """``true`` and ``false`` are truth, what is a number is one."""
    if value in ("true", "false"):
        return value == "true"
    number = to_number(value)
    return value if isinstance(number, float) and math.isnan(number) else number


def plan_of(options: Mapping[str, Any], place: Place, *, unverified: bool = False) -> Plan:
    """What Nodemailer will do with flat options ("auth.user"); `LOST` stands for what only a run could tell.

    ``unverified``: NODE_TLS_REJECT_UNAUTHORIZED=0 switches certificates' verification off for the whole process.
    """
    other = next((name for name in TRANSPORTS if _true(options.get(name))), None)
    if other is not None and not _true(options.get("pool")):
        return Plan(TRANSPORTS[other], "", 0, "clear", f"{other} is set: SMTP is not used", True, False)
    told, why = _with_service(options)
    mode, port, because = _start(told)
    host = told.get("host", UNDEFINED)
    verify = told.get("tls.rejectUnauthorized", UNDEFINED)
    login = [told[name] for name in told if name == "auth" or name.startswith("auth.")]
    kind = told.get("auth.type")
    oauth = isinstance(kind, str) and kind.upper() == "OAUTH2"

    def fact(value: Any, name: str) -> Any:
        return missing(f"{place}: {name} is not known without running the program") if value is LOST else value

    return Plan(
        delivery="smtp",
        host=fact(LOST if host is LOST else str(host) if truthy(host) else "localhost", "host"),
        port=fact(port, "port"),
        mode=fact(mode, "secure"),
        why=why + because,
        verify=fact(
            LOST if verify is LOST else verify is not False and not (verify is UNDEFINED and unverified), "verify"
        ),
        login=fact(LOST if LOST in login and "auth.user" not in told else bool(login), "auth"),
        mechanism="XOAUTH2" if oauth else _method(told),
        helo=name if isinstance(name := told.get("name"), str) and name else None,
        connect_s=fact(_seconds(told.get("connectionTimeout"), CONNECT_S), "connectionTimeout"),
        greeting_s=fact(_seconds(told.get("greetingTimeout"), GREETING_S), "greetingTimeout"),
        socket_s=fact(_seconds(told.get("socketTimeout"), SOCKET_S), "socketTimeout"),
    )


def _true(value: Any) -> bool:
    return value is not None and value is not LOST and truthy(value)


def _with_service(options: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """The options with what the service puts over them, and the sentence that says so."""
    told, name = dict(options), options.get("service")
    if name is LOST:
        return {**told, "host": LOST, "port": LOST, "secure": LOST}, ""
    if not isinstance(name, str) or not name:
        return told, ""
    found = service(name)
    if found is None:
        return told, f"service {name!r} is none that Nodemailer knows, so it sets nothing; "
    return {**told, **found}, f"service {name!r} sets {', '.join(found)}, whatever else is given; "


def _start(told: Mapping[str, Any]) -> tuple[Any, Any, str]:
    """How TLS begins, the port, and why (the constructor of SMTPConnection, _actionEHLO)."""
    secure, given = told.get("secure", UNDEFINED), told.get("port", UNDEFINED)
    if given is LOST:
        port: Any = LOST
    else:
        number = to_number(given) if not isinstance(given, (dict, tuple)) else math.nan
        usable = isinstance(number, (int, float)) and number and not math.isnan(number)
        port = (
            int(number)
            if usable and math.isfinite(number)
            else LOST
            if secure is LOST
            else 465
            if truthy(secure)
            else 587
        )
    if secure is LOST or (secure is UNDEFINED and port is LOST):
        return LOST, port, "how TLS begins is not known without running the program"
    if secure is UNDEFINED and port == 465:
        return "implicit", port, "without secure, Nodemailer starts TLS at once on port 465"
    if truthy(secure):
        return "implicit", port, _why_true(secure)
    mode: Mode = "opportunistic"
    why = "STARTTLS is used where the server offers it"
    if LOST in (told.get("ignoreTLS"), told.get("requireTLS")):
        return LOST, port, "how TLS begins is not known without running the program"
    if _true(told.get("ignoreTLS")):
        mode, why = "clear", "ignoreTLS: STARTTLS is not used although it is offered"
    elif _true(told.get("requireTLS")):
        mode, why = "starttls", "requireTLS: no mail without STARTTLS"
    not_true = "secure is not set" if secure is UNDEFINED else f"secure is {_shown(secure)}, which is not true"
    return mode, port, f"{not_true}; {why}" if mode == "opportunistic" else why


def _why_true(secure: Any) -> str:
    if isinstance(secure, str):
        return f"secure is the text {secure!r}, and JavaScript takes every text but the empty one as true"
    return "secure is true: TLS from the first byte"


def _shown(value: Any) -> str:
    return repr(value) if isinstance(value, str) else "null" if value is None else str(value).lower()


def _method(told: Mapping[str, Any]) -> str | None:
    method = told.get("auth.method") or told.get("authMethod")
    return method.upper() if isinstance(method, str) else None


def _seconds(value: Any, default: float) -> Any:
    """``options.connectionTimeout || CONNECTION_TIMEOUT``, in milliseconds; a timer takes a text for its number."""
    if value is LOST:
        return LOST
    if value is None or value is UNDEFINED or not truthy(value):
        return default
    number = to_number(value) if isinstance(value, (str, int, float)) else math.nan
    usable = isinstance(number, (int, float)) and not math.isnan(number) and 0 < number < 2**31
    return number / 1000 if usable else 0.001  # Node.js: any other delay is one millisecond
