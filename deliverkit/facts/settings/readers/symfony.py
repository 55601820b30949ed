"""Symfony: ``MAILER_DSN`` as ``config/packages/mailer.yaml`` names it, for each environment, ``when@prod`` included.

The DSN is taken apart as Symfony does it (Transport::fromString, Transport\\Dsn::fromString): failover and round robin
of several, the providers' own schemes, null, sendmail and native. What becomes of smtp and smtps is `symfonymailer`.
Sources: Symfony documentation "Sending Emails with Mailer" and "Configuring Symfony"; symfony/mailer and its bridges.

What this file will not do: follow a configuration written in PHP, or a secret of Symfony's vault.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from deliverkit.facts.base import missing
from deliverkit.facts.settings.environment import Variables
from deliverkit.facts.settings.model import MailSettings, Plan
from deliverkit.facts.settings.readers import Look
from deliverkit.facts.settings.readers.roles import Roles
from deliverkit.facts.settings.readers.symfonymailer import SOCKET_S, mode_of, verifies
from deliverkit.facts.settings.tree import Tree, matching
from deliverkit.facts.settings.url import MailUrl, read_mail_url
from deliverkit.facts.settings.values import Place, Setting, Unread, hidden

_ENV = re.compile(r"%env\((?:(?:default|resolve|string|trim|file|urlencode):)*(?:[\w.]*:)?(\w+)\)%")
_BRIDGES = {
    "gmail": ("smtp.gmail.com", 465), "ses": ("email-smtp.{region}.amazonaws.com", 465),
    "sendgrid": ("smtp.sendgrid.net", 465), "postmark": ("smtp.postmarkapp.com", 587),
    "mailgun": ("smtp.mailgun.org", 587), "mandrill": ("smtp.mandrillapp.com", 587),
    "mailtrap": ("live.smtp.mailtrap.io", 587),
}  # fmt: skip
"""Where the providers' bridges connect to by SMTP: 465 with TLS at once, 587 with STARTTLS."""
_USERS = {"sendgrid": "apikey", "mailtrap": "api"}
_YAML_LACKING = "YAML is read with the extra: pip install 'deliverkit[source]'; dsn: %env(MAILER_DSN)% is taken for it"


@dataclass(frozen=True)
class _Dsn:
    """One DSN: its text, the setting it was taken from, and the name under which it was found."""

    text: str
    setting: Setting


def read(look: Look) -> Iterator[MailSettings]:
    """The transports of each environment of each Symfony application (a composer.json with symfony/mailer)."""
    for folder in _applications(look.tree):
        files = _configurations(look, folder)
        for environment in _environments(look, folder, files):
            variables = look.variables(environment, convention="symfony", folder=folder)
            yield from _environment(look, folder, files, environment, variables)


def _applications(tree: Tree) -> Iterator[str]:
    for path in matching(tree, "composer.json"):
        try:
            told = json.loads(tree.text(path) or "{}")
        except (ValueError, RecursionError):
            continue
        required = told.get("require") if isinstance(told, dict) else None
        if not isinstance(required, dict) or "laravel/framework" in required:
            continue
        if "symfony/mailer" in required or ("symfony/framework-bundle" in required and _dsn_is_set(tree, path)):
            yield path.rpartition("/")[0]


def _dsn_is_set(tree: Tree, composer: str) -> bool:
    folder = composer.rpartition("/")[0]
    return any("MAILER_DSN" in (tree.text(p) or "") for p in tree.paths if p == f"{folder}/.env".lstrip("/"))


# -- configuration -----------------------------------------------------------------------------------------

_Found = dict[
    str, tuple[Any, str]
]  # environment ("" for all) to the YAML node of a DSN or a dict of them, and its file


def _configurations(look: Look, folder: str) -> list[tuple[str, str, Any]]:
    """What configuration says of the mailer: environment ("" for all), file, the node below ``framework: mailer``."""
    base = f"{folder}/config/packages/".lstrip("/")
    found: list[tuple[str, str, Any]] = []
    for path in sorted(look.tree.paths, key=lambda p: (p.count("/"), p)):
        match = re.fullmatch(re.escape(base) + r"(?:(\w+)/)?(?:mailer|framework)\.(ya?ml|php|xml)", path)
        if match is None:
            continue
        if match[2] not in ("yaml", "yml"):
            look.unread.append(Unread(Place(path), "", f"configuration in {match[2].upper()} is not followed"))
            continue
        for environment, node in _mailer_nodes(look, path):
            found.append((match[1] or environment, path, node))
    return found


def _mailer_nodes(look: Look, path: str) -> Iterator[tuple[str, Any]]:
    try:
        import yaml
    except ImportError:
        look.unread.append(Unread(Place(path), "", _YAML_LACKING))
        return
    try:
        root = yaml.compose(look.tree.text(path) or "", Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError) as bad:
        mark = getattr(bad, "problem_mark", None)
        look.unread.append(Unread(Place(path, mark.line + 1 if mark is not None else None), "", "no valid YAML"))
        return
    for key, value in _pairs(root):
        if key == "framework":
            yield from (("", node) for name, node in _pairs(value) if name == "mailer")
        elif key.startswith("when@"):
            inner = (node for name, node in _pairs(value) if name == "framework")
            yield from ((key[5:], node) for one in inner for name, node in _pairs(one) if name == "mailer")


