"""The MTA-STS facts of a domain as far as DNS tells them: what stands at ``_mta-sts``, and how it is observed."""

from __future__ import annotations

from deliverkit.facts.placed import PlacedFacts, observe_placed
from deliverkit.flow import Flow
from deliverkit.protocols.mtasts import MtaStsRecord, is_mtasts, looks_like_mtasts, parse_mtasts

PREFIX = "_mta-sts"


class MtaStsFacts(PlacedFacts[MtaStsRecord]):
    """What DNS says of MTA-STS: exactly one record, or no policy (RFC 8461 §3.1). The policy is not fetched here."""


def observe_mtasts(domain: str) -> Flow[MtaStsFacts]:
    """Observe the MTA-STS record of a domain."""
    return observe_placed(MtaStsFacts, domain, PREFIX, parse_mtasts, is_mtasts, looks_like_mtasts)
