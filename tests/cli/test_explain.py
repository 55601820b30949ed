"""``deliverkit explain``: rules, replies, client errors and logs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.command import ROOT, Typed

LOGS = ROOT / "fixtures" / "logs"


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        (
            ("550-5.7.26 Unauthenticated email from example.com is not accepted due to domain's DMARC policy.",),
            "gmail-dmarc-reject",
        ),
        (("Greeting", "never", "received"), "client-greeting-never"),
        (("ECONNREFUSED",), "client-refused"),
        (
            ("smtplib.SMTPSenderRefused: (501, b'Mail from address must be same as authorization user', 'a@b')",),
            "qq-from-mismatch",
        ),
    ],
)
def test_replies_and_errors_are_explained(deliverkit: Typed, words: tuple[str, ...], cause: str) -> None:
    """By its words, quoted or not, a reply or error leads to its entry."""
    ended = deliverkit("explain", "--format", "json", *words)
    assert (ended.status, ended.err) == (0, "")
    told = json.loads(ended.out)
    assert told["cause"] == cause and told["meaning"] and told["fix"]
    assert "Means: " in deliverkit("explain", *words).out


def test_an_unknown_reply_is_told_by_its_codes(deliverkit: Typed) -> None:
    """And it is said that nobody knows the words."""
    ended = deliverkit("explain", "550 5.7.25 the moon is wrong")
    assert ended.status == 0
    assert "By its codes: the reverse DNS check failed" in " ".join(ended.out.split()) or "Means:" in ended.out


def test_words_nobody_knows_are_a_usage_error(deliverkit: Typed) -> None:
    """With what to give instead."""
    ended = deliverkit("explain", "the", "moon")
    assert ended.status == 2
    assert "nothing is known of 'the moon'" in ended.err


@pytest.mark.parametrize("name", ["mta.log", "bounce.eml"])
def test_a_log_is_counted_by_cause(deliverkit: Typed, name: str) -> None:
    """As text and as JSON."""
    text = deliverkit("explain", "--log", str(LOGS / name))
    assert text.status == 0 and "refusals" in text.out
    told = json.loads(deliverkit("explain", "--log", str(LOGS / name), "--format", "json").out)
    assert told["refusals"] == sum(group["count"] for group in told["groups"])


def test_a_log_that_is_not_there(deliverkit: Typed, folder: Path) -> None:
    """One clear line, status 2."""
    ended = deliverkit("explain", "--log", str(folder / "no.log"))
    assert ended.status == 2 and "no.log" in ended.err and "Traceback" not in ended.err


def test_a_log_and_words_exclude_each_other(deliverkit: Typed) -> None:
    """One question at a time."""
    assert deliverkit("explain", "--log", str(LOGS / "mta.log"), "SPF004").status == 2


def test_nothing_in_a_log_steers_the_terminal(deliverkit: Typed, folder: Path) -> None:
    """A stranger's reply is quoted with its controls made harmless."""
    (folder / "evil.log").write_bytes(b"mail error: 550 5.1.1 \x1b[31mred\x07 <a@b.example>\n")
    ended = deliverkit("explain", "--log", "evil.log")
    assert "\x1b" not in ended.out and "\x07" not in ended.out and "550 5.1.1" in ended.out
