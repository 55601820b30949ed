"""What the doctor is given beside a folder: files of variables, a URL, the process's variables; and where to keep what
it saw.

Which variables of this process count: all of them, as the application would be given them in this shell, unless the
user names files or a URL, which then are the whole truth. A password in ``--url`` stands in the list of processes, so
``--url -`` reads it from standard input.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from deliverkit.cli.common import usage_error
from deliverkit.cli.files import refuse_unwritable, write_file

if TYPE_CHECKING:
    from deliverkit.facts.settings.model import MailSettings
    from deliverkit.report.model import Report

F = TypeVar("F", bound=Callable[..., Any])
_LARGEST = 2 * 2**20  # octets of a file of variables
_LONGEST = 65_536  # octets of a URL


@dataclass(frozen=True)
class Given:
    """What was given. ``options`` are fields of `deliverkit.engine.doctor.DoctorOptions`."""

    options: Mapping[str, Any] = field(repr=False)
    save: Path | None = None
    digest_key: bytes | None = field(default=None, repr=False)


def given_options(function: F) -> F:
    """Add the options of `Given`; the command receives them as keyword ``given``."""

    @click.option(
        "--env-file",
        "env_files",
        type=click.Path(path_type=Path, allow_dash=True),
        multiple=True,
        metavar="FILE",
        help="Read variables from this file too; it wins over those of the application (repeatable).",
    )
    @click.option("--url", metavar="URL", help="Judge this SMTP URL instead of a folder; - reads it from stdin.")
    @click.option(
        "--process-env/--no-process-env",
        "process_env",
        default=None,
        help="Whether this shell's variables count.  [default: yes, unless --env-file or --url is given]",
    )
    @click.option(
        "--save",
        type=click.Path(path_type=Path),
        metavar="FILE",
        help="Write a snapshot to compare with that of another environment (deliverkit diff). No secret is in it.",
    )
    @click.option(
        "--digest-key-env",
        metavar="NAME",
        help="With --save: a variable that holds a key both machines share. Secrets are then compared by digests.",
    )
    @functools.wraps(function)
    def wrapper(
        *args: Any,
        env_files: tuple[Path, ...],
        url: str | None,
        process_env: bool | None,
        save: Path | None,
        digest_key_env: str | None,
        **rest: Any,
    ) -> Any:
        source = click.get_current_context().get_parameter_source("folder")
        if url is not None and source is click.core.ParameterSource.COMMANDLINE:
            usage_error("--url is judged instead of a folder: give one of them")
        if save is not None:
            refuse_unwritable(save)
        elif digest_key_env is not None:
            usage_error("--digest-key-env is for the snapshot that --save writes: give --save FILE too")
        counts = process_env if process_env is not None else not env_files and url is None
        options = {
            "process": _own(digest_key_env) if counts else {},
            "env_files": _read(env_files, url),
            "url": None if url is None else _transport(url),
        }
        return function(*args, given=Given(options, save, _key(digest_key_env)), **rest)

    return wrapper  # type: ignore[return-value]


def _own(without: str | None) -> dict[str, str]:
    return {name: value for name, value in os.environ.items() if name != without}


def _read(paths: tuple[Path, ...], url: str | None) -> dict[str, str]:
    """The files' texts by their names, the strongest first: of several the last one wins, as with node and docker."""
    if [str(path) for path in paths].count("-") + (url == "-") > 1:
        usage_error("standard input can be read once: give one -")
    return {"standard input" if str(path) == "-" else str(path): _text(path) for path in reversed(paths)}


def _text(path: Path) -> str:
    try:
        if str(path) == "-":
            octets = sys.stdin.buffer.read(_LARGEST + 1)
        else:
            with path.open("rb") as file:
                octets = file.read(_LARGEST + 1)
    except OSError as bad:
        usage_error(f"--env-file {path}: {bad.strerror or bad}")
    if len(octets) > _LARGEST:
        usage_error(f"--env-file {path}: larger than {_LARGEST:,} octets; no file of variables is")
    if b"\x00" in octets:
        usage_error(f"--env-file {path}: a binary file (UTF-16?); write it as UTF-8 text")
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        return octets.decode("latin-1")  # what matters to us is ASCII


def _transport(url: str) -> MailSettings:
    from deliverkit.facts.settings.urltransport import BadUrl, transport_of_url

    if url == "-":
        url = sys.stdin.buffer.read(_LONGEST).decode("utf-8", "replace").strip()
    try:
        return transport_of_url(url)
    except BadUrl as bad:
        usage_error(f"--url: {bad}")


def _key(name: str | None) -> bytes | None:
    if name is None:
        return None
    from deliverkit.engine.snapshot import WeakKey, digest_key

    text = os.environ.get(name)
    if not text:
        usage_error(f"--digest-key-env: the environment variable {name} is {'not set' if text is None else 'empty'}")
    try:
        return digest_key(text)
    except WeakKey as weak:
        usage_error(f"--digest-key-env {name}: {weak}; take the output of: openssl rand -hex 16")


def save(report: Report, given: Given) -> None:
    """Write the snapshot, if one was asked for: whole or not at all."""
    if given.save is None:
        return
    from deliverkit.engine.snapshot import snapshot_text

    write_file(given.save, snapshot_text(report, key=given.digest_key))
