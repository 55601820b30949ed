"""``deliverkit send``: options and printing for the sending engine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from deliverkit.cli.common import (
    Output,
    Progress,
    WorldChoice,
    finish,
    output_options,
    run,
    usage_error,
    world_options,
)
from deliverkit.cli.files import refuse_unwritable, write_file
from deliverkit.cli.secret import read_secret
from deliverkit.cli.send_options import WITHOUT_YES, send_options

if TYPE_CHECKING:
    from deliverkit.engine.draft import Draft
    from deliverkit.engine.preset import Preset
    from deliverkit.engine.send import SendOptions
    from deliverkit.protocols.dkim.sign import SigningKey
    from deliverkit.report.model import Report
    from deliverkit.smtp.compose import Composed, Writer
    from deliverkit.smtp.submission import Auth, TlsMode


@click.command()
@send_options
@world_options
@output_options
def send(where: WorldChoice, output: Output, **given: Any) -> None:
    """Send a real, DKIM-signed test message and keep the transcript.

    The message goes through --provider or --via, or straight to the recipients' MX hosts. A password comes from the
    environment, a file or a prompt, never from the command line. Exit status: 0 accepted, 1 refused, 3 not reached.
    """
    from deliverkit.engine.preset import BadPreset
    from deliverkit.names import BadName
    from deliverkit.protocols.dkim.keys import BadKeyFile
    from deliverkit.protocols.dkim.sign import SigningError
    from deliverkit.smtp.compose import BadValue
    from deliverkit.smtp.compose.template import BadData, TemplateFault

    if given["transcript_file"]:
        refuse_unwritable(given["transcript_file"])
    if (where.offline or where.closed_world) and not given["dry_run"]:
        usage_error("sending needs the network: with --offline or --closed-world only --dry-run makes sense")
    try:
        write, message, header_recipients = _message(given)
        options = _sending(given, message, header_recipients, output)
        report = run(_sent(write, options, given, where, output))
    except (BadValue, BadPreset, BadName, BadKeyFile, SigningError, TemplateFault, BadData) as bad:
        usage_error(str(bad))
    if given["transcript_file"] and not given["dry_run"]:
        _keep_transcripts(given["transcript_file"], report)
    finish([report], output, interrupted=report.interrupted)


async def _sent(
    write: Writer, options: SendOptions, given: dict[str, Any], where: WorldChoice, output: Output
) -> Report:
    import platform

    from deliverkit.engine.send import local_name, preview
    from deliverkit.engine.send import send as send_all

    async with where.open() as world:
        if given["dry_run"]:
            return preview(write, options, world=world)
        helo = given["helo"] or local_name(world, platform.node(), options.mail_from.rpartition("@")[2])
        progress = Progress(output)
        try:
            return await send_all(write, replace(options, helo=helo), world=world, progress=progress)
        finally:
            progress.done()


# -- the message ------------------------------------------------------------------------------------------


def _message(given: dict[str, Any]) -> tuple[Writer, Composed, tuple[str, ...]]:
    """What writes the messages, one of them to look at, and the recipients its header names."""
    from datetime import UTC, datetime

    from deliverkit.engine.draft import content_of, writer_of, writer_of_file
    from deliverkit.smtp.compose import recipients

    if given["eml"] is not None:
        _refuse_beside_eml(given)
        write, message = writer_of_file(given["eml"])
        return write, message, recipients(message)
    if not given["header_from"]:
        usage_error("who sends it? Give --from ADDRESS")
    content = content_of(_draft(given))
    write = writer_of(content)
    named = tuple(dict.fromkeys(address.spec for address in (*content.to, *content.cc)))
    return write, write(0, datetime.now(UTC)), named


def _refuse_beside_eml(given: dict[str, Any]) -> None:
    """--eml sends a message as it is: options that would write another one are a misunderstanding."""
    composing = ("subject", "text", "text_file", "html", "html_file", "templates", "data_file", "settings", "attach")
    more = ("inline", "headers", "unsubscribe", "unsubscribe_mailto", "cc", "reply_to")
    renamed = {"templates": "template", "data_file": "data", "settings": "set", "headers": "header"}
    for name in (*composing, *more):
        if given[name]:
            option = renamed.get(name, name)
            usage_error(f"--eml sends a message as it stands: leave out --{option.replace('_', '-')}")


def _draft(given: dict[str, Any]) -> Draft:
    from deliverkit.engine.draft import Draft
    from deliverkit.smtp.compose.template import load_data, with_settings

    templated = bool(given["templates"] or given["data_file"] or given["settings"])
    data = load_data(given["data_file"]) if given["data_file"] else {}
    return Draft(
        header_from=given["header_from"],
        to=given["to"],
        cc=given["cc"],
        reply_to=given["reply_to"],
        subject=given["subject"],
        text=_one_of(given, "text", "text_file"),
        html=_one_of(given, "html", "html_file"),
        templates=given["templates"],
        data=with_settings(data, given["settings"]) if templated else None,
        attachments=given["attach"],
        inline=tuple(_pair("--inline", "CID=FILE", text) for text in given["inline"]),
        headers=given["headers"],
        unsubscribe=given["unsubscribe"],
        unsubscribe_mailto=given["unsubscribe_mailto"],
    )


def _one_of(given: dict[str, Any], text: str, file: str) -> str | None:
    from deliverkit.engine.draft import read_text

    if given[text] is not None and given[file] is not None:
        usage_error(f"--{text} and --{file.replace('_', '-')} exclude each other: give one")
    value: str | None = given[text]
    return read_text(given[file]) if given[file] is not None else value


def _pair(option: str, form: str, text: str) -> tuple[str, Path]:
    name, equals, file = text.partition("=")
    if not (name and equals and file):
        usage_error(f"{option} {text!r}: expected {form}")
    return name, Path(file)


# -- the sending ------------------------------------------------------------------------------------------


def _sending(
    given: dict[str, Any], message: Composed, header_recipients: tuple[str, ...], output: Output
) -> SendOptions:
    from deliverkit.engine.send import SECONDS, SendOptions

    mail_from = _mail_from(given, message)
    chosen = _preset(given, mail_from)
    relay, tls = _relay(given, chosen)
    auth = _auth(given, chosen, mail_from, tls)
    _check_count(given, relay)
    _check_ca_file(given["ca_file"])
    _check_helo(given["helo"])
    return SendOptions(
        mail_from=mail_from,
        recipients=_recipients(given, header_recipients),
        relay=relay,
        tls=tls,
        helo=given["helo"] or "localhost.localdomain",
        auth=auth,
        keys=_keys(given, message),
        provider=chosen.provider if chosen else None,
        count=given["count"],
        ca_file=str(given["ca_file"]) if given["ca_file"] else None,
        insecure=given["insecure"],
        seconds=output.timeout or SECONDS,
    )


def _recipients(given: dict[str, Any], header_recipients: tuple[str, ...]) -> tuple[str, ...]:
    from deliverkit.smtp.compose import parse_address, parse_addresses

    if given["eml"] is not None and given["to"]:
        named = (address.spec for text in given["to"] for address in parse_addresses("--to", text))
        return tuple(dict.fromkeys(named))
    if not header_recipients:
        usage_error("who gets it? Give --to ADDRESS")
    if given["eml"] is not None:
        where = f"{given['eml']}, To and Cc"
        return tuple(dict.fromkeys(parse_address(where, address).spec for address in header_recipients))
    return header_recipients


def _mail_from(given: dict[str, Any], message: Composed) -> str:
    """The envelope's sender: --mail-from, else the address of From; "" for the null reverse-path."""
    from deliverkit.smtp.compose import parse_address

    told = given["mail_from"]
    if told is not None and told.strip() in ("", "<>"):
        return ""
    if told is None and given["eml"] is not None:
        told = given["header_from"] or message.header_from
        if not told:
            usage_error(f"{given['eml']} has no address in From: give --mail-from ADDRESS")
    return parse_address("--mail-from", told).spec if told is not None else message.header_from


