"""The variables of each environment of an application: which file sets them, and which file wins.

A *convention* is what loads the files: each has its own list of files in order of precedence and its own way to read
a line (`deliverkit.facts.settings.dotenv`). The process's own environment wins everywhere it is documented to.

What this file will not do: read a line of a file, or know which variable is about mail.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from deliverkit.facts.settings.dotenv import DIALECTS, read_dotenv
from deliverkit.facts.settings.tree import Tree, folders
from deliverkit.facts.settings.values import PROCESS, Place, Setting, Unread

PRODUCTION, DEVELOPMENT, TEST = "production", "development", "test"


@dataclass(frozen=True, slots=True)
class Convention:
    """How a program loads its files. ``layers`` names them for one environment, the strongest first; ``{env}`` is it.

    ``process_wins``: a variable that is set already is kept (dotenv's default). ``source`` is where this is written.
    """

    name: str
    dialect: str
    layers: tuple[str, ...]
    process_wins: bool
    source: str


CONVENTIONS = {
    one.name: one
    for one in (
        Convention("plain", "node", (".env",), True, "dotenv README: .env is loaded, set variables are kept"),
        Convention(
            "next",
            "next",
            (".env.{env}.local", ".env.local", ".env.{env}", ".env"),
            True,
            "Next.js documentation, Environment Variables, Environment Variable Load Order",
        ),
        Convention(
            "laravel", "laravel", (".env.{env}", ".env"), True, "Laravel documentation, Environment Configuration"
        ),
    )
}


@dataclass(frozen=True, slots=True)
class Variables:
    """The variables of one environment, each with the source that won and those that lost."""

    environment: str
    values: Mapping[str, Setting] = field(default_factory=dict)
    unread: tuple[Unread, ...] = ()

    def get(self, name: str) -> Setting | None:
        """A variable, or None when nothing sets it."""
        return self.values.get(name)


def variables(
    tree: Tree,
    environment: str,
    *,
    convention: str = "plain",
    folder: str = "",
    process: Mapping[str, str] | None = None,
) -> Variables:
    """The variables of one environment, by a convention, for the files of one folder.

    ``process`` is the process's own environment, given only for the environment the program runs in here.
    """
    law = CONVENTIONS[convention]
    here = set(folders(tree.paths).get(folder, ()))
    names = dict.fromkeys(layer.format(env=environment) for layer in law.layers)
    paths = [path for name in names if (path := f"{folder}/{name}".lstrip("/")) in here]
    own = {n: Setting(n, v, Place(PROCESS), PROCESS) for n, v in (process or {}).items()}
    layers: list[Mapping[str, Setting]] = []
    unread: list[Unread] = []
    for path in paths:
        text = tree.text(path)
        if text is not None:
            read = read_dotenv(text, path, DIALECTS[law.dialect], known=own)
            layers.append(read.values)
            unread.extend(read.unread)
    layers.insert(0 if law.process_wins else len(layers), own)
    return Variables(environment, _won(layers), tuple(unread))


def _won(layers: Iterable[Mapping[str, Setting]]) -> dict[str, Setting]:
    """Of each name the setting of the strongest layer, with the others as its shadows."""
    found: dict[str, Setting] = {}
    for layer in layers:
        for name, setting in layer.items():
            first = found.get(name)
            found[name] = setting if first is None else replace(first, shadowed=(*first.shadowed, setting))
    return found
