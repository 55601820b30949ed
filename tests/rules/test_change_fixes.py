"""Every change that can be named says what to do about it."""

from __future__ import annotations

import pytest

from deliverkit.facts.message.mutation import Change, Half, Search, State
from deliverkit.facts.message.mutation.change import KINDS
from deliverkit.rules.message.changes import fix_for


def _search(*kinds: str) -> Search:
    return Search(State.EXPLAINED, State.AGREES, tuple(Change(kind, Half.HEADER, kind) for kind in kinds))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_its_fix(kind: str) -> None:
    """A sentence, and no fix is said twice."""
    told = fix_for(_search(kind, kind))
    assert told is not None
    assert told.endswith(".")
    assert told == fix_for(_search(kind))


def test_two_changes_have_two_fixes() -> None:
    """Each by whoever made it."""
    told = fix_for(_search("lf-line-ends", "field-refolded")) or ""
    assert "CRLF first" in told
    assert "c=relaxed/relaxed" in told


def test_without_a_proof_the_rule_s_own_words_must_do() -> None:
    """Nothing proven, nothing advised."""
    assert fix_for(_search()) is None
    assert fix_for(None) is None
