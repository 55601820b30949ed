"""``deliverkit probe``: options and printing for the probe engine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import click

from deliverkit.cli.common import (
    Output,
    Progress,
    Seconds,
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
    refuse_other,
    typed,
)

if TYPE_CHECKING:
    from deliverkit.engine.probe import ProbeOptions
    from deliverkit.report.model import Report
    from deliverkit.world.journal import Journal


@click.command()
@click.argument("targets", nargs=-1, metavar="HOST[:PORT][/ROLE]...")
@click.option("--ports", metavar="N,N", help="Ports of targets that name none.  [default: 25,465,587]")
@click.option("--name", metavar="NAME", help="Name for SNI and for the certificate, instead of the host's own.")
@click.option(
    "--ca-file",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    metavar="FILE",
    help="Trust the authorities in this PEM file instead of the system's.",
)
@click.option("--helo", metavar="NAME", help="Name to say in EHLO.  [default: the address literal of this end]")
@click.option("--deep", is_flag=True, help="Also ask what MAIL gets without TLS and without a login.")
@click.option("--relay-test", is_flag=True, help="Also ask whether a stranger may send to a stranger (sends no mail).")
@click.option(
    "--control",
    "controls",
    multiple=True,
    metavar="HOST:PORT",
    help='Host that answers on 25 and PORT, asked when port 25 answers nowhere; "none" asks nobody (repeatable).',
)
@click.option("--connect-timeout", type=Seconds(min=0.1), default=10.0, show_default=True, metavar="SECONDS")
@click.option(
    "--banner-timeout",
    type=Seconds(min=0.1),
    default=30.0,
    show_default=True,
    metavar="SECONDS",
    help="How long a greeting may take.",
)
@world_options
@output_options
@journal_options
def probe(
    targets: tuple[str, ...],
    ports: str | None,
    name: str | None,
    ca_file: Path | None,
    helo: str | None,
    deep: bool,
    relay_test: bool,
    controls: tuple[str, ...],
    connect_timeout: float,
    banner_timeout: float,
    where: WorldChoice,
    tape: Tape,
    output: Output,
) -> None:
    """Probe SMTP ports for reachability, TLS, certificates and AUTH.

    ROLE is mx, submission or submissions; ports 25, 587 and 465 imply it. One connection is made to each port of each
    address; no mail is sent. An IPv6 address stands in brackets.
    """
    from deliverkit.engine.probe import BadTarget, ProbeOptions, read_target
    from deliverkit.names import BadName, to_ascii

    if tape.replay is None:
        refuse_missing(targets, "HOST[:PORT][/ROLE]...")
    if helo and any(ord(c) < 33 or ord(c) > 126 for c in helo):
        usage_error("--helo: a host name or an address literal such as [192.0.2.1]")
    options = ProbeOptions(
        ports=_ports(ports),
        ca_file=str(ca_file) if ca_file else None,
        helo=helo,
        deep=deep,
        relay_test=relay_test,
        connect_s=connect_timeout,
        greeting_s=banner_timeout,
    )
    if controls:
        options = replace(options, controls=_controls(controls))
    try:
        if name:
            options = replace(options, name=to_ascii(name))
        for text in targets:
            read_target(text, options)
        if ca_file and tape.replay is None:
            _readable(ca_file)
    except (BadTarget, BadName) as bad:
        usage_error(str(bad))
    if output.timeout:
        options = replace(options, seconds=output.timeout)
    if tape.replay is not None:
        _replay(targets, options, tape.opened("probe", where), output)
    with tape.recording("probe", where) as where:
        progress = Progress(output)
        reports = run(_probe(targets, where, options, progress))
        progress.done()
        finish(reports, output, interrupted=any(report.interrupted for report in reports))


_FIELDS = {"connect_timeout": "connect_s", "banner_timeout": "greeting_s"}
"""Options whose field has another name."""


def _replay(targets: tuple[str, ...], options: ProbeOptions, journal: Journal, output: Output) -> NoReturn:
    """The reports of a journal, on all its targets or on those that were typed. What one run saw is judged together."""
    from deliverkit.engine.replay import probe_options

    sections = picked(journal, "probe", (), str.__eq__)
    said, held = typed(), list[str]()
    for section in sections:
        probed, recorded = readable(journal, probe_options, section)
        held += probed if section.finished else ()
        named = {flag: _FIELDS.get(name, name) for name, flag in said.items()}
        pairs = {flag: (getattr(options, n), getattr(recorded, n)) for flag, n in named.items() if hasattr(options, n)}
        refuse_contradiction(journal, pairs)
    for target in targets:
        if target not in held:
            refuse_other(journal, target, held)
    finish_replay(journal, sections, output, lambda number: not targets or held[number] in targets)


async def _probe(
    targets: tuple[str, ...], where: WorldChoice, options: ProbeOptions, progress: Progress
) -> list[Report]:
    from deliverkit.engine.probe import probe as run_probe

    async with where.open() as world:
        return await run_probe(targets, world=world, options=options, progress=progress)


def _ports(text: str | None) -> tuple[int, ...]:
    numbers = []
    for word in (text or "").replace(",", " ").split():
        if not _is_port(word):
            usage_error(f"--ports: {word!r} is not a port number")
        numbers.append(int(word))
    return tuple(numbers)


def _is_port(text: str) -> bool:
    return text.isascii() and text.isdigit() and 0 < int(text[:6]) < 65536


def _controls(texts: tuple[str, ...]) -> tuple[str, ...]:
    if texts == ("none",):
        return ()
    for text in texts:
        host, _, port = text.rpartition(":")
        if not host or not _is_port(port):
            usage_error(f"--control {text!r}: expected HOST:PORT, or none")
    return texts


def _readable(ca_file: Path) -> None:
    """A CA file that cannot be used is a usage error, not a verdict about a server."""
    from deliverkit.world.trust import TrustStore

    try:
        TrustStore.of_file(str(ca_file))
    except (OSError, ValueError) as bad:
        usage_error(f"--ca-file {ca_file}: no certificates in it can be read ({bad})")
