"""``deliverkit check-host``: one evaluation of SPF, with the path that matched."""

from __future__ import annotations

import click

from deliverkit.cli.common import Output, WorldChoice, finish, output_options, run, usage_error, world_options


@click.command("check-host")
@click.option("--client-ip", required=True, metavar="ADDR", help="The address of the SMTP client.")
@click.option("--mail-from", default="", metavar="ADDR", help="The reverse-path; empty for a null one (<>).")
@click.option("--helo", default="", metavar="NAME", help="The name the client gave in HELO or EHLO.")
@click.option("--receiver", metavar="NAME", help="The receiving host, for the macro %{r}.")
@world_options
@output_options
def check_host(
    client_ip: str, mail_from: str, helo: str, receiver: str | None, where: WorldChoice, output: Output
) -> None:
    """Evaluate SPF for one client address (RFC 7208 check_host).

    Exit status: 0 for pass, softfail, neutral and none, 1 for fail and permerror, 3 for temperror; --fail-on moves the
    threshold.
    """
    from deliverkit.engine.checkhost import BadInput
    from deliverkit.engine.checkhost import check_host as engine
    from deliverkit.report.model import Report

    async def work() -> Report:
        async with where.open() as opened:
            world = opened.with_budget(seconds=output.timeout) if output.timeout else opened.with_budget()
            return (await engine(client_ip, mail_from, helo, world=world, receiver=receiver)).report

    try:
        report = run(work())
    except BadInput as bad:
        usage_error(str(bad))
    finish([report], output)
