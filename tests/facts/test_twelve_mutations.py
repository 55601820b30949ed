"""The messages of ``fixtures/messages/mutated-*.eml``: twelve changes that are proven, and two that nobody can tell."""

from __future__ import annotations

from pathlib import Path

import pytest

from deliverkit.engine.verify import Verification
from deliverkit.facts.message.mutation import Search, State
from deliverkit.world.story import load_story, run_story
from tests.mutated_messages import CAUSES

STORIES = Path(__file__).parents[2] / "fixtures" / "stories" / "message"
REMEDIES = {
    "lf-line-ends": "CRLF first",
    "trailing-lines": "signing program",
    "list-tag": "mailing list",
    "footer": "mailing list",
    "refolded": "c=relaxed/relaxed",
    "reencoded": "encoded words",
    "other-header-form": "forms that c= names",
    "other-body-form": "forms that c= names",
    "other-selector": "selector (s=)",
    "footer-in-two-parts": "disclaimer",
    "by-a-list": "rewritten From belongs to the list",
    "eight-bit-encoded": "quoted-printable or base64",
}


def report_of(name: str) -> Verification:
    report = run_story(load_story(STORIES / f"mutated-{name}.toml"))
    assert isinstance(report, Verification)
    return report


def search_of(name: str) -> Search:
    [search] = report_of(name).authentication.searches
    assert search is not None
    return search


@pytest.mark.parametrize("name", CAUSES)
def test_the_cause_is_named_or_honestly_not(name: str) -> None:
    """Exactly these changes, each proven."""
    search = search_of(name)
    assert tuple(change.kind for change in search.changes) == CAUSES[name]
    assert not search.gave_up
    assert (State.UNEXPLAINED in (search.header, search.body)) == (not CAUSES[name])


@pytest.mark.parametrize("name", REMEDIES)
def test_the_finding_says_what_to_do_about_this_cause(name: str) -> None:
    """Who must change what."""
    [finding] = [f for f in report_of(name).findings if f.rule in ("MSG011", "MSG012")]
    assert REMEDIES[name] in finding.fix.text


@pytest.mark.parametrize(
    ("name", "header", "body"), [("body-unknown", "agrees", "unexplained"), ("header-unknown", "unexplained", "agrees")]
)
def test_where_no_cause_is_known_the_guilty_half_is(name: str, header: str, body: str) -> None:
    """The other half is proven to be whole, and the report says how many changes were tried."""
    search = search_of(name)
    assert (search.header, search.body) == (header, body)
    [finding] = [f for f in report_of(name).findings if f.rule in ("MSG011", "MSG012")]
    assert f"none of the {search.tries:,} known changes that were tried explains it" in finding.detail
