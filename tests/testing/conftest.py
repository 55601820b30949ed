"""The plugin's own fixtures for its own tests, whether or not its entry point is installed here."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from deliverkit.testing.dns import ToldDns
from deliverkit.testing.running import RunningSink
from tests.testing.letters import told_dns


@pytest.fixture
def dns() -> ToldDns:
    """A DNS in which example.com is sound."""
    return told_dns()


@pytest.fixture
def sink(dns: ToldDns) -> Iterator[RunningSink]:
    """A sink in the clear."""
    with RunningSink(dns) as running:
        yield running
