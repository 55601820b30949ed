"""``deliverkit diff``: options and printing for the comparison of two environments."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from deliverkit.cli.common import WorldChoice, usage_error, write_output
from deliverkit.cli.common import run as run_coroutine
from deliverkit.cli.files import refuse_unwritable
from deliverkit.cli.targets import Target

if TYPE_CHECKING:
    from deliverkit.engine.diff import Comparison, Difference


@click.command()
@click.argument("old", type=click.Path(path_type=Path, allow_dash=True))
@click.argument("new", type=click.Path(path_type=Path, allow_dash=True))
@click.option(
    "--live", is_flag=True, help="Ask DNS for what zones name outside of themselves; without it that is unknown."
)
@click.option(
    "--nameserver",
    "nameservers",
    multiple=True,
    metavar="ADDR[:PORT]",
    help="The same, asking this resolver (repeatable).",
)
@click.option("--format", "format_", type=click.Choice(["text", "json"]), help="How to print it. [default: text]")
@click.option("-o", "--output", "path", type=click.Path(path_type=Path), metavar="FILE", help="Write it to this file.")
@click.option("-q", "--quiet", is_flag=True, help="Print one line only.")
def diff(
    old: Path,
    new: Path,
    live: bool,
    nameservers: tuple[str, ...],
    format_: str | None,
    path: Path | None,
    quiet: bool,
) -> None:
    """Compare two environments, two reports or two versions of zones: what differs.

    OLD and NEW are snapshots that doctor --save wrote, JSON reports of any verb ("-" is standard input), or zones
    before and after a change: zone files, octoDNS files, Terraform plans, or folders of them. Of domains the meaning
    is compared: a policy weakened, an include added and what it costs, a key replaced. Ends with 0 where nothing
    differs, 1 where something does, 2 where a file cannot be compared.
    """
    from deliverkit.engine.snapshotfile import NotComparable

    if path is not None and str(path) == "-":
        path = None
    if path is not None:
        refuse_unwritable(path)
    try:
        found = _compared(old, new, WorldChoice(offline=not (live or nameservers), nameservers=nameservers))
    except NotComparable as bad:
        usage_error(str(bad))
    chosen = format_ or ("json" if path is not None and path.suffix.lower() == ".json" else "text")
    if chosen == "json":
        from deliverkit.report.jsonable import jsonable
        from deliverkit.report.plain import plain_json

        text = plain_json(json.dumps(jsonable(found.to_json()), indent=2, ensure_ascii=False) + "\n")
    else:
        text = "\n".join(diff_lines(found, shutil.get_terminal_size((100, 24)).columns, quiet=quiet)) + "\n"
    write_output(text, Target(chosen, path))
    raise click.exceptions.Exit(0 if found.same else 1)


def _compared(old: Path, new: Path, where: WorldChoice) -> Comparison:
    from deliverkit.engine.diff import compared
    from deliverkit.engine.diff import diff as run
    from deliverkit.engine.snapshotfile import LARGEST, NotComparable, read_file, read_octets

    if "-" not in (str(old), str(new)):
        from deliverkit.engine.zonediff import holds_zones, zones_compared

        zones = [side for side in (old, new) if holds_zones(side)]
        if len(zones) == 1:  # the other one is at fault, whatever its reader would say of this one
            other = new if zones == [old] else old
            what = "holds no zone" if other.exists() else "is not there"
            raise NotComparable(f"{other} {what}, and {zones[0]} holds some: give zones on both sides")
        if zones:

            async def work() -> Comparison:
                async with where.open() as world:
                    return await zones_compared(old, new, world=world)

            return run_coroutine(work())
        return run(old, new)
    if str(old) == str(new):
        raise NotComparable("OLD and NEW are both standard input: one of them must be a file")
    told = read_octets(sys.stdin.buffer.read(LARGEST + 1), "standard input")
    sides = [told if str(side) == "-" else read_file(side) for side in (old, new)]
    return compared(sides[0], sides[1], str(old), str(new))


def diff_lines(found: Comparison, width: int, *, quiet: bool = False) -> list[str]:
    """A comparison for a terminal: the divergence on top, then the differences, the likeliest first."""
    from deliverkit.report.plain import fold, plain

    width = min(width, 110)
    head = f"{found.old} and {found.new}: "
    count = len(found.differences)
    parted = "" if found.divergence is None else "the sessions part; "
    head += "nothing differs" if found.same else f"{parted}{count:,} difference{'s' * (count != 1)}"
    lines = fold(plain(head), width)
    if quiet:
        return lines
    for side, broke in zip((found.old, found.new), found.broke, strict=True):
        if broke:
            lines += fold(plain(f"{side}: the ladder broke at {', '.join(broke)}"), width)
    lines += _divergence_lines(found, width)
    for one in found.differences:
        lines += ["", *_difference_lines(one, width)]
    if found.unknown:
        lines += ["", "Not compared:"]
        for unknown in found.unknown:
            lines += fold(plain(unknown), width, "  ", hanging="    ")
    return lines


def _divergence_lines(found: Comparison, width: int) -> list[str]:
    from deliverkit.report.plain import fold, plain

    parted = found.divergence
    if parted is None:
        return []
    lines = ["", *fold(plain(f"The sessions with {parted.server or 'the server'} part here:"), width)]
    for line in parted.before:
        lines += fold(plain(f"both  {line}", 400), width, "  ", hanging="        ")
    for word, said in (("old", parted.old), ("new", parted.new)):
        lines += fold(
            plain(f"{word}   {said if said is not None else '(nothing more)'}", 400), width, "  ", hanging="        "
        )
    if parted.meaning:
        lines += fold(f"means: {plain(parted.meaning)}", width, "  ", hanging="         ")
        lines += fold(f"fix: {plain(parted.fix)}", width, "  ", hanging="       ")
    return lines


def _difference_lines(one: Difference, width: int) -> list[str]:
    from deliverkit.report.plain import fold, plain

    lines = fold(plain(f"{one.word.upper()}  {one.title}: {one.what}"), width, hanging="  ")
    if one.where:
        lines += fold(plain(f"in {one.where}"), width, "  ", hanging="    ")
    for word, value in (("old", one.old), ("new", one.new)):
        lines += fold(
            plain(f"{word}  {value if value is not None else '(not there)'}", 600), width, "  ", hanging="       "
        )
    lines += fold(f"why: {plain(one.why, 600)}", width, "  ", hanging="       ")
    return lines + fold(f"change: {plain(one.change)}", width, "  ", hanging="          ")
