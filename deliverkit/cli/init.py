"""``deliverkit init``: a first configuration, written from what the domains publish today."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from deliverkit.cli.common import Progress, WorldChoice, run, usage_error, world_options
from deliverkit.cli.files import refuse_unwritable, write_file

if TYPE_CHECKING:
    from deliverkit.report.model import Report

_AT_ONCE = 16


@click.command()
@click.argument("domains", nargs=-1, metavar="[DOMAIN]...")
@click.option(
    "-o",
    "--output",
    "path",
    type=click.Path(path_type=Path, allow_dash=True),
    default=Path("deliverkit.toml"),
    show_default=True,
    metavar="FILE",
    help="Where to write it; - is standard output.",
)
@click.option("--force", is_flag=True, help="Write over a configuration that is there.")
@world_options
def init(domains: tuple[str, ...], path: Path, force: bool, where: WorldChoice) -> None:
    """Write a first configuration from what domains publish today.

    Files with records below the folder of the configuration become its sources; without a DOMAIN their zones are its
    domains. What can be found out is not asked: selectors, SPF, the DMARC policy, MX hosts become expectations.
    """
    from deliverkit.engine.init import sources_below, written, zones_of
    from deliverkit.names import BadName, meant
    from deliverkit.world.masterfile import ZoneError

    shown = str(path) == "-"
    if not shown:
        refuse_unwritable(path)
        if path.exists() and not force:
            usage_error(f"{path} is there already: give another -o, or --force to write over it")
    for domain in domains:
        try:
            meant(domain)
        except BadName as bad:
            usage_error(str(bad))
    folder = Path.cwd() if shown else path.absolute().parent
    sources = sources_below(folder)
    try:
        zones = zones_of(folder, sources)
    except ZoneError as bad:
        usage_error(str(bad))
    names = domains or tuple(zones)
    if not names:
        usage_error(f"no DOMAIN was given, and no file below {folder} holds a zone: name the domains to check")
    reports = run(_looked_at({name: zones.get(meant(name).name, ()) for name in names}, where))
    text = written(reports, sources=sources, today=reports[0].started.date())
    if shown:
        click.echo(text, nl=False)
        return
    write_file(path, text.encode("utf-8"))
    click.echo(f"{path}: {len(reports)} domain{'s' * (len(reports) != 1)}. Next: deliverkit check", err=True)


async def _looked_at(domains: Mapping[str, Sequence[str]], where: WorldChoice) -> list[Report]:
    import asyncio

    from deliverkit.engine.init import looked_at

    progress = Progress()
    places = asyncio.Semaphore(_AT_ONCE)
    async with where.open() as world:

        async def one(domain: str) -> Report:
            async with places:
                report = await looked_at(domain, world=world, selectors=domains[domain])
                progress(f"{domain} seen")
                return report

        try:
            return list(await asyncio.gather(*map(one, domains)))
        finally:
            progress.done()
