"""What is one framework's own: variables its configuration does not read, settings it refuses, errors it swallows.

What this file will not do: judge ports and encryption; that is the same for all of them.
"""

from __future__ import annotations

from collections.abc import Iterator

from deliverkit.facts.base import NotApplicable, needs
from deliverkit.facts.settings.model import AppFacts, MailSettings, SourceMark
from deliverkit.findings import Evidence, Severity, finding
from deliverkit.rules.registry import Findings, rule
from deliverkit.rules.settings.reading import at, change

_SMTP_ONLY = ("host", "port", "user", "password", "secure")


def _marked(facts: AppFacts, kind: str) -> Iterator[SourceMark]:
    """The marks of a kind, each place once."""
    yield from dict.fromkeys(mark for mark in facts.marks if mark.kind == kind)


def _of(facts: AppFacts, *frameworks: str) -> None:
    needs([one for one in facts.settings if one.framework in frameworks] or None)


def _seen(mark: SourceMark) -> Evidence:
    return Evidence("file", mark.detail.split(" ")[0].rstrip(":"), file=mark.place.file, line=mark.place.line)


@rule("SET070", Severity.WARNING, "good practice: Laravel documentation, Mail; upgrade guides of Laravel 7, 9 and 11")
def mail_variable_that_nothing_reads(facts: AppFacts) -> Findings:
    """A MAIL_ variable is set, and the application's configuration does not read it.

    Why: the names changed with the versions (MAIL_DRIVER became MAIL_MAILER, MAIL_ENCRYPTION became MAIL_SCHEME): the
    value has no effect, and the default of config/mail.php counts.
    Fix: set the variable that config/mail.php reads, or read this one there.
    """
    _of(facts, "laravel")
    for mark in _marked(facts, "variable-not-read"):
        yield finding(mark.detail, at=_seen(mark))


@rule("SET071", Severity.ERROR, "good practice: the documentation of the framework's mailer")
def settings_the_framework_refuses(facts: MailSettings) -> Findings:
    """The framework throws these settings out before it connects.

    Why: it raises an error at the first message (or at the start): no mail leaves.
    Fix: write the value as the framework wants it; the finding says which.
    """
    if facts.framework not in ("laravel", "symfony", "phpmailer", "rails"):
        raise NotApplicable
    if facts.plan.delivery == "refused":
        scheme = facts.setting("secure") if facts.framework == "laravel" and "scheme" in facts.plan.why else None
        fix = None if scheme is None else change(scheme, '"smtp" (port 587) or "smtps" (port 465)')
        roles = ("secure",) if scheme is not None else ("url", "secure", "backend", "starttls")
        yield finding(facts.plan.why, at=at(facts, *roles), fix=fix)


@rule("SET072", Severity.WARNING, "good practice: Rails guide, Action Mailer Basics (raise_delivery_errors)")
def delivery_errors_swallowed(facts: MailSettings) -> Findings:
    """In production, Action Mailer is told not to raise what the server says.

    Why: a refused login or a wrong port leaves no trace: the job is done, and nobody got the mail.
    Fix: set config.action_mailer.raise_delivery_errors = true, so that jobs are tried again and errors are logged.
    """
    setting = needs(facts.setting("raise-errors"))
    if not facts.production or facts.plan.delivery != "smtp":
        raise NotApplicable
    if setting.value is False:
        yield finding("raise_delivery_errors is false", at=at(facts, "raise-errors"), fix=change(setting, "true"))


@rule("SET073", Severity.ERROR, "good practice: PHPMailer README, isSMTP()")
def smtp_settings_of_a_mailer_that_uses_mail(facts: MailSettings) -> Findings:
    """PHPMailer is given a server and never told to use it.

    Why: without isSMTP() it calls PHP's mail(), which hands the message to a local sendmail: where there is none, mail
    fails ("Could not instantiate mail function"), else it comes from a server that your domain knows nothing of.
    Fix: call isSMTP() on the mailer before it sends.
    """
    if facts.framework != "phpmailer":
        raise NotApplicable
    given = [role for role in _SMTP_ONLY if facts.setting(role) is not None]
    if facts.plan.delivery == "sendmail" and {"host", "user", "password"} & set(given):
        first = facts.setting("host") or facts.setting("user") or facts.setting("password")
        fix = f"at {facts.place}, add {needs(first).name.partition('->')[0]}->isSMTP(); before it sends"
        yield finding(f"{', '.join(given)} set, and mail() sends: {facts.plan.why}", at=at(facts, *given), fix=fix)


@rule("SET074", Severity.ERROR, "good practice: vlucas/phpdotenv README, Putenv and Getenv")
def getenv_of_what_dotenv_sets(facts: AppFacts) -> Findings:
    """A variable is read by getenv(), and Dotenv sets it where getenv() does not look.

    Why: Dotenv::createImmutable fills $_ENV and $_SERVER only: getenv() gives false, and the mailer has no password or
    host, although the file sets it.
    Fix: read $_ENV['NAME'], or load the file by Dotenv::createUnsafeImmutable.
    """
    _of(facts, "phpmailer")
    for mark in _marked(facts, "getenv-without-putenv"):
        yield finding(mark.detail, at=_seen(mark))
