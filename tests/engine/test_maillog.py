"""Logs and bounces: each refusal counted once, by its cause, in one pass."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deliverkit.engine.maillog import MOST_GROUPS, LogSummary, summarise

LOGS = Path(__file__).parents[2] / "fixtures" / "logs"


def read(name: str) -> LogSummary:
    """The summary of a log among the fixtures."""
    with (LOGS / name).open("rb") as file:
        return summarise(file)


def causes(summary: LogSummary) -> dict[str, tuple[int, int]]:
    """Of each cause: how often, and how often put off."""
    return {name: (group.count, group.deferred) for name, group in summary.groups.items()}


def test_a_mail_servers_log() -> None:
    """Postfix and Exim: bounced, deferred, rejected; what was sent is no refusal."""
    found = read("mta.log")
    assert (found.lines, found.refusals) == (6, 5)
    assert causes(found) == {
        "gmail-dmarc-reject": (1, 0),
        "client-timeout-25": (1, 1),
        "postfix-relay": (1, 0),
        "postfix-user-unknown": (1, 0),
        "client-timeout": (1, 1),
    }
    gmail = found.groups["gmail-dmarc-reject"]
    assert dict(gmail.hosts) == {"gmail-smtp-in.l.google.com": 1}
    assert gmail.first == "Nov 22 10:00:01"


def test_json_lines_of_an_application() -> None:
    """pino's error object is read; a request that answered 550 has nothing to do with mail."""
    assert causes(read("app.jsonl")) == {"gmail-bad-credentials": (1, 0)}


def test_tracebacks_count_once() -> None:
    """Node.js, Python with a chained exception, Java with its cause, PHP, Go: one refusal each, its deepest cause."""
    assert causes(read("tracebacks.log")) == {
        "qq-auth-login": (1, 0),
        "gmail-bad-credentials": (1, 0),
        "client-incomplete-chain": (1, 0),
        "client-phpmailer-auth": (1, 0),
        "client-timeout": (1, 0),
    }


def test_a_bounce_counts_its_recipients() -> None:
    """RFC 3464: failed and delayed recipients count; a delivered one and what people are told do not."""
    found = read("bounce.eml")
    assert found.refusals == 2
    assert found.groups["ms-5.7.515"].hosts == {"outlook-com.olc.protection.outlook.com": 1}
    [other] = [group for name, group in found.groups.items() if name != "ms-5.7.515"]
    assert (other.sample.refusal.said, other.deferred) == ("450 4.4.1", 1)
    assert other.meaning == "by its codes: no answer from the host"


def test_memory_is_bounded() -> None:
    """A stream is read as it comes; refusals nobody knows make only so many groups."""

    def lines() -> Iterator[bytes]:
        for number in range(MOST_GROUPS + 500):
            words = " ".join("abcdefghij"[int(digit)] * 3 for digit in str(number))
            yield f"mail error: 550 5.9.9 odd {words}\n".encode()

    found = summarise(lines())
    assert found.refusals == MOST_GROUPS + 500
    assert len(found.groups) == MOST_GROUPS
    assert found.ungrouped == 500


@pytest.mark.parametrize(
    "octets", [b"", b"\x00\xff" * 100, b"{" * 5000 + b"\n", b"Traceback (most recent call last):\n" * 50]
)
def test_what_is_no_log_has_no_refusals(octets: bytes) -> None:
    """Nothing is found in nothing."""
    assert summarise(octets.splitlines(keepends=True)).refusals == 0


LINES = [line for file in sorted(LOGS.iterdir()) for line in file.read_bytes().splitlines()]


@given(st.lists(st.sampled_from(LINES) | st.binary(max_size=80), max_size=40))
def test_any_lines_are_read(lines: list[bytes]) -> None:
    """Lines of any log in any order, cut and mixed: an end, and never more refusals than lines."""
    found = summarise(lines)
    assert found.refusals <= found.lines == len(lines)
    assert sum(group.count for group in found.groups.values()) + found.ungrouped == found.refusals


def test_a_line_of_postfix_that_is_no_delivery_status_counts_too() -> None:
    """What one host said before another took the mail; that it was sent is no refusal."""
    found = summarise(
        [
            b"Nov 22 10:00:01 mx postfix/smtp[1]: 4XyZ12abc: host mx.example.net[192.0.2.1] said: 450 4.2.0 "
            b"<bob@example.net>: Recipient address rejected: Greylisted (in reply to RCPT TO command)\n",
            b"Nov 22 10:00:02 mx postfix/smtp[1]: 4XyZ12abc: to=<bob@example.net>, status=sent (250 2.0.0 Ok)\n",
            b"Nov 22 10:00:03 mx postfix/qmgr[2]: 4XyZ12abc: removed\n",
        ]
    )
    assert causes(found) == {"greylist": (1, 0)}
