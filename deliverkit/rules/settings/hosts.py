"""The server: a host that is misspelt, takes no mail, or is overruled; a port nobody sends mail to.

What this file will not do: look anything up. Whether a name exists is the ladder's to tell.
"""

from __future__ import annotations

import re

from deliverkit.data import Provider, mailbox_provider, provider_hosts, providers_at, region_of
from deliverkit.facts.base import NotApplicable, needs
from deliverkit.facts.settings.model import AppFacts, MailSettings
from deliverkit.findings import Severity, finding
from deliverkit.rules.registry import Findings, rule
from deliverkit.rules.settings.reading import at, change, doubtful, evidence, named, smtp, text_of, transports
from deliverkit.rules.settings.spelling import host_meant

INCOMING_PORTS = {143: "IMAP", 993: "IMAP", 110: "POP3", 995: "POP3"}
_INCOMING = re.compile(r"(imap4?s?|pop3?s?|pop-?mail|incoming|inbound)\.(.+)")
_OTHER_PORTS = {20: "FTP", 21: "FTP", 22: "SSH", 23: "Telnet", 53: "DNS", 80: "HTTP", 443: "HTTPS", 3306: "MySQL",
                5432: "PostgreSQL", 6379: "Redis", 8080: "HTTP", 3000: "HTTP"}  # fmt: skip
_REGION = re.compile(
    r"(us|eu|ap|ca|sa|me|af|il|mx|cn|us-gov|uk)-"
    r"(north|south|east|west|central|northeast|northwest|southeast|southwest)-[1-9]"
)


@rule("SET015", Severity.ERROR, "good practice: the host names that the providers publish")
def host_is_misspelt(facts: MailSettings) -> Findings:
    """The host is most likely that of a known provider, misspelt.

    Why: the name does not exist, or leads to somebody else, who then gets the password.
    Fix: correct the host name.
    """
    host = smtp(facts).host
    setting = needs(facts.setting("host"))
    if providers_at(host) or doubtful(setting):
        return
    meant = host_meant(host, provider_hosts())
    if meant is not None:
        yield finding(
            f"{host} is most likely meant to be {meant}", at=at(facts, "host"), fix=change(setting, f'"{meant}"')
        )


@rule("SET016", Severity.ERROR, "RFC 9051 §2.1; RFC 1939 §3; RFC 8314 §3.2")
def server_for_reading_mail(facts: MailSettings) -> Findings:
    """The host or the port is one for reading mail (IMAP, POP3), not for sending it.

    Why: no SMTP server answers there: the client ends with an unexpected greeting, a timeout or "wrong version number".
    Fix: use the provider's SMTP server: port 465 with TLS from the first byte, or 587 with STARTTLS.
    """
    plan = smtp(facts)
    spoken = INCOMING_PORTS.get(plan.port)
    reading = _INCOMING.fullmatch(plan.host.lower().rstrip("."))
    known = _sender_for(reading[2]) if reading else None
    needs(facts.setting("host") or facts.setting("port"))
    if spoken is None and known is None:
        return
    told = [f"{plan.host} is a server for reading mail"] if reading else []
    told += [f"port {plan.port} is for {spoken}"] if spoken else []
    fixes = []
    host = facts.setting("host")
    if reading and known is not None and host is not None:
        fixes.append(change(host, f'"{known.endpoints[0].host}"'))
    if spoken:
        port = facts.setting("port")
        right = "465 (TLS from the first byte)" if plan.mode == "implicit" else "587 (STARTTLS)"
        fixes.append(change(port, right) if port is not None else f"set the port to {right}")
    roles = ("host",) * bool(reading) + ("port",) * bool(spoken)
    yield finding("; ".join(told), at=at(facts, *roles), fix="; ".join(fixes) or None)


def _sender_for(rest: str) -> Provider | None:
    """The provider whose servers lie below what follows "imap." in a host name."""
    for prefix in ("smtp.", "mail.", "smtp.mail.", "smtp-mail."):
        found = providers_at(prefix + rest)
        if found:
            return found[0]
    return mailbox_provider(rest)


