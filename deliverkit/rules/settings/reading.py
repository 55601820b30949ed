"""What the rules of this family read again and again, and the evidence they point at.

What this file will not do: hold an opinion of its own. It says what a host name is, whose a server is, which settings
are about mail, and how a setting is named in a fix; no secret is ever shown.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from typing import Literal

from deliverkit.data import Platform, Provider, platforms, providers_at
from deliverkit.facts.base import Missing, NotApplicable
from deliverkit.facts.settings.model import AppFacts, MailSettings, Plan
from deliverkit.facts.settings.url import masked_url
from deliverkit.facts.settings.values import Place, Secret, Setting
from deliverkit.findings import Evidence
from deliverkit.rules.settings.placeholders import placeholder

_LONGEST = 200  # characters of a value that a finding shows
SECRET_ROLES = frozenset(("password",))
UNCHECKED_BY_DEFAULT = ("smtplib", "flask-mail", "yagmail")  # they check no certificate unless a context is given
_ADDRESS = re.compile(r"[^\s<>@\"']+@[^\s<>@\"']+")
_STAGES = ("APP_ENV", "NODE_ENV", "RAILS_ENV", "DJANGO_ENV", "FLASK_ENV", "ENVIRONMENT", "SPRING_PROFILES_ACTIVE")
_PRODUCTION = frozenset(("production", "prod"))

# -- evidence -----------------------------------------------------------------------------------------------


def smtp(facts: MailSettings) -> Plan:
    """The plan of a transport that speaks SMTP; a rule about SMTP does not apply to any other."""
    if facts.plan.delivery != "smtp":
        raise NotApplicable
    return facts.plan


def at(facts: MailSettings, *roles: str) -> tuple[Evidence, ...]:
    """Where the settings in these roles stand; where the transport is made, if none of them is set."""
    found = [(role, setting) for role in roles if (setting := facts.setting(role)) is not None]
    if not found:
        return (Evidence("file", facts.framework, file=facts.place.file, line=facts.place.line),)
    return tuple(evidence(setting, secret=role in SECRET_ROLES) for role, setting in found)


def evidence(setting: Setting, *, secret: bool = False) -> Evidence:
    """A setting as evidence: the name and value at the beginning of its chain, never a secret's text."""
    origin = setting.origin
    place = origin.place
    return Evidence(
        "file",
        origin.name,
        value=shown(origin, secret=secret),
        file=None if place is None else place.file,
        line=None if place is None else place.line,
    )


def seen(place: Place, name: str) -> Evidence:
    """A place in a file as evidence."""
    return Evidence("file", name, file=place.file, line=place.line)


def shown(setting: Setting, *, secret: bool = False) -> str:
    """A value as a report may show it: what stands in a secret's role is told by its shape, a URL without password."""
    value = setting.value
    if value is not None and secret and not isinstance(value, Secret):
        return f"({Secret(str(value)).shape})"
    return f'"{short(masked_url(value))}"' if isinstance(value, str) else setting.shown


def short(text: str) -> str:
    """A text from a file, cut to what a line of a report can hold."""
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def named(setting: Setting) -> str:
    """How a fix names a setting: "SMTP_PORT in .env.production:3"."""
    origin = setting.origin
    return f"{origin.name} in {origin.place}" if origin.place is not None else origin.name


def change(setting: Setting, new: str, *, secret: bool = False) -> str:
    """What to change: "in .env:3, change SMTP_PORT from "993" to "465"" (an old secret by its shape)."""
    origin = setting.origin
    where = f"in {origin.place}, " if origin.place is not None else ""
    if origin.value is None:
        return f"{where}set {origin.name} to {new}"
    if "://" in text_of(origin):  # one part of a URL
        return f"{where}write {new} into {origin.name}"
    return f"{where}change {origin.name} from {shown(origin, secret=secret)} to {new}"


# -- which settings -----------------------------------------------------------------------------------------


def origins(facts: MailSettings) -> Iterator[tuple[str, Setting]]:
    """Each setting about mail at the beginning of its chain, once, with the first role it has."""
    told: set[tuple[str, Place | None]] = set()
    for role, setting in facts.roles.items():
        origin = setting.origin
        if (origin.name, origin.place) not in told:
            told.add((origin.name, origin.place))
            yield role, origin


