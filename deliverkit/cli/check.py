"""``deliverkit check``: options and printing for the check of a repository."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from deliverkit.cli.common import Output, Progress, WorldChoice, finish, output_options, run, usage_error, world_options
from deliverkit.cli.complete import configured_domains
from deliverkit.cli.files import refuse_unwritable, write_file
from deliverkit.cli.journal import typed

if TYPE_CHECKING:
    from deliverkit.config.model import BadConfig, Config
    from deliverkit.engine.check import CheckOptions
    from deliverkit.report.model import Report
    from deliverkit.world.journal import Journal

F = TypeVar("F", bound=Callable[..., Any])
BEGIN = "run `deliverkit init DOMAIN` to write one, or give source files: deliverkit check zones/*.zone"
_MOST_COMPLAINTS = 50
_KEPT = ("json", "jsonl", "html")
"""Formats that show what was observed; the others are written without keeping it."""


def source_options(function: F) -> F:
    """Add the options that say what of which configuration is looked at, and where; keyword ``asked``."""

    @click.argument("paths", nargs=-1, type=click.Path(path_type=Path), metavar="[PATH]...")
    @click.option("--config", "config_file", type=click.Path(path_type=Path), metavar="FILE", help="The configuration.")
    @click.option("--environment", metavar="NAME", help="Check this environment of the configuration.")
    @click.option(
        "--domain",
        "domains",
        multiple=True,
        metavar="D",
        help="Check this domain alone (repeatable).",
        shell_complete=configured_domains,
    )
    @click.option("--only", metavar="P,P", help="Only these protocols: spf, dkim, dmarc, mx, …")
    @click.option("--replay", metavar="FILE", help="Answer what no source holds from this journal.")
    @world_options
    @functools.wraps(function)
    def wrapper(*args: Any, **given: Any) -> Any:
        names = ("paths", "config_file", "environment", "domains", "only", "replay", "where")
        return function(*args, asked={name: given.pop(name) for name in names}, **given)

    return wrapper  # type: ignore[return-value]


def check_options(function: F) -> F:
    """Add these and what may be asked besides: options of `check` and `baseline write`."""

    @click.option("--probe/--no-probe", default=None, help="Connect to the mail servers, or not.")
    @click.option("--authoritative", is_flag=True, help="Ask the servers of each zone themselves, and compare them.")
    @click.option("--drift", is_flag=True, help="Compare the sources with what DNS says now.")
    @source_options
    @functools.wraps(function)
    def wrapper(
        *args: Any, asked: dict[str, Any], probe: bool | None, authoritative: bool, drift: bool, **given: Any
    ) -> Any:
        besides = {"probe": probe, "authoritative": authoritative, "drift": drift}
        return function(*args, asked={**asked, **besides}, **given)

    return wrapper  # type: ignore[return-value]


@click.command()
@check_options
@click.option("--baseline", type=click.Path(path_type=Path), metavar="FILE", help="Findings in it do not count.")
@click.option(
    "--record",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Ask DNS, and keep what no source holds in this journal, for --replay.",
)
@output_options
def check(asked: dict[str, Any], baseline: Path | None, record: Path | None, output: Output) -> None:
    """Check a repository of DNS records against its configuration, before they are published.

    The configuration is deliverkit.toml, or [tool.deliverkit] of pyproject.toml, here or in a folder above. PATHs are
    source files: they narrow the check to the domains that they hold; without a configuration they are the sources.
    """
    from deliverkit.config.model import BadConfig

    journal = _journal(record, asked)
    try:
        config, options = configured(asked, timeout=output.timeout, baseline=baseline)
        output = _output(output, config)
        options = replace(options, record=journal, facts=any(target.format in _KEPT for target in output.targets))
        reports = checked_reports(config, options, output)
    except BadConfig as bad:
        finish_refused(bad, output)
    finally:
        if journal is not None and journal.sections and record is not None:
            _write(journal, record)
    end(reports, output)


def configured(
    asked: dict[str, Any], *, timeout: float | None, baseline: Path | None = None
) -> tuple[Config, CheckOptions]:
    """The configuration with what was typed laid over it, and what to check of it. Raises BadConfig."""
    from deliverkit.config import Config, find_config, load_config
    from deliverkit.engine.check import CheckOptions

    where: WorldChoice = asked["where"]
    file = asked["config_file"] or find_config(Path.cwd())
    if file is None:
        if asked["environment"]:
            usage_error("--environment: there is no configuration that could have one")
        if not asked["paths"] and not where.zones:
            usage_error(f"there is no configuration here or in a folder above; {BEGIN}")
        config = Config(folder=Path.cwd())
    else:
        config = load_config(file, asked["environment"])
    laid: dict[str, Any] = {}
    if where.told:
        laid |= {"world": "closed-world" if where.closed_world else "offline", "journal": None}
    if where.nameservers:
        laid |= {"world": "live", "nameservers": where.nameservers, "journal": None}
    if asked["replay"]:
        laid |= {"journal": Path(asked["replay"]).absolute()}
    besides = [name for name in ("authoritative", "drift") if asked.get(name)]
    if besides:
        if where.told or asked["replay"]:
            usage_error("--authoritative and --drift need a network: leave out --offline, --closed-world and --replay")
        laid |= {"world": "live", "journal": None}
        laid |= dict.fromkeys(besides, True)
    if baseline is not None:
        laid |= {"baseline": baseline.absolute()}
    if timeout is not None:
        laid |= {"seconds": timeout}
    only = tuple(part.strip().lower().replace("-", "") for part in (asked["only"] or "").split(",") if part.strip())
    options = CheckOptions(
        domains=asked["domains"],
        paths=asked["paths"],
        zones=where.zones,
        only=only,
        probe=asked.get("probe"),
        facts=False,
        allow_private=where.allow_private,
    )
    return replace(config, **laid), options


def _output(output: Output, config: Config) -> Output:
    """What the configuration says of the end holds where nothing else was typed."""
    return output if "fail_on" in typed() else replace(output, fail_on=config.fail_on)


def _journal(record: Path | None, asked: dict[str, Any]) -> Journal | None:
    """An empty journal to record into, where that is wanted."""
    if record is None:
        return None
    where: WorldChoice = asked["where"]
    if asked["replay"]:
        usage_error("--record and --replay exclude each other: give one")
    if where.told:
        usage_error("--record makes no sense without a network: leave out --offline and --closed-world")
    if str(record) == "-":
        usage_error("--record -: name a file of its own for the journal")
    refuse_unwritable(record)
    from deliverkit.world.journal import Journal

    return Journal()


def _write(journal: Journal, record: Path) -> None:
    from deliverkit.world.journal import JournalError

    try:
        write_file(record, journal.octets())
    except JournalError as bad:
        usage_error(f"cannot write {record}: {bad}")


def checked_reports(config: Config, options: CheckOptions, output: Output) -> list[Report]:
    """The reports of a check, in an event loop where somebody has to be waited for."""
    from deliverkit.cli.common import collect_seldom
    from deliverkit.engine.check import check as check_all
    from deliverkit.engine.check import waits
    from deliverkit.flow import at_once

    progress = Progress(output)
    work: Coroutine[Any, Any, list[Report]] = check_all(config, options, progress=progress)
    try:
        if waits(config, options):
            return run(work)
        collect_seldom()
        return at_once(work)
    finally:
        progress.done()


def finish_refused(bad: BadConfig, output: Output) -> NoReturn:
    """Nothing could be judged. Whoever asked for a report gets one that says so."""
    from deliverkit.engine.check import refused

    click.echo(f"Error: {_plain(str(bad))}", err=True)
    if any(target.path is not None or target.format != "text" for target in output.targets):
        with contextlib.suppress(click.exceptions.Exit):
            finish(refused(bad), output)
    raise click.exceptions.Exit(2)


def end(reports: Sequence[Report], output: Output) -> NoReturn:
    """Write the reports, and end with 2 where something could not be read, else as every verb does."""
    complaints = complain(reports)
    try:
        finish(reports, output)
    except click.exceptions.Exit as way_out:
        raise click.exceptions.Exit(2 if complaints and way_out.exit_code != 130 else way_out.exit_code) from None


def complain(reports: Sequence[Report]) -> int:
    """Say on standard error what could not be read; how much that was."""
    from deliverkit.engine.check import unreadable_of

    unreadable = unreadable_of(reports)
    for one in unreadable[:_MOST_COMPLAINTS]:
        click.echo(f"Error: {_plain(str(one))}", err=True)
    if len(unreadable) > _MOST_COMPLAINTS:
        click.echo(f"Error: and {len(unreadable) - _MOST_COMPLAINTS} more files that cannot be read", err=True)
    return len(unreadable)


def _plain(text: str) -> str:
    from deliverkit.report.plain import plain

    return plain(text, 1200)
