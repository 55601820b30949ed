"""octoDNS YAML edited: quoting, comments and order stay; what shares its text with others is left alone."""

from __future__ import annotations

import pytest

from deliverkit.engine.edit.model import CannotApply
from deliverkit.engine.edit.octodnswords import key_text, natural, scalar_text
from tests.engine.edit.bringing import Three, bring, brought

NAME = "example.com.yaml"
ZONE = """---
'':
  - type: MX
    ttl: 300
    values:
      - exchange: mx1.example.com.   # first
        preference: 10
      - exchange: mx2.example.com.
        preference: 20
  - type: TXT
    value: 'v=spf1 ?all'   # spf
# policy
_dmarc:
  type: TXT
  value: v=DMARC1\\; p=none
mx10:
  type: A
  values: [192.0.2.1, "192.0.2.2"]  # both
www:
  # web
  type: A
  value: 192.0.2.1
"""
CASES: dict[str, tuple[list[Three], list[Three], str, str]] = {
    "quoting and comment stay": (
        [("example.com", "TXT", "v=spf1 ?all")],
        [("example.com", "TXT", "v=spf1 -all")],
        "    value: 'v=spf1 ?all'   # spf\n",
        "    value: 'v=spf1 -all'   # spf\n",
    ),
    "only the member that differs": (
        [("example.com", "MX", "10 mx1.example.com.")],
        [("example.com", "MX", "10 mx9.example.com.")],
        "      - exchange: mx1.example.com.   # first\n",
        "      - exchange: mx9.example.com.   # first\n",
    ),
    "semicolons are escaped": (
        [("_dmarc.example.com", "TXT", "v=DMARC1; p=none")],
        [("_dmarc.example.com", "TXT", "v=DMARC1; p=reject; adkim=s")],
        "  value: v=DMARC1\\; p=none\n",
        "  value: v=DMARC1\\; p=reject\\; adkim=s\n",
    ),
    "one value becomes two": (
        [],
        [("example.com", "TXT", "x: y")],
        "    value: 'v=spf1 ?all'   # spf\n",
        "    values:\n      - 'v=spf1 ?all'   # spf\n      - 'x: y'\n",
    ),
    "one more of several": (
        [],
        [("example.com", "MX", "30 mx3.example.com.")],
        "        preference: 20\n",
        "        preference: 20\n      - exchange: mx3.example.com.\n        preference: 30\n",
    ),
    "in brackets too": (
        [("mx10.example.com", "A", "192.0.2.1")],
        [("mx10.example.com", "A", "192.0.2.3"), ("mx10.example.com", "A", "192.0.2.4")],
        '[192.0.2.1, "192.0.2.2"]',
        '[192.0.2.3, "192.0.2.2", "192.0.2.4"]',
    ),
    "a name in its natural order": (
        [],
        [("mx9.example.com", "A", "192.0.2.9")],
        "mx10:\n",
        "mx9:\n  type: A\n  value: 192.0.2.9\nmx10:\n",
    ),
    "a second type makes a list": (
        [],
        [("www.example.com", "AAAA", "2001:db8::1")],
        "  # web\n  type: A\n  value: 192.0.2.1\n",
        "  # web\n  - type: A\n    value: 192.0.2.1\n  - type: AAAA\n    value: 2001:db8::1\n",
    ),
    "the last record takes its name along": (
        [("mx10.example.com", "A", "192.0.2.1"), ("mx10.example.com", "A", "192.0.2.2")],
        [],
        'mx10:\n  type: A\n  values: [192.0.2.1, "192.0.2.2"]  # both\n',
        "",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_only_these_lines_change(case: str) -> None:
    """The rest of the file is as it was, to the octet."""
    removes, records, old, new = CASES[case]
    assert ZONE.count(old) == 1
    assert brought(ZONE, removes, records, NAME) == ZONE.replace(old, new)


def test_what_is_said_again_gets_the_form_that_octodns_wants() -> None:
    """SRC004 and SRC037: a final dot, a backslash before the semicolon."""
    text = (
        "a:\n  type: TXT\n  value: v=DKIM1; p=\nb:\n  type: TXT\n  value: x\\; y\n"
        "c:\n  type: CNAME\n  value: d.example.net\n"
    )
    same: list[Three] = [("a.example.com", "TXT", "v=DKIM1; p="), ("c.example.com", "CNAME", "d.example.net.")]
    made = brought(text, same, same, NAME)
    assert made == text.replace("DKIM1;", "DKIM1\\;").replace("d.example.net\n", "d.example.net.\n")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a: &x\n  type: A\n  value: 192.0.2.1\nb: *x\n", "anchor or alias"),
        ("b:\n  <<: &x {ttl: 60}\n  type: A\n  value: 192.0.2.1\na:\n  type: A\n  value: 192.0.2.1\n", ""),
        ("a:\n  type: A\n  value: 192.0.2.1\n  dynamic: {pools: {}, rules: []}\n", "several answers"),
        ("a: {type: A, value: 192.0.2.1}\nb: {type: A, value: 192.0.2.1}\n", ""),
        ("{a: {type: A, value: 192.0.2.1}, b: {type: A, value: 192.0.2.9}}\n", ""),
        ("b: &x\n  type: A\n  value: 192.0.2.7\na:\n  type: A\n  value: 192.0.2.1\n", ""),
    ],
)
def test_what_is_not_understood_is_left_alone(text: str, why: str) -> None:
    """Where one text says several things it is refused; where it does not, it is changed."""
    gone, new = ("a.example.com", "A", "192.0.2.1"), ("a.example.com", "A", "192.0.2.2")
    if not why:
        assert brought(text, [gone], [new], NAME).count("192.0.2.2") == 1
        return
    with pytest.raises(CannotApply, match=why):
        brought(text, [gone], [new], NAME)


