"""Records written as octoDNS YAML in block style, as people and ``octodns-dump`` write it.

What this file will not do: read YAML.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from deliverkit.engine.edit.octodnswords import natural
from deliverkit.world.values import absolute

Plain = tuple[str, str, int, Any]
"""Name relative to the zone ("" is its own), type, TTL, plain value."""


def yaml_text(records: Iterable[Plain], *, comments: bool = False, single: bool = True, deep: int = 2) -> str:
    """A file of octoDNS. ``single``: one value stands under ``value``; ``deep``: columns of a list below its key."""
    found: dict[str, dict[str, list[Any]]] = {}
    ttls: dict[tuple[str, str], int] = {}
    for name, type_, ttl, value in records:
        found.setdefault(name, {}).setdefault(type_, []).append(value)
        ttls.setdefault((name, type_), ttl)
    lines = ["---"]
    for name in sorted(found, key=natural):
        lines += [f"# of {name!r}"] if comments else []
        lines.append(f"{_scalar(name)}:")
        for type_, values in found[name].items():
            rows = [f"ttl: {ttls[name, type_]}", f"type: {type_}" + ("  # type" if comments else "")]
            if single and len(values) == 1 and type_ != "MX":
                rows.append(f"value: {_value(type_, values[0])[0]}" + ("   # the value" if comments else ""))
            else:
                rows.append("values:")
                for value in values:
                    first, *more = _value(type_, value)
                    rows.append(f"{' ' * deep}- {first}")
                    rows += [f"{' ' * deep}  {row}" for row in more]
            if len(found[name]) > 1:
                rows = [f"- {rows[0]}", *(f"  {row}" for row in rows[1:])]
            lines += [f"  {row}" for row in rows]
    return "\n".join(lines) + "\n"


def _scalar(text: str) -> str:
    """Quoted as JSON does, which every YAML reader understands."""
    return text if text and text.replace(".", "").replace("_", "").isalpha() else json.dumps(text)


def _value(type_: str, value: Any) -> list[str]:
    if type_ == "TXT":
        return [json.dumps(b"".join(value).decode("ascii").replace(";", "\\;"))]
    if type_ == "MX":
        return [f"exchange: {absolute(value[1])}", f"preference: {value[0]}"]
    return [absolute(value) if type_ in ("CNAME", "NS") else str(value)]
