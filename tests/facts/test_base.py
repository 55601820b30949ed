"""Facts: what is there is read, what is missing raises, and `raw` never does."""

from __future__ import annotations

import copy
import pickle
from dataclasses import dataclass, field

import pytest

from deliverkit.facts.base import Facts, Missing, NotAsked, Unobserved, missing, not_asked


@dataclass(frozen=True, repr=False)
class Weather(Facts):
    """A field without a default, one with a plain default, and one that is only asked for on demand."""

    rain: int
    wind: int = 3
    tide: str = field(default=not_asked("--tide"))

    @property
    def wet(self) -> bool:
        """Depends on a fact that may be missing."""
        return self.rain > 0


def test_what_is_there_is_read() -> None:
    seen = Weather(2, tide="high")
    assert (seen.rain, seen.wind, seen.tide, seen.wet) == (2, 3, "high", True)
    assert (seen.raw("rain"), seen.raw("wet")) == (2, True)


def test_what_is_missing_raises_with_its_reason_though_the_field_has_a_default() -> None:
    """Also through a property; other instances keep their default."""
    seen = Weather(missing("no gauge"), wind=missing("no vane"))
    for name, why in (("rain", "no gauge"), ("wind", "no vane"), ("wet", "no gauge")):
        with pytest.raises(Unobserved, match=why):
            getattr(seen, name)
    with pytest.raises(NotAsked, match="--tide"):
        _ = seen.tide
    assert seen.raw("wind") == Missing("no vane")
    assert Weather(1).wind == 3


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'Weather' object has no attribute 'snow'"):
        _ = Weather(missing("no gauge")).snow  # type: ignore[attr-defined]


def test_copies_miss_the_same() -> None:
    seen = Weather(missing("no gauge"))
    for other in (copy.copy(seen), copy.deepcopy(seen), pickle.loads(pickle.dumps(seen))):
        with pytest.raises(Unobserved, match="no gauge"):
            _ = other.rain
        assert repr(other) == repr(seen)
