"""How names are spelt so that they can be compared."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from deliverkit.world.values import canonical, is_canonical

NAMES = st.text(st.sampled_from("abZ09-_.\\ \0\x7fäİ\ud800*"), max_size=70) | st.text(max_size=20)


@given(NAMES)
def test_a_name_that_looks_canonical_is_spelt_as_it_stands(name: str) -> None:
    """Whatever the quick look lets pass is its own canonical form, or can be no name at all."""
    if is_canonical(name):
        assert canonical(name) in (name, None)


@given(NAMES)
def test_a_canonical_name_stays_as_it_is(name: str) -> None:
    """To spell it once is enough: caches may look up what comes out."""
    spelt = canonical(name)
    assert spelt is None or canonical(spelt) == spelt
