"""What the rules of this family read again and again, and the evidence they point at."""

from __future__ import annotations

from deliverkit.facts.base import NotApplicable
from deliverkit.facts.settings.model import MailSettings, Plan
from deliverkit.facts.settings.values import Setting
from deliverkit.findings import Evidence


def smtp(facts: MailSettings) -> Plan:
    """The plan of a transport that speaks SMTP; a rule about SMTP does not apply to any other."""
    if facts.plan.delivery != "smtp":
        raise NotApplicable
    return facts.plan


def at(facts: MailSettings, *roles: str) -> tuple[Evidence, ...]:
    """Where the settings in these roles stand; where the transport is made, if none of them is set."""
    found = [setting for role in roles if (setting := facts.setting(role)) is not None]
    if not found:
        return (Evidence("file", facts.framework, file=facts.place.file, line=facts.place.line),)
    return tuple(evidence(setting) for setting in found)


def evidence(setting: Setting) -> Evidence:
    """A setting as evidence: the name and value at the beginning of its chain, never a secret's text."""
    origin = setting.origin
    place = origin.place
    return Evidence(
        "file",
        origin.name,
        value=origin.shown,
        file=None if place is None else place.file,
        line=None if place is None else place.line,
    )
