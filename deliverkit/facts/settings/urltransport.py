"""A transport that the user gives as one URL instead of a folder: ``doctor --url smtps://user:password@host``.

No framework reads it here, so the plan is what most of them agree on: "smtps" is TLS from the first byte, and so is
"smtp" on port 465; "smtp" elsewhere takes STARTTLS where it is offered (RFC 8314 §3.3, RFC 3207 §4).

What this file will not do: know what one framework makes of a URL; its reader does.
"""

from __future__ import annotations

from collections.abc import Mapping

from deliverkit.facts.settings.model import MailSettings, Mode, Plan
from deliverkit.facts.settings.url import MailUrl, masked_url, read_mail_url
from deliverkit.facts.settings.values import Place, Plain, Secret, Setting

PLACE = Place("--url")
_LAYER = "command line"
_SCHEMES = ("smtp", "smtps", "submission", "submissions")
_OPTIONS = {
    "name": "helo", "local_domain": "helo", "from": "from", "authmethod": "mechanism", "auth_mode": "mechanism",
    "requiretls": "starttls", "require_tls": "starttls", "verify_peer": "verify", "tls.rejectunauthorized": "verify",
}  # fmt: skip


class BadUrl(ValueError):
    """The text is no URL of an SMTP server. The message never repeats it: it may hold a password."""


def transport_of_url(text: str) -> MailSettings:
    """The transport that a URL stands for. Raises BadUrl."""
    url = read_mail_url(text)
    form = "write it as smtp://user:password@host:port or smtps://…, user and password percent-encoded"
    if url is None:
        raise BadUrl(f"this is no URL; {form}")
    if url.scheme not in _SCHEMES:
        raise BadUrl(f"the scheme {url.scheme[:20]!r} is none of {', '.join(_SCHEMES)}; {form}")
    if url.host is None:
        raise BadUrl(f"the URL names no host; {form}")
    roles = _roles(url, masked_url(text.strip()))
    return MailSettings("url", "", PLACE, roles, _plan(url, roles))


def _roles(url: MailUrl, shown: str) -> dict[str, Setting]:
    def setting(value: Plain | Secret) -> Setting:
        return Setting("--url", value, PLACE, _LAYER)

    given: dict[str, Plain | Secret] = {
        "host": url.host, "port": url.port, "user": url.user, "password": url.password,
        "secure": True if url.scheme in ("smtps", "submissions") else None,
    }  # fmt: skip
    roles = {"url": Setting("--url", shown, PLACE, _LAYER, faults=url.faults)}
    roles |= {role: setting(value) for role, value in given.items() if value is not None}
    for name, value in url.options.items():
        role = _OPTIONS.get(name.lower())
        if role is not None:
            roles[role] = setting(value)
    return roles


def _plan(url: MailUrl, roles: Mapping[str, Setting]) -> Plan:
    def told(role: str) -> str:
        found = roles.get(role)
        return (found.text or "") if found is not None else ""

    port, why = url.port, ""
    if port is None:
        port = 465 if url.scheme in ("smtps", "submissions") else 587
        why = f"the URL names no port, {port} is that of {url.scheme}; "
    mode: Mode = "opportunistic"
    if url.scheme in ("smtps", "submissions") or port == 465:
        mode, why = "implicit", f"{why}{url.scheme} on port {port}: TLS from the first byte"
    elif _true(told("starttls")):
        mode, why = "starttls", f"{why}the URL demands STARTTLS"
    else:
        why = f"{why}{url.scheme} on port {port}: STARTTLS where the server offers it"
    return Plan(
        delivery="smtp",
        host=url.host or "",
        port=port,
        mode=mode,
        why=why,
        verify=_true(told("verify") or "true"),
        login=url.user is not None or url.password is not None,
        mechanism=told("mechanism").upper() or None,
        helo=told("helo") or None,
    )


def _true(text: str) -> bool:
    return text.lower() in ("true", "1", "yes", "on")
