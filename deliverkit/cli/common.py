"""What every verb shares: options with one meaning everywhere, a world, an event loop, and the way out.

Results go to stdout, progress and diagnostics to stderr. A report is always written before exiting.
"""

from __future__ import annotations

import functools
import math
import os
import sys
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TextIO, TypeVar

import click

from deliverkit.cli.files import write_file
from deliverkit.cli.targets import Target, read_targets
from deliverkit.report import FORMATS

if TYPE_CHECKING:
    from deliverkit.report.model import Report
    from deliverkit.world import World
    from deliverkit.world.journal import Journal
    from deliverkit.world.zone import Zone

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")


class Seconds(click.FloatRange):
    """A number of seconds; nan and inf are none."""

    name = "number of seconds"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a number of seconds.", param, ctx)
        return number


@dataclass(frozen=True)
class Output:
    """How results are shown, and where. ``timeout`` is seconds for the whole verb, or None for its own default."""

    targets: tuple[Target, ...]
    quiet: bool
    color: bool
    fail_on: str
    timeout: float | None

    @property
    def printed(self) -> str | None:
        """The format on standard output, or None if everything goes to files."""
        return next((target.format for target in self.targets if target.path is None), None)

    @property
    def paths(self) -> tuple[Path, ...]:
        """The files that are written."""
        return tuple(target.path for target in self.targets if target.path is not None)

    @property
    def width(self) -> int:
        """Columns to write for: the terminal's, or 100 when there is none."""
        import shutil

        return shutil.get_terminal_size((100, 24)).columns


@dataclass(frozen=True)
class WorldChoice:
    """Which world to ask."""

    zones: tuple[Path, ...] = ()
    offline: bool = False
    closed_world: bool = False
    nameservers: tuple[str, ...] = ()
    allow_private: bool = False
    journal: Journal | None = None

    def given(self) -> dict[str, Any]:
        """What was chosen, by option."""
        return {
            "--zone": self.zones,
            "--offline": self.offline,
            "--closed-world": self.closed_world,
            "--nameserver": self.nameservers,
            "--allow-private": self.allow_private,
        }

    @property
    def told(self) -> bool:
        """True if this world opens no socket."""
        return self.offline or self.closed_world

    def open(self, *, now: Any = None) -> World:
        """Open the world, recorded where there is a journal; a zone file that cannot be read ends with status 2."""
        from deliverkit.world import World
        from deliverkit.world.zone import Zone, ZoneError

        try:
            if self.offline or self.closed_world:
                world = World.offline(closed=self.closed_world, now=now)
            else:
                world = World.live(self.nameservers, allow_private=self.allow_private, now=now)
            zones = [Zone.load(path) for path in self.zones]
            _refuse_twins(zones)
            world = world.with_zone(*zones) if zones else world
            return world if self.journal is None else world.recorded(self.journal)
        except (ZoneError, OSError, ValueError) as bad:
            usage_error(str(bad))


def output_options(function: F) -> F:
    """Add the options of `Output`; the command receives them as keyword ``output``."""

    @click.option(
        "--format",
        "format_",
        type=click.Choice(FORMATS),
        help="How to print the report; of a single -o FILE, how to write it. [default: text, or by the suffix of -o]",
    )
    @click.option(
        "-o",
        "--output",
        "outputs",
        multiple=True,
        metavar="[FORMAT:]FILE",
        help="Write the report to this file, in the format of its suffix or in FORMAT (repeatable).",
    )
    @click.option(
        "-q", "--quiet", is_flag=True, help="Print nothing but the report's verdict line (text), and no progress."
    )
    @click.option("--no-color", is_flag=True, help="No colour (also NO_COLOR).")
    @click.option(
        "--fail-on",
        type=click.Choice(["error", "warning", "note", "never"]),
        default="error",
        show_default=True,
        help="Exit with 1 from this severity on.",
    )
    @click.option("--timeout", type=Seconds(min=0.1), metavar="SECONDS", help="Seconds for the whole command.")
    @functools.wraps(function)
    def wrapper(
        *args: Any,
        format_: str | None,
        outputs: tuple[str, ...],
        quiet: bool,
        no_color: bool,
        fail_on: str,
        timeout: float | None,
        **rest: Any,
    ) -> Any:
        targets = read_targets(outputs, format_)
        color = not no_color and not os.environ.get("NO_COLOR") and _is_terminal(sys.stdout)
        return function(*args, output=Output(targets, quiet, color, fail_on, timeout), **rest)

    return wrapper  # type: ignore[return-value]


