"""The HTML report's nested data: the numbers of the tree, the two methods beside each other, and nothing raw."""

from __future__ import annotations

from pathlib import Path

import pytest

import deliverkit
from deliverkit.facts.spf import observe_spf
from deliverkit.flow import drive
from deliverkit.report import render
from deliverkit.report.model import Report
from deliverkit.report.outline import spf_outline
from deliverkit.world import World
from deliverkit.world.story import load_story, run_story
from tests.protocols.spf.worlds import hearing

STORIES = Path(__file__).parents[2] / "fixtures" / "stories"


def told(story: str) -> Report:
    """A story's report."""
    return run_story(load_story(STORIES / f"{story}.toml"))


def test_the_tree_counts_to_the_term_that_passes_the_limit() -> None:
    """Each term with its cost and its number; the eleventh is marked."""
    outline = spf_outline(told("spf/eleven-lookups").facts["spf"])
    assert outline is not None
    assert [(twig["text"], twig["cost"], twig["number"]) for twig in outline["twigs"]] == [
        ("mx", 1, 1),
        ("include:one.example.net", 4, 2),
        ("include:two.example.net", 3, 6),
        ("include:three.example.net", 3, 9),
        ("-all", 0, None),
    ]
    assert [twig["state"] for twig in outline["twigs"][3]["twigs"]] == ["", "over", ""]
    assert "(the limit is passed here)" in outline["twigs"][3]["twigs"][1]["remark"]


def test_a_tree_is_bounded_and_addresses_share_a_line() -> None:
    """A record of thousands of terms makes a page that opens."""
    many = " ".join(f"a:h{n}.example ip4:192.0.2.{n % 250}" for n in range(1000))
    outline = spf_outline(drive(observe_spf("example.com"), hearing({"example.com": f"v=spf1 {many} -all"})))
    assert outline is not None and len(outline["twigs"]) == 200
    runs = " ".join(f"ip4:192.0.2.{n}" for n in range(1, 9))
    outline = spf_outline(drive(observe_spf("example.com"), hearing({"example.com": f"v=spf1 {runs} -all"})))
    assert outline is not None and [twig["text"] for twig in outline["twigs"]] == ["8 × ip4: 192.0.2.1, …", "-all"]


def test_the_page_has_lists_that_fold() -> None:
    """Includes fold, steps are numbered, the comparison is a table, providers are described."""
    page = render([told("spf/eleven-lookups")], "html")
    assert page.count("<details open><summary>") == 3 and 'class="is-over"' in page
    page = render([told("dmarc/list-passes-over-a-record-in-between")], "html")
    assert '<ol class="walk">' in page and '<tr class="differs"><td>policy</td><td>quarantine (sp)</td>' in page
    page = render([told("message/dmarc-differs-by-the-list")], "html")
    assert '<details class="identifier" open><summary><code>dkim news.example.com</code>' in page
    page = render([told("providers/sendgrid-not-set-up")], "html")
    assert "<dt>DKIM</dt><dd>no key at s1, s2</dd>" in page
    assert "Providers" not in render([told("spf/eleven-lookups")], "html")


@pytest.mark.parametrize("policy", [None, "v=DMARC1; p=nothing"])
def test_of_a_list_that_is_not_asked_nothing_is_said(policy: str | None) -> None:
    """No policy applies to the message: that is no reason to say that the list is not installed."""
    world = World.from_records({"_dmarc.example.com": {"TXT": [policy]}} if policy else {})
    report = deliverkit.verify(b"From: a@example.com\r\n\r\nhi\r\n", world=world)
    assert not any("RFC 7489" in render([report], form) for form in ("html", "text"))


def test_what_dns_says_stays_text() -> None:
    """Markup and control characters in a record are shown, not obeyed."""
    evil = "v=spf1 exists:<b>x</b>.%{i}.example a:\x1b[31m.example -all"
    facts = drive(observe_spf("example.com"), hearing({"example.com": {"TXT": [evil]}}))
    outline = spf_outline(facts)
    assert "\x1b" not in str(outline)
    report = told("spf/eleven-lookups")
    report.facts["spf"] = facts  # type: ignore[index]
    assert "<b>x</b>" not in render([report], "html")
