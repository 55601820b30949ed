"""What the tests of the readers share: a tree told by a mapping, read by one reader."""

from __future__ import annotations

from collections.abc import Mapping

from deliverkit.facts.settings.model import MailSettings
from deliverkit.facts.settings.readers import Look, reader
from deliverkit.facts.settings.tree import ToldTree


def read_all(name: str, files: Mapping[str, str], asked: str | None = None) -> tuple[list[MailSettings], Look]:
    """Every transport a reader finds, and what it put beside them."""
    look = Look(ToldTree(files), asked=asked)
    return list(reader(name)(look)), look


def read_one(name: str, files: Mapping[str, str], asked: str | None = None) -> MailSettings:
    """The one transport that a reader finds."""
    found, _ = read_all(name, files, asked)
    assert len(found) == 1, [one.subject for one in found]
    return found[0]
