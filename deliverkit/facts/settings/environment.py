"""The variables of each environment of an application: which file sets them, and which file wins.

A *convention* is what loads the files: each has its own list of files in order of precedence and its own way to read
a line (`deliverkit.facts.settings.dotenv`). The process's own environment wins everywhere it is documented to.

What this file will not do: read a line of a file, or know which variable is about mail.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from deliverkit.facts.settings.blocks import Block, layers_of
from deliverkit.facts.settings.dotenv import DIALECTS, read_dotenv
from deliverkit.facts.settings.tree import Tree, folders
from deliverkit.facts.settings.values import PROCESS, Place, Setting, Unread

PRODUCTION, DEVELOPMENT, TEST = "production", "development", "test"


@dataclass(frozen=True, slots=True)
class Convention:
    """How a program loads its files. ``layers`` names them for one environment, the strongest first; ``{env}`` is it.

    ``process_wins``: a variable that is set already is kept (dotenv's default). ``always`` are environments the program
    has whether or not a file is called after them. ``exclusive``: the first file that is there is the only one.
    ``source`` is where this is written.
    """

    name: str
    dialect: str
    layers: tuple[str, ...]
    source: str
    process_wins: bool = True
    always: tuple[str, ...] = ()
    exclusive: bool = False


_FOUR = (".env.{env}.local", ".env.local", ".env.{env}", ".env")
CONVENTIONS = {
    one.name: one
    for one in (
        Convention("node", "node", (".env",), "dotenv README: .env is loaded, variables that are set are kept"),
        Convention(
            "next", "next", _FOUR, "Next.js documentation, Environment Variable Load Order",
            always=(PRODUCTION, DEVELOPMENT),
        ),
        Convention("flow", "node", _FOUR, "dotenv-flow README: the files that NODE_ENV names"),
        Convention(
            "vite", "next", (".env.{env}.local", ".env.{env}", ".env.local", ".env"), "Vite documentation, Env Files",
            always=(PRODUCTION, DEVELOPMENT),
        ),
        Convention("python-dotenv", "python-dotenv", (".env",), "python-dotenv README: load_dotenv keeps what is set"),
        Convention(
            "decouple", "decouple", ("settings.ini", ".env"), "python-decouple README: the environment wins",
            exclusive=True,
        ),
        Convention("environ", "environ", (".env",), "django-environ documentation: read_env keeps what is set"),
        Convention(
            "laravel", "laravel", (".env.{env}", ".env"), "Laravel documentation, Environment Configuration",
            exclusive=True,
        ),
        Convention("phpdotenv", "laravel", (".env",), "vlucas/phpdotenv README: variables that are set are kept"),
        Convention(
            "symfony", "symfony", (".env.{env}.local", ".env.{env}", ".env.local", ".env"),
            "Symfony documentation, Configuring Environment Variables in .env Files",
        ),
        Convention("rails", "ruby", _FOUR, "dotenv for Ruby README, Rails"),
        Convention("compose", "compose", (".env",), "Docker Compose documentation: the shell wins over .env"),
        Convention("java", "compose", (".env",), "dotenv-java and spring-dotenv READMEs: the environment wins"),
    )
}  # fmt: skip
_SPECIAL = re.compile(r"\.env\.([A-Za-z][\w-]*?)(?:\.local)?")
_NO_ENVIRONMENT = frozenset(("local", "example", "sample", "template", "dist", "defaults", "bak", "old", "test"))


def environments_of(tree: Tree, convention: str, folder: str = "") -> tuple[str, ...]:
    """The environments that a folder knows by this convention: those its files are called after, and those the program
    always has; ("",) when nothing tells one from another. ``.env.example`` and its like are no environment.
    """
    law = CONVENTIONS[convention]
    if not any("{env}" in layer for layer in law.layers):
        return ("",)
    names = (PurePosixPath(path).name for path in folders(tree.paths).get(folder, ()))
    found = {m[1] for name in names if (m := _SPECIAL.fullmatch(name)) and m[1] not in _NO_ENVIRONMENT}
    return tuple(sorted(found | set(law.always), key=lambda e: (e != PRODUCTION, e))) or ("",)


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
    convention: str = "node",
    folder: str = "",
    process: Mapping[str, str] | None = None,
    given: Mapping[str, str] | None = None,
    files: Iterable[str] | None = None,
    blocks: Iterable[Block] = (),
) -> Variables:
    """The variables of one environment, by a convention, for the files of one folder.

    ``process`` is the process's own environment, given only for the environment the program runs in here. ``given`` are
    files the user named (name to text): they are read like the convention's own, and win over those. ``files`` are
    paths that the program itself names, the strongest first: they stand for the convention's own list. ``blocks`` are
    what containers are started with: as strong as the process, whose own variables win, or weaker than every file.
    """
    law = CONVENTIONS[convention]
    dialect = DIALECTS[law.dialect]
    here = set(folders(tree.paths).get(folder, ()))
    names = [layer.format(env=environment) for layer in law.layers if environment or "{env}" not in layer]
    paths = [path for name in dict.fromkeys(names) if (path := f"{folder}/{name}".lstrip("/")) in here]
    if files is not None:
        paths = [path for path in files if path in tree.paths]
    texts = [*(given or {}).items(), *((path, tree.text(path)) for path in paths[: 1 if law.exclusive else None])]
    own = {n: Setting(n, v, Place(PROCESS), PROCESS) for n, v in (process or {}).items()}
    layers: list[Mapping[str, Setting]] = []
    unread: list[Unread] = []
    known = dict(own)
    for path, text in reversed(texts):  # the weakest first: a stronger file may refer to what a weaker one sets
        if text is not None:
            read = read_dotenv(text, path, dialect, known=known)
            layers.insert(0, read.values)
            known = {**read.values, **known} if law.process_wins else {**known, **read.values}
            unread.extend(read.unread)
    strong, weak = layers_of(blocks, environment, folder)
    place = 0 if law.process_wins else len(layers)
    layers[place:place] = [own, *strong]
    layers.extend(weak)
    return Variables(environment, _won(layers), tuple(unread))


def _won(layers: Iterable[Mapping[str, Setting]]) -> dict[str, Setting]:
    """Of each name the setting of the strongest layer, with the others as its shadows."""
    found: dict[str, Setting] = {}
    for layer in layers:
        for name, setting in layer.items():
            first = found.get(name)
            found[name] = setting if first is None else replace(first, shadowed=(*first.shadowed, setting))
    return found