def _pairs(node: Any) -> list[tuple[str, Any]]:
    """The entries of a mapping node; none for any other."""
    if not isinstance(getattr(node, "value", None), list) or node.id != "mapping":
        return []
    return [(str(key.value), value) for key, value in node.value]


def _environments(look: Look, folder: str, files: list[tuple[str, str, Any]]) -> list[str]:
    """Those that files are called after or configuration names; with any of them there is production."""
    if look.asked:
        return [look.asked]
    told = {e for e in look.environments("symfony", folder) if e} | {e for e, _, _ in files if e not in ("", "test")}
    return ["prod", *sorted(told - {"prod"})] if told else [""]


def _environment(
    look: Look, folder: str, files: list[tuple[str, str, Any]], environment: str, variables: Variables
) -> Iterator[MailSettings]:
    dumped = f"{folder}/.env.local.php".lstrip("/")
    if dumped in look.tree.paths:  # Symfony documentation, Configuring Environment Variables in Production
        look.unread.append(Unread(Place(dumped), "", "it replaces every .env file (composer dump-env); it is not read"))
    dsns: dict[str, tuple[str, Place, str]] = {}
    extra: dict[str, tuple[str, Place]] = {}
    for told, path, node in files:
        if told not in ("", environment):
            continue
        for name, value in _pairs(node):
            if name == "dsn":
                dsns["main"] = (str(value.value), Place(path, value.start_mark.line + 1), "framework.mailer.dsn")
            elif name == "transports":
                for transport, inner in _pairs(value):
                    at = Place(path, inner.start_mark.line + 1)
                    dsns[transport] = (str(inner.value), at, f"framework.mailer.transports.{transport}")
            elif name == "envelope":
                for key, inner in _pairs(value):
                    if key == "sender":
                        extra["from"] = (str(inner.value), Place(path, inner.start_mark.line + 1))
    if not dsns and not any(told in ("", environment) for told, _, _ in files):
        dsns = {"main": ("%env(MAILER_DSN)%", Place(f"{folder}/.env".lstrip("/")), "MAILER_DSN")}
    for written, place, name in dsns.values():
        dsn = _resolved(look, written, place, name, variables)
        if isinstance(dsn, Unread):
            look.unread.append(dsn)
            continue
        for nth, one in enumerate(_several(dsn)):
            made = _transport(one, environment, place, extra)
            if nth == 0 or made.plan.delivery != "none":  # null:// behind a server only catches what it refuses
                yield made


def _resolved(look: Look, written: str, place: Place, name: str, variables: Variables) -> _Dsn | Unread:
    """The DSN with ``%env(NAME)%`` replaced."""
    match = _ENV.search(written)
    if match is None:
        return _Dsn(written, Setting(name, written, place, place.file))
    look.uses(match[1], place)
    found = variables.get(match[1])
    if found is None:
        return Unread(place, match[0], f"no file here sets {match[1]}: it is set where the program runs")
    text = _ENV.sub(lambda _: str(found.value), written, count=1)
    if _ENV.search(text):
        return Unread(place, written[:80], "a DSN of several variables is not followed")
    if name == match[1]:
        return _Dsn(text, found)
    return _Dsn(text, Setting(name, text, place, place.file, via=found, faults=found.faults))


def _several(dsn: _Dsn) -> list[_Dsn]:
    """``failover(a b)`` and ``roundrobin(a b)``: each of them (Transport::parseDsn)."""
    match = re.fullmatch(r"\s*(?:failover|roundrobin)\((.*)\)\s*(?:\?.*)?", dsn.text, re.DOTALL)
    return [replace(dsn, text=one) for one in match[1].split()[:20]] if match else [dsn]


# -- one DSN -----------------------------------------------------------------------------------------------


def _transport(dsn: _Dsn, environment: str, place: Place, extra: dict[str, tuple[str, Place]]) -> MailSettings:
    url = read_mail_url(dsn.text)
    roles = Roles()
    setting = dsn.setting
    if url is not None and url.faults:
        setting = replace(setting, faults=(*setting.faults, *url.faults))
    roles.found["url"] = _masked(setting)
    plan = _refused(dsn.text) or (_plan(url, setting, roles) if url is not None else None)
    if plan is None:
        plan = Plan("refused", "", 0, "clear", "Symfony stops: The mailer DSN is invalid", True, False)
    for role, (value, at) in extra.items():
        roles.found[role] = Setting(f"framework.mailer.{role}", value, at, at.file)
    return MailSettings("symfony", environment, setting.place or place, roles.found, plan)


