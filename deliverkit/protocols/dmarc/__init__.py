"""DMARC, RFC 9989 to 9991: the policy record, its discovery, identifier alignment, report destinations."""

from deliverkit.protocols.dmarc.align import Alignment, DmarcResult, evaluate, spf_identifier
from deliverkit.protocols.dmarc.destinations import Consent, Destination, destinations
from deliverkit.protocols.dmarc.discover import Discovery, Source, Step, Walk, discover_dmarc, walk
from deliverkit.protocols.dmarc.record import DmarcRecord, is_dmarc, looks_like_dmarc, parse_dmarc

__all__ = [
    "Alignment",
    "Consent",
    "Destination",
    "Discovery",
    "DmarcRecord",
    "DmarcResult",
    "Source",
    "Step",
    "Walk",
    "destinations",
    "discover_dmarc",
    "evaluate",
    "is_dmarc",
    "looks_like_dmarc",
    "parse_dmarc",
    "spf_identifier",
    "walk",
]
