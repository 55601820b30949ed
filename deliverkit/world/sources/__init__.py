"""Sources of DNS records that are not published yet: master files, octoDNS YAML, Terraform plans.

`read_source` makes zones of a file: each record keeps its file and line, and what the source leaves open stays open.
What this room will not do: change a file (`engine.edit` does), run a program, or hold an opinion (`rules/source` does).
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path

from deliverkit.names import BadName, to_ascii
from deliverkit.world.masterfile import ZoneError
from deliverkit.world.sources.model import SourceZone
from deliverkit.world.values import canonical

__all__ = ["KINDS", "SourceZone", "ZoneError", "kind_of", "read_source"]

KINDS = ("master", "octodns", "terraform")
_LOOKED_AT = 64 * 1024  # octets that tell what a file is
_BY_SUFFIX = {
    ".zone": "master",
    ".db": "master",
    ".hosts": "master",
    ".yaml": "octodns",
    ".yml": "octodns",
    ".json": "terraform",
}
_PLAN = "run `terraform plan -out plan.out`, then `terraform show -json plan.out > plan.json`, and give plan.json"
_NO_SOURCES = {
    ".tf": ("Terraform's own language, which only Terraform can evaluate", _PLAN),
    ".tofu": ("OpenTofu's own language, which only OpenTofu can evaluate", _PLAN.replace("terraform ", "tofu ")),
    ".tfstate": ("Terraform's state in its own format", "give the output of `terraform show -json` instead"),
    ".js": ("a program (DNSControl?), and no program is run", "give what it makes: zone files of its BIND provider"),
    ".ts": ("a program (DNSControl?), and no program is run", "give what it makes: zone files of its BIND provider"),
}


def kind_of(path: Path) -> str | None:
    """What a file is: "master", "octodns" or "terraform", told by suffix and content; None where it is no source.

    A folder is octoDNS's where it is named after a zone with a final dot and holds YAML ("example.com./").
    """
    try:
        if path.is_dir():
            return "octodns" if path.name.endswith(".") and any(path.glob("*.yaml")) else None
        if not path.is_file():
            return None
        with path.open("rb") as stream:
            start = stream.read(_LOOKED_AT)
    except (OSError, ValueError):
        return None
    by_suffix = _BY_SUFFIX.get(path.suffix.lower())
    if path.suffix.lower() in _NO_SOURCES or b"\0" in start:
        return None
    from deliverkit.world.sources import guess

    return guess.content(start, by_suffix, path)


def read_source(
    path: Path, *, kind: str | None = None, origin: str | None = None, shown: str | None = None
) -> tuple[SourceZone, ...]:
    """The zones of a source. Raises ZoneError, which names file, line, text and remedy.

    ``kind`` is one of `KINDS`, told by the file itself where it is not given. ``origin`` names the zone where the file
    does not; ``shown`` is the file's name in sources and errors.
    """
    shown = shown or str(path)
    try:
        if not path.exists():
            raise ZoneError(shown, None, "", "is not there", "correct the path")
        if not path.is_dir() and not path.is_file():
            raise ZoneError(shown, None, "", "is no regular file", "give a file")
        if path.is_file():
            with path.open("rb"):
                pass
    except (OSError, ValueError) as bad:
        why = getattr(bad, "strerror", None) or "not a path"
        if isinstance(bad, ZoneError):
            raise
        raise ZoneError(shown, None, "", f"cannot be read ({why})", "name a readable file") from None
    if path.suffix.lower() in _NO_SOURCES and kind is None:
        why, remedy = _NO_SOURCES[path.suffix.lower()]
        raise ZoneError(shown, None, "", f"is {why}", remedy)
    chosen = kind or kind_of(path) or _BY_SUFFIX.get(path.suffix.lower())
    if chosen is None:
        told = "zone file (RFC 1035 §5), octoDNS YAML or Terraform plan in JSON"
        raise ZoneError(shown, None, "", f"is no {told}", "give one of these, or say its kind in the configuration")
    if chosen not in KINDS:
        raise ZoneError(shown, None, chosen, "an unknown kind of source", f"say one of {', '.join(KINDS)}")
    module = importlib.import_module(f"deliverkit.world.sources.{chosen}")
    read: Callable[[Path, str, str | None], tuple[SourceZone, ...]] = module.read
    return read(path, shown, _canonical(origin, shown))


def _canonical(origin: str | None, shown: str) -> str | None:
    if origin is None:
        return None
    try:
        found = canonical(to_ascii(origin)) if not origin.isascii() else canonical(origin)
    except BadName:
        found = None
    if found is None:
        raise ZoneError(shown, None, origin, "the origin is no domain name", "write it as example.com")
    return found
