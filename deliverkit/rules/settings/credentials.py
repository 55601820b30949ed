"""User and password against what the provider takes: fixed names, app passwords, authorization codes, keys.

A password is judged by its shape alone, and never shown; that it is refused only the server can tell, so a finding
says "looks like". What this file will not do: try a login.
"""

from __future__ import annotations

import datetime
import re

from deliverkit.data import Provider, mailbox_provider
from deliverkit.facts.base import NotApplicable, needs
from deliverkit.facts.settings.model import AppFacts, MailSettings
from deliverkit.facts.settings.values import Secret, Setting
from deliverkit.findings import Severity, finding
from deliverkit.rules.registry import Findings, rule
from deliverkit.rules.settings.placeholders import placeholder
from deliverkit.rules.settings.reading import (
    at,
    change,
    domain_of,
    doubtful,
    named,
    origins,
    server,
    smtp,
    text_of,
    transports,
)

_TOKENS = ("xoauth2", "oauth2", "oauthbearer")
_CREDENTIALS = {
    "app-password": "an app password",
    "authorization-code": "an authorization code",
    "api-key": "an API key",
    "api-token": "an API token",
    "server-token": "a server token",
    "smtp-key": "an SMTP key",
    "ses-smtp-credentials": "the SMTP password made for SES",
}


def _password_login(facts: MailSettings) -> Provider | None:
    """The provider to whom a password is given; None where it is a token, nothing, or a server we do not know."""
    plan = smtp(facts)
    if not plan.login or (plan.mechanism or "").lower() in _TOKENS:
        raise NotApplicable
    return server(facts)


def _given(facts: MailSettings, role: str) -> Setting | None:
    """A setting that is set and that no other rule finds fault with."""
    found = facts.setting(role)
    return None if found is None or not text_of(found) or doubtful(found) else found


@rule("SET021", Severity.ERROR, "good practice: the SMTP documentation of the provider")
def user_name_is_fixed(facts: MailSettings) -> Findings:
    """The provider takes one fixed user name, and another is set.

    Why: the login is refused (535), whatever the key.
    Fix: set the user to the word the provider names; the key alone says who you are.
    """
    known = _password_login(facts)
    user = needs(facts.setting("user"))
    if known is None or known.entry.get("username") != "fixed" or not known.confirmed("username_value"):
        return
    word = known.entry["username_value"]
    if text_of(user).strip().lower() != word.lower() and text_of(user):
        yield finding(f'{known.name} takes the user "{word}" only', at=at(facts, "user"), fix=change(user, f'"{word}"'))


@rule("SET022", Severity.WARNING, "good practice: the SMTP documentation of the provider")
def user_is_no_whole_address(facts: MailSettings) -> Findings:
    """The provider takes the whole address as the user, and the user is none.

    Why: the login is refused (535), or goes to another account.
    Fix: set the user to the whole address of the account.
    """
    known = _password_login(facts)
    needs(facts.setting("user"))
    user = _given(facts, "user")
    if (
        known is None
        or user is None
        or known.entry.get("username") != "full-address"
        or not known.confirmed("username")
    ):
        return
    name = text_of(user)
    if "@" not in name and known.category != "sandbox" and not (known.id == "qq" and name.isdigit()):
        of = known.domains[0] if known.domains else "your domain"
        yield finding(
            f"{known.name} takes the whole address as the user",
            at=at(facts, "user"),
            fix=change(user, f'"{name}@{of}"'),
        )


