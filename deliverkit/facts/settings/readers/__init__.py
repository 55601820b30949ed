"""One file per convention: each reads the transports it knows out of a tree. Here is their list, and how they are run.

A reader is a function ``read(look: Look) -> Iterator[MailSettings]``; it is given the tree and the environments, says
in `Look.unread` what it could not follow, and never guesses. A new framework is one file and one line in `READERS`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, TypeAlias

from deliverkit.facts.settings.blocks import Block
from deliverkit.facts.settings.environment import Variables, environments_of, variables
from deliverkit.facts.settings.model import MailSettings, SendCall, SourceMark
from deliverkit.facts.settings.tree import Tree
from deliverkit.facts.settings.values import Place, Unread

_RUNNING = ("NODE_ENV", "APP_ENV", "RAILS_ENV", "RACK_ENV")


@dataclass
class Look:
    """What a reader is given, and where it puts what it saw beside transports.

    ``asked`` is the environment the user named, or None. ``process`` are the variables of the process that runs us:
    they count where nothing else tells one environment from another, for the one that was asked for, and for the one
    that the process says it runs in. ``given`` are files of variables the user named (name to text).
    """

    tree: Tree
    process: Mapping[str, str] = field(default_factory=dict)
    asked: str | None = None
    given: Mapping[str, str] = field(default_factory=dict)
    unread: list[Unread] = field(default_factory=list)
    calls: list[SendCall] = field(default_factory=list)
    marks: list[SourceMark] = field(default_factory=list)
    used: dict[str, list[Place]] = field(default_factory=dict)
    seen: dict[str, Variables] = field(default_factory=dict)
    apps: dict[str, Any] = field(default_factory=dict)
    named: dict[str, tuple[str, ...] | None] = field(default_factory=dict)
    loaders: list[str] = field(default_factory=list)
    """Sources that mention a loader of files of variables."""
    found: list[MailSettings] = field(default_factory=list)
    """What the readers asked so far have found."""

    @functools.cached_property
    def blocks(self) -> tuple[Block, ...]:
        """The environments that containers of this tree are started with, read once."""
        rooms = (import_module(f"deliverkit.facts.settings.readers.{name}") for name in ("compose", "kubernetes"))
        return tuple(block for room in rooms for block in room.blocks(self))

    @functools.cached_property
    def present(self) -> frozenset[str]:
        """The paths of the tree, to ask whether one is there."""
        return frozenset(self.tree.paths)

    @property
    def running(self) -> str:
        """The environment that the process says it runs in, "" where it says nothing."""
        return next((self.process[name] for name in _RUNNING if self.process.get(name)), "")

    def variables(
        self, environment: str, *, convention: str, folder: str = "", files: tuple[str, ...] | None = None
    ) -> Variables:
        """The variables of an environment by a convention, read once; ``files`` are those the program itself names."""
        key = f"{convention}:{folder}:{environment}:{files}"
        if key not in self.seen:
            own = self.process if environment in (self.asked, "", self.running) else None
            found = variables(
                self.tree,
                environment,
                convention=convention,
                folder=folder,
                process=own,
                given=self.given,
                files=files,
                blocks=self.blocks,
            )
            self.unread.extend(found.unread)
            self.seen[key] = found
        return self.seen[key]

    def environments(self, convention: str, folder: str = "") -> tuple[str, ...]:
        """The environments to read: the one asked for, else those that the folder knows by this convention."""
        return (self.asked,) if self.asked else environments_of(self.tree, convention, folder)

    def uses(self, name: str, place: Place) -> None:
        """The source reads this variable here."""
        self.used.setdefault(name, []).append(place)


Reader: TypeAlias = Callable[[Look], Iterator[MailSettings]]

READERS: tuple[str, ...] = (
    "nodemailer", "laravel", "django", "smtplib", "symfony", "phpmailer", "rails",
    "spring", "javamail", "grafana", "postfix", "compose", "kubernetes",
)  # fmt: skip
"""The files below this folder, in the order in which they are asked."""


def reader(name: str) -> Reader:
    """The reader of a convention; its file is imported when it is wanted."""
    found: Reader = import_module(f"deliverkit.facts.settings.readers.{name}").read
    return found
