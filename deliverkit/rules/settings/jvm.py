"""What only Spring, JavaMail, Postfix and Kubernetes know: properties nobody reads, values that stop the start, logins
that a default forbids, secrets that are not encoded.
"""

from __future__ import annotations

from deliverkit.facts.base import NotApplicable, needs
from deliverkit.facts.settings.model import AppFacts, MailSettings
from deliverkit.facts.settings.values import Setting
from deliverkit.findings import Evidence, Severity, finding
from deliverkit.rules.registry import Findings, rule
from deliverkit.rules.settings.reading import at, evidence


def _of(facts: MailSettings, *frameworks: str) -> MailSettings:
    if facts.framework not in frameworks:
        raise NotApplicable
    return facts


@rule("SET075", Severity.WARNING, "good practice: documentation of the package com.sun.mail.smtp")
def mail_property_never_read(facts: AppFacts) -> Findings:
    """A property of JavaMail is set that is never read.

    Why: JavaMail reads mail.smtp.* for the protocol smtp and mail.smtps.* for smtps, and ignores every other name
    without a word: encryption, login or timeouts stay what they are without it.
    Fix: write the name that is read.
    """
    needs(True if any(one.framework in ("spring", "javamail") for one in facts.settings) else None)
    for mark in facts.marks:
        if mark.kind == "property-never-read":
            name, _, _ = mark.detail.partition(": ")
            yield finding(mark.detail, at=Evidence("file", name, file=mark.place.file, line=mark.place.line))


@rule("SET076", Severity.ERROR, "good practice: Spring Boot documentation, Type-safe Configuration Properties")
def value_spring_cannot_bind(facts: MailSettings) -> Findings:
    """The port is no number, and Spring cannot bind it.

    Why: the application does not start ("Failed to bind properties under 'spring.mail.port' to java.lang.Integer").
    In a file of properties a # behind the value is part of it.
    Fix: write the number alone; a comment has a line of its own.
    """
    port = needs(_of(facts, "spring").setting("port"))
    if _has(port, "not-bound"):
        yield finding(f"{port.origin.name} is {port.origin.shown}, not a number", at=at(facts, "port"))


@rule("SET077", Severity.ERROR, "good practice: postconf(5), smtp_sasl_security_options")
def postfix_forbids_plain_login(facts: MailSettings) -> Findings:
    """Postfix is to log in, and forbids itself the mechanisms that the server has.

    Why: the default of smtp_sasl_security_options is "noplaintext, noanonymous", also over TLS; most servers offer
    PLAIN and LOGIN only, and Postfix defers all mail with "no mechanism available".
    Fix: set smtp_sasl_tls_security_options = noanonymous (PLAIN and LOGIN over TLS only), and keep TLS mandatory.
    """
    plan = _of(facts, "postfix").plan
    if not plan.login:
        raise NotApplicable
    name = "smtp_sasl_security_options" if plan.mode == "clear" else "smtp_sasl_tls_security_options"
    options = needs(facts.setting(name))
    if "noplaintext" in (options.text or "").lower():
        set_one = options if options.place is not None else None
        told = "the default" if set_one is None else str(set_one.place)
        place = (evidence(set_one),) if set_one is not None else at(facts, "host")
        yield finding(f"{name} is {options.text!r} ({told})", at=place)


@rule("SET078", Severity.ERROR, "good practice: Postfix SASL Howto, configuring the client")
def relay_password_not_found(facts: MailSettings) -> Findings:
    """Postfix finds no password for its relay.

    Why: the table of passwords is asked for relayhost exactly as it is written, with brackets and port, then for the
    server's name; without an answer Postfix does not log in, and the relay refuses the mail (530, 554).
    Fix: make the key in the table the same text as relayhost, and run postmap on it.
    """
    if not _of(facts, "postfix").plan.login:
        raise NotApplicable
    maps = needs(facts.setting("smtp_sasl_password_maps"))
    for fault in maps.faults:
        if fault.kind == "key-not-found":
            yield finding(fault.detail, at=at(facts, "host", "smtp_sasl_password_maps"))


@rule("SET079", Severity.ERROR, "good practice: Kubernetes documentation, Secrets")
def secret_is_not_base64(facts: MailSettings) -> Findings:
    """A value below data of a Kubernetes Secret is not base64.

    Why: the cluster refuses the Secret ("illegal base64 data"), and the container does not start or keeps old values.
    Fix: encode the value (printf %s VALUE | base64), or write it below stringData as it is.
    """
    found = [setting for setting in facts.roles.values() if _of_manifest(setting)]
    needs(found or None)
    for setting in {str(one.origin.place): one for one in found}.values():
        if _has(setting, "not-base64"):
            yield finding(f"{setting.origin.name} is no base64", at=evidence(setting))


def _of_manifest(setting: Setting) -> bool:
    place = setting.origin.place
    return place is not None and place.file.endswith((".yaml", ".yml")) and setting.origin.layer == place.file


def _has(setting: Setting, kind: str) -> bool:
    return any(fault.kind == kind for fault in setting.faults)
