"""HTML as a reader sees it, by a scan that is linear."""

from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from deliverkit.facts.message.html import read_html


def test_links_images_and_text() -> None:
    """Entities, nested markup in a link, upper case, quotes of both kinds and none."""
    page = read_html(
        "<P>Gr&uuml;&szlig;e<BR>Ann</P>\n<a HREF='https://example.com/?a=1&amp;b=2'>to <b>the</b> shop</a>"
        '<img alt="Logo" src=https://example.com/l.png><area href="/x"><form action=https://example.com/f>'
    )
    assert page.text == "Grüße\nAnn\nto the shop"
    assert [(link.target, link.text, link.line, link.tag) for link in page.links] == [
        ("https://example.com/?a=1&b=2", "to the shop", 2, "a"),
        ("/x", "", 2, "area"),
        ("https://example.com/f", "", 2, "form"),
    ]
    assert [(image.source, image.alt) for image in page.images] == [("https://example.com/l.png", "Logo")]


def test_what_is_not_shown_is_no_text() -> None:
    """Comments, styles, scripts, titles and what stands in attributes."""
    page = read_html("<title>t</title><style>p {}</style><!-- c --><script>if (a<b) {}</script><p title='x'>seen</p>")
    assert page.text == "seen"
    assert page.links == ()


def test_a_lone_bracket_is_text() -> None:
    """`<` before something that is no tag, and placeholders of templates."""
    assert read_html("1 < 2 and <%= name %>").text == "1 < 2 and <%= name %>"


def test_an_endless_quotation_mark_ends_the_document() -> None:
    """As in a browser; what stood before is kept."""
    page = read_html('<p>seen</p><a href="https://example.com>lost</a><p>lost')
    assert page.text == "seen"


@given(st.text(alphabet="<>/a!-=\"' bhrefimgscpt\n&#;", max_size=400))
def test_anything_can_be_scanned(html: str) -> None:
    """Never raises; a link's line is a line of the document."""
    page = read_html(html)
    assert all(1 <= link.line <= html.count("\n") + 1 for link in page.links)


def test_scanning_is_linear() -> None:
    """Input on which html.parser needs quadratic time."""
    for piece in (
        "<",
        "<a",
        "<!--",
        '<a href="',
        "<a x='",
        "<script>",
        "</",
        "<a b=c ",
        "&",
        "<!",
        "<p a",
        "<a =",
        "< a ",
    ):
        html = piece * (100_000 // len(piece))
        began = time.perf_counter()
        read_html(html)
        assert time.perf_counter() - began < 5, piece
