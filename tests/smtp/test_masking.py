"""What a server repeats of a secret is masked; the rest of its words stay."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliverkit.smtp.masking import masked
from deliverkit.smtp.reply import Broken, ReplyReader


@pytest.mark.parametrize(
    ("text", "secret", "shown"),
    [
        ("535 bad password hunter2hunter2!", "hunter2hunter2", "535 bad password ********!"),
        ("500 what is AGFubgBodW5", "AGFubgBodW50ZXIy", "500 what is ********"),  # a quotation cut short
        ("535 hunter2", "hunter2", "535 ********"),
        ("535 (hunter2), no", "hunter2", "535 (********), no"),
        ("535 5.7.8 book a room", "ok", "535 5.7.8 book a room"),  # short: a whole word only
        ("250 ok, no", "ok", "250 ********, no"),
        ("twice: abcdefgh abcdefgh", "abcdefgh", "twice: ******** ********"),
        ("nothing", "", "nothing"),
    ],
)
def test_a_secret_is_masked_wherever_it_is_repeated(text: str, secret: str, shown: str) -> None:
    """Whole or cut short; a short one does not blot out parts of words."""
    assert masked(text, [secret]) == shown


@given(st.text(), st.text(min_size=8).filter(lambda text: "*" not in text), st.text())
def test_no_long_secret_survives(before: str, secret: str, after: str) -> None:
    """Whatever stands around it."""
    assert secret not in masked(f"{before}{secret}{after}", [secret])
    assert masked(before, []) == before


def test_masking_takes_linear_time() -> None:
    """A reply that is nothing but the secret's beginning, thousands of times."""
    began = time.process_time()
    masked("abcdefg" * 10_000, ["abcdefg" * 600 + "!"])
    masked("aaaaaaaa" * 8_000, ["aaaaaaab", "aaaaaaaa" * 500 + "b"])
    assert time.process_time() - began < 1


def test_the_reader_masks_replies_garbage_and_fragments() -> None:
    """A secret with odd characters is known in its escaped form as well."""
    reader = ReplyReader()
    reader.hide(["pass\tword \x1b1"])
    reader.feed(b"535 no pass\tword \x1b1 here\r\npass\tword \x1b1\r\n535-x pass\tword \x1b1")
    assert str(reader.take()) == "535 no ******** here"
    garbage = reader.take()
    assert isinstance(garbage, Broken)
    assert garbage.heard == "********\\r\\n"
    assert reader.rest() == "535-x ********"
