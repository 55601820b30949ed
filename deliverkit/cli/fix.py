"""``deliverkit fix``: options and printing for fixes that are applied to source files."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from deliverkit.cli.check import complain, configured, source_options
from deliverkit.cli.common import Output, Progress, run, usage_error
from deliverkit.cli.files import refuse_unwritable, write_file

if TYPE_CHECKING:
    from deliverkit.config.model import Config
    from deliverkit.engine.check import CheckOptions
    from deliverkit.engine.fix import Fixed, FixOptions

_SUFFIXES = {".json": "json", ".yaml": "octodns", ".yml": "octodns", ".zone": "zone"}


@click.command()
@source_options
@click.option("--write", is_flag=True, help="Change the files; without it the changes are only shown.")
@click.option("--rule", "rules", multiple=True, metavar="ID", help="Fix findings of this rule alone (repeatable).")
@click.option("--notes", is_flag=True, help="Apply the fixes of notes too, not only of errors and warnings.")
@click.option("--bump-serial", is_flag=True, help="Raise the SOA serial of every zone file that changes.")
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
    help="Exit with 1 if a finding of this severity is left. [default: error, or what the configuration says]",
)
def fix(
    asked: dict[str, Any],
    write: bool,
    rules: tuple[str, ...],
    notes: bool,
    bump_serial: bool,
    format_: str | None,
    path: Path | None,
    quiet: bool,
    fail_on: str | None,
) -> None:
    """Correct DNS records in their source files: zone files and octoDNS YAML.

    Configuration and PATHs are those of check: what it finds is fixed. Fixes are applied in memory one by one, each is
    judged again, and what does not help is put back; then the changes are printed as a diff, or written with --write.
    Comments, order and everything else stay as they are. What is not understood is never touched, and told.
    """
    from deliverkit.config.model import BadConfig

    if path is not None and str(path) == "-":
        path = None
    if path is not None:
        refuse_unwritable(path)
    try:
        config, narrowed = configured(asked, timeout=None)
        least = fail_on or config.fail_on
        options = _options(rules, least, notes=notes, bump_serial=bump_serial)
        fixed = _fixed(config, narrowed, options, quiet=quiet)
    except BadConfig as bad:
        usage_error(str(bad))
    unread = complain(fixed.reports)
    if write and not unread:
        _write(fixed)
    chosen = format_ or (_SUFFIXES.get(path.suffix.lower(), "diff") if path else None)
    _print(fixed, chosen or (None if write else "diff"), path, quiet=quiet, written=write and not unread)
    raise click.exceptions.Exit(2 if unread else _status(fixed, least, written=write))


def _options(rules: Sequence[str], fail_on: str, *, notes: bool, bump_serial: bool) -> FixOptions:
    from deliverkit.engine.fix import FixOptions
    from deliverkit.findings import Severity
    from deliverkit.rules.registry import all_rules

    known = {word: rule.id for rule in all_rules() for word in (rule.id.lower(), rule.slug)} if rules else {}
    unknown = [word for word in rules if word.lower() not in known]
    if unknown:
        usage_error(f"--rule {unknown[0]}: there is no such rule; `deliverkit explain` lists them all")
    return FixOptions(
        least=Severity.NOTE if notes or fail_on == "note" else Severity.WARNING,
        rules=frozenset(known[word.lower()] for word in rules),
        serial_of=datetime.now(UTC).date() if bump_serial else None,
    )


def _fixed(config: Config, narrowed: CheckOptions, options: FixOptions, *, quiet: bool) -> Fixed:
    """What was fixed in memory, judged as `check` judges."""
    from deliverkit.engine.check import waits
    from deliverkit.engine.fixcheck import fix_repository
    from deliverkit.flow import at_once
    from deliverkit.world.masterfile import ZoneError

    progress = Progress(Output((), quiet, color=False, fail_on="error", timeout=None))
    work = fix_repository(config, narrowed, options, progress=progress)
    try:
        return run(work) if waits(config, narrowed) else at_once(work)
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
