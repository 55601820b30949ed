"""``deliverkit baseline``: options and printing for the baseline of a check."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from deliverkit.cli.check import check_options, checked_reports, complain, configured
from deliverkit.cli.common import Output, Seconds
from deliverkit.cli.files import refuse_unwritable, write_file

if TYPE_CHECKING:
    from deliverkit.config.model import Config
    from deliverkit.engine.baseline import Baseline
    from deliverkit.report.model import Report

NAME = "deliverkit-baseline.json"


@click.group()
def baseline() -> None:
    """Keep the findings of today, so that a check fails for new ones only."""


@baseline.command()
@check_options
@click.option("-o", "--output", "path", type=click.Path(path_type=Path), metavar="FILE", help="Write it to this file.")
@click.option("--timeout", type=Seconds(min=0.1), metavar="SECONDS", help="Seconds for the whole command.")
@click.option("-q", "--quiet", is_flag=True, help="Print nothing.")
def write(asked: dict[str, Any], path: Path | None, timeout: float | None, quiet: bool) -> None:
    """Check, and write what is found to the baseline: -o, or `baseline` of the configuration.

    What ignores hide is not written. With PATHs or --domain the entries of everything else stay.
    """
    from deliverkit.config.model import BadConfig
    from deliverkit.engine.baseline import baseline_text, entries_of

    output = Output((), quiet, color=False, fail_on="never", timeout=timeout)
    try:
        config, options = configured(asked, timeout=timeout)
        target = path or config.baseline or config.folder / NAME
        refuse_unwritable(target)
        kept = _kept(target) if options.narrow else {}
        reports = checked_reports(replace(config, baseline=None), options, output)
    except BadConfig as bad:
        raise click.UsageError(str(bad)) from None
    if complain(reports):
        click.echo("No baseline was written: everything must be readable first.", err=True)
        raise click.exceptions.Exit(2)
    if any(report.interrupted for report in reports):
        raise click.exceptions.Exit(130)
    seen = {(report.subject.kind, report.subject.name) for report in reports}
    entries = {key: entry for key, entry in kept.items() if key[:2] not in seen} | entries_of(reports)
    write_file(target, baseline_text(entries.values()).encode("ascii"))
    if not quiet:
        _say(target, len(entries), reports, config)


def _kept(target: Path) -> Baseline:
    """The entries that are there already. Raises BadConfig."""
    from deliverkit.engine.baseline import read_baseline

    return read_baseline(target, str(target)) if target.exists() else {}


def _say(target: Path, count: int, reports: list[Report], config: Config) -> None:
    click.echo(f"{target}: {count} {'entry' if count == 1 else 'entries'}")
    unknown = sum(any(one.decisive for one in report.inconclusive) for report in reports)
    if unknown:
        many = "one subject" if unknown == 1 else f"{unknown} subjects"
        click.echo(f"Of {many} something decisive could not be told; that is not in it.", err=True)
    if config.baseline is None:
        click.echo(f'Name it in the configuration: baseline = "{target.name}"', err=True)
