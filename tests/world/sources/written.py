"""The same records written as a master file, as octoDNS YAML and as Terraform plans; and zones to compare."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from deliverkit.world.sources import SourceZone, read_source
from deliverkit.world.values import absolute, quoted

ORIGIN = "example.com"
Plain = tuple[str, str, int, Any]
"""Name relative to the zone ("" is its own), type, TTL, plain value."""


def as_master(records: list[Plain]) -> str:
    """A master file."""
    lines = [f"$ORIGIN {ORIGIN}."]
    for name, type_, ttl, value in records:
        lines.append(f"{name or '@'} {ttl} IN {type_} {_presented(type_, value)}")
    return "\n".join(lines) + "\n"


def _presented(type_: str, value: Any) -> str:
    if type_ == "TXT":
        return " ".join(quoted(string) for string in value)
    if type_ == "MX":
        return f"{value[0]} {absolute(value[1])}"
    return absolute(value) if type_ == "CNAME" else str(value)


def as_octodns(records: list[Plain]) -> str:
    """octoDNS YAML; JSON is YAML."""
    found: dict[str, dict[str, Any]] = {}
    for name, type_, ttl, value in records:
        one = found.setdefault(name, {}).setdefault(type_, {"type": type_, "ttl": ttl, "values": []})
        told: Any = value
        if type_ == "TXT":
            told = b"".join(value).decode("ascii").replace(";", "\\;")
        elif type_ == "MX":
            told = {"preference": value[0], "exchange": absolute(value[1])}
        elif type_ == "CNAME":
            told = absolute(value)
        one["values"].append(told)
    return json.dumps({name: list(types.values()) for name, types in found.items()}, indent=2)


def as_plan(records: list[Plain], provider: str, indent: int | None = 1) -> str:
    """A plan for one of the four providers."""
    makers = {"route53": _route53, "cloudflare": _cloudflare, "google": _google, "azure": _azure}
    resources = [
        {"address": f"{type_}.r{n}", "mode": "managed", "type": type_, "name": f"r{n}", "values": values}
        for n, (type_, values) in enumerate(makers[provider](records))
    ]
    plan = {
        "format_version": "1.2",
        "planned_values": {"root_module": {"child_modules": [{"address": "module.dns", "resources": resources}]}},
    }
    return json.dumps(plan, indent=indent)


def _sets(records: list[Plain]) -> dict[tuple[str, str, int], list[Any]]:
    found: dict[tuple[str, str, int], list[Any]] = {}
    for name, type_, ttl, value in records:
        found.setdefault((name, type_, ttl), []).append(value)
    return found


def _route53(records: list[Plain]) -> list[tuple[str, dict[str, Any]]]:
    made = [("aws_route53_zone", {"name": ORIGIN, "zone_id": "Z1"})]
    for (name, type_, ttl), values in _sets(records).items():
        told = [
            _presented(type_, value)[1:-1].replace('" "', '""') if type_ == "TXT" else _presented(type_, value)
            for value in values
        ]
        made.append(("aws_route53_record", {"zone_id": "Z1", "name": name, "type": type_, "ttl": ttl, "records": told}))
    return made


def _google(records: list[Plain]) -> list[tuple[str, dict[str, Any]]]:
    made = [("google_dns_managed_zone", {"name": "z", "dns_name": f"{ORIGIN}."})]
    for (name, type_, ttl), values in _sets(records).items():
        told = [_presented(type_, value) for value in values]
        owner = f"{name}.{ORIGIN}." if name else f"{ORIGIN}."
        made.append(
            ("google_dns_record_set", {"managed_zone": "z", "name": owner, "type": type_, "ttl": ttl, "rrdatas": told})
        )
    return made


def _cloudflare(records: list[Plain]) -> list[tuple[str, dict[str, Any]]]:
    made: list[tuple[str, dict[str, Any]]] = [("cloudflare_zone", {"id": "c1", "name": ORIGIN})]
    for name, type_, ttl, value in records:
        values: dict[str, Any] = {"zone_id": "c1", "name": name or "@", "type": type_, "ttl": ttl, "proxied": False}
        values["content"] = value[1] if type_ == "MX" else _presented(type_, value)
        if type_ == "MX":
            values["priority"] = value[0]
        made.append(("cloudflare_dns_record", values))
    return made


def _azure(records: list[Plain]) -> list[tuple[str, dict[str, Any]]]:
    made: list[tuple[str, dict[str, Any]]] = []
    for (name, type_, ttl), values in _sets(records).items():
        told: dict[str, Any] = {"zone_name": ORIGIN, "name": name or "@", "ttl": ttl}
        if type_ == "TXT":
            told["record"] = [{"value": b"".join(value).decode("ascii")} for value in values]
        elif type_ == "MX":
            told["record"] = [{"preference": str(value[0]), "exchange": value[1]} for value in values]
        elif type_ == "CNAME":
            told["record"] = values[0]
        else:
            told["records"] = values
        made.append((f"azurerm_dns_{type_.lower()}_record", told))
    return made


def read_text(folder: Path, name: str, text: str | bytes, **options: Any) -> tuple[SourceZone, ...]:
    """The zones of a file with this text."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode("utf-8", "surrogateescape"))
    return read_source(path, shown=name, **options)


def told(zone: SourceZone) -> set[tuple[str, str, int, Any]]:
    """What the zone answers, however its texts were cut."""
    return {(r.name, r.type, r.ttl, b"".join(r.value) if r.type == "TXT" else r.value) for r in zone.zone.records()}
