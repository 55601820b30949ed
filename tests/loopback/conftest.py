"""Shared by the loopback tests: one certificate authority, and certificates written once a session."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.loopback.authority import Authority


@pytest.fixture(scope="session")
def authority() -> Authority:
    """The authority whose root the tests trust."""
    return Authority()


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where its files are."""
    return tmp_path_factory.mktemp("authority")


@pytest.fixture(scope="session")
def ca_file(authority: Authority, folder: Path) -> str:
    """The root, as a PEM file."""
    return str(authority.write_root(folder))
