"""``deliverkit doctor``: options and printing for the doctor."""

from __future__ import annotations

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
from deliverkit.cli.doctor_options import Given, given_options, save
from deliverkit.cli.ladder_options import ladder_options, read_keys, read_ladder

if TYPE_CHECKING:
    from deliverkit.engine.doctor import DoctorOptions
    from deliverkit.report.model import Report


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), default=".", metavar="[DIR]")
@click.option("--static", is_flag=True, help="Read and judge the settings; send no packet.")
@click.option("--environment", metavar="NAME", help="The environment to judge.  [default: production, if there is one]")
@given_options
@ladder_options
@world_options
@output_options
def doctor(
    folder: Path,
    static: bool,
    environment: str | None,
    given: Given,
    where: WorldChoice,
    output: Output,
    **live: Any,
) -> None:
    """Find out why an application's mail fails: its settings, then the server.

    Reads the mail settings of the application in DIR (or here), every value with its file and line, and says what will
    fail, why, and what to change. Nothing of the application is run, and no secret is shown. Then climbs from here to
    the server, step by step, until something breaks; nothing is sent, unless --send asks for it.
    """
    from deliverkit.engine.doctor import DoctorOptions

    if not folder.is_dir():
        usage_error(f"{folder}: no such folder; give the folder of the application")
    static = static or where.told
    ladder = read_ladder(live, static=static, seconds=output.timeout)
    keys = read_keys(live["dkim_keys"])
    options = DoctorOptions(environment=environment, ladder=ladder, send=live["send"], keys=keys, **given.options)
    progress = Progress(output)
    report = run(_doctor(folder, options, static, where, progress))
    progress.done()
    save(report, given)
    finish([report], output, interrupted=report.interrupted)


async def _doctor(folder: Path, options: DoctorOptions, static: bool, where: WorldChoice, progress: Progress) -> Report:
    from deliverkit.engine.doctor import doctor as examine
    from deliverkit.engine.doctor import subject_of
    from deliverkit.world import World

    world = World.offline() if static and not where.told else where.open()
    async with world:
        tree, name = subject_of(folder, options)
        return await examine(tree, name=name, world=world, options=options, progress=progress)
