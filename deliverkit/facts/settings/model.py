"""One mail transport of an application, and what its framework will do with it.

`MailSettings` is what the rules of the family ``settings`` judge, one for each transport and environment; `AppFacts`
what only shows when all of them are seen together. What this file will not do: read, or hold an opinion.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

from deliverkit.facts.base import Facts
from deliverkit.facts.settings.names import about_mail
from deliverkit.facts.settings.values import Place, Secret, Setting, Unread

ROLES = (
    "backend", "service", "url", "host", "port", "secure", "starttls", "verify", "ca", "user", "password", "mechanism",
    "from", "helo", "connect-timeout", "greeting-timeout", "socket-timeout", "pool", "debug",
)  # fmt: skip
"""What a setting is for, whatever the framework calls it. ``secure``: TLS from the first byte."""

SECRET_ROLES = frozenset(("password",))
"""The roles whose value is held apart, whatever its name."""

Mode = Literal["implicit", "starttls", "opportunistic", "clear"]
"""How the client will begin TLS: at once; by STARTTLS or not at all; by STARTTLS if offered; never."""


@dataclass(frozen=True, repr=False)
class Plan(Facts):
    """What the framework will do, by its own documented rules. A field nobody can tell is missing, with the reason.

    ``delivery`` is "smtp", or what happens to mail instead: "log", "console", "file", "memory", "none", "api",
    "sendmail", "lmtp"; "refused" where the framework stops before it connects, and ``why`` says at what. ``why`` says
    in one sentence which law of the framework made ``mode`` what it is. Times in seconds; None: the framework waits for
    ever. ``mechanism`` None: the framework chooses among what the server offers.
    """

    delivery: str
    host: str
    port: int
    mode: Mode
    why: str
    verify: bool
    login: bool
    mechanism: str | None = None
    helo: str | None = None
    connect_s: float | None = None
    greeting_s: float | None = None
    socket_s: float | None = None


@dataclass(frozen=True, repr=False)
class MailSettings(Facts):
    """One transport in one environment.

    ``framework`` is "nodemailer", "django", "laravel", "spring", "symfony", "phpmailer", "smtplib", "aiosmtplib",
    "flask-mail", "fastapi-mail", "yagmail", "javamail", "rails", "grafana", "postfix", "compose", "kubernetes" or "env"
    (variables whose reader is not known). ``roles``
    maps a role of `ROLES` to its setting. ``environment`` is "production", "development", … or "" when there is one
    only. ``place`` is where the transport is made.
    """

    framework: str
    environment: str
    place: Place
    roles: Mapping[str, Setting]
    plan: Plan
    version: str | None = None
    unread: tuple[Unread, ...] = ()

    @property
    def subject(self) -> str:
        where = f" ({self.environment})" if self.environment else ""
        return f"{self.place}{where}"

    def setting(self, role: str) -> Setting | None:
        """The setting in a role, if there is one."""
        return self.roles.get(role)

    @property
    def password(self) -> Secret | None:
        """The password, if it is known."""
        found = self.roles.get("password")
        return found.value if found is not None and isinstance(found.value, Secret) else None

    @property
    def production(self) -> bool:
        """True if this is judged as production: it is called so, or there is no other."""
        return self.environment in ("production", "prod", "")

    def to_json(self) -> dict[str, Any]:
        """The fields as a report shows them."""
        return {
            "framework": self.framework,
            "version": self.version,
            "environment": self.environment,
            "place": self.place,
            "roles": self.roles,
            "plan": self.plan,
            "unread": self.unread,
        }


@dataclass(frozen=True, slots=True)
class SendCall:
    """A place in source where mail is sent. ``fate`` is "awaited", "returned", "chained" (.then), "callback", "dropped"
    or "unknown"; ``errors`` is "handled", "swallowed" or "open"; ``runtime`` is "node", "edge" or "".
    """

    place: Place
    call: str
    fate: str
    errors: str = "open"
    runtime: str = ""
    in_request: bool = False
    serverless: bool = False
    """The program is stopped, or may be, once it has answered."""


@dataclass(frozen=True, slots=True)
class SourceMark:
    """Something in source that a rule judges. ``kind`` is one of

    "transport-per-request", "whole-from-encoded" (Header("名称 <a@b>", "utf-8")), "hard-coded-secret",
    "client-exposed-secret", "verification-off", "old-tls-cipher", "connection-per-message" (made inside a loop),
    "mailers-and-email-settings" (Django), "variable-not-read" (of a framework's configuration), "getenv-without-putenv"
    (PHP's getenv of what Dotenv sets in $_ENV only), "property-never-read" (JavaMail).
    """

    kind: str
    place: Place
    detail: str


@dataclass(frozen=True, repr=False)
class AppFacts(Facts):
    """The application as a whole.

    ``platforms`` are the hosting platforms recognised, by their id in the data, each with the file that told;
    ``time_limits`` the seconds that those which stop functions give them. ``today`` is the day it is judged on.
    """

    name: str
    settings: tuple[MailSettings, ...]
    environments: tuple[str, ...] = ()
    variables: Mapping[str, Mapping[str, Setting]] = field(default_factory=dict)
    """Of each environment: what each variable is, and which source won."""
    used: Mapping[str, tuple[Place, ...]] = field(default_factory=dict)
    """Variables about mail that the source reads, and where."""
    calls: tuple[SendCall, ...] = ()
    marks: tuple[SourceMark, ...] = ()
    platforms: tuple[tuple[str, Place], ...] = ()
    time_limits: Mapping[str, Setting] = field(default_factory=dict)
    today: date | None = None
    versions: Mapping[str, str] = field(default_factory=dict)
    """Of libraries that send mail, and of what they run on: the version that the application's own files name."""
    unread: tuple[Unread, ...] = ()

    @property
    def subject(self) -> str:
        return self.name

    @property
    def mail_variables(self) -> dict[str, dict[str, bool]]:
        """Of each environment the variables about mail, by name only: whether they are set."""
        roles = [s for one in self.settings for role in one.roles.values() for s in role.chain[1:]]
        read = {*(s.name for s in roles), *(name for name in self.used if about_mail(name))}
        found = {}
        for environment, values in self.variables.items():
            names = sorted({name for name in values if about_mail(name)} | read)
            found[environment] = {
                name: (setting := values.get(name)) is not None and setting.value is not None for name in names
            }
        return found

    def to_json(self) -> dict[str, Any]:
        """What a report shows. Of variables only the names of those about mail: the others are nobody's business."""
        return {
            "name": self.name,
            "environments": self.environments,
            "transports": self.settings,
            "variables": self.mail_variables,
            "used": {name: places for name, places in self.used.items() if about_mail(name)},
            "calls": self.calls,
            "marks": self.marks,
            "platforms": [{"id": id_, "place": place} for id_, place in self.platforms],
            "versions": self.versions,
            "unread": self.unread,
        }
