"""The configuration of a repository: ``deliverkit.toml``, or ``[tool.deliverkit]`` of a pyproject.toml.

`model` is what it says, `keys` every key with its meaning (the schema for editors is made of it), `lines` finds the
line of each value, `read` makes one of the other and refuses what it does not know, `find` looks for the file. What
this package will not do: ask, judge, or read any file but the configuration itself.
"""

from __future__ import annotations

from deliverkit.config.find import find_config
from deliverkit.config.model import BadConfig, Config, DomainConfig, Expect, Ignore
from deliverkit.config.read import load_config, parse_config

__all__ = [
    "BadConfig",
    "Config",
    "DomainConfig",
    "Expect",
    "Ignore",
    "find_config",
    "load_config",
    "parse_config",
]
