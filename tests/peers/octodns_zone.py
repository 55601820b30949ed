"""Reads zones with octoDNS itself, for test_octodns.py; runs in an interpreter that has it.

Arguments: a folder, and YAML files in it, each named after its zone. Prints one JSON list: for each zone its records as
[name, type, TTL, [values in presentation form]], or {"refused": why}.
"""

from __future__ import annotations

import json
import logging
import sys
from typing import Any

from octodns.provider.yaml import YamlProvider  # type: ignore[import-not-found]
from octodns.record import Record  # type: ignore[import-not-found]
from octodns.zone import Zone  # type: ignore[import-not-found]

DOTS = {
    "target-value-best-practice": ["CNAME", "ALIAS", "DNAME"],
    "targets-value-best-practice": ["NS"],
    "mx-value-best-practice": ["MX"],
}


def as_a_manager() -> None:
    """What its command line switches on, and the final dots that versions before 1.22 insisted on."""
    if hasattr(Record, "enable_validators"):
        Record.enable_validators(("legacy",))
        Zone.enable_zone_validators(("legacy",))
        for one, types in DOTS.items():
            Record.enable_validator(one, types=types)


def read(folder: str, name: str) -> Any:
    """The records of one zone."""
    zone = Zone(f"{name}.", [])
    try:
        YamlProvider("test", folder, enforce_order=False).populate(zone)
        if hasattr(zone, "validate"):
            zone.validate()
    except Exception as refused:  # of many kinds
        return {"refused": str(refused)}
    published = (r for r in zone.records if not r.ignored)
    return sorted(
        [r.fqdn, r._type, r.ttl, sorted(map(text, getattr(r, "values", None) or [r.value]))] for r in published
    )


def text(value: Any) -> str:
    """A value as octoDNS publishes it."""
    return str(value.to_rdata_text() if hasattr(value, "to_rdata_text") else value.rdata_text)


def main() -> None:
    """Read and print."""
    logging.disable()
    as_a_manager()
    folder, *files = sys.argv[1:]
    print(json.dumps([read(folder, file.removesuffix(".yaml")) for file in files]))


if __name__ == "__main__":
    main()