def _preset(given: dict[str, Any], mail_from: str) -> Preset | None:
    from deliverkit.engine.preset import preset
    from deliverkit.engine.route import read_relay

    if given["provider"] is None:
        if given["region"]:
            usage_error("--region belongs to a --provider")
        return None
    host = read_relay(given["via"])[0] if given["via"] else None
    tls = given["tls"] if given["tls"] in ("implicit", "starttls") else None
    return preset(given["provider"], region=given["region"], tls=tls, host=host, mail_from=mail_from)


def _relay(given: dict[str, Any], chosen: Preset | None) -> tuple[tuple[str, int] | None, TlsMode | None]:
    """The server to send through and its TLS mode; None and None for the MX hosts by their custom."""
    from deliverkit.engine.route import default_tls, read_relay

    tls: TlsMode | None = given["tls"]
    if given["via"] is None:
        return ((chosen.endpoint.host, chosen.endpoint.port), tls or chosen.tls) if chosen else (None, tls)
    host, port = read_relay(given["via"])
    if chosen and port in (None, chosen.endpoint.port):
        return (host, chosen.endpoint.port), tls or chosen.tls
    port = port or (465 if tls == "implicit" else 587)
    return (host, port), tls or default_tls(port, login=_wants_login(given))


def _wants_login(given: dict[str, Any]) -> bool:
    names = ("user", "password_env", "password_file", "ask_password", "oauth_token_env")
    return any(given[name] for name in names)


