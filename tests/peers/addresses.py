"""Loopback addresses of a test's own, so that fixed ports, low ones too, collide with nobody's.

On Linux all of 127.0.0.0/8 is this machine; each call picks a network of 254 addresses at random.
"""

from __future__ import annotations

import secrets


def own_network() -> str:
    """A prefix such as "127.87.203.": put a number from 1 to 254 behind it."""
    return f"127.{secrets.randbelow(253) + 1}.{secrets.randbelow(256)}."
