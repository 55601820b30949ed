"""RFC 2047 encoded words: decoded, and their damage named."""

from __future__ import annotations

import base64
import email.header

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliverkit.facts.message.words import codec_of, decode_words, known_charset


def test_blanks_between_two_words_vanish_and_others_stay() -> None:
    """The examples of RFC 2047 §8."""
    assert decode_words("(=?ISO-8859-1?Q?a?=)").text == "(a)"
    assert decode_words("(=?ISO-8859-1?Q?a?= b)").text == "(a b)"
    assert decode_words("(=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=)").text == "(ab)"
    assert decode_words("(=?ISO-8859-1?Q?a?=  =?ISO-8859-1?Q?b?=)").text == "(ab)"
    assert decode_words("(=?ISO-8859-1?Q?a_b?=)").text == "(a b)"
    assert decode_words("(=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=)").text == "(a b)"


@pytest.mark.parametrize(
    ("value", "kinds"),
    [
        ("=?x-none?q?a?=", {"unknown-charset"}),
        ("=?idna?q?a?=", {"unknown-charset"}),
        ("=?utf-8?x?a?=", {"unknown-encoding"}),
        ("=?utf-8?b?YQ=?=", {"bad-base64"}),
        ("=?utf-8?b?Y*Q=?=", {"bad-base64"}),
        ("=?utf-8?q?=G0?=", {"bad-q"}),
        ("=?utf-8?q?a b?=", {"blank-inside"}),
        ("=?utf-8?q?" + "a" * 64 + "?=", {"too-long"}),
        ("=?utf-8?q?" + "a" * 63 + "?=", set()),
        ("=?utf-8?q?=E5=90?= =?utf-8?q?=8D?=", {"split-character"}),
        ("=?utf-8?q?=E5=90?= x", {"not-in-charset"}),
        ("a=?utf-8?q?b?=", {"glued"}),
        ("=?utf-8?q?b?=,", {"glued"}),
        ("=?utf-8?b?5ZCN", {"never-closed"}),
        ("what=? is =? this?", set()),
        ("=?utf-8*de?q?gr=C3=BCn?=", set()),
    ],
)
def test_each_kind_of_damage_is_told_apart(value: str, kinds: set[str]) -> None:
    """One kind of damage each, and none for sound words and for text that only looks like one."""
    assert {damage.kind for damage in decode_words(value).damage} == kinds


def test_a_character_split_between_words_is_still_shown() -> None:
    """The reader sees what was meant; the damage is named all the same."""
    decoded = decode_words("=?utf-8?q?=E5=90?= =?utf-8?q?=8D?=!")
    assert decoded.text == "名!"


def test_a_word_that_cannot_be_decoded_stays_as_written() -> None:
    """Nothing is guessed."""
    assert decode_words("a =?x-none?q?b?= c").text == "a =?x-none?q?b?= c"


def test_specials_may_touch_a_word_in_a_phrase_only() -> None:
    """`=?…?=<a@b>` is legal in a display name, not in a Subject."""
    value = "=?utf-8?q?b?=<a@example.com>"
    assert not decode_words(value, phrase=True).damage
    assert decode_words(value).damage


@given(st.text(alphabet=st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=300))
def test_what_python_encodes_comes_back(text: str) -> None:
    """Words written by the standard library decode to the text that went in."""
    encoded = email.header.Header(text, "utf-8", maxlinelen=10**6).encode(maxlinelen=10**6)
    assert decode_words(encoded).text == text


@given(st.text(alphabet='=?utf-8qQbB_ \tAZ09+/=\udc80é<>@"', max_size=400))
def test_anything_can_be_decoded(value: str) -> None:
    """Never raises; spans lie inside the value."""
    decoded = decode_words(value)
    assert all(0 <= start <= end <= len(value) for start, end in (d.span for d in decoded.damage))
    assert all(0 <= start < end <= len(value) for start, end in (w.span for w in decoded.words))


@pytest.mark.parametrize(
    "name",
    [
        "utf-8",
        "UTF8",
        "iso-8859-15",
        "windows-1252",
        "gb2312",
        "big5",
        "koi8-r",
        "iso-2022-jp",
        "shift_jis",
        "us-ascii",
    ],
)
def test_charsets_of_mail_are_known(name: str) -> None:
    """The charsets that mail is written in."""
    assert known_charset(name)


@pytest.mark.parametrize(
    "name", ["", "base64", "rot13", "punycode", "unicode_escape", "x\0y", "utf-9", "zlib", "undefined", "idna"]
)
def test_what_only_python_calls_a_codec_is_no_charset(name: str) -> None:
    """Python's codecs that transform octets, and its own inventions, are not taken for charsets."""
    assert not known_charset(name)


@pytest.mark.parametrize(
    ("charset", "text"),
    [
        ("gb2312", "朱镕基"),
        ("GB2312", "朱镕基"),
        ("ks_c_5601-1987", "똠방각하"),
        ("Shift_JIS", "①②"),
        ("x-sjis", "①"),
        ("big5", "裏"),
    ],
)
def test_charsets_are_read_as_readers_read_them(charset: str, text: str) -> None:
    """Programs declare a national standard and write the larger set their system uses; every reader shows it."""
    octets = text.encode(codec_of(charset))
    decoded = decode_words(f"=?{charset}?B?{base64.b64encode(octets).decode()}?=")
    assert (decoded.text, decoded.damage) == (text, ())
