"""One file per convention: each reads the transports it knows out of a tree. Here is their list, and how they are run.

A reader is a function ``read(look: Look) -> Iterator[MailSettings]``; it is given the tree and the environments, says
in `Look.unread` what it could not follow, and never guesses. A new framework is one file and one line in `READERS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TypeAlias

from deliverkit.facts.settings.environment import DEVELOPMENT, PRODUCTION, Variables, variables
from deliverkit.facts.settings.model import MailSettings, SendCall, SourceMark
from deliverkit.facts.settings.tree import Tree
from deliverkit.facts.settings.values import Place, Unread


@dataclass
class Look:
    """What a reader is given, and where it puts what it saw beside transports.

    ``asked`` is the environment the user named, or None. ``process`` are the variables of the process that runs us:
    they count for the environment the application would run in here.
    """

    tree: Tree
    process: Mapping[str, str] = field(default_factory=dict)
    asked: str | None = None
    unread: list[Unread] = field(default_factory=list)
    calls: list[SendCall] = field(default_factory=list)
    marks: list[SourceMark] = field(default_factory=list)
    used: dict[str, list[Place]] = field(default_factory=dict)
    seen: dict[str, Variables] = field(default_factory=dict)

    def variables(self, environment: str, *, convention: str, folder: str = "") -> Variables:
        """The variables of an environment by a convention, read once."""
        key = f"{convention}:{folder}:{environment}"
        if key not in self.seen:
            own = self.process if environment in (self.asked, "") else None
            found = variables(self.tree, environment, convention=convention, folder=folder, process=own)
            self.unread.extend(found.unread)
            self.seen[key] = found
        return self.seen[key]

    def environments(self) -> tuple[str, ...]:
        """The environments to judge: the one asked for, else production and development."""
        return (self.asked,) if self.asked else (PRODUCTION, DEVELOPMENT)

    def uses(self, name: str, place: Place) -> None:
        """The source reads this variable here."""
        self.used.setdefault(name, []).append(place)


Reader: TypeAlias = Callable[[Look], Iterator[MailSettings]]

READERS: tuple[str, ...] = ("laravel",)
"""The files below this folder, in the order in which they are asked."""


def reader(name: str) -> Reader:
    """The reader of a convention; its file is imported when it is wanted."""
    found: Reader = import_module(f"deliverkit.facts.settings.readers.{name}").read
    return found