def text_of(setting: Setting | None) -> str:
    """A value's text to judge, a secret's too: whoever calls this must not show it."""
    if setting is None or setting.value is None:
        return ""
    return setting.value.reveal() if isinstance(setting.value, Secret) else setting.text or ""


def doubtful(setting: Setting) -> bool:
    """True if another rule says already what is wrong with this value: a fault of writing, or a placeholder."""
    text = text_of(setting)
    marked = len(text) > 2 and text[0] == text[-1] and text[0] in "'\"`"
    return bool(faults_of(setting)) or placeholder(text) or text.strip() != text or marked


def faults_of(setting: Setting) -> frozenset[str]:
    """The kinds of fault of a setting and of what it was taken from that change what the application sees."""
    faults = (fault for one in chain(setting) for fault in one.faults)
    return frozenset(fault.kind for fault in faults if _counts(fault.kind, fault.detail))


def chain(setting: Setting) -> Iterator[Setting]:
    """A setting and what it was taken from, to the beginning."""
    here: Setting | None = setting
    while here is not None:
        yield here
        here = here.via


def _counts(kind: str, detail: str) -> bool:
    return kind != "duplicate" and not (kind == "expanded" and not detail.endswith("not set"))


def address_in(text: str) -> str | None:
    """The address in the text of a From field ("Shop <a@b>", "a@b"), in lower case; None when there is none."""
    found = _ADDRESS.findall(text)
    return found[-1].rstrip(">,;").lower() if found else None


def domain_of(address: str) -> str:
    """The domain of an address, in lower case; "" for what is none."""
    return address.rpartition("@")[2].lower().strip(" >") if "@" in address else ""


# -- hosts and servers --------------------------------------------------------------------------------------

Where = Literal["loopback", "container", "private", "public"]


def where(host: str) -> Where:
    """What a host name is: this machine, a name of containers or of a network of one's own, or a public name."""
    name = host.lower().rstrip(".").strip("[]")
    try:
        address = ipaddress.ip_address(name)
    except ValueError:
        if name == "localhost" or name.endswith(".localhost"):  # RFC 6761 §6.3
            return "loopback"
        if "." not in name or name.endswith((".docker.internal", ".containers.internal")):
            return "container"
        return "private" if name.endswith((".local", ".internal", ".lan", ".home.arpa", ".localdomain")) else "public"
    if address.is_loopback or address.is_unspecified:
        return "loopback"
    return "private" if address.is_private else "public"


def server(facts: MailSettings) -> Provider | None:
    """Whose server the plan leads to, None for one we do not know; of several, the one whose domain the user has."""
    if where(facts.plan.host) == "loopback":
        return None
    host = facts.plan.host.lower().rstrip(".")
    found = sorted(providers_at(host), key=lambda one: host not in {end.host for end in one.endpoints})
    user = domain_of(text_of(facts.setting("user")))
    mine = [one for one in found if user and user in one.domains]
    if mine or len(found) < 2:
        return next(iter(mine or found), None)
    hosted = [one for one in found if not one.domains]  # one's own domain at a provider of people's mail
    return next(iter(hosted if user and hosted and not any(user in p.domains for p in found) else found))


def surely_production(app: AppFacts, one: MailSettings) -> bool:
    """True if an environment is called production, or a variable of it says so (APP_ENV, NODE_ENV, …)."""
    if one.environment in _PRODUCTION:
        return True
    told = app.variables.get(one.environment, {})
    return any(text_of(told.get(name)).lower() in _PRODUCTION for name in _STAGES)


def hosted_on(app: AppFacts) -> Iterator[tuple[Platform, Place]]:
    """The platforms the application is made for."""
    known = {one.id: one for one in platforms()}
    for id_, place in app.platforms:
        if id_ in known:
            yield known[id_], place


def transports(app: AppFacts, *needed: str) -> Iterator[MailSettings]:
    """The transports that speak SMTP, those whose needed fields of the plan are known first: a rule that comes to one
    of the others ends there, inconclusive, with what it found before.
    """
    yield from (one for one in known_first(app, "delivery", *needed) if one.plan.delivery == "smtp")


def known_first(app: AppFacts, *needed: str) -> list[MailSettings]:
    """Every transport, those of which these fields of the plan are not known last."""
    if not app.settings:
        raise NotApplicable
    return sorted(app.settings, key=lambda one: any(type(one.plan.raw(field)) is Missing for field in needed))
