"""The TLS-RPT facts of a domain: what stands at ``_smtp._tls``, and the flow that observes it."""

from __future__ import annotations

from deliverkit.facts.placed import PlacedFacts, observe_placed
from deliverkit.flow import Flow
from deliverkit.protocols.tlsrpt import TlsRptRecord, is_tlsrpt, looks_like_tlsrpt, parse_tlsrpt

PREFIX = "_smtp._tls"


class TlsRptFacts(PlacedFacts[TlsRptRecord]):
    """What is published for TLS reporting: exactly one record, or none (RFC 8460 §3)."""


def observe_tlsrpt(domain: str) -> Flow[TlsRptFacts]:
    """Observe the TLS-RPT record of a domain."""
    lost = ("_tls", "_smtp-tlsrpt")
    return observe_placed(TlsRptFacts, domain, PREFIX, parse_tlsrpt, is_tlsrpt, looks_like_tlsrpt, also=lost)
