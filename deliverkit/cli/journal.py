"""``--record`` and ``--replay``: options of audit, verify and probe, and what they refuse.

What this file will not do: read or write the lines of a journal (`world.journal`), or run a verb again
(`engine.replay`).
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import click

from deliverkit.cli.common import Output, WorldChoice, finish, run, usage_error
from deliverkit.cli.files import refuse_unwritable, write_file

if TYPE_CHECKING:
    from deliverkit.world.journal import Journal, Section

F = TypeVar("F", bound=Callable[..., Any])
T = TypeVar("T")


@dataclass(frozen=True)
class Tape:
    """Where to write a journal, or which to read."""

    record: Path | None = None
    replay: str | None = None
    any_version: bool = False

    @contextmanager
    def recording(self, verb: str, where: WorldChoice) -> Iterator[WorldChoice]:
        """The world of a run, recorded if that is wanted; the journal is written however the run ends."""
        if self.record is None:
            yield where
            return
        from deliverkit.world.journal import Journal

        journal = Journal(verb=verb)
        try:
            yield replace(where, journal=journal)
        except click.UsageError:
            raise  # nothing was asked
        except BaseException as end:  # the usual way out, Ctrl-C, a reader that went away, a fault of ours
            stopped = isinstance(end, (click.exceptions.Abort, KeyboardInterrupt))
            journal.interrupted = stopped or getattr(end, "exit_code", 0) == 130
            self._write(journal)
            raise

    def _write(self, journal: Journal) -> None:
        from deliverkit.world.journal import JournalError

        assert self.record is not None
        try:
            write_file(self.record, journal.octets())
        except JournalError as bad:
            usage_error(f"cannot write {self.record}: {bad}")

    def opened(self, verb: str, where: WorldChoice) -> Journal:
        """The journal to replay, of this verb. A file that is none, and an option about the world, are usage errors."""
        from deliverkit.world.journal import Journal, JournalError

        for flag, given in where.given().items():
            if given:
                usage_error(
                    f"{flag} makes no sense with --replay: the journal answers every question; leave {flag} out"
                )
        assert self.replay is not None
        try:
            if self.replay == "-":
                journal = Journal.parse(_standard_input(), "standard input", any_version=self.any_version)
            else:
                journal = Journal.load(self.replay, any_version=self.any_version)
        except JournalError as bad:
            usage_error(str(bad))
        _refuse_other_verb(journal, verb)
        return journal


def _refuse_other_verb(journal: Journal, verb: str) -> None:
    verbs = sorted({section.verb for section in journal.sections})
    if verb in verbs:
        return
    if verbs or journal.verb != verb:
        verbs = verbs or [journal.verb]
        usage_error(f"{journal.origin} was recorded by {', '.join(verbs)}: deliverkit {verbs[0]} --replay FILE")
    usage_error(f"{journal.origin} holds no subject: the run was interrupted before there was one")


def _standard_input() -> bytes:
    import sys

    from deliverkit.world.journal import MOST_OCTETS

    return b"" if sys.stdin is None else sys.stdin.buffer.read(MOST_OCTETS + 1)


def journal_options(function: F) -> F:
    """Add the options of `Tape`; the command receives them as keyword ``tape``."""

    @click.option(
        "--record",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Keep every question and answer in this journal, from which the report can be made again.",
    )
    @click.option(
        "--replay",
        metavar="FILE",
        help="Make the report again from this journal alone, subjects and options too; no socket is opened.",
    )
    @click.option("--any-version", is_flag=True, help="Replay also what another version of deliverkit recorded.")
    @functools.wraps(function)
    def wrapper(
        *args: Any, record: Path | None, replay: str | None, any_version: bool, output: Output, **rest: Any
    ) -> Any:
        if record is not None:
            if replay is not None:
                usage_error("--record and --replay exclude each other: give one")
            if str(record) == "-" or record.absolute() in [path.absolute() for path in output.paths]:
                usage_error(f"--record {record}: name a file of its own for the journal")
            refuse_unwritable(record)
        if any_version and replay is None:
            usage_error("--any-version makes no sense without --replay")
        return function(*args, tape=Tape(record, replay, any_version), output=output, **rest)

    return wrapper  # type: ignore[return-value]


def refuse_missing(subjects: Sequence[str], what: str) -> None:
    """Without a journal the subject must be named."""
    if not subjects:
        raise click.MissingParameter(ctx=click.get_current_context(), param_type="argument", param_hint=f"'{what}'")


def picked(journal: Journal, verb: str, subjects: Iterable[str], same: Callable[[str, str], bool]) -> list[Section]:
    """The sections of the subjects that were typed, or all; a subject that the journal does not hold is refused."""
    held = [section for section in journal.sections if section.verb == verb]
    chosen: list[Section] = []
    for subject in subjects:
        found = [section for section in held if same(section.subject, subject)]
        if not found:
            refuse_other(journal, subject, [section.subject for section in held])
        chosen += [section for section in found if section not in chosen]
    return chosen or held


def refuse_other(journal: Journal, subject: str, held: Sequence[str]) -> NoReturn:
    """A journal of another subject."""
    shown = ", ".join(held[:5]) + (f" and {len(held) - 5} more" if len(held) > 5 else "")
    usage_error(f"{journal.origin} does not hold {subject}; it holds {shown}: name one of these, or none to see all")


def typed() -> dict[str, str]:
    """The parameters that stand on the command line, and their flags."""
    context = click.get_current_context()
    source = click.core.ParameterSource.COMMANDLINE
    said = (one for one in context.command.params if one.name and context.get_parameter_source(one.name) is source)
    return {one.name: one.opts[0] for one in said if one.name}


def readable(journal: Journal, read: Callable[[Section], T], section: Section) -> T:
    """The options of a section; a usage error where the journal holds none that can be meant."""
    try:
        return read(section)
    except ValueError as bad:
        usage_error(f"{journal.origin}: {section.verb} {section.subject}: {bad}")


def finish_replay(
    journal: Journal, sections: Sequence[Section], output: Output, chosen: Callable[[int], bool] = lambda _: True
) -> NoReturn:
    """Run the sections again, and end as the run ended; ``chosen`` says of a report's number whether it is shown."""
    from deliverkit.engine.replay import replay
    from deliverkit.report.plain import plain
    from deliverkit.world.journal import JournalError

    try:
        reports = [one for number, one in enumerate(run(replay(journal, sections))) if chosen(number)]
    except JournalError as bad:
        usage_error(str(bad))
    if not reports:
        usage_error(f"{journal.origin} holds no report: the run was interrupted before there was one")
    if not output.quiet:
        when = journal.started.strftime("%Y-%m-%d %H:%M:%S UTC")
        click.echo(f"replayed from a journal of {when}, recorded by deliverkit {plain(journal.version, 40)}", err=True)
    finish(reports, output, interrupted=journal.interrupted)


def refuse_contradiction(journal: Journal, pairs: Mapping[str, tuple[Any, Any]]) -> None:
    """An option that says otherwise than the journal: flag → (what was typed, what was recorded)."""
    for flag, (mine, recorded) in pairs.items():
        if _sorted(mine) != _sorted(recorded):
            usage_error(
                f"{flag} says {_words(mine)}, and {journal.origin} was recorded with {_words(recorded)}: "
                f"leave {flag} out, or record a journal anew with --record"
            )


def _sorted(value: Any) -> Any:
    """Of several values the order does not matter."""
    return sorted(value) if isinstance(value, tuple) else value


def _words(value: Any) -> str:
    if value is None or value in ((), {}):
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, dict):
        return ", ".join(f"{key}={one}" for key, one in value.items())
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