@rule("SET023", Severity.WARNING, "good practice: the SMTP documentation of the providers")
def user_of_another_provider(facts: MailSettings) -> Findings:
    """The user is an address of another provider than the one whose server is set.

    Why: the server does not know the account, and refuses the login (535).
    Fix: use the server of the provider whose address it is, or an account of this one.
    """
    known = _password_login(facts)
    user = needs(facts.setting("user"))
    domain = domain_of(text_of(user))
    if known is None or known.category != "mailbox" or not domain or domain in known.domains:
        return
    home = mailbox_provider(domain)
    if home is None or home.endpoints[0].host in {e.host for e in known.endpoints} or _family(home) == _family(known):
        return
    yield finding(
        f"{domain} is {home.name}, the server {facts.plan.host} is {known.name}",
        at=at(facts, "user", "host"),
        fix=f"use {home.endpoints[0].host} for this account, or an account of {known.name}",
    )


def _family(known: Provider) -> str:
    """Providers of one family take each other's accounts, or may."""
    if known.id in ("outlook", "microsoft365"):
        return "microsoft"
    return known.mx[0] if known.mx else known.id.partition("-")[0]


def _looks_wrong(facts: MailSettings, *, sure: bool) -> Findings:
    known = _password_login(facts)
    needs(facts.password)
    password = _given(facts, "password")
    shape = None if known is None else known.entry.get("password_shape")
    if known is None or shape is None or password is None or known.confirmed("password_shape") is not sure:
        return
    if _ends(known) is not None and known.entry["credential"] == ["oauth2"]:  # SET026: no password is right
        return
    secret = facts.password
    if secret is None or secret.fits(shape) or (known.id == "ses" and _is_secret_key(secret)):
        return
    wanted = _CREDENTIALS.get(_wanted(known), "another credential")
    yield finding(
        f"{known.name} takes {wanted} ({known.entry['password_told']}); {named(password)} "
        f"has {secret.shape}, and looks like something else (the account's own password?)",
        at=at(facts, "password"),
        fix=f"{_help(known)} Then set {named(password)} to it.",
    )


def _wanted(known: Provider) -> str:
    """The best kind of credential that is a password."""
    return next((word for word in known.entry.get("credential", ()) if word != "oauth2"), "")


def _help(known: Provider) -> str:
    told = str(known.entry.get("credential_help") or "Make one in the settings of the account.")
    return told if told.endswith(".") else f"{told}."


@rule("SET024", Severity.ERROR, "good practice: the help pages of the provider on app passwords and keys")
def password_is_not_what_the_provider_takes(facts: MailSettings) -> Findings:
    """The password does not look like what the provider takes: an app password, an authorization code, a key.

    Why: these servers refuse the password of the account (535): they take only what was made for programs.
    Fix: make an app password, authorization code or key in the settings of the account, and use it as the password.
    """
    yield from _looks_wrong(facts, sure=True)


@rule("SET025", Severity.WARNING, "good practice: the help pages of the provider on app passwords and keys")
def password_may_not_be_what_the_provider_takes(facts: MailSettings) -> Findings:
    """The password does not look like those the provider makes for programs; its shape is not promised anywhere.

    Why: these servers refuse the password of the account (535): they take only what was made for programs.
    Fix: make an app password, authorization code or key in the settings of the account, and use it as the password.
    """
    yield from _looks_wrong(facts, sure=False)


def _ends(known: Provider) -> datetime.date | None:
    found = known.entry.get("password_login_ends")
    return found if isinstance(found, datetime.date) else None


@rule("SET026", Severity.ERROR, "good practice: Microsoft, Modern authentication for Outlook.com (September 2024)")
def provider_takes_no_password(facts: AppFacts) -> Findings:
    """The provider takes no password any more, only OAuth2.

    Why: the login is refused (535 5.7.139, 5.7.30), whatever the password.
    Fix: log in with OAuth2 (XOAUTH2), or send through a provider made for programs.
    """
    today = needs(facts.today)
    for one, known, ends in _ending(facts):
        if known.entry["credential"] == ["oauth2"] and today >= ends:
            told = f"{known.name}: {known.entry['password_login_told']}, on {_day(ends)}; a password is set"
            yield finding(told, at=at(one, "user", "password"), subject=one.subject)


