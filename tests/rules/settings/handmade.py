"""Transports made by hand, for what no reader needs to be asked."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from typing import Any

from deliverkit.facts.settings.model import AppFacts, MailSettings, Plan
from deliverkit.facts.settings.values import Place, Secret, Setting, ValueFault
from deliverkit.findings import Finding, Judgement
from deliverkit.rules.registry import judge, rules_of

PLAIN = Plan("smtp", "mail.shop.example", 465, "implicit", "TLS from the first byte", verify=True, login=True)


def setting(
    name: str, value: Any, line: int = 1, faults: tuple[ValueFault, ...] = (), via: Setting | None = None
) -> Setting:
    """A setting in .env."""
    return Setting(name, value, Place(".env", line), ".env", via=via, faults=faults)


def transport(
    *, framework: str = "rails", environment: str = "", plan: Plan | None = None, **roles: Any
) -> MailSettings:
    """A transport whose roles are the given values; host, port and login of the plan follow them."""
    made: dict[str, Setting] = {}
    for line, (role, value) in enumerate(roles.items(), 1):
        name = role.strip("_").replace("_", "-")
        if isinstance(value, Setting):
            made[name] = value
        else:
            made[name] = setting(f"SMTP_{name.upper()}", Secret(value) if name == "password" else value, line)
    told = plan or replace(
        PLAIN,
        host=str(made["host"].value) if "host" in made else PLAIN.host,
        port=int(str(made["port"].value)) if "port" in made else PLAIN.port,
        login="user" in made or "password" in made,
    )
    return MailSettings(framework, environment, Place("mailer.py", 9), made, told)


def app(*settings: MailSettings, today: date | None = date(2026, 11, 25), **more: Any) -> AppFacts:
    """An application of these transports."""
    return AppFacts("shop", settings, today=today, **more)


def judged(facts: MailSettings | AppFacts) -> Judgement:
    """What the family says."""
    return judge(facts, rules_of("settings"))


def found(facts: MailSettings | AppFacts) -> dict[str, Finding]:
    """The findings by rule; no rule may crash."""
    judgement = judged(facts)
    assert judgement.crashed == ()
    return {one.rule: one for one in judgement.findings}
