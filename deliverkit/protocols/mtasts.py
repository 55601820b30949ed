"""The MTA-STS TXT record (RFC 8461 §3.1): TXT at ``_mta-sts.<domain>``, which says that a policy exists and its id.

Only the record's syntax lives here; the policy it announces is fetched over HTTPS and is another matter.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from deliverkit.protocols.fault import Fault
from deliverkit.protocols.fieldlist import parse_fields, starts_with_version

VERSION = "STSv1"


@dataclass(frozen=True, slots=True)
class MtaStsRecord:
    """One text as an MTA-STS record. ``selected`` is True if senders count it; ``valid`` if they can use it."""

    text: str
    selected: bool
    id: str | None
    extensions: tuple[tuple[str, str], ...]
    faults: tuple[Fault, ...]

    @property
    def valid(self) -> bool:
        """False if a fault makes the record unusable."""
        return not any(fault.fatal for fault in self.faults)

    def to_json(self) -> dict[str, object]:
        """The record as a reader of JSON wants it."""
        return {"text": self.text, "valid": self.valid, "id": self.id, "faults": self.faults}


def is_mtasts(text: str) -> bool:
    """True if senders take the text for an MTA-STS record."""
    return starts_with_version(text, VERSION)


def looks_like_mtasts(text: str) -> bool:
    """True if somebody meant the text to be an MTA-STS record, valid or not."""
    return re.match(r"\W*v\s*=?\s*(?:MTA-?)?STS", text, re.IGNORECASE) is not None


def parse_mtasts(text: str) -> MtaStsRecord:
    """Read an MTA-STS record. Fault kinds beside those of `parse_fields`: ``no-id``, ``bad-id``, ``two-ids``."""
    listed = parse_fields(text, VERSION, ("id",))
    faults = list(listed.faults)
    fields = listed.all("id")
    identifier = fields[0].value if fields else None
    if identifier is None:
        faults.append(Fault("no-id", "no id field", (0, len(text)), fatal=True))
    elif not re.fullmatch(r"[A-Za-z0-9]{1,32}", identifier):
        detail = f"id={identifier[:40]} is not 1 to 32 letters and digits"
        faults.append(Fault("bad-id", detail, fields[0].span, fatal=True))
    for extra in fields[1:]:
        faults.append(Fault("two-ids", "a second id field", extra.span, fatal=True))
    ordered = tuple(sorted(faults, key=lambda fault: fault.span))
    return MtaStsRecord(text, is_mtasts(text), identifier, listed.others("id"), ordered)
