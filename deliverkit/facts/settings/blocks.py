"""The environment that a container is started with, as its deployment writes it: Compose services, Kubernetes pods.

A `Block` belongs to the application whose folder it builds, and to the environment that it names: a variable such as
NODE_ENV in it, or the file's own name. Where it names none, Compose is taken for the way to develop and Kubernetes for
production, and for every other environment what files say wins.

What this file will not do: read YAML (`deliverkit.facts.settings.readers.compose` and ``kubernetes`` do).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from deliverkit.facts.settings.values import Place, Setting

_ALIKE = ({"production", "prod", "prd", "live"}, {"development", "dev", "local"}, {"staging", "stage"}, {"test", "ci"})
_STAGES = (
    "NODE_ENV", "APP_ENV", "RAILS_ENV", "SPRING_PROFILES_ACTIVE", "DJANGO_ENV", "FLASK_ENV", "ENVIRONMENT",
)  # fmt: skip
_MAIL = re.compile(r"(?:^|_)(?:SMTPS?|E?MAIL(?:ER|ERS)?)(?:_|$)")


def alike(one: str, other: str) -> bool:
    """True for two names of one environment: "prod" and "production"."""
    one, other = one.lower(), other.lower()
    return one == other or any(one in names and other in names for names in _ALIKE)


@dataclass(frozen=True, slots=True)
class Block:
    """The variables of one container. ``folder`` is the application's (None: an image made elsewhere), ``environment``
    None where nothing tells it, ``image`` "" where it is built here. A variable that is set where nobody sees it has
    the value None.
    """

    kind: Literal["compose", "kubernetes"]
    name: str
    place: Place
    folder: str | None
    environment: str | None
    image: str
    values: Mapping[str, Setting]

    @property
    def about_mail(self) -> bool:
        """True if one of the names is about mail."""
        return any(_MAIL.search(name) for name in self.values)

    def strength(self, environment: str, folder: str) -> int | None:
        """2: these are the process's variables; 1: they count where no file sets a variable; None: not at all."""
        if self.folder != folder:
            return None
        if self.environment is not None:
            return 2 if not environment or alike(self.environment, environment) else None
        usual = "development" if self.kind == "compose" else "production"
        return 2 if not environment or alike(usual, environment) else 1


def stage_of(values: Mapping[str, Setting]) -> str | None:
    """The environment that the variables name."""
    for name in _STAGES:
        found = values.get(name)
        if found is not None and isinstance(found.value, str) and re.fullmatch(r"[\w-]+", found.value):
            return found.value
    return None


def layers_of(blocks: Iterable[Block], environment: str, folder: str) -> tuple[list[Mapping[str, Setting]], ...]:
    """What blocks give an application: the layers as strong as the process, and the weak ones. Of several containers
    of one application those with variables about mail come first.
    """
    told = [(block.strength(environment, folder), block) for block in blocks]
    told.sort(key=lambda one: not one[1].about_mail)
    return tuple(
        [
            {n: s for n, s in block.values.items() if s.value is not None}
            for strength, block in told
            if strength == wanted
        ]
        for wanted in (2, 1)
    )
