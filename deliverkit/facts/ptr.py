"""The ptr facts of a domain, and the flow that observes them."""

from __future__ import annotations

from dataclasses import dataclass

from deliverkit.facts.base import Facts, missing
from deliverkit.flow import Flow, ask


@dataclass(frozen=True, repr=False)
class PtrFacts(Facts):
    """Placeholder of the first hour: replaced by its room."""


def observe_ptr(domain: str, *, sends_from: tuple[str, ...] = ()) -> Flow[PtrFacts]:
    """Observe ptr."""
    yield from ask(domain, "TXT")
    return missing("not built yet")