@rule("SET027", Severity.WARNING, "good practice: Microsoft, Exchange Online to retire Basic auth for SMTP AUTH")
def password_login_ends(facts: AppFacts) -> Findings:
    """The provider ends login by password on a day that is named.

    Why: mail that leaves today is refused from then on (550 5.7.30), unless an administrator switches it on again.
    Fix: log in with OAuth2 (XOAUTH2), or send through a provider made for programs, before that day.
    """
    today = needs(facts.today)
    for one, known, ends in _ending(facts):
        if known.entry["credential"] != ["oauth2"]:
            when = f"from {_day(ends)} on" if today < ends else f"since {_day(ends)}"
            told = f"{when}, {known.entry['password_login_told']}; a password is set"
            yield finding(told, at=at(one, "user", "password"), subject=one.subject)


def _ending(facts: AppFacts) -> list[tuple[MailSettings, Provider, datetime.date]]:
    """The transports that give a password to a provider who names a day for its end."""
    found = []
    for one in transports(facts, "host", "login"):
        plan = one.plan
        if plan.login and (plan.mechanism or "").lower() not in _TOKENS and one.password is not None:
            known = server(one)
            ends = None if known is None else _ends(known)
            if known is not None and ends is not None:
                found.append((one, known, ends))
    return found


def _day(day: datetime.date) -> str:
    return f"{day.day} {day:%B %Y}"


def _is_secret_key(secret: Secret) -> bool:
    return secret.fits(r"[A-Za-z0-9/+]{40}")


@rule("SET028", Severity.ERROR, "good practice: AWS documentation, Obtaining Amazon SES SMTP credentials")
def key_of_aws_as_smtp_password(facts: MailSettings) -> Findings:
    """A key of AWS stands where the SMTP password of SES belongs.

    Why: SES takes a password that is derived from the secret key, or made in its console (44 characters); the secret
    key itself, and keys for a time (ASIA…), are refused (535).
    Fix: make SMTP credentials in the SES console, in the region of the host, and use their user and password.
    """
    known = _password_login(facts)
    if known is None or known.id != "ses":
        raise NotApplicable
    password, user = facts.setting("password"), facts.setting("user")
    if password is not None and facts.password is not None and _is_secret_key(needs(facts.password)):
        yield finding(
            f"{named(password)} has 40 characters, as a secret access key has; an SMTP password has 44",
            at=at(facts, "password"),
        )
    if user is not None and text_of(user).startswith("ASIA"):
        yield finding(
            f"{named(user)} is an access key for a time (ASIA…), which SES refuses for SMTP", at=at(facts, "user")
        )


@rule("SET029", Severity.ERROR, "good practice: a login is refused with values that only stand for others")
def value_is_a_placeholder(facts: MailSettings) -> Findings:
    """A value only stands for a value: changeme, your-password, <...>.

    Why: the example was copied and never filled in; the server is not found, or refuses the login.
    Fix: put in the value that is meant.
    """
    needs(facts.roles or None)
    for role, origin in origins(facts):
        text = text_of(origin)
        if (
            role in ("host", "user", "password", "from", "service")
            and text
            and placeholder(text)
            and not _meant(facts, role)
        ):
            shown = "" if role == "password" else f' "{text.strip()}"'
            yield finding(
                f"{named(origin)}:{shown or ' its value'} only stands for a value",
                at=at(facts, role),
                fix=f"set {named(origin)} to the value that is meant",
            )


def _meant(facts: MailSettings, role: str) -> bool:
    """True where a word like "apikey" is the right user, or anything is: a sandbox on one's own machine."""
    if facts.plan.delivery != "smtp":
        return True
    known = server(facts)
    if role == "user" and re.fullmatch(r"(?i)(?:smtp[-_]?)?(?:api)?[-_]?(?:key|token)", text_of(facts.setting("user"))):
        return True  # several providers take such a word
    if known is None:
        return False
    if role == "user" and known.entry.get("username") == "fixed":
        return True
    return known.id == "local-sink"
