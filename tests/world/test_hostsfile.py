"""The hosts file of a machine: what it lists, and that nothing in it can do harm."""

from __future__ import annotations

from pathlib import Path

import pytest

from deliverkit.world.hostsfile import listed_addresses

TEXT = """127.0.0.1 localhost
2001:db8::5 mail.example.com mail  # the relay
192.0.2.5\tMAIL.example.com
not-an-address mail.example.com
# 192.0.2.9 old.example.com
"""


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("mail.example.com", ("192.0.2.5", "2001:db8::5")),
        ("mail", ("2001:db8::5",)),
        ("Mail.Example.Com.", ("192.0.2.5", "2001:db8::5")),
        ("old.example.com", ()),
        ("example.com", ()),
        ("", ()),
    ],
)
def test_what_is_listed(name: str, found: tuple[str, ...], tmp_path: Path) -> None:
    """IPv4 first; case, comments and blanks as hosts(5) says."""
    path = tmp_path / "hosts"
    path.write_text(TEXT)
    assert listed_addresses(name, path) == found


def test_a_file_that_cannot_be_read_lists_nothing(tmp_path: Path) -> None:
    """No file, a folder, octets that are no text."""
    assert listed_addresses("mail", tmp_path / "none") == ()
    assert listed_addresses("mail", tmp_path) == ()
    (tmp_path / "hosts").write_bytes(bytes(range(256)) + b"\n192.0.2.1 mail\n")
    assert listed_addresses("mail", tmp_path / "hosts") == ("192.0.2.1",)
