"""The manners of facts: what was observed is frozen, and what was not observed raises when read.

A facts class is ``@dataclass(frozen=True, repr=False)`` and inherits `Facts`. A field that nobody could
observe holds ``missing("TXT example.com: timeout")``; reading it raises `Unobserved`, so a rule that depends on
it ends *inconclusive* without a line of code. A field the user switched off holds ``not_asked("--no-probe")``.
"""

from __future__ import annotations

import dataclasses
from typing import Any, TypeVar

T = TypeVar("T")


class Unobserved(Exception):
    """Read of a fact that was asked for and that nobody could tell."""


class NotAsked(Exception):
    """Read of a fact the user switched off."""


class NotApplicable(Exception):
    """Raised by `needs`: the rule has nothing to judge here."""


@dataclasses.dataclass(frozen=True, slots=True)
class Missing:
    """Stands where a fact would stand, with the reason it is not there."""

    reason: str
    asked: bool = True


def missing(reason: str) -> Any:
    """A fact that was asked for and that nobody could tell."""
    return Missing(reason)


def not_asked(reason: str) -> Any:
    """A fact that was not asked for, by the user's own choice."""
    return Missing(reason, asked=False)


def needs(value: T | None) -> T:
    """The value, or the end of the rule as *not applicable* when there is none."""
    if value is None:
        raise NotApplicable
    return value


class Facts:
    """Base of all facts. Reading a missing field raises; `raw` reads it without raising (for reports).

    Rules read far more facts than there are missing ones, so a missing one is put aside: what is there is read as any
    attribute is, and only what is not comes to ``__getattr__``.
    """

    def __post_init__(self) -> None:
        held = self.__dict__
        if Missing not in map(type, held.values()):
            return
        gone = {name: value for name, value in held.items() if type(value) is Missing}
        for name in gone:
            del held[name]
            for above in type(self).__mro__:  # a default stands in the class too, and would be read in its place
                if name in above.__dict__:
                    delattr(above, name)  # ``__init__`` has its own copy
        held["_missing"] = gone

    def __getattr__(self, name: str) -> Any:
        value = self.__dict__.get("_missing", {}).get(name)
        if value is None:
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}", name=name, obj=self)
        raise (Unobserved if value.asked else NotAsked)(value.reason)

    @property
    def subject(self) -> str:
        """The name under which findings about these facts are filed."""
        raise TypeError(f"{type(self).__name__} has no subject")

    def raw(self, name: str) -> Any:
        """A field's value, or the `Missing` that stands in for it."""
        value = self.__dict__.get("_missing", {}).get(name)
        return object.__getattribute__(self, name) if value is None else value

    def __reduce__(self) -> tuple[Any, ...]:
        """What was observed; what was worked out from it is worked out again where it is unpickled."""
        return _observed, (type(self), {f.name: self.raw(f.name) for f in dataclasses.fields(self)})  # type: ignore[arg-type]

    def __repr__(self) -> str:
        fields = dataclasses.fields(self)  # type: ignore[arg-type]
        return f"{type(self).__name__}({', '.join(f'{f.name}={_short(self.raw(f.name))}' for f in fields)})"


def _observed(kind: type[T], values: dict[str, Any]) -> T:
    return kind(**values)


def _short(value: Any) -> str:
    """A field's repr; of long text and octets the size only (asyncio takes the repr of what a task returns)."""
    if isinstance(value, (bytes, str)) and len(value) > 1000:
        return f"<{type(value).__name__} of {len(value)}>"
    return repr(value)
