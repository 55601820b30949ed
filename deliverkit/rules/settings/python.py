"""What goes wrong in Python alone: two kinds of TLS at once, texts taken for truth, a From that is one encoded word."""

from __future__ import annotations

from deliverkit.facts.base import needs
from deliverkit.facts.settings.model import AppFacts, MailSettings, SourceMark
from deliverkit.facts.settings.values import Setting
from deliverkit.findings import Evidence, Severity, finding
from deliverkit.rules.registry import Findings, rule
from deliverkit.rules.settings.reading import UNCHECKED_BY_DEFAULT, at, evidence, smtp

FRAMEWORKS = ("django", "smtplib", "aiosmtplib", "flask-mail", "fastapi-mail", "yagmail")
_SWITCHES = ("secure", "starttls", "verify", "backend", "debug")
_FALSE = ("false", "no", "off", "0", "f", "n", "none", "null")


def _python(facts: MailSettings) -> None:
    """The end of the rule for transports of other languages."""
    needs(facts.framework if facts.framework in FRAMEWORKS else None)


def _seen(mark: SourceMark, name: str) -> Evidence:
    return Evidence("file", name, file=mark.place.file, line=mark.place.line)


@rule("SET060", Severity.ERROR, "RFC 5322 §3.6.2; RFC 2047 §5")
def from_header_is_one_encoded_word(facts: AppFacts) -> Findings:
    """The From header is encoded as a whole, the address with the name.

    Why: Header(text, "utf-8") makes one encoded word of all it is given; what is inside is no address any more. Servers
    answer 550 'The "From" header is missing or invalid' (QQ), others throw the message away.
    Fix: encode the name alone: message["From"] = formataddr((name, address)) of email.utils; with an EmailMessage,
    Address(name, user, domain).
    """
    needs(facts.calls or facts.marks or None)
    for mark in facts.marks:
        if mark.kind == "whole-from-encoded":
            yield finding(f"{mark.place}: {mark.detail}: no address is left in it", at=_seen(mark, "From"))


@rule("SET061", Severity.ERROR, "good practice: the documentation of Django, Flask-Mail and aiosmtplib; RFC 3207 §4")
def two_kinds_of_tls_at_once(facts: MailSettings) -> Findings:
    """TLS from the first byte and STARTTLS are both switched on.

    Why: they exclude each other: Django and aiosmtplib refuse to send (ValueError, "mutually exclusive"), smtplib and
    Flask-Mail ask for STARTTLS inside TLS, and the server does not offer it there.
    Fix: port 465: TLS from the first byte alone; port 587: STARTTLS alone.
    """
    _python(facts)
    secure, starttls = needs(facts.setting("secure")), needs(facts.setting("starttls"))
    if secure.value and starttls.value:
        yield finding(f"{secure.name} and {starttls.name} are both true", at=at(facts, "secure", "starttls"))


@rule("SET062", Severity.WARNING, "good practice: Python documentation, Truth Value Testing")
def text_for_false_is_true(facts: MailSettings) -> Findings:
    """A text that says false is taken as true.

    Why: a variable is a text, and in Python every text but the empty one is true: bool("False") is True.
    Fix: compare it (os.environ["NAME"].lower() in ("1", "true")), or let a library cast it: config("NAME", cast=bool),
    env.bool("NAME").
    """
    _python(facts)
    switches = [s for role in _SWITCHES if (s := facts.setting(role)) is not None]
    needs(switches or None)
    for setting in switches:
        if _says_false(setting) and setting.value not in (False, 0, None, ""):
            yield finding(f"{setting.name} is true, for {setting.origin.name} is the text {setting.origin.shown}",
                          at=evidence(setting))  # fmt: skip


def _says_false(setting: Setting) -> bool:
    """True if the text at the beginning of the chain is a word for false."""
    value = setting.origin.value
    return isinstance(value, str) and value.strip().lower() in _FALSE


@rule("SET063", Severity.WARNING, "good practice: Python documentation, SMTP.set_debuglevel")
def debug_output_in_production(facts: MailSettings) -> Findings:
    """The dialogue with the server is printed in production.

    Why: the debug level of smtplib prints every line to standard error, the ones of AUTH among them, and with them the
    password in base64; logs are kept and read by many.
    Fix: leave set_debuglevel and MAIL_DEBUG out in production.
    """
    _python(facts)
    debug = needs(facts.setting("debug"))
    if facts.production and debug.value and not (isinstance(debug.value, str) and debug.value == "0"):
        yield finding(f"{debug.name} is {debug.shown}", at=at(facts, "debug"))


@rule(
    "SET064", Severity.NOTE, "good practice: Python documentation, module ssl, Security considerations; RFC 8314 §3.4"
)
def no_certificate_is_checked_by_default(facts: MailSettings) -> Findings:
    """The library checks no certificate, because it is given no context.

    Why: smtplib uses TLS without a look at the certificate unless a context is passed to it; whoever stands between
    reads the password.
    Fix: pass context=ssl.create_default_context() to SMTP_SSL or starttls. Flask-Mail and yagmail take no context.
    """
    plan = smtp(facts)
    needs(facts.framework if facts.framework in UNCHECKED_BY_DEFAULT and plan.mode != "clear" else None)
    if not plan.verify and facts.setting("verify") is None:
        yield finding(
            f"{plan.host}:{plan.port}: {facts.framework} is given no context", at=at(facts, "starttls", "secure")
        )


@rule(
    "SET065", Severity.NOTE, "RFC 5321 §4.5.3.1.8; good practice: providers limit connections and logins by the minute"
)
def connection_for_each_message(facts: AppFacts) -> Findings:
    """A connection is made, and a login done, for each turn of a loop.

    Why: a server answers 421 or 454 to too many connections or logins from one address.
    Fix: connect and log in before the loop, and send all messages over the one connection.
    """
    needs(facts.calls or facts.marks or None)
    for mark in facts.marks:
        if mark.kind == "connection-per-message":
            yield finding(f"{mark.place}: {mark.detail}", at=_seen(mark, "connection"))


@rule("SET066", Severity.ERROR, "good practice: Django documentation, Migrating email to mailers")
def mailers_beside_email_settings(facts: AppFacts) -> Findings:
    """MAILERS is set, and settings that it replaces are set beside it.

    Why: from Django 6.1 on the program stops with ImproperlyConfigured; before, MAILERS has no effect.
    Fix: move the value into MAILERS["default"]["OPTIONS"] and remove the old setting.
    """
    needs(facts.settings or None)
    for mark in facts.marks:
        if mark.kind == "mailers-and-email-settings":
            yield finding(f"{mark.place}: {mark.detail}", at=_seen(mark, "MAILERS"))


@rule("SET067", Severity.ERROR, "good practice: python-decouple and django-environ, how a line of .env is read")
def comment_is_part_of_a_value(facts: MailSettings) -> Findings:
    """What was meant as a comment is part of a value.

    Why: python-decouple and django-environ know comments on lines of their own only; what stands behind a value, with
    its #, belongs to it: the host, the user or the password is another one.
    Fix: put the comment on a line of its own.
    """
    _python(facts)
    origins = {setting.origin for setting in facts.roles.values() if setting.via is not None}
    needs(origins or None)
    for origin in sorted(origins, key=lambda one: one.name):
        if any(fault.kind == "comment-kept" for fault in origin.faults):
            yield finding(f"{origin.name}: the text behind # is part of the value", at=evidence(origin))
