"""The tlsrpt facts of a domain, and the flow that observes them."""

from __future__ import annotations

from dataclasses import dataclass

from deliverkit.facts.base import Facts, missing
from deliverkit.flow import Flow, ask


@dataclass(frozen=True, repr=False)
class TlsRptFacts(Facts):
    """Placeholder of the first hour: replaced by its room."""


def observe_tlsrpt(domain: str) -> Flow[TlsRptFacts]:
    """Observe tlsrpt."""
    yield from ask(domain, "TXT")
    return missing("not built yet")
