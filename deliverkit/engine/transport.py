"""The connection an application's mail transport would make: who sends, who logs in, how TLS begins.

A secret is revealed here and handed to `Auth` alone, which shows it in no repr. What this file will not do: connect.
"""

from __future__ import annotations

import platform
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parseaddr
from typing import Any, Final

from deliverkit.engine.egress import KNOWN_OPEN
from deliverkit.engine.route import is_address
from deliverkit.engine.send import local_name
from deliverkit.facts.base import Missing
from deliverkit.facts.settings.model import MailSettings, Plan
from deliverkit.facts.settings.values import Secret
from deliverkit.smtp.inspect import Role
from deliverkit.smtp.submission import MECHANISMS, Auth, Submission, TlsMode
from deliverkit.world import World

BESIDE: Final[Mapping[int, Role]] = {25: "mx", 465: "submissions", 587: "submission", 2525: "submission"}
TLS_MODES: Final[Mapping[str, TlsMode]] = {
    "implicit": "implicit",
    "starttls": "starttls",
    "opportunistic": "opportunistic",
    "clear": "none",
}


@dataclass(frozen=True)
class LadderOptions:
    """How to climb. ``to`` is asked for with RCPT. ``insecure``: the password goes where the application would send it.

    ``beside`` are the ports of the same host that are probed, ``controls`` unrelated hosts with the ports on which they
    are known to answer. ``seconds`` bounds it all.
    """

    to: str | None = None
    insecure: bool = False
    ca_file: str | None = None
    connect_s: float = 10.0
    reply_s: float = 30.0
    seconds: float = 180.0
    beside: Mapping[int, Role] = field(default_factory=lambda: BESIDE)
    controls: Mapping[str, tuple[int, ...]] = field(default_factory=lambda: KNOWN_OPEN)


def text_of(one: MailSettings, role: str) -> str | None:
    """What the setting in a role holds, for the wire: a secret is revealed, so it must not be shown."""
    setting = one.setting(role)
    if setting is None or setting.value is None:
        return None
    return setting.value.reveal() if isinstance(setting.value, Secret) else setting.text


def sender_of(one: MailSettings) -> str | None:
    """The address mail is sent from: role "from", else the user name if it is an address."""
    for role in ("from", "user"):
        address = parseaddr(text_of(one, role) or "")[1]
        if "@" in address.strip("@"):
            return address
    return None


def auth_of(one: MailSettings) -> Auth | str | None:
    """The login of a transport; why there can be none, as a text; None where the application does not log in."""
    login = one.plan.raw("login")
    if isinstance(login, Missing):
        return f"the login was not tried: {login.reason}"
    if not login:
        return None
    told = planned(one.plan, "mechanism", None)
    mechanism = (told or "").upper()
    if "OAUTH" in mechanism:
        return "the login was not tried: the application fetches an OAuth2 token when it runs"
    user = text_of(one, "user")
    if not user or one.password is None:
        return f"the login was not tried: the {'password' if user else 'user name'} is not known from the settings"
    named = mechanism if mechanism in MECHANISMS and told != "login" else None  # "login": Nodemailer's auth.type
    return Auth(user, one.password.reveal(), named)


def planned(plan: Plan, name: str, default: Any) -> Any:
    """A field of the plan, or a default where only a run of the application could tell."""
    value = plan.raw(name)
    return default if isinstance(value, Missing) else value


def submission_of(one: MailSettings, address: str, world: World, options: LadderOptions) -> Submission:
    """The connection the application would make, to this address."""
    plan, sender = one.plan, sender_of(one)
    login = auth_of(one)
    domain = sender.rpartition("@")[2] if sender else "localhost.localdomain"
    return Submission(
        address=address,
        port=plan.port,
        tls=TLS_MODES[plan.mode],
        server_name=None if is_address(plan.host) else plan.host,
        verify_name=plan.host,
        ca_file=options.ca_file,
        insecure=options.insecure,
        helo=planned(plan, "helo", None) or local_name(world, platform.node(), domain),
        auth=login if isinstance(login, Auth) else None,
        connect_s=options.connect_s,
        reply_s=options.reply_s,
    )