def test_braces_around_everything_are_refused() -> None:
    """A name cannot be put into them."""
    text = "{a: {type: A, value: 192.0.2.1}, b: {type: A, value: 192.0.2.9}}\n"
    with pytest.raises(CannotApply, match="stands in braces"):
        brought(text, [], [("c.example.com", "A", "192.0.2.3")], NAME)
    with pytest.raises(CannotApply, match="stands in braces"):
        brought(text, [("a.example.com", "A", "192.0.2.1")], [], NAME)


def test_an_included_file_is_left_alone() -> None:
    """It may belong to other zones."""
    files = {NAME: b"a: !include a.inc\nb:\n  type: A\n  value: 192.0.2.2\n", "a.inc": b"type: A\nvalue: 192.0.2.1\n"}
    with pytest.raises(CannotApply, match=r"a\.inc:2 is included from elsewhere"):
        bring(files, [("a.example.com", "A", "192.0.2.1")], [("a.example.com", "A", "192.0.2.3")])
    made = bring(files, [("b.example.com", "A", "192.0.2.2")], [("b.example.com", "A", "192.0.2.3")])
    assert made[NAME] == files[NAME].replace(b".2.2", b".2.3")


def test_a_text_over_several_lines_gets_one() -> None:
    """Its block gives way to a plain text; what follows stays."""
    text = "a:\n  type: TXT\n  value: >-\n    v=spf1\n    ?all\n# more\nb:\n  type: A\n  value: 192.0.2.1\n"
    gone, new = ("a.example.com", "TXT", "v=spf1 ?all"), ("a.example.com", "TXT", "v=spf1 -all")
    assert brought(text, [gone], [new], NAME) == text.replace(">-\n    v=spf1\n    ?all\n", "v=spf1 -all\n")


def test_words_are_quoted_where_yaml_would_read_them_otherwise() -> None:
    """A name that is a number, a star, a word of YAML; a text with a colon or a hash."""
    assert [key_text(name) for name in ("", "*", "123", "no", "_dmarc", "www")] == [
        "''",
        "'*'",
        "'123'",
        "'no'",
        "_dmarc",
        "www",
    ]
    assert scalar_text("a: b", None, number=False, flow=False) == "'a: b'"
    assert scalar_text("a #b", '"', number=False, flow=False) == '"a #b"'
    assert scalar_text("a, b", None, number=False, flow=True) == "'a, b'"
    assert sorted(["www", "", "a10", "a9", "*", "_x"], key=natural) == ["", "*", "_x", "a9", "a10", "www"]
