"""The dkim facts of a domain, and the flow that observes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from deliverkit.facts.base import Facts, missing
from deliverkit.flow import Flow, ask


@dataclass(frozen=True, repr=False)
class DkimFacts(Facts):
    """Placeholder of the first hour: replaced by its room."""


def observe_dkim(domain: str, *, selectors: tuple[str, ...] = (), key_files: Mapping[str, Path] | None = None) -> Flow[DkimFacts]:
    """Observe dkim."""
    yield from ask(domain, "TXT")
    return missing("not built yet")
