"""The TLS-RPT policy record (RFC 8460 §3): TXT at ``_smtp._tls.<domain>``, where reports on TLS trouble go.

Only the record's syntax lives here; the reports themselves are another matter.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from deliverkit.protocols.fault import Fault
from deliverkit.protocols.fieldlist import parse_fields, starts_with_version
from deliverkit.protocols.uri import ReportUri, parse_uri_list

VERSION = "TLSRPTv1"
SCHEMES = ("mailto", "https")


@dataclass(frozen=True, slots=True)
class TlsRptRecord:
    """One text as a TLS-RPT record. ``selected`` is True if senders count it; ``valid`` if they can use it."""

    text: str
    selected: bool
    rua: tuple[ReportUri, ...]
    extensions: tuple[tuple[str, str], ...]
    faults: tuple[Fault, ...]

    @property
    def valid(self) -> bool:
        """False if a fault makes the record unusable."""
        return not any(fault.fatal for fault in self.faults)

    def to_json(self) -> dict[str, object]:
        """The record as a reader of JSON wants it."""
        rua = [uri.text for uri in self.rua]
        return {"text": self.text, "valid": self.valid, "rua": rua, "faults": self.faults}


def is_tlsrpt(text: str) -> bool:
    """True if senders take the text for a TLS-RPT record."""
    return starts_with_version(text, VERSION)


def looks_like_tlsrpt(text: str) -> bool:
    """True if somebody meant the text to be a TLS-RPT record, valid or not."""
    return re.match(r"\W*v\s*=?\s*TLS-?RPT", text, re.IGNORECASE) is not None


def parse_tlsrpt(text: str) -> TlsRptRecord:
    """Read a TLS-RPT record.

    Fault kinds beside those of `parse_fields` and `parse_uri_list`: ``no-rua``, ``uri-scheme``, ``two-rua``.
    """
    listed = parse_fields(text, VERSION, ("rua",))
    faults = list(listed.faults)
    fields = listed.all("rua")
    rua = tuple(uri for one in fields for uri in parse_uri_list(one.value, one.value_span[0], sizes=False))
    if not fields:
        detail = "no rua field: nobody to report to"
        faults.append(Fault("no-rua", detail, (0, len(text)), fatal=True))
    for uri in rua:
        faults.extend(uri.faults)
        if uri.scheme and uri.scheme not in SCHEMES:
            detail = f"{uri.scheme}: is neither mailto: nor https:"
            faults.append(Fault("uri-scheme", detail, uri.span, fatal=True))
    for extra in fields[1:]:  # the grammar allows it, though the text speaks of one
        faults.append(Fault("two-rua", "a second rua field; not every sender reads it", extra.span))
    ordered = tuple(sorted(faults, key=lambda fault: fault.span))
    return TlsRptRecord(text, is_tlsrpt(text), rua, listed.others("rua"), ordered)