def _auth(given: dict[str, Any], chosen: Preset | None, mail_from: str, tls: str | None) -> Auth | None:
    from deliverkit.engine.preset import lacking_secret, lacking_username, takes_only_tokens
    from deliverkit.smtp.compose.values import single_line
    from deliverkit.smtp.submission import Auth

    needed = chosen is not None and chosen.needs_login and not given["dry_run"]
    if not _wants_login(given):
        if chosen and needed:
            usage_error(lacking_secret(chosen))
        return None
    if given["via"] is None and chosen is None:
        usage_error("a login belongs to a server: give --via HOST or --provider ID (an MX takes no logins)")
    username = single_line("--user", given["user"] or "") or (chosen.username if chosen else mail_from)
    if not username:
        usage_error(lacking_username(chosen) if chosen else "log in as whom? Give --user NAME")
    _refuse_in_clear(given, tls)
    if given["dry_run"]:
        return None
    secret = read_secret(
        given["password_env"], given["password_file"], given["ask_password"], given["oauth_token_env"], whose=username
    )
    if secret is None:
        usage_error(
            lacking_secret(chosen) if chosen else "the password? Give --password-env, --password-file or --ask-password"
        )
    if chosen and takes_only_tokens(chosen.provider) and not secret.is_token:
        usage_error(lacking_secret(chosen))
    mechanism = "XOAUTH2" if secret.is_token else given["mechanism"]
    return Auth(username, secret.value, mechanism.upper() if mechanism else None)


def _refuse_in_clear(given: dict[str, Any], tls: str | None) -> None:
    """A password over --tls none is not an accident to be found out on the wire."""
    if tls == "none" and not given["insecure"]:
        usage_error(
            "with --tls none the password would cross the network in the clear; "
            "use --tls starttls or implicit, or say --insecure if that is meant"
        )


def _check_count(given: dict[str, Any], relay: tuple[str, int] | None) -> None:
    """More than a handful of messages to somebody else's server is a load, not a test."""
    from deliverkit.addresses import kind

    on_loopback = relay is not None and (relay[0] == "localhost" or kind(relay[0]) == "loopback")
    if given["count"] > WITHOUT_YES and not on_loopback and not given["yes"] and not given["dry_run"]:
        usage_error(f"{given['count']} messages to a server that is not on this machine: say --yes if that is meant")


def _check_ca_file(path: Path | None) -> None:
    from deliverkit.engine.draft import read_octets
    from deliverkit.smtp.compose import BadValue

    if path is not None and b"-----BEGIN CERTIFICATE-----" not in read_octets(path):
        raise BadValue(f"--ca-file {path}: there is no certificate in PEM form in it")


def _check_helo(helo: str | None) -> None:
    """Any word may be tried on a server, but it must stay one word (RFC 5321 §4.1.1.1)."""
    from deliverkit.smtp.compose import BadValue
    from deliverkit.smtp.compose.values import single_line

    if helo is not None and (not single_line("--helo", helo) or " " in helo):
        raise BadValue(f"--helo {helo!r}: expected one name or an address literal such as [192.0.2.1]")


def _keys(given: dict[str, Any], message: Composed) -> tuple[SigningKey, ...]:
    from deliverkit.protocols.dkim.keys import load_private_key
    from deliverkit.protocols.dkim.sign import SigningKey

    if given["dkim_domain"] and not given["dkim_keys"]:
        usage_error("--dkim-domain signs nothing by itself: give --dkim-key SELECTOR=FILE")
    domain = given["dkim_domain"] or message.header_from.rpartition("@")[2]
    pairs = [_pair("--dkim-key", "SELECTOR=FILE, for example s1=private.pem", text) for text in given["dkim_keys"]]
    return tuple(SigningKey(selector, domain, load_private_key(file)) for selector, file in pairs)


def _keep_transcripts(path: Path, report: Report) -> None:
    """Every session of the run, as text."""
    lines: list[str] = []
    for attempt in report.facts["attempts"]:
        if attempt.transcript is not None:
            lines += [f"session with {attempt.where}", *attempt.transcript.lines(), ""]
    write_file(path, "\n".join(lines or ["no connection was tried", ""]).encode("utf-8", "backslashreplace"))
