"""Looking for words first finds what the pattern alone finds, whatever the text."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliverkit.facts.message import _PLAIN_LINK, _plain_links
from deliverkit.rules.message.content import _LEAKED, _LEAKED_IN_URL, _PLACEHOLDER
from deliverkit.rules.message.shown import Telltale

PIECES = (
    "{{", "}}", "{{ name }}", "{%", "%}", "<%", "%>", "${", "${a}", "#{x}", "}", "%a.b%", "%%x%%", "%FIRST_NAME%", "%",
    "*|NAME|*", "*|", "|*", "Hello", "dear ", "HALLO, ", "undefined", "null", "nil", "None", "(null)", "NaN", "Array",
    "[object Object]", "%5Bobject%20O", "<a.b object at 0x1f>", "<function f at 0xa>", "$", "€", ":", "= ",
    "Invalid Date", "\n", "\r", " ", ",", ".", "\t", "word", "x", "/", "?", "\x0b", "\u2028",
)  # fmt: skip
TEXTS = st.lists(st.sampled_from(PIECES), max_size=30).map("".join)


@pytest.mark.parametrize("telltale", [_PLACEHOLDER, _LEAKED, _LEAKED_IN_URL])
@given(text=TEXTS)
def test_words_first_finds_what_the_pattern_finds(telltale: Telltale, text: str) -> None:
    alone = [(m.span(), m[0]) for m in telltale.pattern.finditer(text)]
    assert [(m.span(), m[0]) for m in telltale.matches(text)] == alone


LINKS = (
    "http",
    "https",
    "HTTPS",
    "ftp",
    "sftp",
    "://",
    ":/",
    "s",
    "a",
    "example.com",
    "<",
    '"',
    " ",
    "\n",
    ".",
    "é",
    "_",
)


@given(text=st.lists(st.sampled_from(LINKS), max_size=30).map("".join))
def test_links_of_plain_text_are_those_of_the_pattern(text: str) -> None:
    assert [m.span() for m in _plain_links(text)] == [m.span() for m in re.finditer(_PLAIN_LINK, text)]
