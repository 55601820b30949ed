"""The From address against the account and the provider.

What this file will not do: look at the domain's DNS (the doctor's ladder does), or at what a message says.
"""

from __future__ import annotations

from deliverkit.data import Provider, mailbox_provider
from deliverkit.facts.base import NotApplicable, needs
from deliverkit.facts.settings.model import MailSettings
from deliverkit.facts.settings.values import Setting
from deliverkit.findings import Severity, finding
from deliverkit.rules.registry import Findings, rule
from deliverkit.rules.settings.placeholders import placeholder
from deliverkit.rules.settings.reading import (
    address_in,
    at,
    change,
    domain_of,
    named,
    server,
    smtp,
    text_of,
    where,
)

_MUST_MATCH = ("must-match-account", "must-match-username")
_MAY_BE_AN_ALIAS = ("must-match-account-or-alias", "rewritten-unless-alias", "mailbox-or-send-as")


def _differing(facts: MailSettings, rules: tuple[str, ...]) -> tuple[Provider, str, str] | None:
    """The provider, the From and the user, if they differ and the provider has one of these rules."""
    smtp(facts)
    setting, user = needs(facts.setting("from")), text_of(needs(facts.setting("user"))).strip().lower()
    sender = address_in(text_of(setting))
    known = server(facts)
    if known is None or known.entry.get("from_rule") not in rules:
        raise NotApplicable
    if sender is None or "@" not in user or sender == user or placeholder(user) or placeholder(sender):
        return None
    if "+" in sender and sender.replace(sender[sender.index("+") : sender.rindex("@")], "") == user:
        return None  # a subaddress is the account's own (RFC 5233)
    return known, sender, user


@rule("SET030", Severity.ERROR, "good practice: the provider's replies (553 Mail from must equal authorized user)")
def from_is_not_the_account(facts: MailSettings) -> Findings:
    """The From address is not the account that logs in, and the provider refuses any other.

    Why: the server answers 553, 501 or 550 to MAIL FROM or to the message: the sender must equal the user.
    Fix: set From to the address of the account; what readers shall answer to belongs into Reply-To.
    """
    found = _differing(facts, _MUST_MATCH)
    if found is not None:
        known, sender, user = found
        told = f"{known.name} takes mail from {user} only; From is {sender}"
        yield finding(told, at=at(facts, "from", "user"), fix=change(needs(facts.setting("from")), f'"{user}"'))


@rule("SET031", Severity.NOTE, "good practice: the provider's documentation on sending from other addresses")
def from_must_be_an_alias(facts: MailSettings) -> Findings:
    """The From address is not the account that logs in; the provider takes it only if it is an alias of the account.

    Why: otherwise the server refuses it, or writes the account's own address into From.
    Fix: make sure that the address is an alias of the account, or set From to the account.
    """
    found = _differing(facts, _MAY_BE_AN_ALIAS)
    if found is not None:
        known, sender, user = found
        what = "replaces it" if known.entry["from_rule"] == "rewritten-unless-alias" else "refuses it"
        told = f"From is {sender}, the account {user}: {known.name} {what} unless it is an alias"
        yield finding(told, at=at(facts, "from", "user"))


@rule("SET032", Severity.WARNING, "RFC 9989 §5; RFC 7489 §6.6; Gmail and Yahoo sender requirements")
def from_of_a_provider_of_peoples_mail(facts: MailSettings) -> Findings:
    """From is an address at a provider of people's mail, and the mail goes through somebody else's server.

    Why: neither SPF nor DKIM is aligned with that domain: DMARC fails, and the mail is refused or junked.
    Fix: send from a domain of your own that is set up at the sending service, and put the address into Reply-To.
    """
    smtp(facts)
    setting = needs(facts.setting("from"))
    sender = address_in(text_of(setting))
    known = server(facts)
    if sender is None or placeholder(sender) or where(facts.plan.host) != "public":
        return
    domain = domain_of(sender)
    home = mailbox_provider(domain)
    if home is None or (known is not None and known.category == "sandbox"):
        return
    user = text_of(facts.setting("user")).lower()
    if known is not None and (domain in known.domains or known.category == "mailbox"):
        return  # SET030 and SET031 see to accounts of people
    if known is None and (domain_of(user) == domain or facts.plan.host.lower().endswith(domain)):
        return
    yield finding(f"From is {sender} ({home.name}), the server {facts.plan.host} is not theirs", at=at(facts, "from"))


@rule("SET033", Severity.WARNING, "RFC 5322 §3.6.2; RFC 5321 §2.3.5")
def from_is_not_set(facts: MailSettings) -> Findings:
    """The From address is empty, the framework's placeholder, or none at all.

    Why: mail from root@localhost or webmaster@localhost is refused by nearly every server: the domain does not exist.
    Fix: set From to an address of your own domain.
    """
    smtp(facts)
    setting = _written(facts)
    text = text_of(setting).strip()
    sender = address_in(text)
    if not text:
        yield finding(f"{named(setting)} is not set", at=at(facts, "from"))
    elif placeholder(text):
        return  # SET029
    elif sender is None:
        yield finding(f'"{text}" holds no address', at=at(facts, "from"))
    elif domain_of(sender) in ("localhost", "localhost.localdomain"):
        yield finding(f"From is {sender}", at=at(facts, "from"))
    elif facts.production and domain_of(sender) in ("example.com", "example.org", "example.net"):
        yield finding(f"From is {sender}: a domain that nobody has (RFC 2606)", at=at(facts, "from"))


def _written(facts: MailSettings) -> Setting:
    """The From that is set somewhere; the framework's own default is judged by itself."""
    setting = needs(facts.setting("from"))
    if setting.origin.place is None and setting.value is not None:
        raise NotApplicable
    return setting


@rule("SET095", Severity.NOTE, "RFC 5321 §2.3.5; good practice: the documentation of the framework, default From")
def from_is_the_frameworks_own(facts: MailSettings) -> Findings:
    """No From address is set, and the framework's own stands for it.

    Why: wherever the program names no sender itself, mail leaves as webmaster@localhost or hello@example.com, which
    nearly every server refuses: nobody has such an address.
    Fix: set the default From to an address of your own domain.
    """
    smtp(facts)
    setting = needs(facts.setting("from"))
    if setting.origin.place is not None or setting.value is None:
        return  # SET033
    sender = address_in(text_of(setting))
    nobody = ("localhost", "localhost.localdomain", "example.com", "example.org", "example.net")
    if sender is not None and domain_of(sender) in nobody:
        yield finding(f"{setting.name} is not set: From is {sender}", at=at(facts, "from"), fix=f"set {setting.name}")
