"""From what source evaluates to, to settings in roles: secrets held apart, the chain to the variable kept.

What this file will not do: know a framework.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from deliverkit.facts.base import missing
from deliverkit.facts.settings.environment import Variables
from deliverkit.facts.settings.model import SECRET_ROLES
from deliverkit.facts.settings.source.javascript import Known, Unknown, Value
from deliverkit.facts.settings.url import masked_url
from deliverkit.facts.settings.values import PROCESS, Place, Secret, Setting, Unread, hidden


@dataclass
class Roles:
    """The roles of one transport as they are collected, what was not followed, and which roles that left open."""

    found: dict[str, Setting] = field(default_factory=dict)
    unread: list[Unread] = field(default_factory=list)
    lost: set[str] = field(default_factory=set)

    def add(self, role: str, name: str, value: Value | None, file: str, *, optional: bool = False) -> None:
        """A value in a role, under the application's own name; what is not known is said.

        A variable that no file sets leaves the role open: it is set where the program runs. ``optional``: it is not
        meant to be set everywhere, and then counts as none.
        """
        if isinstance(value, Unknown):
            self.lost.add(role)
            self.unread.append(Unread(Place(file, value.line), value.expression, value.why))
        elif isinstance(value, Known):
            self.lost.discard(role)
            self.found[role] = setting_of(name, value, role)
            via = value.setting
            if not optional and via is not None and via.value is None and value.value in (None, False, ""):
                self.lost.add(role)

    def text(self, role: str) -> str:
        """The text in a role, "" where there is none; a secret's text is not to be had here."""
        found = self.found.get(role)
        return "" if found is None else found.text or ""

    def fact(self, role: str, value: Any, place: Place) -> Any:
        """The value, or why it is not known."""
        return missing(f"{place}: {role} is not known without running the program") if role in self.lost else value


def setting_of(name: str, value: Known, role: str) -> Setting:
    """The setting for a value: with the variable it came from, and its faults."""
    plain: Any = "{…}" if isinstance(value.value, dict) else value.value
    if not isinstance(plain, (str, int, float, bool, type(None))):
        plain = str(plain)
    via = value.setting
    if role in SECRET_ROLES:
        plain = None if plain in (None, False, "") else Secret(str(plain))
        via = hidden(via, always=True) if via is not None else None
    elif role == "url":
        plain = masked_url(str(plain)) if plain is not None else None
    if via is not None and isinstance(via.value, str) and "://" in via.value:
        via = replace(via, value=masked_url(via.value), shadowed=())
    place = Place(value.file, value.line or None)
    return Setting(name, plain, place, value.file, via=via, faults=via.faults if via is not None else ())


def of_process(variables: Variables, name: str) -> Setting | None:
    """A variable of the process's own environment, whatever files say of it."""
    found = variables.get(name)
    ones = (found, *found.shadowed) if found is not None else ()
    return next((one for one in ones if one.place == Place(PROCESS)), None)
