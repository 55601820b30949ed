"""Which servers are asked."""

from __future__ import annotations

from pathlib import Path

import pytest

from deliverkit.addresses import is_documentation, is_public, kind
from deliverkit.world.resolvers import BadNameserver, NoNameserver, Server, parse_server, system_servers


@pytest.mark.parametrize(
    ("text", "address", "port", "shown"),
    [
        ("192.0.2.53", "192.0.2.53", 53, "192.0.2.53"),
        ("192.0.2.53:5353", "192.0.2.53", 5353, "192.0.2.53:5353"),
        ("2001:db8::53", "2001:db8::53", 53, "2001:db8::53"),
        ("[2001:db8::53]", "2001:db8::53", 53, "2001:db8::53"),
        ("[2001:db8::53]:5353", "2001:db8::53", 5353, "[2001:db8::53]:5353"),
        ("fe80::1%eth0", "fe80::1%eth0", 53, "fe80::1%eth0"),
    ],
)
def test_servers_are_read_with_and_without_port(text: str, address: str, port: int, shown: str) -> None:
    """IPv6 stands in brackets when a port follows."""
    server = parse_server(text)
    assert (server.address, server.port, str(server)) == (address, port, shown)


@pytest.mark.parametrize(
    "text", ["", "dns.example", "192.0.2.53:", "192.0.2.53:0", "192.0.2.53:99999", "[2001:db8::53", "192.0.2"]
)
def test_what_is_no_server_is_refused(text: str) -> None:
    """With the form that is expected."""
    with pytest.raises(BadNameserver, match=r"write ADDR|a port is"):
        parse_server(text)


def test_the_system_resolvers_are_read_and_kept(tmp_path: Path) -> None:
    """In order, at most three, nonsense skipped; search suffixes are of no interest."""
    path = tmp_path / "resolv.conf"
    path.write_text(
        "# x\nsearch corp.example\nnameserver 192.0.2.1\nnameserver x\nnameserver 2001:db8::1\n"
        "nameserver 192.0.2.2\nnameserver 192.0.2.3\n"
    )
    assert system_servers(path) == (Server("192.0.2.1"), Server("2001:db8::1"), Server("192.0.2.2"))


def test_without_a_nameserver_line_the_local_one_is_meant(tmp_path: Path) -> None:
    """resolv.conf(5); without the file there is none, and we say so instead of choosing one."""
    path = tmp_path / "resolv.conf"
    path.write_text("options edns0\n")
    assert system_servers(path) == (Server("127.0.0.1"),)
    with pytest.raises(NoNameserver, match="--nameserver"):
        system_servers(tmp_path / "absent")


@pytest.mark.parametrize(
    ("address", "public", "word"),
    [
        ("192.0.2.1", True, "public"),
        ("2001:db8::1", True, "public"),
        ("8.8.8.8", True, "public"),
        ("10.1.2.3", False, "private"),
        ("100.64.0.1", False, "shared"),
        ("240.0.0.1", False, "reserved"),
        ("127.0.0.1", False, "loopback"),
        ("169.254.1.1", False, "link-local"),
        ("224.0.0.1", False, "multicast"),
        ("0.0.0.0", False, "unspecified"),
        ("192.0.0.8", False, "reserved"),
        ("192.88.99.1", False, "reserved"),
        ("64:ff9b::a9fe:a9fe", False, "link-local"),
        ("2002:7f00:1::", False, "loopback"),
        ("::ffff:100.64.0.1", False, "shared"),
        ("::1", False, "loopback"),
        ("fd00::1", False, "private"),
        ("::ffff:10.0.0.1", False, "private"),
        ("no address", False, "invalid"),
    ],
)
def test_which_addresses_are_public(address: str, public: bool, word: str) -> None:
    """Documentation networks count as public ones."""
    assert is_public(address) is public
    assert kind(address) == word
    assert not is_documentation("8.8.8.8")