def world_options(function: F) -> F:
    """Add the options of `WorldChoice`; the command receives them as keyword ``where``."""

    @click.option(
        "--zone",
        "zones",
        type=click.Path(path_type=Path),
        multiple=True,
        metavar="FILE",
        help="Lay this zone file over the world (repeatable).",
    )
    @click.option("--offline", is_flag=True, help="Open no socket; names outside the zones are unobserved.")
    @click.option("--closed-world", is_flag=True, help="Open no socket; names outside the zones do not exist.")
    @click.option(
        "--nameserver",
        "nameservers",
        multiple=True,
        metavar="ADDR[:PORT]",
        help="Ask this resolver instead of the system's (repeatable).",
    )
    @click.option("--allow-private", is_flag=True, help="Connect to private and loopback addresses found in DNS.")
    @functools.wraps(function)
    def wrapper(
        *args: Any,
        zones: tuple[Path, ...],
        offline: bool,
        closed_world: bool,
        nameservers: tuple[str, ...],
        allow_private: bool,
        **rest: Any,
    ) -> Any:
        if offline and closed_world:
            usage_error("--offline and --closed-world exclude each other: give one")
        if (offline or closed_world) and nameservers:
            usage_error("--nameserver makes no sense without a network: leave out --offline and --closed-world")
        return function(*args, where=WorldChoice(zones, offline, closed_world, nameservers, allow_private), **rest)

    return wrapper  # type: ignore[return-value]


def _refuse_twins(zones: Sequence[Zone]) -> None:
    """Two files for one zone contradict each other, and which of them is meant cannot be told."""
    files: dict[str, str | None] = {}
    for zone in zones:
        if zone.origin in files:
            usage_error(f"{files[zone.origin]} and {zone.file} both hold the zone {zone.origin}: give one of them")
        files[zone.origin] = zone.file


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty()  # None: closed by whoever started us


def usage_error(text: str) -> NoReturn:
    """End the program with status 2 and one clear line."""
    raise click.UsageError(text)


def collect_seldom() -> None:
    """What is loaded by now stays, and what a run makes it mostly keeps for its reports: so the collector of cycles,
    which took a quarter of the time of many audits, looks seldom and not at everything: a run of some hundred domains
    ends before it would."""
    import gc

    gc.freeze()
    gc.set_threshold(500_000, 20, 50)


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end. Ctrl-C cancels it, lets it put things away, and ends with status 130."""
    import asyncio

    collect_seldom()
    try:
        return asyncio.run(work)
    except KeyboardInterrupt:
        raise click.exceptions.Abort from None


class Progress:
    """One line on stderr that is overwritten, when stderr is a terminal; otherwise nothing."""

    def __init__(self, output: Output | None = None) -> None:
        self._live = _is_terminal(sys.stderr) and not (output is not None and output.quiet)
        self._shown = False

    def __call__(self, text: str) -> None:
        if self._live:
            from deliverkit.report.plain import plain

            sys.stderr.write(f"\r\033[K{plain(text, 78)}")
            sys.stderr.flush()
            self._shown = True

    def done(self) -> None:
        """Take the line away."""
        if self._shown:
            sys.stderr.write("\r\033[K")
            sys.stderr.flush()
            self._shown = False


def write_output(text: str, target: Target, *, color: bool = False) -> None:
    """Write to stdout, or to a file. What programs read is UTF-8 whatever the locale says."""
    if target.path is not None:
        write_file(target.path, text.encode("utf-8"))
        return
    shown = text if target.format == "text" else text.encode("utf-8")
    try:
        click.echo(shown, nl=not text.endswith("\n"), color=color)
    except BrokenPipeError:
        raise
    except OSError as bad:  # a full disk behind a redirection
        usage_error(f"cannot write to standard output: {bad.strerror or bad}")


def write_reports(reports: Sequence[Report], output: Output, targets: Sequence[Target]) -> None:
    """Render once a format, then write: files first, so that a reader of stdout that goes away costs none of them.

    Text for a file has no colour, whatever the terminal has.
    """
    from deliverkit.report import render

    made: dict[tuple[str, bool], str] = {}
    for format_, color in {(target.format, output.color and target.path is None) for target in targets}:
        made[format_, color] = render(
            reports, format_, width=output.width, color=color, quiet=output.quiet, fail_on=output.fail_on
        )
    for target in sorted(targets, key=lambda target: target.path is None):
        color = output.color and target.path is None
        write_output(made[target.format, color], target, color=color)


def finish(reports: Sequence[Report], output: Output, *, interrupted: bool = False) -> NoReturn:
    """Render the reports, write them, and exit with the status of the contract."""
    if interrupted:
        reports = [replace(report, interrupted=True) for report in reports]
    write_reports(reports, output, output.targets)
    raise click.exceptions.Exit(130 if interrupted else status_of(reports, output))


def status_of(reports: Sequence[Report], output: Output) -> int:
    """The exit status: the contract's, or that of a plugin where "nagios" is printed."""
    from deliverkit.report.model import exit_status

    status = exit_status(reports, output.fail_on)
    if output.printed == "nagios" and status != 130:
        from deliverkit.report.nagios import plugin_status

        return plugin_status(reports, output.fail_on)
    return status
