"""``deliverkit verify``: options and printing for the verify engine."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NoReturn

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
from deliverkit.cli.journal import (
    Tape,
    finish_replay,
    journal_options,
    picked,
    readable,
    refuse_contradiction,
    refuse_missing,
    typed,
)

if TYPE_CHECKING:
    from deliverkit.engine.mailfile import StoredMessage
    from deliverkit.report.model import Report
    from deliverkit.world import World
    from deliverkit.world.journal import Journal

PROFILES = ("bulk",)


@click.command()
@click.argument("files", nargs=-1, metavar="FILE...")
@click.option("--client-ip", metavar="A", help="The address the message came from; without it SPF is not asked.")
@click.option("--helo", metavar="H", help="The name the client gave in HELO or EHLO.")
@click.option(
    "--mail-from",
    metavar="M",
    help='The reverse-path; "" for the null one. [default: Return-Path, else the From address]',
)
@click.option("--profile", type=click.Choice(PROFILES), help="Judge as a sender of this kind.")
@click.option("--now", "now_text", metavar="TIME", help="Verify as of this time, for example 2026-11-22T10:00:00Z.")
@world_options
@output_options
@journal_options
def verify(
    files: tuple[str, ...],
    client_ip: str | None,
    helo: str | None,
    mail_from: str | None,
    profile: str | None,
    now_text: str | None,
    where: WorldChoice,
    tape: Tape,
    output: Output,
) -> None:
    """Verify stored messages: SPF, DKIM, DMARC and the message itself.

    A FILE is one message (.eml), an mbox with several, or - for standard input. A file without a single CRLF was
    stored with local line ends and is verified as it travels; mixed line ends are evidence and stay.
    """
    from deliverkit.engine.mailfile import NoMessage, read_messages

    now = None if now_text is None else _moment(now_text)
    if client_ip is not None:
        client_ip = _address(client_ip)
    known = {"client_ip": client_ip, "helo": helo, "mail_from": mail_from, "profile": profile}
    if tape.replay is not None:
        _replay(files, known, now, tape.opened("verify", where), output)
    refuse_missing(files, "FILE...")
    try:
        messages = [message for file in files for message in read_messages(file)]
    except NoMessage as bad:
        usage_error(str(bad))
    with tape.recording("verify", where) as where:
        reports, interrupted = run(_verify_all(messages, known, where, now, output))
        finish(reports, output, interrupted=interrupted)


def _replay(
    files: tuple[str, ...], known: dict[str, Any], now: datetime | None, journal: Journal, output: Output
) -> NoReturn:
    """The reports of a journal, on all its messages or on those that were typed."""
    from deliverkit.engine.replay import verify_options

    def same(subject: str, file: str) -> bool:
        name = "standard input" if file == "-" else file
        return subject == name or subject.startswith(f"{name}#")

    sections = picked(journal, "verify", files, same)
    said = typed()
    for section in sections:
        recorded = readable(journal, verify_options, section)
        pairs = {said[name]: (mine, recorded.get(name)) for name, mine in known.items() if name in said}
        if now is not None:
            pairs["--now"] = now, section.at
        refuse_contradiction(journal, pairs)
    finish_replay(journal, sections, output)


def _address(text: str) -> str:
    import ipaddress

    try:
        return str(ipaddress.ip_address(text.strip().strip("[]")))
    except ValueError:
        usage_error(f"--client-ip {text!r} is no IP address; expected one such as 192.0.2.1 or 2001:db8::1")


def _moment(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        usage_error(f"--now {text!r} is no time; expected one such as 2026-11-22T10:00:00Z")
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


async def _verify_all(
    messages: list[StoredMessage], known: dict[str, Any], where: WorldChoice, now: datetime | None, output: Output
) -> tuple[list[Report], bool]:
    """Verify one message after another. After Ctrl-C: what was verified so far, and which one was under way."""
    from deliverkit.engine.verify import unverified

    progress = Progress(output)
    reports: list[Report] = []
    deadline = None if output.timeout is None else asyncio.get_running_loop().time() + output.timeout
    world = where.open(now=now)
    try:
        async with world:
            for message in messages:
                reports.append(await _verify_one(message, known, world, deadline, progress))
    except asyncio.CancelledError:
        under_way = messages[len(reports) :][:1]
        return [*reports, *(unverified(one.name, "interrupted", world) for one in under_way)], True
    finally:
        progress.done()
    return reports, False


async def _verify_one(
    message: StoredMessage, known: dict[str, Any], world: World, deadline: float | None, progress: Progress
) -> Report:
    """One report; when time is up it says so."""
    from deliverkit.engine.verify import unverified
    from deliverkit.engine.verify import verify as verify_message

    try:
        async with asyncio.timeout_at(deadline):
            return await verify_message(message.octets, world=world, name=message.name, progress=progress, **known)
    except TimeoutError:
        return unverified(message.name, "not verified within --timeout", world)
