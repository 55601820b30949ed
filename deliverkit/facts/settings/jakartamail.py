"""What JavaMail (Jakarta Mail, Angus Mail) does with the properties of a session: the law of com.sun.mail.smtp.

Sources: the package's documentation (every ``mail.smtp.*`` property with its default), SMTPTransport, SocketFetcher and
PropUtil. Port 25 without TLS and no timeout at all are the defaults; the protocol "smtps" begins TLS at once, has port
465 and reads ``mail.smtps.*`` only.

What this file will not do: read files.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from deliverkit.facts.base import missing
from deliverkit.facts.settings.model import Mode, Plan
from deliverkit.facts.settings.values import Place, Setting, hidden

_NAMES = frozenset(
    (
        "user", "host", "port", "connectiontimeout", "timeout", "writetimeout", "from", "localhost", "localaddress",
        "localport", "ehlo", "auth", "auth.mechanisms", "auth.login.disable", "auth.plain.disable",
        "auth.digest-md5.disable", "auth.ntlm.disable", "auth.ntlm.domain", "auth.ntlm.flags", "auth.xoauth2.disable",
        "auth.xoauth2.two.line.authentication.format", "submitter", "dsn.notify", "dsn.ret", "allow8bitmime",
        "sendpartial", "sasl.enable", "sasl.mechanisms", "sasl.authorizationid", "sasl.realm",
        "sasl.usecanonicalhostname", "sasl.callbackhandler", "quitwait", "quitonsessionreject", "reportsuccess",
        "socketFactory", "socketFactory.class", "socketFactory.fallback", "socketFactory.port", "ssl.enable",
        "ssl.checkserveridentity", "ssl.trust", "ssl.socketFactory", "ssl.socketFactory.class",
        "ssl.socketFactory.port", "ssl.protocols", "ssl.ciphersuites", "starttls.enable", "starttls.required",
        "proxy.host", "proxy.port", "proxy.user", "proxy.password", "socks.host", "socks.port", "mailextension",
        "userset", "noop.strict", "class", "debug", "usesocketchannels", "executor", "bdat", "chunksize",
        "ssl.checkserveridentity.enable", "ssl.hostnameverifier", "ssl.hostnameverifier.class", "chunksize",
    )
)  # fmt: skip
"""What the protocol provider reads below ``mail.smtp.`` (Angus Mail's package documentation included)."""


@dataclass
class Session:
    """The properties of a session and what connect() is given. A setting with the value None is not known here."""

    properties: dict[str, Setting] = field(default_factory=dict)
    protocol: Setting | None = None
    host: Setting | None = None
    port: Setting | None = None
    user: Setting | None = None
    password: Setting | None = None
    unknown: set[str] = field(default_factory=set)
    """Roles that only a run could tell."""

    @property
    def word(self) -> str:
        """The protocol: what the program says, else ``mail.transport.protocol``, else smtp."""
        told = self.protocol or self.properties.get("mail.transport.protocol")
        return (told.text or "smtp").lower() if told is not None else "smtp"

    def own(self, name: str) -> Setting | None:
        """A property of the protocol in use."""
        return self.properties.get(f"mail.{self.word}.{name}")

    def roles(self) -> dict[str, Setting]:
        """The settings in the roles that rules know."""
        found = {
            "host": self.host or self.own("host") or self.properties.get("mail.host"),
            "port": self.port or self.own("port"),
            "secure": self._secure(),
            "starttls": self.own("starttls.required") if self.on("starttls.required") else self.own("starttls.enable"),
            "verify": self.own("ssl.trust"),
            "user": self.user or self.own("user") or self.properties.get("mail.user"),
            "password": self.password,
            "mechanism": self.own("auth.mechanisms"),
            "from": self.own("from") or self.properties.get("mail.from"),
            "helo": self.own("localhost"),
            "connect-timeout": self.own("connectiontimeout"),
            "socket-timeout": self.own("timeout"),
            "debug": self.properties.get("mail.debug"),
        }
        kept = {role: setting for role, setting in found.items() if setting is not None}
        if "password" in kept:
            kept["password"] = hidden(kept["password"], always=True)
        return kept

    def _secure(self) -> Setting | None:
        """What makes TLS begin at once, or could."""
        if self.word == "smtps":
            return self.protocol or self.properties.get("mail.transport.protocol")
        return self.own("ssl.enable") or self.own("socketFactory.class")

    def on(self, name: str) -> bool:
        """PropUtil.getBooleanProperty with the default false: "true" whatever its case."""
        found = self.own(name)
        return found is not None and (found.text or "").lower() == "true"


def plan_of(session: Session, place: Place, *, prefix: str = "") -> Plan:
    """What JavaMail will do. ``prefix``: what stands before a property's name where people write it."""
    roles = session.roles()
    lost = session.unknown | {
        role for role, setting in roles.items() if setting.value is None and role not in ("from", "debug")
    }

    def fact(role: str, value: Any, *others: str) -> Any:
        gone = next((one for one in (role, *others) if one in lost), None)
        return value if gone is None else missing(f"{place}: {gone} is not known without running the program")

    mode, why, port = _mode(session, prefix)
    host = roles.get("host")
    user = roles.get("user")
    trust = roles.get("verify")
    login = user is not None and user.text != "" and (session.password is not None or session.on("auth"))
    timeout = _seconds(roles.get("socket-timeout"))
    mechanism = roles.get("mechanism")
    return Plan(
        delivery="smtp",
        host=fact("host", (host.text if host is not None else None) or "localhost"),
        port=fact("port", _number(roles.get("port")) or port, "secure"),
        mode=fact("secure", mode, "starttls"),
        why=why,
        verify=fact("verify", trust is None or "*" not in (trust.text or "").split()),
        login=login,
        mechanism=(mechanism.text or "").split()[0] if mechanism is not None and mechanism.text else None,
        helo=(roles["helo"].text if "helo" in roles else None) or None,
        connect_s=fact("connect-timeout", _seconds(roles.get("connect-timeout"))),
        greeting_s=fact("socket-timeout", timeout),
        socket_s=fact("socket-timeout", timeout),
    )


def _mode(session: Session, prefix: str) -> tuple[Mode, str, int]:
    """How TLS begins, by which law, and the port where none is set."""
    name = f"{prefix}mail.{session.word}"
    if session.word == "smtps":
        return "implicit", "the protocol smtps begins TLS at once", 465
    if session.on("ssl.enable"):
        return "implicit", f"{name}.ssl.enable is true: TLS from the first byte", 465
    factory = session.own("socketFactory.class")
    if factory is not None and "SSLSocketFactory" in (factory.text or ""):
        port = _number(session.own("socketFactory.port")) or _number(session.port or session.own("port")) or 25
        fallback = session.own("socketFactory.fallback")
        if (fallback is not None and (fallback.text or "").lower() == "false") or port in (465, 2465):
            return "implicit", f"{name}.socketFactory.class makes TLS sockets: TLS from the first byte", port
    if session.on("starttls.required"):
        return "starttls", f"{name}.starttls.required is true: no mail without STARTTLS", 25
    if session.on("starttls.enable"):
        return "opportunistic", f"{name}.starttls.enable is true: STARTTLS is used where the server offers it", 25
    return "clear", f"neither {name}.ssl.enable nor {name}.starttls.enable is true: TLS is never used", 25


def _number(setting: Setting | None) -> int | None:
    """Integer.parseInt; what is no number counts as none (PropUtil)."""
    text = "" if setting is None else setting.text or ""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else None


def _seconds(setting: Setting | None) -> float | None:
    """Milliseconds as seconds; without a number JavaMail waits for ever, and so with 0 (Socket.setSoTimeout)."""
    number = _number(setting)
    return number / 1000 if number else None


def never_read(properties: Mapping[str, Setting], word: str) -> list[tuple[Setting, str]]:
    """Properties about sending mail that JavaMail never reads with this protocol, each with the reason."""
    found: list[tuple[Setting, str]] = []
    other = "smtp" if word == "smtps" else "smtps"
    own = {name.removeprefix(f"mail.{word}.") for name in properties if name.startswith(f"mail.{word}.")}
    for name, setting in properties.items():
        if name.startswith(f"mail.{other}.") and name.removeprefix(f"mail.{other}.") not in own:
            found.append((setting, f"the protocol is {word}: mail.{word}.{name.removeprefix(f'mail.{other}.')} counts"))
        elif name.startswith(("smtp.", "smtps.")):
            found.append((setting, f"its name must begin with mail.: mail.{name}"))
        elif name.startswith(f"mail.{word}.") and (tail := name.removeprefix(f"mail.{word}.")) not in _NAMES:
            near = {"starttls": "starttls.enable", "ssl": "ssl.enable", "tls": "starttls.enable"}.get(tail)
            near = near or next(iter(difflib.get_close_matches(tail, _NAMES, 1, 0.75)), None)
            if near is not None:
                found.append((setting, f"there is no such property; mail.{word}.{near} is most likely meant"))
    return found
