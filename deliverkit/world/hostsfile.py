"""The hosts file of this machine, which its resolver library reads before it asks DNS.

What this file will not do: ask anybody, or read /etc/nsswitch.conf: where "files" is switched off we are wrong.
"""

from __future__ import annotations

from pathlib import Path

from deliverkit.addresses import kind

_HOSTS = Path("/etc/hosts")
_LARGEST = 1024 * 1024  # octets; lists that block advertisements are this long


def listed_addresses(name: str, path: Path = _HOSTS) -> tuple[str, ...]:
    """The addresses of a name in the file, IPv4 first; none where there is no such file or it cannot be read."""
    try:
        with path.open(encoding="utf-8", errors="replace") as file:
            text = file.read(_LARGEST)
    except OSError:
        return ()
    wanted = name.lower().rstrip(".")
    found: list[str] = []
    for line in text.splitlines():
        address, *names = line.partition("#")[0].split() or [""]
        if wanted in (one.lower() for one in names) and kind(address) != "invalid":
            found.append(address)
    return tuple(sorted(dict.fromkeys(found), key=lambda one: ":" in one))
