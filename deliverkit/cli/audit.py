"""``deliverkit audit``: options and printing for the audit engine."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

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
from deliverkit.cli.complete import provider_names
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
    from deliverkit.engine.audit import AuditOptions
    from deliverkit.report.model import Report
    from deliverkit.world.journal import Journal


@click.command()
@click.argument("domains", nargs=-1, metavar="DOMAIN...")
@click.option("--selector", "selectors", multiple=True, metavar="S", help="A DKIM selector in use (repeatable).")
@click.option(
    "--dkim-key",
    "dkim_keys",
    multiple=True,
    metavar="S=FILE",
    help="Private key that must match what selector S publishes (repeatable).",
)
@click.option(
    "--only",
    metavar="P,P",
    help="Only these protocols: spf, dkim, dmarc, mx, ptr, tlsrpt, mtasts, bimi, providers, ports.",
)
@click.option("--sends-from", multiple=True, metavar="IP", help="An address your mail leaves from (repeatable).")
@click.option(
    "--submission", multiple=True, metavar="HOST", help="A submission host, probed on 465 and 587 (repeatable)."
)
@click.option(
    "--via",
    multiple=True,
    metavar="PROVIDER",
    shell_complete=provider_names,
    help="A provider your mail leaves through, such as sendgrid; `explain providers` lists them (repeatable).",
)
@click.option("--no-probe", is_flag=True, help="Do not connect to mail servers.")
@click.option("--profile", metavar="NAME", help="Judge as a sender of this kind: bulk.")
@click.option("--parked", is_flag=True, help="The domain sends and receives no mail.")
@world_options
@output_options
@journal_options
def audit(
    domains: tuple[str, ...],
    selectors: tuple[str, ...],
    dkim_keys: tuple[str, ...],
    only: str | None,
    sends_from: tuple[str, ...],
    submission: tuple[str, ...],
    via: tuple[str, ...],
    no_probe: bool,
    profile: str | None,
    parked: bool,
    where: WorldChoice,
    tape: Tape,
    output: Output,
) -> None:
    """Audit SPF, DKIM, DMARC, MX, PTR and ports of domains.

    A DOMAIN may be typed as an IDN, a URL or an e-mail address; what was read is said. With --zone the records of
    a zone file are judged before they are published.
    """
    from deliverkit.engine.audit import PROTOCOLS, AuditOptions, BadOption, checked
    from deliverkit.names import BadName, meant

    if tape.replay is None:
        refuse_missing(domains, "DOMAIN...")
    for domain in domains:
        try:
            meant(domain)
        except BadName as bad:
            usage_error(str(bad))
    key_files = dict(_selector_file(pair) for pair in dkim_keys)
    options = AuditOptions(
        selectors=selectors,
        dkim_keys=key_files,
        only=tuple(part.strip().lower().replace("-", "") for part in (only or "").split(",") if part.strip()),
        sends_from=sends_from,
        submission=submission,
        via=via,
        probe=not no_probe,
        profile=profile,
        parked=parked,
    )
    if output.timeout:
        options = replace(options, seconds=output.timeout)
    if tape.replay is None:
        _refuse_unreadable(key_files.values())
    try:
        options = checked(options)
    except BadOption as bad:
        usage_error(f"{bad} (protocols: {', '.join(PROTOCOLS)})" if "--only" in str(bad) else str(bad))
    if tape.replay is not None:
        _replay(domains, options, tape.opened("audit", where), output)
    with tape.recording("audit", where) as where:
        if where.told and no_probe:
            reports, interrupted = _audit_told(domains, options, where, output)
        else:
            reports, interrupted = run(_audit_all(domains, options, where, output))
        finish(reports, output, interrupted=interrupted)


def _replay(domains: tuple[str, ...], options: AuditOptions, journal: Journal, output: Output) -> NoReturn:
    """The reports of a journal, of all its domains or of those that were typed."""
    from deliverkit.engine.replay import audit_options
    from deliverkit.world.journal_replay import same_subject

    sections = picked(journal, "audit", domains, partial(same_subject, "audit"))
    said = typed()
    for section in sections:
        recorded = readable(journal, audit_options, section)
        names = [field.name for field in fields(options) if field.name in said and field.name != "dkim_keys"]
        pairs = {said[name]: (getattr(options, name), getattr(recorded, name)) for name in names}
        if "no_probe" in said:
            pairs["--no-probe"] = (not options.probe, not recorded.probe)
        if "dkim_keys" in said:  # by the names of the files: a replay reads none
            files = {selector: str(getattr(key, "path", key)) for selector, key in recorded.dkim_keys.items()}
            pairs["--dkim-key"] = ({selector: str(file) for selector, file in options.dkim_keys.items()}, files)
        refuse_contradiction(journal, pairs)
    finish_replay(journal, sections, output)


def _selector_file(pair: str) -> tuple[str, Path]:
    selector, equals, file = pair.partition("=")
    if not (selector and equals and file):
        usage_error(f"--dkim-key {pair!r}: expected SELECTOR=FILE, for example s1=private.pem")
    return selector, Path(file)


def _refuse_unreadable(files: Iterable[Path]) -> None:
    """A file that holds no key at all is a slip of the hand; one with the wrong key is a finding of the audit."""
    from deliverkit.protocols.dkim.keys import BadKeyFile, load_private_key

    for file in files:
        try:
            load_private_key(file)
        except BadKeyFile as bad:
            if bad.kind in ("unreadable", "not-a-key"):
                usage_error(f"--dkim-key {bad}")


def _audit_told(
    domains: tuple[str, ...], options: AuditOptions, where: WorldChoice, output: Output
) -> tuple[list[Report], bool]:
    """Audit the domains one after another where nobody is waited for: an event loop would cost more than the audit."""
    from deliverkit.engine.audit import audit as audit_one
    from deliverkit.flow import at_once

    world, progress = where.open(), Progress(output)
    reports: list[Report] = []
    try:
        for domain in domains:
            reports.append(at_once(audit_one(domain, world=world, options=options, progress=progress)))
    except KeyboardInterrupt:
        return reports, True
    finally:
        progress.done()
    return reports, False


async def _audit_all(
    domains: tuple[str, ...], options: AuditOptions, where: WorldChoice, output: Output
) -> tuple[list[Report], bool]:
    """Audit the domains side by side, a few at a time. After Ctrl-C: what was found so far."""
    import asyncio

    from deliverkit.engine.audit import AT_ONCE, MANY_AT_ONCE
    from deliverkit.engine.audit import audit as audit_one

    progress = Progress(output)
    places = asyncio.Semaphore(MANY_AT_ONCE if where.nameservers else AT_ONCE)
    async with where.open() as world:

        async def one(domain: str) -> Report:
            async with places:
                return await audit_one(domain, world=world, options=options, progress=progress)

        tasks = [asyncio.create_task(one(domain)) for domain in domains]
        interrupted = False
        try:
            await asyncio.wait(tasks)
        except asyncio.CancelledError:
            interrupted = True
            for task in tasks:
                task.cancel()
        ended = await asyncio.gather(*tasks, return_exceptions=True)
        progress.done()
    for result in ended:
        if isinstance(result, Exception):
            raise result
    return [result for result in ended if not isinstance(result, BaseException)], interrupted