@rule("SET017", Severity.WARNING, "RFC 8314 §3.3; RFC 6409 §3.1; good practice: the ports that the provider publishes")
def port_not_for_sending(facts: MailSettings) -> Findings:
    """The port is none on which mail is handed in.

    Why: another service answers there, or nothing does until a timeout.
    Fix: use port 587 with STARTTLS, or 465 with TLS from the first byte.
    """
    plan = smtp(facts)
    needs(facts.setting("port"))
    if plan.port in INCOMING_PORTS:  # SET016
        return
    ends = [end for known in providers_at(plan.host) for end in known.endpoints]
    listed = [end for end in ends if "{" in end.host or end.host == plan.host.lower().rstrip(".")]
    usual = (25, 587, 2525, *((465,) if any(e.tls == "implicit" for e in listed) else ()))
    if listed and plan.port not in {e.port for e in listed} and plan.port not in usual:
        told = ", ".join(dict.fromkeys(str(e.port) for e in listed))
        first = listed[0]
        yield finding(
            f"{plan.host} takes mail on {told}, not on {plan.port}",
            at=at(facts, "port"),
            fix=change(needs(facts.setting("port")), f"{first.port} ({_tls(first.tls)})"),
        )
    elif not listed and plan.port in _OTHER_PORTS:
        yield finding(f"port {plan.port} is for {_OTHER_PORTS[plan.port]}", at=at(facts, "port"))
    elif not 0 < plan.port < 65536:
        yield finding(f"there is no port {plan.port}", at=at(facts, "port"))


def _tls(word: str) -> str:
    return {"implicit": "TLS from the first byte", "starttls": "STARTTLS"}.get(word, "without TLS")


@rule("SET019", Severity.ERROR, "good practice: the host names that the providers publish")
def host_is_a_domain_of_addresses(facts: MailSettings) -> Findings:
    """The host is the domain of a provider's addresses, not the name of its server for sending.

    Why: under this name answers a web site, or nothing, until a timeout.
    Fix: use the provider's server for sending.
    """
    host = smtp(facts).host.lower().rstrip(".")
    setting = needs(facts.setting("host"))
    if providers_at(host):
        return
    found = mailbox_provider(host)
    if found is not None:
        yield finding(
            f"{host} is the domain of {found.name}'s addresses; its server is {found.endpoints[0].host}",
            at=at(facts, "host"),
            fix=change(setting, f'"{found.endpoints[0].host}"'),
        )


@rule("SET020", Severity.ERROR, "good practice: AWS documentation, Amazon SES endpoints")
def region_nobody_knows(facts: MailSettings) -> Findings:
    """The host name of Amazon SES holds no region.

    Why: the name does not exist (getaddrinfo ENOTFOUND).
    Fix: write the region in which the SMTP credentials were made: email-smtp.eu-west-1.amazonaws.com.
    """
    host = smtp(facts).host.lower().rstrip(".")
    ses = next((p for p in providers_at("email-smtp.us-east-1.amazonaws.com") if p.id == "ses"), None)
    if ses is None or not host.endswith(".amazonaws.com"):
        raise NotApplicable
    region = region_of(ses, host)
    if region is not None and region not in ses.entry["regions"] and not _REGION.fullmatch(region):
        yield finding(f"{host}: {region} is no region of AWS", at=at(facts, "host"))
    elif host == "email-smtp.amazonaws.com":
        yield finding(f"{host} names no region", at=at(facts, "host"))


@rule("SET093", Severity.ERROR, "RFC 2606 §3; RFC 7505 §3")
def host_of_an_example(facts: MailSettings) -> Findings:
    """In production, the host lies below example.com, example.net or example.org.

    Why: these domains are for documentation: no mail server is there, and nobody will ever have one.
    Fix: set the host to the server of your provider.
    """
    host = smtp(facts).host.lower().rstrip(".")
    setting = needs(facts.setting("host") or facts.setting("url"))
    if facts.production and re.search(r"(?:^|\.)example\.(?:com|net|org)$", host):
        yield finding(
            f"{host} is a name of examples", at=at(facts, "host", "url"), fix=f"set {named(setting)} to your server"
        )


@rule("SET094", Severity.NOTE, "good practice: AWS documentation, SMTP credentials are made for one region")
def region_differs(facts: AppFacts) -> Findings:
    """The region in the host name of Amazon SES is not the region that a variable names.

    Why: SMTP credentials of SES, its sandbox and its verified identities belong to one region: a login in another is
    refused (535), an identity not found (554).
    Fix: use the host of the region in which the credentials and the identity were made.
    """
    judged = False
    for one in transports(facts, "host"):
        found = next((p for p in providers_at(one.plan.host) if p.id == "ses"), None)
        if found is None:
            continue
        judged = True
        region = region_of(found, one.plan.host.lower().rstrip("."))
        values = facts.variables.get(one.environment, {})
        for name in ("AWS_SES_REGION", "SES_REGION", "AWS_REGION", "AWS_DEFAULT_REGION"):
            other = text_of(values.get(name))
            if region and other and other != region:
                told = f"{one.plan.host} is in {region}, {named(values[name])} is {other}"
                yield finding(told, at=(*at(one, "host"), evidence(values[name])), subject=one.subject)
                break
    needs(judged or None)
