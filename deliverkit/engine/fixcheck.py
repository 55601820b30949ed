"""The fixes of a repository: its sources changed as its configuration wants them, judged by its own check.

What this file will not do: choose a fix (`engine.fix` does), or write a file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

from deliverkit.config.model import Config
from deliverkit.engine.check import CheckOptions, check
from deliverkit.engine.checksources import Places, source_files
from deliverkit.engine.edit.model import SourceFile
from deliverkit.engine.fix import Fixed, FixOptions, fix
from deliverkit.report.model import Report
from deliverkit.world import World
from deliverkit.world.masterfile import unsaved


async def fix_repository(
    config: Config,
    asked: CheckOptions,
    options: FixOptions | None = None,
    *,
    world: World | None = None,
    progress: Callable[[str], None] | None = None,
) -> Fixed:
    """Apply what can be applied to the sources of a configuration, in memory; nothing outside its folder.

    Findings that the configuration ignores or the baseline holds are left alone. Ports are not probed: what a fix does
    to DNS is judged. Raises BadConfig and ZoneError.
    """
    asked, wanted = replace(asked, probe=False), options or FixOptions()

    async def judge(changed: Mapping[Path, bytes]) -> list[Report]:
        with unsaved(changed):
            return await check(config, asked, world=world, progress=progress)

    files = source_files(config, (*asked.paths, *asked.zones), Places(config.folder), lambda _: None)
    sources = [SourceFile(file.path, file.shown, file.kind, file.origin) for file in files]
    return await fix(sources, judge, replace(wanted, root=wanted.root or config.folder.resolve()))
