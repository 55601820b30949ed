"""Where results go and in which format: each -o FILE by its suffix or as FORMAT:FILE, --format for standard output.

What cannot be written, and two outputs on one file, is refused before the work. What this file will not do: render.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import click

from deliverkit.cli.files import refuse_unwritable
from deliverkit.report import FORMATS

_SUFFIXES = {
    ".txt": "text",
    ".json": "json",
    ".jsonl": "jsonl",
    ".md": "markdown",
    ".markdown": "markdown",
    ".html": "html",
    ".xml": "junit",
    ".sarif": "sarif",
    ".sarif.json": "sarif",
    ".gitlab.json": "gitlab",
    "gl-code-quality-report.json": "gitlab",
    ".prom": "prometheus",
    ".csv": "csv",
}
_OF_STDOUT = ("github", "nagios")
"""Read from standard output by their nature: --format never means a file by these."""

_PREFIX = re.compile(r"([A-Za-z][A-Za-z-]+):(.*)", re.DOTALL)  # of one letter it is a drive


class Target(NamedTuple):
    """One output; ``path`` is None for standard output."""

    format: str
    path: Path | None = None


class _Asked(NamedTuple):
    format: str | None
    path: Path | None


def read_targets(words: Sequence[str], format_: str | None = None) -> tuple[Target, ...]:
    """What -o and --format ask for.

    Nothing asked: text on standard output. A single -o FILE without a format in front takes that of --format, and
    nothing is printed; otherwise --format is what is printed beside the files. Raises a usage error.
    """
    asked = [_asked(word) for word in words]
    if format_ is not None:
        alone = len(asked) == 1 and asked[0].format is None
        to_stdout = next((n for n, one in enumerate(asked) if one == (None, None)), None)
        if to_stdout is not None:
            asked[to_stdout] = _Asked(format_, None)
        elif alone and format_ not in _OF_STDOUT:
            asked[0] = asked[0]._replace(format=format_)
        else:
            asked.append(_Asked(format_, None))
    targets = tuple(Target(one.format or _by_suffix(one.path), one.path) for one in asked) or (Target("text"),)
    _refuse_twins(targets)
    for target in targets:
        if target.path is not None:
            refuse_unwritable(target.path)
    return targets


def _asked(word: str) -> _Asked:
    match = _PREFIX.fullmatch(word)
    if match is None:
        return _Asked(None, None if word == "-" else Path(word))
    format_, file = match.groups()
    if format_.lower() not in FORMATS:
        from difflib import get_close_matches

        near = get_close_matches(format_.lower(), FORMATS, 1)
        hint = f"did you mean {near[0]}:{file}? " if near else ""
        raise click.UsageError(
            f"-o {word}: there is no format {format_!r}; {hint}The formats: {', '.join(FORMATS)}. "
            f"A file of this name is written ./{word}"
        )
    if not file:
        raise click.UsageError(f"-o {word} names no file: write {word}FILE, or {word}- for standard output")
    return _Asked(format_.lower(), None if file == "-" else Path(file))


def _by_suffix(path: Path | None) -> str:
    """By the longest suffix that is known; text where none is."""
    name = "" if path is None else path.name.lower()
    return next((_SUFFIXES[suffix] for suffix in sorted(_SUFFIXES, key=len)[::-1] if name.endswith(suffix)), "text")


def _refuse_twins(targets: Sequence[Target]) -> None:
    seen: dict[Path | None, Target] = {}
    for target in targets:
        try:
            place = None if target.path is None else target.path.resolve()
        except (OSError, RuntimeError):  # a loop of links: refused as unwritable
            place = target.path
        if place in seen:
            where = "standard output" if target.path is None else str(target.path)
            both = f"{seen[place].format} and {target.format}"
            raise click.UsageError(f"two outputs on {where} ({both}): give each a file of its own")
        seen[place] = target
