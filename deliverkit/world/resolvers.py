"""Which DNS servers to ask: the system's own, or those the user names. They are never replaced silently."""

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import dataclass
from pathlib import Path

RESOLV_CONF = Path("/etc/resolv.conf")
MAX_SYSTEM_SERVERS = 3  # MAXNS of resolv.conf(5)


class BadNameserver(ValueError):
    """The text names no DNS server."""


class NoNameserver(ValueError):
    """This machine has no resolver configured."""


@dataclass(frozen=True, slots=True)
class Server:
    """A DNS server's address and port."""

    address: str
    port: int = 53

    def __str__(self) -> str:
        if self.port == 53:
            return self.address
        return f"[{self.address}]:{self.port}" if ":" in self.address else f"{self.address}:{self.port}"

    @property
    def is_local(self) -> bool:
        """True if the path to it never leaves this machine, so that its AD bit may be believed (RFC 7672 §2.1.3)."""
        return ipaddress.ip_address(self.address.partition("%")[0]).is_loopback


def parse_server(text: str) -> Server:
    """ "192.0.2.53", "192.0.2.53:5353", "2001:db8::53" or "[2001:db8::53]:5353". Raises BadNameserver."""
    match = re.fullmatch(r"\[([^\]]+)\](?::([0-9]{1,5}))?|([^:\[\]]+)(?::([0-9]{1,5}))?|([^\[\]]+)", text.strip())
    address, port = (match[1] or match[3] or match[5], match[2] or match[4]) if match else (text, None)
    try:
        ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        raise BadNameserver(f"{text!r} is no DNS server; write ADDR or ADDR:PORT, IPv6 as [ADDR]:PORT") from None
    number = int(port or 53)
    if not 1 <= number <= 65535:
        raise BadNameserver(f"{text!r}: a port is a number from 1 to 65535")
    return Server(address, number)


def system_servers(path: Path = RESOLV_CONF) -> tuple[Server, ...]:
    """The resolvers of this machine. Raises NoNameserver."""
    if os.name == "nt":
        return _from_dnspython()
    found = []
    try:
        lines = path.read_text("utf-8", "replace").splitlines()
    except OSError:
        lines = []
    for line in lines:
        words = line.split()
        if len(words) > 1 and words[0] == "nameserver":
            try:
                found.append(parse_server(words[1]))
            except BadNameserver:
                continue
    if not found and path.exists():
        found = [Server("127.0.0.1")]  # resolv.conf(5): without a nameserver line, the one on this machine
    if not found:
        raise NoNameserver(f"no resolver is configured in {path}; name one with --nameserver")
    return tuple(found[:MAX_SYSTEM_SERVERS])


def _from_dnspython() -> tuple[Server, ...]:
    """Windows keeps its resolvers in the registry; dnspython knows where."""
    import dns.resolver

    try:
        servers = [str(address) for address in dns.resolver.Resolver().nameservers]
    except dns.resolver.NoResolverConfiguration:
        servers = []
    if not servers:
        raise NoNameserver("no resolver is configured; name one with --nameserver")
    return tuple(Server(address) for address in servers[:MAX_SYSTEM_SERVERS])
