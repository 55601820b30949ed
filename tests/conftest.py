"""Shared by all tests: the conformance counts in the closing lines, and the rule about peers.

A test marked ``peer("postfix")`` needs a program that is not part of the Python environment. Where it is missing the
test is skipped and says so; with DELIVERKIT_REQUIRE_PEERS=1 (as in CI) a missing program fails the test instead.
"""

from __future__ import annotations

import os
from collections import Counter

import hypothesis
import pytest

from tests.peers.programs import PROGRAMS, missing_program

# Property tests try the same examples each time, so that a run says something about the change under test; look for new
# ones with DELIVERKIT_FUZZ=1. Times are nobody's business here: machines are noisy.
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None)
hypothesis.settings.register_profile("fuzz", deadline=None, max_examples=1000)
hypothesis.settings.load_profile("fuzz" if os.environ.get("DELIVERKIT_FUZZ") else "repeatable")

_counts: dict[str, Counter[str]] = {}


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Note the conformance suite; skip, or in CI fail, a test whose programs are not installed."""
    item.user_properties += [("conformance", mark.args[0]) for mark in item.iter_markers("conformance")]
    for mark in item.iter_markers("peer"):
        for name in mark.args:
            assert name in PROGRAMS, f"unknown peer {name!r}: add it to tests/peers/programs.py"
            lacking = missing_program(name)
            if lacking and os.environ.get("DELIVERKIT_REQUIRE_PEERS") == "1":
                pytest.fail(f"peer {name} is required and {lacking}", pytrace=False)
            if lacking:
                pytest.skip(f"peer {name}: {lacking}")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Count the outcomes of the conformance suites, whose tests are marked ``conformance("suite")``."""
    if report.when == "call" or report.outcome == "skipped":
        for suite in (value for name, value in report.user_properties if name == "conformance"):
            _counts.setdefault(str(suite), Counter())[report.outcome] += 1


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the conformance counts before pytest's closing line."""
    if _counts:
        terminalreporter.section("conformance")
    for suite, counts in sorted(_counts.items()):
        said = ", ".join(f"{number} {outcome}" for outcome, number in sorted(counts.items()))
        terminalreporter.write_line(f"{suite}: {said}")
