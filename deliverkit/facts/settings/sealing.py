"""What leaves the readers is sealed: no secret stays in a value, a chain, a shadow, an expression or a fault.

Readers hide what they know to be a secret; this is the second lock, the same for all of them: whatever stands behind a
password is one, a URL is shown without its password, and a variable whose name says so is a secret. Rules, reports and
snapshots see sealed settings only.

What this file will not do: read a tree, or hold an opinion.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from urllib.parse import quote, quote_plus

from deliverkit.facts.settings.model import SECRET_ROLES, MailSettings
from deliverkit.facts.settings.names import named_secret
from deliverkit.facts.settings.url import masked_url, read_mail_url
from deliverkit.facts.settings.values import Secret, Setting, Unread, ValueFault
from deliverkit.smtp.masking import masked

_VARIABLE = re.compile(r"\$\{?[A-Z][A-Z0-9_]*\}? is (?:not )?set")
_LITERAL = re.compile(r"(['\"`])((?:\\.|(?!\1).)*)(?:\1|$)", re.DOTALL)
_NAME_LIKE = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+|…|[a-z]+(?:\.[a-z_]+)+")
_LEAST = 6  # characters of a secret that is looked for in other texts: a shorter one is part of many words


def sealed(one: MailSettings) -> MailSettings:
    """The transport with every secret of it held apart, wherever in a chain it stands."""
    password = one.password
    roles = {}
    for role, setting in one.roles.items():
        twin = password is not None and len(password) >= _LEAST and setting.text == password.reveal()  # a token as both
        held = sealed_setting(setting, secret=role in SECRET_ROLES or twin, url=role == "url")
        if twin or (password is not None and isinstance(held.value, str) and "://" in held.value):
            held = _without_password(held, password.reveal() if password is not None else "")
        roles[role] = held
    texts = [text for setting in one.roles.values() for text in _secrets(setting)]
    texts += [text for setting in roles.values() for text in _secrets(setting)]
    return replace(one, roles=roles, unread=tuple(sealed_unread(unread, texts) for unread in one.unread))


def _without_password(setting: Setting, password: str) -> Setting:
    """A URL in which the password stands a second time: as the user, or as an option."""
    value = without(setting.value, [password]) if isinstance(setting.value, str) else setting.value
    return replace(
        setting,
        value=value,
        via=None if setting.via is None else _without_password(setting.via, password),
        shadowed=tuple(_without_password(one, password) for one in setting.shadowed),
    )


def sealed_variables(values: Mapping[str, Setting]) -> dict[str, Setting]:
    """Variables, those that are secrets by their name or as a URL held apart."""
    return {name: sealed_setting(setting, secret=named_secret(name)) for name, setting in values.items()}


def sealed_setting(setting: Setting, *, secret: bool, url: bool = False) -> Setting:
    """The setting, its chain and its shadows."""
    secret = secret or isinstance(setting.value, Secret)
    value = setting.value
    if secret and not isinstance(value, (Secret, bool, type(None))):
        value = Secret(str(value))
    elif isinstance(value, str):
        shown = masked_url(value)
        value = Secret(value) if url and "://" not in value and "@" in value else shown
    faults = tuple(_sealed_fault(fault) for fault in setting.faults) if secret else setting.faults
    via = None if setting.via is None else sealed_setting(setting.via, secret=secret, url=url)
    shadowed = tuple(sealed_setting(one, secret=secret, url=url) for one in setting.shadowed)
    return replace(setting, value=value, faults=faults, via=via, shadowed=shadowed)


def _sealed_fault(fault: ValueFault) -> ValueFault:
    """What a ``$`` began in a password is part of the password, unless it is a variable's name by its form."""
    if fault.kind != "expanded" or _VARIABLE.fullmatch(fault.detail):
        return fault
    end = "not set" if fault.detail.endswith("not set") else "set"
    return replace(fault, detail=f"the variable that a $ stands before is {end}")


def sealed_unread(unread: Unread, texts: Iterable[str] = ()) -> Unread:
    """What was not followed, with the text in quotation marks left out unless it is a name, and known secrets too."""

    def kept(match: re.Match[str]) -> str:
        return match[0] if _NAME_LIKE.fullmatch(match[2]) or not match[2] else f"{match[1]}…{match[1]}"

    said = _LITERAL.sub(kept, masked_url(unread.expression))
    return replace(unread, expression=without(said, texts), why=without(unread.why, texts))


def secret_texts(settings: Iterable[MailSettings], variables: Iterable[Mapping[str, Setting]]) -> frozenset[str]:
    """Every secret that was read, as it is, in base64 and percent-encoded: what no report may hold."""
    every = tuple(settings)
    found = {text for one in every for setting in one.roles.values() for text in _secrets(setting)}
    clear = {setting.text for one in every for setting in one.roles.values()}  # hidden by a careful reader further on
    found -= clear - {one.password.reveal() for one in every if one.password is not None}
    found |= {text for values in variables for setting in values.values() for text in _secrets(setting)}
    return frozenset(form for text in found for form in _forms(text))


def without(text: str, secrets: Iterable[str]) -> str:
    """The text with every secret in it masked."""
    return masked(text, [secret for secret in secrets if len(secret) >= _LEAST])


def _secrets(setting: Setting | None) -> Iterator[str]:
    """The secrets in a setting, its chain and its shadows; the password of a URL that was not sealed yet."""
    while setting is not None:
        if isinstance(setting.value, Secret):
            yield setting.value.reveal()
        elif isinstance(setting.value, str) and "://" in setting.value:
            url = read_mail_url(setting.value)
            if url is not None and url.password is not None and url.password.reveal() != "***":
                yield url.password.reveal()
        for one in setting.shadowed:
            yield from _secrets(one)
        setting = setting.via


def _forms(text: str) -> Iterator[str]:
    """A secret as people and protocols write it. Words of small letters alone are left: they are words of sentences."""
    if len(text) < _LEAST or (text.isalpha() and text.islower()) or text.isdigit():
        return
    yield text
    octets = text.encode("utf-8", "surrogateescape")
    encoded = {quote(octets), quote(octets, safe=""), quote_plus(octets), base64.b64encode(octets).decode("ascii")}
    yield from encoded - {text}
