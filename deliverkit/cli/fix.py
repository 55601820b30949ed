"""``deliverkit fix``: options and printing for fixes that are applied to source files."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from deliverkit.cli.common import Output, Progress, WorldChoice, run, usage_error, world_options
from deliverkit.cli.files import refuse_unwritable, write_file

if TYPE_CHECKING:
    from deliverkit.engine.audit import AuditOptions
    from deliverkit.engine.edit.model import SourceFile
    from deliverkit.engine.fix import Fixed, FixOptions

_SUFFIXES = {".json": "json", ".yaml": "octodns", ".yml": "octodns", ".zone": "zone"}


@click.command()
@click.argument("paths", nargs=-1, required=True, type=click.Path(path_type=Path), metavar="PATH...")
@click.option("--write", is_flag=True, help="Change the files; without it the changes are only shown.")
@click.option("--domain", "domains", multiple=True, metavar="D", help="Fix this domain alone (repeatable).")
@click.option("--rule", "rules", multiple=True, metavar="ID", help="Fix findings of this rule alone (repeatable).")
@click.option("--notes", is_flag=True, help="Apply the fixes of notes too, not only of errors and warnings.")
@click.option("--bump-serial", is_flag=True, help="Raise the SOA serial of every zone file that changes.")
@click.option("--selector", "selectors", multiple=True, metavar="S", help="A DKIM selector in use (repeatable).")
@click.option("--sends-from", multiple=True, metavar="IP", help="An address your mail leaves from (repeatable).")
@world_options
@click.option(
    "--format",
    "format_",
    type=click.Choice(["diff", "zone", "octodns", "json"]),
    help="How to print the changes. [default: diff, or by the suffix of -o; with --write a list of them]",
)
@click.option("-o", "--output", "path", type=click.Path(path_type=Path), metavar="FILE", help="Write it to this file.")
@click.option("-q", "--quiet", is_flag=True, help="Do not say what was fixed and what is left.")
@click.option(
    "--fail-on",
    type=click.Choice(["error", "warning", "note", "never"]),
    default="error",
    show_default=True,
    help="Exit with 1 if a finding of this severity is left.",
)
def fix(
    paths: tuple[Path, ...],
    write: bool,
    domains: tuple[str, ...],
    rules: tuple[str, ...],
    notes: bool,
    bump_serial: bool,
    selectors: tuple[str, ...],
    sends_from: tuple[str, ...],
    where: WorldChoice,
    format_: str | None,
    path: Path | None,
    quiet: bool,
    fail_on: str,
) -> None:
    """Correct DNS records in their source files: zone files and octoDNS YAML.

    Each PATH is a source. Fixes are applied in memory one by one, each is judged again, and what does not help is put
    back; then the changes are printed as a diff, or written with --write. Comments, order and everything else stay as
    they are. What is not understood is never touched, and told.
    """
    if path is not None and str(path) == "-":
        path = None
    if path is not None:
        refuse_unwritable(path)
    output = Output((), quiet, color=False, fail_on=fail_on, timeout=None)
    options = _options(domains, rules, fail_on, notes=notes, bump_serial=bump_serial)
    fixed = _fixed([_source(one) for one in paths], where, _audit_options(selectors, sends_from), options, output)
    if write:
        _write(fixed)
    chosen = format_ or (_SUFFIXES.get(path.suffix.lower(), "diff") if path else None)
    _print(fixed, chosen or (None if write else "diff"), path, quiet=quiet, written=write)
    raise click.exceptions.Exit(_status(fixed, fail_on, written=write))


def _options(
    domains: Sequence[str], rules: Sequence[str], fail_on: str, *, notes: bool, bump_serial: bool
) -> FixOptions:
    from deliverkit.engine.fix import FixOptions
    from deliverkit.findings import Severity
    from deliverkit.names import BadName, meant
    from deliverkit.rules.registry import all_rules

    known = {word: rule.id for rule in all_rules() for word in (rule.id.lower(), rule.slug)} if rules else {}
    unknown = [word for word in rules if word.lower() not in known]
    if unknown:
        usage_error(f"--rule {unknown[0]}: there is no such rule; `deliverkit explain` lists them all")
    try:
        names = frozenset(meant(domain).name for domain in domains)
    except BadName as bad:
        usage_error(f"--domain: {bad}")
    return FixOptions(
        least=Severity.NOTE if notes or fail_on == "note" else Severity.WARNING,
        rules=frozenset(known[word.lower()] for word in rules),
        domains=names,
        serial_of=datetime.now(UTC).date() if bump_serial else None,
    )


def _audit_options(selectors: tuple[str, ...], sends_from: tuple[str, ...]) -> AuditOptions:
    from deliverkit.engine.audit import AuditOptions, BadOption, checked

    try:
        return checked(AuditOptions(selectors=selectors, sends_from=sends_from, probe=False))
    except BadOption as bad:
        usage_error(str(bad))


def _source(path: Path) -> SourceFile:
    """A source by the name that it has in its repository, so that the diff applies there."""
    from deliverkit.engine.edit.model import SourceFile

    whole = path.absolute()
    root = next((one for one in whole.parents if (one / ".git").exists()), Path.cwd())
    inside = whole.is_relative_to(root) and ".." not in whole.parts
    return SourceFile(whole, whole.relative_to(root).as_posix() if inside else str(path))


def _fixed(
    sources: list[SourceFile], where: WorldChoice, audit: AuditOptions, options: FixOptions, output: Output
) -> Fixed:
    from deliverkit.engine.fix import fix as fix_all
    from deliverkit.engine.fixfiles import judging
    from deliverkit.flow import at_once
    from deliverkit.world.masterfile import ZoneError

    progress = Progress(output)

    async def work() -> Fixed:
        async with where.open() as below:
            judge = judging(sources, below, audit, sorted(options.domains), progress=progress)
            return await fix_all(sources, judge, options)

    try:
        return at_once(work()) if where.told else run(work())
    except ZoneError as bad:
        usage_error(str(bad))
    except KeyboardInterrupt:
        raise click.exceptions.Abort from None
    finally:
        progress.done()


def _write(fixed: Fixed) -> None:
    from deliverkit.engine.fixfiles import CannotWrite, write_changes

    try:
        write_changes(fixed)
    except CannotWrite as bad:
        usage_error(str(bad))


def _print(fixed: Fixed, format_: str | None, path: Path | None, *, quiet: bool, written: bool) -> None:
    """The changes to standard output or the file of -o; what was done and what is left beside them."""
    from deliverkit.engine.fixshown import as_diff, as_json, as_octodns, as_zone, summary
    from deliverkit.report.jsonable import jsonable
    from deliverkit.report.plain import plain, plain_json

    if format_ == "json":
        text = plain_json(json.dumps(jsonable(as_json(fixed, written=written)), indent=2, ensure_ascii=False) + "\n")
    else:
        text = {"diff": as_diff, "zone": as_zone, "octodns": as_octodns}[format_](fixed) if format_ else ""
    octets = text.encode("utf-8", "surrogateescape")
    if path is not None:
        write_file(path, octets)
    elif octets:
        shown = sys.stdout is not None and sys.stdout.isatty() and format_ != "json"
        click.echo("".join(f"{plain(row)}\n" for row in text.splitlines()) if shown else octets, nl=False)
    if not quiet and format_ != "json":
        for line in summary(fixed, written=written):
            click.echo(plain(line, 600), err=format_ is not None)


def _status(fixed: Fixed, fail_on: str, *, written: bool) -> int:
    """1: something is left, or would be changed; 3: something decisive could not be told; else 0."""
    from deliverkit.findings import Severity

    if fail_on == "never":
        return 0
    least = Severity(fail_on).rank
    if (fixed.after and not written) or any(one.finding.severity.rank <= least for one in fixed.left):
        return 1
    return 3 if any(one.decisive for report in fixed.reports for one in report.inconclusive) else 0
