"""``deliverkit show``: a record as it is published, without opinions."""

from __future__ import annotations

import click

from deliverkit.cli.common import Output, WorldChoice, finish, output_options, run, usage_error, world_options


@click.command()
@click.argument("protocol", type=click.Choice(["spf", "dkim", "dmarc", "mx"], case_sensitive=False))
@click.argument("name")
@click.option("--selector", "selectors", multiple=True, metavar="S", help="DKIM selector (repeatable).")
@world_options
@output_options
def show(protocol: str, name: str, selectors: tuple[str, ...], where: WorldChoice, output: Output) -> None:
    """Show a parsed record and its lookup tree, without opinions.

    NAME is a domain; for dkim also selector._domainkey.domain.
    """
    from deliverkit.engine.show import show as engine
    from deliverkit.names import BadName
    from deliverkit.report.model import Report

    if selectors and protocol != "dkim":
        usage_error(f"--selector goes with dkim, not with {protocol}")

    async def work() -> Report:
        async with where.open() as opened:
            world = opened.with_budget(seconds=output.timeout) if output.timeout else opened.with_budget()
            return await engine(protocol, name, world=world, selectors=selectors)

    try:
        report = run(work())
    except BadName as bad:
        usage_error(str(bad))
    finish([report], output)
