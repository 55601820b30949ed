"""Tag lists: every tag and every fault, with positions that point into the text."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from deliverkit.protocols.taglist import parse_taglist


def kinds(text: str) -> list[str]:
    """The kinds of fault found in a text."""
    return sorted(fault.kind for fault in parse_taglist(text).faults)


def test_tags_keep_order_value_and_place() -> None:
    """Blanks around names and values belong to neither."""
    tags = parse_taglist("v=DMARC1;  p = reject ;rua=mailto:a@example.com")
    assert [(t.name, t.value) for t in tags.tags] == [("v", "DMARC1"), ("p", "reject"), ("rua", "mailto:a@example.com")]
    assert [tags.text[slice(*t.value_span)] for t in tags.tags] == [t.value for t in tags.tags]
    assert tags.faults == ()


def test_faults_are_all_found() -> None:
    """The parser does not stop at the first fault."""
    assert kinds("v=DMARC1;; p; =x; p=none; p=none") == ["bad-tag-name", "duplicate-tag", "empty-tag", "no-equals"]
    assert kinds("v=DMARC1\\; p=none") == ["escaped-semicolon"]
    assert "typographic-quote" in kinds("v=DMARC1; p=\u201dnone\u201d")
    assert "quoted" in kinds('"v=DMARC1; p=none"')
    assert kinds("v=DMARC1; p=none;") == []


def test_names_fold_where_the_law_says_so() -> None:
    """DMARC tag names are case-insensitive (RFC 9989 §4.7), DKIM's are not (RFC 6376 §3.2)."""
    assert parse_taglist("V=1; v=2", fold_names=True).faults[0].kind == "duplicate-tag"
    assert parse_taglist("V=1; v=2").faults == ()


@given(st.text(alphabet=st.sampled_from('vp=;: \t\\"\u201cD1\n'), max_size=60) | st.text(max_size=60))
def test_never_raises_and_points_into_the_text(text: str) -> None:
    """Spans lie inside the text, whatever was written."""
    tags = parse_taglist(text)
    for span in [t.span for t in tags.tags] + [t.value_span for t in tags.tags] + [f.span for f in tags.faults]:
        assert 0 <= span[0] <= span[1] <= len(text)