def _masked(setting: Setting) -> Setting:
    """The setting with the secrets of its URLs left out, as deep as the chain goes."""
    value = masked_dsn(setting.value) if isinstance(setting.value, str) else None
    via = _masked(setting.via) if setting.via is not None else None
    return replace(setting, value=value, via=via, shadowed=tuple(_masked(one) for one in setting.shadowed))


def masked_dsn(text: str) -> str:
    """A DSN without passwords; the providers' own schemes hold a key where others have the user."""

    def hidden_in(match: re.Match[str]) -> str:
        user, colon, _ = match[2].partition(":")
        if match[1].lower() not in ("smtp", "smtps"):
            user, colon = "***", ""
        return f"{match[1]}://{user}{':***' if colon else ''}@"

    several = re.match(r"\s*\w+\(", text) is not None
    credentials = (
        r"\b([A-Za-z][A-Za-z0-9+.-]{0,40})://(\S*)@" if several else r"\b([A-Za-z][A-Za-z0-9+.-]{0,40})://(.*)@"
    )
    return re.sub(credentials, hidden_in, text, flags=re.DOTALL)


def _refused(text: str) -> Plan | None:
    """A DSN that Symfony throws out before it connects (Transport\\Dsn::fromString, by PHP's parse_url)."""
    match = re.match(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)", text.strip())
    why = None
    if match is None:
        why = "The mailer DSN must contain a scheme" if text.strip() else "The mailer DSN is empty"
    elif match[2].rpartition("@")[2].partition(":")[0] == "":
        why = 'The mailer DSN must contain a host (use "default" by default)'
    elif (port := re.fullmatch(r"(?:\[.*\]|[^:]*):(.+)", match[2].rpartition("@")[2])) and not (
        port[1].isdigit() and int(port[1][:6]) < 65536
    ):
        why = "The mailer DSN is invalid: what stands where the port belongs is no number"
    return None if why is None else Plan("refused", "", 0, "clear", f"Symfony stops: {why}", True, False)


def _plan(url: MailUrl, setting: Setting, roles: Roles) -> Plan:
    """What becomes of a DSN; the roles get the parts that the URL sets."""
    base, _, way = url.scheme.partition("+")
    if base == "null":
        return Plan("none", "", 0, "clear", "the scheme null throws mail away", True, False)
    if base in ("sendmail", "native"):
        return Plan("sendmail", "", 0, "clear", f"the scheme {base} gives mail to the local sendmail", True, False)
    origin = setting.origin

    def part(value: Any, name: str) -> Setting:
        return Setting(f"{name} of {origin.name}", value, origin.place, origin.layer)

    user = url.user
    if url.password is not None:
        roles.found["password"] = hidden(part(url.password, "password"), always=True)
    if base not in ("smtp", "smtps"):
        if way not in ("smtp", "smtps") and not (base in ("gmail",) and not way):
            return Plan("api", "", 0, "clear", f"the scheme {url.scheme} uses the provider's HTTP API", True, False)
        return _bridged(base, url, part, roles)
    for name, value in (("host", url.host), ("port", url.port), ("user", user)):
        if value is not None:
            roles.found[name] = part(value, name)
    roles.found["secure"] = part(url.scheme, "scheme")
    for option, role in (("local_domain", "helo"), ("verify_peer", "verify"), ("require_tls", "starttls")):
        if option in url.options:
            roles.found[role] = part(url.options[option], option)
    host = url.host or ""
    port, mode, why = mode_of(url.scheme, host, url.port or 0, url.options)
    return Plan(
        "smtp", host, port, mode, why, verifies(url.options), bool(user), helo=url.options.get("local_domain"),
        connect_s=SOCKET_S, greeting_s=SOCKET_S, socket_s=SOCKET_S,
    )  # fmt: skip


def _bridged(base: str, url: MailUrl, part: Any, roles: Roles) -> Plan:
    """A provider's own transport: host and port are its own, whatever the DSN says of them."""
    user = _USERS.get(base, url.user)
    if base in _USERS or base == "postmark":
        roles.found.pop("password", None)  # the key stands in the place of the user
    if user is not None and base != "postmark":
        roles.found["user"] = part(user, "user")
    if base not in _BRIDGES:
        why: Any = missing(f"what the bridge of {base} connects to is not known here")
        return Plan("smtp", why, why, why, f"the scheme {url.scheme} is a provider's own", True, True)
    host, port = _BRIDGES[base]
    region = url.options.get("region") or "eu-west-1"
    if base == "mailgun" and url.options.get("region") not in (None, "", "us"):
        host = f"smtp.{url.options['region']}.mailgun.org"
    return Plan(
        "smtp", host.format(region=region), port, "implicit" if port == 465 else "opportunistic",
        f"the scheme {url.scheme} sets host, port and encryption", True, True,
        connect_s=SOCKET_S, greeting_s=SOCKET_S, socket_s=SOCKET_S,
    )  # fmt: skip
