"""What a file is by its content, where the suffix alone does not say.

What this file will not do: read more than the beginning of a file, or read it as what it is.
"""

from __future__ import annotations

import re
from pathlib import Path

from deliverkit.world.values import canonical

_DIRECTIVE = re.compile(rb"^\$(?:ORIGIN|TTL|INCLUDE|GENERATE)[ \t]", re.MULTILINE | re.IGNORECASE)
_RECORD = re.compile(
    rb"^(?:[^\s;\"']+)?[ \t]+(?:[0-9]+[wdhms0-9]*[ \t]+)?(?:IN[ \t]+)?(?:[0-9]+[wdhms0-9]*[ \t]+)?"
    rb"(?:A[ \t]+[0-9.]+|AAAA[ \t]+[0-9A-Fa-f:]+|(?:SOA|NS|MX|TXT|CNAME|SRV|CAA|TLSA|PTR|DS)[ \t]+[^\s:=])",
    re.MULTILINE,
)
_LINE = re.compile(rb"^[ \t]*[^;#\s]", re.MULTILINE)
_YAML_TYPE = re.compile(
    rb"""^[ \t-]*["']?type["']?[ \t]*:[ \t]*["']?[A-Z][A-Za-z0-9/]*["']?,?[ \t]*(?:#.*)?\r?$""", re.MULTILINE
)
_FLOW_TYPE = re.compile(rb"""[{,][ \t]*["']?type["']?[ \t]*:[ \t]*["']?[A-Z]""")
_PLAN_KEYS = re.compile(rb'"(?:terraform_version|planned_values|resource_changes|format_version)"')


def content(start: bytes, by_suffix: str | None, path: Path) -> str | None:
    """The kind of source; ``by_suffix`` is what the name lets expect."""
    if by_suffix == "terraform":
        return "terraform" if _PLAN_KEYS.search(start) else None
    if by_suffix == "octodns":
        named = canonical(path.stem) is not None and "." in path.stem
        split = path.parent.name.endswith(".")
        typed = bool(_YAML_TYPE.search(start) or _FLOW_TYPE.search(start))
        empty = not start.strip(b"-{} \t\r\n")
        return "octodns" if (named or split) and (typed or empty) else None
    if start.lstrip()[:1] == b"{":
        return "terraform" if _PLAN_KEYS.search(start) else None
    if by_suffix == "master" or _DIRECTIVE.search(start):
        return "master"
    return "master" if 2 * len(_RECORD.findall(start)) >= max(1, len(_LINE.findall(start))) else None
