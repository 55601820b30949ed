"""Provider presets: ``--provider qq`` made into host, port, TLS, user name and the kind of secret it wants.

The facts stand in ``data/providers.toml``; this file chooses among them and says what is still lacking.
"""

from __future__ import annotations

from dataclasses import dataclass

from deliverkit.data import Endpoint, Provider, nearest, provider, providers
from deliverkit.smtp.submission import TlsMode

_MODES: dict[str, TlsMode] = {"implicit": "implicit", "starttls": "starttls", "none": "none"}


class BadPreset(ValueError):
    """A preset that cannot be used as asked; the text says what to give instead."""


@dataclass(frozen=True, slots=True)
class Preset:
    """A provider with one of its endpoints chosen. ``username`` is None when only the provider's console knows it."""

    provider: Provider
    endpoint: Endpoint
    username: str | None
    needs_login: bool

    @property
    def tls(self) -> TlsMode:
        """How TLS begins at the endpoint."""
        return _MODES[self.endpoint.tls]


def preset(
    word: str, *, region: str | None = None, tls: str | None = None, host: str | None = None, mail_from: str = ""
) -> Preset:
    """The preset of a provider's id or alias. ``tls`` and ``host`` choose another endpoint than the first."""
    found = provider(word)
    if found is None:
        near = nearest(word)
        hint = f"; did you mean {near!r}?" if near else "."
        raise BadPreset(f"there is no provider {word!r}{hint} Known: {', '.join(p.id for p in providers())}")
    endpoints = [e for e in found.endpoints if (not tls or e.tls == tls) and (not host or e.host == host)]
    if not endpoints:
        offers = ", ".join(f"{e.host}:{e.port} ({e.tls})" for e in found.endpoints)
        raise BadPreset(f"{found.name} has no such endpoint; it has {offers}")
    endpoint = endpoints[0]
    rule = str(found.entry["username"])
    return Preset(
        found,
        Endpoint(_in_region(found, endpoint.host, region), endpoint.port, endpoint.tls, endpoint.note),
        _username(found, rule, mail_from),
        needs_login=rule != "none",
    )


def _in_region(found: Provider, host: str, region: str | None) -> str:
    if "{region}" not in host:
        if region:
            raise BadPreset(f"{found.name} has no regions: leave out --region")
        return host
    known = [str(r) for r in found.entry.get("regions", ())]
    chosen = region or found.entry.get("default_region")
    if chosen is None or chosen not in known:
        raise BadPreset(f"--region {region or ''}: {found.name} has {', '.join(known)}".replace(" :", ":"))
    return host.replace("{region}", str(chosen))


def _username(found: Provider, rule: str, mail_from: str) -> str | None:
    """The user name by the provider's rule, where the rule tells it."""
    if rule in ("full-address", "sender-address", "any"):
        return mail_from or None
    if rule == "local-part":
        return mail_from.rpartition("@")[0] or None
    if rule == "fixed":
        return str(found.entry["username_value"])
    return None


def lacking_username(chosen: Preset) -> str:
    """What to say when the user name is not known."""
    named = str(chosen.provider.entry["username"]).replace("-", " ")
    return f"{chosen.provider.name} wants its own user name ({named}): give --user"


def lacking_secret(chosen: Preset) -> str:
    """What to say when no secret was given: which kind this provider takes, and how to come by it."""
    kinds = ", ".join(str(k).replace("-", " ") for k in chosen.provider.entry["credential"])
    told = str(chosen.provider.entry.get("credential_help", ""))
    how = "--password-env NAME, --password-file FILE or --ask-password"
    if takes_only_tokens(chosen.provider):
        how = "--oauth-token-env NAME"
    elif "oauth2" in chosen.provider.entry["credential"]:
        how += "; for an OAuth2 token --oauth-token-env NAME"
    return f"{chosen.provider.name} wants a login ({kinds}): give {how}. {told}".strip()


def takes_only_tokens(found: Provider) -> bool:
    """True if the provider's servers take OAuth2 tokens and no password."""
    mechanisms = [str(m) for m in found.entry.get("auth", ())]
    return bool(mechanisms) and all(m in ("XOAUTH2", "OAUTHBEARER") for m in mechanisms)
