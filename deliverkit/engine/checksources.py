"""The sources of a check: which files the configuration means, and the zones they hold.

Every file that cannot be read is told, and the others are read all the same. A pattern stays inside the folder of the
configuration; a link out of it is no way around. Paths that a person typed may lie anywhere. What this file will not
do: judge a zone, or ask DNS.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from deliverkit.config.model import Config, SourcePattern
from deliverkit.facts.checked import Unreadable
from deliverkit.world.masterfile import ZoneError
from deliverkit.world.sources.shelf import Shelf

if TYPE_CHECKING:
    from deliverkit.world.sources import SourceZone
    from deliverkit.world.zone import Zone

MOST_FILES = 20_000
"""Files that the patterns of one configuration may mean."""
_WILD = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file to read. ``shown`` is its name in evidence, relative to the repository; ``line`` that of its pattern."""

    path: Path
    shown: str
    kind: str | None = None
    origin: str | None = None
    line: int | None = None


@dataclass(slots=True)
class Sources:
    """What was read: the zones by origin, in the order of their files, and the names of the files behind each."""

    zones: Shelf = field(default_factory=Shelf)
    files: dict[str, frozenset[str]] = field(default_factory=dict)


class Places:
    """Names of files as evidence has them: relative to the repository, so that a comment lands on the line."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.absolute()
        self.root = next((one for one in (self.folder, *self.folder.parents) if (one / ".git").exists()), self.folder)

    def shown(self, path: Path) -> str:
        """The name of a file: from the root of the repository, or as it is where it lies elsewhere."""
        whole = Path(os.path.normpath(path.absolute()))
        return whole.relative_to(self.root).as_posix() if whole.is_relative_to(self.root) else str(path)


def source_files(
    config: Config, more: Iterable[Path], places: Places, complain: Callable[[Unreadable], None]
) -> list[SourceFile]:
    """The files that the configuration names and those typed besides, each once, in order."""
    found: dict[Path, SourceFile] = {}
    for pattern in config.sources:
        for path in _matching(config, pattern, places, complain):
            found.setdefault(path, SourceFile(path, places.shown(path), pattern.kind, pattern.origin, pattern.line))
            if len(found) > MOST_FILES:
                what = f"the sources are more than {MOST_FILES:,} files"
                complain(Unreadable(_config_name(config, places), pattern.line, what, "write narrower patterns"))
                return list(found.values())
    for path in more:
        for one in _typed(path, places, complain):
            found.setdefault(one, SourceFile(one, places.shown(one)))
    return list(found.values())


def _typed(path: Path, places: Places, complain: Callable[[Unreadable], None]) -> Iterator[Path]:
    """The file that was typed; of a folder, the files below it that are sources by their content."""
    from deliverkit.world.sources import kind_of

    whole = Path(os.path.normpath(path.absolute()))
    if not whole.is_dir() or kind_of(whole) is not None:
        yield whole
        return
    held = [one for one in sorted(whole.rglob("*")) if not one.is_dir() and kind_of(one) is not None]
    if not held:
        complain(Unreadable(places.shown(whole), None, "holds no source", "give a folder with zone files"))
    yield from held[:MOST_FILES]


def _config_name(config: Config, places: Places) -> str:
    return config.shown if config.file is None else places.shown(config.file)


def _matching(
    config: Config, pattern: SourcePattern, places: Places, complain: Callable[[Unreadable], None]
) -> Iterator[Path]:
    """The files of one pattern, sorted."""

    def wrong(what: str, do: str) -> None:
        complain(Unreadable(_config_name(config, places), pattern.line, f"{pattern.pattern!r} {what}", do))

    text = pattern.pattern
    if Path(text).is_absolute() or ".." in Path(text).parts:
        wrong("leads out of the folder of the configuration", "write a path below it")
        return
    if not _WILD & set(text):
        paths = [config.folder / text]
        if not os.path.lexists(paths[0]):
            wrong("is not there", "correct the path")
            return
    else:
        try:
            paths = sorted(path for path in config.folder.glob(text) if _is_source(path))
        except (ValueError, OSError, NotImplementedError) as bad:
            wrong(f"is no pattern ({bad})", "write one such as zones/**/*.zone")
            return
        if not paths:
            wrong("matches no file", "correct the pattern, or take it out")
    inside = config.folder.resolve()
    for path in paths:
        if not path.resolve().is_relative_to(inside):
            shown, what = places.shown(path), "is a link out of the folder of the configuration"
            complain(Unreadable(shown, None, what, "put the file itself here"))
        else:
            yield path.absolute()


def _is_source(path: Path) -> bool:
    """Files, and the folders in which octoDNS keeps one zone ("example.com./")."""
    return not path.is_dir() or path.name.endswith(".")


def read_sources(
    files: Sequence[SourceFile],
    see: Callable[[SourceZone], None],
    complain: Callable[[Unreadable], None],
    say: Callable[[str], None],
) -> Sources:
    """Read the files one by one. ``see`` is shown each zone with its facts, which nobody keeps afterwards."""
    from deliverkit.world.sources import read_source

    sources = Sources()
    for number, file in enumerate(files, start=1):
        if number % 20 == 1:
            say(f"reading {file.shown} ({number} of {len(files)})")
        try:
            zones = read_source(file.path, kind=file.kind, origin=file.origin, shown=file.shown)
        except ZoneError as bad:
            shown = f"{bad.why}: {bad.text[:80]!r}" if bad.text else bad.why
            complain(Unreadable(bad.file, bad.line, shown, bad.remedy))
            continue
        for one in zones:
            origin = one.zone.origin
            if origin in sources.zones:
                what = f"holds the zone {origin}, and so does {sources.zones[origin].file}"
                complain(Unreadable(file.shown, None, what, "keep the zone in one file"))
                continue
            sources.files[origin] = frozenset((file.shown, *(record.file for record in one.facts.records)))
            sources.zones.put(one.zone, len(one.facts.records), partial(_again, file, origin))
            see(one)
    return sources


def _again(file: SourceFile, origin: str) -> Zone:
    """The zone of a file that was read before. Raises ZoneError."""
    from deliverkit.world.sources import read_source

    zones = read_source(file.path, kind=file.kind, origin=file.origin, shown=file.shown)
    found = next((one.zone for one in zones if one.zone.origin == origin), None)
    if found is None:
        raise ZoneError(file.shown, None, "", f"holds {origin} no longer", "check again")
    return found
